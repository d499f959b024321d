"""Grafana's dashboards and data sources as the files have them, and queries as its ClickHouse plugin sends them."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[1] / "grafana"
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
CLICKHOUSE = "grafana-clickhouse-datasource"

# A variable in a query, with its format if it has one: $run, ${run}, ${run:singlequote}. $__fromTime is a macro.
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::(\w+))?\}|(?!__)([A-Za-z]\w*))")


def dashboard(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def targets(board: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each query of the panels and annotations, after the title of what it is for."""
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["target"]


def targets_of(kind: str) -> list[dict[str, Any]]:
    """The queries of all dashboards that go to data sources of this type."""
    boards = map(dashboard, DASHBOARDS)
    return [target for board in boards for _, target in targets(board) if target["datasource"]["type"] == kind]


def data_sources() -> dict[str, str]:
    """The type of each provisioned data source, by its uid. The files are YAML that is simple enough to be searched."""
    texts = [path.read_text() for path in sorted((FOLDER / "provisioning" / "datasources").glob("*.yml"))]
    found = [re.findall(rf"(?m)^ +{key}: (\S+)$", text) for text in texts for key in ("uid", "type")]
    return {
        uid: kind
        for uids, kinds in zip(found[::2], found[1::2], strict=True)
        for uid, kind in zip(uids, kinds, strict=True)
    }


def variables(text: str) -> set[str]:
    """The names of the dashboard's variables in a query or a title."""
    return {braced or plain for braced, _, plain in VARIABLE.findall(text)}


def expanded(sql: str, chosen: dict[str, str], first: datetime, last: datetime, interval_s: int = 900) -> str:
    """The query as Grafana sends it, and its plugin fills it in, with these variables and this range of time."""

    def variable(match: re.Match) -> str:
        braced, form, plain = match.groups()
        value = chosen[braced or plain]
        return "'" + value.replace("'", "\\'") + "'" if form == "singlequote" else value

    begin, end = (f"toDateTime({int(moment.astimezone(UTC).timestamp())})" for moment in (first, last))
    sql = VARIABLE.sub(variable, sql)
    sql = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 >= {begin} AND \1 <= {end}", sql)
    sql = re.sub(r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), INTERVAL {interval_s} second)", sql)
    return re.sub(r"\$__fromTime\b", begin, re.sub(r"\$__toTime\b", end, sql))
