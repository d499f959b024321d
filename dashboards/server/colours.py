"""Colours of charts: each has a contrast of at least 3 to 1 to what is behind it, in the light and the dark theme."""

# `colorBgContainer` of Superset's themes.
BACKGROUNDS = {"light": "#ffffff", "dark": "#141414"}
BLUE, LIGHT_BLUE, OCHRE, GREY, DARK_GREY = "#2f75a3", "#5b95bd", "#c07f1d", "#8b95a1", "#667182"
POSITIVE, NEUTRAL, NEGATIVE = "#1a9a6c", GREY, "#d64550"
# Each label has the same colour in all charts.
LABELS = {
    "positive": POSITIVE,
    "neutral": NEUTRAL,
    "negative": NEGATIVE,
    "not scored": DARK_GREY,
    "Mean score": BLUE,
    "return": LIGHT_BLUE,
    "abnormal return": BLUE,
    "After positive news": POSITIVE,
    "After neutral news": NEUTRAL,
    "After negative news": NEGATIVE,
    "Close": BLUE,
    "Mean of 20": LIGHT_BLUE,
    "Upper band": GREY,
    "Lower band": GREY,
    "VWAP": OCHRE,
    "Close__yhat_lower": BLUE,
    "Close__yhat_upper": BLUE,
    "Positive news": POSITIVE,
    "Neutral news": NEUTRAL,
    "Negative news": NEGATIVE,
    "Volume": GREY,
}
# What has other labels, such as companies and sources. A server that does not know the scheme draws in its own.
SCHEME = "tapewire"
SERIES = (
    BLUE,
    "#c0622d",
    "#6b8e3a",
    "#b3588a",
    "#7a6bb5",
    "#8a7a2e",
    "#2f8f8f",
    "#a0644a",
    LIGHT_BLUE,
    "#b8574f",
    "#57859a",
    "#9a6fb0",
)
