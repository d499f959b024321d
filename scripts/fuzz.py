"""Runs every fuzz target for a number of inputs or seconds, and says what ran.

    python3 scripts/fuzz.py                        20 seconds of each target
    python3 scripts/fuzz.py --seconds 60           a minute of each
    python3 scripts/fuzz.py --inputs 10000000      ten million inputs of each
    python3 scripts/fuzz.py --only core bars       the targets whose names contain one of these
    python3 scripts/fuzz.py --list                 what the targets are
    python3 scripts/fuzz.py --record FILE          also adds what ran to a table, so that runs of several days add up

A target is a test in a test program called `fuzz` or `values`, outside that program's modules called `tests`;
core/fuzzkit/src/lib.rs says how one is written. A failing input stays in a file, also if the program was killed for its
memory or its stack was too small, and is tried again alone with the command that is printed.
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import test_programs

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("TAPEWIRE_TEST_DIR", ROOT / ".stack" / "test")).resolve() / "fuzz"
PROGRAMS = ["fuzz", "values"]
# A target that has run out of time is ended only if a single input takes this much longer, in seconds.
HANGS = 60
# A number of inputs that no target reaches before its time is over.
UNLIMITED_INPUTS = 10**15


@dataclass
class Target:
    """A test that tries inputs."""

    crate: str
    program: str
    test: str
    executable: Path
    folder: Path

    @property
    def name(self) -> str:
        return f"{self.crate.removeprefix('tapewire-')}/{self.test}"

    @property
    def file(self) -> Path:
        """The file that keeps the input that is being tried."""
        return FOLDER / re.sub(r"\W+", "-", self.name)


def targets() -> list[Target]:
    """Compiles the programs and asks each for its tests."""
    found = [target for program in test_programs.build(PROGRAMS) for target in targets_of(program)]
    return sorted(found, key=lambda target: target.name)


def targets_of(program: test_programs.Program) -> list[Target]:
    listed = subprocess.run([program.executable, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout
    name = re.search(r'^name = "(.+)"', (program.folder / "Cargo.toml").read_text(), re.M)
    crate = name.group(1) if name else program.folder.name
    tests = [test for test in re.findall(r"^(\S+): test$", listed, re.M) if "::tests::" not in test]
    return [Target(crate, program.name, test, program.executable, program.folder) for test in tests]


@dataclass
class Result:
    """What one run of a target did."""

    target: str
    inputs: int
    seconds: float
    passed: bool


HEADER = """# Fuzz targets

What `scripts/fuzz.py --record` has tried, one line for each run of a target. The inputs of all runs of a target add up,
because each run takes new random ones.

| target | inputs | seconds | inputs/s | commit | date | result |
|---|---|---|---|---|---|---|
"""


def record(file: Path, result: Result, commit: str, date: str) -> None:
    """Adds a line to the table in a file, which is made if it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rate = f"{result.inputs / result.seconds:,.0f}" if result.seconds > 0 else ""
    outcome = "passed" if result.passed else "failed"
    cells = [result.target, f"{result.inputs:,}", f"{result.seconds:,.0f}", rate, commit, date, outcome]
    with file.open("a") as table:
        if table.tell() == 0:
            table.write(HEADER)
        table.write(f"| {' | '.join(cells)} |\n")


def totals(file: Path) -> dict[str, int]:
    """How many inputs of each target a table has in all."""
    sums: dict[str, int] = {}
    rows = [line.strip("| \n").split(" | ") for line in file.read_text().splitlines() if line.startswith("| ")]
    for cells in rows:
        if len(cells) == 7 and cells[1].replace(",", "").isdigit():
            sums[cells[0]] = sums.get(cells[0], 0) + int(cells[1].replace(",", ""))
    return sums


def commit_of_tree() -> str:
    """The commit that is checked out, with a `+` if files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def run(target: Target, inputs: int | None, seconds: float | None) -> Result:
    """Runs one target; prints a line, and after a failure what failed and how to repeat it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    budget = {"BOLERO_RANDOM_ITERATIONS": str(inputs or UNLIMITED_INPUTS), "FUZZ_KEEP": str(target.file)}
    if seconds is not None:
        budget["BOLERO_RANDOM_TEST_TIME_MS"] = str(int(seconds * 1000))
    log_file = target.file.with_suffix(".log")
    started = time.monotonic()
    with log_file.open("wb") as log:
        try:
            code = subprocess.run(
                [target.executable, "--exact", target.test, "--nocapture", "--test-threads", "1"],
                cwd=target.folder,
                env=os.environ | budget,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=None if seconds is None else seconds + HANGS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
    took = time.monotonic() - started
    log_text = log_file.read_text(errors="replace")
    tried = sum(int(count) for count in re.findall(r"^fuzz: (\d+) inputs$", log_text, re.M))
    passed = code == 0 and tried > 0
    rate = f"{tried / took:,.0f}/s" if passed else ""
    print(f"{target.name:70} {tried:>12,} {took:>8.0f} s {rate:>11}  {'passed' if passed else 'FAILED'}", flush=True)
    if not passed:
        print("\n".join(f"    {line}" for line in explanation(log_text, code)))
        print(f"    whole log: {log_file}\n    the input: {target.file}")
        print(
            f"    to repeat: FUZZ_REPEAT={target.file} cargo test --release -p {target.crate} --test {target.program} "
            f"-- --exact {target.test}",
            flush=True,
        )
    else:
        target.file.unlink(missing_ok=True)
    return Result(target.name, tried, took, passed)


def explanation(log: str, code: int) -> list[str]:
    """The lines of a log that say what failed."""
    lines = log.splitlines()
    starts = [at for at, line in enumerate(lines) if "panicked at" in line or "overflowed its stack" in line]
    found = lines[starts[0] : starts[0] + 5] if starts else lines[-5:]
    return [*found, f"ended by signal {-code}" if code < 0 else f"exit code {code}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, help="how many inputs of each target; with --seconds, at most")
    parser.add_argument("--seconds", type=float, help="how long each target runs; by default 20, without --inputs")
    parser.add_argument(
        "--only", nargs="+", metavar="PART", default=[""], help="targets whose names contain one of these"
    )
    parser.add_argument("--list", action="store_true", help="say what the targets are and stop")
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="add a line for each target to the table in this file"
    )
    arguments = parser.parse_args()
    chosen = [target for target in targets() if any(part in target.name for part in arguments.only)]
    if not chosen:
        parser.error(f"no target's name contains {' or '.join(arguments.only)}; --list names them")
    if arguments.list:
        print("\n".join(target.name for target in chosen))
        return 0
    seconds = arguments.seconds or (None if arguments.inputs else 20)
    commit = commit_of_tree() if arguments.record else ""
    failed = []
    for target in chosen:
        result = run(target, arguments.inputs, seconds)
        if arguments.record:
            record(arguments.record, result, commit, time.strftime("%Y-%m-%d", time.gmtime()))
        if not result.passed:
            failed.append(target.name)
    if arguments.record:
        sums = totals(arguments.record)
        fewest = min((sums.get(target.name, 0), target.name) for target in chosen)
        print(f"{arguments.record}: each target has at least {fewest[0]:,} inputs in all; {fewest[1]} has the fewest")
    print(f"{len(chosen)} targets, {len(failed)} failed{''.join(f'; {name}' for name in failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
