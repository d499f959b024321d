"""Each dataset's query against seeded tables, as the dashboards' user runs it."""

import math
import unittest
from datetime import datetime, timedelta
from typing import Any, ClassVar

import assets
import database
import seed
import templates


def setUpModule():
    database.create()
    database.insert(seed.rows())
    database.insert(seed.rows(seed.OTHER_RUN, **seed.EARLIER))


def tearDownModule():
    database.drop()


def query(name: str, period: tuple[str, str] | None = None, **chosen: list[str]) -> list[dict]:
    """Rows of a dataset with these filters."""
    return database.read(templates.rendered(name, period, **chosen))


class Datasets(unittest.TestCase):
    def test_give_the_columns_they_declare(self):
        for path, document in assets.documents("clickhousedb://").items():
            if path.startswith("datasets/"):
                with self.subTest(path):
                    declared = {column["column_name"] for column in document["columns"]}
                    for symbols in ([], ["HALO"], ["HALO", "CYGN", "O'NEIL"]):
                        for period in (None, ("2026-03-05 00:00:00", "2026-03-06 00:00:00")):
                            rows = query(document["table_name"], run=[seed.RUN], symbol=symbols, period=period)
                            self.assertTrue(rows)
                            self.assertLessEqual(declared, rows[0].keys())

    def test_empty_tables_give_no_error(self):
        for path in assets.BUNDLE.glob("datasets/*.sql"):
            with self.subTest(path.stem):
                query(path.stem, run=["no such run"])

    def test_filters_are_applied_before_rows_are_counted(self):
        (whole,) = query("summary", run=[seed.RUN])
        (company,) = query("summary", run=[seed.RUN], symbol=["CYGN"])
        (morning,) = query("summary", run=[seed.RUN], period=("2026-03-06 12:00:00", "2026-03-06 15:00:00"))
        stories = seed.rows()["mentions"]
        self.assertEqual(len(stories), whole["articles"])
        self.assertEqual(sum(story["symbol"] == "CYGN" for story in stories), company["articles"])
        early = [s for s in stories if "2026-03-06 12:00:00" <= s["published_at"] < "2026-03-06 15:00:00"]
        self.assertEqual(len(early), morning["articles"])

    def test_titles_are_text_and_links_lead_to_the_web(self):
        rows = [
            row["headline"] for row in query("news") if "Halo Semiconductor raises its outlook as" in row["headline"]
        ]
        self.assertEqual(1, len(rows))
        self.assertIn("&lt;b&gt;again&lt;/b&gt; &amp; again", rows[0])
        self.assertIn('href="https://news.example/149"', rows[0])

    def test_entities_in_titles_are_read_and_text_without_a_link_is_an_element_too(self):
        title = "Up &amp; down: the market&#8217;s &lt;b&gt; week"
        database.insert({"mentions": [seed.rows()["mentions"][0] | {"run": "entities", "title": title, "url": ""}]})
        (row,) = [row for row in query("news") if row["run"] == "entities"]
        self.assertEqual("<span>Up &amp; down: the market\u2019s &lt;b&gt; week</span>", row["headline"])

    def test_an_unscored_mention_has_no_score(self):
        unscored = [row for row in query("news", run=[seed.RUN]) if row["label"] == "not scored"]
        self.assertTrue(unscored)
        self.assertEqual({None}, {row["score"] for row in unscored})


class Search(unittest.TestCase):
    """What is typed into the search box, and the choice of a source."""

    ODD = ("O'Neil Tools opens a plant", "A plan (unclosed as yet", "Sales up 100% in a year", "The back\\slash files")

    @classmethod
    def setUpClass(cls):
        company = {"symbol": "HALO", "name": "Halo Semiconductor Corporation", "valid_from": "1900-01-01"}
        listed = company | {"kind": "stock", "source": "builtin", "seen_at": "2026-01-01 00:00:00"}
        story = seed.rows()["mentions"][0] | {"run": "odd", "symbol": "ODD"}
        titles = [*cls.ODD, "A deal of AT&amp;T", "The IT plan of the year: it works"]
        odd = [story | {"article_id": f"odd-{number}", "title": title} for number, title in enumerate(titles)]
        database.insert({"instruments": [listed], "mentions": odd})

    def found(self, *entries: str, run: str = seed.RUN) -> list[dict]:
        return [row for row in query("news", search=list(entries)) if row["run"] == run]

    def test_finds_the_beginning_of_a_word_of_a_headline(self):
        stories = seed.rows()["mentions"]
        for entry, words in [("recall", ["recalls"]), ("RECALLS a", ["recalls a"]), ("ecall", [])]:
            with self.subTest(entry):
                expected = sum(any(word in story["title"] for word in words) for story in stories)
                self.assertEqual(expected, len(self.found(entry)))
                self.assertEqual(bool(words), expected > 0)

    def test_finds_tickers_and_companies_by_name(self):
        halo = sum(story["symbol"] == "HALO" for story in seed.rows()["mentions"])
        self.assertEqual(halo, len(self.found("halo")))
        # No headline has this word, but the name of the company does.
        self.assertEqual(halo, len(self.found("corporation")))

    def test_of_several_entries_one_is_enough(self):
        both, first, second = (len(self.found(*e)) for e in (["recalls", "is sued"], ["recalls"], ["is sued"]))
        self.assertEqual(first + second, both)

    def test_no_character_is_anything_but_text(self):
        for entry, title in zip(("O'Neil", "(unclosed", "100%", "back\\slash"), self.ODD, strict=True):
            with self.subTest(entry):
                escaped = title.replace("'", "&apos;")
                self.assertEqual(
                    [f">{escaped}</a>"], [row["headline"][-len(escaped) - 5 :] for row in self.found(entry, run="odd")]
                )
        for entry in ("x\\", "\\' OR 1 = 1 --", ".", "a|b"):
            self.assertEqual([], self.found(entry, run="odd"))

    def test_entities_are_the_characters_that_they_stand_for(self):
        self.assertEqual(1, len(self.found("AT&T", run="odd")))
        self.assertEqual([], self.found("amp", run="odd"))

    def test_what_could_be_a_ticker_is_a_whole_word_in_capitals(self):
        self.assertEqual(1, len(self.found("IT", run="odd")))
        # `A` begins two of the titles, and is no word of the others.
        self.assertEqual(2, len(self.found("A", run="odd")))
        self.assertEqual([], self.found("RE"))

    def test_a_short_entry_is_a_whole_word(self):
        self.assertEqual([], self.found("re"))
        self.assertEqual(sum(" up " in s["title"] for s in seed.rows()["mentions"]), len(self.found("up")))

    def test_every_dataset_of_news_and_prices_obeys(self):
        rows = seed.rows()
        # The articles about one company are another source's, too.
        others = [row | {"provider": "another"} for row in rows["mentions"] if row["symbol"] == "CYGN"]
        joined = [row | {"provider": "another"} for row in rows["impact"] if row["symbol"] == "CYGN"]
        names = (
            "summary",
            "top_symbols",
            "sentiment",
            "impact",
            "tape",
            "trending",
            "performance",
            "indicators",
            "anomalies",
        )
        database.insert({"mentions": others, "impact": joined})
        self.addCleanup(database.write, "DELETE FROM impact WHERE provider = 'another'")
        self.addCleanup(database.write, "DELETE FROM mentions WHERE provider = 'another'")
        for name in names:
            for chosen in ({"search": ["CYGN"]}, {"provider": ["another"]}):
                with self.subTest(name, **chosen):
                    whole, narrow = (query(name, None, run=[seed.RUN], **filters) for filters in ({}, chosen))
                    if name == "impact":
                        # Superset filters its column `provider`.
                        narrow = [row for row in narrow if row["provider"] in chosen.get("provider", row["provider"])]
                    self.assertTrue(narrow)
                    self.assertEqual({"CYGN"}, {row.get("symbol", "CYGN") for row in narrow})
                    self.assertNotEqual(whole, narrow)

    def test_offers_tickers_and_names(self):
        offered = {row["search"] for row in query("search")}
        self.assertLessEqual({*seed.COMPANIES, "Halo Semiconductor Corporation"}, offered)


class Market(unittest.TestCase):
    def test_the_companies_with_most_articles_come_with_their_prices(self):
        rows = query("trending", run=[seed.RUN])
        stories = [story for story in seed.rows()["mentions"] if story["symbol"]]
        self.assertEqual(set(seed.COMPANIES), {row["symbol"] for row in rows})
        last_day = seed.OPENS[-1].strftime("%Y-%m-%d")
        for row in rows:
            with self.subTest(row["symbol"]):
                of_company = [story for story in stories if story["symbol"] == row["symbol"]]
                scores = [story["score"] for story in of_company if story.get("score") is not None]
                self.assertEqual(len(of_company), row["articles"])
                self.assertAlmostEqual(sum(scores) / len(scores), row["mean_score"])
                bars = [bar for bar in seed.rows()["indicators"] if bar["symbol"] == row["symbol"]]
                before = [bar["close"] for bar in bars if bar["start"] < last_day][-1]
                self.assertEqual(bars[-1]["close"], row["price"])
                self.assertAlmostEqual(bars[-1]["close"] / before - 1, row["change"])
                self.assertAlmostEqual(bars[-1]["realized_volatility_30"], row["volatility"])
                seeded = sum(bool(bar["is_anomaly"]) for bar in bars if bar["start"] >= last_day)
                self.assertEqual(seeded, row["anomalies"])

    def test_what_is_not_known_is_null(self):
        story = next(story for story in seed.rows()["mentions"] if story.get("score") is not None)
        database.insert({"mentions": [story | {"run": "bare", "symbol": "NONE"}]})
        (row,) = query("trending", run=["bare"])
        unknown = ("price", "change", "volatility", "rsi", "from_vwap", "anomalies")
        self.assertEqual({None}, {row[column] for column in unknown})

    def test_no_change_across_what_seems_to_be_a_split(self):
        rows = seed.rows()
        story = next(story for story in rows["mentions"] if story["symbol"] == "HALO")
        last_day = seed.OPENS[-1].strftime("%Y-%m-%d")
        bars = [bar | {"run": "split"} for bar in rows["indicators"] if bar["symbol"] == "HALO"]
        first = next(number for number, bar in enumerate(bars) if bar["start"] >= last_day)
        after = [bar | {"number": number + 1} for number, bar in enumerate(bars[first:])]
        quotes = [bar | {"run": "split"} for bar in rows["bars"] if bar["symbol"] == "HALO"]
        database.insert({"mentions": [story | {"run": "split"}], "indicators": [*bars[:first], *after], "bars": quotes})
        (row,) = query("trending", run=["split"])
        self.assertEqual((bars[-1]["close"], None), (row["price"], row["change"]))

    def test_names_of_companies_are_text(self):
        story = next(story for story in seed.rows()["mentions"] if story["symbol"] == "HALO")
        listed = {"symbol": "BOLD", "name": "<b>Bold</b> & Co", "valid_from": "1900-01-01", "kind": "stock"}
        database.insert({
            "mentions": [story | {"run": "bold", "symbol": "BOLD"}],
            "instruments": [listed | {"source": "builtin", "seen_at": "2026-01-01 00:00:00"}],
        })  # fmt: skip
        self.addCleanup(database.write, "DELETE FROM instruments WHERE symbol = 'BOLD'")
        (row,) = query("trending", run=["bold"])
        self.assertEqual("<span>&lt;b&gt;Bold&lt;/b&gt; &amp; Co</span>", row["company_name"])

    def test_anomalies_are_of_the_last_session_and_unknown_without_returns_to_compare(self):
        rows = seed.rows()
        story = next(story for story in rows["mentions"] if story["symbol"] == "HALO") | {"run": "new"}
        bars = [bar | {"run": "new"} for bar in rows["indicators"] if bar["symbol"] == "HALO"][:20]
        quotes = [bar | {"run": "new"} for bar in rows["bars"] if bar["symbol"] == "HALO"][:20]
        database.insert({"mentions": [story], "indicators": bars, "bars": quotes})
        (row,) = query("trending", run=["new"])
        self.assertEqual((bars[-1]["close"], None), (row["price"], row["anomalies"]))

    def test_a_daily_bar_is_compared_with_the_day_before(self):
        rows = seed.rows()
        story = next(story for story in rows["mentions"] if story["symbol"] == "HALO") | {"run": "days"}
        bar = rows["indicators"][0] | {"run": "days", "symbol": "HALO", "width_s": 86400}
        returned = {"log_return": math.log(1.02), "is_anomaly": True}
        bars = [bar | returned | {"start": f"2026-03-0{day} 14:30:00"} for day in (4, 5, 6)]
        quote = rows["bars"][0] | {"run": "days", "symbol": "HALO", "start": "2026-03-06 20:59:00"}
        database.insert({"mentions": [story], "indicators": bars, "bars": [quote]})
        (row,) = query("trending", run=["days"])
        self.assertAlmostEqual(0.02, row["change"])
        self.assertEqual(1, row["anomalies"])
        # A session without a bar came before this one.
        database.insert({"indicators": [bars[-1] | {"start": "2026-03-06 15:30:00", "log_return": None}]})
        (row,) = query("trending", run=["days"])
        self.assertIsNone(row["change"])

    def drawn(self, table: str, symbol: str) -> list[dict]:
        """The bars of the last session, which has the latest news."""
        last_day = seed.OPENS[-1].strftime("%Y-%m-%d")
        return [row for row in seed.rows()[table] if row["symbol"] == symbol and row["start"] >= last_day]

    def test_prices_begin_at_zero(self):
        rows = query("performance", run=[seed.RUN], symbol=["HALO", "CYGN"])
        self.assertEqual({"HALO", "CYGN"}, {row["symbol"] for row in rows})
        for symbol in ("HALO", "CYGN"):
            changes = sorted((row["start"], row["change"]) for row in rows if row["symbol"] == symbol)
            bars = self.drawn("bars", symbol)
            # The first step has the bars until the second one begins.
            base = [bar["close"] for bar in bars if bar["start"] < changes[1][0]][-1]
            self.assertEqual(0, changes[0][1])
            self.assertAlmostEqual(bars[-1]["close"] / base - 1, changes[-1][1])

    def test_indicators_are_of_one_company(self):
        # The dataset has no order; its chart sorts.
        trending = query("trending", run=[seed.RUN])
        most = min(trending, key=lambda row: (-row["articles"], row["symbol"]))["symbol"]
        rows = query("indicators", run=[seed.RUN])
        self.assertEqual({most}, {row["symbol"] for row in rows})
        drawn = self.drawn("indicators", most)
        self.assertEqual(drawn[-1]["close"], rows[0]["close"])
        self.assertEqual(len(drawn), len(rows))

    def test_an_anomaly_is_beside_the_news_from_half_an_hour_before_the_bar_until_its_end(self):
        rows = query("anomalies", run=[seed.RUN])
        anomalies = [bar for bar in seed.rows()["indicators"] if bar["is_anomaly"]]
        self.assertEqual(min(200, len(anomalies)), len(rows))
        self.assertGreater(len(rows), 10)
        self.assertEqual({"1 min"}, {row["width"] for row in rows})
        stories = seed.rows()["mentions"]
        with_news = 0
        for row in rows:
            begin = datetime.fromisoformat(row["start"])
            first, last = ((begin + timedelta(minutes=m)).strftime("%Y-%m-%d %H:%M:%S.%f") for m in (-30, 1))
            around = [s for s in stories if s["symbol"] == row["symbol"] and first < s["published_at"] <= last]
            self.assertEqual(len(around), row["articles"])
            with_news += bool(around)
            newest = max(around, key=lambda s: s["published_at"]) if around else {}
            self.assertEqual(newest.get("score"), row["score"])
        self.assertGreater(with_news, 0)

    def test_anomalies_need_no_news_and_are_those_of_the_narrowest_bars(self):
        bar = next(bar for bar in seed.rows()["indicators"] if bar["is_anomaly"]) | {"run": "quiet"}
        day = bar | {"width_s": 86400, "start": bar["start"][:10] + " 00:00:00"}
        quote = seed.rows()["bars"][0] | {"run": "quiet", "symbol": bar["symbol"], "start": "2026-03-06 20:59:00"}
        database.insert({"indicators": [bar, day], "bars": [quote]})
        (row,) = query("anomalies", run=["quiet"])
        self.assertEqual(("1 min", 0, None, ""), tuple(row[key] for key in ("width", "articles", "score", "headline")))


class Sentiment(unittest.TestCase):
    """A report that names three companies without saying how relevant each is, and an article about one."""

    @classmethod
    def setUpClass(cls):
        scored = next(story for story in seed.rows()["mentions"] if story.get("score") is not None)
        report = scored | {"run": "relevance", "article_id": "report", "relevance": None, "score": -0.6}
        article = scored | {"run": "relevance", "article_id": "article", "relevance": 0.5, "score": 0.4}
        companies = [report | {"symbol": symbol} for symbol in ("ARBO", "CYGN", "HALO")]
        database.insert({"mentions": [*companies, article | {"symbol": "HALO"}]})

    def mean(self, **chosen: list[str]) -> float:
        rows = query("sentiment", None, run=["relevance"], **chosen)
        return sum(row["weighted_score"] for row in rows) / sum(row["total_weight"] for row in rows)

    def test_an_article_without_relevance_counts_once_however_many_companies_it_names(self):
        self.assertAlmostEqual((-0.6 + 0.5 * 0.4) / 1.5, self.mean())

    def test_companies_that_are_not_chosen_count_among_those_of_an_article(self):
        self.assertAlmostEqual((-0.6 / 3 + 0.5 * 0.4) / (1 / 3 + 0.5), self.mean(symbol=["HALO"]))


class Delays(unittest.TestCase):
    def test_an_edit_is_called_a_revision(self):
        """The table keeps the latest revision of a mention, so nothing here says when the first one arrived."""
        story = seed.rows()["mentions"][0] | {"run": "edited", "published_at": "2026-03-05 14:00:00"}
        first = story | {"received_at": "2026-03-05 14:00:02", "scored_at": "2026-03-05 14:00:03", "seq": 1}
        edit = story | {"received_at": "2026-03-05 16:00:00", "scored_at": "2026-03-05 16:00:01", "seq": 2}
        database.insert({"mentions": [first]})
        database.insert({"mentions": [edit]})
        seconds = {row["step"]: row["seconds"] for row in query("delays", run=["edited"])}
        self.assertEqual(7200, seconds["publication to latest revision, median"])
        self.assertEqual(1, seconds["arrival to score, median"])


class InformationCoefficient(unittest.TestCase):
    def test_is_spearmans_with_shared_ranks(self):
        rows = {
            (name(row), row["outcome"]): row["coefficient"] for row in query("information_coefficient", run=[seed.RUN])
        }
        for column, horizon in (*((f"ret_{m}m", f"{m} min") for m in seed.SEEDED), ("ret_close", "close")):
            pairs = [
                (row["score"], row[column])
                for row in seed.rows()["impact"]
                if row.get("score") is not None and row.get(column) is not None
            ]
            self.assertAlmostEqual(spearman(pairs), rows[horizon, "return"], places=9)

    def test_says_how_many_pairs_there_are(self):
        pairs = sum(r.get("score") is not None and r.get("ret_5m") is not None for r in seed.rows()["impact"])
        labels = [row["horizon_and_pairs"] for row in query("information_coefficient", run=[seed.RUN])]
        self.assertIn(f"5 min ({pairs})", [label.replace("\u200b", "") for label in labels])

    def test_horizons_come_in_order(self):
        labels = sorted({row["horizon_and_pairs"] for row in query("information_coefficient", run=[seed.RUN])})
        order = [label.replace("\u200b", "").split(" (")[0] for label in labels]
        self.assertEqual([*(f"{minutes} min" for minutes in seed.SEEDED), "close"], order)

    def test_has_an_interval_with_enough_days(self):
        """The two days of the seed are too few. Copied to twelve, some with opposite outcomes, its rows suffice."""

        def on(day: int, moment: str) -> str:
            return f"2026-04-{day:02}{moment[10:]}"

        many = [
            row
            | {
                "run": "many days",
                "article_id": f"{row['article_id']}-{day}",
                "published_at": on(day, row["published_at"]),
                "entry_at": on(day, row["entry_at"]),
                "ret_5m": row["ret_5m"] * (1 if day % 3 else -1),
            }
            for day in range(6, 18)
            for row in seed.rows()["impact"]
            if row.get("ret_5m") is not None and row.get("score") is not None
        ]
        database.insert({"impact": many})
        (whole,) = (
            r
            for r in query("information_coefficient", run=["many days"])
            if r["outcome"] == "return" and name(r) == "5 min"
        )
        pairs = [(row["score"], row["ret_5m"]) for row in many]
        self.assertAlmostEqual(spearman(pairs), whole["coefficient"], places=9)
        self.assertEqual(12, whole["days"])
        self.assertLess(whole["low"], whole["coefficient"])
        self.assertLess(whole["coefficient"], whole["high"])
        # Those of the abnormal return are alike on all days, so it has no interval.
        half = (whole["high"] - whole["low"]) / 2
        self.assertTrue(whole["horizon_and_pairs"].endswith(f"\n±{half:.2f}"), whole["horizon_and_pairs"])
        # Student's distribution is symmetric.
        self.assertAlmostEqual(whole["coefficient"], (whole["low"] + whole["high"]) / 2, places=9)
        for row in query("information_coefficient", run=[seed.RUN]):
            self.assertEqual((None, None), (row["low"], row["high"]), "too few days for an interval")

    def test_is_null_where_undefined(self):
        same = [row | {"score": 0.5, "run": "same score"} for row in seed.rows()["impact"] if row.get("ret_5m")]
        database.insert({"impact": same})
        rows = query("information_coefficient", run=["same score"])
        self.assertTrue(rows)
        self.assertEqual({None}, {row["coefficient"] for row in rows})


class Impact(unittest.TestCase):
    RUN = "effects"
    rows: ClassVar[list[dict]]

    @classmethod
    def setUpClass(cls):
        """The rows of the seed on twelve days, with other abnormal returns on each."""
        cls.rows = [
            row
            | {
                column: value * (day % 5) + 0.0001 * (day % 3)
                for column, value in row.items()
                if column[:3] == "ar_" and value
            }
            for day, row in cls.on_twelve_days(cls.RUN)
        ]
        database.insert({"impact": cls.rows})

    @staticmethod
    def on_twelve_days(run: str) -> list[tuple[int, dict]]:
        return [
            (
                day,
                row
                | {
                    "run": run,
                    "article_id": f"{row['article_id']}-{day}",
                    "published_at": f"2026-04-{day:02}{row['published_at'][10:]}",
                    "entry_at": f"2026-04-{day:02}{row['entry_at'][10:]}",
                },
            )
            for day in range(6, 18)
            for row in seed.rows()["impact"]
            if row.get("ar_5m") is not None and row.get("score") is not None
        ]

    def test_p_values_are_adjusted_for_all_tests_of_the_table(self):
        arguments = f"(runs = ['{self.RUN}'], symbols = [], since = '1970-01-01', until = '2200-01-01')"
        of = "WHERE outcome = 'abnormal return' AND p IS NOT NULL"
        raw = {
            (row["step"], row["what"]): row["p"]
            for row in database.read(
                f"SELECT step, 'coefficient' AS what, p FROM information_coefficient{arguments} {of} UNION ALL "
                f"SELECT step, label, p FROM mean_outcome{arguments} {of} AND label != 'neutral'"
            )
        }
        smallest, expected = 0.0, {}
        for place, (test, p) in enumerate(sorted(raw.items(), key=lambda item: item[1])):
            smallest = max(smallest, min(1.0, (len(raw) - place) * p))
            expected[test] = smallest
        found = {
            (row["step"], what): row[f"{what}_p"]
            for row in query("by_horizon", run=[self.RUN])
            for what in ("coefficient", "positive", "negative")
        }
        self.assertEqual(18, len(expected))
        self.assertEqual(expected.keys(), found.keys())
        for test, p in expected.items():
            self.assertAlmostEqual(p, found[test], places=12)

    def test_means_are_in_basis_points_with_their_interval(self):
        (row,) = (row for row in query("by_horizon", run=[self.RUN]) if row["horizon"] == "5 min")
        for label in ("positive", "negative"):
            values = [10_000 * own["ar_5m"] for own in self.rows if own["label"] == label]
            self.assertEqual(len(values), row[f"{label}_events"])
            self.assertAlmostEqual(sum(values) / len(values), row[label], places=9)
            low, high = map(float, row[f"{label}_interval"].split(" to "))
            self.assertAlmostEqual(row[label], (low + high) / 2, delta=0.1)
        lines = [line for line in query("reactions", run=[self.RUN]) if line["horizon"].endswith("5 min")]
        self.assertIn(row["positive"], [line["positive"] for line in lines])

    def test_a_run_of_two_days_has_no_interval_and_no_p_value(self):
        for row in query("by_horizon", run=[seed.RUN]):
            self.assertEqual({None}, {row["coefficient_p"], row["positive_p"], row["negative_p"]})
            self.assertEqual("not enough data", row["coefficient_interval"])
            self.assertIsNotNone(row["coefficient"])

    def test_days_that_are_alike_have_no_interval(self):
        """Without one of them nothing changes, and what seems to is a rounding error."""
        database.insert({"impact": [row for _, row in self.on_twelve_days("alike")]})
        for row in query("by_horizon", run=["alike"]):
            self.assertEqual(12, row["days"])
            self.assertEqual({None}, {row["coefficient_p"], row["positive_p"], row["negative_p"]})
            self.assertEqual("not enough data", row["coefficient_interval"])

    def test_a_class_without_events_has_no_mean(self):
        database.insert({"impact": [row | {"label": "negative"} for _, row in self.on_twelve_days("one class")]})
        for row in query("by_horizon", run=["one class"]):
            self.assertEqual((0, None), (row["positive_events"], row["positive"]))
            self.assertIsNotNone(row["negative"])
        for row in query("reactions", run=["one class"]):
            self.assertEqual({None}, {row["positive"], row["neutral"]})

    def test_companies_and_groups_have_their_mean_in_the_direction_of_the_score(self):
        own = [row for row in self.rows if row["symbol"] == "HALO"]
        (company,) = (row for row in query("companies", run=[self.RUN]) if row["symbol"] == "HALO")
        signed = sum(math.copysign(row["ar_5m"], row["score"] * row["ar_5m"]) for row in own) / len(own)
        self.assertEqual(len(own), company["mentions"])
        self.assertAlmostEqual(signed, company["signed_5m"], places=9)
        groups = {(row["kind"], row["part"]): row["mentions"] for row in query("groups", run=[self.RUN])}
        self.assertEqual(len(self.rows), groups["source", "seeded"])
        self.assertEqual(sum(row["label"] == "neutral" for row in self.rows), groups["class", "neutral"])

    def test_the_largest_moves_come_first_whichever_way(self):
        sizes = [row["size"] for row in query("movers", run=[self.RUN])]
        self.assertEqual(100, len(sizes))
        self.assertEqual(sorted(sizes, reverse=True), sizes)
        self.assertEqual({-1, 1}, {math.copysign(1, row["moved"]) for row in query("movers", run=[self.RUN])})


class ImpactFilters(unittest.TestCase):
    """Each filter of the page Impact, in each of its datasets: rows are left out before they are counted."""

    RUN = "filters"
    rows: ClassVar[list[dict]]
    # What is chosen, and which rows pass.
    CHOICES: ClassVar[dict[str, tuple[dict[str, list[str]], Any]]] = {
        "a ticker": ({"search": ["cygn"]}, lambda row: row["symbol"] == "CYGN"),
        "a company": ({"search": ["laboratories"]}, lambda row: row["symbol"] == "CYGN"),
        "words of a headline": ({"search": ["recalls a"]}, lambda row: "recalls a" in row["title"]),
        "words or a ticker": (
            {"search": ["recalls a", "HALO"]},
            lambda row: "recalls a" in row["title"] or row["symbol"] == "HALO",
        ),
        "a source": ({"provider": ["elsewhere"]}, lambda row: row["provider"] == "elsewhere"),
        "sessions": ({"session": ["pre_market", "closed"]}, lambda row: row["phase"] == "pre_market"),
        "companies": ({"symbol": ["HALO", "CYGN"]}, lambda row: row["symbol"] in ("HALO", "CYGN")),
    }

    @classmethod
    def setUpClass(cls):
        listed = {"symbol": "CYGN", "name": "Cygnus Laboratories", "valid_from": "1900-01-01", "kind": "stock"}
        cls.rows = [
            row
            | {
                "provider": "elsewhere" if row["symbol"] == "DELV" else "seeded",
                "phase": "session" if day % 3 else "pre_market",
            }
            for day, row in Impact.on_twelve_days(cls.RUN)
        ]
        database.insert({
            "impact": cls.rows,
            "instruments": [listed | {"source": "builtin", "seen_at": "2026-01-01 00:00:00"}],
        })  # fmt: skip

    @classmethod
    def tearDownClass(cls):
        database.write("DELETE FROM instruments WHERE symbol = 'CYGN'")

    def test_each_choice_reaches_every_dataset_of_the_page(self):
        for name, (chosen, passes) in self.CHOICES.items():
            with self.subTest(name):
                rows = [row for row in self.rows if passes(row)]
                self.assertTrue(30 < len(rows) < len(self.rows))
                self.assert_reached(rows, run=[self.RUN], **chosen)

    def assert_reached(self, rows: list[dict], **chosen: list[str]) -> None:
        five = [row for row in rows if row.get("ar_5m") is not None]
        (horizon,) = (row for row in query("by_horizon", None, **chosen) if row["horizon"] == "5 min")
        good = [10_000 * row["ar_5m"] for row in five if row["label"] == "positive"]
        self.assertEqual((len(five), len(good)), (horizon["pairs"], horizon["positive_events"]))
        steps = {row["horizon"].replace("\u200b", ""): row["positive"] for row in query("reactions", None, **chosen)}
        self.assertEqual(bool(good), steps["5 min"] is not None)
        if good:
            self.assertAlmostEqual(sum(good) / len(good), steps["5 min"], places=6)
        labels = {
            row["horizon_and_pairs"].replace("\u200b", "") for row in query("information_coefficient", None, **chosen)
        }
        self.assertTrue([label for label in labels if label.startswith(f"5 min ({len(five)})")], labels)
        fifteen = [row for row in rows if row.get("ar_15m") is not None]
        self.assertEqual(len(fifteen), len(query("scatter", None, **chosen)))
        classes = [row["mentions"] for row in query("groups", None, **chosen) if row["kind"] == "class"]
        self.assertEqual(len(rows), sum(classes))
        self.assertEqual(min(100, len(rows)), len(query("movers", None, **chosen)))
        if "symbol" not in chosen:
            self.assertEqual(len(rows), sum(row["mentions"] for row in query("companies", None, **chosen)))

    def test_all_companies_stay_there_to_compare_with(self):
        companies = {row["symbol"] for row in query("companies", run=[self.RUN], symbol=["HALO"])}
        self.assertEqual({row["symbol"] for row in self.rows}, companies)

    def test_the_sessions_of_the_rows_are_offered(self):
        offered = {row["session"] for row in query("sessions")}
        self.assertLessEqual({"session", "pre_market"}, offered)
        self.assertNotIn("", offered)


class Tape(unittest.TestCase):
    """The bars of one company and the articles of each."""

    MARKS = ("negative", "neutral", "positive")

    @staticmethod
    def stories(symbol: str) -> list[dict]:
        return [s for s in seed.rows()["mentions"] if s["symbol"] == symbol and s.get("score") is not None]

    @staticmethod
    def span(rows: list[dict]) -> tuple[str, str]:
        """The starts of the first bar and of the last one."""
        return rows[0]["bar"], rows[-1]["bar"]

    def marks(self, rows: list[dict]) -> int:
        return sum(row[mark] for row in rows for mark in self.MARKS)

    def test_is_of_the_company_with_most_articles(self):
        named = [story["symbol"] for story in seed.rows()["mentions"] if story["symbol"]]
        most = max(set(named), key=named.count)
        self.assertEqual({most}, {row["symbol"] for row in query("tape", run=[seed.RUN])})

    def test_of_several_that_are_chosen_it_is_the_one_with_most_articles(self):
        counts = {
            symbol: len([s for s in seed.rows()["mentions"] if s["symbol"] == symbol]) for symbol in ("ARBO", "CYGN")
        }
        self.assertLess(counts["ARBO"], counts["CYGN"])
        self.assertEqual({"CYGN"}, {row["symbol"] for row in query("tape", run=[seed.RUN], symbol=["ARBO", "CYGN"])})

    def test_is_of_the_last_session_in_five_minutes(self):
        rows = query("tape", run=[seed.RUN], symbol=["CYGN"])
        self.assertEqual((78, {300}), (len(rows), {row["width_s"] for row in rows}))
        self.assertEqual(("2026-03-06 14:30", "2026-03-06 20:55"), self.span(rows))

    def test_prices_are_those_of_the_minutes_of_a_bar(self):
        rows = query("tape", run=[seed.RUN], symbol=["CYGN"])
        minutes = [b for b in seed.rows()["bars"] if b["symbol"] == "CYGN" and b["start"] >= "2026-03-06"]
        self.assertEqual(len(minutes), 5 * len(rows))
        for number, row in enumerate(rows):
            five = minutes[5 * number : 5 * number + 5]
            expected = {
                "open": five[0]["open"],
                "high": max(bar["high"] for bar in five),
                "low": min(bar["low"] for bar in five),
                "close": five[-1]["close"],
                "volume": sum(bar["volume"] for bar in five),
            }
            self.assertEqual(expected, {name: row[name] for name in expected})

    def test_an_article_belongs_to_the_bar_in_which_it_came_out(self):
        rows = query("tape", run=[seed.RUN], symbol=["HALO"])
        (bar,) = [row for row in rows if row["bar"] == "2026-03-06 20:15"]
        (story,) = [s for s in self.stories("HALO") if "2026-03-06 20:15" <= s["published_at"] < "2026-03-06 20:20"]
        self.assertEqual((0, 0, 1), tuple(bar[mark] for mark in self.MARKS))
        self.assertAlmostEqual(story["score"], bar["positive_score"])
        self.assertIsNone(bar["negative_score"])

    def test_news_before_the_opening_belongs_to_the_first_bar(self):
        stories = self.stories("HALO")
        overnight = [s for s in stories if "2026-03-05 21:00" <= s["published_at"] < "2026-03-06 14:30"]
        first = [s for s in stories if "2026-03-06 14:30" <= s["published_at"] < "2026-03-06 14:35"]
        during = [s for s in stories if s["published_at"] >= "2026-03-06 14:35"]
        rows = query("tape", run=[seed.RUN], symbol=["HALO"])
        self.assertTrue(overnight)
        self.assertEqual((len(overnight + first), len(during)), (self.marks(rows[:1]), self.marks(rows[1:])))
        positive = [s["score"] for s in overnight + first if s["label"] == "positive"]
        self.assertAlmostEqual(sum(positive) / len(positive), rows[0]["positive_score"])

    def test_news_after_the_last_bar_is_left_out(self):
        story = self.stories("HALO")[-1]
        late = story | {"article_id": "late", "published_at": "2026-03-06 22:00:00"}
        before = self.marks(query("tape", run=[seed.RUN], symbol=["HALO"]))
        database.insert({"mentions": [late]})
        self.addCleanup(database.write, "DELETE FROM mentions WHERE article_id = 'late'")
        self.assertEqual(before, self.marks(query("tape", run=[seed.RUN], symbol=["HALO"])))

    def test_marks_are_those_of_the_articles_that_are_shown(self):
        whole = query("tape", run=[seed.RUN], symbol=["CYGN"])
        found = query("tape", run=[seed.RUN], symbol=["CYGN"], search=["recalls"])
        recalls = [
            s for s in self.stories("CYGN") if "recalls" in s["title"] and s["published_at"] >= "2026-03-05 21:00"
        ]
        self.assertTrue(recalls)
        self.assertEqual(len(recalls), self.marks(found))
        self.assertLess(self.marks(found), self.marks(whole))
        # One of another source is left out, though it is of the same minute.
        other = self.stories("CYGN")[-1] | {"article_id": "other", "provider": "another"}
        database.insert({"mentions": [other]})
        self.addCleanup(database.write, "DELETE FROM mentions WHERE article_id = 'other'")
        self.assertEqual(self.marks(whole) + 1, self.marks(query("tape", run=[seed.RUN], symbol=["CYGN"])))
        rows = query("tape", run=[seed.RUN], symbol=["CYGN"], provider=["seeded"])
        self.assertEqual(self.marks(whole), self.marks(rows))

    def test_a_chosen_time_is_drawn_whole(self):
        rows = query("tape", run=[seed.RUN], symbol=["CYGN"], period=("2026-03-05 00:00:00", "2026-03-07 00:00:00"))
        self.assertEqual((156, {300}), (len(rows), {row["width_s"] for row in rows}))

    def test_bars_are_put_together_until_there_are_at_most_three_hundred(self):
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        for count, width, drawn in ((300, 60, 300), (301, 300, 61), (1500, 300, 300), (2880, 900, 192)):
            run = f"{count} minutes"
            starts = [datetime(2026, 3, 1) + timedelta(minutes=n) for n in range(count)]
            database.insert({"bars": [bar | {"run": run, "start": str(start)} for start in starts]})
            rows = query("tape", run=[run], period=("2026-03-01 00:00:00", "2026-03-07 00:00:00"))
            self.assertEqual((drawn, {width}), (len(rows), {row["width_s"] for row in rows}), run)

    def test_daily_bars_are_named_by_their_day(self):
        bars = [bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN"][:60]
        daily = {"run": "daily", "width_s": 86400}
        days = [bar | daily | {"start": str(datetime(2025, 1, 2, 5) + timedelta(days=n))} for n, bar in enumerate(bars)]
        database.insert({"bars": days})
        rows = query("tape", run=["daily"])
        self.assertEqual((60, {86400}), (len(rows), {row["width_s"] for row in rows}))
        self.assertEqual(("2025-01-02", "2025-03-02"), self.span(rows))

    def test_one_bar_is_drawn_from_its_start_to_its_end(self):
        """A line of one point would have no width, and its range neither. What is counted is of the first row alone."""
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        story = self.stories("CYGN")[0] | {"published_at": bar["start"], "label": "positive", "score": 0.5}
        database.insert({"bars": [bar | {"run": "one bar"}], "mentions": [story | {"run": "one bar"}]})
        first, end = query("tape", run=["one bar"])
        self.assertEqual(("2026-03-05 14:30", "until 2026-03-05 14:31"), (first["bar"], end["bar"]))
        for row in (first, end):
            self.assertEqual([bar[name] for name in ("low", "close")], [row[name] for name in ("low", "close")])
        self.assertEqual((bar["volume"], 1, 0.5), (first["volume"], first["positive"], first["positive_score"]))
        self.assertEqual((None, 0, None), (end["volume"], end["positive"], end["positive_score"]))
        self.assertEqual([False, True], [first["is_end"], end["is_end"]])
        self.assertEqual({False}, {row["is_end"] for row in query("tape", run=[seed.RUN])})

    def test_one_daily_bar_ends_on_the_next_day(self):
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        database.insert({"bars": [bar | {"run": "one day", "width_s": 86400, "start": "2026-03-05 05:00:00"}]})
        self.assertEqual(["2026-03-05", "until 2026-03-06"], [row["bar"] for row in query("tape", run=["one day"])])

    def test_news_since_the_last_bar_before_a_chosen_time_belongs_to_the_first_bar(self):
        run = {"run": "a gap"}
        of_company = [bar | run for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN"]
        # The bar before the chosen time ends at 15:59, and the first one begins at 16:01.
        bars = [bar for bar in of_company if not "2026-03-06 15:59" <= bar["start"] < "2026-03-06 16:01"]
        stories = [
            self.stories("CYGN")[0] | run | {"article_id": moment, "published_at": f"2026-03-06 {moment}"}
            for moment in ("15:58:59", "15:59:00", "16:00:30")
        ]
        # Another company is traded all the time.
        others = [bar | run for bar in seed.rows()["bars"] if bar["symbol"] == "ARBO"]
        database.insert({"bars": bars + others, "mentions": stories})
        rows = query("tape", run=["a gap"], period=("2026-03-06 16:00:00", "2026-03-06 17:00:00"))
        self.assertEqual("2026-03-06 16:01", rows[0]["bar"])
        self.assertEqual((2, 0), (self.marks(rows[:1]), self.marks(rows[1:])))

    def test_the_session_of_the_latest_news_is_drawn_even_if_bars_go_on(self):
        story = next(s for s in self.stories("CYGN") if s["published_at"] > "2026-03-05 15")
        of_run = {"run": "earlier news", "published_at": "2026-03-05 16:00:00"}
        bars = [bar | {"run": "earlier news"} for bar in seed.rows()["bars"] if bar["symbol"] in ("CYGN", "ARBO")]
        database.insert({"bars": bars, "mentions": [story | of_run]})
        rows = query("tape", run=["earlier news"])
        self.assertEqual({"CYGN"}, {row["symbol"] for row in rows})
        self.assertEqual(("2026-03-05 14:30", "2026-03-05 20:55"), self.span(rows))
        self.assertEqual(1, self.marks(rows))

    def test_a_market_that_never_closes_is_drawn_for_a_day(self):
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        first = datetime(2026, 3, 1)
        coin = {"run": "coins", "symbol": "X:BTCUSD"}
        minutes = [bar | coin | {"start": str(first + timedelta(minutes=n))} for n in range(3 * 1440)]
        database.insert({"bars": minutes})
        self.assertEqual(("2026-03-03 00:00", "2026-03-03 23:55"), self.span(query("tape", run=["coins"])))
        story = seed.rows()["mentions"][0] | coin | {"published_at": "2026-03-02 12:00:00"}
        database.insert({"mentions": [story]})
        self.assertEqual(("2026-03-02 06:00", "2026-03-03 06:00"), self.span(query("tape", run=["coins"])))

    def test_a_session_is_not_that_of_new_york_alone(self):
        bar = next(bar for bar in seed.rows()["bars"] if bar["symbol"] == "CYGN")
        # Tokyo, before and after its break, in two days of New York.
        sessions = [datetime(2026, 3, 4), datetime(2026, 3, 5)]
        starts = [day + timedelta(minutes=n) for day in sessions for n in (*range(150), *range(210, 390))]
        tokyo = {"run": "tokyo", "symbol": "7203.T"}
        database.insert({"bars": [bar | tokyo | {"start": str(start)} for start in starts]})
        self.assertEqual(("2026-03-05 00:00", "2026-03-05 06:25"), self.span(query("tape", run=["tokyo"])))


class Reader(unittest.TestCase):
    def test_cannot_write(self):
        for sql in (
            "INSERT INTO articles (run) VALUES ('intruder')",
            "DROP TABLE articles",
            "CREATE TABLE intruder (x UInt8) ENGINE = Memory",
            "ALTER TABLE articles DELETE WHERE true",
        ):
            with self.subTest(sql), self.assertRaises(database.Refused):
                database.write_as_reader(sql)
        self.assertEqual([], database.read("SELECT 1 FROM articles WHERE run = 'intruder'"))

    def test_reaches_nothing_outside(self):
        for sql in (
            "SELECT * FROM url('http://127.0.0.1/', 'CSV', 'x String')",
            "SELECT * FROM file('*', 'CSV', 'x String')",
        ):
            with self.subTest(sql), self.assertRaises(database.Refused):
                database.read(sql)


def name(row: dict) -> str:
    return row["horizon_and_pairs"].replace("\u200b", "").split(" (")[0]


def spearman(pairs: list[tuple[float, float]]) -> float:
    return pearson(*(ranks([pair[side] for pair in pairs]) for side in (0, 1)))


def ranks(values: list[float]) -> list[float]:
    return [sum(v < value for v in values) + (sum(v == value for v in values) + 1) / 2 for value in values]


def pearson(x: list[float], y: list[float]) -> float:
    mx, my = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    return covariance / math.sqrt(sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y))
