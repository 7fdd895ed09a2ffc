"""Errors a person can act on: each is one line that says what was found, what was expected and what to do."""


class SentinelError(Exception):
    """The work could not be done; the command line ends with exit code 1 and status ERROR."""


class UsageError(SentinelError):
    """The request itself is wrong (an unknown option, a threshold of 7); exit code 2."""
