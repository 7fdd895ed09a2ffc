"""What the benchmarks measure on: the sample footage, more of it where it is too short, and its embeddings."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from sentinel_edge import assets
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.networks.embedder import BATCH_SIZE, Embedder, EmbeddingStream

SAMPLE = Path(__file__).parents[1] / "data"
PAST = SAMPLE / "campus-past.mp4"
INCOMING = SAMPLE / "campus-incoming.mp4"
EPISODES = 20
EPISODE_FRAMES = 100

Frame = NDArray[np.uint8]

# The sample's past is 480 frames. Seen whole, mirrored and cropped it gives 2400 that differ: real pictures of
# this camera all, with the ties, zeros and correlations of real embeddings.
VIEWS: tuple[Callable[[Frame], Frame], ...] = (
    lambda frame: frame,
    lambda frame: frame[:, ::-1],
    lambda frame: frame[: frame.shape[0] * 7 // 8, : frame.shape[1] * 7 // 8],
    lambda frame: frame[: frame.shape[0] * 7 // 8, frame.shape[1] // 8 :][:, ::-1],
    lambda frame: frame[frame.shape[0] // 8 :, frame.shape[1] // 8 :],
)
VIEWS_NOTE = (
    "The sample's past has 480 frames; the 2000 are these, then the same mirrored, and from three crops of 7/8 of the "
    "picture (one of them mirrored)."
)


def chosen_footage() -> Path:
    """A video or a folder of videos: the environment's FOOTAGE, or the sample footage."""
    return Path(os.environ.get("FOOTAGE") or SAMPLE)


def native_fps(path: Path) -> float:
    """The frame rate of the first video under `path`."""
    with VideoReader(find_clips(path)[0].path) as video:
        return video.fps


def frames_of(path: Path) -> Iterator[Frame]:
    """Every native frame of a video, blue-green-red."""
    with VideoReader(path) as video:
        for _, frame in video:
            yield frame


def past_frames(count: int) -> Iterator[Frame]:
    """This many frames of the sample's past, view after view, each (288, 384, 3)."""
    height, width = next(frames_of(PAST)).shape[:2]
    frames = (cv2.resize(view(frame), (width, height)) for view in VIEWS for frame in frames_of(PAST))
    return (np.asarray(frame, np.uint8) for frame in islice(frames, count))


def large_frames(count: int) -> Iterator[Frame]:
    """This many frames, (720, 1280, 3): the sample's, each laid side by side until it fills one, none enlarged."""
    return (np.tile(frame, (3, 4, 1))[:720, :1280].copy() for frame in past_frames(count))


def write_video(path: Path, frames: Iterable[Frame], fps: float) -> None:
    """Write frames as MPEG-4 part 2 (`mp4v`), which is quick to write and to read.

    Raises:
        OSError: It could not be written.
    """
    writer: cv2.VideoWriter | None = None
    for frame in frames:
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, frame.shape[1::-1])
        writer.write(frame)
    if writer is None or not writer.isOpened():
        raise OSError(f"cannot write video {path}")
    writer.release()


@cache
def embedder() -> Embedder:
    """The committed model, as the runtime runs it."""
    return Embedder(assets.default_model())


def fitted_frames(path: Path, fps: float) -> NDArray[np.uint8]:
    """What a check at this rate embeds: sampled and fitted, uint8 (n, height, width, 3), all in memory."""
    return np.stack([embedder().fit(sample.frame) for sample in SampleReader(find_clips(path), fps)])


@cache
def baseline_embeddings() -> tuple[NDArray[np.float32], ...]:
    """20 episodes of 100 frames, each float32 (100, d)."""
    embeddings = _embed(past_frames(EPISODES * EPISODE_FRAMES))
    return tuple(np.split(embeddings, EPISODES))


@cache
def window_embeddings() -> NDArray[np.float32]:
    """The 300 frames of the sample's incoming clip, float32 (300, d)."""
    return _embed(frames_of(INCOMING))


def _embed(frames: Iterable[Frame]) -> NDArray[np.float32]:
    stream, taken = EmbeddingStream(embedder()), list[Future[Any]]()
    for frame in frames:
        taken.append(stream.take(embedder().fit(frame)))
        if len(taken) > stream.ahead:  # so that few frames wait in memory
            taken[-1 - stream.ahead].result()
    stream.close()
    return np.stack([embedding.result() for embedding in taken])


class BareInference:
    """`InferenceSession.run` and nothing else, on frames already fitted and in memory.

    Threads and batches are the runtime's: one single-threaded session, shared by one worker a core,
    `BATCH_SIZE` frames a call. Independent of `Embedder`, which it is the measure of.
    """

    def __init__(self, frames: NDArray[np.uint8]) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(assets.default_model(), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._batches = [frames[start : start + BATCH_SIZE] for start in range(0, len(frames), BATCH_SIZE)]
        self._pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def run(self) -> None:
        """Embed all frames."""
        for _ in self._pool.map(lambda batch: self._session.run(None, {self._input: batch}), self._batches):
            pass
