"""The golden baseline: what normal looks like on one camera, in one compact file.

Owns the file format: a NumPy `.npz` without pickles, at most 2 MB for 1280 dimensions however long the footage
was. It keeps each episode's distribution apart (quantiles per dimension), the calibration measured on them, and
a JSON header that says which model, preprocessing and sampling it was made with. A file is checked whole before
anything of it is used.
"""

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.calibration import ALPHA, MIN_EPISODES, SKETCH_POINTS, Calibration
from sentinel_edge.embedder import PREPROCESSING, Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.files import read_limited, write_atomically

FORMAT = "sentinel-edge baseline"
FORMAT_VERSION = 1
MAX_EPISODES = 20
"""Keeps the file under 2 MB: 20 episodes x 32 quantiles x 1280 dimensions x 2 bytes = 1.6 MB."""
MAX_FILE_BYTES = 64 * 2**20
MAX_SAMPLES = 10**12
"""More than any camera will deliver; a larger count in a file is damage."""
REBUILD = "build it again with `sentinel-edge baseline`"

_ARRAYS = {"header", "sketches", "lengths", "scales", "null_scores", "null_counts"}


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch of normal footage: its name, the frames embedded and the samples they stand for."""

    name: str
    frames: int
    samples: int


@dataclass(frozen=True, slots=True)
class Baseline:
    """A golden baseline, verified.

    Attributes:
        episodes: In order of time.
        sketches: float16 (episodes, points, d): quantiles of each episode and dimension.
        calibration: What distances look like when nothing is wrong.
        model: Name of the model that made it.
        model_sha256: Its checksum.
        fps: Samples a second of video.
        preprocessing: How frames were brought to the model's input.
        source: The footage's name.
        created_at: ISO 8601, UTC.
        episode_rule: What an episode is, in words (see `episodes`); empty where a file does not say.
        fingerprint: SHA-256 of the file; empty before it is saved.
    """

    episodes: tuple[Episode, ...]
    sketches: NDArray[np.float16]
    calibration: Calibration
    model: str
    model_sha256: str
    fps: float
    preprocessing: str
    source: str
    created_at: str
    episode_rule: str = ""
    fingerprint: str = ""

    @property
    def typical_samples(self) -> float:
        """Median length of an episode, in samples."""
        return float(np.median([episode.samples for episode in self.episodes]))

    def require_compatible(self, embedder: Embedder, fps: float | None) -> None:
        """Refuse a model, preprocessing or sampling rate other than the baseline's own.

        Raises:
            SentinelError: Which of them differs, and how.
        """
        if embedder.card.sha256 != self.model_sha256 or embedder.dimensions != self.sketches.shape[2]:
            raise SentinelError(
                f"the baseline was made with model {self.model} (sha256 {self.model_sha256[:12]}…, "
                f"{self.sketches.shape[2]} dimensions), this is {embedder.card.name} ({embedder.card.sha256[:12]}…, "
                f"{embedder.dimensions}); use that model, or {REBUILD}"
            )
        if self.preprocessing != PREPROCESSING:
            raise SentinelError(
                f"the baseline was made with preprocessing {self.preprocessing!r}, this version does "
                f"{PREPROCESSING!r}; {REBUILD}"
            )
        if fps is not None and fps != self.fps:
            raise SentinelError(
                f"the baseline was sampled at {self.fps:g} frames a second, {fps:g} was asked for; leave --fps out, "
                f"or build it again with `sentinel-edge baseline --fps {fps:g}`"
            )


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, whole or not at all; the same baseline gives the same bytes.

    Raises:
        SentinelError: It cannot be written there.
    """
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "created_at": baseline.created_at,
        "source": baseline.source,
        "model": {"name": baseline.model, "sha256": baseline.model_sha256},
        "preprocessing": baseline.preprocessing,
        "fps": baseline.fps,
        "alpha": ALPHA,
        "longest": baseline.calibration.longest,
        "episode": baseline.episode_rule,
        "episodes": [
            {"name": episode.name, "frames": episode.frames, "samples": episode.samples}
            for episode in baseline.episodes
        ],
    }
    content = io.BytesIO()
    np.savez_compressed(
        content,
        header=np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), np.uint8),
        sketches=baseline.sketches,
        lengths=baseline.calibration.lengths,
        scales=baseline.calibration.scales,
        null_scores=np.concatenate(baseline.calibration.null_scores),
        null_counts=np.array([len(scores) for scores in baseline.calibration.null_scores], np.int64),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise SentinelError(
            f"cannot write baseline {path}: {error.strerror or error}; give a file in a folder this user can write"
        ) from error


def load_baseline(path: Path) -> Baseline:
    """Read a baseline and check all of it.

    Raises:
        SentinelError: It is missing, damaged, pickled, of another version, or contradicts itself.
    """
    try:
        content = read_limited(path, MAX_FILE_BYTES)
    except OSError as error:
        raise SentinelError(
            f"cannot read baseline {path}: {error.strerror}; build one with `sentinel-edge baseline`"
        ) from error
    try:
        return _parse(content)
    except _DamagedError as problem:
        raise SentinelError(f"baseline {path} {problem}; {REBUILD}") from problem
    except Exception as error:  # zipfile, zlib, numpy and json each raise their own on damaged bytes
        raise SentinelError(
            f"baseline {path} is damaged or not a baseline file ({_brief(error)}); {REBUILD}"
        ) from error


class _DamagedError(Exception):
    """What is wrong with a baseline file, in the middle of a sentence."""


def _parse(content: bytes) -> Baseline:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_FILE_BYTES:
            raise _DamagedError(f"unpacks to {size} bytes; expected at most {MAX_FILE_BYTES}")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if "header" not in archive.files:
            raise _DamagedError("has no header, so it is not a baseline file")
        header = json.loads(bytes(archive["header"]).decode())
        if header.get("format") != FORMAT or header.get("version") != FORMAT_VERSION:
            raise _DamagedError(
                f"has format {header.get('format')!r} version {header.get('version')!r}; expected {FORMAT!r} "
                f"version {FORMAT_VERSION}"
            )
        if set(archive.files) != _ARRAYS or len(archive.files) != len(_ARRAYS):
            raise _DamagedError(f"holds {sorted(archive.files)}; expected {sorted(_ARRAYS)}")
        arrays = {name: archive[name] for name in sorted(_ARRAYS - {"header"})}
    return _assemble(header, arrays, hashlib.sha256(content).hexdigest())


def _assemble(header: Any, arrays: dict[str, NDArray[Any]], fingerprint: str) -> Baseline:
    episodes = tuple(
        Episode(str(entry["name"]), int(entry["frames"]), int(entry["samples"])) for entry in header["episodes"]
    )
    if not MIN_EPISODES <= len(episodes) <= MAX_EPISODES:
        raise _DamagedError(f"holds {len(episodes)} episodes; expected {MIN_EPISODES} to {MAX_EPISODES}")
    sketches, lengths, scales = arrays["sketches"], arrays["lengths"], arrays["scales"]
    null_scores, counts = arrays["null_scores"], arrays["null_counts"]
    levels = len(lengths) if lengths.ndim == 1 else 0
    expected: list[tuple[str, NDArray[Any], type, tuple[int, ...]]] = [
        ("sketches", sketches, np.float16, (len(episodes), SKETCH_POINTS, sketches.shape[-1])),
        ("lengths", lengths, np.float64, (levels,)),
        ("scales", scales, np.float32, (levels, sketches.shape[-1])),
        ("null_counts", counts, np.int64, (levels,)),
        ("null_scores", null_scores, np.float64, (int(counts.sum()),)),
    ]
    for name, array, dtype, shape in expected:
        if array.dtype != dtype or array.shape != shape or 0 in shape:
            raise _DamagedError(f"holds {name} as {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
        if not np.isfinite(array).all():
            raise _DamagedError(f"holds values in {name} that are not finite")
    if (null_scores < 0).any() or (null_scores > 1).any():
        raise _DamagedError("holds null_scores outside 0 to 1")
    fps, longest = float(header["fps"]), float(header["longest"])
    sound = (
        (scales > 0).all()
        and (counts > 0).all()
        and (lengths > 0).all()
        and (np.diff(lengths) > 0).all()
        and (np.diff(sketches.astype(np.float32), axis=1) >= 0).all()
        and 0 < fps < np.inf
        and lengths[-1] <= longest < np.inf
        and all(0 < episode.frames <= episode.samples <= MAX_SAMPLES for episode in episodes)
    )
    if not sound:
        raise _DamagedError("contradicts itself (scales, lengths, counts or quantiles are out of order)")
    model = header["model"]
    return Baseline(
        episodes=episodes,
        sketches=sketches,
        calibration=Calibration(lengths, scales, tuple(np.split(null_scores, np.cumsum(counts)[:-1])), longest),
        model=str(model["name"]),
        model_sha256=str(model["sha256"]),
        fps=fps,
        preprocessing=str(header["preprocessing"]),
        source=str(header["source"]),
        created_at=str(header["created_at"]),
        episode_rule=str(header.get("episode", "")),
        fingerprint=fingerprint,
    )


def _brief(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return "not a NumPy archive"
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
