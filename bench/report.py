"""The results as JSON and as a table."""

from collections.abc import Iterable
from statistics import median
from typing import Any

from bench import ratios
from bench.engines import Engine
from bench.ratios import Spread
from bench.rounds import Run

MEANING = {
    "int8_vs_best_peer": "int8, times the best peer's texts per CPU-second",
    "bf16_vs_best_peer": "bf16, times the best peer's texts per CPU-second",
    "f32_vs_best_peer": "f32, times the best peer's texts per CPU-second",
    "int8_share_of_peak": "int8, share of the instruction peak",
    "vs_hf_pipeline": "int8, times the unsorted pipeline's texts per CPU-second",
    "threads_2_vs_1": "int8, texts per second at 2 threads, times those at 1",
}


def engine_rows(
    runs: dict[int, list[Run]], engines: list[Engine], deviations: dict[str, float], memory: dict[str, int]
) -> list[dict]:
    """A row for each engine that ran, the fastest by processor time first. `runs` maps a thread count to its runs."""
    rows = []
    for engine in engines:
        row: dict[str, Any] = {"engine": engine.name, "title": engine.title, "ours": engine.ours}
        for threads, played in runs.items():
            own = list(ratios.of(played, engine.name, threads).values())
            if own:
                row[f"texts_per_cpu_s_{threads}"] = _spread(run.per_cpu_second for run in own)
                row[f"texts_per_s_{threads}"] = _spread(run.per_second for run in own)
        if len(row) > 3:
            row["memory_mb"] = round(memory[engine.name] / 1e6)
            row["max_logit_deviation"] = deviations[engine.name]
            rows.append(row)
    return sorted(rows, key=_speed, reverse=True)


def table(rows: list[dict], found: dict[str, Spread | None], left_out: dict[str, str]) -> str:
    """The table in Markdown, which is printed as it is."""
    lines = [
        "| engine | texts per CPU-second, 1 thread | texts per second, 1 thread | 2 threads | memory, MB "
        "| largest deviation of a logit |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        title = f"**{row['title']}**" if row["ours"] else row["title"]
        cells = [_cell(row.get(key)) for key in ("texts_per_cpu_s_1", "texts_per_s_1", "texts_per_s_2")]
        lines.append(f"| {title} | {' | '.join(cells)} | {row['memory_mb']} | {row['max_logit_deviation']:.1g} |")
    lines += ["", "| ratio | median | lowest to highest round | rounds | against |", "|---|---|---|---|---|"]
    for name, meaning in MEANING.items():
        one = found[name]
        figures = (
            f"{one.median:.2f} | {one.low:.2f} to {one.high:.2f} | {one.rounds} | {one.peer or ''}"
            if one
            else "not measured | | |"
        )
        lines.append(f"| {meaning} | {figures} |")
    if left_out:
        lines += ["", "Left out:", ""] + [f"- {name}: {reason}" for name, reason in left_out.items()]
    return "\n".join(lines) + "\n"


def run_rows(runs: dict[int, list[Run]]) -> list[dict]:
    """Every run as it was measured."""
    return [
        {
            "engine": run.engine.name,
            "threads": run.engine.threads,
            "rounds_of": threads,
            "round": run.round,
            "texts": run.texts,
            "tokens": run.tokens,
            "wall_s": round(run.wall_s, 3),
            "cpu_s": round(run.cpu_s, 3),
            "idle_cpu_s": round(run.idle_cpu_s, 2),
            "needed_ops": run.needed_ops,
            "peak_ops_per_s": run.peak_ops_per_s,
        }
        for threads, played in runs.items()
        for run in played
    ]


def ratio_rows(found: dict[str, Spread | None]) -> tuple[dict, dict]:
    """The medians alone, and the details of each ratio."""
    medians = {name: round(one.median, 3) if one else None for name, one in found.items()}
    details = {
        name: _rounded(one) | {"rounds": one.rounds, "against": one.peer} if one else None
        for name, one in found.items()
    }
    return medians, details


def busiest_idle(runs: dict[int, list[Run]]) -> float:
    """The share of a processor that all waiting engines together used during a run: the median over runs."""
    return median(run.idle_cpu_s / run.wall_s for played in runs.values() for run in played)


def _spread(values: Iterable[float]) -> dict[str, float] | None:
    found = ratios.spread(values)
    return _rounded(found) if found else None


def _rounded(one: Spread) -> dict[str, float]:
    return {"median": round(one.median, 3), "low": round(one.low, 3), "high": round(one.high, 3)}


def _speed(row: dict) -> float:
    return next(row[key]["median"] for key in row if key.startswith("texts_per_cpu_s_"))


def _cell(one: dict | None) -> str:
    return f"{one['median']:.1f} ({one['low']:.1f}–{one['high']:.1f})" if one else ""
