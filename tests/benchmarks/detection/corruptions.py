"""Every way a picture is damaged here, and the causes that name it rightly.

Two sources: our saboteur, and `corrupt-tta` (PyPI; the corruptions of ImageNet-C, Hendrycks and Dietterich, ICLR 2019,
https://arxiv.org/abs/1903.12261), so that the judge is not marked only by those who wrote it. Both have severities 1 to
5, but theirs are meant for pictures of 224 pixels and whole images of a set, not for one camera: severity 1 of their
noise is stronger than severity 3 of ours.
"""

import hashlib
import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from itertools import product
from pathlib import Path

import cv2
import numpy as np

from sentinel_edge.causes import Cause
from sentinel_edge.sabotage import corruptions as ours
from sentinel_edge.sabotage.corruptions import KINDS, SEVEREST, Corruption, Frame

SABOTEUR, CORRUPT_TTA = "saboteur", "corrupt-tta"
SEVERITIES = tuple(range(1, SEVEREST + 1))
QUICK_SEVERITIES = (1, 3)
QUICK_KINDS = frozenset({"noise", "low_light", "camera_moved", "defocus_blur", "contrast"})
SEED = 0


@dataclass(frozen=True, slots=True)
class Theirs:
    """One of corrupt-tta's corruptions.

    Attributes:
        causes: Ours that name it rightly, the best first.
        still: Whether a camera would show the same of it in every frame (frost on the glass does not move): its
            chance is then drawn once for a clip. Noise and snow are drawn anew. The seed fixes all of them but
            impulse_noise, which draws from a generator it does not show.
        slow: Whether it takes about a second a frame (pure Python, or 11 zooms), and is left out unless asked for.
    """

    causes: tuple[Cause, ...]
    still: bool = False
    slow: bool = False


THEIR_KINDS: Mapping[str, Theirs] = {
    "gaussian_noise": Theirs((Cause.NOISE,)),
    "shot_noise": Theirs((Cause.NOISE,)),
    "impulse_noise": Theirs((Cause.NOISE,)),
    "speckle_noise": Theirs((Cause.NOISE,)),
    "gaussian_blur": Theirs((Cause.BLUR,)),
    "glass_blur": Theirs((Cause.BLUR,), still=True, slow=True),
    "defocus_blur": Theirs((Cause.BLUR,)),
    "motion_blur": Theirs((Cause.MOTION_BLUR, Cause.BLUR), still=True),
    "zoom_blur": Theirs((Cause.MOTION_BLUR, Cause.BLUR), slow=True),
    "fog": Theirs((Cause.FOG,), still=True),
    "frost": Theirs((Cause.OCCLUSION, Cause.FOG), still=True),
    "snow": Theirs((Cause.NOISE, Cause.FOG, Cause.OCCLUSION)),
    "spatter": Theirs((Cause.OCCLUSION,), still=True),
    "contrast": Theirs((Cause.FOG,)),
    "brightness": Theirs((Cause.OVER_EXPOSURE,)),
    "saturate": Theirs((Cause.COLOR_CAST,)),
    "jpeg_compression": Theirs((Cause.COMPRESSION,)),
    "pixelate": Theirs((Cause.COMPRESSION, Cause.BLUR)),
    "elastic_transform": Theirs((Cause.CAMERA_MOVED, Cause.SCENE_CHANGE), still=True, slow=True),
}


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage at one severity; severity 0 is a plain copy."""

    source: str
    kind: str
    severity: int

    def __str__(self) -> str:
        return f"{self.source} {self.kind} {self.severity}"

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What it may rightly be called."""
        if self.severity == 0:
            return ()
        return (Cause(self.kind),) if self.source == SABOTEUR else THEIR_KINDS[self.kind].causes

    @property
    def in_time(self) -> bool:
        """Whether it needs every native frame in order, not only those sampled."""
        return self.kind == Cause.FROZEN

    def on_clip(self, name: str, length: int) -> Corruption:
        """The damaged camera of one clip: called with its frames in order; see `Failure.on_clip`."""
        if self.source == SABOTEUR:
            kind = Cause(self.kind) if self.severity else KINDS[0]
            return ours.Failure(kind, self.severity, SEED).on_clip(name, length)
        return _theirs(self.kind, self.severity, name)

    def fingerprint(self) -> str:
        """What it does, so that results can be kept: changes with the code that does it."""
        if self.severity == 0:
            return "copy"
        if self.source == SABOTEUR:
            code = _our_code()
        else:
            code = f"{version(CORRUPT_TTA)} still={THEIR_KINDS[self.kind].still}"
        return f"{self} seed={SEED} code={code}"


CLEAN = Damage(SABOTEUR, "clean", 0)


def corrupt_tta_installed() -> bool:
    """Whether corrupt-tta and all it needs can be imported."""
    return all(importlib.util.find_spec(name) for name in ("corrupt_tta", "skimage", "PIL"))


def all_damages(*, quick: bool = False, slow: bool = False, worst: int = SEVEREST) -> list[Damage]:
    """Every kind at severity 1 to `worst`; `quick` takes a few of each, `slow` adds those of a second a frame."""
    kinds: list[tuple[str, str]] = [(SABOTEUR, str(kind)) for kind in KINDS]
    if corrupt_tta_installed():
        kinds += [(CORRUPT_TTA, kind) for kind, theirs in THEIR_KINDS.items() if slow or not theirs.slow]
    severities: Iterable[int] = SEVERITIES[:worst]
    if quick:
        kinds = [(source, kind) for source, kind in kinds if kind in QUICK_KINDS]
        severities = QUICK_SEVERITIES
    return [Damage(source, kind, severity) for (source, kind), severity in product(kinds, severities)]


@cache
def _our_code() -> str:
    return hashlib.sha256(Path(ours.__file__).read_bytes()).hexdigest()


def _theirs(kind: str, severity: int, name: str) -> Corruption:
    corrupt = importlib.import_module("corrupt_tta").corrupt
    digest = hashlib.sha256(f"{SEED}\0{kind}\0{name}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big")
    still = THEIR_KINDS[kind].still
    state = np.random.RandomState(seed).get_state()  # corrupt-tta draws from the global generator

    def damage(frame: Frame) -> Frame:
        nonlocal state
        np.random.set_state(state)  # noqa: NPY002
        damaged = corrupt(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), severity, kind)
        if not still:
            state = np.random.get_state()  # noqa: NPY002
        rounded = np.clip(np.rint(damaged), 0, 255).astype(np.uint8)
        return np.asarray(cv2.cvtColor(rounded, cv2.COLOR_RGB2BGR), np.uint8)

    return damage
