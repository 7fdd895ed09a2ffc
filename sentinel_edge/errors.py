"""Errors a person can act on: each is one line that says what was found, what was expected and what to do."""


def one_line(text: str) -> str:
    """A text as one printable line: line breaks, control characters and broken encodings become escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def cannot_load(error: BaseException) -> str:
    """What to say where a library cannot be loaded, in one line: there is too little memory, or a file is missing."""
    what = one_line(f"{error}") or type(error).__name__
    return f"a library cannot be loaded ({what}); give it more memory, or install sentinel-edge again"


class SentinelError(Exception):
    """The work could not be done; the command line ends with exit code 1 and status ERROR."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class UsageError(SentinelError):
    """The request itself is wrong (an unknown option, a threshold of 7); exit code 2."""
