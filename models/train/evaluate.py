"""Evaluates the shipped model, and writes the figures between the markers of its card.

    python evaluate.py --samples samples.jsonl --model FOLDER [--card FOLDER/README.md]

The stored weights are converted to float32 and the model runs in float32, on one thread. Intervals are 95% percentile
bootstraps over groups of near-identical texts.
"""

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from calibrate import error_by_chance, expected_calibration_error
from encoding import LABEL_ID, LABELS, encode, load_samples, load_shipped, load_tokenizer, predict
from tokenizers import Tokenizer
from transformers import PreTrainedModel

BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
RESAMPLES = 1000
DIRECTION = Path(__file__).with_name("direction.csv")
DIRECTION_SLICE = "Direction set, per company"
OPPOSITE = {"positive": "negative", "negative": "positive"}


def slices(samples: list[dict]) -> dict[str, list[dict]]:
    """The sets of samples that figures are reported for, by name. None was used for training."""

    def part(source: str, split: str) -> list[dict]:
        return [s for s in samples if (s["source"], s["split"]) == (source, split)]

    headlines = part("sentfin", "test")
    labels = defaultdict(set)
    for sample in headlines:
        labels[sample["text"]].add(sample["label"])
    mixed = [s for s in headlines if len(labels[s["text"]]) > 1]
    single = {s["text"]: {**s, "company": None} for s in headlines if len(labels[s["text"]]) == 1}
    return {
        "SEntFiN test, per company": headlines,
        "– of these, headlines of mixed sentiment": mixed,
        "SEntFiN test, one sentiment, no company given": list(single.values()),
        "Twitter valid, no company given": part("twitter", "test"),
        "FinEntity unseen half, per entity": part("finentity", "unseen"),
        "FinEntity dev half (chose the recipe)": part("finentity", "dev"),
    }


def direction_set(path: Path = DIRECTION) -> list[dict]:
    """The sentences written by hand: `kind`, `company`, `text`, `label`; rows of one text are a group."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    groups = {text: at for at, text in enumerate(sorted({row["text"] for row in rows}))}
    return [{**row, "source": "direction", "group": groups[row["text"]]} for row in rows]


def exchanged(rows: list[dict]) -> list[dict]:
    """Rows of texts that name the two companies asked about: with names and labels exchanged, and as written."""
    by_text = defaultdict(list)
    for row in rows:
        if row["company"] and row["company"] in row["text"]:
            by_text[row["text"]].append(row)
    found = []
    for text, asked in by_text.items():
        if len(asked) != 2 or any(one["company"] in other["company"] for one, other in (asked, asked[::-1])):
            continue
        one, other = (row["company"] for row in asked)
        turned = other.join(part.replace(other, one) for part in text.split(one))
        found += [{**a, "text": turned, "label": b["label"]} for a, b in (asked, asked[::-1])]
        found += asked
    return found


def confusion(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts: one row per true label, one column per predicted label."""
    counts = np.zeros((len(LABELS), len(LABELS)), dtype=int)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def macro_f1(counts: np.ndarray) -> float:
    scores = [2 * counts[k, k] / max(1, counts[k].sum() + counts[:, k].sum()) for k in range(len(LABELS))]
    return float(np.mean(scores))


def accuracy_interval(right: np.ndarray, groups: list[int]) -> tuple[float, float]:
    places = defaultdict(list)
    for at, group in enumerate(groups):
        places[group].append(at)
    hits = np.array([right[at].sum() for at in places.values()])
    sizes = np.array([len(at) for at in places.values()])
    drawn = np.random.default_rng(1).integers(len(hits), size=(RESAMPLES, len(hits)))
    low, high = np.quantile(hits[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
    return float(low), float(high)


def measure(model: PreTrainedModel, tokenizer: Tokenizer, part: list[dict]) -> dict:
    logits = predict(model, [encode(tokenizer, s["text"], s["company"]) for s in part], bf16=False)
    truth = np.array([LABEL_ID[s["label"]] for s in part])
    right = logits.argmax(1) == truth
    counts = confusion(truth, logits.argmax(1))
    return {
        "n": len(part),
        "majority": float(np.bincount(truth).max() / len(truth)),
        "accuracy": float(right.mean()),
        "interval": accuracy_interval(right, [s["group"] for s in part]),
        "macro_f1": macro_f1(counts),
        "ece": expected_calibration_error(logits, truth),
        "ece_by_chance": error_by_chance(logits),
        "confusion": counts.tolist(),
    }


def measure_direction(model: PreTrainedModel, tokenizer: Tokenizer, rows: list[dict]) -> dict[str, dict]:
    """By kind of news, and for texts with exchanged names: number of rows, shares of right and opposite answers."""
    both = exchanged(rows)
    asked = [encode(tokenizer, row["text"], row["company"] or None) for row in [*rows, *both]]
    said = [LABELS[at] for at in predict(model, asked, bf16=False).argmax(1)]

    def shares(places: list[int], part: list[dict]) -> dict:
        right = [said[at] == row["label"] for at, row in zip(places, part, strict=True)]
        opposite = [said[at] == OPPOSITE.get(row["label"]) for at, row in zip(places, part, strict=True)]
        return {"n": len(part), "right": float(np.mean(right)), "opposite": float(np.mean(opposite))}

    found = {}
    for kind in sorted({row["kind"] for row in rows}):
        places = [at for at, row in enumerate(rows) if row["kind"] == kind]
        found[kind.replace("_", " ")] = shares(places, [rows[at] for at in places])
    found["all"] = shares(list(range(len(rows))), rows)
    if both:
        places = list(range(len(rows), len(rows) + len(both)))
        found["two companies, names as written and exchanged"] = shares(places, both)
    return found


def direction_table(found: dict[str, dict]) -> str:
    lines = ["| kind of news | n | right | opposite |", "|---|---|---|---|"]
    lines += [f"| {name} | {f['n']} | {f['right']:.3f} | {f['opposite']:.3f} |" for name, f in found.items()]
    return "\n".join(lines)


CONFUSED = (
    "SEntFiN test, per company",
    "Twitter valid, no company given",
    "FinEntity unseen half, per entity",
    DIRECTION_SLICE,
)


def table(results: dict[str, dict]) -> str:
    lines = [
        "| data | n | majority | accuracy (95% interval) | macro-F1 | ECE | ECE by chance |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, r in results.items():
        low, high = r["interval"]
        accuracy = f"{r['accuracy']:.3f} ({low:.3f}–{high:.3f})"
        figures = " | ".join(f"{r[key]:.3f}" for key in ("macro_f1", "ece", "ece_by_chance"))
        lines.append(f"| {name} | {r['n']} | {r['majority']:.3f} | {accuracy} | {figures} |")
    for name in CONFUSED:
        lines += ["", f"Confusion, {name} (row: true, column: predicted):", ""]
        lines += ["| | " + " | ".join(LABELS) + " |", "|---" * (len(LABELS) + 1) + "|"]
        for label, counts in zip(LABELS, results[name]["confusion"], strict=True):
            lines.append(f"| {label} | " + " | ".join(map(str, counts)) + " |")
    return "\n".join(lines)


def write_between_markers(card: Path, content: str) -> None:
    before, rest = card.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    card.write_text(f"{before}{BEGIN}\n{content}\n{END}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="output of prepare.py")
    parser.add_argument("--model", type=Path, required=True, help="folder of the shipped model")
    parser.add_argument("--card", type=Path, help="card to write the figures into")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = load_shipped(args.model)
    tokenizer = load_tokenizer(args.model, model.config.max_position_embeddings)
    results = {name: measure(model, tokenizer, part) for name, part in slices(load_samples(args.samples)).items()}
    rows = direction_set()
    results[DIRECTION_SLICE] = measure(model, tokenizer, rows)
    kinds = measure_direction(model, tokenizer, rows)
    content = f"{table(results)}\n\nThe direction set by kind of news:\n\n{direction_table(kinds)}"
    print(content)
    if args.card:
        write_between_markers(args.card, content)
    if args.json:
        args.json.write_text(
            json.dumps({**results, "direction": kinds}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
