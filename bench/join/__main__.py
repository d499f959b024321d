"""Command of the join's benchmark: `python3 -m bench.join`, from the repository's root.

Every round, our join and the peers join the same mentions with the same bars in turn, from tables in memory, on one
thread; the order rotates. A ratio is the median over rounds of the ratio within a round.
"""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench import build, machine
from bench.environment import environment_of, pinned
from bench.errors import BenchError, exit_code
from bench.resident import ROOT, Resident, variables
from bench.rounds import order
from stack.settings import from_environment

REQUIREMENTS = ROOT / "bench" / "join" / "requirements.txt"
PEERS = ("pandas", "polars", "duckdb")
OURS = "tapewire"
DOES = {
    OURS: "entry, eight horizons, market model and abnormal returns, usual volume, missing bars, flags",
    "pandas": "entry and five horizons: `merge_asof`",
    "polars": "entry and five horizons: `join_asof`",
    "duckdb": "entry and five horizons: `ASOF JOIN`",
}
MAX_RETURN_DEVIATION = 1e-12  # of a log return


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    cache = from_environment().cache
    cache.mkdir(parents=True, exist_ok=True)
    python = environment(cache)
    program = options.program or build.example("join_scale")
    folder = cache / "bench-join"
    folder.mkdir(exist_ok=True)
    started, load = datetime.now(UTC), machine.load_average()
    sizes = [str(options.symbols), str(options.sessions), str(options.mentions)]
    limits = variables(1) | {"POLARS_MAX_THREADS": "1"}
    residents: list[Resident] = []
    try:
        ours = Resident(OURS, [str(program), "write", str(folder), *sizes], limits, folder / "ours.log")
        residents.append(ours)
        command = [str(python), "-m", "bench.join.peers", str(folder)]
        peers = Resident("the peers' process", command, limits, folder / "peers.log")
        residents.append(peers)
        runs = [run for number in range(options.rounds) for run in play(number, ours, peers)]
    finally:
        for resident in residents:
            resident.stop()
    results = {
        "date": started.isoformat(timespec="seconds"),
        "symbols": options.symbols,
        "sessions": options.sessions,
        "mentions": options.mentions,
        "rounds": options.rounds,
        "load_average": {"before": load, "after": machine.load_average()},
        "machine": machine.facts(python) | {"packages": pinned(REQUIREMENTS)},
        "runs": runs,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"{results['date'][:10]}-join"
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    stem.with_suffix(".md").write_text(table(runs))
    print(f"\n{table(runs)}\nfigures: {stem}.json", flush=True)
    return 0


def play(number: int, ours: Resident, peers: Resident) -> list[dict]:
    """One round. A peer whose returns differ from ours is wrong, or we are: nothing is reported then."""
    runs = []
    for name in order([OURS, *PEERS], number):
        answer = ours.ask("run") if name == OURS else peers.ask(name)
        if not answer.get("deviation", 0.0) <= MAX_RETURN_DEVIATION:
            raise BenchError(f"the returns of {name} and ours differ by {answer['deviation']:.2g}")
        runs.append({"name": name, "round": number} | answer)
        print(f"  round {number + 1}  {name:10} {answer['cpu_s']:6.2f} CPU-s  {answer['wall_s']:6.2f} s", flush=True)
    return runs


def ratios(runs: list[dict], name: str) -> list[float]:
    """A peer's processor time as a multiple of ours, by round: above 1, ours is faster."""
    spent = {(run["name"], run["round"]): run["cpu_s"] for run in runs}
    rounds = sorted({run["round"] for run in runs})
    return [spent[name, number] / spent[OURS, number] for number in rounds]


def table(runs: list[dict]) -> str:
    lines = ["| join | what it finds | CPU-seconds | ours is this many times as fast |", "|---|---|---|---|"]
    for name in (OURS, *PEERS):
        spent = median(run["cpu_s"] for run in runs if run["name"] == name)
        times = ratios(runs, name)
        ratio = "" if name == OURS else f"{median(times):.2f} ({min(times):.2f} to {max(times):.2f})"
        lines.append(f"| {name} | {DOES[name]} | {spent:.2f} | {ratio} |")
    return "\n".join(lines) + "\n"


def environment(cache: Path) -> Path:
    """The Python that the peers run in."""
    return environment_of(REQUIREMENTS, cache, "bench-join", "the peers of the join, about 500 MB on disk")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.join", description="Our join beside the joins of data frames.")
    parser.add_argument("--symbols", type=int, default=250, help="the last is the benchmark (default: 250)")
    parser.add_argument("--sessions", type=int, default=20, help="of minute bars (default: 20)")
    parser.add_argument("--mentions", type=int, default=50_000, help="in all (default: 50000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument("--program", type=Path, help="a built join_scale, instead of building it")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results (default: bench/results)"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
