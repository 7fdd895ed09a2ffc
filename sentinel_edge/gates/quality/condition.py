"""What a fixed camera's picture is like over a stretch of footage, and how far one stretch is from another.

A stretch is summed up as one *condition*: the median of every signal, and of every place of the thumbnail, so that
what moves through the scene drops out. Two conditions are compared by *measures*, each about one thing that can go
wrong, each 0 where both are alike. Pure arrays; what is normal is measured in `learning`.
"""

from dataclasses import dataclass, fields
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.gates.signals import (
    BANDS,
    BLOCK_COLUMNS,
    COLOUR_COLUMNS,
    COLOUR_ROWS,
    DARK,
    DIRECTIONS,
    STILL,
    THUMBNAIL_COLUMNS,
    THUMBNAIL_ROWS,
    FrameSignals,
    sharpness,
)

CONDITION = np.dtype(
    [
        ("noise", np.float32),
        ("blocks", np.float32),
        ("clipped", np.float32),
        ("sharp", np.float16, (BANDS, BLOCK_COLUMNS)),
        ("still_run", np.int32),
        ("still_share", np.float32),
        ("edges", np.float16, (DIRECTIONS, BANDS, BLOCK_COLUMNS)),
        ("fine", np.float16, (BANDS, BLOCK_COLUMNS)),
        ("luma", np.uint8, (THUMBNAIL_ROWS, THUMBNAIL_COLUMNS)),
        ("colour", np.uint8, (COLOUR_ROWS, COLOUR_COLUMNS, 3)),
    ]
)
"""What is kept of a stretch: medians over its frames of what `quality.FRAME_SIGNALS` names, and of their `sharpness`;
in `still_run` the most samples in a row that did not change at all, in `still_share` what share of the frames these
are."""

CONDITION_3 = np.dtype([(name, CONDITION[name]) for name in CONDITION.names or () if name != "sharp"])
"""What files of version 3 and before hold of one."""

Condition = np.void
"""One record of `CONDITION`."""
Conditions = NDArray[np.void]
"""Records of `CONDITION`, (s,)."""
Measures = NDArray[np.float64]
"""The measures of one comparison, or of several in rows: float64 (..., `MEASURES`)."""

VISIBLE = {
    "brightness": 0.15,
    "contrast": 0.15,
    "black": 10.0,
    "clipped": 0.02,
    "noise": 0.4,
    "blocks": 0.25,
    "red": 0.06,
    "blue": 0.06,
    "saturation": 0.25,
    "unlike": 0.1,
    "moved": 0.008,
}
"""The measures of the whole picture, and how much of each a person would just see; less is never called a change.

| measure    | what differs                                                             | unit                      |
|------------|--------------------------------------------------------------------------|---------------------------|
| brightness | median over the thumbnail's pixels                                       | doublings of grey level   |
| contrast   | strength of the thumbnail's relief (what is left without its slow parts) | doublings                 |
| black      | second percentile of the thumbnail                                       | grey levels               |
| clipped    | share of pixels at white                                                 | share                     |
| noise      | standard deviation                                                       | doublings                 |
| blocks     | strength of an 8-pixel grid                                              | doublings                 |
| red, blue  | against green, median over the thumbnail                                 | doublings                 |
| saturation | mean spread of the channels                                              | doublings                 |
| unlike     | 1 - correlation of the reliefs                                           | 0 to 2                    |
| moved      | how far a point of the picture has moved, root mean square; 0 unless     | share of the picture      |
|            | moving it back makes both clearly more alike                             |                           |
"""

VISIBLE_PLACES = {"light": 0.15, "edges": 0.3, "fine": 0.2}
"""The measures of a place: each block's brightness (what a change of light for all would explain taken away), its edges
in each direction, and its fine detail, all in doublings."""

BLOCKS = BANDS * BLOCK_COLUMNS
_PLACE_SIZES = {"light": BLOCKS, "edges": DIRECTIONS * BLOCKS, "fine": BLOCKS}
WHOLE = tuple(VISIBLE)
MEASURES = len(WHOLE) + sum(_PLACE_SIZES.values())
FLOOR: Measures = np.concatenate(
    [np.array(list(VISIBLE.values())), *(np.full(size, VISIBLE_PLACES[name]) for name, size in _PLACE_SIZES.items())]
)
"""How much of every measure a person would just see."""
_DOUBLINGS = 50.0
_RANGES = {"black": 600.0, "clipped": 2.5, "unlike": 5.0, "moved": 2.5}
LARGEST: Measures = np.array([_RANGES.get(name, _DOUBLINGS) for name in WHOLE] + [_DOUBLINGS] * (MEASURES - len(WHOLE)))
"""More than any tolerance can be: two and a half times all there is of a measure (of what is told in doublings, 20)."""

MEDIAN_FRAMES = 48
"""Frames, spread evenly over a stretch, of whose thumbnails the median is taken."""
_RELIEF_SIGMA = 4.0
_RELIEF_NOISE = 16.0
_EDGE_NOISE, _FINE_NOISE, _PIXEL_NOISE, _CHROMA_NOISE = 4.0, 0.5, 0.25, 2.0
_SOME = 5
"""For the median change of brightness every so many-th pixel is enough (and 64 columns are no multiple of it)."""
_TONES = 4
"""A change of light for all is told from the median change at so many levels of brightness."""


def whole(name: str) -> int:
    """Where a measure of the whole picture stands among the measures."""
    return WHOLE.index(name)


def places(name: str) -> slice:
    """Where the measures of places of one sort stand among the measures."""
    names = list(_PLACE_SIZES)
    start = len(WHOLE) + sum(_PLACE_SIZES[before] for before in names[: names.index(name)])
    return slice(start, start + _PLACE_SIZES[name])


def sum_up(signals: FrameSignals) -> Condition:
    """The condition of a stretch of frames, (n,), n >= 1."""
    record = np.zeros((), CONDITION)
    for name in ("noise", "blocks", "clipped", "edges", "fine"):
        record[name] = np.median(signals[name], axis=0)
    record["sharp"] = np.median(sharpness(signals), axis=0)
    some = signals[np.linspace(0, len(signals) - 1, min(len(signals), MEDIAN_FRAMES)).astype(int)]
    for name in ("luma", "colour"):
        # The upper one of the middle two where their number is even.
        record[name] = np.sort(some[name], axis=0)[len(some) // 2]
    record["still_run"] = still_run(signals)
    record["still_share"] = record["still_run"] / len(signals)
    return cast("np.void", record[()])


def unsharp(conditions: Conditions) -> Conditions:
    """Records of `CONDITION` from those of `CONDITION_3`: how sharp they were is not known."""
    known = np.zeros(len(conditions), CONDITION)
    for name in CONDITION_3.names or ():
        known[name] = conditions[name]
    return known


def still_run(signals: FrameSignals) -> int:
    """The most frames in a row, (n,), that were the same as the next."""
    start, stop = longest_still(signals)
    return stop - start


def longest_still(signals: FrameSignals) -> tuple[int, int]:
    """The longest run of frames, (n,), that were the same as the next: from a start up to a stop, or 0, 0.

    The stop, where the stretch holds it, is the last of the repeats.
    """
    still = signals["change"] < STILL
    ends = np.flatnonzero(np.diff(np.concatenate([[False], still, [False]]).astype(np.int8)))
    starts, stops = ends[::2], ends[1::2]
    if not len(starts):
        return 0, 0
    longest = int((stops - starts).argmax())
    return int(starts[longest]), int(stops[longest])


@dataclass(frozen=True, slots=True)
class Views:
    """Conditions (s,) made ready for comparison: logarithms, reliefs, ranks. Every field has s rows."""

    noise: NDArray[np.float64]
    blocks: NDArray[np.float64]
    clipped: NDArray[np.float64]
    black: NDArray[np.float64]
    light: NDArray[np.float64]
    by_light: NDArray[np.intp]
    relief: NDArray[np.float64]
    strength: NDArray[np.float64]
    tint: NDArray[np.float64]
    chroma: NDArray[np.float64]
    edges: NDArray[np.float64]
    fine: NDArray[np.float64]

    @classmethod
    def of(cls, conditions: Conditions) -> "Views":
        """Prepare conditions, (s,)."""
        luma = conditions["luma"].astype(np.float64)
        relief = reliefs(conditions["luma"])
        blue, green, red = np.moveaxis(conditions["colour"].astype(np.float64) + DARK, 3, 0)
        spread = conditions["colour"].max(axis=3).astype(np.float64) - conditions["colour"].min(axis=3)
        return cls(
            noise=np.log2(conditions["noise"].astype(np.float64) + _PIXEL_NOISE),
            blocks=conditions["blocks"].astype(np.float64),
            clipped=conditions["clipped"].astype(np.float64),
            black=np.quantile(luma.reshape(len(luma), -1), 0.02, axis=1),
            light=np.log2(luma + DARK).reshape(len(luma), -1),
            by_light=np.argsort(luma.reshape(len(luma), -1), axis=1, kind="stable"),
            relief=relief,
            strength=np.sqrt(np.square(relief).sum(axis=(1, 2))),
            tint=np.stack([np.log2(red / green), np.log2(blue / green)], axis=1).reshape(len(luma), 2, -1),
            chroma=np.log2(spread.mean(axis=(1, 2)) + _CHROMA_NOISE),
            edges=np.log2(conditions["edges"].astype(np.float64) + _EDGE_NOISE).reshape(len(luma), -1),
            fine=np.log2(conditions["fine"].astype(np.float64) + _FINE_NOISE).reshape(len(luma), -1),
        )

    def take(self, chosen: NDArray[np.intp]) -> "Views":
        """Some of them."""
        return Views(*(getattr(self, field.name)[chosen] for field in fields(self)))


def reliefs(luma: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Grey thumbnails, (n, h, w), without their slow parts: what of them tells where the camera looks."""
    return np.stack([grey - cv2.GaussianBlur(grey, (0, 0), _RELIEF_SIGMA) for grey in luma.astype(np.float64)])


def compare(one: Views, others: Views) -> Measures:
    """Measures of one view, (1,), against several, (s,): (s, `MEASURES`).

    The two that take long, `moved` and the light of places, are left 0: see `deviation`.
    """
    count = len(others.light)
    tint = np.median(one.tint - others.tint, axis=2)
    # The noise on both sides makes two flat pictures alike, which have no relief to compare.
    alike = (one.relief * others.relief).sum(axis=(1, 2)) + _RELIEF_NOISE**2
    alike /= one.strength * others.strength + _RELIEF_NOISE**2
    columns = {
        "brightness": np.median(one.light[:, ::_SOME] - others.light[:, ::_SOME], axis=1),
        "contrast": np.log2((one.strength + _RELIEF_NOISE) / (others.strength + _RELIEF_NOISE)),
        "black": one.black - others.black,
        "clipped": one.clipped - others.clipped,
        "noise": one.noise - others.noise,
        "blocks": one.blocks - others.blocks,
        "red": tint[:, 0],
        "blue": tint[:, 1],
        "saturation": one.chroma - others.chroma,
        "unlike": 1.0 - alike,
        "moved": np.zeros(count),
    }
    return np.concatenate(
        [
            np.stack([columns[name] for name in WHOLE], axis=1),
            np.zeros((count, BLOCKS)),
            one.edges - others.edges,
            one.fine - others.fine,
        ],
        axis=1,
    )


def local_light(one: Views, other: Views) -> NDArray[np.float64]:
    """Change of each block's light, (`BLOCKS`,), without what a tone curve over the whole picture explains.

    Exposure, gain and gamma change every pixel by an amount that depends on its brightness alone; an object does not.
    """
    change = one.light[0] - other.light[0]
    tones = other.by_light[0].reshape(_TONES, -1)
    rest = change - np.interp(
        other.light[0], np.median(other.light[0][tones], axis=1), np.median(change[tones], axis=1)
    )
    blocks = rest.reshape(BANDS, THUMBNAIL_ROWS // BANDS, BLOCK_COLUMNS, THUMBNAIL_COLUMNS // BLOCK_COLUMNS)
    return np.asarray(blocks.mean(axis=(1, 3)).ravel())


_HANNING = cv2.createHanningWindow((THUMBNAIL_COLUMNS, THUMBNAIL_ROWS), cv2.CV_64F)
_ECC = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3)
_ECC_BLUR = 3
_EVERYWHERE = np.ones((THUMBNAIL_ROWS, THUMBNAIL_COLUMNS), np.uint8)
_POINTS = np.stack(
    np.meshgrid(np.linspace(0, THUMBNAIL_COLUMNS - 1, 8), np.linspace(0, THUMBNAIL_ROWS - 1, 6)), axis=-1
).reshape(-1, 2)
_BACK = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
_TURNS, _ZOOMS, _FAR_GUESSES = (-8.0, -4.0, 0.0, 4.0, 8.0), (1.0, 1.2, 1.45), 4
_TILE = 16
_TELLING, _WITHIN, _EVERYWHERE_BETTER = 0.05, 0.9, 0.75
_ALIGNED = 0.5
_EXPLAINED = 0.55


def displacement(relief: NDArray[np.float64], other: NDArray[np.float64], *, far: bool = False) -> float:
    """How far the picture has moved, turned or grown against another: root mean square, share of the picture.

    0 unless the affine map that fits best (G. Evangelidis and E. Psarakis, "Parametric Image Alignment Using Enhanced
    Correlation Coefficient Maximization", PAMI 2008) makes both alike, and explains most of why they were not, in most
    parts of the picture.

    Args:
        relief: float64, a view's relief.
        other: Another's.
        far: Also look for a picture turned or grown so much that its shift alone cannot be found.
    """
    shift, _ = _shift(relief, other)
    guesses = [_turned(0.0, 1.0), _turned(0.0, 1.0) + np.array([[0, 0, shift[0]], [0, 0, shift[1]]])]
    if far:
        guesses += _far_guesses(relief, other)
    single, template = relief.astype(np.float32), other.astype(np.float32)
    best, found = _ALIGNED, np.zeros(0)
    for guess in guesses:
        warp = guess.astype(np.float32)
        try:
            alike, warp = cv2.findTransformECC(template, single, warp, cv2.MOTION_AFFINE, _ECC, _EVERYWHERE, _ECC_BLUR)
        except cv2.error:  # it did not converge
            continue
        if alike > best:
            best, found = alike, np.asarray(warp, np.float64)
    if not found.size or 1.0 - best > (1.0 - _EXPLAINED) * (1.0 - correlation(relief, other)):
        return 0.0
    if _better_share(relief, other, found) < _EVERYWHERE_BETTER:
        return 0.0
    moved = (_POINTS @ found[:, :2].T + found[:, 2] - _POINTS) / (THUMBNAIL_COLUMNS, THUMBNAIL_ROWS)
    return float(np.sqrt(np.square(moved).sum(axis=1).mean()))


def _shift(relief: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[tuple[float, float], float]:
    """The shift that phase correlation finds, in pixels, and how clearly."""
    # Copies: OpenCV 5 multiplies what it is given by the window in place.
    (x, y), response = cv2.phaseCorrelate(other.copy(), relief.copy(), _HANNING)
    return (x, y), response


def _turned(degrees: float, zoom: float) -> NDArray[np.float64]:
    """The map from a pixel to where it came from, (2, 3), for a turn and a growth about the middle."""
    middle = ((THUMBNAIL_COLUMNS - 1) / 2, (THUMBNAIL_ROWS - 1) / 2)
    return np.asarray(cv2.getRotationMatrix2D(middle, degrees, 1.0 / zoom))


def _far_guesses(relief: NDArray[np.float64], other: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The few turns and growths after which the shift shows most clearly."""
    size = (THUMBNAIL_COLUMNS, THUMBNAIL_ROWS)
    tried = []
    for zoom in _ZOOMS:
        for degrees in _TURNS:
            # `other`, seen as the moved camera would see it but for the shift, against what it does see.
            turned = cv2.warpAffine(other, _turned(-degrees, zoom), size, flags=_BACK)
            (x, y), response = _shift(relief, np.asarray(turned, np.float64))
            back = _turned(degrees, 1.0 / zoom)
            tried.append((response, back + np.array([[0, 0, x], [0, 0, y]])))
    tried.sort(key=lambda entry: -entry[0])
    return [guess for _, guess in tried[:_FAR_GUESSES]]


def _better_share(relief: NDArray[np.float64], other: NDArray[np.float64], warp: NDArray[np.float64]) -> float:
    """Share of the tiles with something in them that moving the picture back makes more alike.

    A camera moves the whole picture; the best fit to one object that moved makes the rest worse.
    """
    size = (THUMBNAIL_COLUMNS, THUMBNAIL_ROWS)
    back = cv2.warpAffine(relief, warp, size, flags=_BACK)
    seen = cv2.warpAffine(np.ones_like(relief), warp, size, flags=_BACK) > _WITHIN
    before, after, energy = (
        (np.square(error) * seen).reshape(THUMBNAIL_ROWS // _TILE, _TILE, -1, _TILE).sum(axis=(1, 3))
        for error in (relief - other, back - other, other)
    )
    telling = energy > _TELLING * energy.max()
    # None where the map leaves nothing of the picture in view.
    return float((after < before)[telling].mean()) if telling.any() else 0.0


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Of two reliefs, -1 to 1; 0 where either is flat."""
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / norm if norm else 0.0


_WEIGHTS: Measures = 1.0 / FLOOR
_WEIGHTS[len(WHOLE) :] /= np.concatenate([np.full(size, size) for size in _PLACE_SIZES.values()])


def resemblance(measures: Measures) -> NDArray[np.float64]:
    """How unlike two conditions are over all measures, (...,): in just visible steps, all places as much as one."""
    return np.asarray(np.abs(measures) @ _WEIGHTS)


def ranked(one: Views, others: Views) -> tuple[Measures, NDArray[np.intp]]:
    """Measures of one view, (1,), against several (see `compare`), and which it resembles, the most like first."""
    measures = compare(one, others)
    return measures, np.argsort(resemblance(measures), kind="stable")


def held_against(one: Views, other: Views, measures: Measures) -> Measures:
    """Measures of one view against one other, both (1,), with the two that `compare` leaves out filled in."""
    found = measures.copy()
    found[places("light")] = local_light(one, other)
    found[whole("moved")] = displacement(one.relief[0], other.relief[0])
    return found


def deviation(one: Views, others: Views) -> tuple[Measures, int]:
    """Measures of one view, (1,), against the one of several it resembles most, and which that is."""
    measures, order = ranked(one, others)
    return held_against(one, others.take(order[:1]), measures[order[0]]), int(order[0])
