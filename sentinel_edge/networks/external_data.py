"""Refuses an ONNX model that keeps its numbers elsewhere: a checksum of the file would vouch for none of them.

ONNX lets a tensor name another file, which ONNX Runtime reads from wherever the program was started, or even a place in
memory. Read here is as much of the protocol buffers as leads to every tensor, those of subgraphs and functions too.
"""

from collections.abc import Iterator, Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
MAX_DEPTH = 100

# What is inside what, by the numbers of the fields in onnx.proto.
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def external_data_problem(model: bytes) -> str:
    """What is wrong with where a model keeps its numbers, in the middle of a sentence; empty where nothing is."""
    try:
        return "keeps numbers in other files" if _is_external(memoryview(model), "model", 0) else ""
    except (IndexError, ValueError):
        return "is not an ONNX model"


def _is_external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise ValueError("nested too deep")
    for number, value in _fields(message):
        if kind == "tensor":
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                return True
            continue
        inside = _INSIDE[kind].get(number)
        if inside and isinstance(value, memoryview) and _is_external(value, inside, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one message: whole numbers, and the content of those with a length; others as 0."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
        elif wire == _BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("ends too soon")
            yield key >> 3, message[at : at + length]
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
            yield key >> 3, 0
        else:
            raise ValueError("no protocol buffer")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no whole number")
