"""Tests that need no peer and no compiler: `python3 -m unittest bench.tests.test_unit`."""

import math
import os
import sys
import tempfile
import unittest
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import mean, median
from typing import Any, cast

from bench import cli, ratios, report, texts
from bench.engines import LINE_UP, Engine
from bench.errors import BenchError
from bench.join import __main__ as join
from bench.load import report as load
from bench.resident import ROOT, Resident
from bench.rounds import Run, order, play

OURS = Engine("tapewire", "int8")
BEST = Engine("openvino", "int8")
OTHER = Engine("onnxruntime", "int8")
PIPELINE = Engine("hf_pipeline", "f32")


def run(engine: Engine, number: int, cpu_s: float, **more: float) -> Run:
    plain = Run(engine, number, texts=100, tokens=5000, wall_s=cpu_s, cpu_s=cpu_s, idle_cpu_s=0.0)
    return replace(plain, **cast(dict[str, Any], more))


def measured(ratio: ratios.Spread | None) -> ratios.Spread:
    assert ratio is not None
    return ratio


class LoadTest(unittest.TestCase):
    def test_quantiles_are_of_the_articles_between_two_pages(self) -> None:
        name = "tapewire_wire_to_row_seconds_bucket"
        before = load.buckets(f'{name}{{le="0.1"}} 5\n{name}{{le="1"}} 50\n{name}{{le="+Inf"}} 50\nother{{le="1"}} 7\n')
        after = load.buckets(f'{name}{{le="0.1"}} 95\n{name}{{le="1"}} 149\n{name}{{le="+Inf"}} 150\n')
        counted = load.difference(before, after)
        self.assertEqual(counted, [(0.1, 90), (1.0, 99), (math.inf, 100)])
        self.assertEqual([load.quantile(counted, share) for share in (0.5, 0.99, 1.0)], [0.1, 1.0, math.inf])
        self.assertTrue(math.isnan(load.quantile([], 0.5)))

    def test_the_slope_is_that_of_the_second_half(self) -> None:
        grown = [{"seconds": 5.0 * n, "bytes": min(n, 10) * 1000 + n} for n in range(20)]
        self.assertAlmostEqual(load.slope(grown), 720.0)
        self.assertTrue(math.isnan(load.slope(grown[:2])))

    def test_one_missing_or_doubled_article_or_bar_is_seen(self) -> None:
        sent = {"articles": 3, "bars": 4, "closes": 402.25, "bars_sent": 9}
        stored = {"articles": 3, "ids": 3, "rows": 3, "joined": 3, "bars": 4, "closes": 402.25}
        self.assertTrue(load.all_arrived(sent, stored))
        for column, value in {"articles": 4, "ids": 2, "joined": 2, "bars": 5, "closes": 402.0}.items():
            self.assertFalse(load.all_arrived(sent, stored | {column: value}), column)


class OrderTest(unittest.TestCase):
    def test_in_as_many_rounds_as_engines_each_engine_has_every_place_once(self) -> None:
        for place in range(len(LINE_UP)):
            self.assertEqual(Counter(LINE_UP), Counter(order(LINE_UP, number)[place] for number in range(len(LINE_UP))))

    def test_after_the_first_round_only_engines_that_a_ratio_needs_go_on(self) -> None:
        f32 = Engine("tapewire", "f32")
        first = [run(OTHER, 0, 3), run(OURS, 0, 1), run(BEST, 0, 2), run(PIPELINE, 0, 9), run(f32, 0, 4)]
        self.assertEqual({OURS, f32, BEST, PIPELINE}, ratios.going_on(first))
        self.assertEqual({OURS, BEST}, ratios.going_on([*first[:3], first[4]]), "f32 has no peer")
        self.assertEqual({OURS, f32, PIPELINE}, ratios.going_on([first[1], *first[3:]]), "the peak is of our int8")

    def test_at_two_threads_only_our_int8_goes_on(self) -> None:
        two = Engine("tapewire", "int8", 2)
        self.assertEqual(
            {OURS, two}, ratios.going_on([run(OURS, 0, 2), run(two, 0, 2), run(Engine("openvino", "int8", 2), 0, 1)])
        )

    def test_a_round_without_engines_is_empty(self) -> None:
        self.assertEqual([], order([], 3))


class InstructionTest(unittest.TestCase):
    def test_peers_in_bf16_need_a_processor_that_has_it(self) -> None:
        self.assertEqual({}, cli.without_instruction(LINE_UP, ["avx2", "avx512_bf16"]))
        self.assertEqual({"openvino-bf16", "pytorch-bf16"}, set(cli.without_instruction(LINE_UP, ["avx2", "avx512f"])))


class RatioTest(unittest.TestCase):
    def test_a_round_in_which_all_are_slower_leaves_the_ratio(self) -> None:
        runs = [
            run(engine, number, seconds * slow)
            for number, slow in enumerate((1, 3, 1.5))
            for engine, seconds in ((OURS, 2), (BEST, 4))
        ]
        self.assertEqual(ratios.Spread(2, 2, 2, 3, "openvino-int8"), ratios.against_best_peer(runs, "int8"))

    def test_the_best_peer_is_the_one_we_lead_least(self) -> None:
        runs = [run(OURS, 0, 2), run(BEST, 0, 3), run(OTHER, 0, 6), run(PIPELINE, 0, 1)]
        self.assertEqual("openvino-int8", measured(ratios.against_best_peer(runs, "int8")).peer)

    def test_only_rounds_of_both_count(self) -> None:
        runs = [run(OURS, number, 1) for number in range(3)] + [run(PIPELINE, 0, 12)]
        found = measured(ratios.all_ratios(runs, [])["vs_hf_pipeline"])
        self.assertEqual((12, 1), (found.median, found.rounds))

    def test_what_was_not_measured_is_none(self) -> None:
        found = ratios.all_ratios([run(BEST, 0, 1)], [])
        self.assertEqual({None}, set(found.values()))
        promised = {
            "int8_vs_best_peer",
            "bf16_vs_best_peer",
            "f32_vs_best_peer",
            "int8_share_of_peak",
            "vs_hf_pipeline",
        }
        self.assertLessEqual(promised, report.ratio_rows(found)[0].keys())

    def test_share_of_peak_is_of_processor_time_and_of_the_round(self) -> None:
        peaks = ((4, 100), (5, 100), (6, 200))
        runs = [
            run(OURS, number, cpu_s, wall_s=9, needed_ops=300, peak_ops_per_s=peak)
            for number, (cpu_s, peak) in enumerate(peaks)
        ]
        share = measured(ratios.share_of_peak(runs))
        self.assertEqual((0.25, 0.6, 0.75), (share.low, share.median, share.high))

    def test_two_threads_against_one_is_of_wall_time(self) -> None:
        two = Engine("tapewire", "int8", 2)
        runs = [run(OURS, 0, 10), run(two, 0, 11, wall_s=5.5)]
        self.assertAlmostEqual(10 / 5.5, measured(ratios.all_ratios([], runs)["threads_2_vs_1"]).median)


class ReportTest(unittest.TestCase):
    def test_fastest_first_and_ours_marked(self) -> None:
        runs = {1: [run(OTHER, 0, 4), run(OURS, 0, 2)]}
        names = dict.fromkeys(("tapewire-int8", "onnxruntime-int8"), 0.5)
        rows = report.engine_rows(runs, [OTHER, BEST, OURS], names, dict.fromkeys(names, 10**9))
        self.assertEqual(["tapewire-int8", "onnxruntime-int8"], [row["engine"] for row in rows])
        found = ratios.all_ratios(runs[1], [])
        written = report.table(rows, found, {"ctranslate2-int8": "no wheel for this machine"})
        self.assertIn("| **tapewire int8** | 50.0 (50.0–50.0) |", written)
        self.assertIn(
            "times the best peer's texts per CPU-second | 2.00 | 2.00 to 2.00 | 1 | onnxruntime-int8 |", written
        )
        self.assertIn("share of the instruction peak | not measured", written)
        self.assertIn("ctranslate2-int8: no wheel for this machine", written)

    def test_logits_far_from_the_reference_are_no_result(self) -> None:
        exact, reference = Engine("openvino", "f32"), [[0.0, 1.0], [2.0, 3.0]]
        self.assertAlmostEqual(0.5, cli.checked(BEST, [[0.0, 1.5]], reference))
        for wrong in ([[0.0, 1.1]], [[0.0, float("nan")]], [[0.0]], []):
            with self.assertRaises(BenchError):
                cli.checked(exact, wrong, reference)


class OptionsTest(unittest.TestCase):
    def test_only_a_whole_run_replaces_the_published_results(self) -> None:
        published = ROOT / "bench" / "results"
        self.assertEqual(published, cli._options([]).out)
        for partial in (["--quick"], ["--texts", "512"], ["--threads", "1"], ["--engines", "tapewire-int8"]):
            self.assertNotEqual(published, cli._options(partial).out, partial)
        self.assertEqual(Path("here"), cli._options(["--quick", "--out", "here"]).out)


class TextsTest(unittest.TestCase):
    def test_the_same_texts_every_time(self) -> None:
        self.assertEqual(texts.generate(50), texts.generate(50))

    def test_no_text_comes_twice(self) -> None:
        self.assertEqual(texts.WHOLE, len(set(texts.generate(texts.WHOLE))))

    def test_the_mix_is_that_of_a_wire(self) -> None:
        lengths = [texts.pieces(text) for text in texts.generate(texts.WHOLE)]
        self.assertTrue(20 <= median(lengths) <= 28, median(lengths))
        self.assertTrue(45 <= mean(lengths) <= 55, mean(lengths))
        self.assertTrue(300 <= max(lengths) <= 400, max(lengths))

    def test_a_sample_needs_as_little_padding_as_the_whole(self) -> None:
        for count in (128, 256, 500, texts.WHOLE):
            chosen = texts.sample(count)
            self.assertEqual(count, len(chosen))
            lengths = sorted(map(texts.pieces, chosen))
            batches = [lengths[start : start + texts.BATCH] for start in range(0, count, texts.BATCH)]
            padded = sum(len(batch) * max(batch) for batch in batches)
            self.assertLess(padded / sum(lengths), 1.25, count)


class ResidentTest(unittest.TestCase):
    """Against real processes that speak the protocol."""

    SPEAKS = """
import json, sys
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    if line.strip() == "logits":
        sys.exit("out of memory")
    _, part, parts = line.split()
    print(json.dumps({"texts": int(parts), "wall_s": 0.1, "cpu_s": 0.1, "tokens": int(part)}), flush=True)
"""

    def start(self, script: str) -> Resident:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        resident = Resident("toy", [sys.executable, "-c", script], dict(os.environ), Path(folder.name) / "log")
        self.addCleanup(resident.stop)
        return resident

    def test_a_resident_answers_until_it_is_stopped(self) -> None:
        toy = self.start(self.SPEAKS)
        self.assertEqual({"ready": True}, toy.ready)
        self.assertEqual(2, toy.ask("run 2 3")["tokens"])
        self.assertGreater(toy.memory_bytes(), 0)
        self.assertGreaterEqual(toy.cpu_seconds(), 0)

    def test_one_that_ends_is_reported_with_the_last_line_it_printed(self) -> None:
        with self.assertRaisesRegex(BenchError, "toy ended: out of memory"):
            self.start(self.SPEAKS).ask("logits")

    def test_a_resident_that_cannot_start_is_reported_with_its_error(self) -> None:
        with self.assertRaisesRegex(BenchError, "No module named 'absent'"):
            self.start("import absent")

    def test_the_others_go_on_when_one_ends(self) -> None:
        dies = self.start('import sys; print("{}", flush=True); sys.stdin.readline(); sys.exit("gone")')
        lost: dict[str, str] = {}
        played = list(play({BEST: dies, OURS: self.start(self.SPEAKS)}, 2, lost, ratios.going_on))
        self.assertEqual([(OURS, 0), (OURS, 1)], [(one.engine, one.round) for one in played])
        self.assertEqual([(0, 2), (1, 2)], [(one.tokens, one.texts) for one in played], "another part each round")
        self.assertIn("gone", lost["openvino-int8"])


class JoinTest(unittest.TestCase):
    def test_a_ratio_is_taken_within_a_round(self) -> None:
        spent = {"tapewire": (2.0, 4.0), "pandas": (1.0, 4.0), "polars": (4.0, 4.0), "duckdb": (2.0, 2.0)}
        runs = [{"name": name, "round": n, "cpu_s": cpu} for name, both in spent.items() for n, cpu in enumerate(both)]
        self.assertEqual([0.5, 1.0], join.ratios(runs, "pandas"))
        self.assertIn("`join_asof` | 4.00 | 1.50 (1.00 to 2.00) |", join.table(runs))

    def test_a_round_with_other_returns_than_ours_is_refused(self) -> None:
        class Peer:
            def __init__(self, deviation: float):
                self.deviation = deviation

            def ask(self, _question: str) -> dict[str, float]:
                return {"cpu_s": 1.0, "wall_s": 1.0, "deviation": self.deviation}

        exact, wrong = cast(Resident, Peer(0.0)), cast(Resident, Peer(1e-9))
        names = [run["name"] for run in join.play(1, exact, exact)]
        self.assertEqual(["pandas", "polars", "duckdb", "tapewire"], names)
        with self.assertRaisesRegex(BenchError, "the returns of pandas and ours differ"):
            join.play(0, exact, wrong)


if __name__ == "__main__":
    unittest.main()
