"""Ratios of one engine to another: the median over rounds of the ratio within each round."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median

from bench.engines import OURS, Engine
from bench.rounds import Run


@dataclass(frozen=True)
class Spread:
    """The median over rounds with the lowest and highest; `peer` is the engine compared with."""

    median: float
    low: float
    high: float
    rounds: int
    peer: str | None = None


def spread(values: Iterable[float], peer: str | None = None) -> Spread | None:
    """The spread of `values`; None if there are none."""
    found = list(values)
    return Spread(median(found), min(found), max(found), len(found), peer) if found else None


def of(runs: list[Run], name: str, threads: int) -> dict[int, Run]:
    """The runs of one engine, by round."""
    return {run.round: run for run in runs if run.engine.name == name and run.engine.threads == threads}


def within_rounds(
    ours: dict[int, Run], theirs: dict[int, Run], rate: Callable[[Run], float], peer: str
) -> Spread | None:
    """Our rate as a multiple of theirs, over the rounds in which both ran."""
    return spread((rate(ours[number]) / rate(theirs[number]) for number in ours.keys() & theirs.keys()), peer)


def against_best_peer(runs: list[Run], precision: str) -> Spread | None:
    """Our engine against the best peer of the same precision: 1 thread, by processor time."""
    peers = {run.engine.name for run in runs if run.engine.precision == precision and not run.engine.ours}
    ours = of(runs, f"{OURS}-{precision}", 1)
    found = [within_rounds(ours, of(runs, peer, 1), lambda run: run.per_cpu_second, peer) for peer in sorted(peers)]
    return min((ratio for ratio in found if ratio), key=lambda ratio: ratio.median, default=None)


def share_of_peak(runs: list[Run]) -> Spread | None:
    """The int8 engine's operations per second of processor time, as a share of the peak measured in the same round."""
    ours = of(runs, f"{OURS}-int8", 1).values()
    return spread(
        run.needed_ops / run.cpu_s / run.peak_ops_per_s for run in ours if run.needed_ops and run.peak_ops_per_s
    )


def going_on(first: list[Run]) -> set[Engine]:
    """The engines that run in more rounds than the first. At 1 thread: our int8, and of each precision that has a
    peer ours and the best peer. At 2 threads: only our int8 at both thread counts, as no other ratio needs them."""
    if any(run.engine.threads > 1 for run in first):
        return {run.engine for run in first if run.engine.name == f"{OURS}-int8"}
    peers: dict[str, Run] = {}
    for run in sorted((run for run in first if not run.engine.ours), key=lambda run: run.per_cpu_second):
        peers[run.engine.precision] = run
    ours = {run.engine for run in first if run.engine.ours and run.engine.precision in {"int8", *peers}}
    return ours | {run.engine for run in peers.values()}


def all_ratios(runs_1: list[Run], runs_2: list[Run]) -> dict[str, Spread | None]:
    """`runs_1` are of the rounds at 1 thread; `runs_2` of those at 2, where our int8 runs at 1 thread too."""
    fastest = f"{OURS}-int8"
    return {
        **{f"{precision}_vs_best_peer": against_best_peer(runs_1, precision) for precision in ("int8", "bf16", "f32")},
        "int8_share_of_peak": share_of_peak(runs_1),
        "vs_hf_pipeline": within_rounds(
            of(runs_1, fastest, 1), of(runs_1, "hf_pipeline-f32", 1), lambda run: run.per_cpu_second, "hf_pipeline-f32"
        ),
        "threads_2_vs_1": within_rounds(
            of(runs_2, fastest, 2), of(runs_2, fastest, 1), lambda run: run.per_second, fastest
        ),
    }
