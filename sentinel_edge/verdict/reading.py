"""A verdict read back, as strictly as it was promised: for whoever acts on one that another process wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

from msgspec import Meta

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import MAX_UNREADABLE
from sentinel_edge.storage.documents import Amount, DocumentError, fitting, read_document, typed
from sentinel_edge.verdict.verdict import (
    EXIT_CODES,
    NUMBERS,
    CauseFound,
    FrameCount,
    GateResult,
    Share,
    Status,
    Verdict,
)

ADVICE = "expected the verdict.json of a check that came to its end; run the check again"

LATER = ("camera", "sample")
"""Facts of the baseline that older verdicts do not hold."""
MAX_SCORE = 1e6
"""Of a gate: a picture that leaves what is normal by a million times what is tolerated there is not."""

Numbers = Mapping[str, Mapping[str, Any]]
"""By the name of each gate there is: the types of what its results hold (`gates.numbers`)."""


@dataclass(frozen=True, slots=True)
class Document:
    """What `verdict.json` holds, as `Verdict` says it; gates and facts are looked at closer by themselves."""

    schema_version: Literal[1]
    status: Literal["PASS", "FAIL", "ERROR"]
    message: Annotated[str, Meta(min_length=1)]
    drift_score: Share | None
    threshold: Share
    alpha: Share
    incoming: str
    frames: FrameCount
    gates: dict[str, Any]
    causes: tuple[CauseFound, ...]
    baseline: dict[str, Any]
    model: dict[str, Any]
    started_at: Annotated[str, fitting(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", "a time as 2026-01-31T12:00:00Z")]
    duration_s: Amount


@dataclass(frozen=True, slots=True)
class BaselineFacts:
    """What is known of the baseline; all of it where something was judged, and perhaps more."""

    path: str
    sha256: str = ""
    source: str = ""
    created_at: str = ""
    episodes: Annotated[int, Meta(ge=1)] = 1
    fps: Annotated[float, Meta(gt=0)] = 1.0
    camera: Annotated[str, Meta(max_length=64, description="at most 64 characters")] = ""
    sample: bool = False


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Likewise of the model."""

    path: str
    name: str = ""
    sha256: str = ""


def gate_type(name: str, numbers: Numbers) -> Any:
    """What `GateResult.facts` of one gate holds, as a dataclass; a number that the gate does not have is null."""
    every = {key: kind for one in numbers.values() for key, kind in one.items()}
    own = {key: Optional[kind] for key, kind in numbers[name].items()}  # noqa: UP045  (a type made at run time)
    usual = {key: Optional[every.get(key, Any)] for key in NUMBERS}  # noqa: UP045
    said = {"status": Status, "score": Amount | None, "threshold": Share, "reason": str}
    fields = {**said, **usual, **own, "reference": tuple[str, ...]}
    return make_dataclass(f"{name}_gate", fields.items(), frozen=True)


def read_verdict(path: Path, numbers: Numbers) -> Verdict:
    """Read a `verdict.json`: complete, valid by its types, and in agreement with itself.

    Args:
        path: The file.
        numbers: Of the gates there are.

    Raises:
        SentinelError: It is missing, torn, or not what a verdict is; its status is not what its gates say; or it says
            what no check could have found (nothing judged, most of it unreadable, scores beyond all that is).
    """
    try:
        verdict = verdict_of(read_document(path), numbers)
    except OSError as error:
        raise SentinelError(f"cannot read the verdict {path}: {error.strerror}; {ADVICE}") from error
    except DocumentError as error:
        raise SentinelError(f"the verdict {path} {error}; {ADVICE}") from error
    said = ", ".join(f"{name} {gate.status}" for name, gate in verdict.gates.items())
    if verdict.status is not Status.ERROR and _of(verdict) is not verdict.status:
        raise SentinelError(f"the verdict {path} says {verdict.status}, its gates say {said}; {ADVICE}")
    for name, gate in verdict.gates.items():
        judged = gate.status in (Status.PASS, Status.FAIL) and gate.score is not None
        if judged and (float(gate.score or 0.0) > gate.threshold) != (gate.status is Status.FAIL):
            raise SentinelError(
                f"the verdict {path} says {gate.status} of gate {name} with a score of {gate.score} and a threshold of "
                f"{gate.threshold}; {ADVICE}"
            )
    forged = _forged(verdict)
    if forged:
        raise SentinelError(f"the verdict {path} {forged}, which no check writes; {ADVICE}")
    return verdict


def _forged(verdict: Verdict) -> str:
    """What a verdict says that a check could not have found, in the middle of a sentence; empty where it could."""
    judged = {name: gate for name, gate in verdict.gates.items() if gate.status in (Status.PASS, Status.FAIL)}
    for name, gate in judged.items():
        if gate.score is None or gate.score > MAX_SCORE:
            return f"has {gate.status} of gate {name} with a score of {gate.score}"
    frames, lost = verdict.frames, verdict.frames.unreadable
    drift, threshold, alpha = verdict.drift_score, verdict.threshold, verdict.alpha
    known = drift is None or (drift, threshold) in ((gate.score, gate.threshold) for gate in judged.values())
    few = frames.judged * frames.stride < (frames.sampled - lost) / 2 - frames.stride
    impossible = (
        (not 0 < frames.judged <= frames.sampled or few, f"{frames.judged} frames judged of {frames.sampled}"),
        # What was never delivered is not among the samples; both are rounded.
        (lost > MAX_UNREADABLE * (frames.sampled + lost) + 1, f"{lost} frames of {frames.sampled} unreadable"),
        (
            len(frames.skipped) > frames.skipped_count,
            f"{len(frames.skipped)} files of {frames.skipped_count}",
        ),
        (not (0 < threshold < 1 and 0 < alpha < 1), f"a threshold of {threshold:g} and an alpha of {alpha:g}"),
        (not known, f"a drift score of {drift} and a threshold of {threshold:g}, as none of its gates"),
    )
    if verdict.status is Status.ERROR:
        return ""
    return next((f"has {found}" for wrong, found in impossible if wrong), "")


def _of(verdict: Verdict) -> Status | None:
    """What the gates of a verdict come to: FAIL before ERROR before PASS; None where none judged."""
    found = {gate.status for gate in verdict.gates.values()}
    return next((status for status in (Status.FAIL, Status.ERROR, Status.PASS) if status in found), None)


def verdict_of(content: object, numbers: Numbers) -> Verdict:
    """What a verdict says, of what JSON has; each part valid by its type.

    Raises:
        DocumentError: Where it first departs, what was found there and what was expected.
    """
    status = content.get("status") if isinstance(content, dict) else None
    if isinstance(status, str) and status not in tuple(EXIT_CODES):
        raise DocumentError(f"has {status!r} at status; expected {', '.join(EXIT_CODES)}")
    document = typed(content, Document)
    judged = document.status != Status.ERROR
    if judged and not document.gates:
        raise DocumentError("has {} at gates; expected one gate or more")
    if (document.status == Status.FAIL) != bool(document.causes):
        named = ", ".join(cause.kind for cause in document.causes) or "none"
        raise DocumentError(
            f"has {named} at causes; expected {0 if document.causes else 'some'} entries of a {document.status}"
        )
    for name, facts, kind in (("baseline", document.baseline, BaselineFacts), ("model", document.model, ModelFacts)):
        typed({name: facts}, make_dataclass(name, [(name, kind)]), exact=False)
        missing = [field for field in kind.__slots__ if field not in facts and field not in LATER]
        if judged and missing:
            raise DocumentError(f"has no {name}.{missing[0]}")
    return Verdict(
        status=Status(document.status),
        message=document.message,
        drift_score=document.drift_score,
        threshold=document.threshold,
        alpha=document.alpha,
        incoming=document.incoming,
        frames=document.frames,
        gates={name: _gate(name, facts, numbers) for name, facts in document.gates.items()},
        causes=document.causes,
        baseline=document.baseline,
        model=document.model,
        started_at=document.started_at,
        duration_s=document.duration_s,
    )


def _gate(name: str, facts: Any, numbers: Numbers) -> GateResult:
    if name not in numbers:
        raise DocumentError(f"has gates.{name}; expected gates {', '.join(numbers)}")
    absent = dict.fromkeys(numbers[name].keys() - set(NUMBERS))  # a gate that did not judge may tell none of its own
    facts = {**absent, **facts} if isinstance(facts, dict) else facts
    own = make_dataclass("gates", [(name, gate_type(name, numbers))])
    found = getattr(typed({"gates": {name: facts}}, make_dataclass("one", [("gates", own)])).gates, name)
    held = {key: getattr(found, key) for key in (*NUMBERS, *numbers[name]) if key != "reference"}
    return GateResult(
        status=found.status,
        score=found.score,
        threshold=found.threshold,
        reason=found.reason,
        numbers={key: value for key, value in held.items() if value is not None},
        reference=found.reference,
    )
