"""Records of damaged footage, kept so that only what changed is measured again.

Two caches in one folder. What a gate's recorder made of a stretch is kept by the footage, the damage, and the code of
that recorder alone: another judge reads nothing, another signal measures signals and nothing else. Embeddings are kept
by the picture that the model was given as well, so that they outlive every change of how footage is read.
"""

import hashlib
import inspect
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache
from itertools import islice
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Self
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline.learning import recorders
from sentinel_edge.footage import decoding, samples, sampling, window
from sentinel_edge.footage.decoding import PREPROCESSING, VideoReader, read_image
from sentinel_edge.footage.window import Recorder, Window, read_window
from sentinel_edge.gates.protocol import Models
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import Corruption, Frame

from .cache import digest, kept
from .footage import Stretch
from .lens import Damaging
from .replay import LINES, SoundVideo, scaled

LIMIT = 10_000
"""Frames kept of a stretch: all of them."""


class KeptEmbedder(Embedder):
    """An embedder that knows the pictures it has seen before, whoever runs it."""

    def __init__(self, model: Path, store: Path, threads: int = 1) -> None:
        super().__init__(model, threads)
        store.parent.mkdir(parents=True, exist_ok=True)
        self._store = sqlite3.connect(store, timeout=120, check_same_thread=False)
        self._store.execute("PRAGMA journal_mode=WAL")
        self._store.execute("PRAGMA synchronous=OFF")
        self._store.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, embedding BLOB) WITHOUT ROWID")
        self._lock = threading.Lock()
        self._new: list[tuple[bytes, bytes]] = []
        self.embedded = 0

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Embedder.embed`; what is new is kept by `flush`."""
        keys = [hashlib.blake2b(frame.tobytes(), key=self.card.sha256[:32].encode()).digest()[:20] for frame in frames]
        with self._lock:
            found = [self._store.execute("SELECT embedding FROM kept WHERE key=?", (key,)).fetchone() for key in keys]
        if all(found):
            return np.stack([np.frombuffer(row[0], np.float32) for row in found])
        made = super().embed(frames)
        with self._lock:
            self._new += [(key, row.tobytes()) for key, row in zip(keys, made, strict=True)]
            self.embedded += len(made)
        return made

    def flush(self) -> None:
        """Keep what is new."""
        with self._lock, self._store:
            self._store.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", self._new)
            self._new.clear()


@dataclass(slots=True)
class Records:
    """Reads stretches of footage through damaged cameras, each once.

    Attributes:
        folder: Where records are kept.
        embedder: The model.
    """

    folder: Path
    embedder: KeptEmbedder

    @classmethod
    def at(cls, folder: Path, model: Path) -> Self:
        """Records in a folder, made with a model."""
        return cls(folder / "records", KeptEmbedder(model, folder / "embeddings.sqlite"))

    def fill(self, stretch: Stretch, damages: Iterable[Damaging], fps: float) -> None:
        """Read a stretch through several damaged cameras; the footage is decoded once."""
        held = _Held(stretch)
        for damage in damages:
            self.window(stretch, damage, fps, held)
            self.embedder.flush()

    def window(self, stretch: Stretch, damage: Damaging, fps: float, held: "_Held | None" = None) -> Window:
        """A stretch through a damaged camera: `fps` samples a second of video."""
        held = held or _Held(stretch)
        parts: list[Window] = []
        for recorder in self._recorders():
            described = _description(stretch, damage, fps) | {"recorder": _fingerprint(recorder)}

            def read(recorder: Recorder = recorder) -> Window:
                with held.damaged(damage):
                    return read_window([stretch.clip], [recorder], fps, limit=LIMIT)

            parts.append(kept(self.folder, digest(described), read))
        return replace(
            parts[-1],
            records={name: records for part in parts for name, records in part.records.items()},
            made_by={name: model for part in parts for name, model in part.made_by.items()},
        )

    def _recorders(self) -> Sequence[Recorder]:
        return recorders(Models(self.embedder))


@cache
def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _description(stretch: Stretch, damage: Damaging, fps: float) -> dict[str, Any]:
    clip = stretch.clip
    return {
        "content": [_checksum(path) for path in clip.files or (clip.path,)],
        "names": [clip.picture_name(path) for path in clip.files],
        "clip": clip.name,
        "cut": [stretch.start, stretch.stop],
        "damage": damage.fingerprint(),
        "fps": fps,
        "lines": LINES,
        "holds": [entry.name for entry in fields(Window)],
        "reading": [_source(module) for module in (samples, sampling, decoding, window)],
    }


@cache
def _source(module: ModuleType) -> str:
    return hashlib.sha256(inspect.getsource(module).encode()).hexdigest()


def _fingerprint(recorder: Recorder) -> list[str]:
    """What a recorder does: its code and its model."""
    return [recorder.name, recorder.made_by, PREPROCESSING, *_code(type(recorder))]


@cache
def _code(kind: type[Recorder]) -> list[str]:
    """Checksums of a recorder's own code, of the modules it calls, and of what they import of the gates'."""
    own = sys.modules[kind.__module__]
    called: set[ModuleType] = set()
    for member in vars(kind).values():
        for name in getattr(getattr(member, "__code__", None), "co_names", ()):
            module = inspect.getmodule(getattr(own, name, None))
            if module is not None and module is not own:
                called |= _with_imports(module)
    sources = sorted(_source(module) for module in called if module.__name__.startswith("sentinel_edge.gates"))
    return [hashlib.sha256(inspect.getsource(kind).encode()).hexdigest(), *sources]


def _with_imports(module: ModuleType) -> set[ModuleType]:
    """A module of the gates' and those that it takes something from, however far."""
    found: set[ModuleType] = set()
    left = [module]
    while left:
        one = left.pop()
        if one in found or not one.__name__.startswith("sentinel_edge.gates") or one is gates:
            continue
        found.add(one)
        taken = (inspect.getmodule(value) for value in vars(one).values())
        left += [other for other in taken if other is not None]
    return found


class _Held:
    """A stretch of footage in memory, decoded when it is first needed."""

    def __init__(self, stretch: Stretch) -> None:
        self._stretch = stretch
        self._pictures: dict[Path, Frame] = {}
        self._frames: list[tuple[float, Frame | None]] | None = None
        self._fps = 0.0

    @contextmanager
    def damaged(self, damage: Damaging) -> Iterator[None]:
        """While this lasts, the runtime sees the stretch, damaged; see `replay`."""
        corrupt = damage.on_clip(self._stretch.clip.name, self._stretch.length)

        def open_video(_: Path) -> "_HeldVideo":
            frames, fps = self._video()
            return _HeldVideo(frames, fps, corrupt, in_time=damage.in_time)

        def open_image(path: Path, **_: int) -> Frame:
            if path not in self._pictures:
                self._pictures[path] = scaled(read_image(path))
            return corrupt(self._pictures[path])

        with (
            mock.patch.object(samples, "VideoReader", open_video),
            mock.patch.object(samples, "read_image", open_image),
        ):
            yield

    def _video(self) -> tuple[list[tuple[float, Frame | None]], float]:
        if self._frames is None:
            stretch = self._stretch
            with VideoReader(stretch.clip.path) as video:
                self._fps = video.fps
                for _ in range(stretch.start):
                    video.advance()
                frames = []
                for _ in islice(iter(video.advance, False), stretch.length):
                    frame = video.retrieve()
                    frames.append((video.seconds, None if frame is None else scaled(frame)))
            self._frames = frames
        return self._frames, self._fps


class _HeldVideo(SoundVideo):
    """Stands in for `VideoReader`: the same steps through frames that are in memory, each damaged."""

    def __init__(
        self, frames: list[tuple[float, Frame | None]], fps: float, corrupt: Corruption, *, in_time: bool
    ) -> None:
        self._frames = frames
        self._corrupt = corrupt
        self._in_time = in_time
        self._at = -1
        self._frame: Frame | None = None
        self.fps = fps

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    @property
    def seconds(self) -> float:
        """Since the first frame of the stretch."""
        return self._frames[self._at][0] - self._frames[0][0]

    def advance(self) -> bool:
        """Step to the next frame; False at the end of the stretch."""
        if self._at + 1 >= len(self._frames):
            return False
        self._at += 1
        if self._in_time:
            self._frame = self._damaged()
        return True

    def retrieve(self) -> Frame | None:
        """The frame `advance` stepped to, damaged."""
        return self._frame if self._in_time else self._damaged()

    def _damaged(self) -> Frame | None:
        frame = self._frames[self._at][1]
        return None if frame is None else self._corrupt(frame)
