"""Reading footage: order, sampling, and what is skipped."""

import os
import shutil
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, find_clips, find_footage, natural_key
from sentinel_edge.footage.decoding import Unreadable, VideoReader, _decoder_problem, read_image
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.footage.sampling import EvenSample
from tests.conftest import DATA, HARD_CLIPS, INCOMING


def picture(path: Path, value: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((24, 32, 3), value, np.uint8))
    return path


@given(st.lists(st.integers(0, 10**6), min_size=2, unique=True))
def test_numbers_in_names_sort_as_numbers(numbers: list[int]) -> None:
    names = [f"frame_{number}.jpg" for number in numbers]
    assert sorted(names, key=natural_key) == [f"frame_{number}.jpg" for number in sorted(numbers)]


def test_every_video_and_every_folder_of_pictures_is_a_clip_in_natural_order(tmp_path: Path) -> None:
    for name in ("day10/a.png", "day2/b.png", "day2/a.png", "top.png"):
        picture(tmp_path / name)
    (tmp_path / "clip.MP4").write_bytes(INCOMING.read_bytes())
    (tmp_path / "notes.txt").write_text("not footage")
    (tmp_path / ".hidden.png").write_bytes(b"")
    footage = find_footage(tmp_path)
    assert [(clip.name, [file.name for file in clip.files]) for clip in footage.clips] == [
        ("clip.MP4", []),
        ("day2", ["a.png", "b.png"]),
        ("day10", ["a.png"]),
        (".", ["top.png"]),
    ]
    assert [entry.name for entry in footage.ignored] == ["notes.txt"]


def test_the_sample_is_its_camera_and_nothing_else() -> None:
    """The benchmarks, the export and its reference read the whole folder."""
    assert [clip.name for clip in find_clips(DATA)] == ["campus-incoming.mp4", "campus-past.mp4"]


def test_a_loop_of_symbolic_links_ends(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert [clip.name for clip in find_clips(tmp_path)] == ["a"]


@pytest.mark.parametrize("fps", [10.0, 1000.0])
def test_at_a_videos_own_rate_every_frame_is_sampled(fps: float) -> None:
    reader = SampleReader(find_clips(INCOMING), fps)
    assert [sample.origin for sample in reader] == [f"campus-incoming.mp4@{index / 10:.2f}s" for index in range(300)]
    assert reader.index == 300
    assert not reader.skipped


@pytest.mark.parametrize(("fps", "slots"), [(5.0, 150), (4.0, 120), (1.0, 30)])
def test_of_each_slot_one_frame_is_sampled_and_always_the_same_one(fps: float, slots: int) -> None:
    times = [float(sample.origin.rpartition("@")[2][:-1]) for sample in SampleReader(find_clips(INCOMING), fps)]
    assert len(times) == slots
    # Of 10 frames a second at 4 samples a slot has two frames or three; one may be shown from the slot before on.
    assert all(-0.1 < time - slot / fps < 1 / fps for slot, time in enumerate(times))
    assert len({round(time * fps % 1, 2) for time in times}) > 1, "not always the same place of the slot"
    again = [float(sample.origin.rpartition("@")[2][:-1]) for sample in SampleReader(find_clips(INCOMING), fps)]
    assert again == times


def test_unwanted_samples_keep_their_index_and_are_not_decoded() -> None:
    reader = SampleReader(find_clips(INCOMING), 5.0, wanted=lambda index: index % 10 == 3)
    assert [sample.index for sample in reader] == list(range(3, 150, 10))


@pytest.mark.parametrize("fps", [1.0, 4.0, 5.0, 10.0])
def test_the_successor_of_a_videos_sample_is_the_next_native_frame(fps: float) -> None:
    with VideoReader(INCOMING) as video:
        native = [frame.copy() for _, frame in islice(video, 60)]
    for sample in islice(SampleReader(find_clips(INCOMING), fps), int(5 * fps)):
        number = round(10 * float(sample.origin.partition("@")[2].rstrip("s")))
        assert (sample.frame == native[number]).all()
        assert sample.successor is not None
        assert (sample.successor == native[number + 1]).all()


def test_the_successor_of_a_picture_is_the_next_one_that_can_be_read(tmp_path: Path) -> None:
    for number in range(6):
        picture(tmp_path / "a" / f"{number}.png", 10 * number)
        picture(tmp_path / "b" / f"{number}.png", 100 + 10 * number)
    (tmp_path / "a" / "2.png").write_bytes(b"broken")
    found = [
        (sample.origin, None if sample.successor is None else int(sample.successor[0, 0, 0]))
        for sample in SampleReader(find_clips(tmp_path), 5.0)
    ]
    # The last of one folder has none: what follows is of another place, or of another day.
    expected = [("a/0.png", 10), ("a/1.png", 30), ("a/3.png", 40), ("a/4.png", 50), ("a/5.png", None)]
    assert found == [*expected, *((f"b/{n}.png", 110 + 10 * n) for n in range(5)), ("b/5.png", None)]


def test_the_last_frame_of_a_video_has_no_successor(tmp_path: Path) -> None:
    for name, count in (("1.avi", 5), ("2.avi", 4)):
        with LosslessVideo(tmp_path / name, 10.0) as video:
            for value in range(count):
                video.write(np.full((24, 32, 3), 20 * value, np.uint8))
    reader = SampleReader(find_clips(tmp_path), 5.0)
    found = [(s.origin, None if s.successor is None else int(s.successor[0, 0, 0])) for s in reader]
    assert found == [
        ("1.avi@0.00s", 20), ("1.avi@0.20s", 60), ("1.avi@0.40s", None), ("2.avi@0.00s", 20), ("2.avi@0.20s", 60),
    ]  # fmt: skip


class CountedVideo(VideoReader):
    """A video that counts what is taken out of it."""

    retrieved = 0
    broken: frozenset[int] = frozenset()
    _frame = -1

    def advance(self) -> bool:
        """Count the frames gone by."""
        self._frame += 1
        return super().advance()

    def retrieve(self) -> NDArray[np.uint8] | None:
        """Count, and fail where it should."""
        CountedVideo.retrieved += 1
        return None if self._frame in self.broken else super().retrieve()


@pytest.mark.parametrize(("fps", "wanted", "most"), [(10.0, 1, 300), (5.0, 1, 300), (2.0, 1, 120), (5.0, 10, 30)])
def test_no_frame_is_decoded_twice_and_none_that_is_not_needed(
    monkeypatch: pytest.MonkeyPatch, fps: float, wanted: int, most: int
) -> None:
    monkeypatch.setattr("sentinel_edge.footage.samples.VideoReader", CountedVideo)
    monkeypatch.setattr(CountedVideo, "retrieved", 0)
    reader = SampleReader(find_clips(INCOMING), fps, wanted=lambda index: index % wanted == 0)
    samples = list(reader)
    assert sum(sample.successor is not None for sample in samples) >= len(samples) - 1
    assert len(samples) <= CountedVideo.retrieved <= most


def test_pictures_are_each_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def read(path: Path, **_: int) -> NDArray[np.uint8]:
        opened.append(path.name)
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr("sentinel_edge.footage.samples.read_image", read)
    files = tuple(Path(f"{number}.png") for number in range(12))
    assert len(list(SampleReader([Clip(tmp_path, "c", files)], 5.0, lambda index: index % 3 == 0))) == 4
    assert opened == ["0.png", "3.png", "6.png", "9.png"], "unwanted ones are not read for the sake of a successor"


def test_a_successor_that_cannot_be_decoded_is_none_and_costs_no_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentinel_edge.footage.samples.VideoReader", CountedVideo)
    taken = [
        round(10 * float(sample.origin.partition("@")[2][:-1]))
        for sample in islice(SampleReader(find_clips(INCOMING), 5.0), 30)
    ]
    # The one frame is nobody's but its predecessor's successor; the other would have been a sample.
    number = next(place for place, frame in enumerate(taken) if frame + 1 not in taken)
    lost = number + 3
    monkeypatch.setattr(CountedVideo, "broken", frozenset({taken[number] + 1, taken[lost]}))
    reader = SampleReader(find_clips(INCOMING), 5.0)
    samples = list(islice(reader, 20))
    found = [round(10 * float(sample.origin.partition("@")[2][:-1])) for sample in samples]
    assert found == [frame for frame in taken if frame != taken[lost]][:20]
    assert samples[number].successor is None
    assert samples[number + 1].successor is not None
    assert [entry.reason for entry in reader.skipped] == ["frame cannot be decoded"]


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        ([0, 100, 200, 300], [0, 0.1, 0.2, 0.3]),
        ([5000, 5100, 5200, 5300], [0, 0.1, 0.2, 0.3]),
        ([0, 100, 100, 100], [0, 0.1, 0.15, 0.2]),
        ([0, 100, 40, 60], [0, 0.1, 0.15, 0.2]),
        ([900, 0, 50, 1200], [0, 0.05, 0.1, 0.3]),
        ([np.nan, np.inf, -np.inf, 400], [0, 0.05, 0.1, 0.4]),
        ([-1e12, 0, 1, 2], None),
    ],
    ids=["even", "late", "repeated", "backwards", "restarted", "no numbers", "far apart"],
)
def test_time_goes_forward_whatever_the_time_stamps_say(
    monkeypatch: pytest.MonkeyPatch, stamps: list[float], seconds: list[float] | None
) -> None:
    class Capture:
        """Four frames at a nominal twenty a second, with these time stamps."""

        def __init__(self, *_: object) -> None:
            self.frame = -1

        def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
            return True

        def grab(self) -> bool:
            self.frame += 1
            return self.frame < len(stamps)

        def get(self, what: int) -> float:
            return {cv2.CAP_PROP_FPS: 20.0, cv2.CAP_PROP_POS_MSEC: stamps[max(0, self.frame)]}.get(what, 4.0)

        def retrieve(self) -> tuple[bool, NDArray[np.uint8]]:
            return True, np.full((4, 4, 3), self.frame, np.uint8)

        def release(self) -> None:
            """Nothing to release."""

    assert not _decoder_problem(), "proven once a process, which has to be before the decoder is another"
    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    with VideoReader(INCOMING) as video:
        found = [(at, int(frame[0, 0, 0])) for at, frame in video]
    assert [number for _, number in found] == [0, 1, 2, 3]
    assert np.diff([at for at, _ in found]).min() > 0
    if seconds is not None:
        assert [at for at, _ in found] == pytest.approx(seconds)
    samples = list(SampleReader([Clip(INCOMING, "clip")], 20.0))
    assert 1 <= len(samples) <= 4
    assert all(int(s.successor[0, 0, 0]) > int(s.frame[0, 0, 0]) for s in samples if s.successor is not None)


def test_pixels_arrive_blue_green_red_in_eight_bits_whatever_the_file_holds(tmp_path: Path) -> None:
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 200
    cv2.imwrite(str(tmp_path / "colour.png"), red)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([red, np.full((8, 8), 7, np.uint8)]))
    cv2.imwrite(str(tmp_path / "deep.png"), red.astype(np.uint16) * 257)
    cv2.imwrite(str(tmp_path / "grey.png"), red[..., 2])
    for name in ("colour", "alpha", "deep"):
        frame = read_image(tmp_path / f"{name}.png")
        assert frame.dtype == np.uint8
        assert (frame == red).all(), name
    assert (read_image(tmp_path / "grey.png") == 200).all()


def test_a_picture_is_turned_upright_as_its_exif_says(tmp_path: Path) -> None:
    wide = np.zeros((10, 20, 3), np.uint8)
    _, jpeg = cv2.imencode(".jpg", wide)
    # An EXIF block with one entry: orientation 6, "turn a quarter to the right".
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    data = bytes(jpeg)
    (tmp_path / "turned.jpg").write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    assert read_image(tmp_path / "turned.jpg").shape == (20, 10, 3)


def test_broken_files_are_skipped_counted_and_listed(tmp_path: Path) -> None:
    for number in range(6):
        picture(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:40])
    (tmp_path / "3.png").write_bytes(b"")
    os.mkfifo(tmp_path / "4.png.fifo.png")
    reader = SampleReader(find_clips(tmp_path), 5.0)
    assert [sample.origin for sample in reader] == ["0.png", "1.png", "4.png", "5.png"]
    assert {entry.name for entry in reader.skipped} == {"2.png", "3.png", "4.png.fifo.png"}
    assert reader.unreadable() == (3, 7)


def test_a_video_cut_in_the_middle_is_read_to_the_cut_and_reported(tmp_path: Path) -> None:
    whole = tmp_path / "whole.avi"
    with LosslessVideo(whole, 10.0) as video:
        for value in range(100):
            video.write(np.full((24, 32, 3), value, np.uint8))
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    reader = SampleReader(find_clips(cut), 5.0)
    read = len(list(reader))
    assert 15 <= read <= 30
    assert "cut short" in reader.skipped[0].reason
    lost, expected = reader.unreadable()
    assert 0.4 < lost / expected < 0.65


@pytest.mark.parametrize("content", [b"", b"not a video at all", INCOMING.read_bytes()[:5000]])
def test_what_is_not_a_video_is_unreadable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.mp4"
    path.write_bytes(content)
    with pytest.raises(Unreadable):
        VideoReader(path)
    reader = SampleReader(find_clips(path), 5.0)
    assert list(reader) == []
    assert reader.unreadable() == (1, 1)


def test_no_footage_says_what_was_found_and_expected(tmp_path: Path) -> None:
    with pytest.raises(SentinelError, match=r"no such path: .*missing; expected an image folder"):
        find_footage(tmp_path / "missing")
    with pytest.raises(SentinelError, match="found an empty folder; expected"):
        find_footage(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SentinelError, match=r"found only 1 other file\(s\), e.g. notes.txt; expected"):
        find_footage(tmp_path)
    with pytest.raises(SentinelError, match="is a single picture; expected"):
        find_footage(picture(tmp_path / "one.png"))


def test_videos_that_cannot_be_opened_weigh_as_much_as_those_that_can(tmp_path: Path) -> None:
    shutil.copy(INCOMING, tmp_path / "00.mp4")
    for number in range(1, 24):
        (tmp_path / f"{number:02}.mp4").touch()
    reader = SampleReader(find_clips(tmp_path), 5.0)
    assert len(list(reader)) == 150
    assert reader.unreadable() == (23 * 150, 24 * 150)


@pytest.mark.parametrize("broken", [range(2000), range(12_000, 20_000), range(0, 20_000, 7)])
def test_the_unreadable_share_of_thinned_footage_is_that_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: range
) -> None:
    def read(path: Path, **_: int) -> NDArray[np.uint8]:
        if int(path.stem) in broken:
            raise Unreadable("broken")
        return np.zeros((1, 1, 3), np.uint8)

    monkeypatch.setattr("sentinel_edge.footage.samples.read_image", read)
    kept: EvenSample[int] = EvenSample(2000)
    reader = SampleReader([Clip(tmp_path, "c", tuple(Path(f"{n}.png") for n in range(20_000)))], 5.0, kept.wants)
    for sample in reader:
        kept.add(sample.index, 0)
    lost, expected = reader.unreadable(kept.stride, kept.wants)
    assert expected == 20_000
    assert lost == pytest.approx(len(broken), rel=0.02 if broken.step == 1 else 0.2), "of every 16 one is drawn"


@pytest.mark.parametrize("clip", ["h264.mp4", "mpeg2.ts"])
def test_interlaced_video_is_read_as_its_decoder_shows_it(clip: str) -> None:
    """Some OpenCV give back memory that nobody wrote to: every frame the same, whatever it holds."""
    path = HARD_CLIPS / "interlaced" / clip
    with VideoReader(path) as reader:
        frames = [frame.copy() for _, frame in reader]
    shown = read_image(path.with_suffix(".png"))
    assert len(frames) == 10
    assert np.abs(frames[0].astype(int) - shown).mean() < 3
    assert len({frame.tobytes() for frame in frames}) == 10


def test_no_video_is_read_with_a_decoder_that_makes_frames_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class MakesFramesUp:
        def __init__(self, *_: object) -> None: ...

        def read(self) -> tuple[bool, NDArray[np.uint8]]:
            return True, np.full((64, 64, 3), 1, np.uint8)

        def release(self) -> None: ...

    _decoder_problem.cache_clear()
    monkeypatch.setattr(cv2, "VideoCapture", MakesFramesUp)
    with pytest.raises(Unreadable, match=r"does not read interlaced video .* install opencv-python-headless 4\.11"):
        VideoReader(INCOMING)
    monkeypatch.undo()
    _decoder_problem.cache_clear()
    VideoReader(INCOMING).close()


@pytest.mark.parametrize(
    "folder",
    ["@eaDir", "#recycle", "#snapshot", "@Recycle", "@tmp", "$RECYCLE.BIN", "$Recycle.Bin", "System Volume Information",
     "lost+found", "__MACOSX", ".snapshots"],
)  # fmt: skip
def test_what_a_store_keeps_beside_recordings_is_no_footage(folder: str, tmp_path: Path) -> None:
    for day in ("day1", "day2"):
        picture(tmp_path / day / "a.jpg")
        picture(tmp_path / day / folder / "a.jpg" / "SYNOPHOTO_THUMB_M.jpg")
    picture(tmp_path / folder / "deleted" / "a.jpg")
    (tmp_path / "day1" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "day1" / "EhThumbs.db").write_bytes(b"x")
    footage = find_footage(tmp_path)
    assert ([clip.name for clip in footage.clips], footage.ignored) == (["day1", "day2"], ())


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPE"])
def test_a_jpeg_by_another_name_is_a_picture(suffix: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.jpg").rename(tmp_path / f"a{suffix}")
    assert [sample.origin for sample in SampleReader(find_clips(tmp_path), 5.0)] == [f"a{suffix}"]


@pytest.mark.parametrize(("kept", "suffix"), [("h264.h264", ".264"), ("h264.h264", ".avc.264"), ("mpeg4.m4v", ".m4v")])
def test_a_raw_stream_by_another_name_is_a_video(kept: str, suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"a{suffix}").write_bytes((HARD_CLIPS / "resized" / kept).read_bytes())
    assert [clip.is_video for clip in find_clips(tmp_path)] == [True]
    assert next(iter(SampleReader(find_clips(tmp_path), 5.0))).origin == f"a{suffix}@0.00s"
