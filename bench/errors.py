"""Errors that are printed as one line, which names the remedy."""


class BenchError(Exception):
    """A failure whose message is printed without a traceback."""
