"""Turns bundle/ into the archive that Superset imports.

The bundle holds what a person decides: queries, columns, chart settings, the order on each
page. Ids, file layout and a page's tree follow from it. Ids are derived from names, so
that importing again overwrites and never duplicates.
"""

import io
import uuid
import zipfile
from pathlib import Path

import colours
import yaml

BUNDLE = Path(__file__).resolve().parent.parent / "bundle"
VERSION = "1.0.0"
UNFILTERED = "No filter"


def archive(sqlalchemy_uri: str, bundle: Path = BUNDLE) -> bytes:
    """The zip file for POST /api/v1/assets/import/, reading from the given database."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for path, content in documents(sqlalchemy_uri, bundle).items():
            file.writestr(f"tapewire/{path}", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return buffer.getvalue()


def documents(sqlalchemy_uri: str, bundle: Path = BUNDLE) -> dict[str, dict]:
    """The archive's documents, by their path in it."""
    pages = [_read(path) for path in sorted(bundle.glob("pages/*.yaml"))]
    css = (bundle / "page.css").read_text()
    charts = {path.stem: _read(path) for path in sorted(bundle.glob("charts/*.yaml"))}
    datasets = {path.stem: _read(path) for path in sorted(bundle.glob("datasets/*.yaml"))}
    preamble = (bundle / "filters.jinja").read_text()
    built = {
        "metadata.yaml": {"version": VERSION, "type": "assets", "timestamp": "2026-01-01T00:00:00+00:00"},
        "databases/tapewire.yaml": _read(bundle / "database.yaml")
        | {"sqlalchemy_uri": sqlalchemy_uri, "uuid": identify("database"), "version": VERSION},
    }
    for page in pages:
        built[f"dashboards/{page['slug']}.yaml"] = _dashboard(page | {"css": css}, charts)
    for name, dataset in datasets.items():
        sql = (bundle / "datasets" / f"{name}.sql").read_text()
        built[f"datasets/tapewire/{name}.yaml"] = _dataset(name, dataset, preamble + sql)
    for name, chart in charts.items():
        built[f"charts/{name}.yaml"] = _chart(name, chart, datasets[chart["dataset"]]["time"])
    return built


def identify(name: str) -> str:
    """The id of an object of this bundle; it must never change."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"tapewire/dashboards/{name}"))


def _read(path: Path) -> dict:
    return yaml.safe_load(path.read_text())


def _dataset(name: str, dataset: dict, sql: str) -> dict:
    columns = [
        {
            "column_name": column,
            "type": kind,
            "is_dttm": "DateTime" in kind,
            "is_active": True,
            "groupby": True,
            "filterable": True,
        }
        for column, kind in dataset["columns"].items()
    ]
    return {
        "table_name": name,
        "description": dataset["description"],
        "main_dttm_col": dataset["time"],
        "sql": sql,
        "offset": 0,
        "cache_timeout": 0,
        "filter_select_enabled": True,
        "columns": columns,
        "metrics": [
            {"metric_name": metric, "expression": expression}
            for metric, expression in dataset.get("metrics", {}).items()
        ],
        "uuid": identify(f"dataset/{name}"),
        "database_uuid": identify("database"),
        "version": VERSION,
    }


def _chart(name: str, chart: dict, time: str) -> dict:
    params = {key: _metrics(value) if key.startswith("metrics") else value for key, value in chart["params"].items()}
    time_filter = {
        "expressionType": "SIMPLE",
        "subject": time,
        "operator": "TEMPORAL_RANGE",
        "comparator": UNFILTERED,
        "clause": "WHERE",
    }
    params |= {"viz_type": chart["type"], "adhoc_filters": [time_filter]}
    if "metrics_b" in params:
        params["adhoc_filters_b"] = [time_filter]
    return {
        "slice_name": chart["title"],
        "description": chart.get("description"),
        "viz_type": chart["type"],
        "params": params,
        "cache_timeout": 0,
        "uuid": identify(f"chart/{name}"),
        "dataset_uuid": identify(f"dataset/{chart['dataset']}"),
        "version": VERSION,
    }


def _metrics(metrics: list[dict]) -> list[dict]:
    return [
        {
            "expressionType": "SQL",
            "sqlExpression": metric["sql"],
            "label": metric["label"],
            "hasCustomLabel": True,
            "optionName": f"metric_{metric['label']}",
        }
        for metric in metrics
    ]


def _dashboard(dashboard: dict, charts: dict) -> dict:
    # The import replaces these numbers by the charts' ids, wherever they occur.
    numbers = {name: number for number, name in enumerate(charts, start=1)}
    return {
        "dashboard_title": dashboard["title"],
        "description": dashboard["description"],
        "slug": dashboard["slug"],
        "css": dashboard["css"],
        "published": True,
        "uuid": identify(f"dashboard/{dashboard['slug']}"),
        "position": _position(dashboard, charts, numbers),
        "metadata": {
            "refresh_frequency": dashboard["refresh_s"],
            "filter_bar_orientation": "HORIZONTAL",
            "cross_filters_enabled": True,
            "color_scheme": colours.SCHEME,
            "label_colors": colours.LABELS,
            "native_filter_configuration": [_filter(entry, numbers) for entry in dashboard["filters"]],
            "chart_configuration": {},
            "timed_refresh_immune_slices": [numbers[name] for name in dashboard["not_refreshed"]],
            "expanded_slices": {},
        },
        "version": VERSION,
    }


def _position(dashboard: dict, charts: dict, numbers: dict[str, int]) -> dict:
    rows = [f"ROW-{number}" for number, _ in enumerate(dashboard["rows"])]
    tree = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "GRID_ID": {"id": "GRID_ID", "type": "GRID", "children": rows, "parents": ["ROOT_ID"]},
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": dashboard["title"]}},
    }
    for row_id, row in zip(rows, dashboard["rows"], strict=True):
        parents = ["ROOT_ID", "GRID_ID"]
        tree[row_id] = {
            "id": row_id,
            "type": "ROW",
            "children": [f"CHART-{name}" for name in row["charts"]],
            "parents": parents,
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
        for name, width in row["charts"].items():
            meta = {
                "chartId": numbers[name],
                "uuid": identify(f"chart/{name}"),
                "sliceName": charts[name]["title"],
                "width": width,
                "height": row["height"],
            }
            chart_id = f"CHART-{name}"
            tree[chart_id] = {
                "id": chart_id,
                "type": "CHART",
                "children": [],
                "parents": [*parents, row_id],
                "meta": meta,
            }
    return tree


def _filter(entry: dict, numbers: dict[str, int]) -> dict:
    built = {
        "id": f"NATIVE_FILTER-{entry['name'].lower()}",
        "name": entry["name"],
        "description": entry["description"],
        "type": "NATIVE_FILTER",
        "targets": [{}],
        "controlValues": {},
        "defaultDataMask": {"extraFormData": {}, "filterState": {}},
        "cascadeParentIds": [],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": [numbers[name] for name in entry.get("except", [])]},
    }
    if entry["kind"] == "time":
        return built | {"filterType": "filter_time"}
    column = entry["column"]
    return built | {
        "filterType": "filter_select",
        "targets": [{"datasetUuid": identify(f"dataset/{column['dataset']}"), "column": {"name": column["name"]}}],
        "controlValues": {
            "multiSelect": entry.get("multiple", False),
            "enableEmptyFilter": entry.get("required", False),
            "defaultToFirstItem": "order_by" in entry,
            "inverseSelection": False,
            "searchAllOptions": False,
            "sortAscending": "order_by" not in entry,
        },
        "sortMetric": entry.get("order_by"),
        "requiredFirst": "order_by" in entry,
    }
