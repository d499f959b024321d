"""The outcomes of a replay, computed a second time by other means.

    outcomes.py generate DIR [--articles N]
        writes a small market with awkward moments into DIR (news.jsonl, bars.csv), always the same
    outcomes.py check --news F --bars F --clickhouse URL --database D --run R [--alias A=B] [--delay S]
        computes entry price and forward returns with pandas and exchange_calendars, which share
        no code with the joiner, and compares them with table `impact`; exit 1 on any difference
    outcomes.py calendars FILE
        compares a CSV of all our sessions (market,date,open,break_start,break_end,close, in UTC) with those of
        exchange_calendars, from 2000 to 2030; exit 1 on any difference

Prices must be equal, log returns within 1e-12, and every (article, symbol) must be listed once.
"""

import argparse
import json
import sys
import urllib.request
from pathlib import Path

import exchange_calendars
import numpy as np
import pandas as pd

MINUTE = pd.Timedelta("1min")
# The provider's name in what `tapewire replay` sends.
PROVIDER = "replay"
TOLERANCE = 1e-12


# ---------------------------------------------------------------- the small market


def generate(folder: Path, articles: int) -> None:
    """Four symbols over a week with Thanksgiving, a half day and a weekend in it."""
    rng = np.random.default_rng(20241125)
    calendar = exchange_calendars.get_calendar("XNYS", start="2024-10-01", end="2025-02-01")
    sessions = calendar.schedule.loc["2024-11-25":"2024-12-04"]
    rows = []
    for symbol, price, printed in [("AAA", 100.0, 1.0), ("BBB", 41.5, 1.0), ("THIN", 7.25, 0.15), ("MKT", 590.0, 1.0)]:
        for opened, closed in zip(sessions["open"], sessions["close"], strict=True):
            for start in pd.date_range(opened, closed - MINUTE, freq="1min"):
                first, last = price, price * float(np.exp(rng.normal(0, 4e-4)))
                price = last
                if rng.random() > printed:
                    continue
                high, low = max(first, last) * 1.0002, min(first, last) * 0.9998
                volume = int(rng.integers(100, 5000))
                rows.append((symbol, start.strftime("%Y-%m-%dT%H:%M:%SZ"), first, high, low, last, volume))
    bars = pd.DataFrame(rows, columns=["symbol", "start", "open", "high", "low", "close", "volume"])
    bars.sort_values(["start", "symbol"], kind="stable").to_csv(folder / "bars.csv", index=False)

    moments = [
        "2024-11-27T14:29:58Z",  # the delay carries it onto the open itself
        "2024-11-27T14:30:00Z",
        "2024-11-27T15:00:59Z",  # available exactly on a whole minute
        "2024-11-27T15:00:30Z",
        "2024-11-27T20:57:59Z",  # two minutes left
        "2024-11-27T20:58:30Z",  # the last minute is still whole
        "2024-11-27T20:59:00Z",  # less than one whole minute left
        "2024-11-27T20:59:59Z",
        "2024-11-27T21:00:00Z",
        "2024-11-27T20:10:00Z",  # one hour later the session is over
        "2024-11-28T16:00:00Z",  # Thanksgiving
        "2024-11-29T12:00:00Z",
        "2024-11-29T17:30:00Z",  # half day
        "2024-11-29T17:59:30Z",
        "2024-11-29T18:30:00Z",
        "2024-11-30T12:00:00Z",  # weekend
        "2024-12-02T10:00:00Z",
        "2024-12-04T20:30:00Z",  # the tape ends before its outcomes do
        "2024-12-04T22:00:00Z",  # the tape never reaches its entry
    ]
    moments += [
        (pd.Timestamp("2024-11-26T00:00Z") + pd.Timedelta(seconds=int(s))).strftime("%Y-%m-%dT%H:%M:%SZ")
        for s in rng.integers(0, 8 * 86400, articles - len(moments))
    ]
    moods = ["raises its outlook after record orders", "cuts its forecast as demand falls", "holds its meeting"]
    choices = [["AAA"], ["BBB"], ["THIN"], ["AAA", "BBB"], [], ["X:BTCUSD"], ["GONE", "AAA"], ["MKT"]]
    with (folder / "news.jsonl").open("w", encoding="utf-8") as out:
        for i, moment in enumerate(moments):
            mood = moods[i % 3]
            article = {
                "id": f"small-{i:03}",
                "title": f"Example company {i} {mood}",
                "source": "Small Wire",
                "published_at": moment,
                "symbols": ["AAA", "THIN"] if i < 19 else choices[i % len(choices)],
            }
            out.write(json.dumps(article) + "\n")


# ---------------------------------------------------------------- the second computation


class Tape:
    """Regular-session bars by symbol, each with its session and its end.

    A price is stale `stale_after` after its bar's end, or a bar's width after it if that is longer.
    """

    def __init__(self, bars: pd.DataFrame, stale_after: pd.Timedelta):
        first, last = bars["start"].min(), bars["start"].max()
        begin, end = (first - pd.Timedelta("40D")).date(), (last + pd.Timedelta("40D")).date()
        calendar = exchange_calendars.get_calendar("XNYS", start=begin, end=min(end, pd.Timestamp("2027-06-01").date()))
        schedule = calendar.schedule[["open", "close"]].reset_index(drop=True)
        self.opens, self.closes = schedule["open"], schedule["close"]
        bars = bars.sort_values(["symbol", "start"]).copy()
        steps = bars.groupby("symbol")["start"].diff()
        self.width = steps[steps > pd.Timedelta(0)].mode().iloc[0]
        number = self.opens.searchsorted(bars["start"], side="right") - 1
        bars["session"] = number
        bars = bars[bars["start"] < self.closes.iloc[number].to_numpy()]
        bars["end"] = np.minimum(bars["start"] + self.width, self.closes.iloc[bars["session"]].to_numpy())
        self.by_symbol = {symbol: group.reset_index(drop=True) for symbol, group in bars.groupby("symbol")}
        self.stale_after = max(stale_after, self.width)
        self.ends_at = max(group["end"].max() for group in self.by_symbol.values())

    def first_tradable(self, available: pd.Timestamp) -> pd.Timestamp:
        """The first whole minute strictly after `available` that lies in a session."""
        number = self.opens.searchsorted(available, side="right") - 1
        minute = available.floor("1min") + MINUTE
        if number >= 0 and minute + MINUTE <= self.closes[number]:
            return minute
        return self.opens[self.opens.searchsorted(available, side="right")]

    def outcome(self, symbol: str, available: pd.Timestamp, horizons: dict[str, int | None]) -> dict | None:
        """Entry, and log returns by horizon; None where the tape has no bar to enter at.

        `horizons` are names and, of those that have them, minutes after the entry.
        """
        bars = self.by_symbol.get(symbol)
        if bars is None:
            return None
        first = self.first_tradable(available)
        at = bars["start"].searchsorted(first, side="left")
        # A symbol that trades neither in what is left of that session nor in the next has no entry.
        if at == len(bars) or bars["session"].iloc[at] > self.opens.searchsorted(first, side="right"):
            return None
        entry = bars.iloc[at]
        same = bars[(bars["session"] == entry["session"]) & (bars.index >= at)]
        following = bars[bars["session"] == entry["session"] + 1]
        found = {}

        def log_return(price):
            return float(np.log(price / entry["open"]))

        for name, minutes in horizons.items():
            if minutes is None:
                continue
            due = entry["start"] + minutes * MINUTE
            reached = same[same["end"] <= due]
            # A horizon after the close has no price; a price that is too old is not one either.
            inside = due <= self.closes[entry["session"]]
            fresh = len(reached) and due - reached["end"].iloc[-1] <= self.stale_after
            found[name] = log_return(reached["close"].iloc[-1]) if inside and fresh else None
        over = self.ends_at >= self.closes[entry["session"]]
        found["close"] = log_return(same["close"].iloc[-1]) if over and self.fresh_at_close(same) else None
        found["next_open"] = log_return(following["open"].iloc[0]) if len(following) else None
        over = len(following) and self.ends_at >= self.closes[entry["session"] + 1]
        found["next_close"] = (
            log_return(following["close"].iloc[-1]) if over and self.fresh_at_close(following) else None
        )
        if found.keys() != horizons.keys():
            raise SystemExit(f"no rule here for the horizons {sorted(found.keys() ^ horizons.keys())}")
        return {"entry_at": entry["start"], "entry_price": entry["open"], "returns": found}

    def fresh_at_close(self, bars: pd.DataFrame) -> bool:
        return self.closes[bars["session"].iloc[-1]] - bars["end"].iloc[-1] <= self.stale_after


def read_news(path: str) -> pd.DataFrame:
    news = pd.read_json(path, lines=True, convert_dates=False, dtype={"id": str})
    if "published_ms" in news:
        news["published"] = pd.to_datetime(news["published_ms"], unit="ms", utc=True)
    else:
        news["published"] = pd.to_datetime(news["published_at"], utc=True)
    return news


def rows_of(url: str, query: str) -> list[dict]:
    request = urllib.request.Request(url, data=(query + " FORMAT JSONEachRow").encode())
    with urllib.request.urlopen(request, timeout=60) as answer:
        return [json.loads(line) for line in answer.read().splitlines()]


def key(row: dict) -> tuple[str, str, str]:
    return row["provider"], row["article_id"], row["symbol"]


def differs(found, expected, tolerance: float) -> bool:
    if expected is None or found is None:
        return (expected is None) != (found is None)
    return abs(found - expected) > tolerance


class Stored:
    """The rows of a run as ClickHouse has them: `rows` and `returns` by key, and `horizons` with their minutes."""

    def __init__(self, arguments):
        listed = rows_of(
            arguments.clickhouse,
            f"SELECT provider, article_id, symbol, status, reason, entry_price, score, unscored, "
            f"toUnixTimestamp64Micro(available_at) AS available_us, toUnixTimestamp64Micro(entry_at) AS entry_us "
            f"FROM {arguments.database}.impact FINAL WHERE run = '{arguments.run}' "
            f"SETTINGS output_format_json_quote_64bit_integers = 0",
        )
        self.rows = {key(row): row for row in listed}
        self.faults = [] if len(self.rows) == len(listed) else ["a key is there twice"]
        self.horizons: dict[str, int | None] = {}
        self.returns: dict[tuple[str, str, str], dict[str, float | None]] = {}
        for reached in rows_of(
            arguments.clickhouse,
            f"SELECT provider, article_id, symbol, horizon, minutes, ret "
            f"FROM {arguments.database}.impact_by_horizon WHERE run = '{arguments.run}'",
        ):
            self.horizons[reached["horizon"]] = reached["minutes"]
            self.returns.setdefault(key(reached), {})[reached["horizon"]] = reached["ret"]
        columns = rows_of(
            arguments.clickhouse,
            f"SELECT name FROM system.columns WHERE database = '{arguments.database}'"
            " AND table = 'impact' AND name LIKE 'ret_%'",
        )
        if {f"ret_{name}" for name in self.horizons} != {column["name"] for column in columns}:
            self.faults.append(f"the view has the horizons {sorted(self.horizons)}, the table has other columns")


def faults_of(row: dict, returns: dict[str, float | None], available: pd.Timestamp, expected: dict | None) -> list[str]:
    """What differs between a stored row and what was computed; `expected` is None where there is no entry."""
    faults = []
    if row["available_us"] != available.value // 1000:
        faults.append(f"available_at is {row['available_us']}")
    if row["score"] is None and not row["unscored"]:
        faults.append("neither scored nor said why not")
    if expected is None:
        if row["entry_price"] is not None or not (row["reason"] or row["status"] == "pending"):
            faults.append(f"should be listed with a reason, is {row['status']} {row['reason']}")
        return faults
    if row["entry_us"] != expected["entry_at"].value // 1000 or row["entry_price"] != expected["entry_price"]:
        faults.append(
            f"entry {row['entry_us']} at {row['entry_price']}, "
            f"expected {expected['entry_at']} at {expected['entry_price']}"
        )
        return faults
    faults += [
        f"return to {name} is {returns[name]}, expected {value}"
        for name, value in expected["returns"].items()
        if differs(returns[name], value, TOLERANCE)
    ]
    return faults


def check(arguments) -> int:
    bars = pd.read_csv(arguments.bars, float_precision="round_trip")
    bars["start"] = pd.to_datetime(bars["start"], utc=True)
    tape = Tape(bars, pd.Timedelta(seconds=arguments.stale_after))
    aliases = dict(pair.split("=") for pair in arguments.alias)
    stored = Stored(arguments)
    faults = stored.faults
    counts = {"articles": 0, "mentions": 0, "entered": 0, "returns": 0, "listed with a reason": 0}
    for article in read_news(arguments.news).itertuples():
        counts["articles"] += 1
        symbols = list(dict.fromkeys(aliases.get(s, s) for s in article.symbols)) or [""]
        available = article.published + pd.Timedelta(seconds=arguments.delay)
        for symbol in symbols:
            counts["mentions"] += 1
            mention = (PROVIDER, article.id, symbol)
            row = stored.rows.pop(mention, None)
            where = f"{article.id} {symbol or '(no symbol)'} available {available}"
            if row is None:
                faults.append(f"{where}: not in the table")
                continue
            expected = tape.outcome(symbol, available, stored.horizons) if symbol and ":" not in symbol else None
            faults += [
                f"{where}: {fault}" for fault in faults_of(row, stored.returns.get(mention, {}), available, expected)
            ]
            counts["listed with a reason" if expected is None else "entered"] += 1
            if expected is not None:
                counts["returns"] += sum(value is not None for value in expected["returns"].values())
    faults += [f"{left}: in the table but not in the news" for left in stored.rows]
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    for fault in faults[:20]:
        print("differs:", fault)
    if not counts["entered"] or not counts["returns"]:
        faults.append("nothing was compared")
    print(f"{len(faults)} differences" if faults else f"equal: prices exactly, log returns within {TOLERANCE}")
    return 1 if faults else 0


# ---------------------------------------------------------------- all sessions of all calendars

# Before these days the exchanges had other breaks: exchange_calendars has only today's.
BREAKS_KNOWN_FROM = {"XTKS": pd.Timestamp("2011-11-21"), "XHKG": pd.Timestamp("2012-03-05")}
MARKETS = ("XNYS", "XLON", "XETR", "XPAR", "XTKS", "XHKG", "XTSE", "24/7")


def calendars(file: Path) -> int:
    ours = pd.read_csv(file, dtype=str).fillna("")
    first, last = pd.Timestamp("2000-01-01"), pd.Timestamp("2030-12-31")
    differences = 0
    for market in MARKETS:
        schedule = exchange_calendars.get_calendar(market, start=first, end=last).schedule
        theirs = schedule.copy()
        for column in theirs.columns:
            theirs[column] = theirs[column].dt.strftime("%Y-%m-%dT%H:%M:%SZ").fillna("")
        theirs = theirs.set_index(theirs.index.strftime("%Y-%m-%d"))
        of_market = ours[ours["market"] == market].drop(columns="market").set_index("date")
        of_market = of_market[(of_market.index >= "2000-01-01") & (of_market.index <= "2030-12-31")]
        both = theirs.join(of_market, how="outer", lsuffix="_theirs").fillna("no session")
        for day, row in both.iterrows():
            columns = ["open", "close"]
            if pd.Timestamp(str(day)) >= BREAKS_KNOWN_FROM.get(market, first):
                columns += ["break_start", "break_end"]
            for column in columns:
                if row[column] != row[f"{column}_theirs"]:
                    differences += 1
                    print(f"{market} {day} {column}: ours {row[column]}, theirs {row[f'{column}_theirs']}")
        print(f"{market}: {len(theirs)} sessions compared")
    return min(differences, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    generating = commands.add_parser("generate")
    generating.add_argument("folder", type=Path)
    generating.add_argument("--articles", type=int, default=80)
    checking = commands.add_parser("check")
    for name in ("news", "bars", "clickhouse", "database", "run"):
        checking.add_argument(f"--{name}", required=True)
    checking.add_argument("--alias", action="append", default=[], help="symbol in the news = symbol on the tape")
    checking.add_argument("--delay", type=float, default=1.0, help="seconds from publication to availability")
    checking.add_argument("--stale-after", type=float, default=600.0, help="seconds after which a price is stale")
    comparing = commands.add_parser("calendars")
    comparing.add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "calendars":
        return calendars(arguments.file)
    if arguments.command == "generate":
        arguments.folder.mkdir(parents=True, exist_ok=True)
        generate(arguments.folder, arguments.articles)
        return 0
    return check(arguments)


if __name__ == "__main__":
    sys.exit(main())
