"""How far a download is: a line rewritten on a terminal, a line now and then elsewhere."""

import sys
import threading
import time

MEGABYTE = 1_000_000


class Progress:
    """Counts bytes from several threads towards `total`; prints to stderr."""

    def __init__(self, total: int):
        self._total = total
        self._done = 0
        self._printed_at = 0.0
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        print(f"downloading {self._total / MEGABYTE:.0f} MB (first time only)", file=sys.stderr)
        return self

    def __exit__(self, *_: object) -> None:
        self._print()
        if self._terminal:
            print(file=sys.stderr)

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            pause = 0.2 if self._terminal else 10.0
            if time.monotonic() - self._printed_at >= pause:
                self._print()

    def _print(self) -> None:
        self._printed_at = time.monotonic()
        text = f"  {self._done / MEGABYTE:.0f} of {self._total / MEGABYTE:.0f} MB"
        print(f"\r{text}" if self._terminal else text, end="" if self._terminal else "\n", file=sys.stderr, flush=True)
