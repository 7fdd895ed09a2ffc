"""The judge: a window against a baseline. Pure: arrays in, each gate's result and the causes out.

Three gates, each with its own score and threshold. `embedding` asks whether what is seen changed: the published rule,
the share of embedding dimensions with p < alpha against a threshold, made honest by `calibration`. `quality` asks
whether the picture itself changed: see `health`. `performance` asks whether the watched model does worse: see
the module `performance`. The status is FAIL when any fails. Where the window or the baseline cannot support a judgement
the answer is ERROR with the reason, never a guess. Only `performance` may have nothing to judge by on sound footage
(nothing moves, or pictures far apart): then it leaves it to the others, and says so; alone, it is ERROR.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import special

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.causes import Cause
from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.embedding.calibration import (
    ALPHA,
    MIN_FRAMES,
    THRESHOLD,
    centre,
    distances,
    nearest_episodes,
    split_window,
)
from sentinel_edge.gates.performance.normal import SCORES, assess_performance, passed_over, scored_count, unfit, why_not
from sentinel_edge.gates.quality.condition import longest_still
from sentinel_edge.gates.quality.diagnosis import diagnose
from sentinel_edge.gates.quality.normal import Assessment, assess
from sentinel_edge.gates.quality.travel import travel
from sentinel_edge.verdict.verdict import (
    CauseFound,
    DimensionSummary,
    GateResult,
    MeasureSummary,
    NormalComparison,
    Status,
    TripletSummary,
)

if TYPE_CHECKING:
    from sentinel_edge.footage.window import Window

EMBEDDING, QUALITY, PERFORMANCE = "embedding", "quality", "performance"
GATES = (EMBEDDING, QUALITY, PERFORMANCE)
TOLERATED = 1.0
"""The threshold of the quality and performance gates: their scores are in units of what is tolerated."""
REACH = 0.75
"""The distance that counts as a large change: three quarters of the frames on the other side of a value. A baseline
on which even that is within the normal range sees next to nothing: its FAIL stands, its PASS would mean nothing."""
CRITICAL = float(special.kolmogi(ALPHA))
"""A dimension drifted where its distance is so many scales: 1.358."""
MOST_DRIFTED = 10
"""Dimensions listed in a verdict."""
DRIFTED_FRAMES = 5
"""Frames listed in a verdict, so that a person can look."""
MAX_FURTHEST = 20
"""Frames named at most, for whoever wants to see more than a verdict lists."""
NAMED_MEASURES = 3
"""Measures named in the quality gate's reason."""
STILL_SHARE = 0.3
"""Share of an episode that may stand still before whoever builds a baseline is told."""
_PLAIN_NAMES = {
    "unlike": "what is seen",
    "moved": "position",
    "covered": "single places",
    "blocks": "8-pixel grid",
    "black": "darkest parts",
    "clipped": "white pixels",
    "detail": "fine detail",
}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found.

    Attributes:
        status: FAIL when any gate fails, else ERROR when any cannot judge or none judges, else PASS.
        gates: Each enabled gate's result, by name.
        causes: What happened, most likely first; of a FAIL alone.
        furthest: Names or times of the frames furthest from the baseline, at most `MAX_FURTHEST`, the furthest first;
            of a FAIL alone.
    """

    status: Status
    gates: Mapping[str, GateResult]
    causes: tuple[CauseFound, ...] = ()
    furthest: tuple[str, ...] = ()

    @property
    def most_drifted(self) -> tuple[str, ...]:
        """Those of the furthest frames that a verdict lists."""
        return self.furthest[:DRIFTED_FRAMES]


def judge(
    window: "Window",
    baseline: Baseline,
    *,
    gates: Collection[str] = GATES,
    threshold: float = THRESHOLD,
    alpha: float = ALPHA,
) -> Judgement:
    """Judge a window by the enabled gates.

    Args:
        window: What was seen.
        baseline: What is normal.
        gates: Those that decide, of `GATES`.
        threshold: Of the embedding gate; see `judge_embeddings`.
        alpha: Of the embedding gate.
    """
    results: dict[str, GateResult] = {}
    if EMBEDDING in gates:
        results[EMBEDDING] = judge_embeddings(
            window.embeddings, window.samples, baseline, threshold=threshold, alpha=alpha
        )
    assessment = _assessed(window, baseline) if QUALITY in gates else None
    if QUALITY in gates:
        results[QUALITY] = judge_quality(assessment, baseline, len(window.signals), window.samples)
    if PERFORMANCE in gates:
        results[PERFORMANCE] = judge_performance(window, baseline)
        if len(results) == 1 and results[PERFORMANCE].status is Status.NOT_JUDGED:
            results[PERFORMANCE] = replace(results[PERFORMANCE], status=Status.ERROR)
    found = {result.status for result in results.values()}
    status = next(status for status in (Status.FAIL, Status.ERROR, Status.PASS) if status in found)
    if status is Status.FAIL and QUALITY not in gates:
        assessment = _assessed(window, baseline)  # for the causes alone
    if status is not Status.FAIL or assessment is None:
        return Judgement(status, results)
    causes = _causes(results, replace(assessment, travel=travel(window.signals)), baseline)
    return Judgement(status, results, causes, _furthest(window, baseline, causes))


def _causes(results: Mapping[str, GateResult], assessment: Assessment, baseline: Baseline) -> tuple[CauseFound, ...]:
    """What befell the picture or what is seen in it, and the loss of performance last: that one is a consequence.

    It is named alone where nothing else is beyond what is normal.
    """
    failed = {name for name, result in results.items() if result.status is Status.FAIL}
    worse = (CauseFound(Cause.PERFORMANCE, results[PERFORMANCE].reason),) if PERFORMANCE in failed else ()
    picture_failed = QUALITY in failed
    if QUALITY not in results and worse:  # nobody asked, but it would explain it
        picture_failed = assessment.score > TOLERATED
    if worse and not picture_failed and EMBEDDING not in failed:
        return worse
    return diagnose(assessment, baseline.health, picture_failed=picture_failed) + worse


def _assessed(window: "Window", baseline: Baseline) -> Assessment | None:
    """What the window's picture is like; None where there are too few frames to say."""
    if len(window.signals) < MIN_FRAMES:
        return None
    return assess(window.signals, window.samples, baseline.health)


def judge_quality(assessment: Assessment | None, baseline: Baseline, frames: int, samples: int) -> GateResult:
    """Judge a window by its picture.

    Args:
        assessment: What it is like; None where there are too few frames for one.
        baseline: What is normal.
        frames: The window's frames.
        samples: The samples they stand for.
    """
    if assessment is None:
        reason = f"too few frames: {frames} readable, expected {MIN_FRAMES} or more; give a longer window"
        return GateResult(Status.ERROR, None, TOLERATED, reason)
    deviations = assessment.deviations
    worst = sorted(deviations, key=lambda name: -abs(deviations[name]))
    outside = [name for name in worst if abs(deviations[name]) > TOLERATED]
    too_long = _too_long(samples, baseline)
    if too_long and not outside:
        return GateResult(Status.ERROR, None, TOLERATED, too_long)
    if outside:
        named = ", ".join(f"{_plainly(name)} {abs(deviations[name]):.1f}" for name in outside[:NAMED_MEASURES])
        reason = f"{len(outside)} of {len(deviations)} measures outside what is normal: {named} times what is tolerated"
    else:
        most = f"largest deviation: {_plainly(worst[0])}, {abs(deviations[worst[0]]):.0%} of what is tolerated"
        reason = f"the picture is within what is normal ({most})"
    names = [baseline.episodes[int(baseline.health.owners[position])].name for position in assessment.nearest]
    return GateResult(
        Status.FAIL if outside else Status.PASS,
        assessment.score,
        TOLERATED,
        reason,
        deviations=deviations,
        reference=tuple(dict.fromkeys(names)),
    )


def judge_performance(window: "Window", baseline: Baseline) -> GateResult:
    """Judge a window by how well its triplets were interpolated; NOT_JUDGED where that cannot be told.

    Args:
        window: What was seen.
        baseline: What is normal.
    """
    triplets, known = window.triplets, baseline.performance
    summary = TripletSummary(window.interpolator, scored_count(triplets), passed_over(triplets), {})
    problem = why_not(triplets, known, window.interpolator)
    if problem or known is None:
        return GateResult(Status.NOT_JUDGED, None, TOLERATED, str(problem), triplets=summary)
    found = assess_performance(triplets, window.samples, known)
    measures = {name: MeasureSummary(found.now[name], found.tolerated[name], *found.normal[name]) for name in SCORES}
    worst = max(found.shortfalls, key=lambda name: found.shortfalls[name])
    told = [_told(name, measures[name]) for name in dict.fromkeys((worst, SCORES[0]))]
    reason = f"where something moves, {'; '.join(told)} ({summary.scored} triplets)"
    return GateResult(
        Status.FAIL if found.score > TOLERATED else Status.PASS,
        found.score,
        TOLERATED,
        reason,
        deviations=found.shortfalls,
        triplets=replace(summary, measures=measures),
    )


_PLAIN_SCORES = {
    "psnr_gain": ("the model gains {} dB over averaging", "{:.1f}"),
    "ssim_gain": ("the model gains {} in similarity over averaging", "{:.2f}"),
    "ssim": ("the model's frames have a similarity of {} to the true ones", "{:.2f}"),
}


def _told(name: str, measure: MeasureSummary) -> str:
    """A score of the model in words."""
    sentence, number = _PLAIN_SCORES[name]
    now, lowest, highest, tolerated = (
        number.format(value) for value in (measure.now, measure.lowest, measure.highest, measure.tolerated)
    )
    return f"{sentence.format(now)} (normal: {lowest} to {highest}; below {tolerated} is FAIL)"


def _plainly(measure: str) -> str:
    """A measure's name in a sentence."""
    return _PLAIN_NAMES.get(measure, measure)


def _furthest(window: "Window", baseline: Baseline, causes: tuple[CauseFound, ...]) -> tuple[str, ...]:
    """The frames to look at: where a repeat begins and ends, or else those least like any known condition."""
    if causes[0].kind is Cause.FROZEN:
        start, stop = longest_still(window.signals)
        return tuple(dict.fromkeys((window.origins[start], window.origins[min(stop, len(window.origins) - 1)])))
    frames = _flat(window.signals["luma"])
    known = _flat(baseline.health.conditions["luma"])
    # |a - b|^2 = |a|^2 - 2ab + |b|^2: one product of matrices in place of (frames, conditions, pixels) differences.
    distance = np.square(frames).sum(1)[:, None] - 2.0 * frames @ known.T + np.square(known).sum(1)
    furthest = np.argsort(-distance.min(axis=1), kind="stable")[:MAX_FURTHEST]
    return tuple(window.origins[frame] for frame in furthest)


def _flat(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    return pictures.reshape(len(pictures), -1).astype(np.float32)


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


def highest_normal(baseline: Baseline) -> float:
    """The largest drift score of the baseline's own episodes; above the threshold normal footage fails."""
    return float(baseline.calibration.null_scores_at(baseline.typical_samples).max())


def least_visible(baseline: Baseline) -> float:
    """The smallest distance, of 1, at which half the dimensions of an episode's length count as drifted."""
    return float(np.median(baseline.calibration.scale_at(baseline.typical_samples))) * CRITICAL


def weaknesses(baseline: Baseline) -> list[str]:
    """What whoever built a baseline should know before relying on it: one line each, none for a sound one."""
    highest, visible = highest_normal(baseline), least_visible(baseline)
    still = float(baseline.health.conditions["still_share"].max())
    found = [
        f"episode {baseline.episodes[position].name} looks like none of the others: if it shows a failure, leave it "
        "out; if it is normal, give more footage like it"
        for position in baseline.outliers
    ]
    if baseline.performance and (problem := unfit(baseline.performance)):
        found.append(f"the model's performance cannot be judged by it: {problem}")
    if highest > THRESHOLD:
        found.append(
            f"some normal footage scores {highest:.2f}, above the threshold of {THRESHOLD:.2f}: expect false alarms; "
            "give more episodes that show what is normal"
        )
    if still > STILL_SHARE:
        found.append(
            f"an episode stands still for {still:.0%} of its time: a frozen camera will hardly be told; if the camera "
            "hung, leave that episode out"
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
    return _too_long(samples, baseline)


def _too_long(samples: int, baseline: Baseline) -> str | None:
    calibration = baseline.calibration
    if samples <= calibration.longest:
        return None
    return (
        f"the window is too long: {samples} samples, the baseline can judge {calibration.shortest:.0f} to "
        f"{calibration.longest:.0f}; give a shorter window, or build the baseline from more footage"
    )


def _compare(score: float, null_scores: NDArray[np.float64]) -> NormalComparison:
    return NormalComparison(
        stretches=len(null_scores),
        median=float(np.median(null_scores)),
        highest=float(null_scores.max()),
        at_least_as_high=int((null_scores >= score).sum()),
    )
