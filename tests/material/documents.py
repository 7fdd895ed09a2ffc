"""JSON documents, changed in one place."""

import copy
from typing import Any


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document: the keys that lead there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(place for key, entry in inside for place in places(entry, (*here, key)))]


def changed(document: Any, place: tuple[Any, ...], how: str, value: Any) -> Any:
    """A copy in which one place was replaced, removed, or given another field."""
    if not place:
        return value
    made = copy.deepcopy(document)
    holder = made
    for key in place[:-1]:
        holder = holder[key]
    if how == "remove":
        del holder[place[-1]]
    elif how == "add" and isinstance(holder[place[-1]], dict):
        holder[place[-1]]["another"] = value
    elif how == "add" and isinstance(holder[place[-1]], list):
        holder[place[-1]].append(value)
    else:
        holder[place[-1]] = value
    return made
