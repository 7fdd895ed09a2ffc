"""What judging costs after the last frame is embedded, beside embedding itself."""

import tempfile
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.quality.learning import learn_quality
from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals
from sentinel_edge.gates.signals import measure as measure_frame
from sentinel_edge.verdict.verdict import Status
from tests.material.windows import QUALITY, baseline_of, quality, window, with_known, with_records

from .footage import (
    EPISODE_FRAMES,
    EPISODES,
    INCOMING,
    BareInference,
    Frame,
    baseline_embeddings,
    fitted_frames,
    frames_of,
    large_frames,
    native_fps,
    past_frames,
    window_embeddings,
    write_video,
)
from .tables import Finding, Result
from .timing import Spread, side_by_side

TURNS = 7
LIMIT_SHARE = 5.0
LIMIT_FRAME_MS = 2.0
LARGE_FRAMES = 240
_JUDGING = ("judging", "judging and diagnosing, darkened")
_MEASURING = "measuring the picture's signals"
_ONE_FRAME = "measuring one frame's signals at 1280 x 720"


def measure() -> Result:
    """300 frames against 20 episodes, both gates, all dimensions."""
    baseline = _baseline()
    frames = list(frames_of(INCOMING))
    embeddings = window_embeddings().astype(np.float16)
    count, origins = len(frames), tuple(str(number) for number in range(len(frames)))
    as_it_came = window(embeddings, _signals(frames), origins=origins)
    dark = with_records(as_it_came, **{QUALITY: _signals([np.asarray(frame // 4, np.uint8) for frame in frames])})

    def judge_window(shown: Window, wanted: tuple[Status, ...]) -> None:
        # A check judges once: what a baseline remembers of an earlier comparison is forgotten.
        judgement = judge(shown, with_known(baseline, quality=replace(quality(baseline))))
        if judgement.status not in wanted:
            raise RuntimeError(f"expected {' or '.join(wanted)}, found {judgement}")

    seconds, processor = side_by_side(
        {
            "embedding": BareInference(fitted_frames(INCOMING, native_fps(INCOMING))).run,
            _JUDGING[0]: lambda: judge_window(as_it_came, (Status.PASS, Status.FAIL)),
            _JUDGING[1]: lambda: judge_window(dark, (Status.FAIL,)),
            _MEASURING: lambda: _signals(frames),
        },
        TURNS,
    )
    shares, work = (
        {name: spread.over(clock["embedding"]) for name, spread in clock.items()} for clock in (seconds, processor)
    )
    one_frame = _one_large_frame()
    slowest = max(_JUDGING, key=lambda name: shares[name].median)
    return Result(
        "judging",
        f"Judging {count} frames of {embeddings.shape[1]} dimensions",
        "`judge` by both gates against a baseline of 20 episodes of 100 frames, in turns with bare inference on the "
        f"same frames of {Path(INCOMING).name} in memory, which keeps every core busy; judging takes one. Of a failed "
        "window the causes are found as well. The signals that the quality gate judges by are measured frame by frame, "
        "by one core, while frames are embedded. For those of one large frame the sample's are laid side by side until "
        f"they fill it, written to a video and decoded again: the median of {len(one_frame.values)} calls.",
        ("what", "time", "share of embedding", "in processor time"),
        [
            (name, seconds[name].shown(1e3, 1, " ms"), shares[name].shown(100, 2, "%"), work[name].shown(100, 2, "%"))
            for name in seconds
        ]
        + [(_ONE_FRAME, one_frame.shown(1e3, 2, " ms"), "", "")],
        {
            "seconds": {name: spread.values for name, spread in seconds.items()},
            "processor_s": {name: spread.values for name, spread in processor.items()},
            "large_frame_s": one_frame.values,
        },
        [
            Finding(
                f"judging {count} frames: share of embedding them",
                shares[slowest].shown(100, 2, "%"),
                100 * shares[slowest].median,
                LIMIT_SHARE,
                unit="%",
            ),
            Finding(
                f"judging {count} frames: the same in processor time",
                work[slowest].shown(100, 2, "%"),
                100 * work[slowest].median,
            ),
            Finding(
                f"measuring the signals of {count} frames: share of embedding them, in processor time",
                work[_MEASURING].shown(100, 1, "%"),
                100 * work[_MEASURING].median,
            ),
            Finding(
                "measuring a frame's signals at 1280 x 720",
                one_frame.shown(1e3, 2, " ms"),
                1e3 * one_frame.median,
                LIMIT_FRAME_MS,
                unit=" ms",
            ),
        ],
    )


def _signals(frames: list[Frame]) -> FrameSignals:
    return np.array([measure_frame(frame, after) for frame, after in pairwise([*frames, frames[-1]])], FRAME_SIGNALS)


def _one_large_frame() -> Spread:
    """Seconds of each call, on frames as they come from the decoder: what the cache holds of them counts."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "large.mp4"
        write_video(video, large_frames(LARGE_FRAMES), native_fps(INCOMING))
        for frame, after in pairwise(frames_of(video)):
            start = time.perf_counter()
            measure_frame(frame, after)
            seconds.append(time.perf_counter() - start)
    return Spread(tuple(seconds))


def _baseline() -> Baseline:
    episodes = [episode.astype(np.float16) for episode in baseline_embeddings()]
    frames = list(past_frames(EPISODES * EPISODE_FRAMES))
    signals = [_signals(frames[start : start + EPISODE_FRAMES]) for start in range(0, len(frames), EPISODE_FRAMES)]
    return baseline_of(episodes, learn_quality(signals, [len(episode) for episode in episodes]))
