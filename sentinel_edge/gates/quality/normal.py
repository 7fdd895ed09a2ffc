"""How far a window's picture is from every condition the baseline knows, in units of what is tolerated.

A window is cut into pieces of the length that was measured; the median of their deviations is held against what the
median of as many neighbouring pieces came to when nothing was wrong (see `learning`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import (
    BLOCKS,
    CONDITION,
    WHOLE,
    Conditions,
    Measures,
    Views,
    held_against,
    places,
    ranked,
    still_run,
    sum_up,
)
from sentinel_edge.gates.quality.lens import KnownLens, Lens, look_through
from sentinel_edge.gates.quality.neighbourhood import Neighbourhood, learn_neighbourhood
from sentinel_edge.gates.signals import DIRECTIONS, FrameSignals

MAX_CONDITIONS = 48
"""Conditions kept of a baseline: about 5 kB each."""
MAX_PIECES = 8
"""Pieces an episode, or a window, is cut into."""
PIECE_FRAMES = 8
"""Frames a piece should have at least, so that what moves drops out of its median."""
SUMMARIES = {"covered": 0.06, "detail": 0.15}
"""Measures made of all places together, and how much of each a person would just see.

covered: by how many of its own tolerances a block's light or edges differ beyond half of one, at most 3, mean over the
blocks: one that is hidden counts for more than several that are a little unusual.
detail: fine detail gained or lost, in doublings; blocks weigh by how much detail they have and how steady it is.
"""
SHARP = "sharp"
FROZEN = "frozen"
FROZEN_SHARE = 0.06
"""Share of a window's frames that, repeated in a row beyond what is normal, are a frozen camera. Normal is twice the
longest run of an episode, or the largest share of one: a camera that never changes does not freeze."""
FROZEN_FRAMES = 3
BETTER = {"contrast": 1, "detail": 1, "saturation": 1, "clipped": -1, SHARP: 1}
"""Measures that one way are of a better picture than ever: told, and never a failure."""
FACTOR, FACTOR_FEW = 1.25, 3.0
"""A tolerance is the largest normal deviation times (1.25 + 3 / m), where m stretches did not overlap."""
SOME_DETAIL = 0.5
"""Grey levels of fine detail with which a block shows half of what befalls all detail."""
_ORDINARY = 0.5
HIDDEN = 3.0
"""A block that differs by this many of its tolerances, and half a one more, counts no more for differing further."""


@dataclass(frozen=True)
class KnownQuality:
    """What the baseline knows of the camera's picture.

    Attributes:
        conditions: Records of `CONDITION`, (s,), in order of time.
        owners: int64 (s,): the episode each is of.
        runs: int64 (k,), ascending from 1: numbers of pieces.
        tolerances: float32 (k, `MEASURES`): what deviation of each measure is normal for the median of so many pieces.
        summary_tolerances: float32 (k, 2): likewise of `SUMMARIES`.
        piece_samples: Length of a piece, in samples.
        travel: How far the camera itself is under way in the episode in which it is most (see `travel`).
        outliers: Positions of the episodes that have no like among the others: known as normal from now on, but what
            sets them apart is not taken for how much normal footage varies.
        lens: What it knows of its lens and where it looks; None in files that were made before that was learned.
    """

    conditions: Conditions
    owners: NDArray[np.int64]
    runs: NDArray[np.int64]
    tolerances: NDArray[np.float32]
    summary_tolerances: NDArray[np.float32]
    piece_samples: float
    travel: float = 0.0
    outliers: tuple[int, ...] = ()
    lens: KnownLens | None = None

    @cached_property
    def views(self) -> Views:
        """The conditions, made ready for comparison."""
        return Views.of(self.conditions)

    @cached_property
    def detail(self) -> NDArray[np.float64]:
        """How much fine detail each block has, (`BLOCKS`,): median over the conditions."""
        return typical_detail(self.conditions)

    @cached_property
    def neighbourhood(self) -> Neighbourhood:
        """How much the conditions vary among those like them."""
        return learn_neighbourhood(self.views, self.owners)

    def only(self, episodes: Sequence[int]) -> "KnownQuality":
        """What it knows of some of the episodes, given by ascending position; owners are numbered anew."""
        kept = np.isin(self.owners, episodes)
        return replace(
            self,
            conditions=self.conditions[kept],
            owners=np.searchsorted(episodes, self.owners[kept]).astype(np.int64),
            outliers=tuple(episodes.index(position) for position in self.outliers if position in episodes),
        )

    def pieces(self, samples: float, frames: int | None = None) -> int:
        """How many pieces a stretch is cut into.

        Args:
            samples: Its length.
            frames: How many of them are at hand; None for enough.
        """
        pieces = min(MAX_PIECES, max(1, round(samples / self.piece_samples)))
        return pieces if frames is None else min(pieces, max(1, frames // PIECE_FRAMES))

    def level(self, pieces: int) -> int:
        """The row of the tolerances for the median of so many pieces."""
        return int(np.searchsorted(self.runs, pieces, side="right")) - 1


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a window's picture is like.

    Attributes:
        deviations: Of each measure of the whole picture and each summary, by name: in tolerances, signed; beyond 1 is
            outside all that is normal.
        changes: The same in the units of `condition.VISIBLE`; of `covered` the share of blocks beyond their own
            tolerance, of `detail` and `sharp` doublings, of `frozen` the share of frames that repeated in a row.
        places: The window's deviations of all measures, (`MEASURES`,).
        conditions: The window's pieces.
        nearest: The baseline's condition each piece resembles most.
        lens: What it tells of the lens and where it looks; None where the baseline knows nothing of that.
        travel: How far the camera itself is under way (see `travel`): for the causes alone, 0 until it is measured.
    """

    deviations: dict[str, float]
    changes: dict[str, float]
    places: Measures
    conditions: Conditions
    nearest: tuple[int, ...]
    lens: Lens | None
    travel: float = 0.0

    @property
    def worse(self) -> dict[str, float]:
        """How far each measure deviates to where a picture is not better for it, >= 0, in tolerances."""
        return {
            name: max(0.0, -value * BETTER[name]) if name in BETTER else abs(value)
            for name, value in self.deviations.items()
        }

    @property
    def score(self) -> float:
        """The largest of these."""
        return max(self.worse.values())


def assess(signals: FrameSignals, samples: int, known: KnownQuality) -> Assessment:
    """Compare a window with what the baseline knows.

    Args:
        signals: Of the window's frames, (n,), in order of time.
        samples: The samples they stand for.
        known: What is normal.
    """
    pieces = known.pieces(samples, len(signals))
    conditions = cut(signals, pieces, samples)
    compared, orders = [], []
    for piece in range(pieces):
        view = Views.of(conditions[piece : piece + 1])
        against, order = ranked(view, known.views)
        compared.append(held_against(view, known.views.take(order[:1]), against[order[0]]))
        orders.append(order)
    measures = np.median(compared, axis=0)
    level = known.level(pieces)
    tolerances = known.tolerances[level].astype(np.float64)
    summaries = summaries_of(measures, tolerances, known.detail)
    nearest = tuple(int(order[0]) for order in orders)
    tolerances = known.neighbourhood.tolerances(nearest, tolerances, FACTOR, FACTOR_FEW)
    still, normal = still_run(signals) / max(1, len(signals)), known.conditions
    unusual = still - max(2.0 * float(normal["still_run"].max()) / max(1, samples), float(normal["still_share"].max()))
    frozen_share = unusual if unusual * len(signals) >= FROZEN_FRAMES else 0.0
    lens = look_through(signals, conditions, orders, known.lens, known.conditions) if known.lens else None
    names = (*WHOLE, *SUMMARIES, SHARP, FROZEN)
    found = np.concatenate([measures[: len(WHOLE)], summaries, [lens.sharper if lens else 0.0, frozen_share]])
    softer = known.lens.softer if known.lens else 1.0
    tolerated = np.concatenate([tolerances[: len(WHOLE)], known.summary_tolerances[level], [softer, FROZEN_SHARE]])
    changes = dict(zip(names, found.tolist(), strict=True))
    changes["covered"] = float((_local(measures, tolerances) > 1.0).mean())
    changes[FROZEN] = still
    return Assessment(
        deviations=dict(zip(names, (found / tolerated).tolist(), strict=True)),
        changes=changes,
        places=measures,
        conditions=conditions,
        nearest=nearest,
        lens=lens,
    )


def typical_detail(conditions: Conditions) -> NDArray[np.float64]:
    """How much fine detail each block has, (`BLOCKS`,): median over the conditions."""
    return np.asarray(np.median(conditions["fine"].astype(np.float64), axis=0).ravel())


def cut(signals: FrameSignals, pieces: int, samples: float) -> Conditions:
    """The conditions of so many pieces of a stretch that stands for so many samples."""
    conditions = np.array([sum_up(part) for part in np.array_split(signals, pieces)], CONDITION)
    # How long a picture may stand still shows in the whole stretch, a piece cuts the longest repeats short; in samples,
    # because stretches of different lengths are thinned differently.
    share = still_run(signals) / max(1, len(signals))
    conditions["still_run"], conditions["still_share"] = round(share * samples), share
    return conditions


def summaries_of(measures: Measures, tolerances: Measures, detail: NDArray[np.float64]) -> NDArray[np.float64]:
    """`SUMMARIES` of one row of measures, (2,)."""
    covered = np.clip(_local(measures, tolerances) - _ORDINARY, 0.0, HIDDEN)
    fine = places("fine")
    change = detail_change(measures[fine], shown_by(detail), 1.0 / np.square(tolerances[fine]))
    return np.array([covered.mean(), change])


def shown_by(detail: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of what befalls all detail each block shows, 0 to 1, (`BLOCKS`,): one without detail nothing."""
    return detail / (detail + SOME_DETAIL)


def detail_change(change: NDArray[np.float64], shows: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Fine detail gained or lost all over, in doublings: least squares for one factor on all detail.

    Args:
        change: Of each block's detail, in doublings, (`BLOCKS`,).
        shows: How much of the factor each block shows, (`BLOCKS`,); see `shown_by`.
        weights: How steady each is, as 1 / variance, (`BLOCKS`,).
    """
    weights = weights * shows
    return float((weights * change).sum() / max(float((weights * shows).sum()), 1e-9))


def _local(measures: Measures, tolerances: Measures) -> NDArray[np.float64]:
    """How much each block's light or edges differ, the larger of the two, in their own tolerances: (`BLOCKS`,).

    Of the edges what differs from the change that most blocks share: a blurred lens covers nothing.
    """
    light, edges = places("light"), places("edges")
    change = measures[edges].reshape(DIRECTIONS, BLOCKS).mean(axis=0)
    tolerated = tolerances[edges].reshape(DIRECTIONS, BLOCKS).mean(axis=0)
    lit = np.abs(measures[light]) / tolerances[light]
    return np.asarray(np.maximum(lit, np.abs(change - np.median(change)) / tolerated))
