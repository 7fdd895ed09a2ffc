"""Bad input: each kind is one clear line and the right exit code, and yesterday's PASS never survives it."""

import ctypes
import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel_edge import MAX_PIXELS, assets
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.cli import run as cli
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import Unreadable, VideoReader, read_image
from sentinel_edge.gates.judge import judge as window_judge
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.verdict.verdict import Status, Verdict
from tests.baseline.test_baseline import same
from tests.command import (
    COMMAND,
    assert_error_stands,
    assert_one_line,
    clean_environment,
    complaint,
    leave_yesterdays_pass,
    run_cli,
    start_cli,
    strict_json,
)
from tests.conftest import INCOMING, PAST
from tests.material.clips import write_clip
from tests.material.onnx_bytes import FLOAT, TO_FLOAT, UINT8, field, node, tensor
from tests.material.simulation import PictureCamera, some_signals
from tests.material.windows import embedding, window

Frame = NDArray[np.uint8]
GOLDEN = assets.default_baseline()
MODEL = assets.default_model()
PICTURES = 24


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Twenty-four real frames at the golden baseline's rate, 384x288."""
    with VideoReader(INCOMING) as reader:
        return [frame for _, frame in islice(reader, 0, 2 * PICTURES, 2)]


@pytest.fixture(scope="session")
def pictures(frames: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frames as JPEG files; only to be read."""
    folder = tmp_path_factory.mktemp("pictures")
    for index, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{index:03d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


@pytest.fixture
def footage(pictures: Path, tmp_path: Path) -> Path:
    """A copy of the pictures, to be damaged."""
    return Path(shutil.copytree(pictures, tmp_path / "footage"))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output folder in which yesterday's PASS stands."""
    return leave_yesterdays_pass(tmp_path / "output")


def judge(incoming: Path, output: Path, *, baseline: Path = GOLDEN, model: Path = MODEL) -> Verdict:
    """Check, and hold the files against the verdict given back."""
    verdict = check(CheckOptions(incoming=incoming, baseline=baseline, model=model, output=output))
    assert (output / "status").read_text() == f"{verdict.status}\n"
    assert strict_json((output / "verdict.json").read_bytes()) == strict_json(verdict.to_json())
    return verdict


def refuse(incoming: Path, output: Path, *, baseline: Path = GOLDEN, model: Path = MODEL) -> str:
    """Check what cannot be judged: ERROR stands in both files. The message."""
    verdict = judge(incoming, output, baseline=baseline, model=model)
    assert verdict.exit_code == 1
    assert verdict.drift_score is None
    assert assert_error_stands(output)["message"] == verdict.message
    return verdict.message


def skipped(verdict: Verdict) -> dict[str, str]:
    """What was passed over, and why, as the file tells it."""
    return {entry["name"]: entry["reason"] for entry in json.loads(verdict.to_json())["frames"]["skipped"]}


# Paths that hold no footage.


def _make_nothing(place: Path) -> None:
    """The path is left as it is: not there."""


def _make_text_folder(place: Path) -> None:
    place.mkdir()
    (place / "notes.txt").write_text("no picture")


def _make_empty_tree(place: Path) -> None:
    (place / "monday" / "morning").mkdir(parents=True)


def _make_link_loop(place: Path) -> None:
    place.symlink_to(place)


def _make_text_file(place: Path) -> None:
    place.write_text("no video")


@pytest.mark.parametrize(
    ("name", "make", "found"),
    [
        ("missing", _make_nothing, "no such path"),
        ("x" * 300, _make_nothing, "x" * 300),
        ("empty", Path.mkdir, "an empty folder"),
        ("tree", _make_empty_tree, "an empty folder"),
        ("text", _make_text_folder, "notes.txt"),
        ("loop", _make_link_loop, "loop"),
        ("picture.jpg", Path.touch, "single picture"),
        ("empty.mp4", Path.touch, "0 bytes"),
        ("text.txt", _make_text_file, "not a video"),
        ("fifo.mp4", os.mkfifo, "not a regular file"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "",
)
def test_a_path_without_footage_is_refused_with_what_was_found_there(
    tmp_path: Path, output: Path, name: str, make: Callable[[Path], None], found: str
) -> None:
    make(tmp_path / name)
    message = refuse(tmp_path / name, output)
    assert found in message
    assert "expected" in message


# Damaged pictures and videos.


def test_a_truncated_jpeg_among_good_ones_is_listed_and_the_rest_is_judged(footage: Path, output: Path) -> None:
    for name in ("003.jpg", "009.jpg"):
        os.truncate(footage / name, 5000)
    verdict = judge(footage, output)
    assert verdict.status is Status.PASS
    assert (verdict.frames.judged, verdict.frames.unreadable) == (PICTURES - 2, 2)
    assert set(skipped(verdict)) == {"003.jpg", "009.jpg"}


@pytest.mark.slow
def test_400_readable_pictures_among_10000_are_no_footage_to_judge_by(
    frames: list[Frame], tmp_path: Path, output: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (tmp_path / "good.png").write_bytes(cv2.imencode(".png", cv2.resize(frames[0], (48, 36)))[1].tobytes())
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for index in range(10_000):
        os.link(tmp_path / ("broken.png" if index % 25 else "good.png"), folder / f"{index}.png")
    message = refuse(folder, output)
    assert "96% of the window cannot be read" in message
    assert "at most 25%" in message
    verdict = strict_json((output / "verdict.json").read_bytes())
    assert (verdict["frames"]["judged"], verdict["frames"]["skipped_count"]) == (400, 9600)
    assert len(verdict["frames"]["skipped"]) == 20


def write_motion_jpeg(path: Path, frames: list[Frame]) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, frames[0].shape[1::-1])
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


@pytest.mark.parametrize(("kept", "judged"), [(0.5, False), (0.9, True)])
def test_a_video_cut_in_the_middle_is_judged_only_when_little_is_missing(
    frames: list[Frame], tmp_path: Path, output: Path, kept: float, judged: bool
) -> None:
    video = write_motion_jpeg(tmp_path / "cut.avi", frames)
    os.truncate(video, int(kept * video.stat().st_size))
    verdict = judge(video, output)
    assert (verdict.status is not Status.ERROR) == judged
    assert "cut short" in skipped(verdict)["cut.avi"]
    if not judged:
        assert "cut short" in verdict.message


def test_a_video_whose_index_was_cut_off_is_refused(tmp_path: Path, output: Path) -> None:
    video = tmp_path / "cut.mp4"
    video.write_bytes(INCOMING.read_bytes()[:500_000])
    assert "cut.mp4" in refuse(video, output)


def test_fewer_frames_than_the_baseline_can_judge_by_are_refused(footage: Path, output: Path) -> None:
    for path in sorted(footage.iterdir())[7:]:
        path.unlink()
    assert "too few frames: 7 readable, the baseline can judge 8 to" in refuse(footage, output)


# Pictures of unusual size and depth.


def png_of_nothing(width: int, height: int) -> bytes:
    """A valid black-and-white PNG of any size, small as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def peak_memory_kib(process: subprocess.Popen[str]) -> int:
    """The high-water mark so far; unlike `ru_maxrss` it does not count what the parent had when it forked."""
    with suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    return 0


def test_a_picture_of_20000_by_20000_is_refused_before_it_is_decoded(footage: Path, output: Path) -> None:
    (footage / "huge.png").write_bytes(png_of_nothing(20_000, 20_000))
    process = start_cli("check", "--incoming", footage, "--output", output)
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_memory_kib(process))
        time.sleep(0.01)
    out, err = process.communicate()
    verdict = strict_json(out)
    assert (process.returncode, err) == (0, "")
    assert verdict["frames"]["judged"] == PICTURES
    assert verdict["frames"]["skipped_count"] == 1
    assert f"larger than {MAX_PIXELS} pixels" in out
    assert 50 * 1024 < peak < 400 * 1024, "KiB; decoded, the picture alone would take 1.2 GB"


def test_the_pixel_limit_lies_just_above_8k(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_of_nothing(8192, MAX_PIXELS // 8192 + 1))
    with pytest.raises(Unreadable, match="larger than"):
        read_image(path)
    path.write_bytes(png_of_nothing(8192, MAX_PIXELS // 8192))
    assert read_image(path).shape == (4096, 8192, 3)


def test_pictures_of_other_sizes_down_to_one_pixel_are_judged_with_the_rest(
    footage: Path, frames: list[Frame], output: Path
) -> None:
    for number, (width, height) in enumerate([(1, 1), (1, 3000), (3000, 1), (223, 225), (640, 36)]):
        cv2.imwrite(str(footage / f"odd{number}.png"), cv2.resize(frames[number], (width, height)))
    verdict = judge(footage, output)
    assert verdict.status is not Status.ERROR
    assert (verdict.frames.judged, verdict.frames.skipped_count) == (PICTURES + 5, 0)


def _grey(frame: Frame) -> NDArray[Any]:
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))


def _see_through(frame: Frame) -> NDArray[Any]:
    return np.dstack([frame, np.full(frame.shape[:2], 9, np.uint8)])


def _deep(frame: Frame) -> NDArray[Any]:
    return frame.astype(np.uint16) * 257


def _deep_grey(frame: Frame) -> NDArray[Any]:
    return _deep(_grey(frame))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("convert", [_grey, _see_through, _deep, _deep_grey])
def test_grey_16_bit_and_transparent_pictures_become_three_8_bit_channels(
    frames: list[Frame], tmp_path: Path, convert: Callable[[Frame], NDArray[Any]], suffix: str
) -> None:
    path = tmp_path / f"picture{suffix}"
    cv2.imwrite(str(path), convert(frames[0]))
    found = read_image(path)
    expected = frames[0] if convert in (_see_through, _deep) else np.repeat(_grey(frames[0])[..., None], 3, axis=2)
    assert (str(found.dtype), found.shape) == ("uint8", frames[0].shape)
    assert np.abs(found.astype(int) - expected).max() <= 1


# Things in a folder that are no pictures, whatever their names say.


def test_a_pipe_a_device_and_links_in_circles_are_passed_over_without_waiting(footage: Path, output: Path) -> None:
    os.mkfifo(footage / "pipe.jpg")
    os.mkfifo(footage / "pipe.mp4")
    (footage / "zeros.jpg").symlink_to("/dev/zero")
    (footage / "circle.jpg").symlink_to("circle.jpg")
    (footage / "gone.jpg").symlink_to("nowhere")
    (footage / "self").symlink_to(".")
    (footage / "folder.jpg").mkdir()
    (footage / "folder.jpg" / "up").symlink_to("../..")
    done = run_cli("check", "--incoming", footage, "--output", output, seconds=20)
    assert (done.returncode, done.stderr) == (0, "")
    frames = strict_json(done.stdout)["frames"]
    assert (frames["judged"], frames["unreadable"]) == (PICTURES, 4)
    assert {entry["name"]: entry["reason"][:26] for entry in frames["skipped"]}["zeros.jpg"] == (
        "a link that leads out of t"
    )


def test_links_that_lead_out_of_the_footage_are_not_followed_unless_asked(
    pictures: Path, footage: Path, output: Path
) -> None:
    (footage / "root").symlink_to("/")
    (footage / "neighbour").symlink_to(pictures)
    (footage / "one.jpg").symlink_to(next(pictures.iterdir()))
    (footage / "inside.jpg").symlink_to(next(footage.glob("*.jpg")))
    verdict = judge(footage, output)
    assert verdict.frames.judged == PICTURES + 1
    left = {entry.name for entry in verdict.frames.skipped if "leads out of the footage" in entry.reason}
    assert left == {"root", "neighbour", "one.jpg"}
    (footage / "root").unlink()
    done = run_cli("check", footage, "--output", output, environment={"SENTINEL_FOLLOW_LINKS": "yes"})
    assert strict_json(done.stdout)["frames"]["judged"] > PICTURES + 1


@pytest.mark.parametrize("option", ["--incoming", "--baseline", "--model", "--interpolator"])
def test_a_name_that_is_too_long_for_the_system_is_one_clear_line(output: Path, option: str) -> None:
    arguments = ["check", "--incoming", str(INCOMING), "--output", str(output), option, "x" * 5000]
    done = run_cli(*(arguments if option != "--incoming" else [*arguments[:1], *arguments[3:]]))
    assert done.returncode == 1
    assert "File name too long" in complaint(done.stderr)
    assert_error_stands(output)


def test_a_model_of_a_name_that_is_too_long_is_one_clear_line(tmp_path: Path) -> None:
    done = run_cli("model", "add", "--model", "x" * 5000, "--registry", tmp_path / "registry")
    assert done.returncode == 1
    assert "File name too long" in complaint(done.stderr)


@pytest.mark.parametrize("option", ["--baseline", "--model"])
def test_a_pipe_in_place_of_a_baseline_or_model_is_refused_without_waiting(
    pictures: Path, tmp_path: Path, output: Path, option: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    done = run_cli("check", "--incoming", pictures, "--output", output, option, tmp_path / "pipe", seconds=5)
    assert done.returncode == 1
    assert complaint(done.stderr) == assert_error_stands(output)["message"]


@pytest.mark.parametrize("option", ["--baseline", "--model"])
def test_a_baseline_or_model_too_large_for_memory_is_refused(
    pictures: Path, tmp_path: Path, output: Path, option: str
) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(2**36)

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))

    done = run_cli(
        "check", "--incoming", pictures, "--output", output, option, tmp_path / "sparse", before=limit_memory
    )
    assert done.returncode == 1
    assert complaint(done.stderr) == assert_error_stands(output)["message"]


# Baselines.


def golden_arrays() -> dict[str, NDArray[Any]]:
    with np.load(GOLDEN) as archive:
        return dict(archive)


def packed(arrays: dict[str, NDArray[Any]], **header: Any) -> bytes:
    """A baseline file of these arrays, with parts of its header exchanged."""
    document = json.loads(bytes(arrays["header"])) | header
    stream = io.BytesIO()
    np.savez_compressed(
        stream, **(arrays | {"header": np.frombuffer(json.dumps(document).encode(), np.uint8)}), allow_pickle=True
    )
    return stream.getvalue()


def narrow(dimensions: int) -> dict[str, NDArray[Any]]:
    """The golden baseline's arrays, cut to a few dimensions and conditions."""
    arrays = golden_arrays()
    cut = {name: np.ascontiguousarray(arrays[name][..., :dimensions]) for name in ("sketches", "scales")}
    return arrays | cut | {name: arrays[name][:6] for name in ("conditions", "owners")}


class Planted:
    """A pickle that makes a file when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("planted"),))


def planted_array() -> NDArray[Any]:
    holder = np.empty(1, object)
    holder[0] = Planted()
    return holder


def zip_bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.npy", bytes(100 * 2**20))
    return stream.getvalue()


def claims_a_terabyte() -> bytes:
    stream, array = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(array, {"descr": "<f2", "fortran_order": False, "shape": (2**20, 2**20)})
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("header.npy", array.getvalue())
    return stream.getvalue()


BAD_BASELINES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "not a baseline file"),
    "text": (lambda: b"no baseline\n", "not a baseline file"),
    "truncated": (lambda: GOLDEN.read_bytes()[:200_000], "damaged"),
    "beginning lost": (lambda: GOLDEN.read_bytes()[200_000:], "damaged"),
    "a pickle": (lambda: pickle.dumps(Planted()), "not a baseline file"),
    "a pickle inside": (
        lambda: packed(golden_arrays(), extra=1)[:0] + _with_array("sketches", planted_array()),
        "damaged",
    ),
    "a pickled header": (lambda: _raw_archive({"header": planted_array()}), "damaged"),
    "another archive": (lambda: _raw_archive({"weights": np.zeros(3)}), "no header"),
    "other format": (lambda: packed(golden_arrays(), format="other"), "'other'"),
    "other version": (lambda: packed(golden_arrays(), version=99), "version 99"),
    "other model": (lambda: packed(golden_arrays(), model={"name": "other", "sha256": "0" * 64}), "model other"),
    "model with two lines": (
        lambda: packed(golden_arrays(), model={"name": "two\nlines", "sha256": "0" * 64}),
        "was made with model",
    ),
    "other preprocessing": (lambda: packed(golden_arrays(), preprocessing="bgr, cubic"), "'bgr, cubic'"),
    "other dimensions": (lambda: packed(narrow(640)), "640"),
    "no episodes": (lambda: packed(golden_arrays(), episodes=[]), "holds 0 episodes"),
    "endless episodes": (
        lambda: packed(golden_arrays(), episodes=[{"name": "e", "frames": 20, "samples": 10**400}] * 12),
        "baseline",
    ),
    "a missing entry": (lambda: _without("fps"), "fps"),
    "a missing array": (lambda: _raw_archive({k: v for k, v in golden_arrays().items() if k != "scales"}), "scales"),
    "one array too many": (lambda: _with_array("extra", np.zeros(3)), "extra"),
    "not a number": (lambda: _with_array("scales", golden_arrays()["scales"] * np.float32(np.nan)), "not finite"),
    "negative scales": (lambda: _with_array("scales", -golden_arrays()["scales"]), "contradicts itself"),
    "no scores": (lambda: _with_array("null_counts", np.zeros(6, np.int64)), "null_scores"),
    "impossible scores": (lambda: _with_array("null_scores", golden_arrays()["null_scores"] + 1e300), "null_scores"),
    "a rate beyond all cameras": (lambda: packed(golden_arrays(), fps=1e308), "samples a second, at most 1e+06"),
    "a rate in words": (lambda: packed(golden_arrays(), fps="5"), "fps"),
    "a rate that is yes": (lambda: packed(golden_arrays(), fps=True), "fps"),
    "a source that is a list": (lambda: packed(golden_arrays(), source=[]), "source"),
    "a model that is a list": (lambda: packed(golden_arrays(), model=[]), "model"),
    "a way beyond the picture": (lambda: packed(golden_arrays(), travel=1e308), "expected a number from 0 to 10"),
    "an outlier in words": (lambda: packed(golden_arrays(), outliers=["1"]), "outliers"),
    "pieces beyond all footage": (lambda: packed(golden_arrays(), piece_samples=1e308), "piece_samples"),
    "impossible gains": (
        lambda: _with_array("triplet_scores", np.full_like(golden_arrays()["triplet_scores"], -60000)),
        "contradicts itself",
    ),
    "tolerances by which nothing fails": (
        lambda: _with_array("tolerances", np.full_like(golden_arrays()["tolerances"], 1e30)),
        "contradicts itself",
    ),
    "more tolerances by which nothing fails": (
        lambda: _with_array("summary_tolerances", np.full_like(golden_arrays()["summary_tolerances"], 1e30)),
        "contradicts itself",
    ),
    "deep header": (lambda: _raw_archive({"header": np.full(10**6, ord("["), np.uint8)}), "damaged"),
    "zip bomb": (zip_bomb, "unpacks to"),
    "a terabyte": (claims_a_terabyte, "damaged"),
}


def _raw_archive(arrays: dict[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays, allow_pickle=True)
    return stream.getvalue()


def _with_array(name: str, array: NDArray[Any]) -> bytes:
    return _raw_archive(golden_arrays() | {name: array})


def _without(entry: str) -> bytes:
    arrays = golden_arrays()
    header = json.loads(bytes(arrays["header"]))
    del header[entry]
    return _raw_archive(arrays | {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)})


@pytest.mark.parametrize("kind", BAD_BASELINES)
def test_a_bad_baseline_is_refused_and_told_by_name(
    pictures: Path, tmp_path: Path, output: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make, found = BAD_BASELINES[kind]
    path = tmp_path / "bad.npz"
    path.write_bytes(make())
    monkeypatch.chdir(tmp_path)
    message = refuse(pictures, output, baseline=path)
    assert found in message
    assert "`sentinel-edge baseline`" in message
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("place", ["missing.npz", ".", "bad.npz/below"])
def test_a_baseline_that_cannot_be_read_is_refused(pictures: Path, tmp_path: Path, output: Path, place: str) -> None:
    (tmp_path / "bad.npz").touch()
    message = refuse(pictures, output, baseline=tmp_path / place)
    assert "cannot read baseline" in message
    assert "`sentinel-edge baseline`" in message


@pytest.fixture(scope="module")
def small_baseline() -> bytes:
    """The golden baseline in eight dimensions."""
    return packed(narrow(8))


QUICK = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(data=st.data())
def test_a_baseline_with_random_damage_is_refused_or_says_the_same_as_before(
    small_baseline: bytes, tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(small_baseline)
    places = st.integers(0, len(content) - 1)
    # Where an archive is most delicate: the beginning, and the directory at the end.
    delicate = places | st.integers(0, 200) | st.integers(len(content) - 500, len(content) - 1)
    for place in data.draw(st.lists(delicate, min_size=1, max_size=6)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    content = content[: data.draw(st.just(len(content)) | places)]
    path = tmp_path / "damaged.npz"
    path.write_bytes(content)
    try:
        found = load_baseline(path)
    except SentinelError as error:
        assert_one_line(str(error))
        return
    path.write_bytes(small_baseline)
    sound = load_baseline(path)
    assert same(found, sound)


HEADER_ENTRIES = ["format", "version", "created_at", "source", "model", "preprocessing", "fps", "longest", "episodes"]
HEADER_ENTRIES += ["episode", "piece_samples", "travel", "outliers", "mask", "sensitivity"]
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
EPISODE = st.fixed_dictionaries({"name": st.text(max_size=5), "frames": st.integers(), "samples": st.integers()})


@QUICK
@given(entry=st.sampled_from(HEADER_ENTRIES), value=ANY_JSON | st.lists(EPISODE, min_size=12, max_size=12))
@example("episodes", [{"name": "", "frames": 1, "samples": 10**400}] * 12)
@example("episodes", [{"name": "", "frames": 10**400, "samples": 1}] * 12)
@example("episodes", [{"name": "", "frames": 10**200, "samples": 10**300}] * 12)
@example("longest", 1e308)
@example("fps", 10**400)
@example("piece_samples", 1e-308)
@example("piece_samples", 1e308)
@example("outliers", [11, 11, 0])
@example("outliers", "1")
@example("mask", [1, 1])
@example("sensitivity", {"": True})
def test_a_baseline_that_loads_can_be_judged_by(
    small_baseline: bytes, tmp_path: Path, entry: str, value: object
) -> None:
    with np.load(io.BytesIO(small_baseline)) as archive:
        arrays = dict(archive)
    path = tmp_path / "altered.npz"
    path.write_bytes(packed(arrays, **{entry: value}))
    try:
        baseline = load_baseline(path)
    except SentinelError as error:
        assert_one_line(str(error))
        return
    shown = window(embedding(baseline).sketches[0, :16], some_signals()[:16], origins=("frame",) * 16)
    found = window_judge(shown, baseline)
    assert list(found.gates) == ["embedding", "quality", "performance", "moments", "replay"]
    for gate in found.gates.values():
        assert_one_line(gate.reason)
        assert gate.score is None or 0 <= gate.score < np.inf


# Models. The smallest graphs that are embedders, written as ONNX's own bytes (protocol buffers).

OVER_THE_PICTURE = field(5, field(1, "axes") + field(8, 1) + field(8, 2) + field(20, 7)) + field(
    5, field(1, "keepdims") + field(3, 0) + field(20, 2)
)
MEAN = node("Cast", ["frames"], "f", TO_FLOAT) + node("ReduceMean", ["f"], "mean", OVER_THE_PICTURE)


def graph(nodes: bytes, height: int = 8, kind: int = UINT8, dimensions: int = 3) -> bytes:
    """An ONNX model from `frames` uint8 (batch, height, 8, 3) to `embeddings` float32 (batch, dimensions)."""
    inside = nodes + field(2, "g")
    inside += field(11, tensor("frames", kind, ["batch", height, 8, 3]))
    inside += field(12, tensor("embeddings", FLOAT, ["batch", dimensions]))
    return field(1, 7) + field(8, field(2, 13)) + field(7, inside)


NODES = {
    "mean colour": MEAN + node("Identity", ["mean"], "embeddings"),
    "not a number": MEAN + node("Sub", ["mean", "mean"], "zero") + node("Div", ["zero", "zero"], "embeddings"),
    "too large": MEAN + node("Exp", ["mean"], "embeddings"),
    # Multiplies (batch, 3) by (batch, 3) as matrices, which only goes wrong once it runs.
    "fails as it runs": MEAN + node("MatMul", ["mean", "mean"], "embeddings"),
}


def write_model(folder: Path, content: bytes, **card: Any) -> Path:
    """A model and the card that fits it, with entries of the card exchanged (None leaves one out)."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "name": "tiny",
        "description": "mean colour",
        "file": "tiny.onnx",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "kind": "embedder",
        "input": {"name": "frames", "dtype": "uint8", "shape": ["batch", 8, 8, 3], "layout": "NHWC", "color": "RGB"},
        "output": {"name": "embeddings", "dtype": "float32", "shape": ["batch", 3]},
    }
    document |= card
    path = folder / "tiny.onnx"
    path.write_bytes(content)
    kept = {name: value for name, value in document.items() if value is not None}
    path.with_suffix(".json").write_text(json.dumps(kept))
    return path


def baseline_for(model: Path, dimensions: int = 3) -> Path:
    """The golden baseline, dressed up as this model's."""
    path = model.with_name("its.npz")
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    path.write_bytes(packed(narrow(dimensions), model={"name": "tiny", "sha256": sha256}))
    return path


def test_any_model_with_its_card_is_used_as_it_is(pictures: Path, tmp_path: Path, output: Path) -> None:
    model = write_model(tmp_path, graph(NODES["mean colour"]))
    verdict = judge(pictures, output, model=model, baseline=baseline_for(model))
    assert verdict.status is not Status.ERROR
    assert verdict.frames.judged == PICTURES


@pytest.mark.parametrize(
    ("kind", "found"), [("not a number", "finite"), ("too large", "finite"), ("fails as it runs", "tiny")]
)
def test_a_model_that_gives_no_numbers_is_refused(
    pictures: Path, tmp_path: Path, output: Path, kind: str, found: str
) -> None:
    model = write_model(tmp_path, graph(NODES[kind]))
    message = refuse(pictures, output, model=model, baseline=baseline_for(model))
    assert found in message
    assert "model" in message


@pytest.mark.parametrize(
    ("kind", "found"), [("not a number", "finite"), ("too large", "finite"), ("fails as it runs", "tiny")]
)
def test_a_model_that_gives_no_numbers_makes_no_baseline(
    pictures: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, found: str
) -> None:
    model = write_model(tmp_path, graph(NODES[kind]))
    arguments = ["baseline", f"--source={pictures}", f"--output={tmp_path / 'b.npz'}", f"--model={model}"]
    assert cli.run(arguments) == 1
    message = complaint(capfd.readouterr().err)
    assert found in message
    assert "model" in message
    assert not (tmp_path / "b.npz").exists()


# Footage from which no ordinary baseline can be learned. The embedder is the mean colour, so that the answer is known.


def write_clips(folder: Path, clips: dict[str, list[Frame]]) -> Path:
    for name, shown in clips.items():
        (folder / name).mkdir(parents=True)
        for number, frame in enumerate(shown):
            cv2.imwrite(str(folder / name / f"{number:03}.png"), frame)
    return folder


def learned_from(folder: Path, place: Path, *options: str) -> tuple[int, Path, Path]:
    """Build a baseline of the folders by the tiny model: exit code, the file and the model."""
    model, path = write_model(place, graph(NODES["mean colour"])), place / "learned.npz"
    return (
        cli.run(["baseline", f"--source={folder}", f"--output={path}", f"--model={model}", *options]),
        path,
        model,
    )


@pytest.mark.parametrize(
    ("episodes", "frames", "enough_for"),
    [(1, 8, 1), (1, 2, 0), (1, 1, 0), (2, 12, 2), (3, 2, 0)],
    ids=["one episode", "two frames", "one frame", "two episodes", "three of two frames"],
)
def test_too_little_footage_makes_no_baseline(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], episodes: int, frames: int, enough_for: int
) -> None:
    camera = PictureCamera(1)
    folder = write_clips(tmp_path / "past", {str(number): camera.episode(frames) for number in range(episodes)})
    code, path, _ = learned_from(folder, tmp_path)
    message = complaint(capfd.readouterr().err)
    assert code == 1
    assert f"gives {episodes * frames} readable samples, enough for {enough_for} episode(s)" in message
    assert "at least 3 episodes of 8 samples" in message
    assert not path.exists()


def grey(level: int, count: int = 16) -> list[Frame]:
    return [np.full((48, 64, 3), level, np.uint8)] * count


ODD_FOOTAGE: dict[str, Callable[[], dict[str, list[Frame]]]] = {
    "the same pictures four times": lambda: dict.fromkeys("abcd", PictureCamera(2).episode(16)),
    "one grey for ever": lambda: dict.fromkeys("abcd", grey(90)),
    "black for ever": lambda: dict.fromkeys("abc", grey(0)),
    "episodes of 8 to 160 pictures": lambda: {
        name: PictureCamera(2).episode(count) for name, count in zip("abcde", (8, 160, 9, 40, 12), strict=True)
    },
    "pictures of one pixel": lambda: {
        name: [frame[:1, :1] for frame in PictureCamera(seed).episode(16)] for seed, name in enumerate("abc")
    },
}


@pytest.mark.parametrize("kind", ODD_FOOTAGE)
def test_odd_footage_makes_a_baseline_by_which_it_is_normal_and_another_scene_is_not(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    folder = write_clips(tmp_path / "past", ODD_FOOTAGE[kind]())
    code, path, model = learned_from(folder, tmp_path)
    assert code == 0
    load_baseline(path)
    same_again = judge(folder, tmp_path / "same", baseline=path, model=model)
    known = {name: gate.status for name, gate in same_again.gates.items()}
    if "for ever" in kind or "same" in kind:
        # Of pictures that never change the embedding gate is sure; see test_health for repeats.
        assert known["embedding"] is Status.PASS
    # What a baseline was built from is a replay by definition, where its pictures can be told from each other.
    replayed = known.pop("replay") is Status.FAIL
    assert replayed == (kind in ("the same pictures four times", "episodes of 8 to 160 pictures"))
    assert Status.FAIL not in known.values() or "for ever" in kind
    white = write_clips(tmp_path / "white", {"a": grey(255, 24)})
    other = judge(white, tmp_path / "other", baseline=path, model=model)
    assert other.status is Status.FAIL
    assert other.gates["quality"].status is Status.FAIL


def test_pictures_whose_times_repeat_or_run_backwards_are_taken_in_the_order_of_time(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "past"
    folder.mkdir()
    frames = PictureCamera(3).episode(32)
    for number, frame in enumerate(frames):
        day, hour = 16 - number // 8, 8 + number % 8 // 2  # backwards by day, every hour twice
        cv2.imwrite(str(folder / f"{number:02}_2023-06-{day:02}T{hour:02}_00_00.png"), frame)
    code, path, model = learned_from(folder, tmp_path)
    assert code == 0
    names = load_baseline(path).episodes.names
    assert names == tuple(f"2023-06-{day}" for day in (13, 14, 15, 16))
    assert judge(folder, tmp_path / "out", baseline=path, model=model).status is not Status.ERROR


def test_two_models_to_choose_from_are_told_after_error_is_in_place(
    pictures: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    for name in ("a.onnx", "b.onnx"):
        (tmp_path / "models" / name).touch()
    monkeypatch.setattr(assets, "_root", lambda: tmp_path)
    verdict = check(CheckOptions(incoming=pictures, baseline=GOLDEN, model=None, output=output))
    assert "found 2 ONNX files" in verdict.message
    assert_error_stands(output)


def _damage(model: Path) -> None:
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)


def _forget_card(model: Path) -> None:
    model.with_suffix(".json").unlink()


def _write_card(text: str | bytes) -> Callable[[Path], None]:
    def write(model: Path) -> None:
        model.with_suffix(".json").write_bytes(text.encode() if isinstance(text, str) else text)

    return write


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_damage, "does not match its card"),
        (Path.unlink, "cannot read model"),
        (lambda model: os.truncate(model, 0), "does not match its card"),
        (_forget_card, "cannot read model card"),
        (_write_card("not JSON"), "is not a version 1 card"),
        (_write_card(b"\xff\xfe{}"), "is not a version 1 card"),
        (_write_card("[1, 2]"), "is not a version 1 card"),
        (_write_card("{}"), "schema_version"),
        (_write_card('{"schema_version": 2}'), "is not a version 1 card"),
        (_write_card("[" * 100_000), "is not a version 1 card"),
    ],
    ids=["flipped bit", "no model", "empty model", "no card", "text", "binary", "list", "bare", "version 2", "deep"],
)
def test_a_model_or_card_that_is_damaged_is_refused(
    pictures: Path, tmp_path: Path, output: Path, damage: Callable[[Path], None], found: str
) -> None:
    model = write_model(tmp_path, graph(NODES["mean colour"]))
    baseline = baseline_for(model)
    damage(model)
    message = refuse(pictures, output, model=model, baseline=baseline)
    assert found in message
    assert "tiny." in message


@pytest.mark.parametrize(
    ("content", "card"),
    [
        (b"not ONNX", {}),
        (graph(NODES["mean colour"], kind=FLOAT), {}),
        (graph(NODES["mean colour"]), {"input": {"name": "pixels", "dtype": "uint8", "shape": ["batch", 8, 8, 3]}}),
        (graph(NODES["mean colour"]), {"output": {"name": "embeddings", "dtype": "float32", "shape": ["batch"]}}),
        (graph(NODES["mean colour"]), {"input": {"name": "frames", "dtype": "uint8", "shape": ["batch", 9, 9, 3]}}),
        (graph(NODES["mean colour"]), {"output": {"name": "embeddings", "dtype": "float32", "shape": ["batch", 99]}}),
        (graph(NODES["mean colour"]), {"input": None}),
        (graph(NODES["mean colour"]), {"sha256": None}),
    ],
    ids=["no graph", "float frames", "other input", "other rank", "other size", "other length", "no input", "no sum"],
)
def test_a_graph_that_is_not_what_its_card_says_is_refused(
    pictures: Path, tmp_path: Path, output: Path, content: bytes, card: dict[str, Any]
) -> None:
    model = write_model(tmp_path, content, **card)
    message = refuse(pictures, output, model=model, baseline=baseline_for(model))
    assert "tiny." in message


# Outputs that cannot be written.


def give_up_privileges() -> None:
    """Make root a user like any other: file modes hold for it again. In a new process only."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in range(64):
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; taken at the next exec


AS_A_USER = give_up_privileges if os.geteuid() == 0 else None


@pytest.fixture
def locked(output: Path) -> Iterator[Path]:
    """The output folder, read-only, with yesterday's PASS in it."""
    output.chmod(0o555)
    yield output
    output.chmod(0o755)


def test_an_output_folder_without_write_permission_is_one_line_that_says_what_to_do(
    pictures: Path, locked: Path
) -> None:
    done = run_cli("check", "--incoming", pictures, "--output", locked, before=AS_A_USER)
    assert (done.returncode, done.stdout) == (1, "")
    message = complaint(done.stderr)
    assert str(locked) in message
    assert "mkdir -p" in message
    assert "--user" in message


def test_yesterdays_pass_does_not_survive_in_a_folder_without_write_permission(pictures: Path, locked: Path) -> None:
    """The files themselves belong to this user, and can be written where they are."""
    assert run_cli("check", "--incoming", pictures, "--output", locked, before=AS_A_USER).returncode == 1
    assert "PASS" not in (locked / "status").read_text()
    assert "PASS" not in (locked / "verdict.json").read_text()


@pytest.mark.parametrize("place", ["file", "file/below", "loop", "x" * 300, "/proc/nowhere"])
def test_an_output_that_cannot_be_a_folder_is_refused(pictures: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SentinelError, match="cannot write to the output folder") as caught:
        judge(pictures, tmp_path / place)
    assert_one_line(str(caught.value))
    assert (tmp_path / "file").read_text() == "mine"


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@pytest.fixture
def full_disk(small_disk: Path) -> Path:
    """A file system on which yesterday's PASS stands and nothing more fits."""
    leave_yesterdays_pass(small_disk / "output")
    while os.statvfs(small_disk).f_bavail:
        with (small_disk / "fill").open("ab") as stream:
            stream.write(bytes(4096))
    return small_disk


def assert_no_pass_stands(folder: Path) -> None:
    """Whatever is left, it is not yesterday's, and nothing was left half-written."""
    names = {path.name for path in folder.iterdir()}
    assert names <= {"status", "verdict.json"}
    assert all(b"PASS" not in (folder / name).read_bytes() for name in names)


def test_a_full_disk_is_one_line_and_yesterdays_pass_is_gone(pictures: Path, full_disk: Path) -> None:
    done = run_cli("check", "--incoming", pictures, "--output", full_disk / "output")
    assert (done.returncode, done.stdout) == (1, "")
    assert "No space left" in complaint(done.stderr)
    assert_no_pass_stands(full_disk / "output")


def test_a_file_size_limit_is_one_line_and_yesterdays_pass_is_gone(pictures: Path, output: Path) -> None:
    done = run_cli("check", "--incoming", pictures, "--output", output, before=limit_file_size)
    assert (done.returncode, done.stdout) == (1, "")
    assert "File too large" in complaint(done.stderr)
    assert_no_pass_stands(output)


def test_a_baseline_and_sabotage_on_a_full_disk_leave_nothing_half_written(pictures: Path, full_disk: Path) -> None:
    for arguments in (["baseline", "--output", "b.npz"], ["sabotage", "--kind", "blur", "--output", "blurred"]):
        done = run_cli(*arguments, "--source", pictures, folder=full_disk)
        assert (done.returncode, done.stdout) == (1, "")
        assert "No space left" in complaint(done.stderr)
    assert sorted(path.name for path in full_disk.iterdir()) == ["fill", "output"]


# Footage that may not be read.


@pytest.mark.parametrize(
    ("closed", "mode"),
    [("footage", 0o000), ("footage", 0o444), (".", 0o000)],
    ids=["folder", "folder that only lists", "folder above"],
)
def test_a_folder_this_user_may_not_read_is_one_line(
    footage: Path, tmp_path: Path, output: Path, closed: str, mode: int
) -> None:
    moved = shutil.copytree(footage, tmp_path / "inner" / "footage")
    place = tmp_path / "inner" / closed
    place.chmod(mode)
    try:
        done = run_cli("check", "--incoming", moved, "--output", output, before=AS_A_USER)
    finally:
        place.chmod(0o755)
    assert done.returncode == 1
    message = complaint(done.stderr)
    assert "Permission denied" in message
    assert assert_error_stands(output)["message"] == message


def test_a_picture_this_user_may_not_read_is_skipped_and_listed(footage: Path, output: Path) -> None:
    (footage / "003.jpg").chmod(0o000)
    done = run_cli("check", "--incoming", footage, "--output", output, before=AS_A_USER)
    assert (done.returncode, done.stderr) == (0, "")
    assert strict_json(done.stdout)["frames"]["unreadable"] == 1
    assert "Permission denied" in done.stdout


# Interruptions.


@pytest.fixture
def long_footage(tmp_path: Path) -> Path:
    """Footage that takes far longer than the tests wait."""
    folder = tmp_path / "long"
    folder.mkdir()
    for number in range(40):
        shutil.copy(PAST, folder / f"{number}.mp4")
    return folder


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def has_open(process: subprocess.Popen[str], path: Path) -> bool:
    """Whether a process is reading a file, or one in a folder."""
    opened = Path(f"/proc/{process.pid}/fd")
    with suppress(FileNotFoundError):  # what it had open a moment ago it may have closed
        return any(Path(os.path.realpath(link)).is_relative_to(path.resolve()) for link in opened.iterdir())
    return False


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGKILL, -9, None)],
)
def test_a_check_that_is_stopped_leaves_error_behind(
    long_footage: Path, output: Path, number: signal.Signals, code: int, word: str | None
) -> None:
    process = start_cli("check", "--incoming", long_footage, "--output", output)
    wait_until(lambda: has_open(process, long_footage), process)
    time.sleep(0.2)  # into the middle of the frames
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "")
    assert_error_stands(output)
    if word:
        assert word in complaint(err)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sabotage_that_is_stopped_leaves_nothing_behind(
    long_footage: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    place = tmp_path / "made"
    place.mkdir()
    process = start_cli("sabotage", "--source", long_footage, "--kind", "noise", "--output", place / "noisy")
    wait_until(lambda: any(place.rglob("*.avi")), process)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (code, "")
    complaint(err)
    assert list(place.iterdir()) == []


def test_a_baseline_that_is_stopped_leaves_the_old_one(long_footage: Path, tmp_path: Path) -> None:
    place = tmp_path / "made"
    place.mkdir()
    (place / "b.npz").write_bytes(b"old")
    process = start_cli("baseline", "--source", long_footage, "--output", place / "b.npz")
    wait_until(lambda: has_open(process, long_footage), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (143, "")
    complaint(err)
    assert [path.name for path in place.iterdir()] == ["b.npz"]
    assert (place / "b.npz").read_bytes() == b"old"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_the_libraries_load_is_no_traceback_either(
    pictures: Path, output: Path, number: signal.Signals
) -> None:
    process = subprocess.Popen(
        [*COMMAND, "check", "--incoming", pictures, "--output", output],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: "/numpy/" in Path(f"/proc/{process.pid}/maps").read_text(), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (128 + number, -number)
    assert err == ""


@pytest.mark.parametrize("command", [("sabotage", "--kind", "noise"), ("excerpt", "--megabytes", "0.05")], ids=" ".join)
def test_a_rate_by_which_opencv_would_divide_by_zero_ends_no_process(tmp_path: Path, command: tuple[str, ...]) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (26, 72, 96, 3), np.uint8)
    path = write_clip(tmp_path / "in" / "a.avi", list(pictures))
    forged = bytearray(path.read_bytes())
    header = forged.index(b"strh")
    forged[header + 28 : header + 36] = struct.pack("<II", 65_537, 10)  # one frame in two hours
    path.write_bytes(forged)
    done = run_cli(*command, "--source", path.parent, "--output", tmp_path / "out")
    assert done.returncode in (0, 1), done.stderr
