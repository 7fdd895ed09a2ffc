"""The runtime reading a stretch of footage through a damaged camera.

What is measured is the product, so nothing of it is imitated: `window.read_window` itself runs, and only the two
functions that decode, `VideoReader` and `read_image`, are exchanged for ones that begin and end where the stretch does
and hand over damaged frames. Clean and damaged frames take the same way, as arrays; that this gives what the
saboteur's lossless files give is tested.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest import mock

import cv2
import numpy as np

from sentinel_edge.footage import samples
from sentinel_edge.footage.decoding import VideoReader, read_image
from sentinel_edge.sabotage.corruptions import Corruption, Frame

from .corruptions import Damage
from .footage import Stretch

LINES = 480
"""Higher pictures are scaled down to this, past and future alike: the same camera with fewer pixels. A blur of so many
pixels then means about the same on every camera, and a 4K camera takes no longer than another."""


@contextmanager
def damaged_camera(stretch: Stretch, damage: Damage) -> Iterator[None]:
    """While this lasts, the runtime sees `stretch.clip` cut to the stretch, and damaged."""
    corrupt = damage.on_clip(stretch.clip.name, stretch.length)

    def open_video(path: Path) -> "CutVideo":
        return CutVideo(path, stretch, corrupt, in_time=damage.in_time)

    def open_image(path: Path, **_: int) -> Frame:
        return corrupt(scaled(read_image(path)))

    with mock.patch.object(samples, "VideoReader", open_video), mock.patch.object(samples, "read_image", open_image):
        yield


def scaled(frame: Frame) -> Frame:
    """A frame of at most `LINES` lines."""
    height, width = frame.shape[:2]
    if height <= LINES:
        return frame
    return np.asarray(cv2.resize(frame, (round(width * LINES / height), LINES), interpolation=cv2.INTER_AREA), np.uint8)


class SoundVideo:
    """What a `VideoReader` tells of a video at whose end nothing is amiss: its frames were counted beforehand."""

    missing_share, shortfall, change, undecodable = 0.0, "", "", "no frame came"
    damaged = False
    remarks: tuple[str, ...] = ()

    def lost_samples(self, _fps: float) -> float:
        """None."""
        return 0.0


class CutVideo(SoundVideo):
    """Stands in for `VideoReader`: the same steps, from one native frame up to another, each frame damaged."""

    def __init__(self, path: Path, stretch: Stretch, corrupt: Corruption, *, in_time: bool) -> None:
        self._video = VideoReader(path)
        self._left = stretch.length
        self._corrupt = corrupt
        self._in_time = in_time
        self._origin: float | None = None
        self._frame: Frame | None = None
        self.fps = self._video.fps
        for _ in range(stretch.start):
            self._video.advance()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._video.close()

    @property
    def seconds(self) -> float:
        """Since the first frame of the stretch."""
        return self._video.seconds - (self._origin or 0.0)

    def advance(self) -> bool:
        """Step to the next frame; False at the end of the stretch."""
        if self._left == 0 or not self._video.advance():
            return False
        self._left -= 1
        if self._origin is None:
            self._origin = self._video.seconds
        if self._in_time:
            self._frame = self._damaged()
        return True

    def retrieve(self) -> Frame | None:
        """The frame `advance` stepped to, damaged; None where it cannot be decoded."""
        return self._frame if self._in_time else self._damaged()

    def _damaged(self) -> Frame | None:
        frame = self._video.retrieve()
        return None if frame is None else self._corrupt(scaled(frame))
