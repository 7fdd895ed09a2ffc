"""What is said, and where: results on standard output, complaints and progress on standard error."""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.verdict.summary import aligned
from sentinel_edge.verdict.verdict import MAX_LISTED

if TYPE_CHECKING:  # it brings the decoders, which not every command needs
    from sentinel_edge.footage.clips import Skipped

PROGRAM = "sentinel-edge"
_REDRAW_S = 0.2


def complain(problem: object, code: int = 0) -> int:
    """Print a problem, or a remark, as one line on standard error; gives back the code."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            print(f"{PROGRAM}: {problem}", file=sys.stderr, flush=True)
    return code


def tell(text: str, code: int = 0) -> int:
    """Print a result; gives back the code.

    Raises:
        SentinelError: Nobody can read it there.
    """
    if sys.stdout is None:
        raise SentinelError("standard output is closed; expected somewhere to print the result to")
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        print(text, flush=True)
    except OSError as error:
        # Python would try once more at its end, and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SentinelError(
            f"cannot print the result: {error.strerror}; expected a standard output that takes it"
        ) from error
    return code


def on_terminal() -> bool:
    """Whether a person reads the result, not a program."""
    return sys.stdout is not None and sys.stdout.isatty()


def tell_facts(facts: Mapping[str, object], text: str = "", code: int = 0) -> int:
    """Print facts: as one line of JSON, or on a terminal as a text, one line a fact where none is given."""
    return tell((text or "\n".join(aligned(facts))) if on_terminal() else json.dumps(facts), code)


def list_skipped(skipped: "Sequence[Skipped]") -> None:
    """Name what was left out, up to a number."""
    for entry in skipped[:MAX_LISTED]:
        complain(one_line(f"skipped {entry.name}: {entry.reason}"))
    if len(skipped) > MAX_LISTED:
        complain(f"skipped {len(skipped) - MAX_LISTED} more")


class Progress:
    """A count on standard error while it is a terminal; nothing otherwise."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn_at:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, count: int) -> None:
        """Draw the count, now and then."""
        now = time.monotonic()
        if self._shown and now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            print(f"\r{count} {self._unit}", end="", file=sys.stderr, flush=True)
