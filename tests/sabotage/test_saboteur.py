"""The saboteur writes what it says, exactly, all of it or nothing, and harms no footage."""

import hashlib
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError, UsageError
from sentinel_edge.footage import lossless
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import VideoReader, read_image
from sentinel_edge.footage.lossless import LosslessVideo, encode_png
from sentinel_edge.sabotage import saboteur
from sentinel_edge.sabotage.corruptions import Failure, Frame
from sentinel_edge.sabotage.saboteur import sabotage

CAMPUS = Path(__file__).parents[1] / "data" / "campus-incoming.mp4"


@pytest.fixture(scope="module")
def campus() -> list[Frame]:
    """Twelve real frames, 384x288."""
    with VideoReader(CAMPUS) as reader:
        return [frame for _, frame in islice(reader, 12)]


@pytest.fixture
def pictures(tmp_path: Path, campus: list[Frame]) -> Path:
    """A folder of eight pictures."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index, frame in enumerate(campus[:8]):
        (folder / f"{index}.png").write_bytes(encode_png(frame).tobytes())
    return folder


def write_video(path: Path, frames: list[Frame], fps: float = 10.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with LosslessVideo(path, fps) as video:
        for frame in frames:
            video.write(frame)
    return path


def read_video(path: Path) -> list[Frame]:
    with VideoReader(path) as reader:
        return [frame for _, frame in reader]


def same(found: list[Frame], expected: list[Frame]) -> bool:
    return len(found) == len(expected) and all(map(np.array_equal, found, expected))


def contents(folder: Path) -> dict[str, str]:
    """Every path under a folder, hidden ones too, with a digest of each file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "/"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Makes every file end at a size, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [(288, 384), (287, 383), (2, 3), (1, 1)])
@pytest.mark.parametrize("fps", [10.0, 12.5, 30000 / 1001])
def test_a_video_gives_back_the_very_pixels_and_the_rate(
    tmp_path: Path, campus: list[Frame], size: tuple[int, int], fps: float
) -> None:
    frames = [frame[: size[0], : size[1]] for frame in campus[:4]]
    frames.append(np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8))
    path = write_video(tmp_path / "exact.avi", frames, fps)
    assert same(read_video(path), frames)
    with VideoReader(path) as reader:
        assert reader.fps == pytest.approx(fps, abs=1e-3)
        assert [time_s for time_s, _ in reader] == pytest.approx([index / fps for index in range(5)], abs=1e-4)


def test_every_colour_survives_a_video(tmp_path: Path) -> None:
    plane = np.indices((256, 256)).astype(np.uint8)
    frames = [np.dstack([plane[0], plane[1], np.full((256, 256), red, np.uint8)]) for red in range(0, 256, 51)]
    assert same(read_video(write_video(tmp_path / "colours.avi", frames)), frames)


def test_pictures_become_png_files_of_the_same_names(pictures: Path, tmp_path: Path, campus: list[Frame]) -> None:
    (pictures / "7.png").rename(pictures / "7.BMP")
    report = sabotage(pictures, Cause.NOISE, 3, tmp_path / "out", seed=5)
    assert sorted(path.name for path in report.output.iterdir()) == [f"{index}.png" for index in range(8)]
    corrupt = Failure(Cause.NOISE, 3, 5).on_clip(".", 8)
    for index in range(7):
        assert np.array_equal(read_image(report.output / f"{index}.png"), corrupt(campus[index]))
    assert (report.clips, report.frames, report.skipped) == (1, 8, ())
    assert report.failure == Failure(Cause.NOISE, 3, 5)


def test_a_video_becomes_a_video_of_the_same_name_rate_and_length(tmp_path: Path, campus: list[Frame]) -> None:
    source = write_video(tmp_path / "door.mov", campus, 7.5)
    report = sabotage(source, Cause.FOG, 4, tmp_path / "out")
    corrupt = Failure(Cause.FOG, 4).on_clip("door.mov")
    assert same(read_video(tmp_path / "out" / "door.avi"), [corrupt(frame) for frame in campus])
    with VideoReader(tmp_path / "out" / "door.avi") as reader:
        assert reader.fps == 7.5
    assert (report.clips, report.frames) == (1, 12)


def test_severity_0_is_a_clean_copy_through_the_same_writer(tmp_path: Path, campus: list[Frame]) -> None:
    sabotage(write_video(tmp_path / "door.avi", campus), Cause.BLUR, 0, tmp_path / "clean")
    assert same(read_video(tmp_path / "clean" / "door.avi"), campus)


def test_real_compressed_footage_is_copied_exactly(tmp_path: Path) -> None:
    sabotage(CAMPUS, Cause.BLUR, 0, tmp_path / "clean")
    with VideoReader(CAMPUS) as old, VideoReader(tmp_path / "clean" / "campus-incoming.avi") as new:
        assert new.fps == old.fps
        for (old_s, before), (new_s, after) in zip(old, new, strict=True):
            assert new_s == pytest.approx(old_s, abs=1e-6)
            assert np.array_equal(before, after)


def test_a_folder_of_videos_and_folders_keeps_its_structure(tmp_path: Path, campus: list[Frame]) -> None:
    source = tmp_path / "été 2024, caméra №1"
    write_video(source / "Hof süd" / "früh morgens.mkv", campus[:2])
    write_video(source / "雨.avi", campus[:3])
    (source / "Hof süd" / "bilder").mkdir()
    (source / "Hof süd" / "bilder" / "eins zwei.webp").write_bytes(encode_png(campus[0]).tobytes())
    output = tmp_path / "sortie à vérifier" / "raus"
    report = sabotage(source, Cause.MOTION_BLUR, 2, output)
    found = [name for name, digest in contents(output).items() if digest != "/"]
    assert found == ["Hof süd/bilder/eins zwei.png", "Hof süd/früh morgens.avi", "雨.avi"]
    assert (report.clips, report.frames) == (3, 6)
    assert len(find_clips(output)) == 3


def test_pictures_that_would_get_one_name_all_keep_their_old_suffix(pictures: Path, tmp_path: Path) -> None:
    (pictures / "0.jpg").write_bytes((pictures / "0.png").read_bytes())
    (pictures / "0.jpg.png").write_bytes((pictures / "0.png").read_bytes())
    report = sabotage(pictures, Cause.BLUR, 1, tmp_path / "out")
    names = {path.name for path in report.output.iterdir()}
    assert names == {"0.jpg.png", "0.png.png", "0.jpg.png.png", *(f"{index}.png.png" for index in range(1, 8))}
    assert report.frames == len(names)


def test_videos_that_would_get_one_name_all_keep_their_old_suffix(tmp_path: Path, campus: list[Frame]) -> None:
    for name in ("a/x.mkv", "a/X.avi", "b/x.mkv"):
        write_video(tmp_path / "videos" / name, campus[:1])
    output = sabotage(tmp_path / "videos", Cause.BLUR, 1, tmp_path / "out").output
    found = [name for name, digest in contents(output).items() if digest != "/"]
    assert sorted(found) == ["a/X.avi.avi", "a/x.mkv.avi", "b/x.avi"]


def test_a_frozen_folder_repeats_a_picture_under_later_names(pictures: Path, tmp_path: Path) -> None:
    output = sabotage(pictures, Cause.FROZEN, 3, tmp_path / "out").output
    before = [read_image(pictures / f"{index}.png") for index in range(8)]
    after = [read_image(output / f"{index}.png") for index in range(8)]
    stale = [index for index in range(8) if not np.array_equal(before[index], after[index])]
    assert len(stale) == 4
    assert all(np.array_equal(after[index], before[stale[0] - 1]) for index in stale)


def test_a_frozen_video_counts_its_frames_and_freezes_for_their_share(tmp_path: Path, campus: list[Frame]) -> None:
    output = sabotage(write_video(tmp_path / "door.avi", campus), Cause.FROZEN, 5, tmp_path / "out").output
    assert same(read_video(output / "door.avi"), [campus[0]] * len(campus))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path, campus: list[Frame]) -> None:
    source = tmp_path / "both"
    write_video(source / "door.avi", campus[:3])
    (source / "hall").mkdir()
    (source / "hall" / "1.png").write_bytes(encode_png(campus[0]).tobytes())
    outputs = [
        sabotage(source, Cause.LOW_LIGHT, 3, tmp_path / name, seed=seed).output
        for name, seed in [("first", 7), ("again", 7), ("other", 8)]
    ]
    first, again, other = map(contents, outputs)
    assert first == again
    assert all(first[name] != other[name] for name in ("door.avi", "hall/1.png"))


def test_a_clip_is_sabotaged_alike_whatever_else_is_in_the_folder(tmp_path: Path, campus: list[Frame]) -> None:
    source = tmp_path / "cameras"
    write_video(source / "door.avi", campus[:3])
    alone = sabotage(source, Cause.NOISE, 3, tmp_path / "alone").output
    write_video(source / "attic.avi", campus[3:6])
    together = sabotage(source, Cause.NOISE, 3, tmp_path / "together").output
    assert contents(alone)["door.avi"] == contents(together)["door.avi"]


def test_unreadable_files_are_skipped_and_listed(pictures: Path, tmp_path: Path) -> None:
    whole = (pictures / "1.png").read_bytes()
    (pictures / "1.png").write_bytes(whole[: len(whole) // 3])
    (pictures / "2.png").write_bytes(b"")
    (pictures / "notes.txt").write_text("broken lamp", encoding="utf-8")
    (pictures / "night.mp4").write_bytes(b"not a video")
    report = sabotage(pictures, Cause.BLUR, 2, tmp_path / "out")
    assert {skipped.name for skipped in report.skipped} == {"1.png", "2.png", "notes.txt", "night.mp4"}
    assert all(skipped.reason for skipped in report.skipped)
    assert (report.clips, report.frames) == (1, 6)
    assert not {path.name for path in report.output.iterdir()} & {"1.png", "2.png", "night.avi"}


@pytest.mark.parametrize("kind", [Cause.BLUR, Cause.FROZEN])
def test_a_video_whose_frames_change_size_is_written_up_to_there_and_the_rest_listed(
    tmp_path: Path, campus: list[Frame], kind: Cause
) -> None:
    small = [np.ascontiguousarray(frame[:100, :120]) for frame in campus[3:6]]
    source = write_video(tmp_path / "door.avi", [*campus[:3], *small, *campus[6:]])
    report = sabotage(source, kind, 0, tmp_path / "out")
    assert same(read_video(report.output / "door.avi"), campus[:3])
    assert [(item.name, item.reason) for item in report.skipped] == [
        ("door.avi", "the picture changes from 384x288 to 120x100 at 0.3 s; what follows cannot be read")
    ]


def test_pictures_of_mixed_sizes_keep_theirs(pictures: Path, tmp_path: Path, campus: list[Frame]) -> None:
    (pictures / "3.png").write_bytes(encode_png(campus[3][:1, :1]).tobytes())
    for kind in (Cause.OCCLUSION, Cause.FROZEN):
        output = sabotage(pictures, kind, 5, tmp_path / kind).output
        assert [read_image(output / f"{index}.png").shape[:2] for index in (2, 3, 4)] == [
            (288, 384),
            (1, 1),
            (288, 384),
        ]


def test_a_video_cut_in_the_middle_is_used_as_far_as_it_goes_and_listed(tmp_path: Path, campus: list[Frame]) -> None:
    source = write_video(tmp_path / "door.avi", campus)
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) // 2])
    report = sabotage(source, Cause.BLUR, 0, tmp_path / "out")
    assert 3 <= report.frames <= 7
    assert same(read_video(report.output / "door.avi")[:3], campus[:3])
    assert any("cut short" in item.reason for item in report.skipped)


def test_footage_without_a_readable_frame_is_one_clear_line_and_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "broken"
    source.mkdir()
    for name in ("a.jpg", "b.jpg", "c.mp4"):
        (source / name).write_bytes(b"no")
    before = contents(tmp_path)
    with pytest.raises(SentinelError, match=r"no readable frame in .*broken: 3 skipped") as refusal:
        sabotage(source, Cause.BLUR, 2, tmp_path / "out")
    assert "\n" not in str(refusal.value)
    assert contents(tmp_path) == before


def test_an_output_that_is_in_use_is_refused_and_left_alone(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "note").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    before = contents(tmp_path)
    for name in ("kept", "file", "link"):
        with pytest.raises(SentinelError, match=f"output .*{name} already exists"):
            sabotage(pictures, Cause.BLUR, 2, tmp_path / name)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("place", "finding"),
    [
        ("pictures", "lies in the footage"),
        ("pictures/new", "lies in the footage"),
        ("pictures/../pictures/new", "lies in the footage"),
        ("link/new", "lies in the footage"),
        (".", "already exists and is not an empty folder"),
    ],
)
def test_an_output_within_or_around_the_footage_is_refused(
    pictures: Path, tmp_path: Path, place: str, finding: str
) -> None:
    (tmp_path / "link").symlink_to(pictures)
    before = contents(tmp_path)
    with pytest.raises(SentinelError, match=finding):
        sabotage(pictures, Cause.BLUR, 2, tmp_path / place)
    assert contents(tmp_path) == before


def test_an_empty_folder_may_be_the_output(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert sabotage(pictures, Cause.BLUR, 2, tmp_path / "out").frames == 8
    assert len(list((tmp_path / "out").iterdir())) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "pictures"], "no temporary folder is left"


def test_the_output_folder_gets_ordinary_permissions(pictures: Path, tmp_path: Path) -> None:
    ordinary = tmp_path / "ordinary"
    ordinary.mkdir()
    output = sabotage(pictures, Cause.BLUR, 2, tmp_path / "out").output
    assert output.stat().st_mode == ordinary.stat().st_mode


def test_the_footage_is_only_read(pictures: Path, tmp_path: Path) -> None:
    before = contents(pictures)
    sabotage(pictures, Cause.FROZEN, 5, tmp_path / "out")
    assert contents(pictures) == before


@pytest.mark.parametrize("mishap", [KeyboardInterrupt, SystemExit, ValueError])
def test_an_interruption_leaves_nothing(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mishap: type[BaseException]
) -> None:
    before = contents(tmp_path)
    seen = []

    def read_two(path: Path) -> Frame:
        seen.append(path)
        if len(seen) > 2:
            assert contents(tmp_path) != before, "by now something was written"
            raise mishap
        return read_image(path)

    monkeypatch.setattr(saboteur, "read_image", read_two)
    with pytest.raises(mishap):
        sabotage(pictures, Cause.BLUR, 2, tmp_path / "out")
    assert contents(tmp_path) == before


def test_an_interruption_within_a_video_leaves_nothing(
    tmp_path: Path, campus: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "door.avi", campus)
    before = contents(tmp_path)
    frames = iter([encode_png(campus[0])] * 3)

    def encode_three(frame: Frame) -> Frame:
        try:
            return next(frames)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(lossless, "encode_png", encode_three)
    with pytest.raises(KeyboardInterrupt):
        sabotage(source, Cause.BLUR, 2, tmp_path / "out")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("source", ["pictures", "door.avi"])
def test_a_full_disk_is_one_clear_line_and_leaves_nothing(
    pictures: Path,
    tmp_path: Path,
    campus: list[Frame],
    source: str,
    file_size_limit: Callable[[int], None],
) -> None:
    write_video(tmp_path / "door.avi", campus)
    before = contents(tmp_path)
    file_size_limit(100_000)
    with pytest.raises(SentinelError, match=r"cannot write .*out: .*; choose another place") as refusal:
        sabotage(tmp_path / source, Cause.BLUR, 1, tmp_path / "out")
    assert "\n" not in str(refusal.value)
    assert contents(tmp_path) == before


def test_an_unwritable_place_is_one_clear_line(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SentinelError, match=r"cannot write .*; choose another place"):
        sabotage(pictures, Cause.BLUR, 2, tmp_path / "file" / "out")


def test_a_wrong_request_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for kind, severity, seed in [("smoke", 3, 0), ("noise", 6, 0), ("noise", 3, -1)]:
        with pytest.raises(UsageError, match="expected"):
            sabotage(nowhere, cast("Cause", kind), severity, tmp_path / "out", seed=seed)
    with pytest.raises(SentinelError, match="no such path"):
        sabotage(nowhere, Cause.NOISE, 3, tmp_path / "out")
    assert contents(tmp_path) == {}


def test_progress_is_counted_on_one_line_of_standard_error_and_wiped(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sabotage(pictures, Cause.BLUR, 2, tmp_path / "loud", progress=True)
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("\rblur 2: 1 frames, 0 of 1 clips done")
    assert errors.endswith("\r\x1b[K")
    assert "\n" not in errors


def test_there_is_no_progress_where_standard_error_is_no_terminal(pictures: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sentinel_edge.sabotage.saboteur import sabotage; "
        "sabotage(Path(sys.argv[1]), 'blur', 2, Path(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, pictures, tmp_path / "out"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_lossless_video_without_frames_is_no_file(tmp_path: Path) -> None:
    with LosslessVideo(tmp_path / "none.avi", 10):
        pass
    assert not (tmp_path / "none.avi").exists()


def test_a_video_whose_frames_are_not_evenly_spaced_keeps_their_times(tmp_path: Path, campus: list[Frame]) -> None:
    times = [0.0, 0.5, 1.0, 1.04, 1.08, 1.12, 1.16, 601.16, 601.2, 601.24, 601.28, 601.32]
    (tmp_path / "in").mkdir()
    with LosslessVideo(tmp_path / "in" / "day.mov", None) as video:
        for frame, seconds in zip(campus, times, strict=True):
            video.write(frame, seconds)
    found = sabotage(tmp_path / "in", Cause.NOISE, 0, tmp_path / "out")
    with VideoReader(tmp_path / "out" / "day.mov") as reader:
        copied = [(seconds, frame) for seconds, frame in reader]
    assert [seconds for seconds, _ in copied] == pytest.approx(times, abs=1e-3)
    assert same([frame for _, frame in copied], campus)
    assert "a hole of 600.0 s" in found.skipped[0].reason


def test_a_header_that_says_600_frames_a_second_is_not_believed(tmp_path: Path, campus: list[Frame]) -> None:
    write_video(tmp_path / "in" / "day.avi", campus, 600.0)
    sabotage(tmp_path / "in", Cause.NOISE, 0, tmp_path / "out")
    with VideoReader(tmp_path / "out" / "day.avi") as reader:
        assert [seconds for seconds, _ in reader] == pytest.approx([0.04 * index for index in range(12)])
