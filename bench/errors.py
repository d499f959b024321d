"""What a person sees when something is wrong: one line that names the remedy."""


class BenchError(Exception):
    """A failure whose message is fit to be the last line on the screen."""
