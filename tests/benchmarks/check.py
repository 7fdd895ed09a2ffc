"""A whole check, decode included, against bare inference on the same frames in memory."""

import tempfile
from pathlib import Path

from sentinel_edge import assets
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.footage.clips import find_clips, find_footage
from sentinel_edge.footage.samples import DEFAULT_FPS, SampleReader
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.networks.embedder import BATCH_SIZE, Embedder
from sentinel_edge.verdict.verdict import Status

from .footage import BareInference, chosen_footage, embedder, fitted_frames, native_fps
from .tables import Finding, Result
from .timing import Spread, side_by_side

TURNS = 7
LIMIT = 1.3


def measure() -> Result:
    """Every native frame embedded, then the default rate."""
    footage = chosen_footage()
    rates = {"every frame": native_fps(footage), "default rate": DEFAULT_FPS}
    rows: list[tuple[str, ...]] = []
    findings: list[Finding] = []
    values: dict[str, object] = {"footage": footage.name}
    for name, fps in rates.items():
        frames, seconds, processor = _compare(footage, fps)
        ratio = seconds["check"].over(seconds["bare"])
        running = seconds["check"].less(seconds["start"]).over(seconds["bare"])
        work = processor["check"].over(processor["bare"])
        fastest = min(seconds["check"].values) / min(seconds["bare"].values)
        start = seconds["start"].over(seconds["bare"])
        decode = seconds["decode"].over(seconds["bare"])
        rows.append(
            (
                f"{name} ({fps:g} a second)",
                str(frames),
                seconds["bare"].shown(1e3 / frames, 1, " ms"),
                ratio.shown(),
                f"{fastest:.2f}",
                work.shown(),
                running.shown(),
                start.shown(digits=3),
                decode.shown(),
            )
        )
        values[name] = {"frames": frames, "seconds": _plain(seconds), "processor_s": _plain(processor)}
        target = LIMIT if name == "every frame" else None
        findings.append(Finding(f"check, {name}: times bare inference", ratio.shown(), ratio.median, target))
        findings.append(Finding(f"check, {name}: the same in processor time", work.shown(), work.median))
        findings.append(Finding(f"check, {name}: the same without the start", running.shown(), running.median))
    return Result(
        "check",
        f"Whole check of {footage.name}, embedding and quality gates, against bare inference",
        "Bare is `InferenceSession.run` on the fitted frames in memory: one single-threaded session shared by "
        f"one worker a core, {BATCH_SIZE} frames a call, as the runtime runs it. The check is `monitor.check`: footage "
        "found, baseline and model loaded, frames decoded, fitted, embedded and judged, verdict written. Start is what "
        "it does once whatever the length: finding the footage, loading baseline and model. Decode is decoding and "
        "fitting alone, in one thread; in a check it overlaps with inference. The baseline was built before. "
        "Processor time is that of all threads, which other programs on the machine hardly touch.",
        (
            "frames sampled",
            "frames",
            "bare, a frame",
            "whole check, in times bare",
            "fastest over fastest",
            "in processor time",
            "without start",
            "start",
            "decode and fit alone",
        ),
        rows,
        values,
        findings,
    )


def _compare(footage: Path, fps: float) -> tuple[int, dict[str, Spread], dict[str, Spread]]:
    clips, model = find_clips(footage), assets.default_model()
    fitted = fitted_frames(footage, fps)
    bare = BareInference(fitted)
    with tempfile.TemporaryDirectory() as folder:
        baseline_path = Path(folder) / "baseline.npz"
        baseline, _ = build_baseline(find_footage(footage), Models(embedder()), fps=fps)
        save_baseline(baseline, baseline_path)
        options = CheckOptions(footage, baseline_path, model, Path(folder) / "status")

        def checked() -> None:
            verdict = check(options)
            if verdict.status is Status.ERROR or verdict.frames.judged != len(fitted):
                raise RuntimeError(f"expected {len(fitted)} frames judged, found {verdict.to_json()}")

        def started() -> None:
            find_footage(footage)
            load_baseline(baseline_path)
            Embedder(model)

        def decoded() -> None:
            for sample in SampleReader(clips, fps):
                embedder().fit(sample.frame)

        jobs = {"bare": bare.run, "check": checked, "start": started, "decode": decoded}
        return len(fitted), *side_by_side(jobs, TURNS)


def _plain(seconds: dict[str, Spread]) -> dict[str, tuple[float, ...]]:
    return {name: spread.values for name, spread in seconds.items()}
