"""Training rows whose label contradicts LABELS.md, where the words leave no doubt.

    python relabel.py --samples samples.jsonl     counts and lists them

Only headlines of the training split that name one company and say one thing are
looked at: a headline that also tells of the share price, of costs or of a second figure
keeps its label. Validation and test rows are never touched.
"""

import argparse
import re
from collections import Counter
from pathlib import Path

from encoding import load_samples

RISES = r"(?:rises?|up|jumps?|climbs?|soars?|surges?|grows?|zooms?|increases?|doubles)"
FALLS = r"(?:falls?|down|drops?|dips?|declines?|slips?|slumps?|plunges?|tumbles?|decreases?|sinks?)"
SMALLER = r"(?:narrows?|narrowed|shrinks?|reduces?|declines?|drops?|halves)"
LARGER = r"(?:widens?|mounts|swells?|deepens?|balloons)"
GAIN = r"(?:net profit|profit|net|PAT|sales|revenue|income|net income)"
LOSS = r"(?:net |operating |pre-tax )?loss(?:es)?"
RULES = [
    (
        "loss narrows",
        rf"\b{LOSS} (?:significantly )?{SMALLER}\b|\b(?:narrows|narrowed)(?: down)? (?:net |operating )?loss",
        "positive",
    ),
    ("loss widens", rf"\b{LOSS} {LARGER}\b|\bwidens (?:net |operating )?loss", "negative"),
    ("turns to profit", r"\bback in (?:the )?black\b|\b(?:returns|swings|turns) (?:in)?to (?:net )?profit", "positive"),
    ("turns to loss", r"\b(?:slips|swings|falls|plunges) (?:in)?to (?:net |surprise )?(?:loss|the red)\b", "negative"),
    ("profit or sales rise", rf"\b{GAIN} {RISES}\b", "positive"),
    ("profit or sales fall", rf"\b{GAIN} {FALLS}\b", "negative"),
]
# Words of headlines that say a second thing: share prices, expectations, contrasts, reasons.
SECOND = re.compile(
    r"\b(?:shares?|stocks?|scrip|but|despite|even as|though|while|may|could|likely|seen|expects?|estimates?|forecasts?|"
    r"below|above|flat|misses|beats|lags?|slides?|tumbles|gains|rallies|profit booking|target|buy|sell|hold|costs?|"
    r"margins?|index|Sensex|Nifty|rupee|dollar|gold|oil|Wall Street|Dow|economy|exports?|industry|sector|on hopes|"
    r"outlook)\b|[;:?]",
    re.IGNORECASE,
)


def relabel(samples: list[dict]) -> list[dict]:
    """The samples, with `relabelled` naming the rule where one changed the label."""
    asked = Counter(s["text"] for s in samples)
    return [changed(sample) if asked[sample["text"]] == 1 else sample for sample in samples]


def changed(sample: dict) -> dict:
    company, text = sample["company"], sample["text"]
    if sample["split"] != "train" or not company or company not in text or SECOND.search(text.replace(company, " ")):
        return sample
    said = [
        (name, label) for name, pattern, label in RULES if re.search(pattern, text.replace(company, " "), re.IGNORECASE)
    ]
    if len({label for _, label in said}) != 1 or said[0][1] == sample["label"]:
        return sample
    return {**sample, "label": said[0][1], "relabelled": said[0][0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=Path, required=True, help="output of prepare.py")
    args = parser.parse_args()
    samples = load_samples(args.samples)
    turned = [(old, new) for old, new in zip(samples, relabel(samples), strict=True) if old is not new]
    for old, new in turned:
        print(f"{new['relabelled']:22} {old['label']} -> {new['label']}: {new['company']} | {new['text']}")
    print(Counter((new["relabelled"], old["label"], new["label"]) for old, new in turned))


if __name__ == "__main__":
    main()
