"""A video ends where its picture changes: what OpenCV makes of the rest is memory that nobody wrote to."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.excerpt.packets import survey_packets
from sentinel_edge.footage.clips import Skipped, find_clips
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import encode_png
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.footage.size_guard import SizeGuard
from sentinel_edge.footage.triplets import read_triplets
from tests.conftest import HARD_CLIPS, INCOMING

Frame = NDArray[np.uint8]
RESIZED = {
    "h264.h264": 5, "h264.mp4": 5, "h265.ts": 5, "mpeg2.ts": 3, "mpeg4.m4v": 4, "vp8.webm": 5, "vp9.webm": 5,
}  # fmt: skip
"""Frames that FFmpeg shows of each before the change: some decoders keep the last one to themselves."""


def frames_of(path: Path) -> list[tuple[float, Frame]]:
    with VideoReader(path) as reader:
        return [(seconds, frame.copy()) for seconds, frame in reader]


def steps(path: Path) -> int:
    """How many frames a video steps through, whether or not they can be shown."""
    with VideoReader(path) as reader:
        return sum(1 for _ in iter(reader.advance, False))


def unguarded(monkeypatch: pytest.MonkeyPatch, path: Path) -> list[tuple[float, Frame]]:
    """What OpenCV makes of all of a video."""
    with monkeypatch.context() as patch:
        patch.setattr(SizeGuard, "passes", lambda *_: True)
        return frames_of(path)


def same(one: Sequence[tuple[float, Frame]], other: Sequence[tuple[float, Frame]]) -> bool:
    return len(one) == len(other) and all(a == b and np.array_equal(x, y) for (a, x), (b, y) in zip(one, other))  # noqa: B905


def pictures(count: int, *, width: int = 96, height: int = 64) -> list[Frame]:
    shades = np.linspace(40, 200, width * height * 3).reshape(height, width, 3)
    return [(shades + 4 * index).astype(np.uint8) for index in range(count)]


def write_video(path: Path, packets: Sequence[Frame], codec: str) -> Path:
    """Write packets, compressed already, as an AVI of ten a second."""
    raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), 10.0, (96, 64), raw)
    for packet in packets:
        writer.write(packet.reshape(1, -1))
    writer.release()
    return path


def jpeg(frame: Frame) -> Frame:
    return np.asarray(cv2.imencode(".jpg", frame)[1], np.uint8)


@pytest.mark.parametrize(("name", "whole"), RESIZED.items())
def test_a_video_ends_where_its_picture_changes(name: str, whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    path = HARD_CLIPS / "resized" / name
    with VideoReader(path) as reader:
        found = [(seconds, frame.copy()) for seconds, frame in reader]
        at = reader.seconds + 1 / reader.fps
        assert reader.change == f"the picture changes from 96x64 to 60x44 at {at:.1f} s; what follows cannot be read"
        assert not reader.advance(), "it stays ended"
    assert len(found) == whole
    assert same(found, frames_of(path)), "no frame differs from one reading to the next"
    assert same(found, unguarded(monkeypatch, path)[:whole])


@pytest.mark.parametrize("size", [(60, 44), (192, 128), (96, 66), (64, 96)])
@pytest.mark.parametrize("before", [1, 2, 40])
def test_the_frames_before_the_change_are_the_very_ones_that_were_written(
    tmp_path: Path, size: tuple[int, int], before: int
) -> None:
    old, new = pictures(before), pictures(7, width=size[0], height=size[1])
    path = write_video(tmp_path / "door.avi", [encode_png(frame) for frame in (*old, *new, *old)], "MPNG")
    found = [frame for _, frame in frames_of(path)]
    assert len(found) == before
    assert all(map(np.array_equal, found, old))


def test_a_camera_that_turns_grey_at_night_ends_the_video_too(tmp_path: Path) -> None:
    day = pictures(6)
    night = [np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.uint8) for frame in day]
    path = write_video(tmp_path / "door.avi", [jpeg(frame) for frame in (*day, *night)], "MJPG")
    reader = SampleReader(find_clips(path), 10.0)
    assert len(list(reader)) == 6
    assert [entry.reason for entry in reader.skipped] == [
        "the picture is stored in another pixel format at 0.6 s; what follows cannot be read"
    ]


def test_broken_packets_before_a_change_do_not_hide_it(tmp_path: Path) -> None:
    old, new = pictures(30), pictures(30, width=60, height=44)
    packets = [encode_png(frame) for frame in (*old, *new)]
    for index in (3, 4, 9, 28, 29):
        packets[index] = packets[index][:50]
    found = frames_of(write_video(tmp_path / "door.avi", packets, "MPNG"))
    assert found
    assert all(np.array_equal(frame, old[round(10 * seconds)]) for seconds, frame in found)


@pytest.mark.parametrize("skipped", [1, 2, 3])
def test_a_stream_joined_in_the_middle_ends_at_the_change_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipped: int
) -> None:
    whole = (HARD_CLIPS / "resized" / "h264.h264").read_bytes()
    second = whole.index(b"\0\0\1\x67", 100)  # the second key frame of the first size
    starts = [index for index in range(100, second) if whole.startswith(b"\0\0\1", index)]
    path = tmp_path / "joined.h264"
    path.write_bytes(whole[starts[-skipped] :])
    found = frames_of(path)  # none at all where OpenCV cannot make sense of it
    assert same(found, frames_of(path))
    shown = steps(path)
    monkeypatch.setattr(SizeGuard, "passes", lambda *_: True)
    assert shown == steps(path) - RESIZED["h264.h264"] > 0


@pytest.mark.parametrize(
    "path", [INCOMING, HARD_CLIPS / "interlaced" / "h264.mp4", HARD_CLIPS / "interlaced" / "mpeg2.ts"]
)
def test_a_video_that_does_not_change_is_read_as_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert same(frames_of(path), unguarded(monkeypatch, path))
    with VideoReader(path) as reader:
        assert sum(1 for _ in reader) > 0
        assert (reader.change, reader.shortfall) == ("", "")


@pytest.mark.parametrize("name", RESIZED)
def test_what_follows_a_change_counts_as_unreadable_whatever_the_container_promises(name: str) -> None:
    reader = SampleReader(find_clips(HARD_CLIPS / "resized" / name), 10.0)
    assert len(list(reader)) == RESIZED[name]
    told = [entry for entry in reader.skipped if "tells no times" not in entry.reason]
    assert [(entry.name, "from 96x64 to 60x44" in entry.reason) for entry in told] == [(name, True)]
    lost, expected = reader.unreadable()
    assert lost / expected == pytest.approx(0.5, abs=0.11)


def test_a_change_near_the_end_is_told_however_little_is_lost(tmp_path: Path) -> None:
    old, new = pictures(59), pictures(1, width=60, height=44)
    path = write_video(tmp_path / "door.avi", [encode_png(frame) for frame in (*old, *new)], "MPNG")
    reader = SampleReader(find_clips(path), 10.0)
    assert len(list(reader)) == 59
    assert len(reader.skipped) == 1
    assert reader.unreadable() == (1, 60)


def test_triplets_end_at_a_change_and_say_so() -> None:
    skipped: list[Skipped] = []
    found = list(read_triplets(find_clips(HARD_CLIPS / "resized" / "h264.mp4"), skipped=skipped))
    assert len(found) == 3
    assert ["changes from 96x64" in entry.reason for entry in skipped] == [True]


def test_packets_end_at_a_change_as_the_frames_do() -> None:
    survey = survey_packets(HARD_CLIPS / "resized" / "h264.mp4")
    assert survey.packets == 5
    assert survey.change == "the picture changes from 96x64 to 60x44 at 0.5 s; what follows cannot be read"
    assert survey_packets(INCOMING).change == ""


def test_where_the_packets_cannot_be_read_nothing_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    real = cv2.VideoCapture

    def without_packets(path: Any, api: int = 0, params: Sequence[int] = ()) -> cv2.VideoCapture:
        return real() if params else real(path, api, [])

    expected = frames_of(INCOMING)
    monkeypatch.setattr(cv2, "VideoCapture", without_packets)
    assert same(frames_of(INCOMING), expected)


def test_a_video_is_opened_a_second_time_only_where_a_change_could_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    real, opened = cv2.VideoCapture, []

    def counted(*arguments: object) -> cv2.VideoCapture:
        opened.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(cv2, "VideoCapture", counted)
    with VideoReader(INCOMING) as reader:  # key frames at 0 and 25 s
        list(islice(reader, 200))
        before = len(opened)
        list(reader)
    assert len(opened) == before + 1
