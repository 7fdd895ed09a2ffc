"""The judge: a window's embeddings against a baseline. Pure: arrays in, a gate's result out.

The method is explained in `calibration`. The published rule: the drift score is the share of embedding dimensions
with p < alpha, and a score above the threshold is FAIL. Where the window or the baseline cannot support a judgement
the answer is ERROR with the reason, never a guess.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sentinel_edge import ks
from sentinel_edge.baseline import Baseline
from sentinel_edge.calibration import (
    ALPHA,
    MIN_FRAMES,
    THRESHOLD,
    centre,
    distances,
    nearest_episodes,
    split_window,
)
from sentinel_edge.verdict import DimensionSummary, GateResult, NormalComparison, Status

REACH = 0.75
"""The distance that counts as a large change: three quarters of the frames on the other side of a value. A baseline
on which even that is within the normal range sees next to nothing: its FAIL stands, its PASS would mean nothing."""
CRITICAL = float(special.kolmogi(ALPHA))
"""A dimension drifted where its distance is so many scales: 1.358."""
MOST_DRIFTED = 10
"""Dimensions listed in a verdict."""


def judge_embeddings(
    embeddings: NDArray[np.float16], samples: int, baseline: Baseline, *, threshold: float, alpha: float
) -> GateResult:
    """Judge a window by its embeddings.

    Args:
        embeddings: float16 (n, d), in order of time.
        samples: The samples they stand for: the window's length. The scale of a distance follows the length as
            measured on the baseline (see `calibration`); outside the calibrated lengths the answer is ERROR.
        baseline: What is normal.
        threshold: A share of drifted dimensions above it is FAIL.
        alpha: A dimension is drifted when its p-value is below it.
    """
    calibration = baseline.calibration
    problem = _unfit(len(embeddings), samples, baseline)
    if problem:
        return GateResult(Status.ERROR, None, threshold, problem)
    centres = np.stack([centre(points) for points in baseline.sketches])
    pieces = split_window(embeddings, samples / baseline.typical_samples)
    chosen = nearest_episodes(pieces, centres, range(len(baseline.episodes)))
    reference_frames = sum(baseline.episodes[index].frames for index in set(chosen))
    floor = ks.independent_scale(len(embeddings), reference_frames)
    scale = np.maximum(calibration.scale_at(samples), floor)
    distance = distances(embeddings, baseline.sketches, chosen)
    pvalue = ks.pvalues(distance, scale)
    drifted = pvalue < alpha
    score = float(drifted.mean())
    reachable = float((ks.pvalues(np.full_like(scale, REACH), scale) < alpha).mean())
    if score <= threshold and reachable <= threshold:
        return GateResult(
            Status.ERROR,
            None,
            threshold,
            f"the baseline is too variable: were every dimension {REACH:.0%} apart, the score would be "
            f"{reachable:.2f}, the threshold is {threshold:.2f}; give a longer window, or a baseline whose episodes "
            "are longer or more alike (whole days, not parts of one)",
        )
    normal = _compare(score, calibration.null_scores_at(samples)) if alpha == ALPHA else None
    worst = np.argsort(-distance / scale, kind="stable")[:MOST_DRIFTED]
    status = Status.FAIL if score > threshold else Status.PASS
    usual = f"normal: {normal.median:.0%}, at most {normal.highest:.0%}; " if normal else ""
    return GateResult(
        status,
        score,
        threshold,
        f"{score:.0%} of {len(distance)} dimensions drifted ({usual}above {threshold:.0%} is FAIL)",
        dimensions=DimensionSummary(
            count=len(distance),
            drifted=int(drifted.sum()),
            median_p=float(np.median(pvalue)),
            median_distance=float(np.median(distance)),
            median_scale=float(np.median(scale)),
            most_drifted=tuple(int(index) for index in worst),
        ),
        normal=normal,
        reference=tuple(dict.fromkeys(baseline.episodes[index].name for index in chosen)),
    )


def weaknesses(baseline: Baseline) -> list[str]:
    """What whoever built a baseline should know before relying on it: one line each, none for a sound one."""
    calibration = baseline.calibration
    highest = float(calibration.null_scores_at(baseline.typical_samples).max())
    visible = float(np.median(calibration.scale_at(baseline.typical_samples))) * CRITICAL
    found = []
    if highest > THRESHOLD:
        found.append(
            f"some normal footage scores {highest:.2f}, above the threshold of {THRESHOLD:.2f}: expect false alarms; "
            "give more episodes that show what is normal"
        )
    if visible > REACH:
        found.append(
            f"the episodes differ so much that only distances above {visible:.2f} (of 1) would be seen: give longer "
            "episodes, or episodes more alike (whole days, not parts of one)"
        )
    return found


def _unfit(frames: int, samples: int, baseline: Baseline) -> str | None:
    """Why a window of this size cannot be judged, or None."""
    calibration = baseline.calibration
    shortest = calibration.shortest
    if frames < MIN_FRAMES or samples < shortest:
        return (
            f"too few frames: {frames} readable, the baseline can judge {shortest:.0f} to {calibration.longest:.0f}; "
            "give a longer window, or build the baseline from shorter episodes"
        )
    if samples > calibration.longest:
        return (
            f"the window is too long: {samples} samples, the baseline can judge {shortest:.0f} to "
            f"{calibration.longest:.0f}; give a shorter window, or build the baseline from more footage"
        )
    return None


def _compare(score: float, null_scores: NDArray[np.float64]) -> NormalComparison:
    return NormalComparison(
        stretches=len(null_scores),
        median=float(np.median(null_scores)),
        highest=float(null_scores.max()),
        at_least_as_high=int((null_scores >= score).sum()),
    )
