"""A baseline's size, and how much of the time it takes to build goes into anything but the embedder."""

import tempfile
import threading
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import assets
from sentinel_edge.baseline.baseline import MAX_ANCHORS, Baseline
from sentinel_edge.baseline.file import save_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.footage.clips import Footage, find_footage
from sentinel_edge.footage.mask import MAX_COLUMNS, MAX_ROWS, Mask
from sentinel_edge.gates.embedding import gate
from sentinel_edge.gates.embedding.calibration import SKETCH_POINTS, Calibration, calibrate
from sentinel_edge.gates.protocol import Anchors, Models
from sentinel_edge.gates.quality.learning import learn_quality
from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals
from sentinel_edge.networks.embedder import Embedder
from tests.material.windows import baseline_of, with_known

from .footage import (
    EPISODE_FRAMES,
    EPISODES,
    VIEWS_NOTE,
    BareInference,
    embedder,
    fitted_frames,
    past_frames,
    write_video,
)
from .tables import Finding, Result
from .timing import Spread, side_by_side

FPS = 10.0
TURNS = 5
LIMIT_BYTES = 2_000_000
LIMIT_SHARE = 10.0


class _TimedEmbedder(Embedder):
    """The embedder of a build, with a clock on its calls."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self._lock = threading.Lock()
        self._running = 0
        self._since = 0.0
        self.busy_s = 0.0
        self.calls_s = 0.0
        self.processor_s = 0.0

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed a batch; time in which calls overlap counts once in `busy_s`, for each call in the others."""
        start, work = time.perf_counter(), time.thread_time()
        with self._lock:
            if self._running == 0:
                self._since = start
            self._running += 1
        try:
            return super().embed(frames)
        finally:
            end = time.perf_counter()
            with self._lock:
                self._running -= 1
                self.calls_s += end - start
                self.processor_s += time.thread_time() - work
                if self._running == 0:
                    self.busy_s += end - self._since


def measure() -> Result:
    """2000 frames in 20 clips to a baseline, beside bare inference on the same frames in memory."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        footage = _clips(folder / "past")
        fitted = fitted_frames(footage.root, FPS)
        built, saved = folder / "built.npz", folder / "noise.npz"
        outside: list[float] = []
        waiting: list[float] = []
        working: list[float] = []
        calibrating: list[float] = []

        calibration_s: list[float] = []

        def calibrate_timed(*episodes: Any) -> Calibration:
            start = time.perf_counter()
            calibration = calibrate(*episodes)
            calibration_s.append(time.perf_counter() - start)
            return calibration

        def build() -> None:
            timed = _TimedEmbedder(assets.default_model())
            start, work = time.perf_counter(), time.process_time()
            with mock.patch.object(gate, "calibrate", calibrate_timed):
                baseline, _ = build_baseline(footage, Models(timed), fps=FPS)
                save_baseline(baseline, built)
            wall, work = time.perf_counter() - start, time.process_time() - work
            found = list(baseline.episodes.frames)
            if found != [EPISODE_FRAMES] * EPISODES:
                raise RuntimeError(f"expected {EPISODES} episodes of {EPISODE_FRAMES} frames, found {found}")
            outside.append(1.0 - timed.busy_s / wall)
            waiting.append(1.0 - timed.calls_s / (timed.threads * wall))
            working.append(1.0 - timed.processor_s / work)
            calibrating.append(calibration_s.pop() / wall)

        seconds, _ = side_by_side({"bare": BareInference(fitted).run, "build": build}, TURNS)
        save_baseline(_incompressible(), saved)
        sizes = {"built": built.stat().st_size, "noise": saved.stat().st_size}
    # The first build is the untimed one.
    shares = {
        "outside": Spread(tuple(outside[1:])),
        "waiting": Spread(tuple(waiting[1:])),
        "calibrating": Spread(tuple(calibrating[1:])),
        "work": Spread(tuple(working[1:])),
        "over bare": seconds["build"].less(seconds["bare"]).over(seconds["build"]),
    }
    rows = [
        ("wall time in which no embed call ran, share of the build", shares["outside"].shown(100, 1, "%")),
        ("  of it calibration, share of the build", shares["calibrating"].shown(100, 1, "%")),
        ("worker time not in an embed call, share of workers x wall time", shares["waiting"].shown(100, 1, "%")),
        ("wall time beyond bare inference on the same frames in memory", shares["over bare"].shown(100, 1, "%")),
        (
            "processor time outside embed calls, decoding included, share of the build",
            shares["work"].shown(100, 1, "%"),
        ),
        ("build, in times bare inference", seconds["build"].over(seconds["bare"]).shown()),
        ("file, real embeddings", f"{sizes['built'] / 1e6:.2f} MB"),
        ("file, 20 episodes of noise that cannot be compressed", f"{sizes['noise'] / 1e6:.2f} MB"),
    ]
    return Result(
        "baseline_build",
        f"Baseline from {EPISODES * EPISODE_FRAMES} frames in {EPISODES} episodes",
        "Outside the embedder is the wall time of the build, from footage to saved file, in which not one embed call "
        "was running: calls are timed inside the build and the union of their intervals is taken. Decoding that "
        "overlaps with inference is therefore not counted there, although it takes a core from it; the line about "
        "bare inference and that about processor time count all of it, and that about worker time what the workers "
        "waited. On a busy machine the embedder is slowed more than the rest, and the wall-time shares flatter. Bare "
        f"inference and build run in turns. The footage is {EPISODES} videos of {EPISODE_FRAMES} frames. {VIEWS_NOTE}",
        ("what", "measured"),
        rows,
        {
            "seconds": {name: spread.values for name, spread in seconds.items()},
            "shares": {name: spread.values for name, spread in shares.items()},
            "bytes": sizes,
        },
        [
            Finding(
                "baseline: file size, incompressible",
                f"{sizes['noise'] / 1e6:.2f} MB",
                sizes["noise"] / 1e6,
                LIMIT_BYTES / 1e6,
                unit=" MB",
            ),
            Finding(
                "baseline: build time outside the embedder",
                shares["outside"].shown(100, 1, "%"),
                100 * shares["outside"].median,
                LIMIT_SHARE,
                unit="%",
            ),
            Finding(
                "baseline: build's processor time outside the embedder",
                shares["work"].shown(100, 1, "%"),
                100 * shares["work"].median,
            ),
            Finding(
                "baseline: build time beyond bare inference",
                shares["over bare"].shown(100, 1, "%"),
                100 * shares["over bare"].median,
            ),
        ],
    )


def _clips(folder: Path) -> Footage:
    folder.mkdir()
    frames = past_frames(EPISODES * EPISODE_FRAMES)
    for number in range(EPISODES):
        write_video(folder / f"{number:02}.mp4", islice(frames, EPISODE_FRAMES), FPS)
    return find_footage(folder)


def _incompressible() -> Baseline:
    """A baseline as large as they come: every finite half-precision number equally likely."""
    random = np.random.default_rng(0)
    dimensions = embedder().dimensions
    bits = random.integers(0, 0x7C00, (EPISODES, EPISODE_FRAMES, dimensions), np.uint16)
    bits |= random.integers(0, 2, bits.shape, np.uint16) << np.uint16(15)
    episodes = list(bits.view(np.float16))
    sketches = np.sort(bits.view(np.float16)[:, :SKETCH_POINTS], axis=1)
    lengths = [EPISODE_FRAMES] * EPISODES
    learned = learn_quality([_noise(random) for _ in episodes], lengths)
    baseline = baseline_of(
        episodes,
        learned,
        names=[random.bytes(20).hex() for _ in episodes],
        mask=Mask(random.integers(0, 2, (MAX_ROWS, MAX_COLUMNS)) > 0),
        fps=FPS,
    )
    full = with_known(baseline, sketches=sketches, calibration=calibrate(episodes, sketches, lengths))
    normal = {name: one for name, known in full.normal.items() if (one := known.anchored())}
    return replace(full, anchors=Anchors(tuple(range(MAX_ANCHORS)), normal, baseline.created_at))


def _noise(random: np.random.Generator) -> FrameSignals:
    """Signals that cannot be compressed, (`EPISODE_FRAMES`,)."""
    signals = np.zeros(EPISODE_FRAMES, FRAME_SIGNALS)
    for name in FRAME_SIGNALS.names or ():
        values, shape = signals[name], signals[name].shape
        values[:] = random.integers(0, 256, shape) if values.dtype == np.uint8 else random.uniform(0, 60, shape)
    return signals
