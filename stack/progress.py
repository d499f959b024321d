"""The progress of a download: on a terminal one line that is rewritten, elsewhere a line every ten seconds."""

import sys
import threading
import time
from typing import Self

MEGABYTE = 1_000_000


class Progress:
    """Adds up what several threads have fetched of `total` bytes; prints to stderr."""

    def __init__(self, total: int):
        self._total = total
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()
        self._pause = 0.2 if self._terminal else 10.0
        self._printed_at = time.monotonic()

    def __enter__(self) -> Self:
        print(f"downloading {self._total / MEGABYTE:.0f} MB (first time only)", file=sys.stderr, flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            print(file=sys.stderr)

    def update(self, file: str, done: int) -> None:
        """`done` bytes of `file` are there now."""
        with self._lock:
            self._done[file] = done
            if time.monotonic() - self._printed_at >= self._pause:
                self._printed_at = time.monotonic()
                self._print()

    def _print(self) -> None:
        text = f"  {sum(self._done.values()) / MEGABYTE:.0f} of {self._total / MEGABYTE:.0f} MB"
        print(f"\r{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr, flush=True)
