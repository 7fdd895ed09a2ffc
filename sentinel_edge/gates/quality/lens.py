"""What the picture tells of the lens and where it looks, whatever the light and whoever is in view.

New light, a crowd, snow and growing plants change what is *before the camera*. They leave the edges that last where
they are, and whatever they bring is as sharp as what was there. What is *before the lens*, on it or in it does not: a
drop, dirt, a veil of water or a lost focus take fine detail before coarse, wherever they are; a cover takes the lasting
edges of a region and brings nothing sharp in their place; a camera that was turned has them elsewhere; and what hangs
on the glass lies over everything at once. Pure arrays; the baseline's conditions are all it is learned from.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import BLOCKS, DARK, Conditions, Views, compare, resemblance
from sentinel_edge.gates.quality.signals import (
    BANDS,
    BLOCK_COLUMNS,
    THUMBNAIL_COLUMNS,
    THUMBNAIL_ROWS,
    without_noise,
)

Edges = NDArray[np.complex128]
"""(..., `THUMBNAIL_ROWS`, `THUMBNAIL_COLUMNS`): at each place the direction of an edge, its angle doubled so that light
from the other side makes the same of it, and how much it stands out from its surroundings, 0 to 1."""

LASTS = 0.2
"""Strength, averaged over all conditions, from which an edge is one that lasts."""
ENOUGH_EDGES = 2.0
"""Sum of these strengths over a block from which the block has lasting edges to lose."""
GONE = 0.3
"""Share of a block's lasting edges found again below which they are gone."""
SMOOTH = 1.0
"""Doublings of fine detail by which a block whose edges are gone has less than before, where nothing sharp took their
place."""
RICHER = 0.5
"""Doublings of fine detail that lie over a place beside what was there."""
SOFTER = 0.1
"""Doublings of sharpness that a person would just see."""
LIKE_IT = 3
"""A window is held against the third of the conditions that are most like it, and no fewer than so many."""
_STEEP, _SURROUNDINGS = 0.6, 4.0
_SCALE = 32.0


@dataclass(frozen=True, slots=True)
class Lens:
    """What a window tells of the lens.

    Attributes:
        sharper: Doublings by which the window is sharper than the softest of the conditions like it; NaN where the
            baseline does not hold it.
        finer: Doublings by which it is sharper than the sharpest of them; NaN likewise.
        kept: Share of the lasting edges that are where they were, about 0 for another scene, at most 1.
        usual: The least share of them that any condition of the baseline keeps of the others'.
        gone: bool (`BLOCKS`,): blocks whose lasting edges are gone, as those of no known condition are.
        hidden: bool (`BLOCKS`,): those of them in which nothing sharp took their place.
        overlaid: Share of the blocks that keep their edges in which fine detail was added.
        has: bool (`BLOCKS`,): blocks that have lasting edges.
    """

    sharper: float
    finer: float
    kept: float
    usual: float
    gone: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    overlaid: float
    has: NDArray[np.bool_]

    @property
    def shows(self) -> float:
        """Share of the blocks that have lasting edges."""
        return float(self.has.mean())


@dataclass(frozen=True)
class KnownLens:
    """What the conditions of a baseline tell of its lens.

    Attributes:
        conditions: (s,) those of episodes that have their like.
        views: The same, made ready for comparison.
        softer: Tolerance below 0 of `Lens.sharper`, in doublings, > 0.
        finer: Tolerance of `Lens.finer`, likewise.
        edges: The lasting ones: the conditions' mean.
        usual: See `Lens.usual`.
        usual_blocks: (`BLOCKS`,) likewise of each block.
    """

    conditions: Conditions
    views: Views
    softer: float
    finer: float
    edges: Edges
    usual: float
    usual_blocks: NDArray[np.float64]


def learn_lens(conditions: Conditions, owners: NDArray[np.int64], factor: float) -> KnownLens:
    """Learn from the conditions of a baseline, each compared with those of other episodes, its neighbours left out.

    Args:
        conditions: (s,), s >= 1.
        owners: (s,) the episode each is of.
        factor: The largest shortfall of sharpness found so, times this, is tolerated beside `SOFTER`.
    """
    views = Views.of(conditions)
    edges = edges_of(conditions["luma"])
    softer, finer, usual = 0.0, 0.0, 1.0
    usual_blocks = np.ones(BLOCKS)
    for position, owner in enumerate(owners):
        apart = np.flatnonzero(np.abs(owners - owner) > 1)
        if not len(apart):
            apart = np.flatnonzero(owners != owner)
        if not len(apart):
            continue
        one = views.take(np.array([position]))
        sharper, above = _sharper(one, conditions[position], views.take(apart), conditions[apart])
        if not np.isnan(sharper):
            softer, finer = max(softer, -sharper), max(finer, above)
        kept, blocks, _ = _found_again(edges[position], edges[apart].mean(axis=0))
        usual, usual_blocks = min(usual, kept), np.minimum(usual_blocks, blocks)
    tolerated = SOFTER + factor * softer, SOFTER + factor * finer
    return KnownLens(conditions, views, *tolerated, edges.mean(axis=0), usual, usual_blocks)


def look_through(pieces: Conditions, known: KnownLens) -> Lens:
    """What a window's pieces, (p,), p >= 1, tell of the lens; the median over them."""
    found = [_one(pieces[number : number + 1], known) for number in range(len(pieces))]
    most = (len(found) + 1) // 2
    return Lens(
        sharper=float(np.median([one.sharper for one in found])),
        finer=float(np.median([one.finer for one in found])),
        kept=float(np.median([one.kept for one in found])),
        usual=known.usual,
        gone=np.sum([one.gone for one in found], axis=0) >= most,
        hidden=np.sum([one.hidden for one in found], axis=0) >= most,
        overlaid=float(np.median([one.overlaid for one in found])),
        has=found[0].has,
    )


def edges_of(luma: NDArray[np.uint8]) -> Edges:
    """Edges of grey thumbnails, (n, h, w)."""
    found = []
    for grey in np.log2(luma.astype(np.float32) + DARK * 2) * _SCALE:
        across, down = (cv2.Sobel(grey, cv2.CV_32F, *way) / 8 for way in ((1, 0), (0, 1)))
        energy = np.square(across) + np.square(down)
        around = cv2.GaussianBlur(energy, (0, 0), _SURROUNDINGS)
        found.append(np.square(across + 1j * down) / (energy + around + _STEEP**2))
    return np.asarray(found, np.complex128)


def _one(piece: Conditions, known: KnownLens) -> Lens:
    view = Views.of(piece)
    order = np.argsort(resemblance(compare(view, known.views)), kind="stable")
    kept, blocks, strengths = _found_again(edges_of(piece["luma"])[0], known.edges)
    has = strengths > ENOUGH_EDGES
    gone = has & (blocks < np.minimum(GONE, known.usual_blocks))
    like = order[: max(LIKE_IT, len(order) // 3)]
    before = np.median(_clean(known.conditions[like]), axis=0)
    richer = np.log2((_clean(piece)[0] + 0.5) / (before + 0.5))
    still = has & (blocks > GONE)
    sharper, finer = _sharper(view, piece[0], known.views, known.conditions)
    return Lens(
        sharper=sharper,
        finer=finer,
        kept=kept,
        usual=known.usual,
        gone=gone,
        hidden=gone & (richer < -SMOOTH),
        overlaid=float((richer[still] > RICHER).mean()) if still.any() else 0.0,
        has=has,
    )


def _sharper(view: Views, one: np.void, views: Views, conditions: Conditions) -> tuple[float, float]:
    """Doublings by which a condition is sharper than the softest, and than the sharpest, of those most like it."""
    order = np.argsort(resemblance(compare(view, views)), kind="stable")
    known = conditions["sharp"][order[: max(LIKE_IT, len(order) // 3)]].astype(np.float64)
    known = known[~np.isnan(known)]
    if not len(known):
        return float("nan"), float("nan")
    return float(one["sharp"]) - float(known.min()), float(one["sharp"]) - float(known.max())


def _found_again(edges: Edges, lasting: Edges) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """How much of the lasting edges is there: altogether, of each block, and how strong each block's are."""
    strength = np.abs(lasting)
    weights = np.where(strength > LASTS, strength, 0.0)
    # Along the lasting direction; one that stands out more than it used to is found, and no more than that.
    along = np.minimum((edges * lasting.conj()).real / np.maximum(strength, 1e-9), strength)
    found, whole = _blocks(weights * along), _blocks(weights * weights)
    return (
        float(found.sum() / max(1e-9, whole.sum())),
        found / np.maximum(whole, 1e-9),
        _blocks(weights),
    )


def _blocks(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sums over blocks, (`BLOCKS`,)."""
    rows, columns = THUMBNAIL_ROWS // BANDS, THUMBNAIL_COLUMNS // BLOCK_COLUMNS
    return np.asarray(places.reshape(BANDS, rows, BLOCK_COLUMNS, columns).sum(axis=(1, 3)).ravel())


def _clean(conditions: Conditions) -> NDArray[np.float64]:
    """Fine detail of each block beyond what noise makes of it, grey levels: (s, `BLOCKS`)."""
    fine = conditions["fine"].astype(np.float64).reshape(len(conditions), -1)
    return without_noise(fine, conditions["noise"].astype(np.float64)[:, None])
