"""Faults that our saboteur does not make: what others laid over the glass, and what a mount or a sensor does.

Dirt, drops and broken glass are pictures by others (`lens-overlays`; see the SOURCES.md beside the footage). They stay
at the same place of the picture through all lights and contents, as what is at the lens does. Each fault is a damage
in the sense of `corruptions.Damage`: the same four members, and `damaged_camera` takes either.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from sentinel_edge.sabotage.corruptions import REFERENCE_HEIGHT, Corruption, Frame, Plane

OTHERS = "others' overlays"
OURS = "lens and mount"
_VEILED = ("occlusion", "fog", "blur", "dirt")


class Damaging(Protocol):
    """What stands between a camera and its picture; `corruptions.Damage` is one."""

    @property
    def source(self) -> str:
        """Who made it."""

    @property
    def kind(self) -> str:
        """What it is."""

    @property
    def severity(self) -> int:
        """How bad it is, from 1; 0 for a plain copy."""

    @property
    def in_time(self) -> bool:
        """Whether it needs every native frame in order."""

    def on_clip(self, name: str, length: int) -> Corruption:
        """The damaged camera of one clip."""

    def fingerprint(self) -> str:
        """What it does; changes with the code that does it."""


@dataclass(frozen=True, slots=True)
class Lens:
    """One fault at one strength.

    Attributes:
        kind: One of `KINDS`.
        strength: What the kind takes it for.
        severity: Its place among the strengths of its kind, from 1.
        folder: Where the overlays are.
    """

    kind: str
    strength: float
    severity: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.kind} {self.strength:g}"

    @property
    def source(self) -> str:
        """Who made it."""
        return OTHERS if KINDS[self.kind].overlay else OURS

    @property
    def causes(self) -> tuple[str, ...]:
        """What it may rightly be called."""
        return KINDS[self.kind].causes

    @property
    def in_time(self) -> bool:
        """None of them needs every frame."""
        return False

    def on_clip(self, name: str, length: int) -> Corruption:
        """The damaged camera of one clip; see `Failure.on_clip`."""
        del length
        return _MAKERS[self.kind](self.strength, name, self.folder)

    def fingerprint(self) -> str:
        """What it does; changes with the code that does it."""
        overlay = KINDS[self.kind].overlay
        used = _checksum(self.folder / overlay) if overlay else ""
        return f"{self} {used} code={_checksum(Path(__file__))}"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is known of a kind: the strengths it is made at, the overlay it needs, and its right names."""

    strengths: tuple[float, ...]
    overlay: str
    causes: tuple[str, ...]


DIRT, RAIN, BROKEN = "dirtyonglass.png", "rainglass.png", "broken1.png"
KINDS: Mapping[str, _Kind] = {
    "dirt": _Kind((2, 4, 8), DIRT, _VEILED),
    "rain": _Kind((0.35, 0.6, 1), RAIN, _VEILED),
    "rain_defocus": _Kind((0.35, 0.7), RAIN, _VEILED),
    "wet_window": _Kind((0.25, 0.5, 1), RAIN, _VEILED),
    "broken_glass": _Kind((0.5, 1), BROKEN, _VEILED),
    "turned": _Kind((0.04, 0.07), "", ("camera_moved",)),
    "black_level": _Kind((12, 18, 25), "", ("fog", "over_exposure", "unknown", "black_level")),
    "cropped": _Kind((), "", ()),
}
"""What a strength is: of `dirt` how many times as strong as it was recorded the light is that it scatters, screened
over the picture; of `rain` and `broken_glass` the opacity of the overlay, of `rain_defocus` the same and a slight blur
of the whole; of `wet_window` how much is blurred behind water, whose drops shine faintly and out of focus; of `turned`
a shift in shares of the height, a turn with it, both seen through a smaller part of the picture (`CROPPED`); of
`black_level` grey levels added, clipped at white."""


def faults(folder: Path) -> list[Lens]:
    """Every fault at every strength."""
    return [
        Lens(kind, strength, number, folder)
        for kind, known in KINDS.items()
        for number, strength in enumerate(known.strengths, start=1)
    ]


Maker = Callable[[float, str, Path], Corruption]
"""From a strength, the clip's name and the folder of overlays to the damaged camera of a clip."""


@lru_cache
def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _loaded(path: Path) -> Frame:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if picture is None:
        raise FileNotFoundError(path)
    return np.asarray(picture, np.uint8)


def _fitted(picture: Frame, height: int, width: int) -> Frame:
    """A picture scaled to cover another size and cut to it."""
    scale = max(height / picture.shape[0], width / picture.shape[1])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(picture, size, interpolation=shrinks), np.uint8)
    return scaled[:height, :width]


@lru_cache(maxsize=8)
def _scattered(folder: Path, strength: float, height: int, width: int) -> Frame:
    """The light that dirt scatters, three channels."""
    light = _fitted(_loaded(folder / DIRT), height, width)
    return np.asarray(cv2.cvtColor(cv2.convertScaleAbs(light, alpha=strength), cv2.COLOR_GRAY2BGR), np.uint8)


def _dirt(strength: float, _name: str, folder: Path) -> Corruption:
    def corrupt(frame: Frame) -> Frame:
        light = _scattered(folder, strength, *frame.shape[:2])
        return np.asarray(255 - cv2.multiply(255 - frame, 255 - light, scale=1 / 255), np.uint8)

    return corrupt


@lru_cache(maxsize=16)
def _layer(path: Path, opacity: float, height: int, width: int) -> tuple[Frame, Plane, Plane]:
    """What an overlay shows, and the shares of the picture and of it, float32."""
    picture = _fitted(_loaded(path), height, width)
    share = np.asarray(picture[..., 3], np.float32) * (opacity / 255)
    return np.ascontiguousarray(picture[..., :3]), 1 - share, share


def _laid_over(name: str) -> Maker:
    def make(strength: float, _name: str, folder: Path) -> Corruption:
        def corrupt(frame: Frame) -> Frame:
            shown, under, over = _layer(folder / name, strength, *frame.shape[:2])
            return np.asarray(cv2.blendLinear(frame, shown, under, over), np.uint8)

        return corrupt

    return make


_DEFOCUS = 1.0
"""Sigma of the blur that goes with rain, pixels of a picture 480 high."""


def _rain_defocus(strength: float, name: str, folder: Path) -> Corruption:
    rain = _laid_over(RAIN)(strength, name, folder)

    def corrupt(frame: Frame) -> Frame:
        sigma = max(0.5, _DEFOCUS * frame.shape[0] / REFERENCE_HEIGHT)
        return rain(np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma), np.uint8))

    return corrupt


_DROP_OPACITY = 0.3
_WET_BLUR, _DROP_BLUR = 5.0, 3.0
"""Sigmas, pixels of a picture 480 high: of what is seen through water, and of its drops, never in focus."""


@lru_cache(maxsize=8)
def _water(folder: Path, height: int, width: int) -> tuple[Plane, Frame, Plane]:
    """How wet each place of the glass is, 0 to 1, near a drop and below it, where it ran; the drops; their share."""
    scale = height / REFERENCE_HEIGHT
    layer = _fitted(_loaded(folder / RAIN), height, width).astype(np.float32)
    drops = layer[..., 3] / 255
    near = cv2.GaussianBlur(drops, (0, 0), max(0.7, 8 * scale), sigmaY=max(1.0, 40 * scale))
    wet = np.clip(near / max(1e-6, float(np.quantile(near, 0.7))), 0, 1).astype(np.float32)
    share = cv2.GaussianBlur(drops, (0, 0), max(0.7, _DROP_BLUR * scale))
    light = cv2.GaussianBlur(layer[..., :3] * drops[..., np.newaxis], (0, 0), max(0.7, _DROP_BLUR * scale))
    shown = np.clip(light / np.maximum(share, 1e-3)[..., np.newaxis], 0, 255).astype(np.uint8)
    return wet, shown, np.asarray(share, np.float32)


def _wet_window(strength: float, name: str, folder: Path) -> Corruption:
    flip = hashlib.sha256(name.encode()).digest()[0] % 2  # other drops on another day

    def corrupt(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        wet, shown, share = _water(folder, height, width)
        if flip:
            wet, shown, share = np.fliplr(wet), np.ascontiguousarray(np.fliplr(shown)), np.fliplr(share)
        wet, share = wet * np.float32(strength), share * np.float32(_DROP_OPACITY * strength)
        soft = cv2.GaussianBlur(frame, (0, 0), max(1.0, _WET_BLUR * height / REFERENCE_HEIGHT))
        seen = cv2.blendLinear(frame, soft, 1 - wet, wet)
        return np.asarray(cv2.blendLinear(seen, shown, 1 - share, share), np.uint8)

    return corrupt


_LEFT = 0.85
"""The share of the picture's height and width that a cropped camera sees."""
_TURN = 30.0
"""Degrees for a shift of one height."""


def _turned(strength: float, _name: str, _folder: Path) -> Corruption:
    def corrupt(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        size = (round(_LEFT * width), round(_LEFT * height))
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), _TURN * strength, 1.0)
        turn[:, 2] += ((size[0] - width) / 2 + strength * height, (size[1] - height) / 2 + 0.5 * strength * height)
        view = cv2.warpAffine(frame, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(view, np.uint8)

    return corrupt


def _cropped(_strength: float, _name: str, _folder: Path) -> Corruption:
    def corrupt(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        across, down = round(_LEFT * width), round(_LEFT * height)
        left, top = (width - across) // 2, (height - down) // 2
        return np.ascontiguousarray(frame[top : top + down, left : left + across])

    return corrupt


def _black_level(strength: float, _name: str, _folder: Path) -> Corruption:
    levels = np.clip(np.arange(256) + strength, 0, 255).astype(np.uint8)
    return lambda frame: np.asarray(cv2.LUT(frame, levels), np.uint8)


_MAKERS: Mapping[str, Maker] = {
    "dirt": _dirt,
    "rain": _laid_over(RAIN),
    "rain_defocus": _rain_defocus,
    "wet_window": _wet_window,
    "broken_glass": _laid_over(BROKEN),
    "turned": _turned,
    "black_level": _black_level,
    "cropped": _cropped,
}
CROPPED = Lens("cropped", 0.0, 0, Path())
"""The sound camera that sees a smaller part of the picture: the past of `turned`."""
