"""Windows kept by the content they were made from, so that a second run takes seconds.

The key is a checksum of everything that could change a window: the footage itself, the damage and the code that does
it, the model, the preprocessing, the sampling. Nothing is ever out of date; what is no longer asked for stays until the
folder is removed.
"""

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from sentinel_edge import gates
from sentinel_edge.baseline.learning import recorders
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.window import Window, read_window
from sentinel_edge.gates import signals as quality
from sentinel_edge.gates.protocol import Models
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.storage.files import write_atomically

from .corruptions import Damage
from .footage import Stretch
from .replay import LINES, damaged_camera


@dataclass(slots=True)
class WindowCache:
    """Reads windows, each once.

    Attributes:
        folder: Where they are kept.
        embedder: The model.
        on_read: Called with what is about to be read from footage.
        read: Number of windows that had to be read from footage.
    """

    folder: Path
    embedder: Embedder
    on_read: Callable[[str], None] = lambda _: None
    read: int = 0

    def window(self, stretch: Stretch, damage: Damage, fps: float, limit: int) -> Window:
        """A stretch through a damaged camera: `fps` samples a second of video, at most `limit` embeddings."""
        key = self._key(stretch, damage, fps, limit)

        def read() -> Window:
            self.on_read(f"{stretch.clip.name}: {damage if damage.severity else 'clean'}")
            self.read += 1
            with damaged_camera(stretch, damage):
                return read_window([stretch.clip], recorders(Models(self.embedder)), fps, limit=limit)

        window: Window = kept(self.folder, key, read)
        return window

    def _key(self, stretch: Stretch, damage: Damage, fps: float, limit: int) -> str:
        clip = stretch.clip
        return digest(
            {
                "content": [_checksum(path) for path in clip.files or (clip.path,)],
                "names": [path.name for path in clip.files],
                "clip": clip.name,
                "cut": [stretch.start, stretch.stop],
                "damage": damage.fingerprint(),
                "model": self.embedder.card.sha256,
                "preprocessing": PREPROCESSING,
                "signals": _checksum(Path(quality.__file__)),
                "lines": LINES,
                "fps": fps,
                "limit": limit,
                "holds": [entry.name for entry in fields(Window)],
                "records": gates.names(),
            }
        )


def digest(description: object) -> str:
    """A checksum of anything JSON can hold."""
    return hashlib.sha256(json.dumps(description, sort_keys=True).encode()).hexdigest()


def kept(folder: Path, key: str, make: Callable[[], Any]) -> Any:
    """What was kept under this key, or else what `make` gives, kept from now on."""
    path = folder / key[:2] / f"{key[2:]}.pickle"
    if path.exists():
        return pickle.loads(path.read_bytes())  # noqa: S301  (our own files, in the checkout's own cache)
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, pickle.dumps(made))
    return made


@cache
def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
