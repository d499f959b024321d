"""From what was measured to ratios and tables."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.ratios import Spread, spread

OURS, SPARK, DUCKDB = "tapewire", "Spark", "DuckDB"
Rate = Callable[[dict], float]


@dataclass(frozen=True)
class Entrant:
    """An engine with this number of threads."""

    name: str
    threads: int

    @property
    def title(self) -> str:
        return f"{self.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def of(runs: list[dict], entrant: Entrant) -> dict[int, dict]:
    """The runs of one engine, by round."""
    return {run["round"]: run for run in runs if (run["name"], run["threads"]) == (entrant.name, entrant.threads)}


def ratio(runs: list[dict], ours: Entrant, our_rate: Rate, peer: Entrant, rate: Rate) -> Spread | None:
    """Our rate as a multiple of the peer's, within each round."""
    mine, theirs = of(runs, ours), of(runs, peer)
    return spread((our_rate(mine[number]) / rate(theirs[number]) for number in mine.keys() & theirs.keys()), peer.title)


def per(work: str, seconds: str) -> Rate:
    """Millions a second: of the run's field `work`, in the time that the field `seconds` has."""
    return lambda run: run[work] / run[seconds] / 1e6


def files_ratios(runs: list[dict], entrants: list[Entrant]) -> dict[str, Spread | None]:
    """Of our fold alone, and of our fold with reading Parquet; each by elapsed time and by processor time."""
    ours = entrants[0]
    found = {}
    for peer in entrants[1:]:
        for clock in ("wall_s", "cpu_s"):
            theirs = per("trades", clock)
            name = f"{peer.name}_{peer.threads}_{clock.removesuffix('_s')}".lower()
            found[f"fold_vs_{name}"] = ratio(runs, ours, per("trades", f"fold_{clock}"), peer, theirs)
            found[f"parquet_vs_{name}"] = ratio(runs, ours, theirs, peer, theirs)
    return found


def files_table(runs: list[dict], entrants: list[Entrant]) -> str:
    found = files_ratios(runs, entrants)
    lines = [
        "| trades to bars | M trades/s | M trades/CPU-s | our fold alone is this many times as fast | with Parquet |",
        "|---|---|---|---|---|",
    ]
    ours = of(runs, entrants[0]).values()
    for title, prefix in (("the fold alone, 1 thread", "fold_"), ("from Parquet, 1 thread", "")):
        rates = (middle(ours, per("trades", f"{prefix}{clock}")) for clock in ("wall_s", "cpu_s"))
        lines.append(f"| tapewire, {title} | {' | '.join(rates)} | | |")
    for peer in entrants[1:]:
        theirs = of(runs, peer).values()
        rates = (middle(theirs, per("trades", clock)) for clock in ("wall_s", "cpu_s"))
        name = f"{peer.name}_{peer.threads}_wall".lower()
        times = (shown(found[f"{kind}_vs_{name}"]) for kind in ("fold", "parquet"))
        lines.append(f"| {peer.title} | {' | '.join(rates)} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


def topics_ratios(runs: list[dict], entrants: list[Entrant]) -> dict[str, Spread | None]:
    ours, peer = entrants
    found = {}
    for clock in ("wall_s", "cpu_s"):
        rate = per("records", clock)
        found[f"topics_vs_{peer.name.lower()}_{clock.removesuffix('_s')}"] = ratio(runs, ours, rate, peer, rate)
    return found


def topics_table(runs: list[dict], entrants: list[Entrant]) -> str:
    found = topics_ratios(runs, entrants)
    lines = [
        "| Kafka to Kafka | M records/s | M records/CPU-s, without the broker | ours is this many times as fast |",
        "|---|---|---|---|",
    ]
    for entrant in entrants:
        rates = (middle(of(runs, entrant).values(), per("records", clock)) for clock in ("wall_s", "cpu_s"))
        times = "" if entrant.name == OURS else shown(found[f"topics_vs_{entrant.name.lower()}_wall"])
        lines.append(f"| {entrant.title} | {' | '.join(rates)} | {times} |")
    return "\n".join(lines) + "\n"


def middle(runs: Iterable[dict], rate: Rate) -> str:
    found = [rate(run) for run in runs]
    return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def shown(found: Spread | None) -> str:
    return "not measured" if found is None else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
