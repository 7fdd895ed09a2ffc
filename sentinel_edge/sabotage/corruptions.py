"""What a failing camera does to a picture: eleven kinds of failure in five severities, as pure arithmetic.

| kind          | 1    | 2    | 3    | 4    | 5    | the number means                                     |
|---------------|------|------|------|------|------|------------------------------------------------------|
| noise         | 4    | 8    | 16   | 32   | 56   | standard deviation in grey levels of 255             |
| blur          | 0.8  | 1.5  | 3    | 6    | 12   | sigma of a Gaussian, pixels of a picture 480 high    |
| motion_blur   | 3    | 6    | 12   | 24   | 48   | length of the smear, pixels of a picture 480 high    |
| low_light     | 0.6  | 0.35 | 0.15 | 0.06 | 0.02 | share of the light left; photon noise comes with it  |
| over_exposure | 0.5  | 1    | 1.75 | 2.75 | 4    | stops too much light, clipped at white               |
| occlusion     | 0.05 | 0.12 | 0.25 | 0.45 | 0.75 | share of the picture behind something dark and soft  |
| camera_moved  | 0.01 | 0.03 | 0.06 | 0.12 | 0.2  | shift in picture heights; with it a turn of          |
|               |      |      |      |      |      | 0.4, 1.2, 2.4, 4.8 or 8 degrees                      |
| frozen        | 0.1  | 0.25 | 0.5  | 0.75 | 1    | share of the clip's frames that repeat an earlier one|
| compression   | 40   | 25   | 15   | 8    | 3    | JPEG quality                                         |
| color_cast    | 0.1  | 0.22 | 0.45 | 0.9  | 1.6  | stops by which a channel is pushed from grey         |
| fog           | 0.15 | 0.3  | 0.5  | 0.7  | 0.88 | share of the scene's light replaced by airlight      |

Severity 0 copies the frame; 1 is subtle, 3 is clear to a person, 5 is ruined.

Lengths follow the height of the picture, so that a severity looks the same at 240 and at 1080 lines. The
grain of noise and the blocks of JPEG do not: they are one and eight pixels in every camera. Light is scaled
where exposure and white balance scale it, before the sRGB curve. Where a failure sits (the place of an
object, the direction of a shift, the tint) is drawn once for a clip and does not depend on the severity;
noise is drawn anew for every frame. The same seed gives the same bytes. Nothing here knows about files.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from sentinel_edge.causes import Cause
from sentinel_edge.errors import UsageError

if TYPE_CHECKING:
    from cv2.typing import MatLike

Frame: TypeAlias = npt.NDArray[np.uint8]
"""A picture: uint8, (height, width, 3), blue-green-red."""

Plane: TypeAlias = npt.NDArray[np.float32]
"""One number for every pixel: float32, (height, width)."""

Curve: TypeAlias = npt.NDArray[np.float64]
"""Light or grey levels from 0 to 1: float64."""

Corruption: TypeAlias = Callable[[Frame], Frame]
"""One failing camera: called with the frames of a clip in order, it returns new ones and changes none."""

SEVEREST = 5
REFERENCE_HEIGHT = 480
"""Lengths in the severity table are pixels of a picture this high."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What goes wrong, how badly, and the seed of everything that is left to chance.

    Attributes:
        kind: One of `KINDS`.
        severity: 0 (a copy) to 5 (ruined); the table at the head of this module says what each means.
        seed: Any whole number from 0 up.

    Raises:
        UsageError: The kind, the severity or the seed is not one of these.
    """

    kind: Cause
    severity: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"kind is {str(self.kind)!r}; expected one of {', '.join(KINDS)}")
        if not _is_whole(self.severity) or not 0 <= self.severity <= SEVEREST:
            raise UsageError(
                f"severity is {self.severity!r}; expected a whole number from 1 (subtle) "
                f"to {SEVEREST} (ruined), or 0 for a plain copy"
            )
        if not _is_whole(self.seed) or self.seed < 0:
            raise UsageError(f"seed is {self.seed!r}; expected a whole number, 0 or more")

    def on_clip(self, name: str = "", length: int = 1) -> Corruption:
        """The failing camera of one clip.

        Args:
            name: Tells clips of the same seed apart: each gets its own place, direction, tint and noise.
            length: How many frames the clip has; only a frozen camera needs to know.

        Returns:
            A function to be called with this clip's frames in order; they may differ in size.
        """
        if self.severity == 0:
            return np.copy
        chance = np.random.default_rng(_clip_seed(self.seed, name))
        if self.kind == Cause.FROZEN:
            return _frozen(_FROZEN_SHARES[self.severity - 1], chance, length)
        recipe, levels = _RECIPES[self.kind]
        return recipe(levels[self.severity - 1], chance)


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _clip_seed(seed: int, name: str) -> int:
    digest = hashlib.sha256(b"%d\0%b" % (seed, os.fsencode(name))).digest()
    return int.from_bytes(digest[:16], "big")


def _as_frame(picture: MatLike) -> Frame:
    return np.asarray(picture, np.uint8)


# --- grain: noise ---

# A normal number is looked up by 16 random bits: right to 4.3 sigma, and three times faster than drawing it.
_NORMAL_QUANTILES = ndtri((np.arange(2**16) + 0.5) / 2**16).astype(np.float32)


def _grain(shape: tuple[int, ...], chance: np.random.Generator) -> npt.NDArray[np.float32]:
    """Standard normal numbers: float32, `shape`."""
    return np.take(_NORMAL_QUANTILES, chance.integers(0, 2**16, shape, dtype=np.uint16))


def _sum(picture: MatLike, change: MatLike) -> Frame:
    """Both added, rounded, clipped to 0..255."""
    return _as_frame(cv2.add(picture, change, dtype=cv2.CV_8U))


def _noise(sigma: float, chance: np.random.Generator) -> Corruption:
    """A sensor at too high a gain: every pixel and channel by itself."""

    def corrupt(frame: Frame) -> Frame:
        grain = _grain(frame.shape, chance)
        grain *= sigma
        return _sum(frame, grain)

    return corrupt


# --- sharpness: blur, motion blur, compression ---

_BROAD_SIGMA = 6.0
"""A Gaussian broader than this many pixels is taken at half size: the same to the eye, much cheaper."""


def _gaussian(picture: MatLike, sigma: float) -> MatLike:
    if sigma <= _BROAD_SIGMA:
        return cv2.GaussianBlur(picture, (0, 0), sigma)
    height, width = picture.shape[:2]
    half = cv2.resize(picture, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    return cv2.resize(_gaussian(half, sigma / 2), (width, height), interpolation=cv2.INTER_LINEAR)


def _blur(sigma: float, _chance: np.random.Generator) -> Corruption:
    """A lens out of focus."""
    return lambda frame: _as_frame(_gaussian(frame, sigma * frame.shape[0] / REFERENCE_HEIGHT))


_STROKE = 8.0
"""The longest line, in pixels, that is drawn into a filter kernel."""


def _stroke(width: float, height: float, x: float, y: float) -> Plane:
    """A kernel that smears along a line of this width and height (in pixels) about (x, y)."""
    radius = math.ceil(max(abs(width), abs(height)) / 2 + max(abs(x), abs(y)))
    grid, along = np.arange(-radius, radius + 1), np.linspace(-0.5, 0.5, 33)[:, np.newaxis]
    columns = np.maximum(0, 1 - np.abs(grid - x - width * along))
    rows = np.maximum(0, 1 - np.abs(grid - y - height * along))
    kernel = rows.T @ columns
    return np.asarray(kernel / kernel.sum(), np.float32)


def _motion_blur(length: float, chance: np.random.Generator) -> Corruption:
    """A camera that shakes along one direction while its shutter is open.

    A short stroke by filtering, doubled as often as needed: the mean of the picture and a copy shifted by the
    stroke's length, then of that and a copy shifted twice as far. A filter for the whole line costs ten times more.
    """
    angle = chance.uniform(0, math.pi)

    @lru_cache(maxsize=1)
    def plan(picture_height: int) -> tuple[Plane, list[tuple[int, int]]]:
        extent = length * picture_height / REFERENCE_HEIGHT
        doublings = math.ceil(math.log2(max(1.0, extent / _STROKE)))
        width, height = (extent / 2**doublings * way for way in (math.cos(angle), math.sin(angle)))
        shifts = [(round(width * 2**step), round(height * 2**step)) for step in range(doublings)]
        # Shifts of an odd sum cannot be split evenly between both sides: the stroke makes up for the half pixel.
        odd_x, odd_y = sum(x for x, _ in shifts) % 2, sum(y for _, y in shifts) % 2
        return _stroke(width, height, -odd_x / 2, -odd_y / 2), shifts

    def corrupt(frame: Frame) -> Frame:
        kernel, shifts = plan(frame.shape[0])
        across, down = sum(abs(x) for x, _ in shifts), sum(y for _, y in shifts)
        left, top = across // 2, down // 2
        smear = cv2.copyMakeBorder(frame, top, down - top, left, across - left, cv2.BORDER_REPLICATE)
        smear = cv2.filter2D(smear, -1, kernel, borderType=cv2.BORDER_REPLICATE)
        for x, y in shifts:
            height, width = smear.shape[0] - y, smear.shape[1] - abs(x)
            here, there = max(0, -x), max(0, x)
            still, moved = smear[:height, here : here + width], smear[y:, there : there + width]
            smear = cv2.addWeighted(still, 0.5, moved, 0.5, 0)
        return _as_frame(smear)

    return corrupt


def _compression(quality: float, _chance: np.random.Generator) -> Corruption:
    """An encoder starved of bits."""

    def corrupt(frame: Frame) -> Frame:
        _, packet = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        return np.asarray(cv2.imdecode(packet, cv2.IMREAD_COLOR), np.uint8)

    return corrupt


# --- light: low light, over-exposure, colour cast ---

_GREY_LEVELS: Curve = np.arange(256) / 255
_SRGB_TOE = 0.0031308
"""Below this much light the sRGB curve is a straight line (IEC 61966-2-1)."""
_FULL_WELL = 6000.0
"""Electrons that a pixel holds at white; a small sensor's."""
_READ_NOISE = 6.0
"""Standard deviation, in electrons, of a pixel that gets no light."""


def _light(grey: Curve) -> Curve:
    """The light that gives these sRGB grey levels."""
    return np.where(grey <= _SRGB_TOE * 12.92, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)


def _grey(light: Curve) -> Curve:
    """The sRGB grey levels that this light gives."""
    curve = 1.055 * np.maximum(light, _SRGB_TOE) ** (1 / 2.4) - 0.055
    return np.where(light <= _SRGB_TOE, light * 12.92, curve)


def _exposed(gain: float) -> Curve:
    """What each of the 256 grey levels becomes, in grey levels, under `gain` times the light; white clips."""
    return 255 * _grey(np.minimum(1.0, gain * _light(_GREY_LEVELS)))


def _low_light(share: float, chance: np.random.Generator) -> Corruption:
    """Too little light at a fixed gain: dark, and grainy because few photons are counted."""
    light = share * _light(_GREY_LEVELS)
    light_sigma = np.sqrt(light * _FULL_WELL + _READ_NOISE**2) / _FULL_WELL
    grey_per_light = (_grey(light + 1e-4) - _grey(light)) / 1e-4
    level = _exposed(share).astype(np.float32)
    sigma = (255 * grey_per_light * light_sigma).astype(np.float32)

    def corrupt(frame: Frame) -> Frame:
        grain = _grain(frame.shape, chance)
        grain *= cv2.LUT(frame, sigma)
        return _sum(cv2.LUT(frame, level), grain)

    return corrupt


def _over_exposure(stops: float, _chance: np.random.Generator) -> Corruption:
    """Too much light: the bright parts drown in white."""
    levels = np.rint(_exposed(2**stops)).astype(np.uint8)
    return lambda frame: _as_frame(cv2.LUT(frame, levels))


_CASTS = (
    (-1.0, 0.0, 1.0),  # warm: lamplight under a daylight balance
    (1.0, 0.0, -1.0),  # cool: daylight under a lamplight balance
    (-0.5, 1.0, -0.5),  # green: fluorescent tubes
    (0.5, -1.0, 0.5),  # magenta: an infrared filter that does not close
)
"""The ways a white balance fails: stops on blue, green and red for one stop of cast."""


def _color_cast(stops: float, chance: np.random.Generator) -> Corruption:
    """A white balance gone wrong."""
    cast = _CASTS[chance.integers(len(_CASTS))]
    levels = np.stack([_exposed(2 ** (stops * channel)) for channel in cast], axis=-1)
    table = np.rint(levels).astype(np.uint8)[np.newaxis]
    return lambda frame: _as_frame(cv2.LUT(frame, table))


# --- view: occlusion, fog, a moved camera ---

_MIDDLE_GREY = 128
_BRIGHTEST_MEAN = 155
"""A frame brighter than this lights what hangs before it no further: airlight stays grey, not white."""


def _veil(tint: tuple[float, float, float], cover: Callable[[int, int], tuple[Plane, Plane]]) -> Corruption:
    """Something between camera and scene, lit by the scene's own light, so that it darkens at night.

    Args:
        tint: Its blue, green and red in units of the frame's mean brightness.
        cover: From height and width to the share of each pixel's light it stops and its shading around 1.
    """

    @lru_cache(maxsize=1)
    def painted(height: int, width: int) -> tuple[Plane, Plane, Frame]:
        stopped, shading = cover(height, width)
        colour = np.rint(_MIDDLE_GREY * shading[..., np.newaxis] * np.asarray(tint))
        return 1 - stopped, stopped, np.clip(colour, 0, 255).astype(np.uint8)

    def corrupt(frame: Frame) -> Frame:
        passed, stopped, colour = painted(*frame.shape[:2])
        brightness = min(sum(cv2.mean(frame)[:3]) / 3, _BRIGHTEST_MEAN)
        thing = cv2.convertScaleAbs(colour, alpha=brightness / _MIDDLE_GREY)
        return _as_frame(cv2.blendLinear(frame, thing, passed, stopped))

    return corrupt


def _drawn_out(grid: Plane, height: int, width: int) -> Plane:
    """A coarse grid spread smoothly over a picture, the same for every size."""
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


_SOFT_EDGE = 0.06
"""Half the width of an object's blurred outline, in picture heights: near the lens nothing is in focus."""


def _occlusion(share: float, chance: np.random.Generator) -> Corruption:
    """A hand, a leaf or a crust of dirt that reaches in from one side.

    Its outline is a circle about a point on the picture's edge, lobed by four harmonics, and just large
    enough to hide the wanted share.
    """
    side = chance.uniform(0, 2 * math.pi)
    phases = chance.uniform(0, 2 * math.pi, 4)
    folds = chance.uniform(0.8, 1.2, (4, 5)).astype(np.float32)
    blue, green, red = np.array([0.2, 0.23, 0.25]) * chance.uniform(0.85, 1.15, 3)

    def cover(height: int, width: int) -> tuple[Plane, Plane]:
        edge = 0.5 / max(abs(math.cos(side)), abs(math.sin(side)))
        y = (np.arange(height)[:, np.newaxis] + 0.5) / height - 0.5 - edge * math.sin(side)
        x = ((np.arange(width) + 0.5) / width - 0.5 - edge * math.cos(side)) * (width / height)
        around = np.arctan2(y, x)
        lobes = sum(0.3 / order * np.cos(order * around + phase) for order, phase in enumerate(phases, 2))
        distance = np.hypot(x, y) / (1 + lobes)
        outline = np.quantile(distance, share)
        hidden = np.clip(0.5 + (outline - distance) / (2 * _SOFT_EDGE), 0, 1)
        hidden = hidden * hidden * (3 - 2 * hidden)
        return hidden.astype(np.float32), _drawn_out(folds, height, width)

    return _veil((blue, green, red), cover)


def _fog(share: float, chance: np.random.Generator) -> Corruption:
    """Airlight over the whole picture, in drifts, thicker towards the top where the view is longer."""
    drifts = chance.uniform(-0.6, 0.6, (3, 4)).astype(np.float32)
    drifts += np.array([[0.4], [0.0], [-0.4]], np.float32)

    def cover(height: int, width: int) -> tuple[Plane, Plane]:
        drift = np.clip(_drawn_out(drifts, height, width), -1, 1)
        thickness = (share + share * (1 - share) * drift).astype(np.float32)
        return thickness, np.ones_like(thickness)

    return _veil((1.55, 1.5, 1.45), cover)


_TURN = math.radians(40)
"""Turn of a camera that has shifted by one picture height."""


def _camera_moved(shift: float, chance: np.random.Generator) -> Corruption:
    """A mount that slipped.

    What lay outside the old picture was never recorded, so the new view is the largest that fits inside it:
    the scene is enlarged a little, and no border shows.
    """
    direction = chance.uniform(0, 2 * math.pi)
    turn = _TURN * shift * chance.choice((-1, 1))

    @lru_cache(maxsize=1)
    def view(height: int, width: int) -> npt.NDArray[np.float64]:
        """Where each pixel of the new view lies in the old picture: an affine map, (2, 3)."""
        x, y = shift * height * math.cos(direction), shift * height * math.sin(direction)
        cosine, sine = math.cos(turn), math.sin(turn)
        zoom = max(
            (width * cosine + height * abs(sine)) / max(1.0, width - 2 * abs(x)),
            (height * cosine + width * abs(sine)) / max(1.0, height - 2 * abs(y)),
        )
        rotation = np.array([[cosine, -sine], [sine, cosine]]) / zoom
        centre = np.array([(width - 1) / 2, (height - 1) / 2])
        return np.column_stack([rotation, np.array([x, y]) + centre - rotation @ centre])

    def corrupt(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        border = cv2.BORDER_REPLICATE  # half a pixel at the rim, and pictures too narrow to turn
        return _as_frame(cv2.warpAffine(frame, view(height, width), (width, height), flags=flags, borderMode=border))

    return corrupt


# --- time: a frozen camera ---


def _frozen(share: float, chance: np.random.Generator, length: int) -> Corruption:
    """A camera that hangs: one picture comes again and again, at least once in a clip of two frames or more.

    A repeat that would change a frame's size is not made; the picture of the new size is held from there on.
    """
    repeats = max(1, round(share * (length - 1)))
    last_good = round(chance.uniform() * (length - 1 - repeats))
    position = -1
    held: Frame | None = None

    def corrupt(frame: Frame) -> Frame:
        nonlocal position, held
        position += 1
        hangs = last_good < position <= last_good + repeats
        if held is None or not hangs or held.shape != frame.shape:
            held = frame.copy()
        return held.copy()

    return corrupt


_FROZEN_SHARES = (0.1, 0.25, 0.5, 0.75, 1.0)

_RECIPES: dict[Cause, tuple[Callable[[float, np.random.Generator], Corruption], tuple[float, ...]]] = {
    Cause.NOISE: (_noise, (4, 8, 16, 32, 56)),
    Cause.BLUR: (_blur, (0.8, 1.5, 3, 6, 12)),
    Cause.MOTION_BLUR: (_motion_blur, (3, 6, 12, 24, 48)),
    Cause.LOW_LIGHT: (_low_light, (0.6, 0.35, 0.15, 0.06, 0.02)),
    Cause.OVER_EXPOSURE: (_over_exposure, (0.5, 1, 1.75, 2.75, 4)),
    Cause.OCCLUSION: (_occlusion, (0.05, 0.12, 0.25, 0.45, 0.75)),
    Cause.CAMERA_MOVED: (_camera_moved, (0.01, 0.03, 0.06, 0.12, 0.2)),
    Cause.COMPRESSION: (_compression, (40, 25, 15, 8, 3)),
    Cause.COLOR_CAST: (_color_cast, (0.1, 0.22, 0.45, 0.9, 1.6)),
    Cause.FOG: (_fog, (0.15, 0.3, 0.5, 0.7, 0.88)),
}


def strength(kind: Cause, severity: int) -> float:
    """The number in the table at the head of this module, in the unit it tells; of a moved camera the shift.

    Args:
        kind: One of `KINDS`.
        severity: 1 to `SEVEREST`.
    """
    levels = _FROZEN_SHARES if kind is Cause.FROZEN else _RECIPES[kind][1]
    return levels[severity - 1]


KINDS = tuple(kind for kind in Cause if kind in _RECIPES or kind is Cause.FROZEN)
"""What the saboteur can make: every cause but the two that only a judge can name."""
