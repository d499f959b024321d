"""The pages in a browser, over seeded tables: what a person would see."""

import os
import re
import shutil
import tempfile
import time
import unittest
from functools import partial
from pathlib import Path
from typing import ClassVar

import accessibility
import colours
import database
import seed
from browser import HOLDERS, POLL_SECONDS, WIDTH, Browser
from contrast import contrast
from local.service import FIRST_PAGE, Superset
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from stack.settings import Settings, from_environment

PORT = int(os.environ.get("TAPEWIRE_DASHBOARDS_TEST_PORT") or 18089)
# The page asks again every 30 s, and the machine may be slow.
REFRESH_SECONDS = 120
CHART = "[data-test-chart-name='{}']"
APPLY = "[data-test='filter-bar__apply-button']"
# The colours of each canvas, of its points that are more opaque than this.
COLOURS = """
    const all = [...document.querySelectorAll(arguments[0] + ' canvas')];
    return all.filter(canvas => canvas.width && canvas.height).map(canvas => {
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        const seen = new Set();
        for (let i = 0; i < pixels.length; i += 4)
            if (pixels[i + 3] > arguments[1]) seen.add((pixels[i] << 16) + (pixels[i + 1] << 8) + pixels[i + 2]);
        return [...seen].map(colour => '#' + colour.toString(16).padStart(6, '0'));
    });
"""
# Of 255. Bands and bars that others are drawn over are less opaque.
OPAQUE = 200
# How many points of a canvas are as faint as a band.
FAINT = """
    const canvas = document.querySelector(arguments[0] + ' canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, place) => place % 4 === 3 && value > 55 && value < 70).length;
"""
# Of the points of a canvas that nearly have a colour: how many are in the upper half of what they cover, and how many
# in the lower one.
HALVES = """
    const canvas = document.querySelector(arguments[0] + ' canvas');
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const rows = new Map();
    // Above is the legend.
    for (let y = arguments[2]; y < canvas.height; y++)
        for (let x = 0; x < canvas.width; x++) {
            const i = 4 * (y * canvas.width + x);
            const isNear = arguments[1].every((value, channel) => Math.abs(data[i + channel] - value) < 40);
            if (isNear && data[i + 3] > 200) rows.set(y, (rows.get(y) ?? 0) + 1);
        }
    const middle = (Math.min(...rows.keys()) + Math.max(...rows.keys())) / 2;
    const sum = half => [...rows].filter(([y]) => half(y)).reduce((total, [, count]) => total + count, 0);
    return [sum(y => y < middle), sum(y => y > middle)];
"""
# The colour behind an element, as `rgb(255, 255, 255)`.
BACKGROUND = """
    for (let element = document.querySelector(arguments[0]); element; element = element.parentElement) {
        const colour = getComputedStyle(element).backgroundColor;
        if (!/^(transparent|rgba\\(.*, 0\\))$/.test(colour)) return colour;
    }
"""
# Whether nothing is cut off at the right.
FITS = "return document.documentElement.scrollWidth <= window.innerWidth"
# Returns: is the focused element the one sought; is its focus visible; its HTML. A select box shows the focus on the
# box around its field. While the filter bar is laid out again the focus is on <body>, which counts as visible.
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
# Above this line of a canvas is the legend.
LEGEND = 40
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


def channels(colour: str) -> tuple[int, int, int]:
    """Red, green and blue of a colour such as `#1a9a6c`."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return red, green, blue


class Visit(unittest.TestCase):
    """A look at the page. Nothing on it may fail or come from elsewhere."""

    page: ClassVar[str] = FIRST_PAGE
    theme: ClassVar[str] = "light"
    # The table of one row at the top.
    summary: ClassVar[str] = "Summary"
    browser: ClassVar[Browser]

    @classmethod
    def setUpClass(cls):
        cls.browser = cls.enterClassContext(Browser(superset.url, superset.password.read_text().strip()))
        cls.browser.choose_theme("dark" if cls.theme == "dark" else "default")
        cls.browser.open(cls.page)

    def tearDown(self):
        self.assertEqual([], self.browser.failures())
        self.assertEqual([], self.browser.foreign_addresses())
        self.assertEqual([], self.browser.complaints())

    def rows(self, chart: str) -> list[list[str]]:
        """Cells of a table, by its title."""
        script = """
            const rows = [...document.querySelectorAll(arguments[0] + ' tbody tr')];
            return rows.map(row => [...row.cells].map(cell => cell.innerText.trim()));
        """
        return self.browser.driver.execute_script(script, CHART.format(chart))

    def colours(self, chart: str) -> set[str]:
        """Those of the one picture of a chart, by its title."""
        (picture,) = self.browser.driver.execute_script(COLOURS, CHART.format(chart), OPAQUE)
        return set(picture)

    def tooltip(self, chart: str, share: float) -> list[str]:
        """Lines of what a chart says where the pointer is over it, at this share of its width."""
        picture = self.browser.all(f"{CHART.format(chart)} canvas")[0]
        script = """
            return [...document.querySelectorAll('body > div')].find(box =>
                box.style.pointerEvents === 'none' && box.style.visibility !== 'hidden' && box.innerText
            )?.innerText;
        """
        offset = int((share - 0.5) * picture.size["width"])

        def said() -> str | None:
            # Once more, if the chart has been drawn again since.
            for step in (0, 1):
                ActionChains(self.browser.driver).move_to_element_with_offset(picture, offset + step, 0).perform()
            return self.browser.driver.execute_script(script)

        text = self.browser.wait("the tooltip", said)
        self.assertIsInstance(text, str)
        return str(text).splitlines()

    def save_picture(self, least_height: int) -> None:
        """Saves a picture of the page, which is complete only if it is higher than this.

        The picture is kept if TAPEWIRE_DASHBOARDS_PICTURE names a file for it.
        """
        wanted = os.environ.get("TAPEWIRE_DASHBOARDS_PICTURE")
        picture = Path(wanted or folder / "page.png")
        if self.page != FIRST_PAGE:
            picture = picture.with_stem(f"{picture.stem}-{self.page}")
        if self.theme != "light":
            picture = picture.with_stem(f"{picture.stem}-{self.theme}")
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
        known = accessibility.KNOWN + (accessibility.KNOWN_IN_THE_DARK if self.theme == "dark" else ())
        seen = set()
        for width in accessibility.WIDTHS:
            self.browser.resize(width)
            self.browser.wait(f"the page to fit into {width} pixels", lambda: self.browser.driver.execute_script(FITS))
            found = accessibility.violations(self.browser, axe, known)
            if any(violation.known < 0 for violation in found):
                # Perhaps of a chart that was being refreshed.
                self.browser.settle()
                found = accessibility.violations(self.browser, axe, known)
            new = [str(violation) for violation in found if violation.known < 0]
            self.assertEqual([], new, f"{width} pixels wide:\n" + "\n".join(new))
            seen |= {violation.known for violation in found}
        gone = [entry for number, entry in enumerate(known) if number not in seen]
        self.assertEqual([], gone, "no longer there: remove it from KNOWN")

    def assert_the_theme_is_that_which_was_chosen(self) -> None:
        """What is known of the colours of charts is known of these backgrounds."""
        scheme = self.browser.driver.execute_script("return getComputedStyle(document.documentElement).colorScheme")
        self.assertEqual(self.theme, scheme)
        behind = self.browser.driver.execute_script(BACKGROUND, f"{HOLDERS} canvas")
        red, green, blue = map(int, re.findall(r"\d+", behind)[:3])
        self.assertEqual(colours.BACKGROUNDS[self.theme], f"#{red:02x}{green:02x}{blue:02x}")

    def assert_the_text_of_charts_can_be_read(self) -> None:
        """Text on a canvas, which axe does not see: some of each picture has the contrast that text needs."""
        background, own = colours.BACKGROUNDS[self.theme], {*colours.LABELS.values(), *colours.SERIES}
        # The edges of letters are not opaque.
        pictures = self.browser.driver.execute_script(COLOURS, HOLDERS, OPAQUE / 2)
        self.assertTrue(pictures)
        for picture in pictures:
            best = max(contrast(colour, background) for colour in {*picture} - own)
            self.assertGreaterEqual(best, 4.5, picture[:20])

    def figures(self) -> list[str]:
        """Those of the table at the top; none while it is being drawn."""
        return next(iter(self.rows(self.summary)), [])


class Opening(Visit):
    """What the page shows before anything is chosen."""

    def test_opens_with_the_newest_run_and_its_news(self):
        self.assertEqual("150", self.figures()[0])
        self.assertEqual("6 Mar 2026, 20:15 UTC", self.figures()[-1])
        rows = self.rows("Latest news")
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

    def test_the_content_policy_lets_no_text_be_run(self):
        ask = """
            const done = arguments[0];
            fetch(location.href).then(answer => done(answer.headers.get('Content-Security-Policy')));
        """
        policy = self.browser.driver.execute_async_script(ask)
        (scripts,) = [part for part in policy.split(";") if part.strip().startswith("script-src")]
        self.assertIn("'self'", scripts)
        self.assertNotIn("unsafe", scripts)

    def test_names_the_company_whose_price_is_drawn(self):
        ((symbol, last, change, high, low, volume, articles, bars, first, until),) = self.rows("Company")
        session = [b for b in seed.rows()["bars"] if b["symbol"] == symbol and b["start"] >= "2026-03-06"]
        self.assertEqual(f"{session[-1]['close']:,.9g}", last)
        self.assertEqual(f"{session[-1]['close'] / session[0]['open'] - 1:+.2%}", change.replace("−", "-"))
        highest, lowest = max(bar["high"] for bar in session), min(bar["low"] for bar in session)
        self.assertEqual((f"{highest:,.9g}", f"{lowest:,.9g}"), (high, low))
        self.assertRegex(volume, r"^\d[\d.]*[kM]$")
        self.assertGreater(int(articles), 3)
        self.assertEqual(("78 of 5 min", "6 Mar 2026 14:30", "6 Mar 2026 21:00"), (bars, first, until))

    def test_draws_the_close_its_range_and_the_news(self):
        drawn = self.colours("Price and news")
        # Close, positive, neutral and negative news.
        self.assertLessEqual({colours.BLUE, colours.POSITIVE, colours.NEUTRAL, colours.NEGATIVE}, drawn)
        # The range is a band through which the lines behind it show.
        faint = self.browser.driver.execute_script(FAINT, CHART.format("Price and news"))
        self.assertGreater(faint, 5_000)
        marks = {colours.POSITIVE, colours.NEUTRAL, colours.NEGATIVE}
        self.assertLessEqual(marks, self.colours("Volume, and the scores of the articles"))

    def test_the_tooltip_has_prices(self):
        moment, close = self.tooltip("Price and news", 0.5)[:2]
        self.assertRegex(moment, r"^2026-03-06 17:[345]\d$")
        minute = {
            b["start"][11:16]: b for b in seed.rows()["bars"] if b["symbol"] == "HALO" and b["start"] > "2026-03-06"
        }
        start = int(moment[14:16])
        five = [minute[f"17:{start + n:02}"] for n in range(5)]
        low, high = min(bar["low"] for bar in five), max(bar["high"] for bar in five)
        self.assertEqual(f"Close\t{five[-1]['close']:,.9g} ({low:,.9g}, {high:,.9g})", close)

    def test_the_theme_is_light_and_what_is_drawn_can_be_read(self):
        self.assert_the_theme_is_that_which_was_chosen()
        self.assert_the_text_of_charts_can_be_read()

    def test_draws_the_other_charts(self):
        self.assertLessEqual({colours.POSITIVE, colours.NEGATIVE}, self.colours("Companies by number of articles"))
        self.assertIn(colours.BLUE, self.colours("Sentiment over time"))
        self.assertLessEqual({colours.LIGHT_BLUE, colours.BLUE}, self.colours("Information coefficient by horizon"))

    def test_lists_what_the_price_did_next(self):
        rows = self.rows("News and what the price did next")
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
    summary = "State"

    def test_says_whether_the_pipeline_keeps_up(self):
        mentions = seed.rows()["mentions"]
        unscored = 100 * sum(row["label"] == "" for row in mentions) / len(mentions)
        newest, slowest, scored_within, share, waiting, letters, alerts = self.figures()
        self.assertEqual("6 Mar 2026, 20:15 UTC", newest)
        self.assertRegex(slowest, r"^\d+ days")
        self.assertEqual(("0.0 s", "0", "3", "2"), (scored_within, waiting, letters, alerts))
        self.assertEqual(f"{unscored:.1f} %", f"{float(share.split()[0]):.1f} %")

    def test_lists_sources_models_outcomes_alerts_and_dead_letters(self):
        sources, models, reasons, alerts, letters = (
            self.rows(title) for title in ("Sources", "Models", "What became of the mentions", "Alerts", "Dead letters")
        )
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
        self.assertGreater(len(self.colours("Delays of articles, in seconds")), 3)
        self.assertGreater(len(self.colours("Articles by source")), 1)


class Impact(Visit):
    """The page that says whether the news moved the price."""

    page = "impact"

    def test_lists_each_horizon_companies_groups_and_the_largest_moves(self):
        horizons, companies, groups, movers = (
            self.rows(title)
            for title in (
                "Did the news move the price?",
                "By company",
                "By session, source and class",
                "The largest moves after news",
            )
        )
        self.assertEqual([*(f"{minutes} min" for minutes in seed.SEEDED), "close"], [row[0] for row in horizons])
        # Two days are too few for an interval.
        self.assertEqual({"not enough data"}, {row[3] for row in horizons})
        self.assertEqual(set(seed.COMPANIES), {row[0] for row in companies})
        self.assertEqual({"class", "session", "source"}, {row[0] for row in groups})
        sizes = [abs(float(row[7].rstrip("%").replace("−", "-"))) for row in movers]
        self.assertEqual(sorted(sizes, reverse=True), sizes)

    def test_draws_mean_outcomes_and_scores(self):
        reactions = self.colours("Mean outcome after the news, in basis points")
        self.assertLessEqual({colours.POSITIVE, colours.NEUTRAL, colours.NEGATIVE}, reactions)
        self.assertGreater(len(self.colours("Score and outcome at 15 minutes")), 3)

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1500)


class Market(Visit):
    """The page of prices, indicators and anomalies."""

    page = "market"

    def test_lists_the_companies_in_the_news_and_anomalies(self):
        trending, anomalies = self.rows("Most in the news"), self.rows("Anomalies and their news")
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
        self.assertGreater(len(self.colours("Prices against the first one shown")), len(seed.COMPANIES))
        indicators = self.colours("Price and indicators of one company")
        self.assertLessEqual({colours.BLUE, colours.LIGHT_BLUE, colours.OCHRE}, indicators)
        # Companies are not known in advance: their colours are those of the scheme.
        drawn = self.colours("Prices against the first one shown") & {*colours.SERIES}
        self.assertGreaterEqual(len(drawn), len(seed.COMPANIES) - 1, "a line may be hidden by another")

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1400)


class InTheDark(Visit):
    """The first page in Superset's dark theme, which a user chooses, or has because the system is dark."""

    theme = "dark"

    def test_the_theme_is_dark_and_what_is_drawn_can_be_read(self):
        self.assert_the_theme_is_that_which_was_chosen()
        self.assert_the_text_of_charts_can_be_read()

    def test_charts_have_the_colours_that_stand_out_in_both_themes(self):
        marks = {colours.BLUE, colours.POSITIVE, colours.NEUTRAL, colours.NEGATIVE}
        self.assertLessEqual(marks, self.colours("Price and news"))
        self.assertLessEqual({colours.LIGHT_BLUE, colours.BLUE}, self.colours("Information coefficient by horizon"))

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1800)


class ImpactInTheDark(Visit):
    page = "impact"
    theme = "dark"

    def test_the_theme_is_dark_and_what_is_drawn_can_be_read(self):
        self.assert_the_theme_is_that_which_was_chosen()
        self.assert_the_text_of_charts_can_be_read()

    def test_anyone_can_use_it_on_a_laptop_and_on_a_desktop(self):
        self.assert_anyone_can_use_it()

    def test_picture(self):
        self.save_picture(least_height=1500)


class Choices(Visit):
    """A page on which something is chosen. Each test begins with the page as it opens."""

    def setUp(self):
        self.browser.open(self.page)

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


class ImpactChoices(Choices):
    page = "impact"

    def test_a_search_reaches_every_chart(self):
        words = "raises its full-year outlook"
        stories = [row for row in seed.rows()["impact"] if words in row["title"] and row["status"] == "final"]
        scored = [row for row in stories if row.get("score") is not None]
        symbols = {row["symbol"] for row in scored}
        self.assertTrue(0 < len(symbols) < len(seed.COMPANIES))
        self.choose("search", words, typed=True)
        moved = [row for row in stories if row.get("ret_5m") is not None]
        self.browser.wait(
            "the moves after these articles", lambda: len(self.rows("The largest moves after news")) == len(moved)
        )
        self.browser.settle()
        self.assertTrue(all(words in row[4] for row in self.rows("The largest moves after news")))
        self.assertEqual(symbols, {row[0] for row in self.rows("By company")})
        (by_source,) = [row for row in self.rows("By session, source and class") if row[0] == "source"]
        self.assertEqual(str(len(scored)), by_source[2])
        horizons = {row[0]: row[5] for row in self.rows("Did the news move the price?")}
        self.assertEqual(str(sum(row.get("ret_5m") is not None for row in scored)), horizons["5 min"])

    def test_a_session_can_be_chosen(self):
        before = self.rows("By company")
        self.choose("session", "session")
        # All rows of the seed are of this one.
        self.assertEqual(before, self.rows("By company"))


class Changes(Choices):
    """What happens on the page when something is chosen, or arrives."""

    def wait_for_articles(self, count: int) -> None:
        """Waits until this is the number of articles and all charts are drawn; a busy machine needs a while."""
        self.browser.wait(f"{count} articles", lambda: self.figures()[:1] == [str(count)])
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
        self.browser.wait("the page", lambda: self.rows("Company"))
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
        self.wait_for_articles(sum(row["symbol"] == "CYGN" for row in seed.rows()["mentions"]))
        for table in ("Latest news", "News and what the price did next"):
            self.assertEqual({"CYGN"}, {row[1] for row in self.rows(table)})
        self.assertEqual(["CYGN"], [row[0] for row in self.rows("Company")])

    def test_search(self):
        """Words that are typed in, where a list of choices is offered."""
        self.choose("search", "recalls a product", typed=True)
        stories = [row for row in seed.rows()["mentions"] if "recalls a product" in row["title"]]
        self.wait_for_articles(len(stories))
        rows = self.rows("Latest news")
        self.assertEqual(len(stories), len(rows))
        self.assertTrue(all("recalls a product" in row[4] for row in rows))
        # The price is that of the company with most of these articles.
        named = [row["symbol"] for row in stories if row["symbol"]]
        most = max(set(named), key=named.count)
        self.assertEqual([most], [row[0] for row in self.rows("Company")])

    def halves(self, colour: tuple[int, int, int]) -> list[int]:
        """How many points of the price have this colour in the upper half of what they cover, and in the lower one."""
        return self.browser.driver.execute_script(HALVES, CHART.format("Price and news"), colour, LEGEND)

    def is_marked(self, colour: tuple[int, int, int]) -> bool:
        return sum(self.halves(colour)) > 20

    def visit_run(self, run: str) -> None:
        """Not by `open`, which waits for charts that have nothing to draw."""
        chosen = f"extraFormData:(filters:!((col:run,op:IN,val:!('{run}')))),filterState:(value:!('{run}'))"
        state = f"(NATIVE_FILTER-run:(id:NATIVE_FILTER-run,{chosen},ownState:()))"
        self.browser.driver.get(f"{superset.url}/superset/dashboard/{FIRST_PAGE}/?native_filters={state}")

    def test_one_bar_shows_its_range(self):
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        database.insert({"bars": [bar | {"run": "one bar"}]})
        self.addCleanup(database.write, "DELETE FROM bars WHERE run = 'one bar'")
        self.visit_run("one bar")
        self.browser.wait(
            "the range of the bar",
            lambda: self.browser.driver.execute_script(FAINT, CHART.format("Price and news")) > 5_000,
        )
        self.browser.wait("its figures", lambda: self.rows("Company"))
        ((*_, bars, first, until),) = self.rows("Company")
        self.assertEqual(("1 of 1 min", "5 Mar 2026 14:30", "5 Mar 2026 14:31"), (bars, first, until))

    def test_a_mark_tells_by_its_shape_what_the_news_was(self):
        story = next(
            s for s in seed.rows()["mentions"] if s["symbol"] == "CYGN" and s["published_at"] > "2026-03-06 15"
        )
        bars = [bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN"]
        marks = {"positive": (0.8, channels(colours.POSITIVE)), "negative": (-0.8, channels(colours.NEGATIVE))}
        wide_below = {}
        for label, (score, colour) in marks.items():
            # A run that has no other article.
            run = f"one {label} article"
            database.insert({"bars": [bar | {"run": run} for bar in bars]})
            database.insert({"mentions": [story | {"run": run, "label": label, "score": score}]})
            self.addCleanup(database.write, f"DELETE FROM mentions WHERE run = '{run}'")
            self.addCleanup(database.write, f"DELETE FROM bars WHERE run = '{run}'")
            self.visit_run(run)
            self.browser.wait("the mark", partial(self.is_marked, colour))
            # It may still be growing.
            time.sleep(2)
            above, below = self.halves(colour)
            wide_below[label] = below > above
        # A triangle is wide where it does not point to.
        self.assertEqual({"positive": True, "negative": False}, wide_below)

    def test_run_filter(self):
        self.choose("run", seed.OTHER_RUN)
        self.wait_for_articles(seed.EARLIER["stories"])
        self.assertEqual("20 Feb 2026 14:30", self.rows("Company")[0][-2])

    def test_time_filter(self):
        period = "2026-03-05T00:00:00 : 2026-03-06T00:00:00"
        chosen = (
            f"(id:NATIVE_FILTER-time,extraFormData:(time_range:'{period}'),filterState:(value:'{period}'),ownState:())"
        )
        self.browser.open(f"{FIRST_PAGE}/?native_filters=(NATIVE_FILTER-time:{chosen})")
        stories = [row for row in seed.rows()["mentions"] if row["published_at"] < "2026-03-06"]
        self.assertEqual(len(stories), len(self.rows("Latest news")))
        self.assertEqual(["5 Mar 2026 14:30", "5 Mar 2026 21:00"], self.rows("Company")[0][-2:])

    def test_new_articles_appear_by_themselves(self):
        title = "Arbor Foods: this came while the page was open"
        newest = {"published_at": "2026-03-06 20:55:00", "available_at": "2026-03-06 20:55:20", "title": title}
        story = seed.rows()["mentions"][-1] | newest | {"article_id": "late", "symbol": "ARBO"}
        database.insert({"mentions": [story]})
        self.addCleanup(database.write, "DELETE FROM mentions WHERE article_id = 'late'")
        deadline = time.monotonic() + REFRESH_SECONDS
        while self.rows("Latest news")[0][4] != title:
            self.assertLess(time.monotonic(), deadline, "the page has not refreshed itself")
            time.sleep(1)
