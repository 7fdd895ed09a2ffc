"""Peak resident memory of a check by all gates, short and long."""

import json
import os
import statistics
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np

from sentinel_edge import gates
from sentinel_edge.baseline.file import save_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.footage.clips import find_clips, find_footage
from sentinel_edge.gates.protocol import Models
from sentinel_edge.promotion.watched import Watched, watched_interpolator

from .footage import Frame, chosen_footage, embedder, frames_of, write_video
from .tables import Finding, Result
from .timing import ChildRun, Spread, run_python

FPS = 10.0
LIMIT_MB = 300
SHORT, LONG = 200, 20_000
WORKERS = 4
BASELINE_CLIPS, BASELINE_CLIP_FRAMES = 5, 1020
TURNS = 3


def measure() -> Result:
    """A child process `python -m sentinel_edge check`, its largest resident memory as the kernel counts it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        baseline = _long_baseline(folder)
        short = _repeat(folder / "short.mp4", SHORT)
        large = _repeat(folder / "large.mp4", SHORT, (1920, 1080))
        long = _repeat(folder / "long.mp4", LONG)
        cases: dict[str, list[str]] = {
            f"{SHORT} frames": ["--incoming", str(short)],
            f"{SHORT} frames of 1920x1080": ["--incoming", str(large)],
            f"{SHORT} frames, {WORKERS} workers": ["--incoming", str(short), "--threads", str(WORKERS)],
            f"{LONG} frames": ["--incoming", str(long)],
        }
        runs: dict[str, list[ChildRun]] = {name: [] for name in cases}
        nothing: list[ChildRun] = []
        for turn in range(TURNS):
            nothing.append(run_python(["-c", "import cv2, numpy, onnxruntime, scipy.special"]))
            for name, options in cases.items():
                if turn == 0 or str(long) not in options:  # that once: it takes as long as all the others
                    runs[name].append(_check([*options, "--baseline", str(baseline)], folder))
    peaks = {name: Spread(tuple(run.peak_mb for run in done)) for name, done in runs.items()}
    libraries = statistics.median(run.peak_mb for run in nothing)
    rows = [
        (
            name,
            peaks[name].shown(digits=0, unit=" MB"),
            f"{peaks[name].median / libraries:.2f}",
            f"{peaks[name].median / peaks[f'{SHORT} frames'].median:.2f}",
        )
        for name in cases
    ]
    return Result(
        "memory",
        "Peak memory of a check by all gates",
        "Largest resident memory of the child process `python -m sentinel_edge check`, in 10^6 bytes, "
        f"which judges by all gates ({', '.join(gates.names())}). The videos "
        f"repeat {chosen_footage().name} at its size, written as MPEG-4 at {FPS:g} frames a second; the check samples "
        f"every frame, with one worker a core ({len(os.sched_getaffinity(0))} here) where not said otherwise. A window "
        "of more than 2000 samples is thinned by the check itself. The baseline was built, at the same rate, from "
        f"{BASELINE_CLIPS} clips of {BASELINE_CLIP_FRAMES} frames made alike, so that it can judge a window of "
        f"{LONG}. Importing numpy, cv2, onnxruntime and scipy.special alone takes {libraries:.0f} MB.",
        ("window", "peak", "in times the libraries alone", f"in times {SHORT} frames"),
        rows,
        {"libraries_mb": libraries, "peak_mb": {name: spread.values for name, spread in peaks.items()}},
        [
            Finding(
                f"memory: peak of a check, {name}",
                peaks[name].shown(digits=0, unit=" MB"),
                max(peaks[name].values),
                LIMIT_MB if name in (f"{SHORT} frames", f"{LONG} frames") else None,
                unit=" MB",
            )
            for name in cases
        ],
    )


def _long_baseline(folder: Path) -> Path:
    """A baseline that can judge a window of `LONG` samples (at most four times its own length)."""
    source = folder / "past"
    source.mkdir()
    for number in range(BASELINE_CLIPS):
        _repeat(source / f"{number}.mp4", BASELINE_CLIP_FRAMES, skip=100 * number)
    models = Models(embedder(), lambda: watched_interpolator(Watched.CHAMPION))
    baseline, _ = build_baseline(find_footage(source), models, fps=FPS)
    path = folder / "baseline.npz"
    save_baseline(baseline, path)
    return path


def _repeat(path: Path, count: int, size: tuple[int, int] | None = None, skip: int = 0) -> Path:
    frames = islice(_endless(), skip, skip + count)
    write_video(path, (np.asarray(cv2.resize(frame, size), np.uint8) for frame in frames) if size else frames, FPS)
    return path


def _endless() -> Iterator[Frame]:
    clips = find_clips(chosen_footage())
    size = next(frames_of(clips[0].path)).shape
    for clip in cycle(clips):
        yield from (frame for frame in frames_of(clip.path) if frame.shape == size)


def _check(options: list[str], folder: Path) -> ChildRun:
    run = run_python(["-m", "sentinel_edge", "check", *options, "--output", str(folder / "status")])
    if run.exit_code not in (0, 3):
        raise RuntimeError(f"`check {' '.join(options)}` gave no verdict: {run.output}")
    silent = [name for name in gates.names() if json.loads(run.output)["gates"][name]["score"] is None]
    if silent:
        raise RuntimeError(f"`check {' '.join(options)}` did not judge by {', '.join(silent)}: {run.output}")
    return run
