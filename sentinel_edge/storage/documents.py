"""JSON documents read by type: a dataclass says what a file must hold, and one guarded reader holds the file to it.

For small files that decide much and that people edit by hand: a model's card, a registry's pointers. What a field must
be beyond its kind is said where it is declared, by `Annotated` and one of the words below; msgspec checks it.
"""

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, overload

from msgspec import Meta, ValidationError, convert, to_builtins

from sentinel_edge.errors import one_line
from sentinel_edge.storage.files import read_limited

MAX_DOCUMENT_BYTES = 2**20
MAX_DEPTH = 100
MAX_TEXT = 10_000
_SHOWN = 60

Kind = TypeVar("Kind")


class DocumentError(ValueError):
    """What is wrong with a document, in one line: what was found, what was expected."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


# The words for what a field must be.


def fitting(pattern: str, expected: str) -> Meta:
    """A text that fits a pattern whole."""
    return Meta(pattern=rf"^(?:{pattern})\Z", max_length=MAX_TEXT, description=expected)


def whole(low: int, high: int) -> Meta:
    """A whole number from `low` to `high`."""
    return Meta(ge=low, le=high, description=f"a whole number from {low} to {high}")


def satisfying(holds: Callable[[Any], bool], expected: str) -> Meta:
    """Whatever a function says yes to."""
    return Meta(extra={"holds": holds}, description=expected)


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).utcoffset() == timedelta(0)
    except ValueError:
        return False


Text = Annotated[str, fitting("(?s:.+)", "text")]
Texts = Annotated[tuple[str, ...], Meta(description="a list of texts")]
Sha256 = Annotated[str, fitting("[0-9a-f]{64}", "a SHA-256, 64 lower-case hexadecimal digits")]
Moment = Annotated[str, satisfying(_is_moment, "a time as 2026-01-31T12:00:00Z")]
"""ISO 8601 in UTC, kept as it was written."""
Number = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max, description="a number that is finite")]
Amount = Annotated[float, Meta(ge=0.0, le=sys.float_info.max, description="a number from 0")]


# Reading and writing.


@overload
def read_document(path: Path) -> Any: ...


@overload
def read_document(path: Path, kind: type[Kind], *, exact: bool = True, limit: int = MAX_DOCUMENT_BYTES) -> Kind: ...


def read_document(path: Path, kind: Any = Any, *, exact: bool = True, limit: int = MAX_DOCUMENT_BYTES) -> Any:
    """Read a JSON file of a type; see `typed`.

    Args:
        path: The file.
        kind: What it must hold.
        exact: See `typed`.
        limit: Bytes it may have.

    Raises:
        OSError: It cannot be read.
        DocumentError: It is not JSON, or only Python's idea of it (NaN), repeats a name, is nested too deep, or is not
            of that type.
    """
    content = read_limited(path, limit)
    try:
        document = json.loads(content.decode(), parse_constant=_refuse, object_pairs_hook=_unique)
    except DocumentError:
        raise
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"is not JSON ({error})") from error
    level = [document]
    for _ in range(MAX_DEPTH):
        level = [part for whole in level for part in _parts(whole)]
    if level:
        raise DocumentError(f"is nested more than {MAX_DEPTH} deep; expected a document as it was written")
    return typed(document, kind, exact=exact)


def typed(document: object, kind: type[Kind], *, exact: bool = True) -> Kind:
    """What JSON has, as a type: dataclasses, tuples, mappings, scalars, or None where the type says so.

    Args:
        document: As `json.loads` gives it.
        kind: The type.
        exact: Every object has all fields of its dataclass and no other. Otherwise those with a default may be missing,
            and there may be more, which are passed over.

    Raises:
        DocumentError: It is not of that type: what was found and where, and what was expected. A dataclass may raise it
            as well, for fields that contradict each other.
    """
    value: Kind = _typed(document, kind, "", exact)
    return value


def written(document: object) -> bytes:
    """A dataclass, or what JSON has, as sorted, readable JSON with a newline at its end."""
    text = json.dumps(to_builtins(document), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(errors="backslashreplace")  # half a surrogate pair, as file names may hold, is an escape


# From the outside in: each value is checked by itself, so that the complaint names it.


def _typed(value: Any, kind: Any, place: str, exact: bool) -> Any:
    if get_origin(kind) in _UNIONS and NoneType in get_args(kind):
        if value is None:
            return None
        kind = Union[tuple(one for one in get_args(kind) if one is not NoneType)]  # noqa: UP007  (made from a tuple)
    meta = Meta()
    if get_origin(kind) is Annotated:
        (meta,), kind = kind.__metadata__, kind.__origin__
    if is_dataclass(kind):
        return _record(_checked(value, dict[str, Any], meta, place, _OBJECT), kind, place, exact)
    if get_origin(kind) is Mapping:
        found = _checked(value, dict[str, Any], meta, place, _OBJECT)
        names, one = get_args(kind)
        if names is not str:
            for name in found:
                _checked(name, names, Meta(), f"{place} (a name)", _expected(names))
        return {name: _typed(found[name], one, _inside(place, name[:_SHOWN]), exact) for name in sorted(found)}
    if get_origin(kind) is tuple:
        found = _checked(value, tuple[Any, ...], meta, place, "a list")
        one = get_args(kind)[0]
        return tuple(_typed(part, one, f"{place}[{position}]", exact) for position, part in enumerate(found))
    return _checked(value, kind, meta, place, _expected(kind))


def _checked(value: Any, kind: Any, meta: Meta, place: str, expected: str) -> Any:
    try:
        found: Any = convert(value, Annotated[kind, meta], strict=True)
        if meta.extra is None or meta.extra["holds"](found):
            return found
    except (ValidationError, UnicodeEncodeError):  # the words of an enum are looked for in UTF-8
        pass
    inside = (
        f"{_brief(value)} for {place or 'its content'}"
        if expected == _OBJECT or not place
        else f"{place} {_brief(value)}"
    )
    raise DocumentError(f"has {inside}; expected {meta.description or expected}")


def _record(found: Mapping[str, Any], kind: Any, place: str, exact: bool) -> Any:
    values = {}
    for field in fields(kind):
        inside = _inside(place, field.name)
        if field.name in found:
            values[field.name] = _typed(found[field.name], _hints(kind)[field.name], inside, exact)
        elif exact or field.default is field.default_factory is MISSING:
            raise DocumentError(f"has no {inside}")
    unknown = [name for name in found if name not in values]
    if exact and unknown:
        raise DocumentError(f"has {_inside(place, _brief(unknown[0]))}, which is no known field")
    return kind(**values)


_UNIONS = (Union, UnionType)
_OBJECT = "an object"
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    datetime: "a time",
    dict: _OBJECT,
}


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return " or ".join(map(repr, get_args(kind)))
    if get_origin(kind) in _UNIONS:
        return " or ".join(map(_expected, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(repr(str(one.value)) for one in kind)
    return _WORDS.get(get_origin(kind) or kind, str(kind))


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _brief(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _parts(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse(constant: str) -> object:
    raise DocumentError(f"holds {constant}, which is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise DocumentError("has the same name twice in one object")
    return document
