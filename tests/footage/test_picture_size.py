"""What packets say of their pictures: the right size for every codec, nothing for what makes no sense."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.footage.picture_size import CODECS, Picture, announced_picture
from tests.conftest import HARD_CLIPS, INCOMING

CODEC_NAMES = sorted(CODECS)
SAMPLES = sorted((HARD_CLIPS / "resized").iterdir())


def packets_of(path: Path) -> tuple[str, list[bytes]]:
    """What OpenCV calls a video's codec, and the packets."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode()
    packets = []
    while capture.grab():
        packets.append(np.asarray(capture.retrieve()[1], np.uint8).tobytes())
    return codec, packets


@pytest.mark.parametrize("size", [(96, 64), (1, 1), (321, 7), (8, 5000)])
@pytest.mark.parametrize(("codec", "suffix"), [("MJPG", ".jpg"), ("MPNG", ".png")])
def test_a_picture_file_tells_its_size(codec: str, suffix: str, size: tuple[int, int]) -> None:
    width, height = size
    packet = cv2.imencode(suffix, np.full((height, width, 3), 90, np.uint8))[1].tobytes()
    found = announced_picture(packet, codec)
    assert found
    assert found[:2] == size


@pytest.mark.parametrize(("codec", "suffix"), [("MJPG", ".jpg"), ("MPNG", ".png")])
def test_grey_and_colour_are_told_apart(codec: str, suffix: str) -> None:
    grey, colour = (
        announced_picture(cv2.imencode(suffix, np.zeros(shape, np.uint8))[1].tobytes(), codec)
        for shape in ((64, 96), (64, 96, 3))
    )
    assert grey
    assert colour
    assert grey[:2] == colour[:2]
    assert grey != colour


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_stream_announces_its_size_where_it_begins_and_where_it_changes(path: Path) -> None:
    codec, packets = packets_of(path)
    found = [picture[:2] for packet in packets if (picture := announced_picture(packet, codec))]
    assert found[0] == (96, 64)
    assert found[-1] == (60, 44)
    assert found == sorted(found, reverse=True), "one change"
    assert len(found) < len(packets), "most packets announce nothing"


def test_real_footage_announces_its_size() -> None:
    codec, packets = packets_of(INCOMING)
    assert announced_picture(packets[0], codec) == Picture(384, 288, (1, 0, 0))


def test_lengths_in_front_of_units_do_as_well_as_start_codes() -> None:
    codec, packets = packets_of(HARD_CLIPS / "resized" / "h264.h264")
    units = [unit for unit in packets[0].replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    prefixed = b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)
    assert announced_picture(prefixed, codec) == announced_picture(packets[0], codec) == Picture(96, 64, (1, 0, 0))


def test_an_unknown_codec_says_nothing() -> None:
    assert announced_picture(b"\xff\xd8" * 100, "zzzz") is None


@given(st.sampled_from(CODEC_NAMES), st.binary(max_size=400))
def test_no_bytes_are_an_error(codec: str, packet: bytes) -> None:
    found = announced_picture(packet, codec)
    assert found is None or min(found[:2]) > 0


HEADERS = [(codec, packets[0][:600]) for codec, packets in map(packets_of, SAMPLES)]
HEADERS.append(("MJPG", cv2.imencode(".jpg", np.zeros((64, 96, 3), np.uint8))[1].tobytes()[:300]))
HEADERS.append(("MPNG", cv2.imencode(".png", np.zeros((64, 96, 3), np.uint8))[1].tobytes()[:40]))


@given(st.sampled_from(HEADERS), st.data())
def test_no_damage_to_a_header_is_an_error(header: tuple[str, bytes], data: st.DataObject) -> None:
    codec, whole = header
    packet = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 599), st.integers(0, 255)), max_size=8)):
        if place < len(packet):
            packet[place] = value
    found = announced_picture(bytes(packet), codec)
    assert found is None or min(found[:2]) > 0


@pytest.mark.parametrize("codec", CODEC_NAMES)
@pytest.mark.parametrize(
    "pattern",
    [b"\0\0\1", b"\0\0\1\x67", b"\0\0\1\x42\1", b"\0\0\1\x20", b"\0\0\1\xb3", b"\0", b"\xff\xd8\xff\xe0\0\0", b"\xff"],
)
def test_long_nonsense_takes_no_time(codec: str, pattern: bytes) -> None:
    packet = pattern * (4_000_000 // len(pattern))
    start = time.process_time()
    announced_picture(packet, codec)
    announced_picture(b"\0\0\1" + packet, codec)
    announced_picture(b"\xff\xd8" + packet, codec)
    assert time.process_time() - start < 1.0
