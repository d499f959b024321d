"""What a run says of its failures."""

import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import test as runner

CARGO = """
     Running tests/reference.rs (target/release/deps/reference-47c3fabf43524ccb)

running 2 tests
test the_comparison_meets_every_kind_of_row ... ok

thread 'agrees_with_the_plain_one' (77) panicked at joiner/tests/reference.rs:354:1:
Test failed: one is not the other.
minimal failing input: seed = 7
test agrees_with_the_plain_one ... FAILED

failures:

failures:
    agrees_with_the_plain_one
    another::of_them

test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 7.66s
"""
UNITTEST = """
ERROR: test_a (stack.tests.test_unit.Ports.test_a)
FAIL: test_b (stack.tests.test_unit.Ports.test_b)
Ran 5 tests in 0.1s

FAILED (failures=1, errors=1)
"""
LATER = "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n"


def counted(log: str) -> runner.Stage:
    stage = runner.Stage("name", "about", [], "cargo")
    runner.count(stage, log)
    return stage


class Summary(unittest.TestCase):
    def test_failures_of_cargo_are_counted_and_named(self):
        stage = counted(CARGO + LATER)
        self.assertEqual((stage.passed, stage.failed), (4, 2))
        self.assertEqual(stage.failures, ["agrees_with_the_plain_one", "another::of_them"])

    def test_failures_of_unittest_are_counted_and_named(self):
        stage = counted(UNITTEST)
        self.assertEqual((stage.passed, stage.failed), (3, 2))
        self.assertEqual([name.split()[0] for name in stage.failures], ["test_a", "test_b"])

    def test_nothing_failed_where_all_passed(self):
        self.assertEqual(counted(LATER * 2 + "ERROR: a server said so, as a test expects\n").failures, [])

    def test_a_test_of_full_disks_may_be_skipped_and_is_listed(self):
        skipped = "skipped: disks of servers: no small file system can be mounted here (unshare --mount: not permitted)"
        kafka = "skipped: network: TAPEWIRE_KAFKA_BROKERS is not set, so servers are not wanted"
        stage = counted(f"{skipped}\ntest tables_are_the_same ... {kafka}\nok\n{LATER}")
        self.assertEqual(stage.skipped, [skipped, kafka])
        self.assertEqual([bool(runner.MAY_SKIP.search(line)) for line in stage.skipped], [True, False])

    def test_a_failure_is_shown_although_much_follows(self):
        shown = runner.failure_excerpt((CARGO + LATER * 1000).splitlines())
        self.assertIn("minimal failing input: seed = 7", shown)
        self.assertLess(len(shown), 100)

    def test_a_line_of_a_linter_is_shown_although_much_follows(self):
        for line in ("error[E0425]: cannot find value", "bench/cli.py:87:121: E501 Line too long"):
            self.assertIn(line, runner.failure_excerpt([line, *LATER.splitlines() * 1000]))


class Lanes(unittest.TestCase):
    def test_no_stage_waits_for_one_that_waits_for_it(self):
        stages = runner.stages()
        waits: dict[str, set[str]] = {}
        for place, stage in enumerate(stages):
            earlier = [s.name for s in stages[:place] if s.lane == stage.lane]
            waits[stage.name] = {*earlier, *stage.after, *stage.not_beside}
        finished: set[str] = set()
        while able := {name for name, needs in waits.items() if needs <= finished} - finished:
            finished |= able
        self.assertEqual(set(waits), finished)

    def test_a_log_that_can_not_be_written_stops_no_lane(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(runner, "FOLDER", Path(folder)):
            Path(folder, "first.log").mkdir()
            lane = [runner.Stage(name, "", ["true"], "cargo") for name in ["first", "second"]]
            with contextlib.redirect_stdout(io.StringIO()):
                runner.run_lane(lane, {stage.name: stage for stage in lane}, {})
        self.assertTrue(all(stage.done.is_set() for stage in lane))
        self.assertRegex(lane[0].result, "not run: .*first.log")
        self.assertEqual(lane[1].result, "passed")


if __name__ == "__main__":
    unittest.main()
