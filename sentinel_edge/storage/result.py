"""A result as a JSON file: strict, whole or not at all, and never yesterday's beside a run that failed."""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.files import save


@dataclass(frozen=True, slots=True)
class Result:
    """What is written at the end of a run; its fields are `message`, `started_at`, `duration_s` and others.

    Attributes:
        SCHEMA_VERSION: Of the meaning of its fields.
    """

    SCHEMA_VERSION: ClassVar[int] = 1

    @property
    def facts(self) -> dict[str, Any]:
        """What is written of it."""
        return {"schema_version": self.SCHEMA_VERSION, **plain(self)}


Made = TypeVar("Made", bound=Result)


def put_result(path: Path, unfinished: Made, work: Callable[[], Made]) -> Made:
    """Do the work under the eyes of whoever reads the file: it says ERROR first, then what came of it, or why nothing.

    Args:
        path: The file; its folder is made.
        unfinished: The result of work that does not come to its end. If it fails, the failure's message is put in.
        work: Makes the result; when it began and how long it took is put in here.

    Raises:
        SentinelError: The work did, or the file cannot be written; then no older one is left standing either.
    """
    started = datetime.now(UTC)
    times: dict[str, Any] = {"started_at": started.isoformat(timespec="seconds")}
    _write(path, replace(unfinished, **times))
    try:
        found = work()
    except SentinelError as error:
        _write(path, replace(unfinished, **times | {"message": str(error)}))
        raise
    times["duration_s"] = (datetime.now(UTC) - started).total_seconds()
    found = replace(found, **times)
    _write(path, found)
    return found


def _write(path: Path, result: Result) -> None:
    text = json.dumps(result.facts, indent=2, allow_nan=False)
    try:
        save(path, f"{text}\n".encode(), "the result")
    except SentinelError:
        with suppress(OSError):  # what cannot be removed either was never ours
            path.unlink(missing_ok=True)
        raise


def plain(value: Any, *, null: bool = True) -> Any:
    """Dataclasses, enums and tuples as what JSON has, numbers as a person reads them.

    Args:
        value: What is to be written.
        null: Whether what is not finite becomes null; else it stays, for a strict writer to refuse.
    """
    if is_dataclass(value):
        return {entry.name: plain(getattr(value, entry.name), null=null) for entry in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(entry, null=null) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry, null=null) for entry in value]
    if isinstance(value, float):
        # More digits than a judgement has; a tiny alpha stays what it was.
        return None if null and not math.isfinite(value) else float(f"{value:.6g}")
    return value
