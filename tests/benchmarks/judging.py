"""What judging costs after the last frame is embedded, beside embedding itself."""

from pathlib import Path

import numpy as np

from sentinel_edge.baseline import Baseline, Episode
from sentinel_edge.calibration import ALPHA, THRESHOLD, calibrate, sketch
from sentinel_edge.judge import judge_embeddings
from sentinel_edge.verdict import Status

from .footage import INCOMING, BareInference, baseline_embeddings, embedder, fitted_frames, native_fps
from .tables import Finding, Result
from .timing import side_by_side

TURNS = 7
LIMIT_SHARE = 5.0


def measure() -> Result:
    """300 frames against 20 episodes, all dimensions."""
    baseline = _baseline()
    fitted = fitted_frames(INCOMING, native_fps(INCOMING))
    window = embedder().embed(fitted).astype(np.float16)

    def judge() -> None:
        gate = judge_embeddings(window, len(window), baseline, threshold=THRESHOLD, alpha=ALPHA)
        if gate.status is Status.ERROR:
            raise RuntimeError(gate.reason)

    seconds, _ = side_by_side({"embed": BareInference(fitted).run, "judge": judge}, TURNS)
    share = seconds["judge"].over(seconds["embed"])
    return Result(
        "judging",
        f"Judging {len(window)} frames of {window.shape[1]} dimensions",
        "`judge_embeddings` against a baseline of 20 episodes of 100 frames, in turns with bare inference on the same "
        f"frames of {Path(INCOMING).name} in memory.",
        ("what", "time", "share of embedding"),
        [
            ("embedding", seconds["embed"].shown(1e3, 0, " ms"), "100%"),
            ("judging", seconds["judge"].shown(1e3, 1, " ms"), share.shown(100, 2, "%")),
        ],
        {"seconds": {name: spread.values for name, spread in seconds.items()}},
        [
            Finding(
                "judging 300 frames: share of embedding them",
                share.shown(100, 2, "%"),
                100 * share.median,
                LIMIT_SHARE,
                unit="%",
            )
        ],
    )


def _baseline() -> Baseline:
    episodes = [episode.astype(np.float16) for episode in baseline_embeddings()]
    sketches = np.stack([sketch(episode) for episode in episodes])
    lengths = [len(episode) for episode in episodes]
    return Baseline(
        episodes=tuple(Episode(str(number), length, length) for number, length in enumerate(lengths)),
        sketches=sketches,
        calibration=calibrate(episodes, sketches, lengths),
        model=embedder().card.name,
        model_sha256=embedder().card.sha256,
        fps=native_fps(INCOMING),
        preprocessing="",
        source="",
        created_at="",
    )
