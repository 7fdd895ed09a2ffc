"""One check, from footage to verdict: the walk through the rooms, in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sentinel_edge import assets
from sentinel_edge.baseline.baseline import Baseline, load_baseline
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, Skipped, find_footage
from sentinel_edge.footage.window import Window, read_window, require_readable
from sentinel_edge.gates.embedding.calibration import ALPHA, THRESHOLD
from sentinel_edge.gates.judge import EMBEDDING, GATES, PERFORMANCE, judge
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.verdict.evidence_frames import EvidenceFrames, remove_evidence
from sentinel_edge.verdict.verdict import (
    MAX_LISTED,
    FrameCount,
    Verdict,
    VerdictFiles,
    error_verdict,
)


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
        interpolator: The model whose performance is watched; none leaves the gate `performance` out, unless it is the
            only one.
        threads: Inference workers; None for one a core.
        evidence: Of a FAIL, how many of the frames most unlike the baseline to write as pictures; at most
            `judge.MAX_FURTHEST`.
    """

    incoming: Path
    baseline: Path
    model: Path | None
    output: Path
    threshold: float = THRESHOLD
    alpha: float = ALPHA
    fps: float | None = None
    gates: tuple[str, ...] = GATES
    interpolator: Path | Watched = Watched.CHAMPION
    threads: int | None = None
    evidence: int = 0


def check(
    options: CheckOptions,
    *,
    progress: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Judge footage against a baseline and write the verdict.

    ERROR is put in place before anything else, so that whatever happens later, an older PASS is gone, and with it an
    older check's evidence. New evidence comes after the verdict, which stands whatever becomes of it.

    Args:
        options: What to check.
        progress: Called with the number of frames embedded so far.
        warn: Called with one line where evidence that was asked for is missing.

    Returns:
        The verdict, as written. What could not be judged is a verdict too (`Status.ERROR`), not an exception.

    Raises:
        SentinelError: The output folder cannot be written, or an older check's evidence not removed.
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
    remove_evidence(options.output)
    evidence = None
    try:
        verdict, evidence = _judge(options, known, started_at, progress)
    except SentinelError as error:
        verdict = error_verdict(str(error), started_at, **known)
    verdict = replace(verdict, duration_s=round(time.monotonic() - start, 3))
    files.write(verdict)
    if evidence and evidence.origins:
        try:
            evidence.write(options.output)
        except SentinelError as error:
            warn(str(error))
    return verdict


def _judge(
    options: CheckOptions, known: dict[str, Any], started_at: str, progress: Callable[[int], None]
) -> tuple[Verdict, EvidenceFrames]:
    footage = find_footage(options.incoming)
    baseline = load_baseline(options.baseline)
    known["baseline"] = _describe_baseline(options.baseline, baseline)
    # Looked for only now that ERROR is in place: no model, or two to choose from, must not leave yesterday's PASS.
    model = options.model or assets.default_model()
    embedder = Embedder(model, options.threads)
    known["model"] = {"path": str(model), "name": embedder.card.name, "sha256": embedder.card.sha256}
    baseline.require_compatible(embedder, options.fps)
    gates = options.gates
    if options.interpolator is Watched.NONE:
        gates = tuple(gate for gate in gates if gate != PERFORMANCE) or gates
    interpolator = _interpolator(options.interpolator, footage, baseline) if PERFORMANCE in gates else None
    watched = interpolator.card.sha256 if interpolator else ""
    window = read_window(
        footage.clips,
        embedder,
        baseline.fps,
        mask=baseline.mask,
        # One that the baseline does not know cannot be judged by it.
        interpolator=interpolator if baseline.performance and watched in baseline.performance.interpolators else None,
        progress=progress,
    )
    window = replace(window, interpolator=watched)
    known["frames"] = _count(window, footage.ignored)
    require_readable([window], "the window")
    judgement = judge(window, baseline, gates=gates, threshold=options.threshold, alpha=options.alpha)
    known["frames"] = replace(known["frames"], most_drifted=judgement.most_drifted)
    embedding = judgement.gates.get(EMBEDDING)
    verdict = Verdict(
        status=judgement.status,
        message="; ".join(f"{name} gate: {gate.reason}" for name, gate in judgement.gates.items()),
        drift_score=embedding.score if embedding else None,
        gates=judgement.gates,
        causes=judgement.causes,
        started_at=started_at,
        duration_s=0.0,
        **known,
    )
    return verdict, EvidenceFrames(footage.clips, baseline.fps, baseline.mask, judgement.furthest[: options.evidence])


def _interpolator(chosen: Path | Watched, footage: Footage, baseline: Baseline) -> Interpolator | None:
    """What is watched; nothing is loaded where there is nothing to interpolate or to compare it with."""
    if baseline.performance is None or not any(clip.is_video for clip in footage.clips):
        return None
    return watched_interpolator(chosen)


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
