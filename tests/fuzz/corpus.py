"""The sound files that are mutated: one camera's footage in every container, and everything else that a check reads.

All of it is small, the models too (`tests/material`): what is fuzzed is what reads, not what infers.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sentinel_edge.footage.decoding import VideoReader
from tests.conftest import HARD_CLIPS, PAST
from tests.fuzz.forks import forked
from tests.material.interpolators import tiny_graph, write_tiny
from tests.material.onnx_bytes import FLOAT, TO_FLOAT, UINT8, field, node, tensor

Frames = list[NDArray[np.uint8]]

CONTAINERS = {"mp4": "mp4v", "mov": "mp4v", "mkv": "mp4v", "ts": "mp4v", "avi": "MJPG", "webm": "VP80", "flv": "FLV1"}
"""Each by its suffix, with the codec that this OpenCV writes into it."""
PICTURES = ("png", "jpg", "bmp", "tiff", "webp")
SIZE = (96, 72)
LENGTH, LONG = 26, 80
_SIDE = 16
_PAST = 240


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where the sound files are.

    Attributes:
        folder: Holds all of it.
        good: Videos that pass, by suffix.
        long: The same, so long that a half of one would be enough to be judged.
        bad: Videos of which no part may pass, by suffix.
        clips: Other people's videos: interlaced, resized in the middle, raw streams.
        good_pictures: Pictures that pass together, by suffix.
        bad_pictures: Pictures that must not.
    """

    folder: Path
    good: Mapping[str, Path]
    long: Mapping[str, Path]
    bad: Mapping[str, Path]
    clips: Sequence[Path]
    good_pictures: Mapping[str, Sequence[Path]]
    bad_pictures: Mapping[str, Sequence[Path]]

    def __truediv__(self, name: str) -> Path:
        return self.folder / name


def make_corpus(folder: Path) -> Corpus:
    """Make all of it in an empty folder, the same every time.

    Raises:
        AssertionError: The product itself does not do what it should with sound files.
    """
    noise = np.random.default_rng(0)
    frames = _quiet_camera(noise)
    frames, today = frames[:_PAST], frames[_PAST:]
    other = [np.asarray(noise.integers(0, 256, (SIZE[1], SIZE[0], 3)), np.uint8) for _ in range(LENGTH)]
    corpus = Corpus(
        folder,
        good={suffix: _video(folder / f"good.{suffix}", today[:LENGTH]) for suffix in CONTAINERS},
        long={suffix: _video(folder / f"long.{suffix}", today) for suffix in CONTAINERS},
        bad={suffix: _video(folder / f"bad.{suffix}", other) for suffix in CONTAINERS},
        clips=sorted(path for path in HARD_CLIPS.rglob("*.*") if path.suffix not in (".png", ".md")),
        good_pictures={suffix: _pictures(folder / "good", suffix, today[:LENGTH:2]) for suffix in PICTURES},
        bad_pictures={suffix: _pictures(folder / "bad", suffix, other[::2]) for suffix in PICTURES},
    )
    _video(folder / "past.avi", frames)
    cv2.imwrite(str(folder / "mask.png"), np.vstack([np.zeros((20, 96), np.uint8), np.full((52, 96), 255, np.uint8)]))
    _embedder(folder / "embedder.onnx")
    _registry(folder)
    _pasts(folder / "past", frames)
    baseline = ("baseline", "--source", folder / "past", "--output", folder / "baseline.npz")
    _run(folder, *baseline, "--model", folder / "embedder.onnx", "--interpolator", folder / "registry")
    for footage in corpus.long.values():  # or a hole in one would be no PASS for another reason
        _run(folder, *check(corpus, footage, folder / "long"))
    for name, document in LISTS.items():
        (folder / f"{name}.json").write_text(json.dumps(document))
    for name, footage, code in (("pass", corpus.good["avi"], 0), ("fail", corpus.bad["avi"], 3)):
        _run(folder, *check(corpus, footage, folder / name), expected=code)
        shutil.copyfile(folder / name / "verdict.json", folder / f"verdict-{name}.json")
        decide = ("decide", "--verdict", folder / f"verdict-{name}.json", "--exit-code", str(code))
        _run(folder, *decide, "--history", folder / "history.json", "--output", folder / "decided")
    canary = ("canary", "--incoming", folder / "past.avi", "--registry", folder / "registry", "--output")
    _run(folder, *canary, folder / "canary", "--state", folder / "state.json", expected=None)
    assert (folder / "state.json").exists()
    return corpus


LISTS = {
    "retrainings": [{"databaseId": 7, "status": "completed", "createdAt": "2026-01-01T00:00:00Z"}],
    "proposals": [{"number": 3, "headRefName": "sentinel/retrain-7"}],
    "repairs": [{"number": 4, "title": "Camera: fog"}],
}
"""What `gh` prints, by the option of `decide` that takes it."""


def check(corpus: Corpus, footage: Path, output: Path) -> list[str]:
    """The arguments of a check with the small models."""
    return [
        *("check", str(footage), "--output", str(output), "--baseline", str(corpus / "baseline.npz")),
        *("--model", str(corpus / "embedder.onnx"), "--interpolator", str(corpus / "registry"), "--threads", "1"),
    ]


def _run(folder: Path, *arguments: str | Path, expected: int | None = 0) -> None:
    ending = forked([str(one) for one in arguments], folder, {})
    assert expected in (None, ending.code), f"{arguments} ended with {ending.code}: {ending.stderr}"


def _quiet_camera(noise: np.random.Generator) -> Frames:
    """The campus without its people: nothing but the sensor's noise, and a light that goes to and fro."""
    with VideoReader(PAST) as reader:
        _, first = next(iter(reader))
    scene = cv2.resize(first, SIZE).astype(np.int16)
    frames = []
    for number in range(_PAST + LONG):
        frame = scene + noise.integers(-6, 7, scene.shape, np.int16)
        left = round(40 + 30 * np.sin(number / 5))
        frame[30:42, left : left + 12] += 80
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames


def _video(path: Path, frames: Frames) -> Path:
    code = cv2.VideoWriter.fourcc(*CONTAINERS[path.suffix[1:]])
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 10.0, SIZE)
    for frame in frames:
        writer.write(frame)
    writer.release()
    assert path.stat().st_size > 0, f"this OpenCV does not write {path.name}"
    return path


def _pasts(folder: Path, frames: Frames) -> None:
    """Every codec has its own noise; all are normal, in three episodes each."""
    folder.mkdir()
    for suffix in ("mp4", "avi", "webm", "flv"):
        for first in range(0, _PAST, LONG):
            _video(folder / f"{first}.{suffix}", frames[first : first + LONG])


def _pictures(folder: Path, suffix: str, frames: Frames) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:03d}.{suffix}" for number in range(len(frames))]
    for path, frame in zip(paths, frames, strict=True):
        assert cv2.imwrite(str(path), frame)
    return paths


def _embedder(path: Path) -> None:
    """The mean of every column of a picture, in three colours."""
    axes = field(5, field(1, "axes") + field(8, 1) + field(20, 7))
    drop = field(5, field(1, "keepdims") + field(3, 0) + field(20, 2))
    graph = node("Cast", ["frames"], "float", TO_FLOAT) + node("ReduceMean", ["float"], "columns", axes + drop)
    graph += node("Flatten", ["columns"], "embeddings") + field(2, "g")
    graph += field(11, tensor("frames", UINT8, ["batch", _SIDE, _SIDE, 3]))
    graph += field(12, tensor("embeddings", FLOAT, ["batch", 3 * _SIDE]))
    content = field(1, 7) + field(8, field(2, 13)) + field(7, graph)
    path.write_bytes(content)
    card = {
        "schema_version": 1,
        "kind": "embedder",
        "name": "columns",
        "sha256": hashlib.sha256(content).hexdigest(),
        "input": {"name": "frames", "dtype": "uint8", "shape": ["batch", _SIDE, _SIDE, 3], "color": "RGB"},
        "output": {"name": "embeddings", "dtype": "float32", "shape": ["batch", 3 * _SIDE]},
    }
    path.with_suffix(".json").write_text(json.dumps(card))


def _registry(folder: Path) -> None:
    """A champion, one of before, and a challenger; `folder/new` holds one more that is in no registry."""
    registry = folder / "registry"
    for kind, name in (("first", "a"), ("mean", "b"), ("mean", "c")):
        model = write_tiny(folder / "models" / name, tiny_graph(kind, name=name))
        _run(folder, "model", "add", "--model", model, "--registry", registry)
        if name != "c":
            _run(folder, "model", "promote", "--registry", registry)
    write_tiny(folder / "new", tiny_graph("last", name="d"))
