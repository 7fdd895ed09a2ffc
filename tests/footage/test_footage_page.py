"""The page on what footage is read says what is so: each line of its tables is tried."""

import re
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.footage.clips import IGNORED, IMAGE_SUFFIXES, VIDEO_SUFFIXES, Clip
from sentinel_edge.footage.clock import HOLE_S, HOLE_TIMES, UNKNOWN_RATE
from sentinel_edge.footage.dates import time_of, why_undated
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import CLOCK_HZ
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.monitor import DAMAGED_SHARE
from tests.command import ROOT
from tests.conftest import HARD_CLIPS, INCOMING
from tests.material.clips import encoded

PAGE = (ROOT / "docs" / "footage.md").read_text()


def table(title: str) -> list[list[str]]:
    """The rows of the table below a heading, without its own."""
    part = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.splitlines() if line.startswith("|")]
    return rows[2:]


def test_the_page_names_every_suffix_and_everything_that_is_passed_over() -> None:
    assert [set(row[1].split()) for row in table("Files")] == [IMAGE_SUFFIXES, VIDEO_SUFFIXES]
    passed_over = PAGE.split("leave:")[1].split("\n\n")[0]
    assert {name.casefold() for name in re.findall(r"`([^`]+)`", passed_over)} == IGNORED


@pytest.mark.parametrize(("name", "time"), table("Names"))
def test_a_name_is_read_as_the_page_says(name: str, time: str) -> None:
    origin = name.split("`")[1]
    assert str(time_of(origin)) == ("None" if time.startswith("none") else time)
    if time.startswith("none"):
        assert why_undated(origin) == time.removeprefix("none").removeprefix(": ") or time == "none"


FILES = {
    "H.264": "interlaced/h264.mp4",
    "H.265": "resized/h265.ts",
    "MPEG-2": "interlaced/mpeg2.ts",
    "MPEG-4": "resized/mpeg4.m4v",
    "VP8": "resized/vp8.webm",
    "VP9": "resized/vp9.webm",
    "AV1": "delivered/av1.mp4",
}
WRITTEN = {"Motion JPEG": ("avi", "MJPG"), "PNG": ("avi", "MPNG"), "HuffYUV": ("mkv", "HFYU"), "FLV1": ("flv", "FLV1")}


@pytest.fixture(scope="module")
def frames() -> list[NDArray[np.uint8]]:
    with VideoReader(INCOMING) as reader:
        return [np.asarray(cv2.resize(frame, (160, 120)), np.uint8) for _, frame in islice(reader, 5)]


@pytest.mark.parametrize(("codec", "said"), table("Codecs"))
def test_a_codec_is_read_or_named_as_the_page_says(
    codec: str, said: str, frames: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    if codec in FILES:
        path = HARD_CLIPS / FILES[codec]
    else:
        suffix, letters = WRITTEN[codec]
        path = encoded(tmp_path / f"clip.{suffix}", frames, letters)
    reader = SampleReader([Clip(path, path.name)], 10.0)
    read = len(list(reader))
    assert bool(read) == said.startswith("read")
    assert read or codec in reader.skipped[0].reason.replace("AV01", "AV1")


def test_the_page_says_the_numbers_that_count() -> None:
    assert f"more than {HOLE_S:g} s that is more than {HOLE_TIMES:g} times" in PAGE
    assert f"{UNKNOWN_RATE:g} a second where it says none" in PAGE
    assert f"a failure with {DAMAGED_SHARE * 100:g} % of such samples" in PAGE
    assert CLOCK_HZ == 200.0
