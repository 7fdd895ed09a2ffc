"""The model's own performance: whether it interpolates this window worse than it ever did when nothing was wrong.

One-sided: a model that does better is no drift. What is normal is measured on the baseline as in `calibration` and
`quality`. Every episode leaves what its triplets scored (see `networks.score`). Every stretch of as many triplets
as the window has, and no longer than it, is taken as if it were the window: by how much does it stay behind the other
episodes that come nearest to it? The largest such shortfall, a quarter as much again or more and a just visible step,
is what is tolerated.

Compared is with the episodes nearest in score, not in looks: two frame rates of one camera look the same frame by
frame, and a baseline that was taught both must know both. Pure arrays; what cannot be judged is said, never guessed.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.protocol import MIN_EPISODES, NEAREST
from sentinel_edge.networks.score import Silence, TripletScore

SCORES = ("psnr_gain", "ssim_gain", "ssim")
"""What is kept of a score, all where something moves: both gains over plain averaging, and the similarity itself.

Where everything moves faster, averaging gets worse with the model and a gain may hide what both lost: of pairs of one
triplet at half the frame rate and one at the full rate, the former has the lower gain in PSNR in 9 to 99 %, by clip,
but the lower similarity in 54 to 100 %; on the sample camera in 75 and 93 %.
"""
VISIBLE = np.array([0.3, 0.02, 0.02])
"""How much less of each is never called worse. Promotion lets a champion lose 0.2 dB on old footage, so no less."""

LARGEST = np.array([120.0, 2.01, 1.01])
"""More than any of them can be, either way: PSNR ends at 58.9 dB, similarity at 1."""

TRIPLET = np.dtype([*((name, np.float32) for name in SCORES), ("found", np.uint8)])
"""What is kept of the triplet that begins at a frame: `SCORES`, and in `found` whether it was asked for (`UNASKED`),
scored (`SCORED`), or why it says nothing (2 and more: a place in `SILENCES`)."""

Triplets = NDArray[np.void]
"""Records of `TRIPLET`, (n,)."""

UNASKED, SCORED = 0, 1
SILENCES = tuple(Silence)
KEPT = 256
"""Triplets kept of an episode, spread evenly: 14 bytes each."""
MIN_SCORED = 8
"""Scored triplets that a window must have."""
SILENT = 2.0
"""Where fewer triplets could be scored than are needed, but so many times as many were to be expected, going by the
episode in which the fewest could be, the gate has fallen silent. Of frames that are not of one camera, or not in order,
no triplet can be scored: damage that takes away what it would be found by."""
MIN_OF_EPISODE = 4
"""Scored triplets from which an episode tells what is normal."""
TRUSTED = 4
"""Stretches that do not overlap of which a tolerance must be made; longer windows are judged by shorter stretches."""
FACTOR, FACTOR_FEW = 1.25, 1.0
"""A tolerance is the largest normal shortfall times (1.25 + 1 / m), where m stretches did not overlap. Less than in
`quality`: stretches are never longer than the window, and their triplets lie closer together, so they vary more."""
_TRIMMED = 0.25


def record(found: TripletScore | Silence | None) -> np.void:
    """One record of `TRIPLET`; None for a triplet nobody asked for."""
    made = np.zeros((), TRIPLET)
    if isinstance(found, TripletScore):
        made["found"] = SCORED
        for name in SCORES:
            made[name] = getattr(found, name)
    elif found:
        made["found"] = SCORED + 1 + SILENCES.index(found)
    return cast("np.void", made[()])


@dataclass(frozen=True, slots=True)
class KnownPerformance:
    """What the baseline knows of how well interpolators did.

    Attributes:
        scores: float16 (t, 3), `SCORES` of the scored triplets of all episodes, in order of time.
        owners: int64 (t,), ascending: the episode each is of.
        strides: float64 (e,): samples from one triplet that was looked at to the next, 0 for an episode without any.
        interpolators: SHA-256 of what interpolated each episode, (e,); empty for an episode without.
    """

    scores: NDArray[np.float16]
    owners: NDArray[np.int64]
    strides: NDArray[np.float64]
    interpolators: tuple[str, ...]

    @property
    def watched(self) -> bool:
        """Whether anything interpolated any episode."""
        return any(self.interpolators)

    @classmethod
    def nothing(cls, episodes: int) -> "KnownPerformance":
        """What is known of so many episodes that nothing interpolated."""
        return cls(np.zeros((0, len(SCORES)), np.float16), np.zeros(0, np.int64), np.zeros(episodes), ("",) * episodes)

    def only(self, positions: Sequence[int]) -> "KnownPerformance":
        """What it knows of some of the episodes, given by ascending position; they are numbered anew."""
        kept = np.isin(self.owners, positions)
        return KnownPerformance(
            self.scores[kept],
            np.searchsorted(positions, self.owners[kept]).astype(np.int64),
            self.strides[list(positions)],
            tuple(self.interpolators[position] for position in positions),
        )

    def then(self, later: "KnownPerformance") -> "KnownPerformance":
        """These episodes and later ones.

        Whatever interpolated them: a score tells what was normal with the champion of its time. A champion is promoted
        when it is better on what is new and at most 0.2 dB worse on the old, so where it falls behind old scores by
        more than that it lost, and where it was better than they are a loss is found later. To forget all that another
        model scored would leave a baseline without a memory after every promotion, and call old conditions that
        return a loss.
        """
        return KnownPerformance(
            np.concatenate([self.scores, later.scores]),
            np.concatenate([self.owners, later.owners + len(self.strides)]),
            np.concatenate([self.strides, later.strides]),
            self.interpolators + later.interpolators,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a window's interpolation stands to what is normal, by the names of `SCORES`.

    Attributes:
        shortfalls: How far each stays behind, in tolerances, >= 0; above 1 is worse than all that is normal.
        now: The window's typical score.
        tolerated: The lowest that would still be tolerated.
        normal: The lowest and the highest typical score of an episode.
    """

    shortfalls: Mapping[str, float]
    now: Mapping[str, float]
    tolerated: Mapping[str, float]
    normal: Mapping[str, tuple[float, float]]

    @property
    def score(self) -> float:
        """The largest shortfall, in tolerances."""
        return max(self.shortfalls.values())


def learn_performance(episodes: Sequence[Triplets], samples: Sequence[int], interpolator: str) -> KnownPerformance:
    """What a baseline keeps of its episodes' triplets.

    Args:
        episodes: The triplets of each, one record a frame, in order of time.
        samples: The samples each stands for.
        interpolator: SHA-256 of what interpolated them.
    """
    kept, owners, strides = [np.zeros((0, len(SCORES)), np.float16)], [], []
    for number, (triplets, length) in enumerate(zip(episodes, samples, strict=True)):
        asked = triplets[triplets["found"] != UNASKED]
        asked = asked[:: max(1, math.ceil(len(asked) / KEPT))]
        scored = _scores(asked)
        kept.append(scored.astype(np.float16))
        owners += [number] * len(scored)
        strides.append(length / len(asked) if len(asked) else 0.0)
    return KnownPerformance(
        np.concatenate(kept),
        np.array(owners, np.int64),
        np.array(strides, np.float64),
        tuple(interpolator if stride else "" for stride in strides),
    )


def passed_over(triplets: Triplets) -> dict[str, int]:
    """How many triplets say nothing, by reason, the most frequent first."""
    found = Counter(int(code) for code in triplets["found"] if code > SCORED)
    return {str(SILENCES[code - SCORED - 1]): count for code, count in found.most_common()}


def scored_count(triplets: Triplets) -> int:
    """How many triplets were scored."""
    return int((triplets["found"] == SCORED).sum())


def unfit(known: KnownPerformance) -> str | None:
    """Why no window can be judged by what a baseline knows, or None."""
    telling = len(_episodes(known)[0])
    if telling >= MIN_EPISODES:
        return None
    return (
        f"{telling} of the baseline's episodes have {MIN_OF_EPISODE} triplets or more in which something moves; "
        f"expected {MIN_EPISODES}: give videos in which more moves"
    )


def normal_scores(known: KnownPerformance) -> dict[str, tuple[float, float]]:
    """The lowest and the highest typical score of the episodes that tell what is normal, by the names of `SCORES`.

    Empty where none tells.
    """
    _, typical = _episodes(known)
    if not len(typical):
        return {}
    return dict(zip(SCORES, zip(typical.min(axis=0).tolist(), typical.max(axis=0).tolist(), strict=True), strict=True))


def why_not(triplets: Triplets, known: KnownPerformance, interpolator: str) -> str | None:
    """Why a window cannot be judged by its triplets, or None where it can.

    Args:
        triplets: The window's, one record a frame.
        known: What is normal.
        interpolator: SHA-256 of what interpolated the window; empty where nothing did.
    """
    if not known.watched:
        return "the baseline was made without an interpolator; build it again with one"
    problem = unfit(known)
    if problem:
        return problem
    if not interpolator:
        return "nothing was interpolated; expected an interpolator"
    if interpolator not in known.interpolators:
        return (
            f"the baseline does not know interpolator {interpolator[:12]}; teach it with `sentinel-edge baseline "
            "--add` and footage that is normal with it"
        )
    scored = scored_count(triplets)
    if scored >= MIN_SCORED:
        return None
    silent = passed_over(triplets)
    others = ", ".join(f"{reason} in {count}" for reason, count in silent.items())
    found = f"{scored} triplets to score ({others})" if others else f"{scored} triplets to score"
    return f"{found}, expected {MIN_SCORED} or more; give a longer window, or one in which more moves"


def expected_count(triplets: Triplets, known: KnownPerformance, samples: Sequence[int]) -> float:
    """How many triplets of a window should be scored at least, going by the episode in which the fewest could be.

    Args:
        triplets: The window's, one record a frame.
        known: What is normal.
        samples: The samples each episode stands for.
    """
    counts = np.bincount(known.owners, minlength=len(known.strides))
    shares = counts * known.strides / np.maximum(1, samples)
    return float((triplets["found"] != UNASKED).sum() * shares.min(initial=1.0))


def assess_performance(triplets: Triplets, samples: int, known: KnownPerformance) -> Standing:
    """Compare a window with what is normal; for one that can be judged (see `why_not`).

    Args:
        triplets: The window's, one record a frame, in order of time.
        samples: The samples they stand for.
        known: What is normal.
    """
    scores = _scores(triplets)
    positions, typical = _episodes(known)
    tolerances = _tolerances(known, positions, typical, len(scores), samples)
    now = _midmean(scores)
    short = _shortfall(now, typical)
    # A lower score than all would be compared with the lowest.
    lowest = np.sort(typical, axis=0)[:NEAREST].mean(axis=0)
    return Standing(
        shortfalls=_named(np.maximum(0.0, short) / tolerances),
        now=_named(now),
        tolerated=_named(lowest - tolerances),
        normal=normal_scores(known),
    )


def _scores(triplets: Triplets) -> NDArray[np.float64]:
    """`SCORES` of the scored ones, (t, 3)."""
    scored = triplets[triplets["found"] == SCORED]
    return np.stack([scored[name] for name in SCORES], axis=1).astype(np.float64)


def _midmean(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Typical score, (3,): the mean of the middle half, steadier than the median and as deaf to single triplets."""
    cut = int(_TRIMMED * len(scores))
    return np.asarray(np.sort(scores, axis=0)[cut : len(scores) - cut].mean(axis=0))


def _episodes(known: KnownPerformance) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The episodes that tell what is normal, (k,), and their typical scores, (k, 3)."""
    positions, counts = np.unique(known.owners, return_counts=True)
    positions = positions[counts >= MIN_OF_EPISODE]
    typical = [_midmean(known.scores[known.owners == position].astype(np.float64)) for position in positions]
    return positions, np.array(typical).reshape(len(positions), len(SCORES))


def _shortfall(scores: NDArray[np.float64], typical: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far scores, (3,), stay behind the nearest episodes, of which the typical ones are given, (k, 3)."""
    order = np.argsort(np.abs(typical - scores), axis=0, kind="stable")[:NEAREST]
    return np.asarray(np.take_along_axis(typical, order, axis=0).mean(axis=0) - scores)


def _tolerances(
    known: KnownPerformance, positions: NDArray[np.int64], typical: NDArray[np.float64], count: int, samples: int
) -> NDArray[np.float64]:
    """What shortfall is normal for so many triplets of a window of so many samples, (3,)."""
    scores, owners = known.scores.astype(np.float64), known.owners
    # No longer than the window, no more triplets than it has, and at least `TRUSTED` of them side by side.
    apart = float(np.median(known.strides[positions]))
    length = max(1, min(count, round(samples / apart), len(scores) // TRUSTED))
    worst = np.zeros(len(SCORES))
    for start in range(len(scores) - length + 1):
        first, last = owners[start], owners[start + length - 1]
        others = (positions < first - 1) | (positions > last + 1)
        if others.sum() < NEAREST:
            others = (positions < first) | (positions > last)
        if others.any():
            worst = np.maximum(worst, _shortfall(_midmean(scores[start : start + length]), typical[others]))
    stretches = min(len(positions), len(scores) / length)
    return np.asarray(VISIBLE + (FACTOR + FACTOR_FEW / stretches) * worst)


def _named(values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(SCORES, values.tolist(), strict=True))
