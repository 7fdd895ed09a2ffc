"""Small videos: from pictures that are made up, or from a stretch of real footage, whole and damaged."""

import random
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.excerpt.packets import Run, write_run
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.packets import PacketReader

SMALL = (160, 120)


def write_clip(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float = 10.0) -> Path:
    """Write frames, uint8 (h, w, 3), blue-green-red, of one size as an AVI of PNGs; gives back the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer: cv2.VideoWriter | None = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MPNG"), fps, size)
        writer.write(frame)
    assert writer is not None
    writer.release()
    return path


def stretch(path: Path, source: Path, first: int, last: int, step: int = 1) -> Path:
    """Write the frames `first` to `last` of a video, every `step`-th, at 10 frames a second and 160 pixels wide."""
    with VideoReader(source) as reader:
        wanted = (frame for _, frame in islice(reader, first, last, step))
        small = (cv2.resize(frame, SMALL, interpolation=cv2.INTER_AREA) for frame in wanted)
        return write_clip(path, (np.asarray(frame, np.uint8) for frame in small))


def encoded(path: Path, frames: Iterable[NDArray[np.uint8]], codec: str, fps: float = 10.0) -> Path:
    """Write frames with a loss, in the container that the path's suffix says; gives back the path."""
    writer: cv2.VideoWriter | None = None
    for frame in frames:
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), fps, size)
        writer.write(frame)
    assert writer is not None
    writer.release()
    return path


def timed(path: Path, times: Iterable[float]) -> Path:
    """Write small frames, each shown at its time, as a QuickTime file of PNGs; the shade tells the number."""
    with LosslessVideo(path, None) as video:
        for number, seconds in enumerate(times):
            video.write(np.full((24, 32, 3), number % 250, np.uint8), seconds)
    return path


def retimed(path: Path, source: Path, times: Sequence[float]) -> Path:
    """Copy packets of a video into an MP4, the frames shown at these times (to a millisecond)."""
    with PacketReader(source) as reader:
        packets = tuple(islice(reader, len(times)))
        positions = tuple(map(int, np.argsort(np.argsort([packet.shown_ms for packet in packets]))))
        path.touch()
        write_run(path, Run(packets, positions, tuple(round(1000 * one) for one in times), 0), reader, 1000.0)
    return path


def damaged(path: Path, *, lost: str) -> Path:
    """Damage a file in place: its middle half `zeroed` or `cut` out, or 2 % of a stream's 188-byte `packets` lost."""
    content = path.read_bytes()
    first, last = len(content) // 4, 3 * len(content) // 4
    if lost == "packets":
        chance = random.Random(1)  # noqa: S311
        cells = [content[at : at + 188] for at in range(0, len(content), 188)]
        path.write_bytes(b"".join(cell for at, cell in enumerate(cells) if at < 20 or chance.random() > 0.02))
    else:
        path.write_bytes(content[:first] + (bytes(last - first) if lost == "zeroed" else b"") + content[last:])
    return path
