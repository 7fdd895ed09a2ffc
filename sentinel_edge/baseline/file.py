"""The baseline's file: a NumPy `.npz` without pickles, the union of what each gate packs.

At most 2 MB for 1280 dimensions however long the footage was. A JSON header says which models, preprocessing and
sampling it was made with. A file is checked whole before anything of it is used.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import MAX_ANCHORS, MAX_EPISODES, REBUILD, Baseline, camera_problem
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import MAX_FPS
from sentinel_edge.gates.protocol import MIN_EPISODES, Anchors, Episodes, Gate, Normal, Packed
from sentinel_edge.sabotage.corruptions import KINDS, SEVEREST
from sentinel_edge.storage.arrays import DamagedError
from sentinel_edge.storage.documents import DocumentError, fitting, typed, whole
from sentinel_edge.storage.files import read_limited, save

FORMAT = "sentinel-edge baseline"
FIRST_VERSION, UNNAMED, FORMAT_VERSION = 2, 3, 5
"""The oldest that can still be read; the last that does not name its gates, but holds those of its time (`Gate.since`);
and the one that is written, which may hold anchors, of what has grown."""
ANCHOR = "anchor_"
"""What the names of the anchors' arrays begin with: a part of their own."""
MAX_FILE_BYTES = 64 * 2**20
MAX_SHOWN = 80
MAX_SAMPLES = 10**12
"""More than any camera will deliver; a larger count in a file is damage."""

_HEADER_ORDER = (
    *("format", "version", "created_at", "source", "model", "preprocessing", "fps", "alpha", "longest"),
    *("episode", "piece_samples", "travel", "outliers", "mask", "sensitivity", "episodes"),
)
_MASK_BEFORE = "triplet_scores"
"""Where the mask stands among the arrays. The order of entries, here and above, is that of the first file of version 3,
so that the same baseline goes on giving the same bytes; what came later stands behind."""


def save_baseline(baseline: Baseline, path: str | Path) -> None:
    """Write a baseline, whole or not at all; the same baseline gives the same bytes.

    Raises:
        SentinelError: It cannot be written there.
    """
    packed = {name: normal.pack() for name, normal in baseline.normal.items()}
    entries: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "created_at": baseline.created_at,
        "source": baseline.source,
        **({"camera": baseline.camera} if baseline.camera else {}),
        **({"pictures": True} if baseline.pictures else {}),
        "model": {"name": baseline.model, "sha256": baseline.model_sha256},
        "preprocessing": baseline.preprocessing,
        **({"sampling": baseline.sampling} if baseline.sampling else {}),
        "fps": baseline.fps,
        "longest": baseline.episodes.longest,
        "episode": baseline.episode_rule,
        "mask": baseline.mask.hidden.shape if baseline.mask else None,
        "sensitivity": dict(baseline.sensitivity),
        "episodes": _per_episode(baseline.episodes, packed.values()),
    }
    for one in packed.values():
        entries |= one.header
    entries["gates"] = list(packed)
    anchored = {name: normal.pack() for name, normal in baseline.anchors.normal.items()} if baseline.anchors else {}
    if baseline.anchors:
        told = {
            "since": baseline.anchors.since,
            "episodes": baseline.anchors.positions,
            "drift": baseline.anchors.drift,
        }
        entries["anchors"] = told | {"gates": {name: one.header for name, one in anchored.items()}}
    header = {name: entries[name] for name in dict.fromkeys((*_HEADER_ORDER, *entries)) if name in entries}
    arrays: dict[str, NDArray[Any]] = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    mask = baseline.mask.pack() if baseline.mask else np.zeros(0, np.uint8)
    for name, array in ((name, array) for one in packed.values() for name, array in one.arrays.items()):
        if name == _MASK_BEFORE:
            arrays["mask"] = mask
        arrays[name] = array
    arrays |= {f"{ANCHOR}{name}": array for one in anchored.values() for name, array in one.arrays.items()}
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **(arrays | {"mask": mask}))
    save(Path(path), content.getvalue(), "baseline", "give a file in a folder this user can write")


def _per_episode(episodes: Episodes, packed: Iterable[Packed]) -> list[dict[str, Any]]:
    rows = zip(episodes.names, episodes.frames, episodes.samples, strict=True)
    told = [{"name": name, "frames": frames, "samples": samples} for name, frames, samples in rows]
    for one in packed:
        for name, values in one.per_episode.items():
            for entry, value in zip(told, values, strict=True):
                entry[name] = value
    return told


def load_baseline(path: str | Path) -> Baseline:
    """Read a baseline and check all of it.

    Raises:
        SentinelError: It is missing, damaged, pickled, of another version, or contradicts itself.
    """
    try:
        content = read_limited(Path(path), MAX_FILE_BYTES)
    except OSError as error:
        raise SentinelError(
            f"cannot read baseline {path}: {error.strerror}; build one with `sentinel-edge baseline`"
        ) from error
    try:
        return _parse(content)
    except DamagedError as problem:
        raise SentinelError(f"baseline {path} {problem}; {REBUILD}") from problem
    except Exception as error:  # zipfile, zlib, numpy and json each raise their own on damaged bytes
        raise SentinelError(
            f"baseline {path} is damaged or not a baseline file ({_brief(error)}); {REBUILD}"
        ) from error


def _parse(content: bytes) -> Baseline:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > MAX_FILE_BYTES:
            raise DamagedError(f"unpacks to {size} bytes; expected at most {MAX_FILE_BYTES}")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        if "header" not in archive.files:
            raise DamagedError("has no header, so it is not a baseline file")
        header = json.loads(bytes(archive["header"]).decode())
        version = header.get("version")
        if header.get("format") != FORMAT or version not in range(FIRST_VERSION, FORMAT_VERSION + 1):
            raise DamagedError(
                f"has format {_shown(header.get('format'))} version {_shown(version)}; expected {FORMAT!r} version "
                f"{FIRST_VERSION} to {FORMAT_VERSION}"
            )
        expected = {"header", "mask"} | {name for gate in _gates(header) for name in gate.arrays}
        expected |= {f"{ANCHOR}{name}" for gate in _anchored(header) for name in gate.arrays}
        optional = {f"{of}{name}" for gate in gates.GATES for name in gate.later for of in ("", ANCHOR)}
        found = set(archive.files)
        if len(archive.files) != len(found) or not expected - optional <= found <= expected:
            raise DamagedError(f"holds {sorted(archive.files)}; expected {sorted(expected)}")
        arrays = {name: archive[name] for name in sorted(found - {"header"})}
    return _assemble(header, arrays, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class _Model:
    """What made the embeddings; without a checksum where they were made elsewhere."""

    name: str
    sha256: Annotated[str, fitting("([0-9a-f]{64})?", "a SHA-256, or nothing")]


@dataclass(frozen=True, slots=True)
class _Episode:
    """What every episode has; the gates keep more."""

    name: str
    frames: Annotated[int, whole(1, MAX_SAMPLES)]
    samples: Annotated[int, whole(1, MAX_SAMPLES)]


@dataclass(frozen=True, slots=True)
class _Header:
    """What a header holds whatever the gates; each looks at its own."""

    created_at: str
    source: str
    model: _Model
    preprocessing: str
    fps: Annotated[float, Meta(gt=0, le=MAX_FPS, description=f"samples a second, at most {MAX_FPS:g}")]
    longest: Annotated[float, Meta(ge=1, le=MAX_SAMPLES, description="a number of samples")]
    episode: str
    sensitivity: Mapping[str, Annotated[int, whole(1, SEVEREST)] | None]
    episodes: tuple[_Episode, ...]


def _assemble(header: Any, arrays: dict[str, NDArray[Any]], fingerprint: str) -> Baseline:
    try:
        told = typed(header, _Header, exact=False)
    except DocumentError as problem:
        raise DamagedError(str(problem)) from problem
    episodes = _episodes(told)
    normal: dict[str, Normal] = {}
    usual = [gate for gate in gates.GATES if gate.since <= UNNAMED]  # later ones are in files that name them
    for gate in usual if header["version"] <= UNNAMED else _gates(header):
        own = {name: arrays[name] for name in gate.arrays if name in arrays}
        found = gate.unpack(Packed(header, own, _columns(header)), episodes)
        if found is not None:
            normal[gate.name] = found
    if told.longest != episodes.longest:
        raise DamagedError("contradicts itself (lengths are out of order)")
    return Baseline(
        episodes=episodes,
        normal=normal,
        mask=_mask(header, arrays),
        model=told.model.name,
        model_sha256=told.model.sha256,
        fps=told.fps,
        preprocessing=told.preprocessing,
        sampling=str(header.get("sampling", "")),
        source=told.source,
        created_at=told.created_at,
        episode_rule=told.episode,
        sensitivity={_kind(kind): told.sensitivity[kind] for kind in header["sensitivity"]},  # in its order
        pictures=header.get("pictures") is True,
        camera=_camera(header),
        anchors=_anchors(header, arrays, episodes),
        fingerprint=fingerprint,
    )


def _gates(header: Any) -> list[Gate]:
    """The gates of which a file holds something."""
    if header["version"] <= UNNAMED:
        return [gate for gate in gates.GATES if gate.since <= header["version"]]
    named = header.get("gates")
    known = isinstance(named, list) and all(name in gates.names() for name in named) and gates.DRIFT in named
    if not known or len(named) > len(set(named)):
        raise DamagedError(
            f"is of gates {_shown(named)}; expected {gates.DRIFT} and others of {', '.join(gates.names())}"
        )
    return [gate for gate in gates.GATES if gate.name in named]


def _anchored(header: Any) -> list[Gate]:
    """The gates that keep anchors in a file; none did in older ones."""
    if not header.get("anchors") or header["version"] < FORMAT_VERSION:
        return []
    named = header["anchors"]["gates"]
    return [gate for gate in _gates(header) if gate.name in named]


def _anchors(header: Any, arrays: Mapping[str, NDArray[Any]], episodes: Episodes) -> Anchors | None:
    if not header.get("anchors"):
        return None
    told, normal = header["anchors"], dict[str, Normal]()
    for gate in _anchored(header):
        own = {name: arrays[f"{ANCHOR}{name}"] for name in gate.arrays if f"{ANCHOR}{name}" in arrays}
        found = gate.unpack(Packed(told["gates"][gate.name], own), episodes)
        if found is not None:
            normal[gate.name] = found
    positions = tuple(int(position) for position in told["episodes"])
    if sorted({*positions}) != list(positions) or not all(0 <= one < len(episodes) for one in positions):
        raise DamagedError("contradicts itself (the positions of its anchors are out of order)")
    if len(positions) > MAX_ANCHORS:
        raise DamagedError(f"holds {len(positions)} anchors; expected at most {MAX_ANCHORS}")
    return Anchors(positions, normal, str(told["since"]), str(told["drift"]))


def _camera(header: Any) -> str:
    name = str(header.get("camera", ""))
    if name and camera_problem(name):
        raise DamagedError(f"is of a camera called {_shown(name)}; expected {camera_problem(name)}")
    return name


def _episodes(told: _Header) -> Episodes:
    episodes = Episodes(
        tuple(one.name for one in told.episodes),
        tuple(one.frames for one in told.episodes),
        tuple(one.samples for one in told.episodes),
    )
    if not MIN_EPISODES <= len(episodes) <= MAX_EPISODES:
        raise DamagedError(f"holds {len(episodes)} episodes; expected {MIN_EPISODES} to {MAX_EPISODES}")
    if not all(one.frames <= one.samples for one in told.episodes):
        raise DamagedError("contradicts itself (counts of episodes are out of order)")
    return episodes


def _columns(header: Any) -> Mapping[str, list[Any]]:
    """What each episode has, by name; a name that one of them lacks is left out."""
    listed = header["episodes"]
    names = set.intersection(*(set(entry) for entry in listed))
    return {name: [entry[name] for entry in listed] for name in names}


def _kind(kind: Any) -> str:
    if kind not in KINDS:
        raise DamagedError(f"holds a sensitivity to {_shown(kind)}; expected kinds of failure")
    return str(kind)


def _mask(header: Any, arrays: dict[str, NDArray[Any]]) -> Mask | None:
    if header["mask"] is None and not arrays["mask"].size:
        return None
    try:
        return Mask.unpack(arrays["mask"], header["mask"])
    except ValueError as problem:
        raise DamagedError(f"holds a mask that {problem}") from problem


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _brief(error: Exception) -> str:
    if isinstance(error, zipfile.BadZipFile):
        return "not a NumPy archive"
    return (str(error).splitlines() or [""])[0][:120] or type(error).__name__
