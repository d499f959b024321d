"""The datasets' queries as Superset renders them, with stand-ins for its template functions."""

from collections.abc import Callable
from types import SimpleNamespace

import assets
import jinja2
import yaml


def rendered(name: str, period: tuple[str, str] | None = None, **chosen: list[str]) -> str:
    """The query of a dataset with these filters."""
    first, last = (f"toDateTime('{moment}', 'UTC')" for moment in period) if period else (None, None)
    # Here only under this column's name. Superset may pass it under other names, so that queries rely on neither.
    column_of_time = yaml.safe_load((assets.BUNDLE / "datasets" / f"{name}.yaml").read_text())["time"]

    def time_filter(column: str, **_: object) -> SimpleNamespace:
        is_asked = column == column_of_time
        return SimpleNamespace(from_expr=first if is_asked else None, to_expr=last if is_asked else None)

    return _render(name, lambda column, **_: chosen.get(column, []), time_filter)


def applied(name: str) -> set[str]:
    """The columns whose filters the query of a dataset applies by itself; Superset applies those of its columns."""
    asked = set()

    def filter_values(column: str, **_: object) -> list[str]:
        asked.add(column)
        return []

    def time_filter(column: str, **_: object) -> SimpleNamespace:
        asked.add(column)
        return SimpleNamespace(from_expr=None, to_expr=None)

    _render(name, filter_values, time_filter)
    return asked


def _render(name: str, filter_values: Callable, time_filter: Callable) -> str:
    environment = jinja2.Environment()
    environment.filters["where_in"] = lambda values: (
        "(" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + ")"
    )
    bundle = assets.BUNDLE
    template = (bundle / "filters.jinja").read_text() + (bundle / "datasets" / f"{name}.sql").read_text()
    return environment.from_string(template).render(filter_values=filter_values, get_time_filter=time_filter)
