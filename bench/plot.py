"""The figure of bench/README.md: `python -m bench.plot RESULTS.json FIGURE.svg`, in the benchmark's environment."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

# Colours with enough contrast on a light and on a dark page; the background is transparent.
INK = "#7d8590"
OURS = "#e8590c"
PEER = "#7d9cc0"


def main(results: Path, figure: Path) -> None:
    measured = json.loads(results.read_text())
    rows = [row for row in reversed(measured["engines"]) if "texts_per_cpu_s_1" in row]
    speeds = [row["texts_per_cpu_s_1"]["median"] for row in rows]
    # Text stays text: small, sharp, and the same bytes for the same figures.
    pyplot.rcParams |= {
        "svg.fonttype": "none",
        "svg.hashsalt": "tapewire",
        "font.family": "sans-serif",
        "font.size": 10,
    }
    drawing, axes = pyplot.subplots(figsize=(7.2, 0.32 * len(rows) + 0.9), layout="constrained")
    bars = axes.barh([row["title"] for row in rows], speeds, color=[OURS if row["ours"] else PEER for row in rows])
    axes.bar_label(bars, [f"{speed:.1f}" for speed in speeds], padding=4, color=INK)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(color=OURS if row["ours"] else INK, fontweight="bold" if row["ours"] else "normal")
    axes.set_title(
        f"Texts per CPU-second, {measured['shape']}, 1 thread of {measured['machine']['cpu'].strip()}",
        color=INK,
        fontsize=10,
    )
    axes.tick_params(length=0, labelbottom=False)
    axes.margins(x=0.1)
    axes.spines[:].set_visible(False)
    drawing.savefig(figure, transparent=True, metadata={"Date": None})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
