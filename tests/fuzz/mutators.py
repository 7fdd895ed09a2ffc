"""Damage to files, by a seeded source of chance: to bytes, to JSON, to NumPy archives and to the chunks of a PNG."""

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.material.documents import changed, places

Mutator = Callable[[Random, bytes], bytes]

NUMBERS = (
    0,
    1,
    2,
    127,
    128,
    255,
    256,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
"""Where lengths and counts overflow, end or begin."""
ODD: tuple[Any, ...] = (
    *(None, True, False, "", "x", "\ud800", "\x1b[31m\n", "a" * 20_000, "../../etc", "NaN", "2999-01-01T00:00:00Z"),
    *(0, 1, -1, 0.5, -0.0, 1e-308, 1e30, 1e308, -1e308, 2**31, 2**63, 2**64, 10**400, -(10**400)),
    *(float("nan"), float("inf"), -float("inf"), [], {}, [[]], [None], {"": {}}, [0] * 5000),
)
"""Values that nobody meant where they stand."""


def mutate_bytes(chance: Random, content: bytes) -> bytes:
    """One to a dozen small wounds, more often near the beginning and the end, where containers keep their tables."""
    data = bytearray(content)
    for _ in range(_few(chance)):
        if not data:
            break
        at, length = _place(chance, len(data)), min(1 << chance.randrange(0, 14), len(data))
        match chance.randrange(9):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2 | 3:
                number = chance.choice(NUMBERS) + chance.choice((-1, 0, 0, 1))
                width, order = chance.choice((2, 4, 4, 8)), chance.choice(("little", "big"))
                data[at : at + width] = (number % 256**width).to_bytes(width, order)
            case 4:
                del data[at : at + length]
            case 5:
                data[at:at] = data[at : at + length]
            case 6:
                data[at : at + length] = bytes(min(length, len(data) - at))
            case 7:
                data[at : at + length] = chance.randbytes(min(length, len(data) - at))
            case _:
                del data[at:]
    return bytes(data)


def lose_the_middle(chance: Random, content: bytes) -> bytes:
    """Cut out or zero the middle half: what a bad sector or a lost connection leaves."""
    first, last = len(content) // 4, 3 * len(content) // 4
    return content[:first] + (bytes(last - first) if chance.random() < 0.5 else b"") + content[last:]


def mutate_json(chance: Random, content: bytes) -> bytes:
    """One to a few values replaced by odd ones, removed or added to; now and then the text itself is damaged."""
    kind = chance.random()
    if kind < 0.1:
        return mutate_bytes(chance, content)
    if kind < 0.14:
        return chance.choice(
            (b"[" * 100_000, b"", b"\xef\xbb\xbf" + content, content.decode().encode("utf-16"), b"nul")
        )
    return odd_json(chance, json.loads(content))


def odd_json(chance: Random, document: Any) -> bytes:
    """A document with odd values in it, as text."""
    for _ in range(1 + int(chance.expovariate(1.5))):
        place = chance.choice(places(document))
        if not place and chance.random() < 0.9:
            continue
        value = odd_number(chance, document, place) if chance.random() < 0.3 else chance.choice(ODD)
        document = changed(document, place, chance.choice(("replace", "replace", "replace", "remove", "add")), value)
    return json.dumps(document).encode()


def odd_number(chance: Random, document: Any, place: tuple[Any, ...]) -> Any:
    """A number of the same kind, but of another size; where there is none, a small one."""
    for key in place:
        document = document[key]
    if isinstance(document, bool) or not isinstance(document, int | float):
        return chance.randrange(-2, 3)
    return document * chance.choice((-1, 0, 10, 1e6, 1e-6)) + chance.choice((0, 1, -1))


def mutate_npz(chance: Random, content: bytes) -> bytes:
    """Arrays or the JSON header changed inside an archive that is sound; or the archive damaged."""
    if chance.random() < 0.2:
        return mutate_bytes(chance, content)
    with np.load(io.BytesIO(content)) as archive:
        arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    for _ in range(1 + int(chance.expovariate(1.5))):
        name = chance.choice([*arrays, "header", "header", "header"])
        if name == "header" and name in arrays:
            text = odd_json(chance, json.loads(arrays[name].tobytes()))
            arrays[name] = np.frombuffer(text, np.uint8)
        elif name in arrays:
            arrays |= _other_array(chance, name, arrays.pop(name))
    if chance.random() < 0.1:
        return _lying_npz(chance, arrays)
    made = io.BytesIO()
    np.savez_compressed(made, **arrays)  # type: ignore[arg-type]
    return made.getvalue()


def _other_array(chance: Random, name: str, array: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The array as another one, under its name or another; or nothing."""
    kind = chance.randrange(9)
    if kind == 0:
        return {}
    if kind == 1:
        array = array.astype(object)
    elif kind == 2 and array.dtype.names is None:
        array = array.astype(chance.choice((np.float64, np.int8, np.complex64, "U3", np.uint64)))
    elif kind == 3 and array.ndim:
        array = array[: len(array) // 2]
    elif kind == 4:
        array = array.T if array.ndim > 1 else array.reshape(-1, 1)
    elif kind == 5:
        array = np.zeros(2**26, np.uint8)
    elif kind == 6:
        return {name: array, "extra": array}
    else:
        array = array.copy()
        fields = array.dtype.names
        part = array[chance.choice(fields)] if fields else array
        if part.size and part.dtype.kind in "fiu":
            odd = chance.choice((np.nan, np.inf, 0.0, -1.0, 6e4, 1e30, 1e308))
            with np.errstate(all="ignore"):
                part.flat[:: chance.choice((1, 7, part.size))] = np.asarray(odd).astype(part.dtype)
    return {name: array}


def _lying_npz(chance: Random, arrays: dict[str, NDArray[Any]]) -> bytes:
    """An archive in which one array's own header tells another shape or type than its content has."""
    made = io.BytesIO()
    liar = chance.choice(list(arrays))
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            plain = io.BytesIO()
            np.save(plain, array)
            data = plain.getvalue()
            if name == liar:
                shape = chance.choice(
                    ("(2**62,)", "(4611686018427387904,)", "(-1,)", "()", "(99999999999,)", "((1,),)")
                )
                text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
                data = data[:8] + struct.pack("<H", len(text)) + text.encode() + data[128:]
            archive.writestr(f"{name}.npy", data)
    return made.getvalue()


def mutate_png(chance: Random, content: bytes) -> bytes:
    """Sizes and lengths that lie while every checksum holds; or bytes like any other."""
    if chance.random() < 0.4 or content[:4] != b"\x89PNG":
        return mutate_bytes(chance, content)
    chunks, at = [], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        chunks.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    position = chance.randrange(len(chunks))
    kind, body = chunks[position]
    match chance.randrange(4):
        case 0:
            chunks[0] = (b"IHDR", struct.pack(">II", *chance.choices(NUMBERS[:13], k=2)) + chunks[0][1][8:])
        case 1:
            chunks[position] = (kind, mutate_bytes(chance, body))
        case 2:
            chunks.insert(
                position, (chance.choice((b"tEXt", b"iCCP", b"acTL", b"PLTE", b"zzZz")), chance.randbytes(40))
            )
        case _:
            made = _png(chunks)
            lie = struct.pack(">I", chance.choice(NUMBERS[:13]))
            begins = 8 + sum(12 + len(one) for _, one in chunks[:position])
            return made[:begins] + lie + made[begins + 4 :]
    return _png(chunks)


def _png(chunks: list[tuple[bytes, bytes]]) -> bytes:
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _few(chance: Random) -> int:
    return min(1 + int(chance.expovariate(0.5)), 12)


def _place(chance: Random, length: int) -> int:
    """Anywhere, or near one of the ends."""
    near = min(int(2 ** (chance.random() * 12)), length - 1)
    return chance.choice((chance.randrange(length), near, length - 1 - near))
