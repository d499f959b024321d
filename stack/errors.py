"""What a person sees when something is wrong: one line that names the remedy."""

USAGE = 2
UNREACHABLE = 3


class StackError(Exception):
    """A failure for a person: its message says what failed and what to do.

    `exit_code` is USAGE for a wrong command or setting and UNREACHABLE for a server
    or a download that is missing, will not start or does not answer.
    """

    def __init__(self, message: str, exit_code: int = UNREACHABLE):
        super().__init__(message)
        self.exit_code = exit_code
