"""Superset's settings. TAPEWIRE_SUPERSET_HOME is the folder of its key and metadata."""

import logging
import os
from pathlib import Path

# Superset imports this file at the end of its own `config`, so the defaults can be read from there.
from superset import config

HOME = Path(os.environ["TAPEWIRE_SUPERSET_HOME"])

SECRET_KEY = (HOME / "secret.key").read_text().strip()
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME / 'metadata.db'}"
# Several requests of one dashboard write their filter state at the same time; wait for SQLite's lock instead of
# failing.
SQLALCHEMY_ENGINE_OPTIONS = {"connect_args": {"timeout": 30}}

# Shown in the window title.
APP_NAME = "tapewire"
THEME_DEFAULT = {
    **config.THEME_DEFAULT,
    "token": {
        **config.THEME_DEFAULT["token"],
        "brandAppName": APP_NAME,
        "colorPrimary": "#22577a",
        "colorLink": "#22577a",
    },
    # Hides the buttons that select all series or invert the selection.
    "echartsOptionsOverrides": {"legend": {"selector": False}},
    # Superset draws the second line of a label over the first.
    "echartsOptionsOverridesByChartType": {"echarts_timeseries_bar": {"xAxis": {"axisLabel": {"lineHeight": 16}}}},
}
THEME_DARK = {
    **config.THEME_DARK,
    "token": {**config.THEME_DARK["token"], "brandAppName": APP_NAME},
    "echartsOptionsOverrides": THEME_DEFAULT["echartsOptionsOverrides"],
    "echartsOptionsOverridesByChartType": THEME_DEFAULT["echartsOptionsOverridesByChartType"],
}
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

# The price chart is SVG made by a Handlebars template; the sanitizer would remove these elements and attributes.
HTML_SANITIZATION = True
HTML_SANITIZATION_SCHEMA_EXTENSIONS = {
    "tagNames": ["svg", "g", "line", "rect", "circle", "path", "text", "title"],
    "attributes": {
        "*": ["className"],
        "svg": ["viewBox", "preserveAspectRatio"],
        "g": ["transform"],
        "line": ["x1", "x2", "y1", "y2"],
        "rect": ["x", "y", "width", "height"],
        "circle": ["cx", "cy", "r"],
        "path": ["d"],
        "text": ["x", "y", "textAnchor"],
    },
}

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
        # Handlebars compiles its templates in the browser.
        "script-src": ["'self'", "'strict-dynamic'", "'unsafe-eval'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    # TLS is left to a proxy in front.
    "force_https": False,
    "session_cookie_secure": False,
}
