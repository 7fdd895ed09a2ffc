"""JSON documents read strictly: each field is asked for by name and type, and none may be left over.

For small files that decide much and that people edit by hand: a model's card, a registry's pointers.
"""

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sentinel_edge.storage.files import read_limited

MAX_DOCUMENT_BYTES = 2**20
MAX_TEXT = 10_000
_SHOWN = 60


class DocumentError(ValueError):
    """What is wrong with a document: what was found, what was expected."""


def read_document(path: Path) -> Any:
    """Parse a JSON file of at most 1 MiB.

    Raises:
        OSError: It cannot be read.
        DocumentError: It is not JSON, or only Python's idea of it (NaN), or repeats a name.
    """
    content = read_limited(path, MAX_DOCUMENT_BYTES)
    try:
        return json.loads(content.decode(), parse_constant=_refuse, object_pairs_hook=_unique)
    except DocumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is not JSON ({error})") from error


def written(document: Mapping[str, object]) -> bytes:
    """A document as sorted, readable JSON with a newline at its end."""
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()


class Fields:
    """The fields of one JSON object, taken one by one.

    Every method raises DocumentError for a field that is missing or not what was asked for.
    """

    def __init__(self, document: object, inside: str = "") -> None:
        if not isinstance(document, dict):
            raise DocumentError(f"has {_brief(document)} for {inside or 'its content'}; expected an object")
        self._left = dict(document)
        self._inside = f"{inside}." if inside else ""

    def take(self, name: str) -> object:
        """A field as it is."""
        if name not in self._left:
            raise DocumentError(f"has no {self._inside}{name}")
        return self._left.pop(name)

    def done(self) -> None:
        """Every field was taken."""
        if self._left:
            raise DocumentError(f"has {self._inside}{_brief(next(iter(self._left)))}, which is no known field")

    def text(self, name: str, pattern: str = r"(?s).+", expected: str = "text") -> str:
        """A text that fits a pattern whole."""
        value = self.take(name)
        if not isinstance(value, str) or len(value) > MAX_TEXT or not re.fullmatch(pattern, value):
            raise self._wrong(name, value, expected)
        return value

    def sha256(self, name: str) -> str:
        """A checksum."""
        return self.text(name, "[0-9a-f]{64}", "a SHA-256, 64 lower-case hexadecimal digits")

    def time(self, name: str) -> str:
        """A moment, as ISO 8601 in UTC."""
        value = self.take(name)
        try:
            offset = datetime.fromisoformat(value).utcoffset() if isinstance(value, str) else None
        except ValueError:
            offset = None
        if not isinstance(value, str) or offset != timedelta(0):
            raise self._wrong(name, value, "a time as 2026-01-31T12:00:00Z")
        return value

    def whole(self, name: str, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._wrong(name, value, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, low: float = -math.inf) -> float:
        """A finite number, not below `low`."""
        value = self.take(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self._wrong(name, value, "a number")
        try:
            number = float(value)
        except OverflowError:  # a whole number of hundreds of digits
            number = math.inf
        if not math.isfinite(number) or number < low:
            raise self._wrong(name, value, "a finite number" if low == -math.inf else f"a number from {low:g}")
        return number

    def one_of(self, name: str, *expected: str | int) -> Any:
        """One of a few words or numbers."""
        value = self.take(name)
        if isinstance(value, bool) or value not in expected:  # true equals 1
            raise self._wrong(name, value, " or ".join(map(repr, expected)))
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.take(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self._wrong(name, value, "a list of texts")
        return tuple(value)

    def numbers(self, name: str) -> dict[str, float]:
        """An object that holds finite numbers only."""
        value = self.take(name)
        fields = Fields(value, f"{self._inside}{name}")
        return {key: fields.number(key) for key in sorted(fields._left)}

    def fields(self, name: str) -> "Fields":
        """An object inside this one."""
        return Fields(self.take(name), f"{self._inside}{name}")

    def absent(self, name: str) -> bool:
        """Whether the field is null; if so it is taken."""
        if name in self._left and self._left[name] is None:
            del self._left[name]
            return True
        return False

    def _wrong(self, name: str, value: object, expected: str) -> DocumentError:
        return DocumentError(f"has {self._inside}{name} {_brief(value)}; expected {expected}")


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _refuse(constant: str) -> object:
    raise DocumentError(f"holds {constant}, which is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise DocumentError("has the same name twice in one object")
    return document
