"""The gate `embedding`: has what is seen changed? Its score is the published drift score.

The published rule, the share of embedding dimensions with p < alpha against a threshold, made honest by `calibration`.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray
from scipy import special

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.window import Recorder, Window
from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.embedding.calibration import (
    ALPHA,
    SKETCH_POINTS,
    THRESHOLD,
    Calibration,
    calibrate,
    centre,
    distances,
    nearest_episodes,
    recalibrate,
    sketch,
    split_window,
)
from sentinel_edge.gates.protocol import (
    MIN_FRAMES,
    Episodes,
    Gate,
    Models,
    Normal,
    Packed,
    Settings,
    Told,
    too_long,
)
from sentinel_edge.networks.embedder import Embedder, EmbeddingStream
from sentinel_edge.storage.arrays import DamagedError, require
from sentinel_edge.verdict.verdict import Count, GateResult, Share, Status

NAME = "embedding"
REACH = 0.75
"""The distance that counts as a large change: three quarters of the frames on the other side of a value. A baseline
on which even that is within the normal range sees next to nothing: its FAIL stands, its PASS would mean nothing."""
CRITICAL = float(special.kolmogi(ALPHA))
"""A dimension drifted where its distance is so many scales: 1.358."""
MOST_DRIFTED = 10
"""Dimensions listed in a verdict."""
MOST_UNLIKE = 0.5
"""An addition after which the baseline's own footage scores more than this is refused."""
NEARLY_BLIND = 0.9
"""And one after which only larger distances than this, of 1, would count."""


@dataclass(frozen=True, slots=True)
class DimensionSummary:
    """How the embedding's dimensions moved.

    Attributes:
        count: Number of dimensions.
        drifted: How many have p < alpha.
        median_p: Median p-value.
        median_distance: Median Kolmogorov-Smirnov distance.
        median_scale: Median calibrated scale; a distance of 1.36 scales is where p falls below 0.05.
        most_drifted: Indices of the dimensions that moved furthest, worst first.
    """

    count: Annotated[int, Meta(ge=1)]
    drifted: Count
    median_p: Share
    median_distance: Share
    median_scale: Annotated[float, Meta(gt=0)]
    most_drifted: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class NormalComparison:
    """The window's score among those of the baseline's own stretches, which may overlap.

    Attributes:
        stretches: How many stretches of about the window's length the baseline was calibrated on.
        median: Median of their scores.
        highest: Largest of their scores.
        at_least_as_high: How many of them score at least as high as the window; 0 is "above all that is normal".
    """

    stretches: Annotated[int, Meta(ge=1)]
    median: Share
    highest: Share
    at_least_as_high: Count


class EmbeddingRecorder(Recorder):
    """Embeds frames in the background; a record is float16 (d,).

    Half precision is what a baseline stores; rounding both sides alike keeps ties ties.
    """

    name = NAME

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._stream = EmbeddingStream(embedder)
        self.blank = np.zeros(embedder.dimensions, np.float16)
        self.ahead = self._stream.ahead
        self.made_by = embedder.card.sha256

    def take(self, sample: Sample) -> Future[Any]:
        """See `Recorder.take`."""

        def rounded(embedding: NDArray[np.float32]) -> NDArray[np.float16]:
            with np.errstate(over="ignore"):
                half = embedding.astype(np.float16)
            if not np.isfinite(half).all():
                raise SentinelError(
                    f"model {self._embedder.card.name} gave a value that is not a finite half-precision number for "
                    f"{sample.origin}; expected finite embeddings below 65504: check the model"
                )
            return half

        return self._stream.take(self._embedder.fit(sample.frame), rounded)

    def close(self) -> None:
        """See `Recorder.close`."""
        self._stream.close()


@dataclass(frozen=True, slots=True)
class EmbeddingNormal(Normal):
    """What distances look like when nothing is wrong.

    Attributes:
        sketches: float16 (episodes, points, d): quantiles of each episode and dimension.
        calibration: See there.
    """

    sketches: NDArray[np.float16]
    calibration: Calibration

    @property
    def shortest(self) -> float:
        """The shortest window it can judge, in samples."""
        return self.calibration.shortest

    @property
    def dimensions(self) -> int:
        """Length of one embedding."""
        return int(self.sketches.shape[2])

    def judge(self, window: Window, episodes: Episodes, settings: Settings) -> GateResult:
        """Judge a window by its embeddings.

        Args:
            window: Of float16 (n, d) embeddings. The scale of a distance follows its length as measured on the baseline
                (see `calibration`); outside the calibrated lengths the answer is ERROR.
            episodes: The baseline's.
            settings: `threshold`: a share of drifted dimensions above it is FAIL; `alpha`: a dimension is drifted when
                its p-value is below it.
        """
        threshold, alpha = settings.get("threshold", THRESHOLD), settings.get("alpha", ALPHA)
        embeddings, samples = window.records[NAME], window.samples
        problem = self._unfit(len(embeddings), samples, episodes)
        if problem:
            return GateResult(Status.ERROR, None, threshold, problem)
        chosen = nearest_episodes(
            split_window(embeddings, samples / episodes.typical), _centres(self.sketches), range(len(episodes))
        )
        reference_frames = sum(episodes.frames[index] for index in set(chosen))
        floor = ks.independent_scale(len(embeddings), reference_frames)
        scale = np.maximum(self.calibration.scale_at(samples), floor)
        distance = distances(embeddings, self.sketches, chosen)
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
                f"{reachable:.2f}, the threshold is {threshold:.2f}; give a longer window, or a baseline whose "
                "episodes are longer or more alike (whole days, not parts of one)",
            )
        normal = _compare(score, self.calibration.null_scores_at(samples)) if alpha == ALPHA else None
        usual = f"normal: {normal.median:.0%}, at most {normal.highest:.0%}; " if normal else ""
        worst = np.argsort(-distance / scale, kind="stable")[:MOST_DRIFTED]
        summary = DimensionSummary(
            count=len(distance),
            drifted=int(drifted.sum()),
            median_p=float(np.median(pvalue)),
            median_distance=float(np.median(distance)),
            median_scale=float(np.median(scale)),
            most_drifted=tuple(int(index) for index in worst),
        )
        return GateResult(
            Status.FAIL if score > threshold else Status.PASS,
            score,
            threshold,
            f"{score:.0%} of {len(distance)} dimensions drifted ({usual}above {threshold:.0%} is FAIL)",
            numbers={"dimensions": summary, "normal": normal},
            reference=tuple(dict.fromkeys(episodes.names[index] for index in chosen)),
        )

    def only(self, positions: Sequence[int]) -> Self:
        """See `Normal.only`: distributions go, the calibration stays."""
        return type(self)(self.sketches[list(positions)], self.calibration)

    def grown(self, kept: Sequence[int], added: Sequence[Window], before: Episodes, after: Episodes) -> Self:
        """See `Normal.grown` and `calibration.recalibrate`."""
        embeddings = [window.records[NAME] for window in added]
        sketches = np.concatenate([self.sketches[list(kept)], _sketches(embeddings, self.sketches)])
        calibration = recalibrate(
            self.calibration,
            sketches,
            typical=before.typical,
            lengths=after.samples,
            frames=after.frames,
            added=embeddings,
        )
        grown = type(self)(sketches, calibration)
        self._require_still_seeing(grown, before, after, len(added))
        return grown

    def weaknesses(self, episodes: Episodes) -> list[str]:
        """See `Normal.weaknesses`."""
        highest, visible = self.highest_score(episodes), self.least_visible(episodes)
        found = []
        if highest > THRESHOLD:
            found.append(
                f"some normal footage scores {highest:.2f}, above the threshold of {THRESHOLD:.2f}: expect false "
                "alarms; give more episodes that show what is normal"
            )
        if visible > REACH:
            found.append(
                f"the episodes differ so much that only distances above {visible:.2f} (of 1) would be seen: give "
                "longer episodes, or episodes more alike (whole days, not parts of one)"
            )
        return found

    def describe(self, episodes: Episodes) -> Told:
        """See `Normal.describe`."""
        normal = self.calibration.null_scores_at(episodes.typical)
        score, highest = round(float(np.median(normal)), 3), round(float(normal.max()), 3)
        return Told(
            facts={"normal_score": score, "highest_normal_score": highest, "threshold": THRESHOLD},
            rows={"normal score": f"{score:.2f}, at most {highest:.2f} (above {THRESHOLD:.2f} is FAIL)"},
        )

    def pack(self) -> Packed:
        """See `Normal.pack`."""
        calibration = self.calibration
        arrays: dict[str, NDArray[Any]] = {
            "sketches": self.sketches,
            "lengths": calibration.lengths,
            "scales": calibration.scales,
            "null_scores": np.concatenate(calibration.null_scores),
            "null_counts": np.array([len(scores) for scores in calibration.null_scores], np.int64),
        }
        return Packed({"alpha": ALPHA}, arrays)

    def highest_score(self, episodes: Episodes) -> float:
        """The largest drift score of the baseline's own episodes; above the threshold normal footage fails."""
        return float(self.calibration.null_scores_at(episodes.typical).max())

    def least_visible(self, episodes: Episodes) -> float:
        """The smallest distance, of 1, at which half the dimensions of an episode's length count as drifted."""
        return float(np.median(self.calibration.scale_at(episodes.typical))) * CRITICAL

    def _unfit(self, frames: int, samples: int, episodes: Episodes) -> str | None:
        """Why a window of this size cannot be judged, or None."""
        if frames < MIN_FRAMES or samples < self.shortest:
            return (
                f"too few frames: {frames} readable, the baseline can judge {self.shortest:.0f} to "
                f"{episodes.longest:.0f}; give a longer window, or build the baseline from shorter episodes"
            )
        return too_long(samples, self.shortest, episodes)

    def _require_still_seeing(self, grown: Self, before: Episodes, after: Episodes, added: int) -> None:
        """Refuse an addition that blinds a baseline: one or two episodes unlike all others, or much shorter ones.

        Raises:
            SentinelError: What it would do.
        """
        highest, visible = grown.highest_score(after), grown.least_visible(after)
        if highest > MOST_UNLIKE >= self.highest_score(before) or visible > NEARLY_BLIND >= self.least_visible(before):
            raise SentinelError(
                f"the {added} new episode(s) differ so from the known ones that the baseline would see little "
                f"afterwards: its footage would score up to {highest:.2f}, and only distances above {visible:.2f} of 1 "
                "would count; expected whole episodes like the known ones, or three or more of a new normal: give more "
                "of it, or build a new baseline"
            )


class EmbeddingGate(Gate):
    """See the module."""

    name = NAME
    about = "what is seen"
    since = 2
    arrays = ("sketches", "lengths", "scales", "null_scores", "null_counts")
    numbers: Mapping[str, Any] = {"dimensions": DimensionSummary, "normal": NormalComparison}

    def recorder(self, models: Models, normal: Normal | None, *, learning: bool = False) -> Recorder:  # noqa: ARG002
        """See `Gate.recorder`."""
        return EmbeddingRecorder(models.embedder)

    def learn(self, windows: Sequence[Window], episodes: Episodes) -> EmbeddingNormal:
        """See `Gate.learn` and `calibration.calibrate`."""
        embeddings = [window.records[NAME] for window in windows]
        sketches = np.stack([sketch(frames) for frames in embeddings])
        return EmbeddingNormal(sketches, calibrate(embeddings, sketches, episodes.samples, episodes.stretch))

    def unpack(self, packed: Packed, episodes: Episodes) -> EmbeddingNormal:
        """See `Gate.unpack`."""
        arrays = packed.arrays
        sketches, lengths, scales = arrays["sketches"], arrays["lengths"], arrays["scales"]
        null_scores, counts = arrays["null_scores"], arrays["null_counts"]
        levels = len(lengths) if lengths.ndim == 1 else 0
        require("sketches", sketches, np.float16, (len(episodes), SKETCH_POINTS, sketches.shape[-1]))
        require("lengths", lengths, np.float64, (levels,))
        require("scales", scales, np.float32, (levels, sketches.shape[-1]))
        require("null_counts", counts, np.int64, (levels,))
        known = len(null_scores) if null_scores.ndim == 1 else 0
        if not ((counts > 0) & (counts <= known)).all():  # or their sum could run over
            raise DamagedError("holds null_counts that are not those of its null_scores")
        require("null_scores", null_scores, np.float64, (int(counts.sum()),))
        if (null_scores < 0).any() or (null_scores > 1).any():
            raise DamagedError("holds null_scores outside 0 to 1")
        sound = (
            (np.diff(sketches.astype(np.float32), axis=1) >= 0).all()
            and (scales > 0).all()
            and (lengths > 0).all()
            and (np.diff(lengths) > 0).all()
            and lengths[-1] <= episodes.longest
        )
        if not sound:
            raise DamagedError("contradicts itself (quantiles, scales, lengths or counts are out of order)")
        scores = tuple(np.split(null_scores, np.cumsum(counts)[:-1]))
        return EmbeddingNormal(sketches, Calibration(lengths, scales, scores))


def most_varied(
    normal: Mapping[str, Normal], added: Sequence[Window], limit: int, anchors: Collection[int] = ()
) -> list[int]:
    """Positions of at most `limit` episodes to keep, ascending, of those known and added ones, from old to new.

    Of the two most alike, by distance of mean embeddings, the older goes, until there are few enough: what is rare
    stays, and what is common is told by its latest example. Anchors, fewer than the limit, stay.
    """
    known = normal[NAME]
    assert isinstance(known, EmbeddingNormal)  # noqa: S101  (whatever is learned knows its embeddings)
    every = np.concatenate([known.sketches, _sketches([window.records[NAME] for window in added], known.sketches)])
    centres = _centres(every)
    kept = list(range(len(every)))
    # Not by a product of matrices, whose last digits could decide between two equal pairs.
    distance = np.array([np.square(centres - one).sum(axis=1) for one in centres])
    distance[np.tril_indices(len(centres))] = np.inf  # a row is an episode, its columns the later ones
    distance[list(anchors)] = np.inf
    while len(kept) > limit:
        older = kept[int(distance[np.ix_(kept, kept)].argmin()) // len(kept)]
        kept.remove(older)
    return kept


def _sketches(episodes: Sequence[NDArray[np.float16]], like: NDArray[np.float16]) -> NDArray[np.float16]:
    """(episodes, points, d), also of none."""
    return np.array([sketch(frames) for frames in episodes], np.float16).reshape(len(episodes), *like.shape[1:])


def _centres(sketches: NDArray[np.float16]) -> NDArray[np.float64]:
    return np.stack([centre(points) for points in sketches])


def _compare(score: float, null_scores: NDArray[np.float64]) -> NormalComparison:
    return NormalComparison(
        stretches=len(null_scores),
        median=float(np.median(null_scores)),
        highest=float(null_scores.max()),
        at_least_as_high=int((null_scores >= score).sum()),
    )
