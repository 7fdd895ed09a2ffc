"""What the last checks found and what was done about it: one small file that `decide` keeps between runs.

Losing it is safe: without it fewer failures are known, so less is called for, and retrainings are known from the
workflow's own list of runs as well.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from msgspec import to_builtins

from sentinel_edge.causes import Cause
from sentinel_edge.storage.documents import (
    Amount,
    DocumentError,
    Moment,
    Number,
    Sha256,
    fitting,
    read_document,
    satisfying,
)
from sentinel_edge.storage.files import save
from sentinel_edge.verdict.verdict import EXIT_CODES, Status

MAX_ENTRIES = 100
"""Entries kept; the oldest go."""
TOLERANCE = timedelta(hours=1)
"""How far the clocks of two machines that decide in turn may be apart."""


class Action(StrEnum):
    """What a verdict calls for."""

    NONE = "none"
    RETRAIN = "retrain"
    REPAIR = "repair"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Entry:
    """One check, and what was done about it.

    Attributes:
        check: The checksum of its verdict. The same check decided twice is one entry.
        at: When it was decided, ISO 8601, UTC.
        status: Its status; ERROR where there was no verdict to trust.
        action: What was called for.
        scores: Each gate's score in units of its threshold, by name: above 1 is FAIL.
        causes: What happened, most likely first.
        baseline: Checksum of the baseline it was judged by; failures against another one do not count with these.
        drift_score: The embedding gate's score; None where it gave none.
        threshold: Of the drift score; None where there was no verdict.
        camera: Whose footage it was; empty where that is not known.
        silent: Gates that the baseline could judge by, and this window could not be judged by.
    """

    check: Sha256
    at: Moment
    status: Annotated[Status, satisfying(EXIT_CODES.__contains__, "'PASS' or 'FAIL' or 'ERROR'")]
    action: Action
    scores: Mapping[str, Number]
    causes: tuple[Cause, ...]
    baseline: Annotated[str, fitting("[0-9a-f]*", "a checksum")]
    drift_score: Amount | None
    threshold: Amount | None
    camera: str = ""
    silent: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.drift_score is not None and self.threshold is None:
            raise DocumentError(f"has a drift score of {self.drift_score} without a threshold; expected both")

    @property
    def time(self) -> datetime:
        """When it was decided."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class History:
    """Entries in order of time, and what was wrong with the file they came from.

    Attributes:
        entries: The oldest first, at most `MAX_ENTRIES`.
        lost: Why an existing file could not be used, or not all of it; empty when all is well.
    """

    entries: tuple[Entry, ...] = ()
    lost: str = ""

    def before(self, check: str) -> tuple[Entry, ...]:
        """All entries but those of one check."""
        return tuple(entry for entry in self.entries if entry.check != check)


@dataclass(frozen=True, slots=True)
class _File:
    """A history as it is kept."""

    format: Literal[1]
    entries: tuple[Entry, ...]


def read_history(path: Path, now: datetime) -> History:
    """Read a history; a missing file is an empty one, a damaged one is empty and says why.

    Entries of the future are left out, and that is said as well: they would hold every call back until then, and count
    as the latest checks.

    Args:
        path: The file.
        now: The time, aware of its zone.
    """
    try:
        entries = read_document(path, _File, exact=False).entries  # older ones tell of no camera
    except FileNotFoundError:
        return History()
    except OSError as error:
        return History(lost=f"the history {path} cannot be read: {error.strerror}; it begins anew")
    except DocumentError as error:
        return History(lost=f"the history {path} {error}; it begins anew")
    known = sorted((entry for entry in entries if entry.time <= now + TOLERANCE), key=lambda entry: entry.time)
    later = len(entries) - len(known)
    latest = max(entries, key=lambda entry: entry.time).at if later else ""
    lost = f"the history {path} has {later} entries of the future, up to {latest}; they are left out" if later else ""
    return History(tuple(known[-MAX_ENTRIES:]), lost)


def write_history(path: Path, entries: Iterable[Entry]) -> None:
    """Write a history, whole or not at all.

    Raises:
        SentinelError: It cannot be written; an older one is untouched.
    """
    kept = sorted(entries, key=lambda entry: entry.time)[-MAX_ENTRIES:]
    lines = ",\n".join(json.dumps(to_builtins(entry)) for entry in kept)
    content = f'{{"format": 1, "entries": [\n{lines}\n]}}\n'
    save(path, content.encode(), "the history", "give a place with room that this user can write")
