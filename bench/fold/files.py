"""From Parquet files to bars, which nothing is done with: our fold, Spark Structured Streaming, DuckDB."""

import argparse
import json
import shutil
import subprocess
from pathlib import Path

from bench.environment import digest
from bench.errors import BenchError
from bench.fold import bars
from bench.fold.report import DUCKDB, OURS, SPARK, Entrant
from bench.fold.tools import Tools
from bench.resident import ROOT, Resident, variables
from bench.rounds import order

TRADES = ROOT / "bench" / "fold" / "trades.py"
ENTRANTS = [Entrant(OURS, 1), Entrant(SPARK, 1), Entrant(SPARK, 2), Entrant(DUCKDB, 1), Entrant(DUCKDB, 2)]


def measure(options: argparse.Namespace, tools: Tools) -> dict:
    """Rounds of all engines, after one whose bars are compared and one that only warms up."""
    folder = trades(options.trades, tools)
    span = json.loads((folder / "complete.json").read_text())
    residents: dict[Entrant, Resident] = {}
    try:
        for entrant in ENTRANTS:
            print(f"bench: starting {entrant.title}", flush=True)
            residents[entrant] = start(entrant, options.files_a_batch, folder, tools)
        compare(residents, span, tools.scratch)
        for entrant in ENTRANTS:
            play(entrant, residents[entrant], options.trades)
        runs = []
        for number in range(options.rounds):
            for entrant in order(ENTRANTS, number):
                answer = play(entrant, residents[entrant], options.trades)
                runs.append({"name": entrant.name, "threads": entrant.threads, "round": number} | answer)
                rate = options.trades / answer["wall_s"] / 1e6
                print(f"  round {number + 1}  {entrant.title:18} {rate:6.2f} M trades/s", flush=True)
    finally:
        for resident in residents.values():
            resident.stop()
    return {"trades": options.trades, "files_a_batch": options.files_a_batch, "runs": runs}


def trades(count: int, tools: Tools) -> Path:
    """The folder of this number of trades, made once."""
    folder = tools.cache / f"bench-fold-trades-{count}-{digest(TRADES)}"
    if not (folder / "complete.json").exists():
        print(f"bench: making {count} trades", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        command: list[str | Path] = [tools.python, "-m", "bench.fold.trades", folder, str(count)]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise BenchError("the trades can't be made; see above")
    return folder


def start(entrant: Entrant, files_a_batch: int, folder: Path, tools: Tools) -> Resident:
    name, python, threads = f"{entrant.name}-{entrant.threads}", str(tools.python), str(entrant.threads)
    own = tools.scratch / name
    own.mkdir()
    commands = {
        OURS: [str(tools.program), "parquet", str(folder)],
        SPARK: [python, "-m", "bench.fold.spark", "files", threads, str(own), str(folder), str(files_a_batch)],
        DUCKDB: [python, "-m", "bench.fold.duckdb_files", threads, str(folder)],
    }
    return Resident(entrant.title, commands[entrant.name], variables(entrant.threads), tools.logs / f"{name}.log")


def compare(residents: dict[Entrant, Resident], span: dict, scratch: Path) -> None:
    """Raises BenchError if an engine's bars differ from ours."""
    found = {}
    for entrant, resident in residents.items():
        print(f"bench: comparing the bars of {entrant.title}", flush=True)
        path = scratch / "bars.csv"
        resident.ask(f"bars {path}")
        found[entrant] = bars.complete(bars.of_csv(path), span["from"], span["to"])
    for entrant, theirs in found.items():
        bars.check(entrant.title, theirs, found[ENTRANTS[0]])
    print(f"bench: all have the same {len(found[ENTRANTS[0]])} bars", flush=True)


def play(entrant: Entrant, resident: Resident, count: int) -> dict:
    answer = resident.ask("run")
    if answer["trades"] != count:
        raise BenchError(f"{entrant.title} read {answer['trades']} of {count} trades")
    return answer
