"""What an excerpt takes: never more than it may, nothing changed, evenly over time, and all of it or nothing."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentinel_edge.errors import SentinelError
from sentinel_edge.excerpt.excerpt import MEGABYTE, PICTURES_A_SECOND, take_excerpt
from sentinel_edge.excerpt.material import TRIPLET
from sentinel_edge.footage.clips import find_clips, natural_key
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.sabotage.corruptions import Frame
from tests.command import complaint, run_cli, start_cli, strict_json
from tests.conftest import HARD_CLIPS, INCOMING, PAST
from tests.material.clips import retimed

pytestmark = pytest.mark.slow

PICTURES = 90


@cache
def frames(path: Path) -> tuple[list[float], list[Frame]]:
    """Times in seconds and pixels of a whole video."""
    with VideoReader(path) as reader:
        times, pictures = zip(*reader, strict=True)
        return list(times), list(pictures)


@pytest.fixture(scope="module")
def campus() -> list[Frame]:
    """Half a minute of a real camera at ten frames a second, 384x288."""
    return frames(INCOMING)[1]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory, campus: list[Frame]) -> Path:
    """A video that can be cut at its key frames, one that cannot, and ninety pictures: 12 MB."""
    folder = tmp_path_factory.mktemp("footage")
    cuttable(folder / "gate.avi", campus[:120])
    uncuttable(folder / "yard.mkv", campus[100:160])
    (folder / "hall").mkdir()
    for index, frame in enumerate(campus[:PICTURES]):
        cv2.imwrite(str(folder / "hall" / f"{index}.jpg"), frame)
    return folder


def cuttable(path: Path, pictures: list[Frame]) -> Path:
    """Motion JPEG: every frame is a key frame."""
    return encoded(path, pictures, "MJPG")


def uncuttable(path: Path, pictures: list[Frame]) -> Path:
    """HuffYUV, whose packets cannot be decoded without the tables that the source holds at its beginning alone."""
    return encoded(path, pictures, "HFYU")


def encoded(path: Path, pictures: list[Frame], codec: str) -> Path:
    code = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 10.0, (384, 288))
    for picture in pictures:
        writer.write(picture)
    writer.release()
    return path


def codec_of(path: Path) -> str:
    """What decodes a video, as four letters."""
    code = int(cv2.VideoCapture(str(path), cv2.CAP_FFMPEG).get(cv2.CAP_PROP_FOURCC))
    return code.to_bytes(4, "little").decode()


def files(folder: Path) -> list[Path]:
    return sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: natural_key(str(path)))


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in files(folder))


def assert_stretch(path: Path, source: Path) -> tuple[float, int]:
    """A stretch shows successive frames of its source, pixel for pixel, at its rate; gives their time and number."""
    name, _, time_s = path.stem.rpartition("@")
    assert name == source.name
    times, expected = frames(source)
    first = min(range(len(times)), key=lambda index: abs(times[index] - float(time_s.removesuffix("s"))))
    assert times[first] == pytest.approx(float(time_s.removesuffix("s")), abs=0.006)
    found_times, found = frames(path)
    assert len(found) >= TRIPLET
    assert all(np.array_equal(a, b) for a, b in zip(found, expected[first : first + len(found)], strict=True))
    with VideoReader(source) as old, VideoReader(path) as new:
        assert new.fps == pytest.approx(old.fps, rel=1e-3)
    moments = (found_times, times[: len(found)])
    steps = [[later - earlier for earlier, later in pairwise(series)] for series in moments]
    assert steps[0] == pytest.approx(steps[1], abs=2e-3)
    return times[first], len(found)


def test_footage_that_fits_is_copied_byte_for_byte_under_its_names(footage: Path, tmp_path: Path) -> None:
    taken = take_excerpt(footage, tmp_path / "out")
    names = [path.relative_to(footage) for path in files(footage)]
    assert [path.relative_to(tmp_path / "out") for path in files(tmp_path / "out")] == names
    assert all((tmp_path / "out" / name).read_bytes() == (footage / name).read_bytes() for name in names)
    assert (taken.files, taken.size, taken.share) == (len(names), size(footage), 1.0)
    assert taken.seconds == pytest.approx(12.0 + 6.0 + PICTURES / PICTURES_A_SECOND)
    assert (taken.complete, taken.skipped) == (True, ())


def test_a_limit_of_exactly_the_size_takes_all_and_a_byte_less_takes_a_part(tmp_path: Path) -> None:
    whole = INCOMING.stat().st_size
    assert take_excerpt(INCOMING, tmp_path / "all", limit=whole).complete
    part = take_excerpt(INCOMING, tmp_path / "part", limit=whole - 1)
    assert not part.complete
    assert 0 < part.size < whole


def test_a_single_video_is_cut_at_its_key_frames_without_touching_a_pixel(tmp_path: Path) -> None:
    taken = take_excerpt(INCOMING, tmp_path / "out", limit=700_000, seconds=3.0)
    found = files(tmp_path / "out")
    # x264's key frames are 25 s apart here.
    assert [path.name for path in found] == ["campus-incoming.mp4@0000.00s.mp4", "campus-incoming.mp4@0025.00s.mp4"]
    assert [assert_stretch(path, INCOMING)[1] for path in found] == [30, 30]
    assert {codec_of(path) for path in found} == {codec_of(INCOMING)}
    assert (taken.files, taken.size) == (2, size(tmp_path / "out"))
    assert taken.seconds == pytest.approx(6.0)
    assert taken.share == pytest.approx(6.0 / 30.0)
    assert taken.size < 0.05 * sum(cv2.imencode(".png", frame)[1].size for frame in frames(INCOMING)[1][:60])


def test_stretches_are_spread_evenly_over_the_whole_time(tmp_path: Path, campus: list[Frame]) -> None:
    source = cuttable(tmp_path / "gate.avi", campus)
    take_excerpt(source, tmp_path / "out", limit=source.stat().st_size // 4, seconds=1.0)
    starts = [assert_stretch(path, source)[0] for path in files(tmp_path / "out")]
    assert len(starts) >= 5
    assert starts == sorted(starts), "natural order is order in time"
    gaps = [later - earlier for earlier, later in pairwise([-starts[0], *starts, 60.0 - starts[-1]])]
    assert max(gaps) <= min(gaps) + 2.0


def test_stretches_stay_spread_where_frames_grow_larger_than_the_first(tmp_path: Path, campus: list[Frame]) -> None:
    calm = [np.full_like(campus[0], shade) for shade in range(100)]
    source = uncuttable(tmp_path / "yard.mkv", [*calm[:50], *campus[:50], *calm[50:]])
    limit = 2_500_000
    taken = take_excerpt(source, tmp_path / "out", limit=limit, seconds=1.0)
    assert taken.size <= limit
    spread = [assert_stretch(path, source) for path in files(tmp_path / "out")]
    assert min(start for start, _ in spread) < 4.0
    assert max(start for start, _ in spread) > 10.0
    assert {count for start, count in spread if start < 4.0} == {10}
    assert any(TRIPLET <= count < 10 for start, count in spread if 4.0 < start < 10.0), "shorter, but there"


def test_a_video_whose_picture_changes_is_taken_up_to_there_and_the_rest_listed(
    tmp_path: Path, campus: list[Frame]
) -> None:
    large = campus[:60]
    small = [np.ascontiguousarray(frame[:144, :192]) for frame in campus[60:120]]
    with LosslessVideo(tmp_path / "gate.avi", 10.0) as video:
        for frame in (*large, *small):
            video.write(frame)
    taken = take_excerpt(tmp_path / "gate.avi", tmp_path / "out", limit=4_000_000, seconds=0.5)
    found = files(tmp_path / "out")
    assert found
    assert all(assert_stretch(path, tmp_path / "gate.avi")[0] < 6.0 for path in found)
    assert [(entry.name, entry.reason) for entry in taken.skipped] == [
        ("gate.avi", "the picture changes from 384x288 to 192x144 at 6.0 s; what follows cannot be read")
    ]


def test_a_video_that_cannot_be_cut_is_written_again_without_loss(tmp_path: Path, campus: list[Frame]) -> None:
    source = uncuttable(tmp_path / "yard.mkv", campus[:60])
    taken = take_excerpt(source, tmp_path / "out", limit=4_000_000, seconds=0.8)
    found = files(tmp_path / "out")
    assert found
    assert {codec_of(path) for path in found} == {"MPNG"}
    assert sum(assert_stretch(path, source)[1] for path in found) == pytest.approx(10.0 * taken.seconds)
    assert taken.seconds > 1.5


def test_pictures_are_taken_in_runs_each_a_folder_byte_for_byte(footage: Path, tmp_path: Path) -> None:
    taken = take_excerpt(footage / "hall", tmp_path / "out", limit=size(footage / "hall") // 3, seconds=2.0)
    clips = find_clips(tmp_path / "out")
    assert len(clips) >= 2
    assert taken.seconds == pytest.approx(taken.files / PICTURES_A_SECOND)
    for clip in clips:
        first = int(clip.name.removeprefix("hall@"))
        numbers = [int(path.stem) for path in clip.files]
        assert numbers == list(range(first, first + len(numbers))), "successive: triplets can be made of them"
        assert len(numbers) >= TRIPLET
        assert all(path.read_bytes() == (footage / "hall" / path.name).read_bytes() for path in clip.files)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.one_of(st.integers(1, 49_999), st.integers(1_000_000, 15_000_000)), seconds=st.floats(0.05, 30.0))
def test_the_limit_is_never_passed(footage: Path, tmp_path: Path, limit: int, seconds: float) -> None:
    output = tmp_path / "out"
    shutil.rmtree(output, ignore_errors=True)
    if limit < 50_000:  # three frames of the smallest clip take 3 x 26 kB
        with pytest.raises(SentinelError, match="not even 3 successive frames"):
            take_excerpt(footage, output, limit=limit, seconds=seconds)
        assert not output.exists()
        return
    taken = take_excerpt(footage, output, limit=limit, seconds=seconds)
    assert taken.size == size(output) <= limit
    assert taken.files == len(files(output)) > 0
    assert 0.0 < taken.share <= 1.0
    assert taken.complete == (limit >= size(footage))
    assert not [path for path in output.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_every_clip_gets_its_part(footage: Path, tmp_path: Path) -> None:
    take_excerpt(footage, tmp_path / "out", limit=9_000_000, seconds=1.0)
    sources = {path.relative_to(tmp_path / "out").as_posix().partition("@")[0] for path in files(tmp_path / "out")}
    assert sources == {"gate.avi", "hall", "yard.mkv"}
    for path in files(tmp_path / "out"):
        if path.suffix == ".avi":
            assert_stretch(path, footage / path.name.partition("@")[0])


def test_the_same_footage_gives_the_same_bytes(footage: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("first", "again")]
    for output in outputs:
        take_excerpt(footage, output, limit=6 * MEGABYTE, seconds=1.0)
    first, again = ({path.relative_to(output): path.read_bytes() for path in files(output)} for output in outputs)
    assert first == again


def test_links_are_followed_where_asked_and_only_footage_is_taken(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_FOLLOW_LINKS", "yes")
    source = tmp_path / "source"
    source.mkdir()
    (source / "linked.avi").symlink_to(footage / "gate.avi")
    (source / "rooms").symlink_to(footage / "hall")
    (source / "notes.txt").write_text("private")
    (source / ".hidden.avi").write_bytes(b"hidden")
    taken = take_excerpt(source, tmp_path / "out")
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))
    assert (tmp_path / "out" / "linked.avi").read_bytes() == (footage / "gate.avi").read_bytes()
    assert len(list((tmp_path / "out" / "rooms").iterdir())) == PICTURES
    assert taken.files == 1 + PICTURES
    assert [entry.name for entry in taken.skipped] == ["notes.txt"]


@pytest.mark.parametrize("limit", [100 * MEGABYTE, 2 * MEGABYTE])
def test_what_cannot_be_read_is_skipped_and_listed(footage: Path, tmp_path: Path, limit: int) -> None:
    source = tmp_path / "source"
    shutil.copytree(footage / "hall", source / "hall")
    (source / "hall" / "31.jpg").write_bytes(b"")
    (source / "broken.mp4").write_bytes(b"not a video")
    (source / "gone.avi").symlink_to(tmp_path / "nowhere")
    taken = take_excerpt(source, tmp_path / "out", limit=limit, seconds=20.0)
    named = {entry.name for entry in taken.skipped}
    assert {"broken.mp4", "gone.avi"} <= named
    assert all(entry.reason for entry in taken.skipped)
    copied = {path.name for path in files(tmp_path / "out")}
    assert not {"31.jpg", "broken.mp4", "gone.avi"} & copied
    if limit > 2 * MEGABYTE:
        assert named == {"hall/31.jpg", "broken.mp4", "gone.avi"}
        assert len(copied) == PICTURES - 1


def test_a_run_of_pictures_never_leaps_over_one_that_cannot_be_read(footage: Path, tmp_path: Path) -> None:
    source = tmp_path / "hall"
    shutil.copytree(footage / "hall", source)
    for broken in range(1, PICTURES, 5):
        (source / f"{broken}.jpg").write_bytes(b"broken")
    take_excerpt(source, tmp_path / "out", limit=2_000_000, seconds=3.0)
    for clip in find_clips(tmp_path / "out"):
        numbers = [int(path.stem) for path in clip.files]
        assert numbers == list(range(numbers[0], numbers[-1] + 1))
        assert len(numbers) >= TRIPLET


def test_a_video_that_was_cut_short_is_used_as_far_as_it_goes(tmp_path: Path, campus: list[Frame]) -> None:
    with LosslessVideo(tmp_path / "gate.avi", 10.0) as video:
        for frame in campus[:60]:
            video.write(frame)
    whole = (tmp_path / "gate.avi").read_bytes()
    (tmp_path / "gate.avi").write_bytes(whole[: len(whole) // 2])
    take_excerpt(tmp_path / "gate.avi", tmp_path / "out", limit=len(whole) // 3, seconds=1.0)
    found = files(tmp_path / "out")
    assert found
    for path in found:
        assert_stretch(path, tmp_path / "gate.avi")


def test_footage_without_a_readable_frame_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.jpg").write_bytes(b"no")
    (tmp_path / "source" / "b.mp4").write_bytes(b"neither")
    for limit in (MEGABYTE, 5):
        with pytest.raises(SentinelError, match=r"no readable frame in .*2 skipped|no stretch of .* fits"):
            take_excerpt(tmp_path / "source", tmp_path / "out", limit=limit)
        assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_output_in_use_or_within_the_footage_is_refused(footage: Path, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "note").write_text("mine")
    before = files(footage)
    with pytest.raises(SentinelError, match="already exists"):
        take_excerpt(footage, tmp_path / "used")
    with pytest.raises(SentinelError, match="lies in the footage"):
        take_excerpt(footage, footage / "out")
    assert files(footage) == before
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["note"]


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Makes every file end at 60 000 bytes, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("limit", [100 * MEGABYTE, 2 * MEGABYTE])
@pytest.mark.parametrize("name", ["gate.avi", "yard.mkv"])
@pytest.mark.usefixtures("file_size_limit")
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(footage: Path, tmp_path: Path, name: str, limit: int) -> None:
    with pytest.raises(SentinelError, match=r"cannot write .*out: .*; choose another place"):
        take_excerpt(footage / name, tmp_path / "out", limit=limit, seconds=60.0)
    assert list(tmp_path.iterdir()) == []


# The command.


def test_the_command_says_what_it_took_in_one_line_of_json(footage: Path, tmp_path: Path) -> None:
    done = run_cli("excerpt", "--source", footage, "--output", tmp_path / "out", "--megabytes", "5", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    facts = strict_json(done.stdout)
    assert list(facts) == ["output", "files", "bytes", "seconds", "share", "complete", "skipped"]
    assert (facts["files"], facts["bytes"]) == (len(files(tmp_path / "out")), size(tmp_path / "out"))
    assert facts["bytes"] <= 5_000_000
    assert facts["complete"] is False


def test_nothing_that_fits_exits_1_with_one_line(footage: Path, tmp_path: Path) -> None:
    done = run_cli("excerpt", "--source", footage, "--output", tmp_path / "out", "--megabytes", "0.01")
    assert done.returncode == 1
    assert done.stdout == ""
    message = complaint("".join(f"{line}\n" for line in done.stderr.splitlines() if "skipped" not in line))
    assert "fits in 0.01 MB" in message
    assert "--megabytes" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--megabytes", "0"], ["--megabytes", "nan"], ["--seconds", "-1"]])
def test_a_wrong_number_exits_2(footage: Path, tmp_path: Path, option: list[str]) -> None:
    done = run_cli("excerpt", "--source", footage, "--output", tmp_path / "out", *option)
    assert done.returncode == 2
    assert option[0] in complaint(done.stderr)


def test_a_command_that_is_ended_leaves_nothing(tmp_path: Path, campus: list[Frame]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    cv2.imwrite(str(source / "0.png"), campus[0])
    for index in range(1, 2000):
        os.link(source / "0.png", source / f"{index}.png")
    running = start_cli("excerpt", "--source", source, "--output", tmp_path / "out", "--megabytes", "1000")
    deadline = time.monotonic() + 30.0
    while not list(tmp_path.glob(".out-*/out/*")) and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(signal.SIGTERM)
    try:
        _, stderr = running.communicate(timeout=30)
    except subprocess.TimeoutExpired:  # pragma: no cover
        running.kill()
        raise
    assert running.returncode == 128 + signal.SIGTERM
    assert "terminated" in complaint(stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


# Time that is not even.

WITH_HOLE = [0.1 * index for index in range(250)] + [600.0 + 0.1 * index for index in range(250, 480)]
FAST_THEN_SLOW = [0.04 * index for index in range(250)] + [10.0 + 0.5 * index for index in range(20)]


def stretches(folder: Path) -> list[tuple[float, float, float]]:
    """Of each stretch: when it begins in the source, and its shortest and longest step, in seconds."""
    found = []
    for path in files(folder):
        steps = np.diff(frames(path)[0])
        found.append((float(path.stem.rpartition("@")[2].removesuffix("s")), steps.min(), steps.max()))
    return found


def test_no_stretch_goes_across_a_hole(tmp_path: Path) -> None:
    source = retimed(tmp_path / "day.mp4", PAST, WITH_HOLE)
    excerpt = take_excerpt(source, tmp_path / "out", limit=source.stat().st_size - 1, seconds=8.0)
    found = stretches(tmp_path / "out")
    assert {start > 600 for start, _, _ in found} == {False, True}
    assert all(step == pytest.approx(0.1, abs=2e-3) for _, *steps in found for step in steps)
    assert excerpt.share <= 1.0
    assert excerpt.seconds < 48.1, "the hole is no footage"
    assert {path.suffix for path in files(tmp_path / "out")} == {".mp4"}, "cut, not written again"


def test_each_stretch_goes_at_the_rate_its_frames_have_there(tmp_path: Path) -> None:
    source = retimed(tmp_path / "day.mp4", PAST, FAST_THEN_SLOW)
    excerpt = take_excerpt(source, tmp_path / "out", limit=source.stat().st_size - 1, seconds=8.0)
    found = stretches(tmp_path / "out")
    for start, shortest, longest in found:
        expected = 0.04 if start < 10 else 0.5
        assert [shortest, longest] == pytest.approx([expected] * 2, abs=2e-3)
    assert {start < 10 for start, _, _ in found} == {False, True}
    assert excerpt.seconds == pytest.approx(sum(frames(path)[0][-1] for path in files(tmp_path / "out")), rel=0.2)


def test_a_stretch_that_is_written_again_keeps_the_times_of_frames_that_were_dropped_around(
    tmp_path: Path, campus: list[Frame]
) -> None:
    source = tmp_path / "day.mov"
    with LosslessVideo(source, None) as video:
        for index in range(60):
            if index % 7:
                video.write(campus[index], 0.1 * index)
    take_excerpt(source, tmp_path / "out", limit=source.stat().st_size * 2 // 3)
    for path in files(tmp_path / "out"):
        assert set(np.diff(frames(path)[0]).round(3)) == {0.1, 0.2}


def test_a_stream_that_begins_in_the_middle_is_cut_from_its_first_key_frame_on(tmp_path: Path) -> None:
    source = HARD_CLIPS / "delivered" / "midgop.ts"
    excerpt = take_excerpt(source, tmp_path / "out", limit=17_600)
    assert excerpt.files
    assert all(np.std(picture) > 20 for path in files(tmp_path / "out") for picture in frames(path)[1])
