"""Trades to bars beside Spark Structured Streaming and DuckDB: `python3 -m bench.fold`, from the repository's root.

`files`: the same Parquet files for all, and nothing is done with the bars. `topics`: from one Kafka topic to another,
with a broker of its own. Every round has each engine once; the order rotates. A ratio is the median over rounds of the
ratio within a round.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from bench import build, machine
from bench.environment import environment_of, pinned
from bench.errors import exit_code
from bench.fold import files, report, topics
from bench.fold.tools import workshop
from bench.resident import ROOT
from stack.kafka import find_java
from stack.settings import from_environment

REQUIREMENTS = ROOT / "bench" / "fold" / "requirements.lock"
PARTS = ("files", "topics")
TABLES = {
    "files": lambda runs: report.files_table(runs, files.ENTRANTS),
    "topics": lambda runs: report.topics_table(runs, topics.ENTRANTS),
}


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    cache = from_environment().cache
    cache.mkdir(parents=True, exist_ok=True)
    java = find_java("Spark")
    python = environment_of(REQUIREMENTS, cache, "bench-fold", "Spark and DuckDB, about 830 MB on disk")
    started, load = datetime.now(UTC), machine.load_average()
    found: dict[str, dict] = {}
    if "files" in options.parts:
        program = options.fold or build.example("fold")
        with workshop(python, program, cache) as tools:
            found["files"] = files.measure(options, tools)
        found["files"]["ratios"] = report.files_ratios(found["files"]["runs"], files.ENTRANTS)
    if "topics" in options.parts:
        program = options.fold_topics or build.example("fold_topics")
        with workshop(python, program, cache) as tools:
            found["topics"] = topics.measure(options, tools)
        found["topics"]["ratios"] = report.topics_ratios(found["topics"]["runs"], topics.ENTRANTS)
    results = {
        "date": started.isoformat(timespec="seconds"),
        "rounds": options.rounds,
        "load_average": {"before": load, "after": machine.load_average()},
        "machine": machine.facts(python) | {"packages": pinned(REQUIREMENTS), "java": version(java)},
    } | found
    tables = "\n".join(TABLES[part](found[part]["runs"]) for part in PARTS if part in found)
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"{results['date'][:10]}-fold"
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1, default=asdict) + "\n")
    stem.with_suffix(".md").write_text(tables)
    print(f"\n{tables}\nfigures: {stem}.json", flush=True)
    return 0


def version(java: str) -> str:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    return said.partition("\n")[0]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench.fold", description="Trades to bars beside Spark Structured Streaming and DuckDB."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="`files`, `topics`, or both (default)")
    parser.add_argument("--trades", type=int, default=20_000_000, help="in the Parquet files (default: 20000000)")
    parser.add_argument("--records", type=int, default=10_000_000, help="trades on the topic (default: 10000000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    parser.add_argument(
        "--files-a-batch", type=int, default=5, help="of the 20 files, for a micro-batch of Spark's (default: 5)"
    )
    parser.add_argument(
        "--records-a-batch", type=int, default=2_000_000, help="for a micro-batch of Spark's (default: 2000000)"
    )
    parser.add_argument("--fold", type=Path, metavar="PROGRAM", help="a built `fold`, instead of building it")
    parser.add_argument(
        "--fold-topics", type=Path, metavar="PROGRAM", help="a built `fold_topics`, instead of building it"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results (default: bench/results)"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}; the parts are {' and '.join(PARTS)}")
    options.parts = options.parts or list(PARTS)
    if min(options.rounds, options.files_a_batch, options.records_a_batch) < 1:
        parser.error("--rounds, --files-a-batch and --records-a-batch have to be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
