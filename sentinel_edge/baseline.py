"""The golden baseline: what normal looks like on one camera, in one compact file.

Owns the file format: a NumPy `.npz` without pickles, at most 2 MB for 1280 dimensions however long the footage
was. It keeps each episode's distribution apart (quantiles per dimension), the calibration measured on them, and
a JSON header that says which model, preprocessing and sampling it was made with. A file is checked whole before
anything of it is used.
"""

import hashlib
import io
import json
import os
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.calibration import (
    ALPHA,
    MIN_EPISODES,
    MIN_FRAMES,
    SKETCH_POINTS,
    Calibration,
    calibrate,
    sketch,
)
from sentinel_edge.embedder import PREPROCESSING, Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.files import read_limited, write_atomically
from sentinel_edge.sources import Footage, Skipped
from sentinel_edge.window import Window, read_window, require_readable

FORMAT = "sentinel-edge baseline"
FORMAT_VERSION = 1
DEFAULT_FPS = 5.0
"""Samples a second of video: dense enough for clips of half a minute; longer footage is thinned anyway."""
MAX_EPISODES = 20
"""Keeps the file under 2 MB: 20 episodes x 32 quantiles x 1280 dimensions x 2 bytes = 1.6 MB."""
CUT_EPISODES = 12
"""Episodes one or two long clips are cut into, when they are long enough."""
CUT_FRAMES = 10
"""Frames an episode cut from a clip should have at least."""
EPISODE_LIMIT = 512
"""Embeddings kept of one episode while it is being built; a longer one is thinned evenly."""
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


def build_baseline(
    footage: Footage,
    embedder: Embedder,
    *,
    fps: float = DEFAULT_FPS,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Embed normal footage, episode by episode, and calibrate on it.

    Three clips or more are an episode each: neighbours are joined where one alone is shorter than `MIN_FRAMES`,
    and evenly where there are more than `MAX_EPISODES`. One or two clips are cut into contiguous episodes.

    Returns:
        The baseline, and what was passed over.

    Raises:
        SentinelError: The footage is too short, or too much of it cannot be read.
    """
    cut = len(footage.clips) < MIN_EPISODES
    limit = CUT_EPISODES * EPISODE_LIMIT if cut else EPISODE_LIMIT
    windows: list[tuple[str, Window]] = []
    done = 0

    def report(count: int) -> None:
        progress(done + count)

    for clip in footage.clips:
        window = read_window([clip], embedder, fps, limit=limit, progress=report)
        done += len(window.embeddings)
        windows.append((clip.name, window))
    skipped = [*footage.ignored, *(entry for _, window in windows for entry in window.skipped)]
    require_readable([window for _, window in windows], footage.root)
    pieces = _cut(windows) if cut else _join(windows)
    if len(pieces) < MIN_EPISODES:
        frames = sum(len(window.embeddings) for _, window in windows)
        raise SentinelError(
            f"{footage.root} gives {frames} readable samples, enough for {len(pieces)} episode(s); expected at least "
            f"{MIN_EPISODES} episodes of {MIN_FRAMES} samples: give more footage, or a higher --fps"
        )
    embeddings = [frames for _, frames, _ in pieces]
    sketches = np.stack([sketch(frames) for frames in embeddings])
    baseline = Baseline(
        episodes=tuple(Episode(name, len(frames), samples) for name, frames, samples in pieces),
        sketches=sketches,
        calibration=calibrate(embeddings, sketches, [samples for _, _, samples in pieces]),
        model=embedder.card.name,
        model_sha256=embedder.card.sha256,
        fps=fps,
        preprocessing=PREPROCESSING,
        source=footage.root.resolve().name,
        created_at=_creation_time(),
    )
    return baseline, skipped


Piece = tuple[str, NDArray[np.float16], int]
"""An episode to be: name, embeddings float16 (n, d), and the samples they stand for."""


def _cut(windows: Sequence[tuple[str, Window]]) -> list[Piece]:
    """Cut one or two clips into contiguous episodes of nearly equal length."""
    total = sum(len(window.embeddings) for _, window in windows)
    wanted = min(CUT_EPISODES, max(MIN_EPISODES, total // CUT_FRAMES))
    pieces: list[Piece] = []
    for name, window in windows:
        frames = len(window.embeddings)
        count = min(max(1, round(wanted * frames / max(1, total))), frames // MIN_FRAMES)
        for number, part in enumerate(np.array_split(window.embeddings, count) if count else [], start=1):
            pieces.append((f"{name} {number}/{count}", part, round(window.samples * len(part) / frames)))
    return pieces


def _join(windows: Sequence[tuple[str, Window]]) -> list[Piece]:
    """One episode a clip; neighbours joined where one is too short or there are too many."""
    groups: list[list[tuple[str, Window]]] = []
    short = 0
    for entry in windows:
        frames = len(entry[1].embeddings)
        if groups and (short < MIN_FRAMES or frames < MIN_FRAMES):
            groups[-1].append(entry)
            short += frames
        else:
            groups.append([entry])
            short = frames
    if len(groups) > MAX_EPISODES:
        groups = [
            [entry for position in part for entry in groups[position]]
            for part in np.array_split(np.arange(len(groups)), MAX_EPISODES)
        ]
    pieces: list[Piece] = []
    for group in groups:
        embeddings = np.concatenate([window.embeddings for _, window in group])
        if len(embeddings) >= MIN_FRAMES:
            name = group[0][0] if len(group) == 1 else f"{group[0][0]} … {group[-1][0]}"
            pieces.append((name, embeddings, sum(window.samples for _, window in group)))
    return pieces


def _creation_time() -> str:
    """Now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), as ISO 8601 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else int(time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


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
        fingerprint=fingerprint,
    )


def _brief(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return "not a NumPy archive"
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
