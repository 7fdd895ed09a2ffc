"""Verdicts as a check writes them, made without running one."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentinel_edge.causes import Cause
from sentinel_edge.gates.embedding.gate import DimensionSummary, NormalComparison
from sentinel_edge.verdict.verdict import CauseFound, FrameCount, GateResult, Status, Verdict, error_verdict

STARTED = "2026-11-20T04:23:00Z"
BASELINE = {
    "path": "cam1.npz",
    "sha256": "ab" * 32,
    "source": "past.mp4",
    "created_at": "2026-01-01T00:00:00Z",
    "episodes": 12,
    "fps": 5.0,
}
MODEL = {"path": "mobilenetv2.onnx", "name": "mobilenetv2", "sha256": "cd" * 32}


def made(status: Status, causes: Sequence[Cause] = (Cause.FOG,), *, names: Sequence[str] = ("a.jpg",)) -> Verdict:
    """A verdict of this status; of a FAIL with these causes and these frames to look at."""
    if status is Status.ERROR:
        return error_verdict("too few frames: 3 readable", STARTED, baseline=BASELINE, model=MODEL)
    failed = status is Status.FAIL
    gates = {
        "embedding": GateResult(
            Status.PASS,
            0.12,
            0.3,
            "12% of 1280 dimensions drifted",
            numbers={
                "dimensions": DimensionSummary(1280, 154, 0.4, 0.1, 0.2, (3, 1)),
                "normal": NormalComparison(7, 0.1, 0.2, 3),
            },
            reference=("past 1/12",),
        ),
        "quality": GateResult(
            status,
            4.5 if failed else 0.5,
            1.0,
            "contrast 4.5 times",
            numbers={"deviations": {"contrast": -4.5}},
            reference=("past 1/12",),
        ),
    }
    return Verdict(
        status=status,
        message="what the gates said",
        drift_score=0.12,
        threshold=0.3,
        alpha=0.05,
        incoming="today",
        frames=FrameCount(150, 150, 1, 0, most_drifted=tuple(names) if failed else ()),
        gates=gates,
        causes=tuple(CauseFound(cause, f"evidence of {cause}") for cause in causes) if failed else (),
        baseline=BASELINE,
        model=MODEL,
        started_at=STARTED,
        duration_s=1.5,
    )


def verdict_document(status: Status) -> dict[str, Any]:
    """The same as the JSON of `verdict.json`."""
    document: dict[str, Any] = json.loads(made(status).to_json())
    return document


def write_verdict(path: Path, verdict: Verdict) -> Path:
    """Write it as a check does; gives the path back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(verdict.to_json() + "\n")
    return path
