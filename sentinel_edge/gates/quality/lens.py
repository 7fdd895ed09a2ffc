"""What the picture tells of the lens and where it looks, whatever the light and whoever is in view.

New light, a crowd, snow and growing plants change what is *before the camera*. They leave the edges that last where
they are, and what they bring is as sharp as what was there. What is *before the lens*, on it or in it does not: a drop,
a veil of water or a lost focus take fine detail before coarse; a cover takes the lasting edges of a region and brings
nothing sharp in their place; a camera that was turned has them elsewhere; and what sticks to the glass stays where it
is while lights and contents change. Pure arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.quality.condition import BLOCKS, Conditions, Views, ranked
from sentinel_edge.gates.signals import (
    BANDS,
    BLOCK_COLUMNS,
    FINE_OF_NOISE,
    SCENE_COLUMNS,
    SCENE_ROWS,
    FrameSignals,
    without_noise,
)

Edges = NDArray[np.complex64]
"""(`SCENE_ROWS`, `SCENE_COLUMNS`): at each place the direction of an edge, its angle doubled so that light from the
other side makes the same of it, and by its length, 0 to 1, how much it stands out from its surroundings and how long
it stays."""

LASTS = 0.2
"""Length from which an edge of a baseline is one that lasts."""
FRESH, EMPTY = 0.3, 0.1
"""Length from which an edge that a window holds all along is new, where the baseline has less than the other."""
ENOUGH_EDGES = 8.0
"""Sum of the lengths over a block from which the block has lasting edges to lose."""
GONE = 0.3
"""Share of a block's lasting edges found again below which they are gone."""
SMOOTH = 1.0
"""Doublings of fine detail by which a block has less than before where nothing sharp took the place of its edges."""
SOFTER, FRESHER = 0.15, 0.004
"""How much less sharpness, in doublings, and how many new edges, as a share of the picture, a person would just see."""
NOISY = 0.7
"""Share of the fine detail that may be noise for a picture to tell how sharp it is."""
LIKE_IT = 3
"""A window is held against the third of the conditions that are most like it, and no fewer than so many."""
LOOKED_AT = 48
"""Frames, spread evenly over a stretch, whose edges are looked at."""
_STEEP, _SURROUNDINGS, _DARK, _SCALE = 0.6, 8.0, 16.0, 32.0


@dataclass(frozen=True)
class KnownLens:
    """What a baseline knows of its lens and where it looks.

    Attributes:
        edges: int8 (2, `SCENE_ROWS`, `SCENE_COLUMNS`): those that last, `Edges` in steps of 1 / 127, real and imaginary
            part.
        episodes: How many they are the mean of.
        usual: The least share of them that any episode keeps of the others'.
        usual_blocks: float32 (`BLOCKS`,): likewise of each block.
        fresh: Tolerance of `Lens.fresh`.
        softer: Tolerance below 0 of `Lens.sharper`, in doublings, > 0.
        finer: Tolerance above 0 of it.
    """

    edges: NDArray[np.int8]
    episodes: int
    usual: float
    usual_blocks: NDArray[np.float32]
    fresh: float
    softer: float
    finer: float


@dataclass(frozen=True, slots=True)
class Lens:
    """What a window tells of the lens.

    Attributes:
        sharper: Doublings by which the window is sharper than the conditions like it, where these have most detail.
        kept: Share of the lasting edges that are where they were: about 0 for another scene, at most 1.
        has: bool (`BLOCKS`,): blocks that have lasting edges.
        gone: bool (`BLOCKS`,): those of them that lost them, as no known episode did.
        hidden: bool (`BLOCKS`,): those of these in which nothing sharp took their place.
        fresh: Share of the picture in which edges last that were not there.
    """

    sharper: float
    kept: float
    has: NDArray[np.bool_]
    gone: NDArray[np.bool_]
    hidden: NDArray[np.bool_]
    fresh: float

    @property
    def shows(self) -> float:
        """Share of the blocks that have lasting edges."""
        return float(self.has.mean())


def learn_lens(
    episodes: Sequence[FrameSignals], conditions: Conditions, owners: NDArray[np.int64], factor: float
) -> KnownLens:
    """Learn from a baseline's episodes, each compared with the others, its neighbours left out.

    Args:
        episodes: The signals of each, (n,), n >= 1; those without their like left out.
        conditions: (s,) the conditions of these.
        owners: (s,) the episode each is of, numbered as they are in `episodes`.
        factor: What is tolerated is the largest deviation found so, times this, and what a person would just see.
    """
    every = [lasting_edges(signals) for signals in episodes]
    total = np.sum(every, axis=0)
    softer, finer, fresh, usual, usual_blocks = 0.0, 0.0, 0.0, 1.0, np.ones(BLOCKS)
    views = Views.of(conditions)
    for number, edges in enumerate(every):
        near = [other for other in range(len(every)) if abs(other - number) <= 1]
        if len(near) == len(every):
            near = [number]
        if len(near) == len(every):
            break
        others = (total - np.sum([every[other] for other in near], axis=0)) / (len(every) - len(near))
        kept, blocks, _ = _found_again(edges, others)
        usual, usual_blocks = min(usual, kept), np.minimum(usual_blocks, blocks)
        fresh = max(fresh, _fresh(edges, others))
        apart = np.flatnonzero(~np.isin(owners, near))
        for position in np.flatnonzero(owners == number) if len(apart) else ():
            _, order = ranked(views.take(np.array([position])), views.take(apart))
            sharper = _sharper(conditions[position], conditions[apart][_like(order)])
            softer, finer = max(softer, -sharper), max(finer, sharper)
    return KnownLens(
        edges=_packed(total / len(every)),
        episodes=len(every),
        usual=usual,
        usual_blocks=usual_blocks.astype(np.float32),
        fresh=FRESHER + factor * fresh,
        softer=SOFTER + factor * softer,
        finer=SOFTER + factor * finer,
    )


def extend_lens(known: KnownLens, episodes: Sequence[FrameSignals]) -> KnownLens:
    """Learn which edges last from further episodes as well, and how few of them such an episode may hold."""
    if not episodes:
        return known
    every, lasting = [lasting_edges(signals) for signals in episodes], unpacked(known.edges)
    found = [_found_again(edges, lasting) for edges in every]
    count = known.episodes + len(every)
    return replace(
        known,
        edges=_packed((lasting * known.episodes + np.sum(every, axis=0)) / count),
        episodes=count,
        usual=min(known.usual, *(kept for kept, _, _ in found)),
        usual_blocks=np.minimum(known.usual_blocks, np.min([blocks for _, blocks, _ in found], axis=0)).astype(
            np.float32
        ),
        fresh=max(known.fresh, *(FRESHER + _fresh(edges, lasting) for edges in every)),
    )


def look_through(
    signals: FrameSignals,
    pieces: Conditions,
    orders: Sequence[NDArray[np.intp]],
    known: KnownLens,
    conditions: Conditions,
) -> Lens:
    """What a window tells of the lens.

    Args:
        signals: Of its frames, (n,), n >= 1.
        pieces: (p,) the conditions of its pieces, p >= 1.
        orders: For each of these, (s,): which conditions it resembles, the most like first.
        known: What the baseline knows.
        conditions: (s,) the baseline's conditions.
    """
    edges, lasting = lasting_edges(signals), unpacked(known.edges)
    kept, blocks, lengths = _found_again(edges, lasting)
    found, detail = [], []
    for piece, detailed, order in zip(pieces, _detail(pieces), orders, strict=True):
        like = conditions[_like(order)]
        found.append(_sharper(piece, like))
        detail.append(np.log2(detailed) - np.log2(np.median(_detail(like), axis=0)))
    has = lengths > ENOUGH_EDGES
    gone = has & (blocks < np.minimum(GONE, known.usual_blocks))
    return Lens(
        sharper=float(np.median(found)),
        kept=kept,
        has=has,
        gone=gone,
        hidden=gone & (np.median(detail, axis=0) < -SMOOTH),
        fresh=_fresh(edges, lasting),
    )


def lasting_edges(signals: FrameSignals) -> Edges:
    """The edges that a stretch of frames, (n,), n >= 1, holds all along: the mean of each place."""
    chosen = np.unique(np.linspace(0, len(signals) - 1, min(len(signals), LOOKED_AT)).astype(int))
    total = np.zeros((SCENE_ROWS, SCENE_COLUMNS), np.complex64)
    for scene in signals["scene"][chosen]:
        grey = np.log2(scene.astype(np.float32) + _DARK) * _SCALE
        across, down = (cv2.Sobel(grey, cv2.CV_32F, *way) / 8 for way in ((1, 0), (0, 1)))
        energy = np.square(across) + np.square(down)
        around = cv2.GaussianBlur(energy, (0, 0), _SURROUNDINGS)
        total += np.square(across + 1j * down) / (energy + around + _STEEP**2)
    return np.asarray(total / len(chosen), np.complex64)


def unpacked(edges: NDArray[np.int8]) -> Edges:
    """`Edges` as they were before they were packed."""
    return np.asarray((edges[0] + 1j * edges[1]) / 127.0, np.complex64)


def _packed(edges: Edges) -> NDArray[np.int8]:
    return np.asarray(np.rint(np.stack([edges.real, edges.imag]) * 127.0), np.int8)


def _like(order: NDArray[np.intp]) -> NDArray[np.intp]:
    """Those of the conditions that are most like one, of all by how like it they are."""
    return order[: max(LIKE_IT, len(order) // 3)]


def _sharper(one: np.void, like: Conditions) -> float:
    """Doublings by which a condition is sharper than those like it, the most like first: median of the detailed half.

    One that is as sharp as the one most like it is not soft: a new normal, once learned, is a single one of its kind.
    """
    if float(np.median(_noise_share(like))) > NOISY:
        return 0.0  # what is fine in them is noise
    sharp, known = one["sharp"].astype(np.float64), like["sharp"].astype(np.float64)
    detail = np.median(like["fine"].astype(np.float64), axis=0)
    detailed = detail >= np.median(detail)
    of_all, of_nearest = (float(np.median((sharp - of)[detailed])) for of in (np.median(known, axis=0), known[0]))
    return max(of_all, min(of_nearest, 0.0))


def _noise_share(conditions: Conditions) -> NDArray[np.float64]:
    """How much of the fine detail noise alone would make, of each condition."""
    fine = np.median(conditions["fine"].astype(np.float64).reshape(len(conditions), -1), axis=1)
    return np.asarray(FINE_OF_NOISE * conditions["noise"] / np.maximum(fine, 1e-6))


def _found_again(edges: Edges, lasting: Edges) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """How much of the lasting edges is there: altogether, of each block, and how long each block's are together."""
    length = np.abs(lasting)
    weights = np.where(length > LASTS, length, 0.0)
    # Along the lasting direction; one that stands out more than it used to is found, and no more than that.
    along = np.minimum((edges * lasting.conj()).real / np.maximum(length, 1e-9), length)
    found, whole = _blocks(weights * along), _blocks(weights * weights)
    return float(found.sum() / max(1e-9, whole.sum())), found / np.maximum(whole, 1e-9), _blocks(weights)


def _fresh(edges: Edges, lasting: Edges) -> float:
    """Share of the picture in which edges last that were not there."""
    return float(((np.abs(edges) > FRESH) & (np.abs(lasting) < EMPTY)).mean())


def _blocks(places: NDArray[np.float32]) -> NDArray[np.float64]:
    """Sums over blocks, (`BLOCKS`,)."""
    rows, columns = SCENE_ROWS // BANDS, SCENE_COLUMNS // BLOCK_COLUMNS
    return np.asarray(places.reshape(BANDS, rows, BLOCK_COLUMNS, columns).sum(axis=(1, 3), dtype=np.float64).ravel())


def _detail(conditions: Conditions) -> NDArray[np.float64]:
    """Fine detail of each block beyond what noise makes of it, grey levels and half a one: (s, `BLOCKS`)."""
    fine = conditions["fine"].astype(np.float64).reshape(len(conditions), -1)
    return without_noise(fine, conditions["noise"].astype(np.float64)[:, None]) + 0.5
