"""Tests of `bench.fold` that need no peer, no server and no compiler: `python3 -m unittest bench.tests.test_fold`."""

import json
import re
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, cast

from bench.environment import pinned
from bench.errors import BenchError
from bench.fold import __main__ as fold
from bench.fold import bars, files, pin, report, topics
from bench.fold.report import DUCKDB, OURS, SPARK, Entrant
from bench.resident import Resident
from stack import downloads

ENTRANTS = [Entrant(OURS, 1), Entrant(SPARK, 2), Entrant(DUCKDB, 1)]
BAR: bars.Bar = (1.0, 4.0, 0.5, 2.0, 300.0)


def run(entrant: Entrant, number: int, wall: float, **more: float) -> dict:
    plain = {"name": entrant.name, "threads": entrant.threads, "round": number, "trades": 12_000_000}
    return plain | {"wall_s": wall, "cpu_s": 2 * wall} | more


class Answering:
    """A resident that gives this answer to each question."""

    def __init__(self, answer: dict[str, Any]):
        self.answer = answer

    def ask(self, _question: str) -> dict[str, Any]:
        return dict(self.answer)


def answering(**answer: Any) -> Resident:
    return cast(Resident, Answering(answer))


class BarsTest(unittest.TestCase):
    def test_the_last_version_of_a_bar_counts(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "bars.csv"
            path.write_text("symbol,start,open,high,low,close,volume\nA,60000000,1,2,1,2,5\nA,60000000,1,4,0.5,2,300\n")
            self.assertEqual({("A", 60_000_000): BAR}, bars.of_csv(path))

    def test_our_topic_has_watermarks_and_other_widths_beside_the_bars(self) -> None:
        body = {"symbol": "A", "start": 0, "width_s": 60, "open": 1.0, "high": 4.0, "low": 0.5, "close": 2.0}
        records = [
            {"bar": body | {"volume": 5.0, "vwap": None}},
            {"watermark": {"index": 0, "count": 1, "at": 1}},
            {"bar": body | {"volume": 300.0, "vwap": 1.5}},
            {"bar": body | {"volume": 7.0, "width_s": 1}},
        ]
        values = [json.dumps({"v": 1, "run": "live", "body": record}) for record in records]
        self.assertEqual({("A", 0): BAR}, bars.of_our_topic(values))

    def test_runs_of_spark_that_disagree_are_refused(self) -> None:
        value = '{"symbol":"A","start":0,"open":1.0,"high":4.0,"low":0.5,"close":2.0,"volume":300.0}'
        self.assertEqual({("A", 0): BAR}, bars.of_their_topic([value, value]))
        with self.assertRaisesRegex(BenchError, "two runs of Spark have different bars of A at 0"):
            bars.of_their_topic([value, value.replace("300.0", "301.0")])

    def test_only_bars_whose_trades_were_all_read_are_compared(self) -> None:
        at = [-60_000_000, 0, 60_000_000, 120_000_000]
        found = bars.complete({("A", start): BAR for start in at}, 0, 135_000_000)
        self.assertEqual([0, 60_000_000], [start for _, start in found])

    def test_equal_bars_pass_and_volumes_may_be_rounded_differently(self) -> None:
        bars.check("Spark", {("A", 0): (*BAR[:4], 300.0 * (1 + 1e-12))}, {("A", 0): BAR})

    def test_every_other_value_is_found(self) -> None:
        ours = {("A", 0): BAR, ("B", 0): BAR}
        for place, name in enumerate(("open", "high", "low", "close", "volume")):
            other = tuple(value * (1 + 1e-8) if at == place else value for at, value in enumerate(BAR))
            with self.assertRaisesRegex(BenchError, "the bars of B at 0 µs differ", msg=name):
                bars.check("Spark", ours | {("B", 0): cast(bars.Bar, other)}, ours)

    def test_a_bar_that_is_not_a_number_is_found(self) -> None:
        with self.assertRaisesRegex(BenchError, "differ"):
            bars.check("Spark", {("A", 0): (*BAR[:4], float("nan"))}, {("A", 0): BAR})

    def test_a_missing_bar_is_found_on_either_side(self) -> None:
        both, one = {("A", 0): BAR, ("B", 0): BAR}, {("A", 0): BAR}
        with self.assertRaisesRegex(BenchError, "only tapewire has a bar of B at 0 µs; 1 of 2"):
            bars.check("Spark", one, both)
        with self.assertRaisesRegex(BenchError, "only Spark has a bar of B"):
            bars.check("Spark", both, one)

    def test_without_a_complete_minute_nothing_is_compared(self) -> None:
        with self.assertRaisesRegex(BenchError, "no minute of the trades is complete"):
            bars.check("Spark", {}, {})


class FilesTest(unittest.TestCase):
    def test_an_engine_that_did_not_read_all_trades_is_refused(self) -> None:
        self.assertEqual(7, files.play(ENTRANTS[1], answering(trades=7), 7)["trades"])
        with self.assertRaisesRegex(BenchError, "Spark, 2 threads read 6 of 7 trades"):
            files.play(ENTRANTS[1], answering(trades=6), 7)

    def test_a_ratio_is_taken_within_a_round(self) -> None:
        # In the second round all are three times as slow.
        runs = [
            run(
                entrant,
                number,
                wall * slow,
                **({"fold_wall_s": slow, "fold_cpu_s": slow} if entrant.name == OURS else {}),
            )
            for number, slow in enumerate((1, 3))
            for entrant, wall in zip(ENTRANTS, (2.0, 12.0, 0.5), strict=True)
        ]
        found = report.files_ratios(runs, ENTRANTS)
        spread = found["fold_vs_spark_2_wall"]
        assert spread is not None
        self.assertEqual((12.0, 12.0, 12.0, 2), (spread.median, spread.low, spread.high, spread.rounds))
        medians = {name: one.median for name, one in found.items() if one}
        self.assertEqual(6.0, medians["parquet_vs_spark_2_wall"])
        self.assertEqual(24.0, medians["fold_vs_spark_2_cpu"], "the JVM's processor time, not its elapsed time")
        self.assertEqual(0.25, medians["parquet_vs_duckdb_1_wall"])
        table = report.files_table(runs, ENTRANTS)
        self.assertIn("| tapewire, the fold alone, 1 thread | 8.00 (4.00 to 12.00) |", table)
        self.assertIn(
            "| Spark, 2 threads | 0.67 (0.33 to 1.00) | 0.33 (0.17 to 0.50) | 12.00 (12.00 to 12.00) | 6.00", table
        )
        self.assertEqual({5}, {line.count("|") - 1 for line in table.splitlines()}, "columns")


class TopicsTest(unittest.TestCase):
    def test_records_that_were_read_before_the_first_commit_do_not_count(self) -> None:
        ours = run(topics.ENTRANTS[0], 0, 2.0, records=10_000_000)
        theirs = run(topics.ENTRANTS[1], 0, 24.0, records=12_000_000)
        medians = {
            name: one.median for name, one in report.topics_ratios([ours, theirs], topics.ENTRANTS).items() if one
        }
        self.assertEqual({"topics_vs_spark_wall": 10.0, "topics_vs_spark_cpu": 10.0}, medians)
        self.assertIn("| Spark, 2 threads | 0.50 ", report.topics_table([ours, theirs], topics.ENTRANTS))

    def test_too_few_records_to_measure_are_refused(self) -> None:
        spark = topics.ENTRANTS[1]
        self.assertEqual(100, topics.play(spark, answering(trades=100), 100)["records"], "Spark counts trades")
        with self.assertRaisesRegex(BenchError, "send more"):
            topics.play(topics.ENTRANTS[0], answering(records=40), 100)


class OptionsTest(unittest.TestCase):
    def test_both_parts_run_unless_one_is_named(self) -> None:
        self.assertEqual(["files", "topics"], fold._options([]).parts)
        self.assertEqual(["topics"], fold._options(["topics"]).parts)


class PinTest(unittest.TestCase):
    def test_the_connector_is_that_of_the_installed_spark(self) -> None:
        artifacts = {artifact.name: artifact for artifact in downloads.load(pin.CONNECTOR, pin.MANIFEST)}
        asked = re.findall(r"<artifactId>(spark-sql.*)</artifactId>\s*<version>(.*)</version>", pin.POM.read_text())
        self.assertEqual([(name, artifacts[name].version) for name, _ in asked], asked)
        self.assertEqual([pinned(fold.REQUIREMENTS)["pyspark"]], [version for _, version in asked])

    def test_versions_are_read_from_requirements_with_and_without_hashes(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "requirements.lock"
            path.write_text("# a comment==1\na==1.2 \\\n    --hash=sha256:00==\n    # via b\nb-c==3  # why\n\n")
            self.assertEqual({"a": "1.2", "b-c": "3"}, pinned(path))


class ProtocolTest(unittest.TestCase):
    """Against a real process."""

    SPEAKS = """
from bench.fold.protocol import answers, serve
out = answers()
print("what a library prints")
def run(text="nothing"):
    if text == "wrong":
        raise ValueError("the reason\\nand a long plan")
    return {"said": text}
serve(out, {"run": run})
"""

    def start(self) -> Resident:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        resident = Resident("toy", [sys.executable, "-c", self.SPEAKS], {}, Path(folder.name) / "log")
        self.addCleanup(resident.stop)
        return resident

    def test_what_libraries_print_is_not_taken_for_an_answer(self) -> None:
        toy = self.start()
        self.assertEqual({"ready": True}, toy.ready)
        self.assertEqual({"said": "nothing"}, toy.ask("run"))
        self.assertEqual({"said": "this"}, toy.ask("run this"))

    def test_the_reason_of_an_error_is_the_last_line(self) -> None:
        with self.assertRaisesRegex(BenchError, "toy ended: ValueError: the reason"):
            self.start().ask("run wrong")


if __name__ == "__main__":
    unittest.main()
