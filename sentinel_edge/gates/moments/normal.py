"""What single frames are like, and how much of a window is unlike anything known: what a median over it forgives.

Each frame is held against the scene the baseline knows that it resembles most, place by place. Whatever moves through
a scene makes single frames unlike it, so no frame is judged alone. Two things are: a *stretch* of a quarter of the
window, by what *lasts* over it (at each place the difference that three quarters of its frames reach, on the same
side), and how many frames are *torn* from the native frame behind them, as no motion tears them. How far normal
stretches come is measured on the baseline's own, at several lengths. Pure arrays.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.protocol import NEAREST
from sentinel_edge.gates.signals import DARK, FrameSignals

ROWS, COLUMNS = 24, 32
TINT_ROWS, TINT_COLUMNS = 6, 8
SCENE = np.dtype(
    [
        ("light", np.uint8, (ROWS, COLUMNS)),
        ("colour", np.uint8, (TINT_ROWS, TINT_COLUMNS, 3)),
        ("fine", np.float16, (6, 8)),
    ]
)
"""A frame, or the median of several, small: grey levels, blue-green-red, and the fine detail of each block."""
MEASURES = {
    "shape": 0.25,
    "unlike": 0.1,
    "tint": 0.06,
    "tint of places": 0.03,
    "detail": 0.2,
    "detail of places": 0.1,
    "light": 0.15,
    "light of places": 0.1,
}
"""What lasts over a stretch, against the scenes its frames resemble most, and how much of it a person would just see:
the difference of the reliefs, as a share of the scene's; 1 - their correlation; doublings of red and of blue against
green, of fine detail and of light, over all the picture, and place by place what is left of that. All from 0."""
MAX_SCENES = 48
SCENE_FRAMES = 8
"""Frames whose median makes a scene, at least."""
SHARE = 0.25
"""Of a window: a failure that lasts so long is looked for."""
LOWER = 0.25
LEAST_FRAMES = 6
"""Frames of a stretch, at least: of fewer pictures of an archive a shower is one."""
GROWTH = 1.5
"""Each length at which stretches are measured is so many times the one before it."""
FACTOR, FACTOR_FEW = 1.25, 2.0
"""Tolerated is what is just visible and the largest normal value times (1.25 + 2 / m), where m did not overlap; see
`quality.learning`. Less than there: what lasts over a stretch varies less than its median."""
TORN_SHARE = 0.1
"""Of a window's frames: how many may be torn from the next one."""
TORN_LEVELS = np.array([3.0, 2.0])
"""Grey levels by which a frame may differ from the next whatever the baseline shows, on average and in much of the
picture."""
ORDERLY = 0.75
"""A frame is also not torn from the next that differs from it by less than this share of what frames half a window
apart do: a camera before which nothing ever moved is not torn by the first car."""
MUCH = 0.6
"""In much of the picture: all but this share of it."""
STEP_PIXELS = 8
"""Much of the picture is told by every so many-th pixel of every so many-th row."""
PARTS = 4
"""A stretch is moved on by a quarter of its length at a time, and what lasts may be missing from a quarter of it."""
BLOCKS = TINT_ROWS * TINT_COLUMNS
SHAPES = ROWS * COLUMNS // 4
_PLACES = {"shape": SHAPES, "scene": 1, "unlike": 1, "red": BLOCKS, "blue": BLOCKS, "fine": BLOCKS, "light": BLOCKS}
"""What is known of a frame's differences: how many numbers, by name; `scene` is how much relief the scene has that it
is held against."""
_RELIEF_SIGMA, _RELIEF_NOISE, _SOME_RELIEF, _SOME_DETAIL = 2.0, 8.0, 2.0, 0.5

Scenes = NDArray[np.void]
"""Records of `SCENE`, (n,)."""


@dataclass(frozen=True)
class KnownMoments:
    """What the baseline knows of single frames.

    Attributes:
        scenes: (s,), in order of time.
        owners: int64 (s,): the episode each is of.
        lengths: float64 (k,), ascending: lengths of stretches, in samples.
        tolerances: float32 (k, 8): what of each of `MEASURES` is normal for such a stretch.
        torn: float64 (2,): grey levels by which a frame differs from the next when nothing is wrong, at most, on
            average and in much of the picture.
    """

    scenes: Scenes
    owners: NDArray[np.int64]
    lengths: NDArray[np.float64]
    tolerances: NDArray[np.float32]
    torn: NDArray[np.float64]

    @cached_property
    def views(self) -> "Views":
        """The scenes, made ready for comparison."""
        return Views.of(self.scenes)

    def only(self, positions: Sequence[int]) -> "KnownMoments":
        """What it knows of some of the episodes, given by ascending position; they are numbered anew."""
        kept = np.isin(self.owners, positions)
        owners = np.searchsorted(positions, self.owners[kept]).astype(np.int64)
        return replace(self, scenes=self.scenes[kept], owners=owners)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a window that is less like anything known than the rest.

    Attributes:
        deviations: By `MEASURES`, the largest of any stretch, in tolerances.
        start: Where the stretch begins in which one of them is largest.
        stop: Where it ends.
        torn: Share of the window's frames that are torn from the next one.
        torn_frames: Which those are, bool (n,).
    """

    deviations: dict[str, float]
    start: int
    stop: int
    torn: float
    torn_frames: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Views:
    """Scenes (s,) made ready for comparison; every field has s rows."""

    relief: NDArray[np.float32]
    strength: NDArray[np.float32]
    tint: NDArray[np.float32]
    fine: NDArray[np.float32]
    light: NDArray[np.float32]

    @classmethod
    def of(cls, scenes: Scenes) -> "Views":
        """Prepare scenes."""
        light = scenes["light"].astype(np.float32)
        relief = np.stack([grey - cv2.GaussianBlur(grey, (0, 0), _RELIEF_SIGMA) for grey in light])
        relief = relief.reshape(len(light), -1)
        blue, green, red = np.moveaxis(scenes["colour"].astype(np.float32) + DARK, 3, 0)
        fine = scenes["fine"].astype(np.float32).reshape(len(light), -1)
        return cls(
            relief=relief,
            strength=np.sqrt(np.square(relief).sum(axis=1)),
            tint=np.stack([np.log2(red / green), np.log2(blue / green)], axis=1).reshape(len(light), 2, -1),
            fine=np.log2(fine + _SOME_DETAIL),
            light=np.log2(light + DARK).reshape(len(light), -1),
        )


def spread(frame: NDArray[np.uint8], successor: NDArray[np.uint8] | None) -> float:
    """How much a frame differs from the next in much of the picture, grey levels; NaN where there is none like it.

    Whatever moves, however large, hardly ever fills as much of the picture; another picture does.
    """
    if successor is None or frame.shape != successor.shape:
        return float("nan")
    few = (slice(None, None, STEP_PIXELS), slice(None, None, STEP_PIXELS))
    return float(np.quantile(cv2.absdiff(frame[few], successor[few]).max(axis=2), MUCH))


def scenes_of(signals: FrameSignals) -> Scenes:
    """Frames, (n,), small."""
    scenes = np.zeros(len(signals), SCENE)
    for name, source in (("light", "luma"), ("colour", "colour")):
        rows, columns = scenes[name].shape[1:3]
        picture = signals[source]
        by = (picture.shape[1] // rows, picture.shape[2] // columns)
        blocks = picture.reshape(len(signals), rows, by[0], columns, by[1], *picture.shape[3:])
        scenes[name] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
    scenes["fine"] = signals["fine"]
    return scenes


def learn_moments(
    episodes: Sequence[FrameSignals], spreads: Sequence[NDArray[np.float32]], samples: Sequence[int]
) -> KnownMoments:
    """What a baseline keeps of its episodes' frames.

    Args:
        episodes: The signals of each, (n,), in order of time.
        spreads: Of the same frames (see `spread`).
        samples: The samples each stands for.
    """
    frames = [scenes_of(signals) for signals in episodes]
    scenes, owners = _medians(frames)
    found = [
        measured(one, Views.of(scenes[_others(owners, number)])) for number, one in enumerate(frames)
    ]  # a stretch may reach over the end of an episode
    lengths, tolerances = _tolerances(np.concatenate(found), sum(samples), len(episodes))
    return KnownMoments(scenes, owners, lengths, tolerances, _torn(episodes, spreads))


def extend_moments(
    known: KnownMoments,
    before: int,
    episodes: Sequence[FrameSignals],
    spreads: Sequence[NDArray[np.float32]],
    samples: Sequence[int],
) -> KnownMoments:
    """Learn from further episodes; tolerances are never lowered.

    Args:
        known: As learned before.
        before: How many episodes that was.
        episodes: The signals of each new one, (n,), in order of time.
        spreads: Of the same frames (see `spread`).
        samples: The samples each new one stands for.
    """
    frames = [scenes_of(signals) for signals in episodes]
    new, numbers = _medians(frames)
    scenes, owners = np.concatenate([known.scenes, new]), np.concatenate([known.owners, numbers + before])
    found = []
    for number, one in enumerate(frames, start=before):
        # A new normal of a few neighbours has no like elsewhere.
        found.append(measured(one, Views.of(scenes[owners != number])))
    lengths, tolerances = _tolerances(np.concatenate(found), sum(samples), before + len(episodes))
    at = np.clip(np.searchsorted(lengths, known.lengths, side="right") - 1, 0, len(lengths) - 1)
    kept = _few_of_each(owners)
    return KnownMoments(
        scenes[kept],
        owners[kept],
        known.lengths,
        np.maximum(known.tolerances, tolerances[at]),
        np.maximum(known.torn, _torn(episodes, spreads)),
    )


def assess_moments(signals: FrameSignals, spreads: NDArray[np.float32], samples: int, known: KnownMoments) -> Stretch:
    """Look for a stretch of a window that is unlike all that is known, and for torn frames.

    Args:
        signals: Of the window's frames, (n,), in order of time.
        spreads: Of the same frames (see `spread`).
        samples: The samples they stand for.
        known: What is normal.
    """
    count = len(signals)
    length = min(count, max(LEAST_FRAMES, int(np.ceil(SHARE * count))))
    level = max(0, int(np.searchsorted(known.lengths, length * samples / count, side="right")) - 1)
    scenes = scenes_of(signals)
    found = _lasting(measured(scenes, known.views), length) / known.tolerances[level]
    worst = int(found.max(axis=1).argmax())
    start = min(worst * _step(length), count - length)
    torn = (signals["change"] > max(known.torn[0], ORDERLY * _apart(scenes))) | (spreads > known.torn[1])
    return Stretch(
        dict(zip(MEASURES, found.max(axis=0).tolist(), strict=True)), start, start + length, float(torn.mean()), torn
    )


def measured(scenes: Scenes, known: Views) -> NDArray[np.float32]:
    """How frames, (n,), differ from the known scenes they resemble most: (n, ...) as `_PLACES` says."""
    own = Views.of(scenes)
    alike = own.relief @ known.relief.T + _RELIEF_NOISE**2
    alike /= own.strength[:, None] * known.strength + _RELIEF_NOISE**2
    nearest = alike.argmax(axis=1)
    scene = _coarser(known.relief[nearest], ROWS // 2, COLUMNS // 2)
    return np.concatenate(
        [
            _coarser(own.relief - known.relief[nearest], ROWS // 2, COLUMNS // 2),
            np.abs(scene).mean(axis=1, keepdims=True),
            1.0 - alike.max(axis=1, keepdims=True),
            (own.tint - known.tint[nearest]).reshape(len(scenes), -1),
            own.fine - known.fine[nearest],
            _coarser(own.light - known.light[nearest], TINT_ROWS, TINT_COLUMNS),
        ],
        axis=1,
    )


def _apart(scenes: Scenes) -> float:
    """By how many grey levels frames half a window apart typically differ, or a third, the larger; of (n,), n > 2."""
    light = scenes["light"].astype(np.float32)
    far = (len(scenes) // 2, len(scenes) // 3)
    return max(float(np.median(np.abs(light[lag:] - light[:-lag]).mean(axis=(1, 2)))) for lag in far)


def _coarser(pictures: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """Pictures of `ROWS` and `COLUMNS`, flat, as means over fewer places."""
    blocks = pictures.reshape(len(pictures), rows, ROWS // rows, columns, COLUMNS // columns)
    return np.asarray(blocks.mean(axis=(2, 4)).reshape(len(pictures), -1))


def _lasts(stretch: NDArray[np.float32]) -> NDArray[np.float64]:
    """`MEASURES` of what lasts over a stretch of differences, (n, ...) as `_PLACES` says."""
    below, above = np.quantile(stretch, (LOWER, 1.0 - LOWER), axis=0)
    lasting = np.maximum(below, 0.0) + np.minimum(above, 0.0)
    shape, scene, unlike, *places = np.split(lasting, np.cumsum(list(_PLACES.values()))[:-1])
    red, blue, fine, light = places
    return np.array(
        [
            np.abs(shape).mean() / (scene[0] + _SOME_RELIEF),
            unlike[0],
            max(abs(np.median(red)), abs(np.median(blue))),
            np.abs(np.concatenate([red, blue])).mean(),
            abs(np.median(fine)),
            np.abs(fine - np.median(fine)).mean(),
            abs(np.median(light)),
            np.abs(light - np.median(light)).mean(),
        ]
    )


def _step(length: int) -> int:
    return max(1, length // PARTS)


def _lasting(differences: NDArray[np.float32], length: int) -> NDArray[np.float64]:
    """`MEASURES` of every stretch, (p, 8), of those that begin `_step` apart."""
    starts = range(0, len(differences) - length + _step(length), _step(length))
    return np.stack([_lasts(differences[min(start, len(differences) - length) :][:length]) for start in starts])


def _medians(frames: Sequence[Scenes]) -> tuple[Scenes, NDArray[np.int64]]:
    """Scenes of episodes: medians of their parts, and whose they are."""
    scenes, owners = [], []
    for number, one in enumerate(frames):
        parts = max(1, min(MAX_SCENES // len(frames), len(one) // SCENE_FRAMES))
        for part in np.array_split(one, parts):
            scene = np.zeros((), SCENE)
            for name in SCENE.names or ():
                scene[name] = np.median(part[name], axis=0)
            scenes.append(scene)
            owners.append(number)
    return np.array(scenes, SCENE), np.array(owners, np.int64)


def _few_of_each(owners: NDArray[np.int64]) -> NDArray[np.intp]:
    """Which scenes to keep: at most `MAX_SCENES`, of each episode as many, spread evenly."""
    episodes = np.unique(owners)
    most = max(1, MAX_SCENES // len(episodes))
    kept = []
    for episode in episodes:
        own = np.flatnonzero(owners == episode)
        kept.append(own[np.linspace(0, len(own) - 1, min(most, len(own))).astype(int)])
    return np.concatenate(kept)


def _others(owners: NDArray[np.int64], number: int) -> NDArray[np.bool_]:
    """The scenes of other episodes; neighbours left out where enough remain."""
    apart = np.abs(owners - number) > 1
    return apart if len(np.unique(owners[apart])) >= NEAREST else owners != number


def _tolerances(
    found: NDArray[np.float32], samples: int, episodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Lengths, in samples, and what is tolerated of each measure in stretches of that length."""
    lengths: list[float] = []
    rows: list[NDArray[np.float64]] = []
    length = float(LEAST_FRAMES)
    while not rows or length <= len(found) / 2:
        frames = min(len(found), round(length))
        few = min(episodes, len(found) / frames)
        largest = _lasting(found, frames).max(axis=0)
        rows.append(np.array(list(MEASURES.values())) + (FACTOR + FACTOR_FEW / few) * largest)
        lengths.append(frames * samples / len(found))
        length *= GROWTH
    return np.array(lengths), np.array(rows, np.float32)


def _torn(episodes: Sequence[FrameSignals], spreads: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    changes = np.stack([np.concatenate([one["change"] for one in episodes]), np.concatenate(spreads)], axis=1)
    largest = np.nan_to_num(changes, nan=0.0).max(axis=0)
    return np.asarray(TORN_LEVELS + (FACTOR + FACTOR_FEW / len(episodes)) * largest)
