"""Whether a window was seen before: in the baseline, in itself, or in the frame before.

New footage is like old footage, never equal to it: light, noise and whatever moves see to that. How near two frames
come that were taken at different times is measured on the baseline's own episodes; a window whose frames come nearer
than that by far, one after the other, is a copy. A frame leaves a *print* to tell by: the light of 48 blocks, to a
64th of a grey level. An encoder hardly touches it, half a second of traffic does. Pure arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.protocol import MIN_EPISODES
from sentinel_edge.gates.signals import BANDS, BLOCK_COLUMNS, STILL, FrameSignals

PRINT = BANDS * BLOCK_COLUMNS
"""Blocks of a print."""
EMPTY = 128.0
"""A print whose blocks differ by less, two grey levels, shows nothing to be told again by: night, fog, a cap."""
MAX_PRINTS = 600
"""Prints kept of a baseline, 96 bytes each, spread evenly over its episodes."""
CLOSEST = 0.01
"""Share of the baseline's frames that come nearer to frames of another time than what counts as nearest: where one was
repeated by chance, the camera is not excused for ever."""
AS_NEAR = 0.4
"""Frames nearer than this share of it are the same."""
APART = 3
"""Frames of a window that are compared with each other lie so many apart."""
REPLAYED, LOOPED, REPEATED = "replayed", "looped", "repeated"
TOLERATED_SHARES = {REPLAYED: 0.35, LOOPED: 0.25, REPEATED: 0.06}
"""Of a window's frames: how many may be the baseline's, or others of the window; and how many more than normal may be
the frame before them again, but always one."""
OF_EPISODE = 0.5
"""Share of an episode's prints that, found in a window, tell that it is this episode, however much else it holds."""
MIN_OF_EPISODE = 8
REPEATS_EXCUSED = 1.5
"""Repeats beyond what is normal of which a window may always have fewer."""

Prints = NDArray[np.uint16]
"""(n, `PRINT`), 64ths of a grey level."""


@dataclass(frozen=True, slots=True)
class KnownPrints:
    """What is kept of the baseline's frames.

    Attributes:
        prints: Of the frames that are kept, (k, `PRINT`), in order of time.
        owners: int64 (k,), ascending: the episode each is of.
        repeats: int64 (e,): frames of each episode that were the same as the next.
        frames: int64 (e,): frames of each episode.
        near: Root mean square difference, in 64ths of a grey level, that frames of different episodes hardly ever
            come under; 0 where there is none.
        near_itself: The same of frames of one episode that are not neighbours.
    """

    prints: Prints
    owners: NDArray[np.int64]
    repeats: NDArray[np.int64]
    frames: NDArray[np.int64]
    near: float
    near_itself: float

    def only(self, positions: Sequence[int]) -> "KnownPrints":
        """What it knows of some of the episodes, given by ascending position; they are numbered anew."""
        kept = np.isin(self.owners, positions)
        chosen = list(positions)
        return replace(
            self,
            prints=self.prints[kept],
            owners=np.searchsorted(positions, self.owners[kept]).astype(np.int64),
            repeats=self.repeats[chosen],
            frames=self.frames[chosen],
        )

    def then(self, later: "KnownPrints") -> "KnownPrints":
        """These episodes and later ones; a frame that is known already must not make all frames alike."""
        known, new = len(self.frames), len(later.frames)
        fresh = ~self.again(later.prints).any(axis=1)
        prints, owners = _thinned(
            np.concatenate([self.prints, later.prints[fresh]]),
            np.concatenate([self.owners, later.owners[fresh] + known]),
        )
        return KnownPrints(
            prints,
            owners,
            np.concatenate([self.repeats, later.repeats]),
            np.concatenate([self.frames, later.frames]),
            _near(prints, owners, known + new),
            min(self.near_itself, later.near_itself),
        )

    def again(self, prints: Prints) -> NDArray[np.bool_]:
        """Which frames, (n, `PRINT`), are which of the known ones, (n, k); nothing is told by an empty picture."""
        telling = prints.std(axis=1) >= EMPTY
        return np.asarray((_distances(prints, self.prints) < AS_NEAR * self.near) & telling[:, None])

    def normal_repeats(self, frames: int) -> float:
        """How many of so many frames may be the same as the next, going by all episodes but the one with most."""
        usual = np.argsort(self.repeats, kind="stable")[:-1]
        share = float(self.repeats[usual].sum() / max(1, self.frames[usual].sum()))
        return max(float(self.repeats[usual].max(initial=0)), 2.0 * share * frames)


@dataclass(frozen=True, slots=True)
class Sameness:
    """How much of a window was seen before.

    Attributes:
        shares: By `REPLAYED`, `LOOPED` and `REPEATED`: the share of its frames.
        scores: The same in what is tolerated; above 1 is no new footage.
        copies: Of each frame whether it is the baseline's, or another one of the window, or the next; bool (n,).
        episodes: Positions of the baseline's episodes that frames of the window are of, the likeliest first.
    """

    shares: dict[str, float]
    scores: dict[str, float]
    copies: NDArray[np.bool_]
    episodes: tuple[int, ...]


def prints_of(signals: FrameSignals) -> Prints:
    """The prints of frames, (n, `PRINT`)."""
    luma = signals["luma"]
    rows, columns = luma.shape[1] // BANDS, luma.shape[2] // BLOCK_COLUMNS
    blocks = luma.reshape(len(luma), BANDS, rows, BLOCK_COLUMNS, columns).mean(axis=(2, 4), dtype=np.float64)
    return np.asarray(np.rint(blocks * 64.0), np.uint16).reshape(len(luma), PRINT)


def learn_prints(episodes: Sequence[FrameSignals]) -> KnownPrints:
    """What a baseline keeps of its episodes' frames, given the signals of each, (n,), in order of time."""
    every = [prints_of(signals) for signals in episodes]
    owners = np.repeat(np.arange(len(every)), [len(prints) for prints in every])
    prints, owners = _thinned(np.concatenate(every), owners.astype(np.int64))
    within = np.concatenate([_nearest_apart(prints) for prints in every])
    return KnownPrints(
        prints,
        owners,
        np.array([_repeats(signals).sum() for signals in episodes], np.int64),
        np.array([len(signals) for signals in episodes], np.int64),
        _near(prints, owners, len(every)),
        _closest(within),
    )


def compare_prints(signals: FrameSignals, known: KnownPrints) -> Sameness:
    """Hold a window's frames, (n,), in order of time, against the baseline's and each other."""
    prints, repeats = prints_of(signals), _repeats(signals)
    telling = prints.std(axis=1) >= EMPTY
    found = known.again(prints)
    again = found.any(axis=1)
    owners = np.unique(known.owners)
    prints_of_each = np.array([(known.owners == owner).sum() for owner in owners])
    matched = np.array([found[:, known.owners == owner].any(axis=0).sum() for owner in owners])
    whole = float((matched / prints_of_each)[prints_of_each >= MIN_OF_EPISODE].max(initial=0.0))
    # A picture that stands still is no loop.
    moving = np.append(True, _steps(prints) > AS_NEAR * known.near_itself) & telling
    looped = np.zeros(len(prints), bool)
    looped[moving] = _nearest_apart(prints[moving]) < AS_NEAR * known.near_itself
    beyond = float(repeats.sum()) - known.normal_repeats(len(prints))
    tolerated = TOLERATED_SHARES
    return Sameness(
        {REPLAYED: float(again.mean()), LOOPED: float(looped.mean()), REPEATED: float(repeats.mean())},
        {
            REPLAYED: max(float(again.mean()) / tolerated[REPLAYED], whole / OF_EPISODE),
            LOOPED: float(looped.mean()) / tolerated[LOOPED],
            REPEATED: max(0.0, beyond / max(REPEATS_EXCUSED, tolerated[REPEATED] * len(prints))),
        },
        again | looped | repeats,
        tuple(int(owner) for owner in owners[np.argsort(-matched, kind="stable")][: (matched > 0).sum()]),
    )


def _repeats(signals: FrameSignals) -> NDArray[np.bool_]:
    """Which frames are the same as the next."""
    return np.asarray(signals["change"] < STILL)


def _distances(one: Prints, other: Prints) -> NDArray[np.float64]:
    """Root mean square differences, (n, m)."""
    middle = other.mean(axis=0) if len(other) else 0.0
    first, second = one - middle, other - middle  # so that nothing is lost in the difference of large squares
    square = np.square(first).sum(1)[:, None] - 2.0 * first @ second.T + np.square(second).sum(1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0) / PRINT))


def _steps(prints: Prints) -> NDArray[np.float64]:
    """Differences from each frame to the next, (n - 1,)."""
    return np.asarray(np.sqrt(np.square(np.diff(prints.astype(np.float64), axis=0)).mean(axis=1)))


def _nearest_apart(prints: Prints) -> NDArray[np.float64]:
    """The distance of each frame to the nearest one that is no neighbour, (n,); infinite without any."""
    distance = _distances(prints, prints)
    place = np.arange(len(prints))
    distance[np.abs(place[:, None] - place) < APART] = np.inf
    return np.asarray(distance.min(axis=1, initial=np.inf))


def _near(prints: Prints, owners: NDArray[np.int64], episodes: int) -> float:
    """How near frames of different episodes come, neighbours left out where enough remain."""
    margin = 1 if episodes > MIN_EPISODES else 0  # of three the middle one has only neighbours
    distance = _distances(prints, prints)
    distance[np.abs(owners[:, None] - owners) <= margin] = np.inf
    return _closest(distance.min(axis=1, initial=np.inf))


def _closest(nearest: NDArray[np.float64]) -> float:
    finite = nearest[np.isfinite(nearest)]
    return float(np.quantile(finite, CLOSEST)) if len(finite) else 0.0


def _thinned(prints: Prints, owners: NDArray[np.int64]) -> tuple[Prints, NDArray[np.int64]]:
    """At most `MAX_PRINTS`, spread evenly over the episodes, of each as evenly as may be."""
    episodes = np.unique(owners)
    most = MAX_PRINTS // max(1, len(episodes))
    kept = []
    for episode in episodes:
        own = np.flatnonzero(owners == episode)
        kept.append(own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)])
    chosen = np.concatenate(kept)
    return prints[chosen], owners[chosen]
