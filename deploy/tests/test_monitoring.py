"""Metrics, alerts and dashboards agree: what is written is known, and what is asked for is written."""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "scripts"), str(REPOSITORY / "dashboards" / "tests")]
import grafana  # noqa: E402
import promtool  # noqa: E402
from contrast import contrast  # noqa: E402

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
    return [target["expr"] for target in grafana.targets_of("prometheus")]


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


class Dashboards(unittest.TestCase):
    """What can be checked of the files without Grafana. market_queries.py runs the queries of ClickHouse."""

    boards: ClassVar[list[dict[str, Any]]] = [grafana.dashboard(path) for path in grafana.DASHBOARDS]

    def test_dashboards_are_of_one_schema_in_utc_and_have_uids_of_their_own(self):
        boards = self.boards
        self.assertGreater(len(boards), 1)
        self.assertEqual(1, len({board["schemaVersion"] for board in boards}))
        self.assertEqual({("utc", False)}, {(board["timezone"], board["editable"]) for board in boards})
        self.assertEqual(len(boards), len({board["uid"] for board in boards}))

    def test_panels_have_ids_of_their_own_and_do_not_overlap(self):
        for board in self.boards:
            with self.subTest(board["uid"]):
                panels = board["panels"]
                self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
                cells: set[tuple[int, int]] = set()
                for panel in panels:
                    place = panel["gridPos"]
                    columns = range(place["x"], place["x"] + place["w"])
                    rows = range(place["y"], place["y"] + place["h"])
                    own = {(column, row) for column in columns for row in rows}
                    self.assertTrue(own and min(columns) >= 0 and max(columns) < 24, panel["title"])
                    self.assertFalse(cells & own, panel["title"])
                    cells |= own
                chosen = {identity for one in board["annotations"]["list"] for identity in one["filter"]["ids"]}
                self.assertLessEqual(chosen, {panel["id"] for panel in panels})

    def test_data_sources_are_provisioned(self):
        provisioned = grafana.data_sources()
        self.assertEqual({"prometheus", grafana.CLICKHOUSE}, set(provisioned.values()))
        for board in self.boards:
            with self.subTest(board["uid"]):
                parts = [*board["panels"], *board["templating"]["list"], *board["annotations"]["list"]]
                for asked in [part["datasource"] for part in parts] + [
                    one["datasource"] for _, one in grafana.targets(board)
                ]:
                    self.assertEqual(provisioned[asked["uid"]], asked["type"])

    def test_variables_are_defined_before_they_are_used_and_all_are_used(self):
        for board in self.boards:
            with self.subTest(board["uid"]):
                defined: set[str] = set()
                used: set[str] = set()
                for variable in board["templating"]["list"]:
                    asked = grafana.variables(variable["query"]["rawSql"])
                    self.assertLessEqual(asked, defined, variable["name"])
                    used |= asked
                    defined.add(variable["name"])
                for title, target in grafana.targets(board):
                    asked = grafana.variables(title) | grafana.variables(target.get("rawSql") or target["expr"])
                    self.assertLessEqual(asked, defined, title)
                    used |= asked
                self.assertEqual(defined, used)


class Colours(unittest.TestCase):
    """Grafana shows a colour that is named in one shade in its light theme and in another in the dark one."""

    BACKGROUNDS = ("#ffffff", "#181b1f")
    SHADES: ClassVar[dict[str, tuple[str, str]]] = {
        "blue": ("#3274d9", "#5794f2"),
        "dark-orange": ("#e55400", "#fa6400"),
        "gray": ("#808080", "#808080"),
        "green": ("#56a64b", "#73bf69"),
        "purple": ("#a352cc", "#b877d9"),
        "red": ("#e02f44", "#f2495c"),
    }
    # Of the theme's text, and none at all.
    NEUTRAL: ClassVar[set[str]] = {"text", "transparent"}

    def test_shades_stand_out_in_both_themes(self):
        for name, shades in self.SHADES.items():
            for shade, background in zip(shades, self.BACKGROUNDS, strict=True):
                self.assertGreaterEqual(contrast(shade, background), 3, name)

    def test_dashboards_name_these_colours_and_no_others(self):
        for board in Dashboards.boards:
            named = set(colours(board))
            self.assertTrue(named)
            self.assertLessEqual(named, self.SHADES.keys() | self.NEUTRAL, board["uid"])

    def test_a_series_whose_name_is_known_has_a_colour_of_its_own(self):
        # Others, such as those of sources, have the next colour of Grafana's palette.
        for board in Dashboards.boards:
            for panel in (panel for panel in board["panels"] if panel["type"] == "timeseries"):
                fixed = {
                    override["matcher"]["options"]: entry["value"]["fixedColor"]
                    for override in panel["fieldConfig"]["overrides"]
                    for entry in override["properties"]
                    if entry["id"] == "color"
                }
                names = {target.get("legendFormat") or "{{}}" for target in panel["targets"]}
                self.assertLessEqual({name for name in names if "{{" not in name}, fixed.keys(), panel["title"])
                if panel["datasource"]["type"] == grafana.CLICKHOUSE:
                    self.assertTrue(fixed, panel["title"])


def colours(part: Any) -> Iterator[str]:
    """The colours that a part of a dashboard names."""
    if isinstance(part, dict):
        for key, value in part.items():
            if isinstance(value, str) and (key.lower().endswith("color") or key in ("up", "down", "flat")):
                yield value
            else:
                yield from colours(value)
    elif isinstance(part, list):
        for entry in part:
            yield from colours(entry)


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
