"""One check, from footage to verdict: the walk through the rooms, in order."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sentinel_edge import assets, gates
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, find_footage
from sentinel_edge.footage.window import Recorder, Window, read_window, require_readable
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import Models
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.storage.claim import TakenError, only_writer
from sentinel_edge.verdict.evidence_frames import EvidenceFrames, remove_evidence
from sentinel_edge.verdict.unfinished import UNFINISHED
from sentinel_edge.verdict.verdict import (
    MAX_LISTED,
    SAMPLE_USED,
    CauseFound,
    FrameCount,
    Status,
    Verdict,
    VerdictFiles,
    error_verdict,
)

DAMAGED_SHARE = 0.05
"""Share of damaged samples from which a failure is put down to them: learned it would be what a decoder makes up."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """What to check, against what, and where to say so.

    Attributes:
        incoming: An image folder, a video, or a folder of either; or what gives footage at hand, or a window that was
            recorded elsewhere.
        baseline: The golden baseline, or its file; None for the one that comes with the package, the sample camera's.
        model: The embedder's ONNX file, its card beside it; None for the one that comes with the package.
        output: Folder for `status` and `verdict.json`; None writes nothing.
        threshold: A drift score above it is FAIL.
        alpha: Significance level per dimension.
        fps: Samples a second of video; None takes the baseline's rate, any other is refused.
        gates: Names of the gates that decide; None for all.
        interpolator: The model whose performance is watched; none leaves out the gates that watch one, unless there are
            no others.
        threads: Inference workers; None for one a core.
        evidence: Of a FAIL, how many of the frames most unlike the baseline to write as pictures; at most
            `gates.MAX_FURTHEST`.
    """

    incoming: Path | Callable[[], Footage | Window]
    baseline: Path | Baseline | None
    model: Path | None = None
    output: Path | None = None
    threshold: float = gates.SETTINGS["threshold"]
    alpha: float = gates.SETTINGS["alpha"]
    fps: float | None = None
    gates: tuple[str, ...] | None = None
    interpolator: Path | Watched = Watched.CHAMPION
    threads: int | None = None
    evidence: int = 0


def check(
    options: CheckOptions,
    *,
    progress: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Judge footage against a baseline and, where there is a folder for it, write the verdict.

    ERROR is put in place before anything else, so that whatever happens later, an older PASS is gone, and with it an
    older check's evidence. New evidence comes after the verdict, which stands whatever becomes of it. The folder is
    locked meanwhile: of two checks into one the second ends in ERROR and leaves the folder to the first.

    Args:
        options: What to check.
        progress: Called with the number of frames recorded so far.
        warn: Called with one line where evidence that was asked for is missing.

    Returns:
        The verdict, as written. What could not be judged is a verdict too (`Status.ERROR`), not an exception.

    Raises:
        SentinelError: The output folder cannot be written, or an older check's evidence not removed.
    """
    started_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    known: dict[str, Any] = {
        "threshold": options.threshold,
        "alpha": options.alpha,
        "incoming": _named(options.incoming),
        "baseline": {"path": _named(options.baseline or assets.default_baseline())},
        "model": {"path": str(options.model or "")},
    }
    try:
        with only_writer(options.output):
            return _told(options, known, started_at, progress, warn)
    except TakenError as taken:
        return error_verdict(str(taken), started_at, **known)


def _told(
    options: CheckOptions,
    known: dict[str, Any],
    started_at: str,
    progress: Callable[[int], None],
    warn: Callable[[str], None],
) -> Verdict:
    """Judge, and write what comes of it into a folder that is ours alone."""
    start = time.monotonic()
    files = None if options.output is None else VerdictFiles(options.output)
    if files:
        files.write(error_verdict(UNFINISHED, started_at, **known))
        remove_evidence(files.folder)
    evidence = None
    try:
        verdict, evidence = _judge(options, known, started_at, progress)
    except SentinelError as error:
        verdict = error_verdict(str(error), started_at, **known)
    verdict = replace(verdict, duration_s=round(time.monotonic() - start, 3))
    if files:
        files.write(verdict)
    if files and evidence and evidence.origins:
        try:
            evidence.write(files.folder)
        except SentinelError as error:
            warn(str(error))
    return verdict


def _named(given: object) -> str:
    """What was given, for people: a path where it is one."""
    return str(given) if isinstance(given, Path) else ""


def _judge(
    options: CheckOptions, known: dict[str, Any], started_at: str, progress: Callable[[int], None]
) -> tuple[Verdict, EvidenceFrames]:
    incoming = find_footage(options.incoming) if isinstance(options.incoming, Path) else options.incoming()
    given = options.baseline or assets.default_baseline()
    baseline = load_baseline(given) if isinstance(given, Path) else given
    sample = options.baseline is None and baseline.source == assets.SAMPLE
    known["baseline"] = _describe_baseline(known["baseline"]["path"], baseline, sample=sample)
    asked = _asked(options)
    if isinstance(incoming, Footage):
        clips = incoming.clips
        window = _with_unknown(_read(incoming, options, baseline, known, asked=asked, progress=progress), incoming)
    else:
        clips, window = (), incoming
        baseline.require_dimensions(window.records[gates.DRIFT].shape[1])
        known["model"] = {"path": "", "name": baseline.model, "sha256": baseline.model_sha256}
    known["frames"] = _count(window)
    require_readable([window], "the window")
    settings = {"threshold": options.threshold, "alpha": options.alpha}
    judgement = judge(window, baseline, gates=asked, settings=settings)
    causes = judgement.causes
    damaged = window.damaged / max(1.0, window.expected)
    if judgement.status is Status.FAIL and damaged >= DAMAGED_SHARE:
        told = f"{damaged:.0%} of the samples were made up, in part, for what was lost of the stream"
        causes = (CauseFound(Cause.CORRUPTED, told), *(one for one in causes if one.kind is not Cause.CORRUPTED))
    elif judgement.status is not Status.FAIL:
        require_readable([replace(window, unreadable=window.unreadable + window.damaged)], "the window")
    known["frames"] = replace(known["frames"], most_drifted=judgement.most_drifted)
    drift = judgement.gates.get(gates.DRIFT)
    verdict = Verdict(
        status=judgement.status,
        message="; ".join(
            [
                *([SAMPLE_USED] if sample else []),
                *(f"{name} gate: {one.reason}" for name, one in judgement.gates.items()),
            ]
        ),
        drift_score=drift.score if drift else None,
        gates=judgement.gates,
        causes=causes,
        started_at=started_at,
        duration_s=0.0,
        **known,
    )
    return verdict, EvidenceFrames(clips, baseline.fps, baseline.mask, judgement.furthest[: options.evidence])


def _read(
    footage: Footage,
    options: CheckOptions,
    baseline: Baseline,
    known: dict[str, Any],
    *,
    asked: Collection[str],
    progress: Callable[[int], None],
) -> Window:
    # Looked for only now that ERROR is in place: no model, or two to choose from, must not leave yesterday's PASS.
    model = options.model or assets.default_model()
    embedder = Embedder(model, options.threads)
    known["model"] = {"path": str(model), "name": embedder.card.name, "sha256": embedder.card.sha256}
    baseline.require_compatible(embedder, options.fps)
    models = Models(embedder, lambda: watched_interpolator(options.interpolator) if footage.has_video else None)
    recorders = _recorders(models, baseline, asked)
    return read_window(footage.clips, recorders, baseline.fps, mask=baseline.mask, with_damaged=True, progress=progress)


def _asked(options: CheckOptions) -> tuple[str, ...]:
    """Names of the gates that decide, in the order of their table."""
    asked = [gate for gate in gates.GATES if options.gates is None or gate.name in options.gates]
    if options.interpolator is Watched.NONE:
        asked = [gate for gate in asked if not gate.watches_model] or asked
    return tuple(gate.name for gate in asked)


def _recorders(models: Models, baseline: Baseline, asked: Collection[str]) -> list[Recorder]:
    """Of every gate that the baseline knows, asked or not: it may explain what another finds.

    One that takes a model of its own only records when it is asked.
    """
    found = [
        gate.recorder(models, baseline.normal[gate.name])
        for gate in gates.GATES
        if gate.name in baseline.normal and (gate.name in asked or not gate.watches_model)
    ]
    return [recorder for recorder in found if recorder is not None]


def _with_unknown(window: Window, footage: Footage) -> Window:
    """A window with the files that are of no kind that is read: by their size they count as unreadable."""
    expected = window.expected / (1.0 - footage.unknown_share)
    return replace(
        window,
        unreadable=window.unreadable + expected - window.expected,
        expected=expected,
        skipped=(*window.skipped, *footage.ignored),
    )


def _count(window: Window) -> FrameCount:
    return FrameCount(
        judged=len(window),
        sampled=window.samples,
        stride=window.stride,
        unreadable=round(window.unreadable),
        skipped=window.skipped[:MAX_LISTED],
        skipped_count=len(window.skipped),
    )


def _describe_baseline(path: str, baseline: Baseline, *, sample: bool) -> dict[str, Any]:
    return {
        "path": path,
        "camera": baseline.camera,
        "sample": sample,
        "sha256": baseline.fingerprint,
        "source": baseline.source,
        "created_at": baseline.created_at,
        "episodes": len(baseline.episodes),
        "fps": baseline.fps,
    }
