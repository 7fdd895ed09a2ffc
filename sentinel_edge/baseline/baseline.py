"""The golden baseline: what normal looks like on one camera, in one compact file.

Owns the file format: a NumPy `.npz` without pickles, at most 2 MB for 1280 dimensions however long the footage
was. It keeps each episode's distribution apart (quantiles per dimension), the conditions of the camera's picture, what
was calibrated on both, how well triplets of its frames were interpolated, and a JSON header that says which models,
preprocessing and sampling it was made with. A file is checked whole before anything of it is used.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.mask import Mask
from sentinel_edge.gates.embedding.calibration import ALPHA, MIN_EPISODES, SKETCH_POINTS, Calibration
from sentinel_edge.gates.performance.normal import KEPT, SCORES, Performance
from sentinel_edge.gates.quality.condition import CONDITION, MEASURES
from sentinel_edge.gates.quality.normal import MAX_CONDITIONS, SUMMARIES, Health
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import SEVEREST
from sentinel_edge.storage.files import read_limited, write_atomically

FORMAT = "sentinel-edge baseline"
FORMAT_VERSION = 3
WITHOUT_TRIPLETS = 2
"""A version that knows nothing of interpolation; it can still be read."""
MAX_EPISODES = 20
"""Keeps the file under 2 MB: 20 episodes x 32 quantiles x 1280 dimensions x 2 bytes = 1.6 MB, and 0.2 MB of health."""
MAX_FILE_BYTES = 64 * 2**20
MAX_SAMPLES = 10**12
"""More than any camera will deliver; a larger count in a file is damage."""
REBUILD = "build it again with `sentinel-edge baseline`"

_ARRAYS = {"header", "sketches", "lengths", "scales", "null_scores", "null_counts"}
_ARRAYS |= {"conditions", "owners", "runs", "tolerances", "summary_tolerances", "mask"}
_TRIPLET_ARRAYS = {"triplet_scores", "triplet_owners", "triplet_strides"}


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
        health: What the camera's picture is like when nothing is wrong.
        outliers: Positions of the episodes whose picture has no like among the others.
        mask: What of the picture is left out, on both sides; None for nothing.
        model: Name of the model that made it.
        model_sha256: Its checksum.
        fps: Samples a second of video.
        preprocessing: How frames were brought to the model's input.
        source: The footage's name.
        created_at: ISO 8601, UTC.
        episode_rule: What an episode is, in words (see `episodes`).
        sensitivity: The least severity of each kind of failure that it catches, as measured; None where not even the
            worst is caught. Empty where that was not asked for, or could not be measured.
        fingerprint: SHA-256 of the file; empty before it is saved.
        performance: How well interpolators did; None where it was made without one.
    """

    episodes: tuple[Episode, ...]
    sketches: NDArray[np.float16]
    calibration: Calibration
    health: Health
    outliers: tuple[int, ...]
    mask: Mask | None
    model: str
    model_sha256: str
    fps: float
    preprocessing: str
    source: str
    created_at: str
    episode_rule: str
    sensitivity: Mapping[str, int | None] = field(default_factory=dict)
    fingerprint: str = ""
    performance: Performance | None = None

    @property
    def typical_samples(self) -> float:
        """Median length of an episode, in samples."""
        return float(np.median([episode.samples for episode in self.episodes]))

    def only(self, positions: Sequence[int]) -> "Baseline":
        """The baseline of some of its episodes, at least one, in ascending order of their positions.

        What they alone know goes (distributions and conditions); what was measured on all of them stays (calibration
        and tolerances). For telling what a window of an episode looks like to a baseline that does not know it.
        """
        return replace(
            self,
            episodes=tuple(self.episodes[position] for position in positions),
            sketches=self.sketches[list(positions)],
            health=self.health.only(positions),
            outliers=tuple(positions.index(position) for position in self.outliers if position in positions),
            performance=self.performance.only(positions) if self.performance else None,
        )

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

    def require_mask(self, mask: Mask) -> None:
        """Refuse a mask other than the baseline's own.

        Raises:
            SentinelError: It is another one, or the baseline has none.
        """
        if mask != self.mask:
            made = f"with another mask ({self.mask.visible_share:.0%} looked at)" if self.mask else "without a mask"
            raise SentinelError(
                f"the baseline was made {made}, the one given leaves {mask.visible_share:.0%} to look at; leave --mask "
                "out, or build the baseline again with it"
            )


def save_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, whole or not at all; the same baseline gives the same bytes.

    Raises:
        SentinelError: It cannot be written there.
    """
    performance = baseline.performance or Performance.nothing(len(baseline.episodes))
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
        "piece_samples": baseline.health.piece_samples,
        "travel": baseline.health.travel,
        "outliers": baseline.outliers,
        "mask": baseline.mask.hidden.shape if baseline.mask else None,
        "sensitivity": dict(baseline.sensitivity),
        "episodes": [
            {"name": episode.name, "frames": episode.frames, "samples": episode.samples, "interpolator": interpolator}
            for episode, interpolator in zip(baseline.episodes, performance.interpolators, strict=True)
        ],
    }
    content = io.BytesIO()
    np.savez_compressed(
        content,
        header=np.frombuffer(json.dumps(header).encode(), np.uint8),
        sketches=baseline.sketches,
        lengths=baseline.calibration.lengths,
        scales=baseline.calibration.scales,
        null_scores=np.concatenate(baseline.calibration.null_scores),
        null_counts=np.array([len(scores) for scores in baseline.calibration.null_scores], np.int64),
        conditions=baseline.health.conditions,
        owners=baseline.health.owners,
        runs=baseline.health.runs,
        tolerances=baseline.health.tolerances,
        summary_tolerances=baseline.health.summary_tolerances,
        mask=baseline.mask.pack() if baseline.mask else np.zeros(0, np.uint8),
        triplet_scores=performance.scores,
        triplet_owners=performance.owners,
        triplet_strides=performance.strides,
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
        if header.get("format") != FORMAT or header.get("version") not in (WITHOUT_TRIPLETS, FORMAT_VERSION):
            raise _DamagedError(
                f"has format {header.get('format')!r} version {header.get('version')!r}; expected {FORMAT!r} "
                f"version {FORMAT_VERSION}"
            )
        expected = _ARRAYS | _TRIPLET_ARRAYS if header["version"] == FORMAT_VERSION else _ARRAYS
        if set(archive.files) != expected or len(archive.files) != len(expected):
            raise _DamagedError(f"holds {sorted(archive.files)}; expected {sorted(expected)}")
        arrays = {name: archive[name] for name in sorted(expected - {"header"})}
    return _assemble(header, arrays, hashlib.sha256(content).hexdigest())


def _assemble(header: Any, arrays: dict[str, NDArray[Any]], fingerprint: str) -> Baseline:
    episodes = tuple(
        Episode(str(entry["name"]), int(entry["frames"]), int(entry["samples"])) for entry in header["episodes"]
    )
    if not MIN_EPISODES <= len(episodes) <= MAX_EPISODES:
        raise _DamagedError(f"holds {len(episodes)} episodes; expected {MIN_EPISODES} to {MAX_EPISODES}")
    calibration = _calibration(header, arrays, len(episodes))
    health = _health(header, arrays, len(episodes))
    outliers = tuple(int(position) for position in header["outliers"])
    fps = float(header["fps"])
    sound = (
        0 < fps < np.inf
        and (np.diff(arrays["sketches"].astype(np.float32), axis=1) >= 0).all()
        and all(0 < episode.frames <= episode.samples <= MAX_SAMPLES for episode in episodes)
        and all(0 <= position < len(episodes) for position in outliers)
    )
    if not sound:
        raise _DamagedError("contradicts itself (quantiles, counts or episodes are out of order)")
    model = header["model"]
    return Baseline(
        episodes=episodes,
        sketches=arrays["sketches"],
        calibration=calibration,
        health=health,
        outliers=outliers,
        mask=_mask(header, arrays),
        model=str(model["name"]),
        model_sha256=str(model["sha256"]),
        fps=fps,
        preprocessing=str(header["preprocessing"]),
        source=str(header["source"]),
        created_at=str(header["created_at"]),
        episode_rule=str(header["episode"]),
        sensitivity={str(kind): _severity(least) for kind, least in header["sensitivity"].items()},
        fingerprint=fingerprint,
        performance=_performance(header, arrays),
    )


def _severity(least: Any) -> int | None:
    if least is not None and least not in range(1, SEVEREST + 1):
        raise _DamagedError(f"holds a sensitivity of {least!r}; expected a severity")
    return None if least is None else int(least)


def _calibration(header: Any, arrays: dict[str, NDArray[Any]], episodes: int) -> Calibration:
    sketches, lengths, scales = arrays["sketches"], arrays["lengths"], arrays["scales"]
    null_scores, counts = arrays["null_scores"], arrays["null_counts"]
    levels = len(lengths) if lengths.ndim == 1 else 0
    _require("sketches", sketches, np.float16, (episodes, SKETCH_POINTS, sketches.shape[-1]))
    _require("lengths", lengths, np.float64, (levels,))
    _require("scales", scales, np.float32, (levels, sketches.shape[-1]))
    _require("null_counts", counts, np.int64, (levels,))
    _require("null_scores", null_scores, np.float64, (int(counts.sum()),))
    if (null_scores < 0).any() or (null_scores > 1).any():
        raise _DamagedError("holds null_scores outside 0 to 1")
    longest = float(header["longest"])
    sound = (
        (scales > 0).all()
        and (counts > 0).all()
        and (lengths > 0).all()
        and (np.diff(lengths) > 0).all()
        and lengths[-1] <= longest < np.inf
    )
    if not sound:
        raise _DamagedError("contradicts itself (scales, lengths or counts are out of order)")
    return Calibration(lengths, scales, tuple(np.split(null_scores, np.cumsum(counts)[:-1])), longest)


def _health(header: Any, arrays: dict[str, NDArray[Any]], episodes: int) -> Health:
    conditions, owners, runs = arrays["conditions"], arrays["owners"], arrays["runs"]
    tolerances, summaries = arrays["tolerances"], arrays["summary_tolerances"]
    known, levels = (len(array) if array.ndim == 1 else 0 for array in (conditions, runs))
    _require("conditions", conditions, CONDITION, (known,))
    _require("owners", owners, np.int64, (known,))
    _require("runs", runs, np.int64, (levels,))
    _require("tolerances", tolerances, np.float32, (levels, MEASURES))
    _require("summary_tolerances", summaries, np.float32, (levels, len(SUMMARIES)))
    piece_samples, travel = float(header["piece_samples"]), float(header.get("travel", 0.0))
    sound = (
        known <= MAX_CONDITIONS
        and (owners >= 0).all()
        and (owners < episodes).all()
        and runs[0] == 1
        and (np.diff(runs) > 0).all()
        and (tolerances > 0).all()
        and (summaries > 0).all()
        and all((conditions[name] >= 0).all() for name in ("noise", "edges", "fine", "still_run", "still_share"))
        and 1 <= piece_samples < np.inf
        and 0 <= travel < np.inf
    )
    if not sound:
        raise _DamagedError("contradicts itself (conditions, runs or tolerances are out of order)")
    return Health(conditions, owners, runs, tolerances, summaries, piece_samples, travel)


def _performance(header: Any, arrays: dict[str, NDArray[Any]]) -> Performance | None:
    if header["version"] != FORMAT_VERSION:
        return None
    scores, owners, strides = (arrays[name] for name in ("triplet_scores", "triplet_owners", "triplet_strides"))
    interpolators = tuple(str(entry["interpolator"]) for entry in header["episodes"])
    episodes, known = len(interpolators), len(owners) if owners.ndim == 1 else -1
    _require("triplet_strides", strides, np.float64, (episodes,))
    if known:  # a camera before which nothing ever moved leaves none
        _require("triplet_scores", scores, np.float16, (known, len(SCORES)))
        _require("triplet_owners", owners, np.int64, (known,))
    sound = (
        known <= episodes * KEPT
        and ((owners >= 0) & (owners < episodes)).all()
        and (np.diff(owners) >= 0).all()
        and all((stride > 0) == bool(made) for stride, made in zip(strides.tolist(), interpolators, strict=True))
        and (strides[owners] > 0).all()
    )
    if not sound:
        raise _DamagedError("contradicts itself (scores of triplets, their owners or interpolators are out of order)")
    return Performance(scores, owners, strides, interpolators) if any(interpolators) else None


def _mask(header: Any, arrays: dict[str, NDArray[Any]]) -> Mask | None:
    if header["mask"] is None and not arrays["mask"].size:
        return None
    try:
        return Mask.unpack(arrays["mask"], header["mask"])
    except ValueError as problem:
        raise _DamagedError(f"holds a mask that {problem}") from problem


def _require(name: str, array: NDArray[Any], dtype: npt.DTypeLike, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape or 0 in shape:
        raise _DamagedError(f"holds {name} as {array.dtype} {array.shape}; expected {np.dtype(dtype)} {shape}")
    parts = [array[part] for part in array.dtype.names] if array.dtype.names else [array]
    if not all(np.isfinite(part).all() for part in parts):
        raise _DamagedError(f"holds values in {name} that are not finite")


def _brief(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return "not a NumPy archive"
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
