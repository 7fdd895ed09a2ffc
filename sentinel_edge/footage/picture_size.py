"""The picture that a compressed packet announces, read from its header without decoding it.

What cannot be told from the bytes, whatever they are, is None: a packet need not announce anything, and most do not.
Only what a stream says in its packets is read, not what its container says.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

_START = b"\0\0\1"
_SEARCHED_BYTES = 8192
"""Where a header is looked for: it comes before the pixels."""
_HEADER_BYTES = 1024
"""What is looked at of one header: the longest, H.264 with all its scaling lists, is shorter."""
_MOST_HEADERS = 32
"""Headers tried in one packet, until one can be read."""
_H264_LONG = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})
"""Profiles of H.264 that say how their colours are kept."""
_MOST_SEGMENTS = 1024
"""Segments of a JPEG that are stepped over: cameras put a few before the picture's size."""
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Picture(NamedTuple):
    """What a stream says its pictures are.

    Attributes:
        width: Pixels, as shown: what is cropped away is not counted.
        height: Likewise.
        layout: How colours are kept, in the codec's own numbers: depth and sampling. Empty where it cannot change.
    """

    width: int
    height: int
    layout: tuple[int, ...] = ()


class _Unclear(Exception):  # noqa: N818  (a finding about bytes, never seen outside)
    """A header that ends too soon or says what none says."""


class _Bits:
    """Numbers of any number of bits, read from bytes one after the other."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        self._left -= count
        if self._left < 0:
            raise _Unclear
        return self._value >> self._left & (1 << count) - 1

    def golomb(self) -> int:
        """The next number of any size: H.264 writes its length before it."""
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros > 31:
                raise _Unclear
        return (1 << zeros) - 1 + self.take(zeros)


def announced_picture(packet: bytes, codec: str) -> Picture | None:
    """What a packet says of the pictures from it on; None where it says nothing, or nothing that makes sense.

    Args:
        packet: One compressed picture.
        codec: What OpenCV calls it; one of `CODECS`, in any case.
    """
    read = CODECS.get(codec.lower())
    try:
        found = read(packet) if read else None
    except (_Unclear, IndexError):
        return None
    return found if found and found.width > 0 and found.height > 0 else None


def _jpeg(packet: bytes) -> Picture | None:
    at = packet.find(b"\xff\xd8") + 2
    for _ in range(_MOST_SEGMENTS):
        if at < 2 or packet[at] != 0xFF:
            return None
        kind = packet[at + 1]
        if kind in _JPEG_FRAMES:
            height, width = _number(packet, at + 5, 2), _number(packet, at + 7, 2)
            sampling = packet[at + 11 : at + 10 + 3 * packet[at + 9] : 3]
            return Picture(width, height, (packet[at + 4], *sampling))
        if kind == 0xDA:  # the pixels begin
            return None
        # Any number of bytes 255 may come before the one that says what follows.
        at += 1 if kind == 0xFF else 2 + max(2, _number(packet, at + 2, 2))
    return None


def _png(packet: bytes) -> Picture | None:
    if packet[12:16] != b"IHDR":
        return None
    return Picture(_number(packet, 16, 4), _number(packet, 20, 4), (packet[24], packet[25]))


def _number(packet: bytes, at: int, length: int) -> int:
    if at + length > len(packet):
        raise _Unclear
    return int.from_bytes(packet[at : at + length], "big")


def _units(packet: bytes) -> Iterator[int]:
    """Where the first units of H.264 or H.265 begin: after a start code, or after their length in four bytes."""
    if packet.startswith((_START, b"\0" + _START)):
        yield from _after_start_codes(packet)
        return
    at = 0
    while at + 4 < min(len(packet), _SEARCHED_BYTES):
        yield at + 4
        at += 4 + _number(packet, at, 4)


def _after_start_codes(packet: bytes, mark: bytes = _START) -> Iterator[int]:
    at = packet.find(mark, 0, _SEARCHED_BYTES)
    while 0 <= at < len(packet) - len(mark):
        yield at + len(mark)
        at = packet.find(mark, at + len(mark), _SEARCHED_BYTES)


def _h264(packet: bytes) -> Picture | None:
    starts = (at + 1 for at in _units(packet) if packet[at] & 0x9F == 7)
    return _of_parameters(packet, starts, _h264_parameters)


def _h265(packet: bytes) -> Picture | None:
    starts = (at + 2 for at in _units(packet) if packet[at] & 0xFF == 66 and packet[at + 1] & 0xF8 == 0)
    return _of_parameters(packet, starts, _h265_parameters)


def _of_parameters(packet: bytes, starts: Iterator[int], read: Callable[[_Bits], Picture]) -> Picture | None:
    """The picture of the first parameter set in a packet.

    Those of the container come after the packet's own, where FFmpeg puts them in.
    """
    for at in islice(starts, _MOST_HEADERS):
        with suppress(_Unclear):
            return read(_Bits(packet[at : at + _HEADER_BYTES].replace(b"\0\0\3", b"\0\0")))
    return None


def _h264_parameters(bits: _Bits) -> Picture:
    profile = bits.take(24) >> 16
    bits.golomb()
    colours, separate, depths = 1, 0, (0, 0)
    if profile in _H264_LONG:
        colours = bits.golomb()
        separate = bits.take(1) if colours == 3 else 0
        depths = bits.golomb(), bits.golomb()
        bits.take(1)
        if bits.take(1):
            for index in range(12 if colours == 3 else 8):
                _skip_scaling(bits, 16 if index < 6 else 64)
    bits.golomb()
    order = bits.golomb()
    if order == 0:
        bits.golomb()
    elif order == 1:
        bits.take(1)
        bits.golomb(), bits.golomb()
        for _ in range(min(bits.golomb(), 255)):
            bits.golomb()
    bits.golomb(), bits.take(1)
    columns, rows = bits.golomb() + 1, bits.golomb() + 1
    fields = 2 - bits.take(1)
    bits.take(fields)
    across = 2 if colours in (1, 2) and not separate else 1
    down = (2 if colours == 1 and not separate else 1) * fields
    left, right, top, bottom = _crop(bits)
    width, height = 16 * columns - across * (left + right), 16 * fields * rows - down * (top + bottom)
    return Picture(width, height, (colours, *depths))


def _skip_scaling(bits: _Bits, size: int) -> None:
    if not bits.take(1):
        return
    last = following = 8
    for _ in range(size):
        if following:
            step = bits.golomb()
            following = (last + (step + 1 >> 1) * (1 if step & 1 else -1)) % 256
        last = following or last


def _h265_parameters(bits: _Bits) -> Picture:
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    bits.take(2 * (8 - layers) if layers else 0)
    for profile, level in present:
        bits.take(88 * profile + 8 * level)
    bits.golomb()
    colours = bits.golomb()
    separate = bits.take(1) if colours == 3 else 0
    width, height = bits.golomb(), bits.golomb()
    left, right, top, bottom = _crop(bits)
    across, down = 2 if colours in (1, 2) else 1, 2 if colours == 1 else 1
    size = width - across * (left + right), height - down * (top + bottom)
    return Picture(*size, (colours, separate, bits.golomb(), bits.golomb()))


def _crop(bits: _Bits) -> tuple[int, int, int, int]:
    if not bits.take(1):
        return 0, 0, 0, 0
    return bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()


def _mpeg12(packet: bytes) -> Picture | None:
    at = next(_after_start_codes(packet, _START + b"\xb3"), None)
    if at is None:
        return None
    width, height = divmod(_number(packet, at, 3), 4096)
    extension = packet.find(_START + b"\xb5", at, at + 200)
    if extension < 0 or packet[extension + 4] >> 4 != 1:  # MPEG-1
        return Picture(width, height)
    bits = _Bits(packet[extension + 4 : extension + 8])
    bits.take(13)
    colours, wider, higher = bits.take(2), bits.take(2), bits.take(2)
    return Picture(width + 4096 * wider, height + 4096 * higher, (colours,))


def _mpeg4(packet: bytes) -> Picture | None:
    at = next((at for at in _after_start_codes(packet) if packet[at] & 0xF0 == 0x20), None)
    if at is None:
        return None
    bits = _Bits(packet[at + 1 : at + 1 + _HEADER_BYTES])
    bits.take(9)
    bits.take(7 * bits.take(1))
    bits.take(16 if bits.take(4) == 15 else 0)
    if bits.take(1):
        bits.take(3)
        bits.take(79 * bits.take(1))
    if bits.take(2) != 0:  # not a rectangle
        return None
    bits.take(1)
    ticks = bits.take(16)
    bits.take(1)
    bits.take(bits.take(1) * max(1, (ticks - 1).bit_length()))
    _, width, _, height = bits.take(1), bits.take(13), bits.take(1), bits.take(13)
    return Picture(width, height)


def _vp8(packet: bytes) -> Picture | None:
    if packet[0] & 1 or packet[3:6] != b"\x9d\x01\x2a":
        return None
    width, height = (int.from_bytes(packet[at : at + 2], "little") & 0x3FFF for at in (6, 8))
    return Picture(width, height)


def _vp9(packet: bytes) -> Picture | None:
    bits = _Bits(packet[:32])
    if bits.take(2) != 2:
        return None
    profile = bits.take(1) + 2 * bits.take(1)
    bits.take(int(profile == 3))
    if bits.take(1):  # a picture that is there already
        return None
    between, shown, resilient = bits.take(1), bits.take(1), bits.take(1)
    if not between:
        if bits.take(24) != 0x498342:
            return None
        _skip_vp9_colours(bits, profile)
    else:
        if not shown and bits.take(1):  # an intra picture that is not shown
            return None
        bits.take((0 if resilient else 2) + 8 + 12)
        if any(bits.take(1) for _ in range(3)):  # as large as one before
            return None
    return Picture(bits.take(16) + 1, bits.take(16) + 1, (profile,))


def _skip_vp9_colours(bits: _Bits, profile: int) -> None:
    bits.take(int(profile >= 2))
    several = profile & 1  # ways to sample colours
    bits.take(several if bits.take(3) == 7 else 1 + 3 * several)


CODECS: dict[str, Callable[[bytes], Picture | None]] = {
    "mjpg": _jpeg,
    "mpng": _png,
    "h264": _h264,
    "avc1": _h264,
    "hevc": _h265,
    "hvc1": _h265,
    "mpg1": _mpeg12,
    "mpg2": _mpeg12,
    "fmp4": _mpeg4,
    "vp80": _vp8,
    "vp90": _vp9,
}
"""How the header of each codec is read, by the name that OpenCV gives it, in small letters."""
