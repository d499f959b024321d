"""Every query of Grafana's dashboard "tapewire: market" on a real ClickHouse, as the read-only user sends it.

`python3 deploy/tests/market_queries.py`; needs a running ClickHouse, whose address is in TAPEWIRE_CLICKHOUSE_URL. It is
no `test_*.py`, because the stage `deploy` runs those before there is one.

Grafana itself is not here: variables and macros are replaced as its documentation and its plugin's say.
"""

import html
import json
import math
import os
import re
import sys
import unittest
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grafana

os.environ.setdefault("TAPEWIRE_DASHBOARDS_TEST_DATABASE", "tapewire_grafana_test")
sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "dashboards" / "tests"))
import database

BOARD = grafana.dashboard(grafana.FOLDER / "dashboards" / "market.json")
# What each panel needs, in the order of its queries. Grafana finds the fields of candles and annotations by name.
COLUMNS = {
    "Last price": [["price"]],
    "Change since the close before": [["change"]],
    "Volatility of 30 bars, % (not annualized)": [["volatility"]],
    "VWAP": [["vwap"]],
    "Last bar ended": [["ended"]],
    "$symbol, bars and news": [["time", "open", "high", "low", "close", "volume"]],
    "Bollinger bands and VWAP": [["time", "close", "upper", "middle", "lower", "vwap"]],
    "RSI of 14 bars": [["time", "rsi"]],
    "MACD of 12 and 26 bars": [["time", "macd", "signal", "histogram"]],
    "Robust z of returns, and anomalies": [["time", "z", "anomaly"]],
    "Sentiment": [["time", "score"], ["time", "mean"]],
    "After the news: mean log return by label": [["horizon_and_articles", "positive", "neutral", "negative"]],
    "Latest news": [["published", "headline", "label", "score", "relevance", "publisher", "url"]],
    "What the price did after the news": [
        ["published", "headline", "label", "score", "entry"]
        + [f"{kind} {horizon}" for kind in ("return", "abnormal") for horizon in ("5 min", "15 min", "60 min", "close")]
        + ["notes", "url"]
    ],
    "Positive news": [["time", "title", "text"]],
    "Negative news": [["time", "title", "text"]],
    "Other news": [["time", "title", "text"]],
}
# Types that the plugin passes to Grafana as numbers, times and text.
TYPE = re.compile(r"(Nullable\()?(Float64|UInt\d+|DateTime(64)?(\(.*\))?|String)\)?|LowCardinality\(String\)")

OPENS = (datetime(2026, 3, 5, 14, 30, tzinfo=UTC), datetime(2026, 3, 6, 14, 30, tzinfo=UTC))
BARS = 70
MINUTE = timedelta(minutes=1)
START, END = OPENS[0] - timedelta(hours=2), OPENS[1] + timedelta(hours=6)
CHOSEN = {"run": "live", "symbol": "HALO", "width": "60"}


def text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def close(session: int, n: int) -> float:
    return 100 + 10 * session + math.sin(n)


def bar(symbol: str, session: int, n: int) -> dict:
    return {
        "run": "live",
        "symbol": symbol,
        "width_s": 60,
        "start": text(OPENS[session] + n * MINUTE),
        "open": close(session, n - 1),
        "close": close(session, n),
        "volume": 1000 + n,
        "received_at": text(OPENS[session] + (n + 1) * MINUTE),
    }


def bars(symbol: str) -> list[dict]:
    return [
        bar(symbol, session, n) | {"high": close(session, n) + 2, "low": close(session, n) - 2}
        for session in range(len(OPENS))
        for n in range(BARS)
    ]


def indicators(symbol: str, split: bool = False) -> list[dict]:
    """Rows with invented indicators that are easy to tell apart, and undefined before the bars that they need."""
    return [indicators_of(symbol, session, n, split) for session in range(len(OPENS)) for n in range(BARS)]


def indicators_of(symbol: str, session: int, n: int, split: bool) -> dict:
    place = session * BARS + n
    invented: dict[str, Any] = {"vwap": 100 + n}
    if n > 0:
        invented |= {"log_return": 0.001}
    if n >= 30:
        invented |= {"realized_volatility_30": 0.0125}
    if place >= 14 and n != 30:
        invented |= {"rsi_14": 55}
    if place >= 19:
        invented |= {"sma_20": 100, "bollinger_upper_20": 102, "bollinger_lower_20": 98}
    if place >= 33:
        invented |= {"macd": 0.5, "macd_signal": 0.25, "macd_histogram": 0.25}
    if place >= 40:
        z = {60: 4.5, 65: -3.5}.get(n, n / 100)
        invented |= {"robust_z_60": z, "is_anomaly": abs(z) > 3}
    number = n + 1 if split else place + 1
    carried = {
        "version": place + 1,
        "price": close(session, n),
        "number": number,
        "session_value": 1,
        "session_volume": 1,
    }
    return bar(symbol, session, n) | carried | invented


def days(symbol: str) -> list[dict]:
    """Three daily bars. A session is missing before the last."""
    return [
        {
            "run": "live",
            "symbol": symbol,
            "width_s": 86400,
            "start": f"2026-03-{day:02} 00:00:00",
            "version": day,
            "open": price,
            "close": price,
            "price": price,
            "volume": 1,
            "received_at": f"2026-03-{day:02} 22:00:00",
            "log_return": 0.1 if day == 3 else None,
            "number": day,
        }
        for day, price in ((2, 80.0), (3, 100.0), (6, 95.0))
    ]


# Minutes after the first opening, title, address, label, score.
NEWS: list[tuple[int, str, str, str, float | None]] = [
    (5, "Halo <b>wins</b> & wins", "https://news.example/1", "positive", 0.81),
    (6, "Halo&#8217;s story again", "javascript:alert(1)", "neutral", 0.02),
    (30, "Halo is sued", "https://news.example/3", "negative", -0.6),
    (31, "A notice to holders of Halo", "https://news.example/4", "", None),
]


def mentions(symbol: str) -> list[dict]:
    clocks = ("published_at", "received_at", "scored_at", "available_at")
    return [
        {
            "run": "live",
            "symbol": symbol,
            "provider": "seeded",
            "article_id": str(n),
            "title": title,
            "publisher": "The Daily Tape",
            "url": url,
            "score": score,
            "label": label,
            "unscored": "" if label else "promotional",
        }
        | dict.fromkeys(clocks, text(OPENS[0] + minute * MINUTE))
        for n, (minute, title, url, label, score) in enumerate(NEWS)
    ]


def impact(symbol: str) -> list[dict]:
    """The first two articles have returns, the third waits for its price, the fourth was not joined."""
    entry = {"entry_at": text(OPENS[0] + 7 * MINUTE), "entry_price": 100}
    joined: list[dict[str, Any]] = [
        {"status": "final", "ret_5m": 0.01, "ret_15m": 0.02, "ret_60m": 0.03, "ret_close": 0.04, "ar_5m": 0.005}
        | entry,
        {"status": "open", "ret_5m": -0.01, "flag_gap": True} | entry,
        {"status": "pending"},
        {"status": "not_joined"},
    ]
    return [mention | {"version": 1} | rest for mention, rest in zip(mentions(symbol), joined, strict=True)]


def setUpModule():
    if not os.environ.get("TAPEWIRE_CLICKHOUSE_URL"):
        print(
            "skipped: TAPEWIRE_CLICKHOUSE_URL is not set; `make stack` starts a server, `python3 -m stack env` has it"
        )
        raise unittest.SkipTest("TAPEWIRE_CLICKHOUSE_URL is not set")
    unittest.addModuleCleanup(database.drop)
    database.create()
    corrected = bars("HALO")[3] | {"volume": 5.0, "received_at": "2026-03-07 00:00:00"}
    database.insert({
        "bars": [
            *bars("HALO"),
            *bars("O'NEIL"),
            {**bars("HALO")[0], "symbol": "ALSO"},
            {**bars("HALO")[0], "run": "a-replay", "width_s": 3600},
        ],
        "instruments": [
            {"symbol": "HALO", "name": name, "valid_from": day, "kind": "stock", "source": "builtin"}
            | {"seen_at": "2026-01-01 00:00:00"}
            for name, day in (("Halo Lamps", "1900-01-01"), ("Halo & Co", "2020-01-01"))
        ],
        "indicators": [*indicators("HALO"), *indicators("SPLIT", split=True), *days("HALO")],
        "mentions": mentions("HALO"),
        "impact": impact("HALO"),
    })  # fmt: skip
    database.insert({"bars": [corrected]})


def sql_of(title: str, number: int = 0) -> str:
    return [target["rawSql"] for name, target in grafana.targets(BOARD) if name == title][number]


def answer(sql: str, first: datetime = START, last: datetime = END, **chosen: Any) -> tuple[dict[str, str], list[dict]]:
    """The types of the columns and the rows, as the user of the dashboards gets them."""
    filled = grafana.expanded(sql, CHOSEN | chosen, first, last)
    if "$" in filled:
        raise AssertionError(f"not replaced: {filled}")
    given = json.loads(
        database.write(filled, *reader(), default_format="JSON", output_format_json_quote_64bit_integers=0)
    )
    return {column["name"]: column["type"] for column in given["meta"]}, given["data"]


def rows(title: str, number: int = 0, **options: Any) -> list[dict]:
    return answer(sql_of(title, number), **options)[1]


def reader() -> tuple[str, str]:
    return "bi", database.bi_password_file().read_text().strip()


class Queries(unittest.TestCase):
    def test_give_the_columns_that_their_panels_need(self):
        asked: dict[str, list[dict[str, Any]]] = {}
        for title, target in grafana.targets(BOARD):
            asked.setdefault(title, []).append(target)
        self.assertEqual(set(COLUMNS), set(asked))
        for title, targets in asked.items():
            self.assertEqual(len(COLUMNS[title]), len(targets), title)
            for columns, target in zip(COLUMNS[title], targets, strict=True):
                with self.subTest(title, columns=columns):
                    types, given = answer(target["rawSql"])
                    self.assertEqual(columns, list(types))
                    self.assertTrue(given)
                    for name, kind in types.items():
                        self.assertTrue(TYPE.fullmatch(kind), kind)
                        if name in ("time", "published", "entry"):
                            self.assertIn("DateTime", kind)
                    # A table: otherwise the plugin expects a number beside the time, and makes wide series of text.
                    self.assertEqual((1, "sql"), (target["format"], target["editorType"]))

    def test_nothing_chosen_and_nothing_there_gives_neither_an_error_nor_a_value(self):
        for title, target in grafana.targets(BOARD):
            choices: list[dict[str, Any]] = [{"symbol": "O'NEIL"}, {"symbol": "NONE"}, dict.fromkeys(CHOSEN, "")]
            for chosen in choices:
                with self.subTest(title, chosen=chosen):
                    given = answer(target["rawSql"], **chosen)[1]
                    if chosen["symbol"] != "O'NEIL":
                        self.assertFalse([row for row in given if any(value is not None for value in row.values())])

    def test_candles_are_the_bars_with_corrections_in_order_of_time(self):
        given = rows("$symbol, bars and news")
        self.assertEqual(2 * BARS, len(given))
        self.assertEqual(sorted(row["time"] for row in given), [row["time"] for row in given])
        for row, bar in zip(given, bars("HALO"), strict=True):
            bar["volume"] = 5 if bar["start"] == bars("HALO")[3]["start"] else bar["volume"]
            self.assertEqual([bar[name] for name in COLUMNS["$symbol, bars and news"][0][1:]], [*row.values()][1:])

    def test_the_range_of_time_is_kept(self):
        last = OPENS[0] + 10 * MINUTE
        for title, wanted in {
            "$symbol, bars and news": 11,
            "RSI of 14 bars": 11,
            "Latest news": 2,
            "Positive news": 1,
        }.items():
            self.assertEqual(wanted, len(rows(title, last=last)), title)

    def test_what_is_not_defined_is_null(self):
        bands = rows("Bollinger bands and VWAP")
        self.assertEqual([True] * 19 + [False] * (2 * BARS - 19), [row["middle"] is None for row in bands])
        self.assertEqual((None, None), (bands[18]["upper"], bands[18]["lower"]))
        self.assertEqual((102, 98, 170 - 1), (bands[-1]["upper"], bands[-1]["lower"], bands[-1]["vwap"]))
        rsi = [row["rsi"] for row in rows("RSI of 14 bars")]
        self.assertEqual([*range(14), 30, BARS + 30], [n for n, value in enumerate(rsi) if value is None])
        macd = rows("MACD of 12 and 26 bars")
        self.assertEqual([None, None, None], [*macd[32].values()][1:])
        self.assertEqual([0.5, 0.25, 0.25], [*macd[33].values()][1:])
        # The last bar's own, and not that of an earlier bar.
        self.assertEqual([{"volatility": 1.25}], rows("Volatility of 30 bars, % (not annualized)"))
        self.assertEqual(
            [{"volatility": None}], rows("Volatility of 30 bars, % (not annualized)", last=OPENS[1] + 9 * MINUTE)
        )

    def test_anomalies_are_the_rows_that_say_so(self):
        given = rows("Robust z of returns, and anomalies")
        self.assertEqual(
            [60, 65, BARS + 60, BARS + 65], [n for n, row in enumerate(given) if row["anomaly"] is not None]
        )
        self.assertEqual([4.5, -3.5], [given[n]["anomaly"] for n in (60, 65)])
        self.assertIsNone(given[0]["z"])

    def test_the_change_is_since_the_last_close_of_the_session_before(self):
        def change(**options: Any) -> Any:
            ((value,),) = [row.values() for row in rows("Change since the close before", **options)]
            return value

        wanted = 100 * (close(1, BARS - 1) / close(0, BARS - 1) - 1)
        self.assertAlmostEqual(wanted, change())
        self.assertAlmostEqual(wanted, change(first=OPENS[1]))
        self.assertAlmostEqual(100 * (close(1, 0) / close(0, BARS - 1) - 1), change(last=OPENS[1]))
        self.assertIsNone(change(last=OPENS[1] - MINUTE), "there is no session before the first")
        self.assertIsNone(change(first=OPENS[1] + timedelta(hours=3)), "there is no bar in this time")
        self.assertIsNone(change(symbol="SPLIT"), "the prices can't be compared")
        self.assertIsNone(change(width="86400"), "the session before has no bar")
        monday, tuesday = (datetime(2026, 3, day, tzinfo=UTC) for day in (2, 3))
        self.assertAlmostEqual(25, change(width="86400", first=monday, last=tuesday))

    def test_last_price_is_that_of_the_range_of_time(self):
        self.assertEqual([{"price": close(1, BARS - 1)}], rows("Last price"))
        self.assertEqual([{"price": close(0, 4)}], rows("Last price", last=OPENS[0] + 4 * MINUTE))
        self.assertEqual([{"ended": "2026-03-06 15:40 UTC"}], rows("Last bar ended"))

    def test_annotations_name_label_and_score_and_carry_no_markup_of_others(self):
        kinds = ("Positive news", "Negative news", "Other news")
        positive, negative, other = (rows(kind) for kind in kinds)
        self.assertEqual(
            [["positive +0.81"], ["negative -0.60"]], [[row["title"] for row in of] for of in (positive, negative)]
        )
        self.assertEqual(["not scored", "neutral +0.02"], [row["title"] for row in other])
        link, escaped = "https://news.example/1", "Halo &lt;b&gt;wins&lt;/b&gt; &amp; wins"
        self.assertEqual(f'<a href="{link}" target="_blank" rel="noreferrer">{escaped}</a>', positive[0]["text"])
        self.assertEqual("Halo\u2019s story again", other[1]["text"])

    def test_news_and_what_the_price_did(self):
        news = rows("Latest news")
        self.assertEqual([html.unescape(title) for _, title, *_ in reversed(NEWS)], [row["headline"] for row in news])
        self.assertEqual(["not scored", "negative", "neutral", "positive"], [row["label"] for row in news])
        self.assertEqual((None, None), (news[0]["score"], news[2]["url"]))
        waiting, still_open, final = rows("What the price did after the news")
        self.assertEqual([None] * 9, [*waiting.values()][4:13])
        self.assertEqual("waiting for entry", waiting["notes"])
        self.assertEqual(
            (-0.01, None, "horizons open, gap in bars"),
            tuple(still_open[n] for n in ("return 5 min", "return close", "notes")),
        )
        self.assertEqual([0.01, 0.02, 0.03, 0.04, 0.005, None, None, None], [*final.values()][5:13])

    def test_mean_returns_are_of_the_articles_that_have_one(self):
        given = [[*row.values()] for row in rows("After the news: mean log return by label")]
        wanted = [["5 min (2)", 0.01, -0.01, None], ["15 min (1)", 0.02, None, None], ["60 min (1)", 0.03, None, None]]
        self.assertEqual([*wanted, ["close (1)", 0.04, None, None]], given)

    def test_the_mean_sentiment_is_of_intervals_with_scores(self):
        scores = [row["score"] for row in rows("Sentiment")]
        self.assertEqual([0.81, 0.02, -0.6], scores)
        self.assertEqual([(0.81 + 0.02) / 2, -0.6], [row["mean"] for row in rows("Sentiment", number=1)])

    def test_rows_are_found_by_their_key(self):
        for title, target in grafana.targets(BOARD):
            table = re.search(r"FROM (\w+)", target["rawSql"])
            wanted = ["run", "symbol"]
            if table and table[1] in ("bars", "indicators"):
                wanted += ["width_s", "start"]
                self.assertIn(f"FROM {table[1]} FINAL\n", target["rawSql"])
            filled = grafana.expanded(target["rawSql"], CHOSEN, START, END)
            plan = re.sub(
                "[│├└─]", " ", database.write(f"EXPLAIN indexes = 1 {filled}", *reader(), default_format="TSVRaw")
            )
            with self.subTest(title):
                (keys,) = re.findall(r"PrimaryKey\s+Keys:((?:\s+\w+)+)\s+Condition", plan)
                self.assertEqual(wanted, keys.split())


class Variables(unittest.TestCase):
    def values(self, name: str, **chosen: Any) -> list[list]:
        (variable,) = [one for one in BOARD["templating"]["list"] if one["name"] == name]
        self.assertEqual(variable["definition"], variable["query"]["rawSql"])
        return [[*row.values()] for row in answer(variable["query"]["rawSql"], **chosen)[1]]

    def test_runs_begin_with_live(self):
        self.assertEqual([["live"], ["a-replay"]], self.values("run"))

    def test_symbols_are_those_with_bars_in_the_run_with_their_companies_and_those_in_the_news_first(self):
        self.assertEqual([["HALO", "HALO – Halo & Co"], ["ALSO", "ALSO"], ["O'NEIL", "O'NEIL"]], self.values("symbol"))
        self.assertEqual([["HALO", "HALO – Halo & Co"]], self.values("symbol", run="a-replay"))
        self.assertEqual([], self.values("symbol", run="no such run"))

    def test_widths_are_those_of_the_symbol_with_a_name(self):
        self.assertEqual([["60", "1 min"]], self.values("width", symbol="O'NEIL"))
        self.assertEqual([["3600", "1 h"]], self.values("width", run="a-replay"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
