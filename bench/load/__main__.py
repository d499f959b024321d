"""The whole pipeline under load: `python3 -m bench.load`, from the repository's root.

Starts Kafka and ClickHouse of its own, a made-up market on the provider's protocol (`market.py`), and `tapewire run`
with every role. It measures how long an article takes from its receipt to its first row in ClickHouse, and memory over
time, and counts afterwards whether everything that was sent is in the tables.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

from bench import machine
from bench.environment import environment_of
from bench.errors import BenchError, exit_code
from bench.load import report
from bench.resident import ROOT, Resident
from bench.servers import free_port, servers
from stack.settings import from_environment

REQUIREMENTS = ROOT / "bench" / "load" / "requirements.txt"
DATABASE = "tapewire_load"
STARTS_WITHIN = 180  # seconds
ARRIVES_WITHIN = 120
SAMPLE_EVERY = 5
SERVICES = ["kafka", "clickhouse"]


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    cache = from_environment().cache
    python = environment_of(REQUIREMENTS, cache, "bench-load", "the market's websocket server")
    started = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="tapewire-load-") as folder, servers(Path(folder), SERVICES) as variables:
        variables["TAPEWIRE_MASSIVE_API_KEY"] = "load"
        wanted = [f"--symbols={options.symbols}", f"--articles={options.articles}"]
        texts = options.articles * 60 * (options.minutes + 2)
        command = [str(python), "-m", "bench.load.market", *wanted, f"--texts={texts}"]
        market = Resident("the market", command, dict(os.environ), Path(folder) / "market.log")
        try:
            pipeline = Pipeline(options.program, Path(folder), variables, market.ready)
            try:
                figures = under_load(options, market, pipeline)
            finally:
                pipeline.stop()
        finally:
            market.stop()
    results = {
        "date": started.isoformat(timespec="seconds"),
        "symbols": options.symbols,
        "articles_per_second": options.articles,
        "minutes": options.minutes,
        "machine": machine.facts(python),
    } | figures
    options.out.mkdir(parents=True, exist_ok=True)
    stem = options.out / f"{results['date'][:10]}-load"
    stem.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    stem.with_suffix(".md").write_text(report.table(results))
    print(f"\n{report.table(results)}\nfigures: {stem}.json", flush=True)
    return 0 if report.is_complete(results) else 1


def under_load(options: argparse.Namespace, market: Resident, pipeline: "Pipeline") -> dict:
    """Runs for a minute to warm up and then for the time that is measured; then waits until everything has arrived."""
    market.ask("start")
    print("bench: a minute to warm up", flush=True)
    time.sleep(60)
    before, samples, began = pipeline.metrics(), [], time.monotonic()
    while (elapsed := time.monotonic() - began) < options.minutes * 60:
        memory = pipeline.memory()
        samples.append({"seconds": round(elapsed, 1), "bytes": memory})
        if len(samples) % 12 == 1:
            print(f"bench: {elapsed / 60:.0f} of {options.minutes} min, {memory >> 20} MB", flush=True)
        time.sleep(SAMPLE_EVERY)
    after = pipeline.metrics()
    sent = market.ask("stop")
    waited, stored = 0, pipeline.stored()
    while waited < ARRIVES_WITHIN and not report.all_arrived(sent, stored):
        time.sleep(SAMPLE_EVERY)
        waited, stored = waited + SAMPLE_EVERY, pipeline.stored()
    return {
        "load_average": machine.load_average(),
        "wire_to_row": report.difference(report.buckets(before), report.buckets(after)),
        "memory": samples,
        "sent": sent,
        "stored": stored,
    }


class Pipeline:
    """`tapewire run` with every role, and the database that it writes to."""

    def __init__(self, program: Path, folder: Path, variables: dict[str, str], market: dict):
        self._variables, self._listen = variables, f"127.0.0.1:{free_port()}"
        settings = folder / "tapewire.toml"
        settings.write_text(settings_for(market, self._listen, folder / "state"))
        self._log = folder / "tapewire.log"
        migrate: list[str | Path] = [program, "migrate", "--config", settings]
        if subprocess.run(migrate, env=variables, stdout=subprocess.DEVNULL).returncode != 0:
            raise BenchError("the tables can't be made; see above")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, "run", "--config", settings], env=variables, stdout=log, stderr=log
            )
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise BenchError("tapewire did not get ready; its last lines:\n" + self._log.read_text()[-2000:])
            time.sleep(0.5)

    def _is_ready(self) -> bool:
        try:
            self._get("/ready")
            return True
        except OSError:  # Also while it answers 503.
            return False

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://{self._listen}{path}", timeout=10) as answer:
            return answer.read()

    def metrics(self) -> str:
        return self._get("/metrics").decode()

    def memory(self) -> int:
        """Resident bytes of the process."""
        if self._process.poll() is not None:
            raise BenchError("tapewire ended; its last lines:\n" + self._log.read_text()[-2000:])
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self._process.pid}/status").read_text(), re.M)
        return int(found[1]) * 1024 if found else 0

    def stored(self) -> dict:
        """What is in the tables, as the market's account has it."""
        articles = "SELECT count() AS articles, uniqExact(article_id) AS ids FROM articles FINAL"
        joined = "SELECT count() AS rows, uniqExact(article_id) AS joined FROM impact FINAL"
        bars = "SELECT count() AS bars, sum(close) AS closes FROM bars FINAL"
        return {name: value for query in (articles, joined, bars) for name, value in self._query(query).items()}

    def _query(self, query: str) -> dict:
        url = self._variables["TAPEWIRE_CLICKHOUSE_URL"]
        options = urlencode({"database": DATABASE, "output_format_json_quote_64bit_integers": 0})
        with urllib.request.urlopen(f"{url}/?{options}", f"{query} FORMAT JSONEachRow".encode(), timeout=60) as answer:
            return json.loads(answer.read())

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def settings_for(market: dict, listen: str, state: Path) -> str:
    """Short overlaps, because a made-up market has no late articles; and a calendar that never closes."""
    benchmark, *symbols = market["symbols"]
    return f"""
listen = "{listen}"
state_dir = "{state}"
[clickhouse]
database = "{DATABASE}"
[providers.massive]
rest_url = "http://127.0.0.1:{market["rest"]}"
websocket_url = "ws://127.0.0.1:{market["stream"]}"
[news]
every = "1s"
overlap = "2s"
late_window = "2s"
lookback = "1m"
wire_delay = "1s"
[prices]
benchmark = "{benchmark}"
symbols = {json.dumps(symbols)}
warmup = "1m"
[join.calendars]
"*" = "crypto"
"""


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.load", description="The whole pipeline under load.")
    parser.add_argument("--symbols", type=int, default=10_000, help="also bars a second (default: 10000)")
    parser.add_argument("--articles", type=int, default=50, help="a second (default: 50)")
    parser.add_argument("--minutes", type=int, default=10, help="(default: 10)")
    parser.add_argument(
        "--program",
        type=Path,
        default=ROOT / "target" / "release" / "tapewire",
        help="(default: target/release/tapewire)",
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench" / "results", help="folder of the results (default: bench/results)"
    )
    options = parser.parse_args(arguments)
    # One symbol is the benchmark, which no article is about.
    if options.symbols < 2 or options.articles < 1 or options.minutes < 1:
        parser.error("--symbols has to be at least 2, --articles and --minutes at least 1")
    if not options.program.is_file():
        parser.error(
            f"there is no program {options.program}; build it with `make build`, or name another with --program"
        )
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
