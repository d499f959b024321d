"""Command of the benchmark: `python3 -m bench`, from the repository's root."""

import argparse
import json
import math
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import build, environment, machine, ratios, report, texts
from bench.engines import LINE_UP, Engine, Tools
from bench.errors import BenchError, exit_code
from bench.resident import ROOT, Resident, variables
from bench.rounds import Progress, Run, play
from stack.settings import from_environment

MAX_F32_DEVIATION = 1e-3  # of a logit
EPILOG = """examples:
  python3 -m bench --quick
  python3 -m bench --engines tapewire-int8 openvino-int8 --threads 1 --rounds 7
"""


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    return exit_code(lambda: measure(options))


def measure(options: argparse.Namespace) -> int:
    cache = from_environment().cache
    cache.mkdir(parents=True, exist_ok=True)
    left_out: dict[str, str] = {}
    tools = prepare(options, cache, left_out)
    facts = machine.facts(tools.python)
    started, load = datetime.now(UTC), machine.load_average()
    figures: dict[str, dict] = {"deviations": {}, "memory": {}}
    runs = {threads: rounds_of(threads, options, tools, figures, left_out) for threads in options.threads}
    found = ratios.all_ratios(runs.get(1, []), runs.get(2, []))
    medians, details = report.ratio_rows(found)
    rows = report.engine_rows(runs, options.engines, figures["deviations"], figures["memory"])
    if not rows:
        raise BenchError("nothing could be measured: " + "; ".join(f"{name}: {why}" for name, why in left_out.items()))
    results = {
        "date": started.isoformat(timespec="seconds"),
        "shape": options.shape,
        "texts": options.texts,
        "texts_seed": texts.SEED,
        "rounds": options.rounds,
        "ratios": medians,
        "ratio_details": details,
        "engines": rows,
        "left_out": left_out,
        "idle_share_of_processor": round(report.busiest_idle(runs), 4),
        "load_average": {"before": load, "after": machine.load_average()},
        "machine": facts,
        "runs": report.run_rows(runs),
    }
    write(results, report.table(rows, found, left_out), options.out, tools.python)
    return 0


def prepare(options: argparse.Namespace, cache: Path, left_out: dict[str, str]) -> Tools:
    """Builds, installs and converts what is missing. A peer that fails is left out in all its precisions."""
    python = environment.virtual_environment(cache)
    scored = environment.texts_file(cache, options.texts)
    lost: dict[str, str] = {}
    model = environment.model(cache, python, options.shape, lost)
    left_out |= {engine.name: lost[engine.maker] for engine in options.engines if engine.maker in lost}
    left_out |= without_instruction(options.engines, machine.flags())
    throughput = build.example("throughput") if any(engine.ours for engine in options.engines) else ROOT
    return Tools(throughput, python, model, scored, environment.reference(python, model, scored))


def without_instruction(engines: list[Engine], flags: list[str]) -> dict[str, str]:
    """Peers in bf16 on a processor without bfloat16: they would take hours, or silently compute in f32."""
    if machine.BFLOAT16.intersection(flags):
        return {}
    return {
        engine.name: "the processor has no bfloat16"
        for engine in engines
        if engine.precision == "bf16" and not engine.ours
    }


def rounds_of(
    threads: int, options: argparse.Namespace, tools: Tools, figures: dict, left_out: dict[str, str]
) -> list[Run]:
    """All rounds at one thread count. At 2 threads our int8 also runs at 1, for the ratio of the two."""
    engines = [replace(engine, threads=threads) for engine in options.engines if engine.name not in left_out]
    if threads > 1:
        engines += [
            engine for engine in options.engines if engine.name == "tapewire-int8" and engine.name not in left_out
        ]
    print(f"\n{threads} thread{'s' if threads > 1 else ''}: loading {len(engines)} engines", flush=True)
    runs = []
    with loaded(engines, tools, figures, left_out) as residents:
        peers = {engine.precision for engine in residents if not engine.ours}
        contenders = (
            len(peers) + sum(engine.ours and engine.precision in {"int8", *peers} for engine in residents)
            if threads == 1
            else 2
        )
        progress = Progress(len(residents), contenders, options.rounds)
        for run in play(residents, options.rounds, left_out, ratios.going_on):
            progress.show(run)
            runs.append(run)
            figures["memory"].setdefault(run.engine.name, residents[run.engine].memory_bytes())
    return runs


@contextmanager
def loaded(
    engines: list[Engine], tools: Tools, figures: dict, left_out: dict[str, str]
) -> Iterator[dict[Engine, Resident]]:
    """The engines that load and whose logits agree with PyTorch's in float32; all are stopped when the block ends."""
    reference = json.loads(tools.reference.read_text())
    residents: dict[Engine, Resident] = {}
    try:
        for engine in engines:
            try:
                log = tools.model / f"{engine.name}-{engine.threads}.log"
                resident = Resident(engine.title, engine.command(tools), variables(engine.threads), log)
                residents[engine] = resident
                figures["deviations"][engine.name] = checked(engine, resident.ask("logits"), reference)
                print(
                    f"  {engine.title:28} largest deviation of a logit {figures['deviations'][engine.name]:.1g}",
                    flush=True,
                )
            except BenchError as error:
                left_out[engine.name] = str(error)
                print(f"  {engine.title:28} left out: {error}", flush=True)
                if engine in residents:
                    residents.pop(engine).stop()
        yield residents
    finally:
        for resident in residents.values():
            resident.stop()


def checked(engine: Engine, logits: list[list[float]], reference: list[list[float]]) -> float:
    """The largest deviation from PyTorch's float32 logits. Wrong logits raise, so that their engine is not timed."""
    if [len(row) for row in logits] != [len(row) for row in reference[: len(logits)]] or not logits:
        raise BenchError("its logits have another shape than the reference's")
    pairs = zip(logits, reference[: len(logits)], strict=True)
    deviations = [abs(one - other) for row, right in pairs for one, other in zip(row, right, strict=True)]
    if not all(map(math.isfinite, deviations)):
        raise BenchError("its logits are not finite")
    deviation = max(deviations)
    if engine.precision == "f32" and deviation > MAX_F32_DEVIATION:
        raise BenchError(f"its logits differ from PyTorch's by {deviation:.2g}, more than {MAX_F32_DEVIATION:g}")
    return deviation


def write(results: dict, table: str, folder: Path, python: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / results["date"][:10]
    if results["shape"] != "bert-base":
        stem = stem.with_name(f"{stem.name}-{results['shape']}")
    figures, figure = stem.with_suffix(".json"), folder / f"{results['shape']}.svg"
    figures.write_text(json.dumps(results, indent=1) + "\n")
    stem.with_suffix(".md").write_text(table)
    print(f"\n{table}\nfigures: {figures}", flush=True)
    if subprocess.run([python, "-m", "bench.plot", figures, figure], cwd=ROOT).returncode != 0:
        raise BenchError(f"{figure} was not drawn; see above. The figures are complete")
    print(f"plot: {figure}", flush=True)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Our inference engine beside its peers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [engine.name for engine in LINE_UP]
    parser.add_argument("--quick", action="store_true", help="128 texts, 2 rounds: less precise")
    parser.add_argument(
        "--engines", nargs="+", choices=names, default=names, metavar="NAME", help=f"only these of {', '.join(names)}"
    )
    parser.add_argument(
        "--shape", choices=["bert-base", "minilm"], default="bert-base", help="shape of the model (default: bert-base)"
    )
    parser.add_argument(
        "--threads", nargs="+", type=int, choices=[1, 2], default=[1, 2], help="thread counts (default: 1 2)"
    )
    parser.add_argument("--texts", type=int, help=f"number of texts (default: {texts.WHOLE})")
    parser.add_argument(
        "--rounds",
        type=int,
        help="rounds at each thread count, and parts of the texts; slower peers run only in the first (default: 3)",
    )
    parser.add_argument(
        "--out", type=Path, help="folder of the results (default: bench/results for a whole run, otherwise the cache)"
    )
    options = parser.parse_args(arguments)
    options.texts = options.texts or (128 if options.quick else texts.WHOLE)
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.engines = [engine for engine in LINE_UP if engine.name in options.engines]
    options.threads = sorted(set(options.threads))
    whole = options.engines == LINE_UP and options.threads == [1, 2] and options.texts == texts.WHOLE
    options.out = options.out or (ROOT / "bench" / "results" if whole else from_environment().cache / "bench-results")
    return options
