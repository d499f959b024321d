"""The pages in a browser, over seeded tables: what a person would see."""

import os
import shutil
import tempfile
import time
import unittest
from pathlib import Path
from typing import ClassVar

import accessibility
import database
import seed
from browser import POLL_SECONDS, WIDTH, Browser
from local.service import FIRST_PAGE, Superset
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from stack.settings import Settings, from_environment

PORT = int(os.environ.get("TAPEWIRE_DASHBOARDS_TEST_PORT") or 18089)
# The page asks again every 30 s, and the machine may be slow.
REFRESH_SECONDS = 120
TABLES = "[data-test='chart-container'] .superset-chart-table"
PANELS = ".tw-panel"
APPLY = "[data-test='filter-bar__apply-button']"
# The colours of a canvas, to tell a drawn one from a blank one.
COLOURS = """
    return [...document.querySelectorAll('canvas')].filter(canvas => canvas.width && canvas.height).map(canvas => {
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const seen = new Set();
        for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 3] > 200) seen.add((pixels[i] << 16) + (pixels[i + 1] << 8) + pixels[i + 2]);
        return [...seen].map(colour => '#' + colour.toString(16).padStart(6, '0'));
    });
"""
# Whether nothing is cut off at the right.
FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
# Whether the element with the keyboard's focus is the one sought, whether one can see that it has it, and what it is.
# The field of a choice has no border of its own: the box around it shows the focus. While the bar of filters makes room
# for a choice, only the body may have it; the next Tab goes on.
FOCUS = """
    const focused = document.activeElement;
    const style = getComputedStyle(focused.closest('.ant-select')?.querySelector('.ant-select-selector') ?? focused);
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 1;
    const shadowed = !/^(none|rgba\\(0, 0, 0, 0\\))/.test(style.boxShadow);
    const visible = outlined || shadowed || focused === document.body;
    return [focused.matches(arguments[0]), visible, focused.outerHTML.slice(0, 200)];
"""
# An outline may appear gradually.
FOCUS_SECONDS = 5
# More presses of Tab than lead to anything that is looked for.
MOST_STOPS = 80


superset: Superset
folder: Path
axe: str


def setUpModule():
    global superset, folder, axe
    unittest.addModuleCleanup(database.drop)
    database.create()
    database.insert(seed.rows())
    database.insert(seed.rows(seed.OTHER_RUN, **seed.EARLIER))
    folder = Path(tempfile.mkdtemp(prefix="tapewire-dashboards-"))
    unittest.addModuleCleanup(shutil.rmtree, folder)
    axe = accessibility.axe(from_environment().cache)
    superset = Superset(Settings(folder=folder, cache=from_environment().cache), PORT)
    os.environ["TAPEWIRE_CLICKHOUSE_DATABASE"] = database.NAME
    os.environ["TAPEWIRE_CLICKHOUSE_BI_PASSWORD_FILE"] = str(database.bi_password_file())
    unittest.addModuleCleanup(superset.down)
    superset.up()
    superset.provision()


class Visit(unittest.TestCase):
    """A look at the page. Nothing on it may fail or come from elsewhere."""

    page: ClassVar[str] = FIRST_PAGE
    browser: ClassVar[Browser]

    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser(superset.url, superset.password.read_text().strip()))
        cls.browser.open(cls.page)

    def tearDown(self):
        self.assertEqual([], self.browser.failures())
        self.assertEqual([], self.browser.foreign_addresses())

    def rows(self, table: int) -> list[list[str]]:
        """Cells of a table, by its place on the page."""
        script = """
            const rows = [...arguments[0].querySelectorAll('tbody tr')];
            return rows.map(row => [...row.cells].map(cell => cell.innerText.trim()));
        """
        return self.browser.driver.execute_script(script, self.browser.all(TABLES)[table])

    def save_picture(self, least_height: int) -> None:
        """Saves a picture of the page, which is complete only if it is higher than this.

        The picture is kept if TAPEWIRE_DASHBOARDS_PICTURE names a file for it.
        """
        wanted = os.environ.get("TAPEWIRE_DASHBOARDS_PICTURE")
        picture = Path(wanted or folder / "page.png")
        if self.page != FIRST_PAGE:
            picture = picture.with_stem(f"{picture.stem}-{self.page}")
        self.browser.save(picture)
        header = picture.read_bytes()[:24]
        self.assertEqual(b"\x89PNG", header[:4])
        width, height = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
        self.assertEqual(1680, width)
        self.assertGreater(height, least_height)
        if wanted:
            print(f"picture: {picture}")

    def assert_anyone_can_use_it(self) -> None:
        """At each width all charts are drawn, nothing is cut off, and axe finds nothing but what is known.

        What is known has to be found too, so that the list stays short.
        """
        self.addCleanup(self.browser.resize, WIDTH)
        seen = set()
        for width in accessibility.WIDTHS:
            self.browser.resize(width)
            self.browser.wait(f"the page to fit into {width} pixels", lambda: self.browser.driver.execute_script(FITS))
            found = accessibility.violations(self.browser, axe)
            if any(violation.known < 0 for violation in found):
                # Perhaps of a chart that was being refreshed.
                self.browser.settle()
                found = accessibility.violations(self.browser, axe)
            new = [str(violation) for violation in found if violation.known < 0]
            self.assertEqual([], new, f"{width} pixels wide:\n" + "\n".join(new))
            seen |= {violation.known for violation in found}
        gone = [entry for number, entry in enumerate(accessibility.KNOWN) if number not in seen]
        self.assertEqual([], gone, "no longer there: remove it from KNOWN")

    def figures(self) -> list[str]:
        return [figure.text for figure in self.browser.all(".tw-strip b")]


class Opening(Visit):
    """What the page shows before anything is chosen."""

    def test_opens_with_the_newest_run_and_its_news(self):
        self.assertEqual("150", self.figures()[0])
        self.assertEqual("6 Mar 2026, 20:15 UTC", self.figures()[-1])
        rows = self.rows(0)
        self.assertEqual(150, len(rows))
        published, symbol, label, score, headline, publisher, relevance = rows[0]
        self.assertEqual(("06 Mar 20:15:00", "HALO", seed.NEWEST_TITLE), (published, symbol, headline))
        self.assertEqual("positive", label)
        self.assertIn(publisher, seed.PUBLISHERS)
        self.assertRegex(score, r"^\+0\.\d\d$")
        self.assertRegex(relevance, r"^\d+%$")
        self.assertEqual(sorted((row[0] for row in rows), reverse=True), [row[0] for row in rows])
        unscored = [row for row in rows if row[2] == "not scored"]
        self.assertTrue(unscored)
        self.assertEqual({"N/A"}, {row[3] for row in unscored})

    def test_good_and_bad_news_differ_in_colour(self):
        colour = """
            const cells = [...document.querySelectorAll('td')].filter(cell => cell.innerText === arguments[0]);
            return cells.map(cell => getComputedStyle(cell).color);
        """
        good, bad = (set(self.browser.driver.execute_script(colour, label)) for label in ("positive", "negative"))
        self.assertEqual(1, len(good))
        self.assertEqual(1, len(bad))
        self.assertNotEqual(good, bad)

    def test_draws_candles_volume_and_scores(self):
        panels = self.browser.all(PANELS)
        self.assertEqual(2, len(panels))
        for panel in panels:
            count = "return arguments[0].querySelectorAll(arguments[1]).length"
            self.assertEqual(78, self.browser.driver.execute_script(count, panel, "g.up > .volume, g.down > .volume"))
            self.assertGreater(self.browser.driver.execute_script(count, panel, "g.score circle"), 3)
            self.assertRegex(
                panel.text.splitlines()[0],
                r"^[A-Z]{4} \d+\.\d\d [+−]\d\.\d\d % 5-minute bars, 6 Mar 2026 14:30 – 21:00 UTC$",
            )
            tip = self.browser.driver.execute_script("return arguments[0].querySelector('g title').textContent", panel)
            self.assertRegex(tip, r"open \d+\.\d\d  high \d+\.\d\d  low \d+\.\d\d  close \d+\.\d\d  volume \d")
        fill = "return getComputedStyle(document.querySelector(arguments[0])).fill"
        rising, falling = (
            self.browser.driver.execute_script(fill, f".tw-panel g.{way} rect") for way in ("up", "down")
        )
        self.assertEqual(("rgb(26, 154, 108)", "rgb(214, 69, 80)"), (rising, falling))

    def test_draws_the_other_charts(self):
        companies, sentiment, coefficient = (set(colours) for colours in self.browser.driver.execute_script(COLOURS))
        self.assertLessEqual({"#1a9a6c", "#d64550"}, companies)
        self.assertIn("#22577a", sentiment)
        self.assertLessEqual({"#5b95bd", "#22577a"}, coefficient)

    def test_lists_what_the_price_did_next(self):
        rows = self.rows(1)
        joined = [row for row in seed.rows()["impact"] if row["status"] != "not_joined"]
        self.assertEqual(len(joined), len(rows))
        newest = max(joined, key=lambda row: row["published_at"])
        self.assertEqual(f"{newest['entry_price']:,.2f}", rows[0][6])
        self.assertEqual(f"{newest['ret_15m'] * 100:+.2f}%", rows[0][8].replace("−", "-"))
        self.assertEqual("N/A", rows[0][9], "the 60 minutes reach beyond the close")

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1800)


class Operations(Visit):
    """The page for whoever runs the pipeline."""

    page = "operations"

    def test_says_whether_the_pipeline_keeps_up(self):
        mentions = seed.rows()["mentions"]
        unscored = 100 * sum(row["label"] == "" for row in mentions) / len(mentions)
        newest, slowest, scored_within, share, waiting, letters, alerts = self.figures()
        self.assertEqual("6 Mar 2026, 20:15 UTC", newest)
        self.assertRegex(slowest, r"^\d+ days")
        self.assertEqual(("0.0 s", "0", "3", "2"), (scored_within, waiting, letters, alerts))
        self.assertEqual(f"{unscored:.1f} %", f"{float(share.split()[0]):.1f} %")

    def test_lists_sources_models_outcomes_alerts_and_dead_letters(self):
        sources, models, reasons, alerts, letters = (self.rows(number) for number in range(5))
        self.assertEqual(
            [("other", "idle"), ("seeded", "followed"), ("tape", "followed")], [(r[0], r[4]) for r in sources]
        )
        self.assertEqual([("seeded", "0")], [tuple(row[:2]) for row in models])
        impact = seed.rows()["impact"]
        self.assertEqual(str(sum(row["status"] == "final" for row in impact)), reasons[0][2])
        self.assertEqual({"joined", "not joined", "no score"}, {row[0] for row in reasons})
        self.assertEqual(
            [("anomaly", "HALO", "slack, table"), ("stale_source", "other", "table")],
            sorted((r[1], r[2], r[4]) for r in alerts),
        )
        # Whatever arrived is text here, never HTML.
        self.assertIn(seed.UNREADABLE, [row[3] for row in letters])
        self.assertIn(f"<i>{seed.RUN}</i>", letters[0][4])

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1500)

    def test_draws_delays_and_arrivals(self):
        delays, arrivals = (set(colours) for colours in self.browser.driver.execute_script(COLOURS))
        self.assertGreater(len(delays), 3)
        self.assertGreater(len(arrivals), 1)


class Impact(Visit):
    """The page that says whether the news moved the price."""

    page = "impact"

    def test_lists_each_horizon_companies_groups_and_the_largest_moves(self):
        horizons, companies, groups, movers = (self.rows(number) for number in range(4))
        self.assertEqual([*(f"{minutes} min" for minutes in seed.SEEDED), "close"], [row[0] for row in horizons])
        # Two days are too few for an interval.
        self.assertEqual({"not enough data"}, {row[3] for row in horizons})
        self.assertEqual(set(seed.COMPANIES), {row[0] for row in companies})
        self.assertEqual({"class", "session", "source"}, {row[0] for row in groups})
        sizes = [abs(float(row[7].rstrip("%").replace("−", "-"))) for row in movers]
        self.assertEqual(sorted(sizes, reverse=True), sizes)

    def test_draws_mean_outcomes_and_scores(self):
        reactions, scatter = (set(colours) for colours in self.browser.driver.execute_script(COLOURS))
        self.assertLessEqual({"#1a9a6c", "#8b95a1", "#d64550"}, reactions)
        self.assertGreater(len(scatter), 3)

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1500)


class Market(Visit):
    """The page of prices, indicators and anomalies."""

    page = "market"

    def test_lists_the_companies_in_the_news_and_anomalies(self):
        trending, anomalies = self.rows(0), self.rows(1)
        stories = [row for row in seed.rows()["mentions"] if row["symbol"]]
        most = max(seed.COMPANIES, key=lambda symbol: sum(row["symbol"] == symbol for row in stories))
        self.assertEqual(set(seed.COMPANIES), {row[0] for row in trending})
        self.assertEqual(most, trending[0][0])
        self.assertEqual(str(sum(row["symbol"] == most for row in stories)), trending[0][2])
        last = [row for row in seed.rows()["bars"] if row["symbol"] == most][-1]
        self.assertEqual(f"{last['close']:,.2f}", trending[0][4])
        self.assertRegex(trending[0][6], r"^[+−-]\d+\.\d\d%$")
        seeded = [row for row in seed.rows()["indicators"] if row["is_anomaly"]]
        self.assertEqual(min(200, len(seeded)), len(anomalies))
        self.assertEqual(sorted((row[0] for row in anomalies), reverse=True), [row[0] for row in anomalies])

    def test_draws_prices_and_indicators(self):
        prices, indicators = (set(colours) for colours in self.browser.driver.execute_script(COLOURS))
        self.assertGreater(len(prices), len(seed.COMPANIES))
        self.assertLessEqual({"#22577a", "#5b95bd", "#c07f1d"}, indicators)

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1400)


class Changes(Visit):
    """What happens on the page when something is chosen, or arrives."""

    def setUp(self):
        self.browser.open(FIRST_PAGE)

    def choose(self, name: str, value: str, typed: bool = False) -> None:
        self.browser.all(f"[data-test='NATIVE_FILTER-{name}'] .ant-select-selector")[0].click()
        if typed:
            self.browser.driver.switch_to.active_element.send_keys(value)
        option = f".ant-select-item-option[title='{value}']"

        def click_option() -> bool:
            # While the list of choices unfolds, its entries are there but can't be clicked; then `wait` tries again.
            for entry in self.browser.all(option)[:1]:
                entry.click()
                return True
            return False

        self.browser.wait(f"{value} among the choices", click_option)
        self.browser.wait("the button", lambda: any(button.is_enabled() for button in self.browser.all(APPLY)))
        self.browser.all(APPLY)[0].click()
        self.browser.wait(
            "the choice to be taken", lambda: any(not button.is_enabled() for button in self.browser.all(APPLY))
        )
        time.sleep(1)
        self.browser.settle()

    def press(self, keys: str) -> None:
        """Presses keys, whatever has the focus."""
        ActionChains(self.browser.driver).send_keys(keys).perform()

    def tab_to(self, what: str, visibly: bool = True) -> None:
        """Presses Tab until an element of this selector has the focus.

        If `visibly`, it shows on every element on the way.
        """
        for _ in range(MOST_STOPS):
            self.press(Keys.TAB)
            deadline = time.monotonic() + FOCUS_SECONDS
            reached, visible, element = self.browser.driver.execute_script(FOCUS, what)
            while visibly and not visible:
                self.assertLess(time.monotonic(), deadline, f"nothing shows that it has the focus: {element}")
                time.sleep(POLL_SECONDS)
                reached, visible, element = self.browser.driver.execute_script(FOCUS, what)
            if reached:
                return
        self.fail(f"{MOST_STOPS} presses of Tab do not lead to {what}")

    def test_the_keyboard_is_enough(self):
        # To the list of pages and back. On the list, which is Superset's, the menu doesn't show the focus.
        self.tab_to("#main-menu a[href*='/dashboard/list']")
        self.press(Keys.ENTER)
        self.browser.wait("the list of pages", lambda: self.browser.all(f"td a[href*='/{FIRST_PAGE}']"))
        self.tab_to(f"td a[href*='/{FIRST_PAGE}']", visibly=False)
        self.press(Keys.ENTER)
        self.browser.wait("the page", lambda: self.browser.all(PANELS))
        self.browser.settle()
        # A filter.
        self.tab_to("#NATIVE_FILTER-symbol")
        self.press("CYGN")
        self.browser.wait("the choice", lambda: self.browser.all(".ant-select-item-option-active[title='CYGN']"))
        self.press(Keys.ENTER)
        self.press(Keys.ESCAPE)
        self.browser.wait("the button", lambda: any(button.is_enabled() for button in self.browser.all(APPLY)))
        # The bar of filters makes room for what was chosen.
        self.browser.settle()
        self.tab_to(APPLY)
        self.press(Keys.ENTER)
        stories = [row for row in seed.rows()["mentions"] if row["symbol"] == "CYGN"]
        self.browser.wait("the articles of CYGN", lambda: self.figures()[:1] == [str(len(stories))])
        self.browser.settle()
        # The first article.
        self.tab_to("td a[href]")

    def test_symbol_filter(self):
        self.choose("symbol", "CYGN")
        stories = [row for row in seed.rows()["mentions"] if row["symbol"] == "CYGN"]
        self.assertEqual(str(len(stories)), self.figures()[0])
        for table in (0, 1):
            self.assertEqual({"CYGN"}, {row[1] for row in self.rows(table)})
        (panel,) = self.browser.all(PANELS)
        self.assertTrue(panel.text.startswith("CYGN "))

    def test_search(self):
        """Words that are typed in, where a list of choices is offered."""
        self.choose("search", "recalls a product", typed=True)
        rows = self.rows(0)
        stories = [row for row in seed.rows()["mentions"] if "recalls a product" in row["title"]]
        self.assertEqual((str(len(stories)), len(stories)), (self.figures()[0], len(rows)))
        self.assertTrue(all("recalls a product" in row[4] for row in rows))

    def test_run_filter(self):
        self.choose("run", seed.OTHER_RUN)
        self.assertEqual(str(seed.EARLIER["stories"]), self.figures()[0])
        self.assertIn("20 Feb 2026", self.browser.all(PANELS)[0].text)

    def test_time_filter(self):
        period = "2026-03-05T00:00:00 : 2026-03-06T00:00:00"
        chosen = (
            f"(id:NATIVE_FILTER-time,extraFormData:(time_range:'{period}'),filterState:(value:'{period}'),ownState:())"
        )
        self.browser.open(f"{FIRST_PAGE}/?native_filters=(NATIVE_FILTER-time:{chosen})")
        stories = [row for row in seed.rows()["mentions"] if row["published_at"] < "2026-03-06"]
        self.assertEqual(len(stories), len(self.rows(0)))
        self.assertIn("5 Mar 2026 14:30 – 21:00 UTC", self.browser.all(PANELS)[0].text)

    def test_new_articles_appear_by_themselves(self):
        title = "Arbor Foods: this came while the page was open"
        newest = {"published_at": "2026-03-06 20:55:00", "available_at": "2026-03-06 20:55:20", "title": title}
        story = seed.rows()["mentions"][-1] | newest | {"article_id": "late", "symbol": "ARBO"}
        database.insert({"mentions": [story]})
        self.addCleanup(database.write, "DELETE FROM mentions WHERE article_id = 'late'")
        deadline = time.monotonic() + REFRESH_SECONDS
        while self.rows(0)[0][4] != title:
            self.assertLess(time.monotonic(), deadline, "the page has not refreshed itself")
            time.sleep(1)
