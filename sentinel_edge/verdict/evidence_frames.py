"""The frames most unlike the baseline as pictures beside a FAIL, so that a person can look at them.

They are read from the footage a second time, since a check keeps no frames. What the baseline's mask hides is painted
black: it may be private. They stand in a folder of their own, and those of an earlier check never beside a new verdict.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import Sample, SampleReader
from sentinel_edge.storage.files import write_atomically

FOLDER = "evidence"
"""The folder in a check's output."""
JPEG_QUALITY = 90
LONGER_SIDE = 1280
"""Pixels; larger frames are made smaller."""
NAME_LENGTH = 100
"""Characters of a frame's origin in a file's name: its end, which tells the time."""
_OURS = re.compile(r"\d\d_[A-Za-z0-9.@_-]+\.jpg|\.\d\d_[A-Za-z0-9.@_-]+\.tmp")
"""Names of ours; the latter are left by a process that was killed while it wrote."""


def remove_evidence(output: Path) -> None:
    """Remove what an earlier check left in an output folder: files of our naming, and nothing else.

    Raises:
        SentinelError: One cannot be removed.
    """
    folder = output / FOLDER
    if folder.is_symlink() or not folder.is_dir():  # not ours: nothing is written there either
        return
    try:
        for path in folder.iterdir():
            if _OURS.fullmatch(path.name) and (path.is_file() or path.is_symlink()):
                path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise SentinelError(
            f"cannot remove the evidence of an earlier check from {folder}: {error.strerror or error}; let this user "
            "write there, or remove the folder"
        ) from error


@dataclass(frozen=True, slots=True)
class EvidenceFrames:
    """Frames to be shown, and where they come from.

    Attributes:
        clips: The footage.
        fps: Samples a second of video, as in the check.
        mask: What must not be seen.
        origins: Names or times of the frames, the most telling first.
    """

    clips: Sequence[Clip]
    fps: float
    mask: Mask | None
    origins: Sequence[str]

    def write(self, output: Path) -> None:
        """Write them as `evidence/01_<name>.jpg` and so on; one frame is in memory at a time.

        Raises:
            SentinelError: Not all of them could be read again and written; those that could are there.
        """
        numbers = {origin: number for number, origin in enumerate(dict.fromkeys(self.origins), start=1)}
        wanted = len(numbers)
        folder = output / FOLDER
        try:
            if folder.is_symlink():
                raise NotADirectoryError(0, "it is a link; expected a folder, or a place for one")
            folder.mkdir(exist_ok=True)
            for sample in self._samples():
                if sample.origin in numbers:
                    path = folder / _name(numbers[sample.origin], sample.origin)
                    write_atomically(path, self._picture(sample.frame))
                    del numbers[sample.origin]
                if not numbers:
                    return
        except (OSError, cv2.error, MemoryError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            raise SentinelError(_missing(wanted, len(numbers), f"{folder}: {reason}")) from error
        finally:
            _remove_if_empty(folder)
        raise SentinelError(_missing(wanted, len(numbers), "the footage can no longer be read"))

    def _samples(self) -> Iterator[Sample]:
        """The samples of the clips that hold a wanted frame; of pictures those alone."""
        wanted = set(self.origins)
        videos = {origin.rpartition("@")[0] for origin in wanted}
        clips: list[Clip] = []
        for clip in self.clips:
            if clip.is_video and clip.name in videos:
                clips.append(clip)
            elif files := tuple(file for file in clip.files if clip.picture_name(file) in wanted):
                clips.append(replace(clip, files=files))
        return iter(SampleReader(clips, self.fps))

    def _picture(self, frame: NDArray[np.uint8]) -> bytes:
        if self.mask:
            frame = self.mask.apply(frame, 0)
        scale = LONGER_SIDE / max(frame.shape[:2])
        if scale < 1.0:
            height, width = (max(1, round(length * scale)) for length in frame.shape[:2])
            frame = np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return content.tobytes()


def _name(number: int, origin: str) -> str:
    """A name that any file system, shell and archive takes."""
    safe = re.sub(r"[^A-Za-z0-9.@_-]+", "_", origin)[-NAME_LENGTH:]
    return f"{number:02d}_{safe}.jpg"


def _missing(wanted: int, missing: int, reason: str) -> str:
    return f"evidence is missing, {missing} of {wanted} frames: {reason}; the verdict stands"


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        if not folder.is_symlink() and not any(folder.iterdir()):
            folder.rmdir()
