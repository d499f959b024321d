"""Headlines written by hand to teach direction, and how they are split.

The files of `written/` hold `text,company,label`; each has an author of its own, who had read LABELS.md and, of this
folder, nothing else but rows of earlier authors. What they say is invented. An empty company means that none is asked
about. Neighbouring rows are often a pair with opposite labels, so rows are split in blocks: one block in ten is
validation, the others are trained on. `direction.csv` measures the result, so a row that shares most of its words with
one of its texts is left out.
"""

import csv
from pathlib import Path

from near_duplicates import words

FOLDER = Path(__file__).with_name("written")
DIRECTION_SET = Path(__file__).with_name("direction.csv")
BLOCK, ONE_IN = 20, 10  # rows; blocks
BLOCKS = 1000  # more than a file has
TOO_SIMILAR = 0.6  # Jaccard similarity of the words


def read_rows(path: Path) -> list[dict]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def resembles(text: frozenset[str], others: list[frozenset[str]]) -> bool:
    return any(len(text & other) >= TOO_SIMILAR * len(text | other) for other in others)


def written_samples() -> list[dict]:
    """All rows with `source`, `text`, `company`, `label`, `group` and `split`, in the order of the files."""
    kept_apart = [frozenset(words(row["text"])) for row in read_rows(DIRECTION_SET)]
    samples = []
    for author, path in enumerate(sorted(FOLDER.glob("*.csv"))):
        first: dict[str, int] = {}
        for at, row in enumerate(read_rows(path)):
            # A text about two companies has two rows.
            block = first.setdefault(row["text"], at) // BLOCK
            sample = {
                "source": "written",
                "split": "validation" if block % ONE_IN == ONE_IN - 1 else "train",
                "group": author * BLOCKS + block // ONE_IN,
                "text": row["text"],
                "company": row["company"] or None,
                "label": row["label"],
            }
            if not resembles(frozenset(words(row["text"])), kept_apart):
                samples.append(sample)
    return samples
