"""Superset's settings. TAPEWIRE_SUPERSET_HOME is the folder of its key and metadata."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import colours

# Superset imports this file at the end of its own `config`, so the defaults can be read from there.
from superset import config

if TYPE_CHECKING:
    from flask import Flask, Response

HOME = Path(os.environ["TAPEWIRE_SUPERSET_HOME"])

SECRET_KEY = (HOME / "secret.key").read_text().strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'metadata.db'}"
# Several requests of one dashboard write their filter state at the same time; wait for SQLite's lock instead of
# failing.
SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"timeout": 30}}

# Shown in the window title.
APP_NAME = "tapewire"
# What a screen reader says of a canvas: its series. The values are in the table that the menu of the chart offers; the
# text that ECharts makes of them has times as milliseconds since 1970.
CANVAS = {
    "general": {"withoutTitle": "Chart"},
    "series": {
        "single": {"prefix": "", "withName": " of {seriesName}", "withoutName": ""},
        "multiple": {
            "prefix": " of {seriesCount} series: ",
            "withName": "{seriesName}",
            "withoutName": "{seriesType}",
            "separator": {"middle": "; ", "end": ""},
        },
    },
    "data": {
        "allData": "",
        "partialData": "",
        "withName": "",
        "withoutName": "",
        "separator": {"middle": "", "end": ""},
    },
}
# For all charts. The legend is without the buttons that select all series or invert the selection.
CHARTS = {"legend": {"selector": False}, "aria": {"enabled": True, "label": CANVAS}}
# Superset draws the second line of a label over the first.
CHARTS_BY_TYPE = {"echarts_timeseries_bar": {"xAxis": {"axisLabel": {"lineHeight": 16}}}}
# Where a token is for text, its contrast is at least 4.5 to 1, also on the grey of a table's row. The tables of bundle/
# name tokens and not colours, so that they can be read in both themes.
THEME_DEFAULT = {
    **config.THEME_DEFAULT,
    "token": {
        **config.THEME_DEFAULT["token"],
        "brandAppName": APP_NAME,
        "colorPrimary": "#22577a",
        "colorPrimaryBg": "#e4edf2",
        "colorPrimaryBgHover": "#d3e1e9",
        "colorLink": "#22577a",
        "colorSuccess": "#0e7650",
        "colorSuccessBg": "#eaf6f1",
        "colorError": "#cf3440",
        "colorTextPlaceholder": "#6b6b6b",
        "colorTextTertiary": "#666666",
    },
    "echartsOptionsOverrides": CHARTS,
    "echartsOptionsOverridesByChartType": CHARTS_BY_TYPE,
}
THEME_DARK = {
    **config.THEME_DARK,
    "token": {
        **config.THEME_DARK["token"],
        "brandAppName": APP_NAME,
        "colorPrimaryBg": "#0d2027",
        "colorError": "#f5737d",
        "colorTextPlaceholder": "#8c8c8c",
        "colorTextTertiary": "#8c8c8c",
    },
    "echartsOptionsOverrides": CHARTS,
    "echartsOptionsOverridesByChartType": CHARTS_BY_TYPE,
}
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {"id": colours.SCHEME, "label": APP_NAME, "description": "", "colors": list(colours.SERIES)}
]
LANGUAGES = {"en": {"flag": "us", "name": "English"}}

LOG_LEVEL = "WARNING"
# The SQL parser warns about ClickHouse's scalar WITH, which it passes on unchanged, and the
# view about an image that only a checkout of Superset has.
for chatty in ("sqlglot", "superset.views.base"):
    logging.getLogger(chatty).setLevel(logging.ERROR)

FEATURE_FLAGS = {
    # The datasets read the dashboard's filters inside their SQL.
    "ENABLE_TEMPLATE_PROCESSING": True,
}
# Query results are not cached, so that charts show current prices.
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
SUPERSET_WEBSERVER_TIMEOUT = 60
ROW_LIMIT = 10_000
ENABLE_CORS = False

# The page may load nothing from other hosts. That also blocks the telemetry pixel in Superset's packaged front end,
# which no setting turns off.
TALISMAN_ENABLED = True
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        # No 'unsafe-eval': of Superset's charts, those of Handlebars and those with JavaScript of their own need it.
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    # TLS is left to a proxy in front.
    "force_https": False,
    "session_cookie_secure": False,
}


def _say_language(response: "Response") -> "Response":
    if response.mimetype == "text/html" and not response.direct_passthrough:
        response.set_data(response.get_data().replace(b"<html>", b'<html lang="en">', 1))
    return response


def FLASK_APP_MUTATOR(app: "Flask") -> None:
    """Adds `lang="en"`, which Superset's page lacks: a screen reader chooses its voice by it."""
    app.after_request(_say_language)
