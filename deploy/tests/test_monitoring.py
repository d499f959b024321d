"""Metrics, alerts and dashboards agree: what is written is known, and what is asked for is written."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "scripts"))
import promtool  # noqa: E402

DASHBOARDS = sorted((REPOSITORY / "deploy" / "grafana" / "dashboards").glob("*.json"))
ALERTS = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
WRITTEN = re.compile(r"(?:counter|gauge|histogram)!\(\s*\"(tapewire_\w+)\"")
# A metric, and between braces the labels by which series are chosen.
ASKED = re.compile(r"(tapewire_\w+)(?:\{([^}]*)\})?")


def metrics() -> dict[str, tuple[str, set[str]]]:
    """Kind and labels of each metric, as docs/metrics.md has them: a test of the runtime holds it to the code."""
    page = (REPOSITORY / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(tapewire_\w+)` \| (\w+) \| (.*?) \|", page, re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def expressions() -> list[str]:
    panels = [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]]
    return [target["expr"] for panel in panels for target in panel["targets"]]


class Names(unittest.TestCase):
    def test_every_metric_that_a_stage_writes_is_known_and_every_known_one_is_written(self):
        sources = [path for path in REPOSITORY.glob("*/**/src/**/*.rs") if "target" not in path.parts]
        written = {name for path in sources for name in WRITTEN.findall(path.read_text())}
        self.assertGreater(len(written), 20)
        self.assertEqual(sorted(metrics()), sorted(written))

    def test_alerts_and_dashboards_ask_for_known_metrics_and_labels(self):
        known = metrics()
        asked = [
            *expressions(),
            *re.findall(r"(?m)^ +expr: (?:>-\n)?((?:.+\n)+?) +(?:for|labels):", ALERTS.read_text()),
        ]
        self.assertGreater(len(asked), 30)
        for expression in asked:
            for name, chosen in ASKED.findall(expression):
                plain = re.sub("_(bucket|count|sum)$", "", name)
                kind, labels = known.get(name if name in known else plain, ("", set()))
                self.assertEqual(kind == "histogram", plain != name, f"{name} in {expression}")
                self.assertLessEqual(set(re.findall(r"(\w+)[=!]", chosen)), labels, expression)


class Rules(unittest.TestCase):
    def test_promtool_accepts_the_alerts_and_their_tests_pass(self):
        if promtool.promtool() is None:
            self.skipTest(promtool.MISSING)
        self.assertEqual(0, promtool.main())

    def test_promtool_can_read_every_expression_of_the_dashboards(self):
        program = promtool.promtool()
        if program is None:
            self.skipTest(promtool.MISSING)
        rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(expressions())]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            checked = subprocess.run([program, "check", "rules", file.name], capture_output=True, text=True)
        self.assertEqual(0, checked.returncode, checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main()
