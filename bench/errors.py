"""What a person sees when something is wrong: one line that names the remedy."""


class BenchError(Exception):
    """A failure whose message is printed without a traceback."""
