"""A verdict read back, as strictly as it was promised: for whoever acts on one that another process wrote."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, cast

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Skipped
from sentinel_edge.storage.documents import DocumentError, read_document
from sentinel_edge.storage.schema import require_valid
from sentinel_edge.verdict.verdict import (
    NUMBERS,
    SCHEMA_PATH,
    CauseFound,
    FrameCount,
    GateResult,
    Status,
    Verdict,
)

Kind = TypeVar("Kind")
_ADVICE = "expected the verdict.json of a check that came to its end; run the check again"


def read_verdict(path: Path) -> Verdict:
    """Read a `verdict.json`: complete, valid by its schema, and in agreement with itself.

    Raises:
        SentinelError: It is missing, torn, or departs from the schema; or its status is not what its gates say.
    """
    try:
        document = read_document(path)
        require_valid(document, json.loads(SCHEMA_PATH.read_text()))
    except OSError as error:
        raise SentinelError(f"cannot read the verdict {path}: {error.strerror}; {_ADVICE}") from error
    except DocumentError as error:
        raise SentinelError(f"the verdict {path} {error}; {_ADVICE}") from error
    verdict = _verdict(document)
    said = ", ".join(f"{name} {gate.status}" for name, gate in verdict.gates.items())
    if verdict.status is not Status.ERROR and _of(verdict) is not verdict.status:
        raise SentinelError(f"the verdict {path} says {verdict.status}, its gates say {said}; {_ADVICE}")
    for name, gate in verdict.gates.items():
        judged = gate.status in (Status.PASS, Status.FAIL) and gate.score is not None
        if judged and (float(gate.score or 0.0) > gate.threshold) != (gate.status is Status.FAIL):
            raise SentinelError(
                f"the verdict {path} says {gate.status} of gate {name} with a score of {gate.score} and a threshold of "
                f"{gate.threshold}; {_ADVICE}"
            )
    return verdict


def _of(verdict: Verdict) -> Status | None:
    """What the gates of a verdict come to: FAIL before ERROR before PASS; None where none judged."""
    found = {gate.status for gate in verdict.gates.values()}
    return next((status for status in (Status.FAIL, Status.ERROR, Status.PASS) if status in found), None)


def _verdict(document: dict[str, Any]) -> Verdict:
    return _typed(
        Verdict,
        document,
        status=Status(document["status"]),
        frames=_typed(
            FrameCount, document["frames"], skipped=tuple(Skipped(**entry) for entry in document["frames"]["skipped"])
        ),
        gates={name: _gate(gate) for name, gate in document["gates"].items()},
        causes=tuple(_typed(CauseFound, cause, kind=Cause(cause["kind"])) for cause in document["causes"]),
    )


def _gate(document: dict[str, Any]) -> GateResult:
    numbers = {name: value for name, value in document.items() if name in NUMBERS and value is not None}
    reference = tuple(numbers.pop("reference"))
    said = {name: document[name] for name in ("score", "threshold", "reason")}
    return GateResult(status=Status(document["status"]), **said, numbers=numbers, reference=reference)


def _typed(into: type[Kind], document: dict[str, Any], /, **made: Any) -> Kind:
    """A dataclass from the fields of an object, lists as tuples, but for those that are `made` already."""
    plain = {field.name: document[field.name] for field in fields(cast("Any", into)) if field.name not in made}
    return into(**{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}, **made)
