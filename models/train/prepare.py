"""Divides the labelled data into splits: one JSON line per sample, the same bytes on every run.

    python prepare.py --data FOLDER --out samples.jsonl

Reads `sentfin/SEntFiN.csv`, `twitter-financial/sent_{train,valid}.csv` and
`finentity/FinEntity.json` below FOLDER (or below TAPEWIRE_LABELLED_DATA).

Splits, decided by a hash of the group and never by the order of the rows:

    train       80% of SEntFiN's groups, 90% of the tweets published as train
    validation  10% of SEntFiN, 10% of the tweets: to choose settings, and to calibrate
    test        10% of SEntFiN, the tweets published as valid
    dev, unseen FinEntity, half each: `dev` is for choosing recipes, `unseen` for
                the published figures only. Nothing of FinEntity is ever trained on.

A group is a set of texts that say nearly the same words, across all sources. Where
a group falls into several splits, only its samples in the last of train, validation,
dev, unseen and test are kept.
"""

import argparse
import csv
import hashlib
import html
import json
import re
from collections import Counter, defaultdict
from pathlib import Path

from encoding import labelled_data_folder
from near_duplicates import group_near_duplicates, words

TWEET_LABELS = {"0": "negative", "1": "positive", "2": "neutral"}
DECISION = re.compile(r"""(['"])(.*?)\1\s*:\s*['"](positive|negative|neutral)['"]""")
# SEntFiN's publishers once replaced hold, sell and buy by class names inside entities too.
MANGLED = {"neutral": "hold", "negative": "sell", "positive": "buy"}
# Of the splits that a group falls into, the last in this order keeps its samples.
PRECEDENCE = ["train", "validation", "dev", "unseen", "test"]


def read_sentfin(folder: Path) -> list[dict]:
    samples = []
    with (folder / "SEntFiN.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            text = row["Title"]
            for _, entity, label in DECISION.findall(row["Decisions"]):
                company = restore_entity(entity.strip(), text)
                samples.append({"source": "sentfin", "text": text, "company": company, "label": label})
    return samples


def restore_entity(entity: str, text: str) -> str:
    """The entity as the headline spells it, where a class name was written into it."""
    if entity.lower() in text.lower():
        return entity
    for wrong, right in MANGLED.items():
        restored = entity.replace(wrong, right)
        at = text.lower().find(restored.lower())
        if restored != entity and at >= 0:
            return text[at : at + len(restored)]
    return entity


def read_tweets(folder: Path, name: str) -> list[dict]:
    with (folder / f"sent_{name}.csv").open(encoding="utf-8", newline="") as lines:
        return [
            {"source": "twitter", "text": row["text"], "company": None, "label": TWEET_LABELS[row["label"]]}
            for row in csv.DictReader(lines)
        ]


def read_finentity(folder: Path) -> list[dict]:
    samples = []
    for paragraph in json.loads((folder / "FinEntity.json").read_text(encoding="utf-8")):
        for mark in paragraph["annotations"]:
            label = mark["label"].lower()
            samples.append(
                {"source": "finentity", "text": paragraph["content"], "company": mark["value"], "label": label}
            )
    return samples


def drop_repeats_and_conflicts(samples: list[dict]) -> list[dict]:
    """One sample for the same words about the same company; none where labels disagree."""

    def key(sample: dict) -> tuple:
        company = sample["company"]
        return " ".join(words(sample["text"])), None if company is None else company.lower()

    labels: dict[tuple, set[str]] = defaultdict(set)
    for sample in samples:
        labels[key(sample)].add(sample["label"])
    kept: dict[tuple, dict] = {}
    for sample in samples:
        if len(labels[key(sample)]) == 1:
            kept.setdefault(key(sample), sample)
    return list(kept.values())


def bucket(group_name: str, parts: int) -> int:
    """A number below `parts`, the same on every machine."""
    digest = hashlib.sha256(f"tapewire split 1\n{group_name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % parts


def assign_split(sample: dict, group_name: str) -> str:
    tenth = bucket(group_name, 10)
    if sample["source"] == "finentity":
        return "dev" if tenth < 5 else "unseen"
    if sample["source"] == "sentfin":
        return {0: "test", 1: "validation"}.get(tenth, "train")
    if sample["published_as"] == "valid":
        return "test"
    return "validation" if tenth == 1 else "train"


def prepare(data: Path) -> list[dict]:
    """All samples with `source`, `text`, `company`, `label`, `group` and `split`."""
    tweets = []
    for name in ("train", "valid"):
        part = read_tweets(data / "twitter-financial", name)
        # The published validation file is kept whole, so figures on it can be compared.
        part = drop_repeats_and_conflicts(part) if name == "train" else part
        tweets += [{**sample, "published_as": name} for sample in part]
    samples = drop_repeats_and_conflicts(read_sentfin(data / "sentfin")) + tweets
    samples += drop_repeats_and_conflicts(read_finentity(data / "finentity"))

    texts = sorted({html.unescape(sample["text"]) for sample in samples})
    groups = group_near_duplicates(texts)
    group_of = dict(zip(texts, groups, strict=True))
    group_name = {group: texts[group] for group in groups}
    for sample in samples:
        sample["group"] = group_of[html.unescape(sample["text"])]
        sample["split"] = assign_split(sample, group_name[sample["group"]])
        sample.pop("published_as", None)

    strongest: dict[int, int] = defaultdict(int)
    for sample in samples:
        strongest[sample["group"]] = max(strongest[sample["group"]], PRECEDENCE.index(sample["split"]))
    return [s for s in samples if PRECEDENCE.index(s["split"]) == strongest[s["group"]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="labelled data (default: TAPEWIRE_LABELLED_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines to write")
    args = parser.parse_args()
    samples = prepare(labelled_data_folder(args.data))
    with args.out.open("w", encoding="utf-8") as lines:
        for sample in samples:
            lines.write(json.dumps(sample, ensure_ascii=False, sort_keys=True) + "\n")
    for (source, split), count in sorted(Counter((s["source"], s["split"]) for s in samples).items()):
        labels = Counter(s["label"] for s in samples if (s["source"], s["split"]) == (source, split))
        print(f"{source:10} {split:10} {count:6}  {dict(sorted(labels.items()))}")


if __name__ == "__main__":
    main()
