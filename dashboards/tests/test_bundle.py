"""The bundle is consistent: what it refers to by name or id is in it."""

import re
import unittest
from typing import ClassVar

import assets
import colours
import provision
import templates
from contrast import contrast

ADDRESS = "clickhousedb://bi:secret@127.0.0.1:18123/tapewire"


class Bundle(unittest.TestCase):
    documents: ClassVar[dict[str, dict]]
    datasets: ClassVar[dict[str, dict]]
    charts: ClassVar[dict[str, dict]]
    pages: ClassVar[list[dict]]

    @classmethod
    def setUpClass(cls):
        cls.documents = assets.documents(ADDRESS)
        cls.datasets = {d["uuid"]: d for path, d in cls.documents.items() if path.startswith("datasets/")}
        cls.charts = {d["uuid"]: d for path, d in cls.documents.items() if path.startswith("charts/")}
        cls.pages = [d for path, d in cls.documents.items() if path.startswith("dashboards/")]

    def test_sessions_are_in_utc_whatever_the_zone_of_the_server(self):
        for url, uri in {
            "http://host:8123": "clickhousedb://bi:p%2Fw@host:8123/tape?session_timezone=UTC",
            "https://host": "clickhousedb://bi:p%2Fw@host:8443/tape?session_timezone=UTC&secure=true",
        }.items():
            self.assertEqual(provision.ClickHouse(url, "tape", "p/w").sqlalchemy_uri, uri)

    def test_every_chart_is_on_one_page_once(self):
        nodes = [node for page in self.pages for node in page["position"].values()]
        placed = [node["meta"]["uuid"] for node in nodes if node_type(node) == "CHART"]
        self.assertCountEqual(placed, self.charts)

    def test_charts_are_of_types_that_need_nothing_of_the_server(self):
        # Handlebars compiles its templates in the browser, which needs 'unsafe-eval'; what it makes, the sanitizer may
        # remove. Other servers may lack types that are not in this list.
        types = {chart["viz_type"] for chart in self.charts.values()}
        built_in = {
            "table",
            "mixed_timeseries",
            "echarts_timeseries_bar",
            "echarts_timeseries_line",
            "echarts_timeseries_scatter",
        }
        self.assertLessEqual(types, built_in)

    def test_no_chart_has_a_program_of_its_own(self):
        # Superset evaluates such settings, js_tooltip for example.
        for chart in self.charts.values():
            self.assertFalse([name for name in chart["params"] if name.startswith("js_")], chart["slice_name"])

    def test_the_bars_of_the_price_stand_above_those_of_the_volume(self):
        grids = [
            next(line for line in chart["params"]["echart_options"].splitlines() if "grid" in line)
            for chart in self.charts.values()
            if "echart_options" in chart["params"]
        ]
        self.assertEqual((2, 1), (len(grids), len(set(grids))))

    def test_rows_fill_the_page_and_no_more(self):
        for position in (page["position"] for page in self.pages):
            for row in (node for node in position.values() if node_type(node) == "ROW"):
                self.assertEqual(12, sum(position[chart]["meta"]["width"] for chart in row["children"]), row["id"])

    def test_charts_read_columns_that_their_dataset_has(self):
        for chart in self.charts.values():
            has = {column["column_name"] for column in self.datasets[chart["dataset_uuid"]]["columns"]}
            params = chart["params"]
            reads = {*params.get("all_columns", []), *params.get("groupby", []), *params.get("column_config", {})}
            reads |= {rule["column"] for rule in params.get("conditional_formatting", [])}
            reads |= {entry["subject"] for entry in params["adhoc_filters"]}
            reads -= {metric["label"] for metric in params.get("metrics", [])}
            reads |= {params["x_axis"]} if "x_axis" in params else set()
            self.assertLessEqual(reads, has, chart["slice_name"])

    def test_filters_read_columns_that_their_dataset_has(self):
        filters = [entry for page in self.pages for entry in page["metadata"]["native_filter_configuration"]]
        for entry in filters:
            for target in filter(None, entry["targets"]):
                columns = {column["column_name"] for column in self.datasets[target["datasetUuid"]]["columns"]}
                self.assertIn(target["column"]["name"], columns)

    def test_filters_reach_every_chart_of_their_page_or_the_chart_says_that_they_do_not(self):
        for page in self.pages:
            charts = [node["meta"] for node in page["position"].values() if node_type(node) == "CHART"]
            for entry in page["metadata"]["native_filter_configuration"]:
                for placed in charts:
                    with self.subTest(page["slug"], filter=entry["name"], chart=placed["sliceName"]):
                        chart = self.charts[placed["uuid"]]
                        if placed["chartId"] in entry["scope"]["excluded"]:
                            said = " ".join(chart["description"].split())
                            self.assertRegex(said, rf"\b{entry['name']}\b[^.]* does not change it\b")
                            # The page shows this one beside the filter, and the chart's in its menu only.
                            self.assertIn(chart["slice_name"], " ".join(entry["description"].split()))
                        else:
                            self.assert_reached(self.datasets[chart["dataset_uuid"]], entry)

    def assert_reached(self, dataset: dict, entry: dict) -> None:
        """Superset applies a filter to columns of a dataset, which is too late where rows are counted in its query."""
        name, columns = dataset["table_name"], {column["column_name"] for column in dataset["columns"]}
        if entry["filterType"] == "filter_time":
            filtered = dataset["main_dttm_col"]
        else:
            filtered = entry["targets"][0]["column"]["name"]
        if filtered not in templates.applied(name):
            self.assertIn(filtered, columns, "the query does not apply the filter, and has no such column")
            query = (assets.BUNDLE / "datasets" / f"{name}.sql").read_text()
            self.assertNotRegex(query, "GROUP BY|LIMIT|count\\(", "the filter comes too late")

    def test_metric_labels_are_not_column_names(self):
        # ClickHouse takes such a label for the column inside the aggregate (code 184).
        for chart in self.charts.values():
            columns = {column["column_name"] for column in self.datasets[chart["dataset_uuid"]]["columns"]}
            for metric in (*chart["params"].get("metrics", []), *chart["params"].get("metrics_b", [])):
                self.assertNotIn(metric["label"], columns, chart["slice_name"])

    def test_ids_are_the_same_in_every_build(self):
        self.assertEqual(self.documents, assets.documents(ADDRESS))
        ids = [document["uuid"] for document in self.documents.values() if "uuid" in document]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertEqual("e590c2c0-6b91-54e8-8623-890c82e4aef6", assets.identify("dashboard/news-and-tape"))

    def test_colours_of_charts_stand_out_in_both_themes(self):
        for theme, background in colours.BACKGROUNDS.items():
            for label, colour in (*colours.LABELS.items(), *enumerate(colours.SERIES)):
                self.assertGreaterEqual(contrast(colour, background), 3, f"{label} in the {theme} theme")
        self.assertEqual(len(colours.SERIES), len(set(colours.SERIES)))

    def test_charts_name_no_colours_but_those_of_the_theme(self):
        # A colour that stands out in one theme may not in the other.
        css = (assets.BUNDLE / "page.css").read_text()
        for name, text in [("page.css", css), *((c["slice_name"], str(c["params"])) for c in self.charts.values())]:
            named = re.findall(
                r"#[0-9a-fA-F]{3,8}\b|\brgba?\(|\bhsla?\(|\b(?:white|black|gr[ae]y|red|green|blue)\b(?!-)", text
            )
            self.assertEqual([], named, name)
        schemes = {
            rule["colorScheme"]
            for chart in self.charts.values()
            for rule in chart["params"].get("conditional_formatting", [])
        }
        self.assertEqual({"colorSuccess", "colorError", "colorPrimary"}, schemes)

    def test_pages_use_the_colours_of_charts(self):
        for page in self.pages:
            self.assertEqual(colours.SCHEME, page["metadata"]["color_scheme"])
            self.assertEqual(colours.LABELS, page["metadata"]["label_colors"])

    def test_pages_refresh_themselves(self):
        self.assertEqual({30}, {page["metadata"]["refresh_frequency"] for page in self.pages})


def node_type(node: object) -> str | None:
    return node["type"] if isinstance(node, dict) else None
