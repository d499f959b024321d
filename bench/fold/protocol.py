"""What the peers' processes have in common: the protocol of `bench/resident.py`, and a CSV of bars."""

import csv
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

COLUMNS = ("symbol", "start", "open", "high", "low", "close", "volume")


def answers() -> TextIO:
    """Where answers go. All else that this process and its children print to stdout goes to stderr from now on."""
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Its buffer would otherwise be written after the reason of an error.
    sys.stdout = sys.stderr
    return kept


def serve(out: TextIO, questions: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """Answers each line, a question and its arguments, until the input ends."""
    print(json.dumps({"ready": True}), file=out, flush=True)
    try:
        for line in sys.stdin:
            question, *arguments = line.split()
            print(json.dumps(questions[question](*arguments)), file=out, flush=True)
    except Exception as error:
        traceback.print_exc()
        # The last line is shown as the reason; those of Spark end with a plan of the query.
        sys.exit(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}")


def write_bars(path: str, rows: Iterable[Iterable[Any]]) -> None:
    """`rows` have the values of `COLUMNS`; a start is in microseconds since 1970 (UTC)."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
