"""One check, from footage to verdict: the walk through the rooms, in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sentinel_edge import assets
from sentinel_edge.baseline import Baseline, load_baseline
from sentinel_edge.calibration import ALPHA, THRESHOLD
from sentinel_edge.embedder import Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.judge import EMBEDDING, GATES, judge
from sentinel_edge.sources import Skipped, find_footage
from sentinel_edge.verdict import (
    MAX_LISTED,
    FrameCount,
    Verdict,
    VerdictFiles,
    error_verdict,
)
from sentinel_edge.window import Window, read_window, require_readable


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What to check, against what, and where to say so.

    Attributes:
        incoming: An image folder, a video, or a folder of either.
        baseline: The golden baseline.
        model: The embedder's ONNX file, its card beside it; None for the one that comes with the package.
        output: Folder for `status` and `verdict.json`.
        threshold: A drift score above it is FAIL.
        alpha: Significance level per dimension.
        fps: Samples a second of video; None takes the baseline's rate, any other is refused.
        gates: The gates that decide.
        threads: Inference workers; None for one a core.
    """

    incoming: Path
    baseline: Path
    model: Path | None
    output: Path
    threshold: float = THRESHOLD
    alpha: float = ALPHA
    fps: float | None = None
    gates: tuple[str, ...] = GATES
    threads: int | None = None


def check(options: CheckOptions, *, progress: Callable[[int], None] = lambda _: None) -> Verdict:
    """Judge footage against a baseline and write the verdict.

    ERROR is put in place before anything else, so that whatever happens later, an older PASS is gone.

    Returns:
        The verdict, as written. What could not be judged is a verdict too (`Status.ERROR`), not an exception.

    Raises:
        SentinelError: The output folder cannot be written.
    """
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    start = time.monotonic()
    files = VerdictFiles(options.output)
    known: dict[str, Any] = {
        "threshold": options.threshold,
        "alpha": options.alpha,
        "incoming": str(options.incoming),
        "baseline": {"path": str(options.baseline)},
        "model": {"path": str(options.model or "")},
    }
    files.write(error_verdict("the check did not finish", started_at, **known))
    try:
        verdict = _judge(options, known, started_at, progress)
    except SentinelError as error:
        verdict = error_verdict(str(error), started_at, **known)
    verdict = replace(verdict, duration_s=round(time.monotonic() - start, 3))
    files.write(verdict)
    return verdict


def _judge(options: CheckOptions, known: dict[str, Any], started_at: str, progress: Callable[[int], None]) -> Verdict:
    footage = find_footage(options.incoming)
    baseline = load_baseline(options.baseline)
    known["baseline"] = _describe_baseline(options.baseline, baseline)
    # Looked for only now that ERROR is in place: no model, or two to choose from, must not leave yesterday's PASS.
    model = options.model or assets.default_model()
    embedder = Embedder(model, options.threads)
    known["model"] = {"path": str(model), "name": embedder.card.name, "sha256": embedder.card.sha256}
    baseline.require_compatible(embedder, options.fps)
    window = read_window(footage.clips, embedder, baseline.fps, mask=baseline.mask, progress=progress)
    known["frames"] = _count(window, footage.ignored)
    require_readable([window], "the window")
    judgement = judge(window, baseline, gates=options.gates, threshold=options.threshold, alpha=options.alpha)
    known["frames"] = replace(known["frames"], most_drifted=judgement.most_drifted)
    embedding = judgement.gates.get(EMBEDDING)
    return Verdict(
        status=judgement.status,
        message="; ".join(f"{name} gate: {gate.reason}" for name, gate in judgement.gates.items()),
        drift_score=embedding.score if embedding else None,
        gates=judgement.gates,
        causes=judgement.causes,
        started_at=started_at,
        duration_s=0.0,
        **known,
    )


def _count(window: Window, ignored: tuple[Skipped, ...]) -> FrameCount:
    skipped = [*window.skipped, *ignored]
    return FrameCount(
        judged=len(window.embeddings),
        sampled=window.samples,
        stride=window.stride,
        unreadable=round(window.unreadable),
        skipped=tuple(skipped[:MAX_LISTED]),
        skipped_count=len(skipped),
    )


def _describe_baseline(path: Path, baseline: Baseline) -> dict[str, Any]:
    return {
        "path": str(path),
        "sha256": baseline.fingerprint,
        "source": baseline.source,
        "created_at": baseline.created_at,
        "episodes": len(baseline.episodes),
        "fps": baseline.fps,
    }
