"""No picture takes a check more memory or time than it has: what a header promises is looked at first."""

import re
import shutil
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import Unreadable, read_image
from sentinel_edge.footage.picture_guard import MAX_SCANS, RefusedError, announced_pixels
from sentinel_edge.footage.samples import MOST_PIXELS, SampleReader
from tests.cli.test_bad_input import peak_memory_kib
from tests.command import start_cli, strict_json
from tests.conftest import INCOMING

FRAME = np.random.default_rng(0).integers(0, 256, (37, 51, 3), np.uint8)
PROGRESSIVE = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
FULL = [*PROGRESSIVE, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]


def encoded(suffix: str, picture: Any, how: list[int] | None = None) -> bytes:
    good, content = cv2.imencode(suffix, picture, how or [])
    assert good
    return bytes(content)


SOUND = {
    "jpg": encoded(".jpg", FRAME),
    "progressive": encoded(".jpg", FRAME, FULL),
    "png": encoded(".png", FRAME),
    "png16": encoded(".png", FRAME.astype(np.uint16) * 257),
    "bmp": encoded(".bmp", FRAME),
    "webp": encoded(".webp", FRAME, [cv2.IMWRITE_WEBP_QUALITY, 80]),
    "lossless webp": encoded(".webp", FRAME, [cv2.IMWRITE_WEBP_QUALITY, 101]),
    "transparent webp": encoded(".webp", np.dstack([FRAME, FRAME[..., 0]]), [cv2.IMWRITE_WEBP_QUALITY, 80]),
    "tiff": encoded(".tiff", FRAME),
    "tiff16": encoded(".tiff", FRAME.astype(np.uint16) * 257),
    "grey tiff": encoded(".tiff", FRAME[..., 0]),
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND)
def test_a_sound_picture_of_any_kind_is_as_large_as_its_header_says(content: bytes, tmp_path: Path) -> None:
    assert announced_pixels(content) == 37 * 51
    (tmp_path / "x").write_bytes(content)
    assert read_image(tmp_path / "x").shape == FRAME.shape


def lying_png() -> bytes:
    """49 bytes, of which the last part says it has 4 GB."""
    return SOUND["png"][:33] + struct.pack(">I4s", 0xFFFFFFF0, b"tEXt") + bytes(8)


def many_scans(count: int) -> bytes:
    start = SOUND["progressive"].rindex(b"\xff\xda")
    return SOUND["progressive"][:start] + count * SOUND["progressive"][start:-2] + b"\xff\xd9"


def enlarged_jpeg(height: int, width: int) -> bytes:
    at = SOUND["progressive"].index(b"\xff\xc2") + 5
    return SOUND["progressive"][:at] + struct.pack(">HH", height, width) + SOUND["progressive"][at + 4 :]


def tiff(**fields: tuple[int, int]) -> bytes:
    """A TIFF of 4 x 4 grey pixels, with other fields: tag_N=(type, value)."""
    known = {256: (4, 4), 257: (4, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 8), 277: (3, 1), 279: (4, 16)}
    known |= {int(name.removeprefix("tag_")): value for name, value in fields.items()}
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(known.items()))
    return b"II*\0" + struct.pack("<I", 24) + bytes(16) + struct.pack("<H", len(known)) + entries + bytes(4)


FORGED = {
    "a length that lies": (lying_png(), "a part of it has 4294967280 bytes"),
    "no end": (SOUND["png"][:-12], "damaged"),
    "scans": (many_scans(5000), "pixels 101 times or more"),
    "numbers of 64 bits": (encoded(".tiff", FRAME.astype(np.float64)), "numbers of 64 bits"),
    "numbers of 32 bits": (encoded(".tiff", FRAME.astype(np.float32)), "bits"),
    "a tile": (tiff(tag_322=(4, 65536), tag_323=(4, 65536)), "MB to decode"),
    "a compression": (tiff(tag_259=(3, 34925)), "method 34925"),
    "channels": (tiff(tag_277=(3, 60000)), "60000 numbers"),
    "BigTIFF": (b"II+\0" + bytes(64), "kind that is not read"),
    "a coefficient store": (enlarged_jpeg(4000, 5000), "MB to decode"),
    "a large WebP": (b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f" + struct.pack("<I", 4999 | 4999 << 14), "MB to decode"),
    "a moving WebP": (b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(9), "moving"),
    "a moving PNG": (SOUND["png"][:33] + struct.pack(">I4s", 8, b"acTL") + bytes(12) + SOUND["png"][33:], "moving"),
    "a grey map": (b"P5 4 4 255\n" + bytes(16), "expected JPEG, PNG"),
    "radiance": (encoded(".hdr", FRAME.astype(np.float32)), "expected JPEG, PNG"),
    "gif": (b"GIF89a" + bytes(20), "expected JPEG, PNG"),
    "a wide BMP": (b"BM" + bytes(12) + struct.pack("<Iii", 40, 2**30, -(2**30)) + bytes(40), "larger than"),
    "nothing": (b"BM", "damaged"),
}


@pytest.mark.parametrize(("content", "said"), FORGED.values(), ids=FORGED)
def test_a_forged_picture_is_refused_at_once_by_what_it_says(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    started = time.monotonic()
    with pytest.raises(Unreadable, match=re.escape(said)):
        read_image(tmp_path / "x")
    assert time.monotonic() - started < 1


def test_as_many_scans_as_encoders_make_are_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(many_scans(MAX_SCANS - 20))
    assert read_image(tmp_path / "x").shape == FRAME.shape


@given(content=st.sampled_from([*SOUND.values(), *(content for content, _ in FORGED.values())]), data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_changed_in_a_picture_is_told_or_passed(content: bytes, data: st.DataObject) -> None:
    changed = bytearray(content[: data.draw(st.integers(0, len(content)))])
    for at in data.draw(st.lists(st.integers(0, min(255, max(0, len(changed) - 1))), max_size=8)):
        if changed:
            changed[at] = data.draw(st.integers(0, 255))
    with suppress(RefusedError):  # and nothing else
        assert announced_pixels(bytes(changed)) > 0


def test_a_very_large_picture_is_measured_at_half_its_size(tmp_path: Path) -> None:
    for name, size in (("a.png", (4096, MOST_PIXELS // 4096)), ("b.png", (4096, MOST_PIXELS // 4096 + 2))):
        cv2.imwrite(str(tmp_path / name), np.zeros((size[1], size[0], 3), np.uint8), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    shapes = [sample.frame.shape for sample in SampleReader(find_clips(tmp_path), 5.0)]
    assert shapes == [(4096, 4096, 3), (2049, 2048, 3)]


@pytest.mark.slow
def test_no_picture_takes_a_check_over_400_mb(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    video = cv2.VideoCapture(str(INCOMING))
    frames = [video.read()[1] for _ in range(40)]
    for number, frame in enumerate(frames):
        cv2.imwrite(str(footage / f"{number}.jpg"), frame)
    large = cv2.resize(frames[0], (7680, 4320))
    cv2.imwrite(str(footage / "40.jpg"), large)
    cv2.imwrite(str(footage / "42.png"), large, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    for number in (41, 43):
        shutil.copy(footage / "40.jpg", footage / f"{number}.jpg")
    forged = [*FORGED.values(), (encoded(".tiff", np.zeros((1500, 1500, 3))), "")]
    for number, (content, _) in enumerate(forged):
        (footage / f"{number}_forged.png").write_bytes(content)
    process = start_cli("check", footage, "--output", tmp_path / "out")
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_memory_kib(process))
        time.sleep(0.005)
    frames_told = strict_json(process.communicate()[0])["frames"]
    assert (frames_told["unreadable"], frames_told["sampled"]) == (len(forged), 44 + len(forged))
    assert 50 * 1024 < peak < 400 * 1024, "KiB"
