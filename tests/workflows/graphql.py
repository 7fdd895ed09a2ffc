"""As much of GraphQL as `gh` speaks: a parser of operations and a projection of nested values onto their selections.

Strict where GitHub is strict: a field that the data does not have is an error, so a test cannot pass on a query that
GitHub would refuse. Types are not checked. Grammar: https://spec.graphql.org/October2021/ (section 2).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(r'[\s,]+|#[^\n]*|(\.\.\.|[$!():=@\[\]{}|&]|"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?|[A-Za-z_]\w*)')


class GraphQLError(Exception):
    """What the server answers under `errors`.

    Attributes:
        kind: GitHub's error type, such as NOT_FOUND or FORBIDDEN; empty where it gives none.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Field:
    """One selected field: `alias: name(arguments) { fields }`."""

    name: str
    key: str
    arguments: Mapping[str, Any]
    fields: tuple["Field | Spread", ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """`...name`, or `... on Type { fields }`; `type_name` is empty where there is no condition."""

    fragment: str
    type_name: str
    fields: tuple["Field | Spread", ...]


@dataclass(frozen=True, slots=True)
class Fragment:
    """`fragment name on Type { fields }`."""

    type_name: str
    fields: tuple[Field | Spread, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """A parsed document of one operation.

    Attributes:
        kind: query or mutation.
        name: the operation's name; empty where it has none.
        fields: what is selected at the top.
        fragments: the document's fragments by name.
    """

    kind: str
    name: str
    fields: tuple[Field | Spread, ...]
    fragments: Mapping[str, Fragment]

    def top_fields(self) -> frozenset[str]:
        """Names of the fields selected at the top and one level below a repository."""
        names = set()
        for field in self.fields:
            if isinstance(field, Field):
                names.add(field.name)
                if field.name == "repository":
                    names |= {below.name for below in field.fields if isinstance(below, Field)}
        return frozenset(names)


def parse(document: str, variables: Mapping[str, Any]) -> Operation:
    """Parse a document of one operation and any number of fragments; variables are put in their places.

    Raises:
        GraphQLError: It is not such a document.
    """
    return _Parser(document, variables).operation()


def project(operation: Operation, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the operation selects from nested data.

    Args:
        operation: What was asked.
        data: Objects as mappings, lists as sequences; a callable is called with the field's arguments. `__typename`
            decides which conditional fragments apply.

    Raises:
        GraphQLError: A field is selected that the data does not have.
    """
    selected = _select(operation, operation.fields, data)
    assert isinstance(selected, dict)
    return selected


def _select(operation: Operation, fields: tuple[Field | Spread, ...], value: Any) -> Any:
    if callable(value):
        raise TypeError("a callable is called where its field is selected")
    if value is None or not fields:
        return value
    if isinstance(value, list | tuple):
        return [_select(operation, fields, item) for item in value]
    chosen: dict[str, Any] = {}
    for field in _flatten(operation, fields, value):
        if field.name not in value:
            raise GraphQLError(f"Field '{field.name}' doesn't exist on type '{value.get('__typename', '?')}'")
        found = value[field.name]
        chosen[field.key] = _select(operation, field.fields, found(**field.arguments) if callable(found) else found)
    return chosen


def _flatten(operation: Operation, fields: tuple[Field | Spread, ...], value: Mapping[str, Any]) -> Iterator[Field]:
    for field in fields:
        if isinstance(field, Field):
            yield field
            continue
        condition, below = field.type_name, field.fields
        if field.fragment:
            condition, below = operation.fragments[field.fragment].type_name, operation.fragments[field.fragment].fields
        if not condition or value.get("__typename", condition) == condition:
            yield from _flatten(operation, below, value)


class _Parser:
    """Recursive descent over the document's tokens."""

    def __init__(self, document: str, variables: Mapping[str, Any]) -> None:
        self._tokens: list[str] = [token for token in _TOKEN.findall(document) if token]
        self._variables = variables

    def operation(self) -> Operation:
        kind, name, fields = "query", "", None
        fragments: dict[str, Fragment] = {}
        while self._tokens:
            if self._peek() == "fragment":
                self._take("fragment")
                fragment = self._next()
                self._take("on")
                fragments[fragment] = Fragment(self._next(), self._selection())
                continue
            if self._peek() != "{":
                kind = self._next()
                if self._peek() not in "({":
                    name = self._next()
                self._skip_variable_definitions()
            fields = self._selection()
        if fields is None:
            raise GraphQLError("A query attribute must be specified and must be a string.")
        return Operation(kind, name, fields, fragments)

    def _selection(self) -> tuple[Field | Spread, ...]:
        self._take("{")
        fields: list[Field | Spread] = []
        while self._peek() != "}":
            fields.append(self._spread() if self._peek() == "..." else self._field())
        self._take("}")
        return tuple(fields)

    def _field(self) -> Field:
        key = name = self._next()
        if self._accept(":"):
            name = self._next()
        arguments = self._arguments() if self._peek() == "(" else {}
        return Field(name, key, arguments, self._selection() if self._peek() == "{" else ())

    def _spread(self) -> Spread:
        self._take("...")
        if self._accept("on"):
            return Spread("", self._next(), self._selection())
        if self._peek() == "{":
            return Spread("", "", self._selection())
        return Spread(self._next(), "", ())

    def _arguments(self) -> dict[str, Any]:
        self._take("(")
        arguments = {}
        while not self._accept(")"):
            name = self._next()
            self._take(":")
            arguments[name] = self._value()
        return arguments

    def _value(self) -> Any:
        word = self._next()
        if word == "$":
            return self._variables.get(self._next())
        if word == "[":
            return list(self._until("]", self._value))
        if word == "{":
            return dict(self._until("}", self._member))
        if word.startswith('"'):
            return word[1:-1]
        constants = {"true": True, "false": False, "null": None}
        if word in constants:
            return constants[word]
        return int(word) if word.lstrip("-").isdigit() else word

    def _member(self) -> tuple[str, Any]:
        name = self._next()
        self._take(":")
        return name, self._value()

    def _until(self, end: str, item: Callable[[], Any]) -> Iterator[Any]:
        while not self._accept(end):
            yield item()

    def _skip_variable_definitions(self) -> None:
        if self._accept("("):
            while not self._accept(")"):
                self._next()

    def _peek(self) -> str:
        if not self._tokens:
            raise GraphQLError("Parse error: unexpected end of document")
        return self._tokens[0]

    def _next(self) -> str:
        token = self._peek()
        del self._tokens[0]
        return token

    def _accept(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            del self._tokens[0]
            return True
        return False

    def _take(self, token: str) -> None:
        found = self._next()
        if found != token:
            raise GraphQLError(f"Parse error: found {found}, expected {token}")
