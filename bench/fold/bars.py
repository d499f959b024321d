"""Bars of several engines, compared. Nothing is reported of engines whose bars differ."""

import csv
import json
import math
from collections.abc import Iterable
from pathlib import Path

from bench.errors import BenchError
from bench.fold.protocol import COLUMNS

MINUTE = 60_000_000
# A bar whose end is nearer to the last trade may not be complete: watermarks are up to 11 s behind the trades.
MARGIN = 15_000_000
MAX_VOLUME_DEVIATION = 1e-9  # relative

Key = tuple[str, int]
"""Symbol, and start in microseconds since 1970 (UTC)."""
Bar = tuple[float, float, float, float, float]
"""Open, high, low, close, volume."""


def of_csv(path: Path) -> dict[Key, Bar]:
    """The last version of each bar."""
    with path.open(newline="") as file:
        return dict(_keyed(row) for row in csv.DictReader(file))


def of_our_topic(values: Iterable[str]) -> dict[Key, Bar]:
    """The last version of each bar of a minute, among the records of the topic `bars`."""
    bodies = (json.loads(value)["body"] for value in values)
    return dict(_keyed(body["bar"]) for body in bodies if body.get("bar", {}).get("width_s") == 60)


def of_their_topic(values: Iterable[str]) -> dict[Key, Bar]:
    """The bars that Spark wrote, once in each run.

    Raises BenchError if two runs disagree.
    """
    found: dict[Key, Bar] = {}
    for value in values:
        key, bar = _keyed(json.loads(value))
        if found.setdefault(key, bar) != bar:
            raise BenchError(f"two runs of Spark have different bars of {_named(key)}: {found[key]} and {bar}")
    return found


def _keyed(row: dict) -> tuple[Key, Bar]:
    symbol, start, *values = (row[column] for column in COLUMNS)
    first, high, low, last, volume = map(float, values)
    return (symbol, int(start)), (first, high, low, last, volume)


def complete(bars: dict[Key, Bar], begin: int, end: int) -> dict[Key, Bar]:
    """Those of whose time all trades were read. `begin` and `end` of the trades: microseconds since 1970 (UTC)."""
    return {key: bar for key, bar in bars.items() if begin <= key[1] and key[1] + MINUTE + MARGIN <= end}


def check(name: str, theirs: dict[Key, Bar], ours: dict[Key, Bar]) -> None:
    """Raises BenchError if there are no bars, or if those of `name` and ours differ."""
    if not ours:
        raise BenchError("no minute of the trades is complete: use more of them, at least 2,000,000")
    if missing := sorted(ours.keys() ^ theirs.keys()):
        side = "only tapewire" if missing[0] in ours else f"only {name}"
        raise BenchError(
            f"{side} has a bar of {_named(missing[0])}; {len(missing)} of {len(ours)} are on one side only"
        )
    for key, bar in ours.items():
        if not is_equal(bar, theirs[key]):
            raise BenchError(f"the bars of {_named(key)} differ: tapewire has {bar}, {name} {theirs[key]}")


def is_equal(one: Bar, other: Bar) -> bool:
    """Prices have to be the same; sums of volumes depend on the order of the trades."""
    return one[:4] == other[:4] and math.isclose(one[4], other[4], rel_tol=MAX_VOLUME_DEVIATION)


def _named(key: Key) -> str:
    return f"{key[0]} at {key[1]} µs"
