"""Whether a picture may be decoded, told from its headers: its kind, its size, and what decoding it would take.

The decoders behind OpenCV believe what a file says of itself: a length that lies, a thousand scans over the same
pixels, tiles larger than the picture, numbers of 64 bits. A check has room for a little of that, and none for the rest.
"""

import re
import struct
from dataclasses import dataclass

from sentinel_edge import MAX_PIXELS

ROOM = 140_000_000
"""Bytes that a file, its picture and what its decoder needs beside them may take together: a check then stays below
400 MB."""
MAX_SCANS, MAX_SCANNED = 100, 2**30
"""How often a JPEG may go over its pixels (encoders do up to a dozen times), and over how many in all."""
_MAX_CHUNKS = 2**17
_MAX_ENTRIES = 4096
EXPECTED = "expected JPEG, PNG, BMP, WebP or TIFF"
_DAMAGED = "damaged, truncated, or not an image"


class RefusedError(Exception):
    """Why a file must not be decoded, in a few words."""


@dataclass(frozen=True, slots=True)
class _Picture:
    """What a header says.

    Attributes:
        width: Pixels.
        height: Likewise.
        extra: Bytes that decoding takes beside the file and 24 bits a pixel.
    """

    width: int
    height: int
    extra: int = 0


def announced_pixels(content: bytes) -> int:
    """How many pixels a picture has, of a file that may be decoded, which does not mean that it can be.

    Raises:
        RefusedError: It may not.
    """
    try:
        found = _read(content)
    except (IndexError, struct.error) as error:
        raise RefusedError(_DAMAGED) from error
    pixels = found.width * found.height
    if pixels <= 0:
        raise RefusedError(_DAMAGED)
    if pixels > MAX_PIXELS:
        raise RefusedError(f"larger than {MAX_PIXELS} pixels")
    needed = len(content) + 3 * pixels + found.extra
    if needed > ROOM:
        raise RefusedError(f"takes {needed // 10**6} MB to decode; expected at most {ROOM // 10**6}")
    return pixels


def _read(content: bytes) -> _Picture:
    if content.startswith(b"\xff\xd8\xff"):
        return _jpeg(content)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(content)
    if content.startswith(b"BM"):
        return _bmp(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return _webp(content)
    if content.startswith((b"II*\0", b"MM\0*")):
        return _tiff(content)
    raise RefusedError(f"not an image, or of a kind that is not read; {EXPECTED}")


_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")  # what is between two of them is pixels
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})


def _jpeg(content: bytes) -> _Picture:
    at, scans, width, height, samples = 2, 0, 0, 0, 0
    progressive = False
    while (marker := _MARKER.search(content, at)) is not None:
        at, kind = marker.end(), content[marker.end() - 1]
        if kind == 0xD9:
            break
        if kind in (0x01, 0xD8):
            continue
        if kind in _FRAMES:
            height, width, count = struct.unpack_from(">HHB", content, at + 3)
            progressive = kind in _PROGRESSIVE
            shares = [divmod(content[at + 9 + 3 * number], 16) for number in range(count)]
            whole = max((across for across, _ in shares), default=1) * max((down for _, down in shares), default=1)
            samples = width * height * sum(across * down for across, down in shares) // max(1, whole)
        scans += kind == 0xDA
        if scans > MAX_SCANS or scans * width * height > MAX_SCANNED:
            raise RefusedError(f"goes over its {width}x{height} pixels {scans} times or more; expected a dozen")
        at += max(2, struct.unpack_from(">H", content, at)[0]) if at + 2 <= len(content) else 2
    # What comes in several scans is put together from coefficients of 16 bits.
    return _Picture(width, height, 2 * samples if progressive or scans > 1 else 0)


def _png(content: bytes) -> _Picture:
    if content[12:16] != b"IHDR":
        raise RefusedError(_DAMAGED)
    at = 8
    for _ in range(_MAX_CHUNKS):
        length, kind = struct.unpack_from(">I4s", content, at)
        if at + 12 + length > len(content):
            raise RefusedError(f"truncated, or damaged: it says a part of it has {length} bytes")
        if kind == b"acTL":
            raise RefusedError("a moving picture; expected a still one")
        if kind == b"IEND":
            return _Picture(*struct.unpack_from(">II", content, 16))
        at += 12 + length
    raise RefusedError(f"damaged: it has more than {_MAX_CHUNKS} parts")


def _bmp(content: bytes) -> _Picture:
    (header,) = struct.unpack_from("<I", content, 14)
    width, height = struct.unpack_from("<HH" if header == 12 else "<ii", content, 18)
    return _Picture(abs(width), abs(height))


def _webp(content: bytes) -> _Picture:
    kind = content[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return _Picture(width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L":
        (sizes,) = struct.unpack_from("<I", content, 21)
        width, height = (sizes & 0x3FFF) + 1, (sizes >> 14 & 0x3FFF) + 1
    elif kind == b"VP8X":
        if content[20] & 2:
            raise RefusedError("a moving picture; expected a still one")
        width, height = (int.from_bytes(content[at : at + 3], "little") + 1 for at in (24, 27))
    else:
        raise RefusedError(_DAMAGED)
    return _Picture(width, height, 4 * width * height)  # with transparency, or put together as if there were some


_NUMBERS = {1: "B", 3: "H", 4: "I"}
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32773, 32946})
"""None, fax, LZW, JPEG, deflate, PackBits."""


def _tiff(content: bytes) -> _Picture:
    fields = _tiff_fields(content)

    def field(tag: int, default: int) -> int:
        return fields.get(tag, (default,))[0]

    width, height, channels = field(256, 0), field(257, 0), field(277, 1)
    depths, formats = set(fields.get(258, (1,))), set(fields.get(339, (1,)))
    if formats != {1} or max(depths) > 16 or len(depths) > 1 or channels > 4:
        raise RefusedError(
            f"a TIFF of {channels} numbers of {max(depths)} bits a pixel; expected up to 4 of 8 or 16 bits"
        )
    if field(259, 1) not in _COMPRESSIONS:
        raise RefusedError(f"a TIFF compressed by method {field(259, 1)}, which is not read")
    across, down = field(322, width), field(323, min(field(278, height), height))
    bytes_a_pixel = max(4, channels * max(depths) // 8)
    return _Picture(width, height, 2 * across * down * bytes_a_pixel)  # a tile, as it is stored and as it is handed on


def _tiff_fields(content: bytes) -> dict[int, tuple[int, ...]]:
    """The whole numbers of the first directory, by tag: up to 16 each."""
    order = "<" if content.startswith(b"II") else ">"
    (at,) = struct.unpack_from(f"{order}I", content, 4)
    (count,) = struct.unpack_from(f"{order}H", content, at)
    if count > _MAX_ENTRIES:
        raise RefusedError(_DAMAGED)
    fields: dict[int, tuple[int, ...]] = {}
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, many = struct.unpack_from(f"{order}HHI", content, entry)
        if kind not in _NUMBERS or not many:
            continue
        form = f"{order}{min(many, 16)}{_NUMBERS[kind]}"
        inline = many * struct.calcsize(_NUMBERS[kind]) <= 4
        place = entry + 8 if inline else struct.unpack_from(f"{order}I", content, entry + 8)[0]
        fields.setdefault(tag, struct.unpack_from(form, content, place))
    return fields
