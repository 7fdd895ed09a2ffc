"""What the last checks found and what was done about it: one small file that `decide` keeps between runs.

Losing it is safe: without it fewer failures are known, so less is called for, and retrainings are known from the
workflow's own list of runs as well.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.documents import DocumentError, Fields, read_document
from sentinel_edge.storage.files import write_atomically
from sentinel_edge.verdict.verdict import EXIT_CODES, Status

FORMAT = 1
MAX_ENTRIES = 100
"""Entries kept; the oldest go."""


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
        drift_score: The embedding gate's score; None where there is none.
        threshold: Of the drift score; None where there is none.
    """

    check: str
    at: str
    status: Status
    action: Action
    scores: dict[str, float]
    causes: tuple[Cause, ...]
    baseline: str
    drift_score: float | None
    threshold: float | None

    @property
    def time(self) -> datetime:
        """When it was decided."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class History:
    """Entries in order of time, and what was wrong with the file they came from.

    Attributes:
        entries: The oldest first, at most `MAX_ENTRIES`.
        lost: Why an existing file could not be used; empty when all is well.
    """

    entries: tuple[Entry, ...] = ()
    lost: str = ""

    def before(self, check: str) -> tuple[Entry, ...]:
        """All entries but those of one check."""
        return tuple(entry for entry in self.entries if entry.check != check)


def read_history(path: Path) -> History:
    """Read a history; a missing file is an empty one, a damaged one is empty and says why."""
    try:
        fields = Fields(read_document(path))
        fields.one_of("format", FORMAT)
        listed = fields.take("entries")
        fields.done()
        entries = _entries(listed)
    except FileNotFoundError:
        return History()
    except OSError as error:
        return History(lost=f"the history {path} cannot be read: {error.strerror}; it begins anew")
    except (DocumentError, ValueError) as error:
        return History(lost=f"the history {path} {error}; it begins anew")
    return History(tuple(sorted(entries, key=lambda entry: entry.time))[-MAX_ENTRIES:])


def write_history(path: Path, entries: Iterable[Entry]) -> None:
    """Write a history, whole or not at all.

    Raises:
        SentinelError: It cannot be written; an older one is untouched.
    """
    kept = sorted(entries, key=lambda entry: entry.time)[-MAX_ENTRIES:]
    lines = ",\n".join(json.dumps(_document(entry)) for entry in kept)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, f'{{"format": {FORMAT}, "entries": [\n{lines}\n]}}\n'.encode())
    except OSError as error:
        raise SentinelError(
            f"cannot write the history {path}: {error.strerror}; give a place with room that this user can write"
        ) from error


def _entries(listed: object) -> list[Entry]:
    if not isinstance(listed, list):
        raise DocumentError("has no list of entries")
    return [_entry(Fields(one, f"entries[{position}]")) for position, one in enumerate(listed)]


def _entry(fields: Fields) -> Entry:
    entry = Entry(
        check=fields.sha256("check"),
        at=fields.time("at"),
        status=Status(fields.one_of("status", *map(str, EXIT_CODES))),
        action=Action(fields.one_of("action", *map(str, Action))),
        scores=fields.numbers("scores"),
        causes=tuple(map(Cause, fields.texts("causes"))),
        baseline=fields.text("baseline", r"[0-9a-f]*", "a checksum"),
        drift_score=None if fields.absent("drift_score") else fields.number("drift_score", 0.0),
        threshold=None if fields.absent("threshold") else fields.number("threshold", 0.0),
    )
    fields.done()
    if (entry.drift_score is None) != (entry.threshold is None):
        raise DocumentError("has a drift score without a threshold, or the other way round")
    return entry


def _document(entry: Entry) -> dict[str, object]:
    return {
        "check": entry.check,
        "at": entry.at,
        "status": str(entry.status),
        "action": str(entry.action),
        "scores": entry.scores,
        "causes": list(map(str, entry.causes)),
        "baseline": entry.baseline,
        "drift_score": entry.drift_score,
        "threshold": entry.threshold,
    }
