"""The peers: entry and five horizons of every mention by as-of joins, nothing else.

    python -m bench.join.peers FOLDER

reads `bars.csv`, `mentions.csv` and `joined.csv` (our rows) from the folder, then answers each line, the name of a
peer, with a line of JSON: the time of one join of tables in memory, and how its returns compare with ours.

A careful user's set-up: symbols are categories, tables are sorted as the library wants them before the clock starts,
and each library has one thread.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl

MINUTE = 60_000_000
HORIZONS = (1, 5, 15, 30, 60)
Found = dict[str, np.ndarray]


class Pandas:
    """`merge_asof`, once for the entry and once for each horizon."""

    def __init__(self, bars: pd.DataFrame, mentions: pd.DataFrame):
        self._bars = bars.sort_values("start", kind="stable")
        self._mentions = mentions.sort_values("first", kind="stable")

    def join(self) -> Found:
        bars = self._bars[["symbol", "start", "open"]].rename(columns={"start": "entry_at", "open": "entry"})
        closes = self._bars[["symbol", "start", "close"]]
        rows = pd.merge_asof(
            self._mentions, bars, left_on="first", right_on="entry_at", by="symbol", direction="forward"
        ).dropna(subset=["entry_at"])
        rows["entry_at"] = rows["entry_at"].astype("int64")
        rows = rows.sort_values("entry_at", kind="stable")
        found = {"article_id": rows["article_id"].to_numpy(), "entry": rows["entry"].to_numpy()}
        for minutes in HORIZONS:
            rows["due"] = rows["entry_at"] + (minutes - 1) * MINUTE
            after = pd.merge_asof(rows, closes, left_on="due", right_on="start", by="symbol")
            found[f"ret_{minutes}m"] = np.log(after["close"].to_numpy() / found["entry"])
        return found


class Polars:
    """`join_asof`, in the same steps."""

    def __init__(self, bars: pd.DataFrame, mentions: pd.DataFrame):
        self._bars = pl.from_pandas(bars).sort("start")
        self._mentions = pl.from_pandas(mentions).sort("first")

    def join(self) -> Found:
        bars = self._bars.select("symbol", entry_at="start", entry="open")
        closes = self._bars.select("symbol", "start", "close")
        rows = self._mentions.join_asof(
            bars.set_sorted("entry_at"),
            left_on="first",
            right_on="entry_at",
            by="symbol",
            strategy="forward",
            check_sortedness=False,
        )
        rows = rows.drop_nulls("entry_at").sort("entry_at")
        found = {"article_id": rows["article_id"].to_numpy(), "entry": rows["entry"].to_numpy()}
        for minutes in HORIZONS:
            due = rows.select("symbol", due=pl.col("entry_at") + (minutes - 1) * MINUTE).set_sorted("due")
            after = due.join_asof(
                closes, left_on="due", right_on="start", by="symbol", strategy="backward", check_sortedness=False
            )
            found[f"ret_{minutes}m"] = np.log(after["close"].to_numpy() / found["entry"])
        return found


class DuckDb:
    """`ASOF JOIN`, all in one statement."""

    def __init__(self, bars: pd.DataFrame, mentions: pd.DataFrame):
        self._database = duckdb.connect(config={"threads": 1})
        self._database.execute("CREATE TABLE bars AS SELECT * FROM bars ORDER BY symbol, start")
        self._database.execute("CREATE TABLE mentions AS SELECT * FROM mentions")
        joins = "\n".join(
            f"ASOF LEFT JOIN bars h{m} ON h{m}.symbol = e.symbol AND e.entry_at + {(m - 1) * MINUTE} >= h{m}.start"
            for m in HORIZONS
        )
        returns = ", ".join(f"ln(h{m}.close / e.entry) AS ret_{m}m" for m in HORIZONS)
        self._statement = f"""
            WITH e AS (
                SELECT m.article_id, m.symbol, b.start AS entry_at, b.open AS entry
                FROM mentions m ASOF JOIN bars b ON m.symbol = b.symbol AND m.first <= b.start
            )
            SELECT e.article_id, e.entry, {returns} FROM e {joins}"""

    def join(self) -> Found:
        return self._database.execute(self._statement).fetchnumpy()


PEERS: dict[str, Callable[[pd.DataFrame, pd.DataFrame], Pandas | Polars | DuckDb]] = {
    "pandas": Pandas,
    "polars": Polars,
    "duckdb": DuckDb,
}


def deviation(found: Found, ours: pd.DataFrame) -> float:
    """The largest deviation from our rows, where both have a number; 1 if the entries are of other mentions."""
    theirs = pd.DataFrame({name: np.asarray(values) for name, values in found.items()})
    both = ours.merge(theirs, on="article_id", suffixes=("", "_theirs"), how="left")
    if both["entry_theirs"].isna().any():
        return 1.0
    names = ["entry", *(f"ret_{minutes}m" for minutes in HORIZONS)]
    return float(max((both[name] - both[f"{name}_theirs"]).abs().max() for name in names))


def main(folder: Path) -> None:
    bars, mentions = pd.read_csv(folder / "bars.csv"), pd.read_csv(folder / "mentions.csv")
    ours = pd.read_csv(folder / "joined.csv").dropna(subset=["entry"])
    symbols = pd.CategoricalDtype(sorted(bars["symbol"].unique()))
    bars["symbol"], mentions["symbol"] = bars["symbol"].astype(symbols), mentions["symbol"].astype(symbols)
    mentions["first"] = mentions["available"] // MINUTE * MINUTE + MINUTE
    peers = {name: peer(bars, mentions) for name, peer in PEERS.items()}
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        found = peers[line.strip()].join()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        answer = {"rows": len(found["entry"]), "cpu_s": cpu, "wall_s": wall, "deviation": deviation(found, ours)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
