"""From what was measured under load to a table."""

import math
import re
from statistics import linear_regression

BUCKET = re.compile(r'^tapewire_wire_to_row_seconds_bucket\{le="([^"]+)"\} (\d+)', re.M)


def buckets(page: str) -> dict[float, int]:
    """How many articles took at most this many seconds from receipt to row, from a page of metrics."""
    return {math.inf if bound == "+Inf" else float(bound): int(count) for bound, count in BUCKET.findall(page)}


def difference(before: dict[float, int], after: dict[float, int]) -> list[tuple[float, int]]:
    """The counts of the time between two pages, by rising bound."""
    return sorted((bound, count - before.get(bound, 0)) for bound, count in after.items())


def quantile(counted: list[tuple[float, int]], share: float) -> float:
    """The smallest bound that this share of the articles did not exceed."""
    total = counted[-1][1] if counted else 0
    return next((bound for bound, count in counted if total and count >= share * total), math.nan)


def all_arrived(sent: dict, stored: dict) -> bool:
    pairs = [
        ("articles", "articles"),
        ("articles", "ids"),
        ("articles", "joined"),
        ("bars", "bars"),
        ("closes", "closes"),
    ]
    return all(sent[ours] == stored[theirs] for ours, theirs in pairs)


def is_complete(results: dict) -> bool:
    return all_arrived(results["sent"], results["stored"])


def slope(samples: list[dict]) -> float:
    """Bytes an hour, over the second half of the samples: caches fill in the first."""
    half = samples[len(samples) // 2 :]
    if len(half) < 2:
        return math.nan
    return linear_regression([s["seconds"] for s in half], [s["bytes"] for s in half]).slope * 3600


def table(results: dict) -> str:
    sent, stored, memory = results["sent"], results["stored"], results["memory"]
    p50, p99 = (quantile(results["wire_to_row"], share) for share in (0.5, 0.99))
    measured = results["wire_to_row"][-1][1] if results["wire_to_row"] else 0
    lines = [
        "| under load | |",
        "|---|---|",
        f"| bars a second, symbols | {results['symbols']} |",
        f"| articles a second | {results['articles_per_second']} |",
        f"| minutes | {results['minutes']} |",
        f"| receipt to first row, {measured} articles: half within, 99 in 100 within | {p50:g} s, {p99:g} s |",
        f"| memory at the end, at most | {memory[-1]['bytes'] >> 20} MB, {max(s['bytes'] for s in memory) >> 20} MB |",
        f"| memory, slope over the second half | {slope(memory) / 2**20:.0f} MB/h |",
        f"| articles sent, stored, joined | {sent['articles']}, {stored['articles']}, {stored['joined']} |",
        f"| messages of bars sent, each a correction of its bar | {sent['bars_sent']} |",
        f"| bars sent, stored | {sent['bars']}, {stored['bars']} |",
        f"| last closes of all bars, sum sent and stored | {sent['closes']}, {stored['closes']} |",
        f"| everything arrived once | {'yes' if is_complete(results) else 'NO'} |",
    ]
    return "\n".join(lines) + "\n"
