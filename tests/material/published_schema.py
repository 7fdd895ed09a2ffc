"""The published JSON Schema of `verdict.json`, made from the types that write it and read it back: `make schema`."""

import inspect
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_type_hints

import msgspec

from sentinel_edge import gates
from sentinel_edge.footage.clips import Skipped
from sentinel_edge.storage.documents import MAX_TEXT
from sentinel_edge.verdict.reading import LATER, BaselineFacts, Document, ModelFacts, gate_type
from sentinel_edge.verdict.verdict import NUMBERS, SCHEMA_PATH, CauseFound, FrameCount, GateResult, Verdict


def published() -> dict[str, Any]:
    """The schema."""
    numbers = gates.numbers()
    own = {name: gate_type(name, numbers) for name in numbers if not numbers[name].keys() <= set(NUMBERS)}
    usual = [name for name in numbers if name not in own]
    gate = gate_type(usual[0], numbers)
    kinds = (Document, BaselineFacts, ModelFacts, gate, *own.values())
    _, parts = msgspec.json.schema_components(kinds, ref_template="#/$defs/{name}")
    told = {Document: Verdict, **dict.fromkeys((gate, *own.values()), GateResult)}
    late = {key for name in own for key in numbers[name]} - set(NUMBERS)  # a gate that did not judge may not tell them
    dataclasses = {kind.__name__: kind for kind in (*kinds, FrameCount, CauseFound, Skipped, *_records(numbers))}
    for name, kind in dataclasses.items():
        part = parts[name]
        part.pop("title", None)
        part["additionalProperties"] = kind in (BaselineFacts, ModelFacts)
        if not part["additionalProperties"]:
            part["required"] = [key for key in part["properties"] if kind not in own.values() or key not in late]
        part.pop("description", None)
        for field, said in described(told.get(kind, kind)).items():
            if field in part["properties"] and "$ref" not in part["properties"][field]:
                part["properties"][field]["description"] = said
    document = parts.pop(Document.__name__)
    parts["gate"] = parts.pop(gate.__name__)
    properties = document["properties"]
    known = {name: {"$ref": f"#/$defs/{own[name].__name__ if name in own else 'gate'}"} for name in numbers}
    properties["gates"] |= {"properties": known, "additionalProperties": False}
    properties["baseline"], properties["model"] = ({"$ref": f"#/$defs/{kind.__name__}"} for kind in kinds[1:3])
    judged = {"gates": {"minProperties": 1}} | {
        name: {"required": [key for key in parts[kind.__name__]["properties"] if key not in LATER]}
        for name, kind in (("baseline", BaselineFacts), ("model", ModelFacts))
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Sentinel Edge verdict",
        "description": "What one check found. Written as verdict.json, and as one line on standard output.",
        **document,
        "allOf": [
            {"if": _status("PASS", "FAIL"), "then": {"properties": judged}},
            {
                "if": _status("FAIL"),
                "then": {"properties": {"causes": {"minItems": 1}}},
                "else": {"properties": {"causes": {"maxItems": 0}}},
            },
        ],
        "$defs": dict(sorted(parts.items())),
    }
    tidied: dict[str, Any] = _tidied(schema)
    return tidied


def text() -> str:
    """The file."""
    return json.dumps(published(), indent=2) + "\n"


def described(kind: Any) -> dict[str, str]:
    """What a dataclass's docstring says of each attribute."""
    attributes = (inspect.getdoc(kind) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^ {4}(\w+): ((?:.+\n?(?: {8}.*\n?)*))", attributes, re.MULTILINE)
    return {name: " ".join(said.split()) for name, said in found}


def _records(numbers: Mapping[str, Mapping[str, Any]]) -> set[Any]:
    """The dataclasses among the types of numbers, and inside them."""
    found: set[Any] = set()
    left: list[Any] = [kind for one in numbers.values() for kind in one.values()]
    while left:
        kind = left.pop()
        if is_dataclass(kind):
            found.add(kind)
            left += get_type_hints(kind, include_extras=True).values()
        left += getattr(kind, "__args__", ())
    return found


def _tidied(part: Any) -> Any:
    """Without what is ours alone: defaults, bounds that only keep numbers finite, and how Python ends a pattern."""
    if isinstance(part, list):
        return [_tidied(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {name: _tidied(value) for name, value in part.items() if not _is_ours(name, value)}
    if "pattern" in kept:
        kept["pattern"] = kept["pattern"].replace("\\Z", "$").replace("^(?:", "^").replace(")$", "$")
    return kept


def _is_ours(name: str, value: Any) -> bool:
    if name in ("minimum", "maximum"):
        return bool(abs(value) == sys.float_info.max)
    return (name == "default" and not isinstance(value, dict)) or (name == "maxLength" and value == MAX_TEXT)


def _status(*words: str) -> dict[str, Any]:
    return {"properties": {"status": {"enum": list(words)}}}


if __name__ == "__main__":
    SCHEMA_PATH.write_text(text())
