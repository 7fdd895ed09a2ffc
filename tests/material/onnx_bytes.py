"""Small ONNX graphs written as what they are, protocol buffers: the tests need no `onnx` package."""


def field(number: int, value: int | bytes | str) -> bytes:
    """One field of a protocol buffer: a whole number, or bytes with their length."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low = value & 0x7F
    return bytes([low]) if value == low else bytes([low | 0x80]) + _varint(value >> 7)


def node(kind: str, inputs: list[str], output: str, attribute: bytes = b"") -> bytes:
    return field(1, b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, kind) + attribute)


def tensor(name: str, kind: int, shape: list[int | str]) -> bytes:
    sizes = b"".join(field(1, field(1, size) if isinstance(size, int) else field(2, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, sizes)))


FLOAT, UINT8 = 1, 2
TO_FLOAT = field(5, field(1, "to") + field(3, FLOAT) + field(20, 2))
