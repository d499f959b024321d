"""Errors that are printed as one line, which names the remedy."""

import sys
from collections.abc import Callable

from stack.errors import StackError

INTERRUPTED = 130


class BenchError(Exception):
    """A failure whose message is printed without a traceback."""


def exit_code(measure: Callable[[], int]) -> int:
    """The exit code of a benchmark: its own, or that of the error that ended it, which is printed."""
    try:
        return measure()
    except (BenchError, StackError) as error:
        print(f"bench: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
