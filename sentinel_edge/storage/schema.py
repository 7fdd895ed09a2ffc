"""The part of JSON Schema (2020-12) that the schemas here use: what is read is held against what was promised.

The runtime brings no JSON Schema library along; the tests compare every answer with one. A keyword that is not known
here is refused rather than passed over, so that a schema never means more than what is checked.

Reference: https://json-schema.org/draft/2020-12
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sentinel_edge.storage.documents import DocumentError

Schema = Mapping[str, Any]

_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (isinstance(value, int) and not isinstance(value, bool)) or _is_whole(value),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
_REMARKS = frozenset({"$schema", "$id", "$defs", "title", "description", "then", "else"})
"""Keywords that ask for nothing by themselves."""
_SHOWN = 60


def require_valid(value: object, schema: Schema) -> None:
    """Hold a JSON value against a schema.

    Raises:
        DocumentError: Where it first departs, what was found there and what was expected.
        ValueError: The schema uses a keyword that is not known here.
    """
    _check(value, schema, schema, "")


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


def _check(value: Any, schema: Schema, root: Schema, place: str) -> None:
    for keyword, expected in schema.items():
        if keyword in _REMARKS:
            continue
        if keyword in _SIMPLE:
            applies, holds, wanted = _SIMPLE[keyword]
            if applies(value) and not holds(value, expected):
                raise DocumentError(f"has {_brief(value)} {_at(place)}; expected {wanted.format(expected)}")
        elif keyword in _NESTED:
            _NESTED[keyword](value, expected, schema, root, place)
        else:
            raise ValueError(f"the schema uses {keyword!r}, which is not checked here")


def _fits(value: Any, schema: Schema, root: Schema, place: str) -> bool:
    try:
        _check(value, schema, root, place)
    except DocumentError:
        return False
    return True


def _has_type(value: Any, expected: str | list[str]) -> bool:
    return any(_TYPES[name](value) for name in ([expected] if isinstance(expected, str) else expected))


def _same(value: Any, expected: Any) -> bool:
    """Equality as JSON has it: true is not 1."""
    return isinstance(value, bool) == isinstance(expected, bool) and bool(value == expected)


def _always(_: Any) -> bool:
    return True


# keyword: which values it speaks of, whether such a value satisfies it, what is expected in words
_SIMPLE: Mapping[str, tuple[Callable[[Any], bool], Callable[[Any, Any], bool], str]] = {
    "type": (_always, _has_type, "type {}"),
    "const": (_always, _same, "{}"),
    "enum": (_always, lambda value, expected: any(_same(value, one) for one in expected), "one of {}"),
    "minimum": (_TYPES["number"], lambda value, expected: value >= expected, "{} or more"),
    "maximum": (_TYPES["number"], lambda value, expected: value <= expected, "{} or less"),
    "exclusiveMinimum": (_TYPES["number"], lambda value, expected: value > expected, "more than {}"),
    "minLength": (_TYPES["string"], lambda value, expected: len(value) >= expected, "{} characters or more"),
    "maxLength": (_TYPES["string"], lambda value, expected: len(value) <= expected, "{} characters or fewer"),
    "pattern": (_TYPES["string"], lambda value, expected: bool(re.search(expected, value)), "text that fits {}"),
    "minItems": (_TYPES["array"], lambda value, expected: len(value) >= expected, "{} entries or more"),
    "maxItems": (_TYPES["array"], lambda value, expected: len(value) <= expected, "{} entries or fewer"),
    "minProperties": (_TYPES["object"], lambda value, expected: len(value) >= expected, "{} fields or more"),
}


def _required(value: Any, expected: Any, _schema: Schema, _root: Schema, place: str) -> None:
    missing = [name for name in expected if name not in value] if isinstance(value, dict) else []
    if missing:
        raise DocumentError(f"has no {missing[0]} {_at(place)}")


def _properties(value: Any, expected: Any, _schema: Schema, root: Schema, place: str) -> None:
    if isinstance(value, dict):
        for name in expected.keys() & value.keys():
            _check(value[name], expected[name], root, f"{place}.{name}")


def _property_names(value: Any, expected: Any, _schema: Schema, root: Schema, place: str) -> None:
    if isinstance(value, dict):
        for name in value:
            _check(name, expected, root, f"{place} (a name)")


def _additional(value: Any, expected: Any, schema: Schema, root: Schema, place: str) -> None:
    if not isinstance(value, dict):
        return
    for name in value.keys() - schema.get("properties", {}).keys():
        if expected is False:
            raise DocumentError(f"has {_brief(name)} {_at(place)}, which is no known field")
        if expected is not True:
            _check(value[name], expected, root, f"{place}.{name}")


def _items(value: Any, expected: Any, _schema: Schema, root: Schema, place: str) -> None:
    if isinstance(value, list):
        for position, entry in enumerate(value):
            _check(entry, expected, root, f"{place}[{position}]")


def _reference(value: Any, expected: Any, _schema: Schema, root: Schema, place: str) -> None:
    _check(value, root["$defs"][expected.removeprefix("#/$defs/")], root, place)


def _all_of(value: Any, expected: Any, _schema: Schema, root: Schema, place: str) -> None:
    for one in expected:
        _check(value, one, root, place)


def _if(value: Any, expected: Any, schema: Schema, root: Schema, place: str) -> None:
    branch = schema.get("then" if _fits(value, expected, root, place) else "else")
    if branch is not None:
        _check(value, branch, root, place)


_NESTED: Mapping[str, Callable[[Any, Any, Schema, Schema, str], None]] = {
    "required": _required,
    "properties": _properties,
    "propertyNames": _property_names,
    "additionalProperties": _additional,
    "items": _items,
    "$ref": _reference,
    "allOf": _all_of,
    "if": _if,
}


def _at(place: str) -> str:
    return f"at {place.lstrip('.')}" if place else "as a whole"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
