"""Finds phrases that are not plain English, in everything that people wrote: code, comments, documents.

They are calques from another language. CONTRIBUTING.md, "Words", says how to write instead.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# A phrase, also across lines or as part of a name, and what to write. Python's `is None` is not one.
INSTEAD = {
    "(?i:so many)": "this many, or a number `n`",
    "is none": "is not one, does not count",
    "(?i:no numbers?)": "NaN",
    "(?i:let go)": "evict, drop, release",
    "(?i:anew)": "again, from scratch",
    "(?i:waits for no)": "does not wait for",
    "(?i:for want of)": "without, because there is no",
    "(?i:mend|mends|mended)": "fix, repair",
    "(?i:but for)": "except",
    "(?i:given out)": "emitted",
}
# Between two words of a phrase: space, an underscore, or the end of a line and the next comment's mark.
GAP = r"(?:[ _]|\s*\n\s*(?://[/!]?|#|--|\*)?\s*)"
PHRASES = [
    (re.compile("(?<![A-Za-z])" + phrase.replace(" ", GAP) + "(?![A-Za-z])"), instead)
    for phrase, instead in INSTEAD.items()
]
# Rust's own method.
ALLOWED = re.compile(r"is_none")
# Written by others or by programs, or in the words of the press: data, licences, locks, figures; and this list.
NOT_OURS = re.compile(
    r"(^|/)(LICENSE|LICENSES|data|golden|results|shipped|written|byte_level_bpe)(/|$)|\.(lock|svg|png|jsonl)$|(^|/|_)words\.py$"
)


def phrases(text: str) -> list[tuple[int, str, str]]:
    """The line, counted from 1, of each phrase, the phrase, and what to write instead."""
    found = [
        (text.count("\n", 0, match.start()) + 1, " ".join(match[0].split()), instead)
        for phrase, instead in PHRASES
        for match in phrase.finditer(text)
        if not ALLOWED.fullmatch(match[0])
    ]
    return sorted(found)


def main() -> int:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [path for path in listed.split("\0") if path and not NOT_OURS.search(path) and (ROOT / path).is_file()]
    faults = []
    for path in paths:
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        faults += [f"{path}:{line}: `{phrase}`: {instead}" for line, phrase, instead in phrases(text)]
    print("\n".join(faults) or f"{len(paths)} files are in plain words")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
