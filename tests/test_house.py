"""The house: which room may import which, no circle, and the gates behind one door."""

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.command import ROOT

PACKAGE = ROOT / "sentinel_edge"
FLOORS = (
    {"errors", "causes", ""},
    {"assets", "storage"},
    {"footage"},
    {"excerpt", "sabotage", "networks", "verdict"},
    {"gates"},
    {"baseline", "promotion"},
    {"monitor", "decision"},
    {"api"},
    {"cli"},
    {"__main__"},
)
"""From the ground to the roof: a room imports only from the floors below its own, and from itself."""
NEIGHBOURS = {("", "api")}
"""Told apart: the package's own front door opens the library when it is first asked for."""


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name below it; a folder's `__init__` is the folder."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """The modules of the package that one of them imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sentinel_edge":
            inside = (node.module or "").partition(".")[2]
            for alias in node.names:
                deeper = f"{inside}.{alias.name}".strip(".")
                found.add(deeper if deeper in modules() else inside)
    return frozenset(found)


def room(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


FLOOR = {one: number for number, rooms in enumerate(FLOORS) for one in rooms}


def test_every_room_has_a_floor() -> None:
    assert {room(name) for name in modules()} == set(FLOOR)


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_go_down_the_house(name: str) -> None:
    here = room(name)
    wrong = [
        other
        for other in imports(name)
        if room(other) != here and FLOOR[room(other)] >= FLOOR[here] and (here, room(other)) not in NEIGHBOURS
    ]
    assert not wrong, f"{name} imports {wrong}, which are not below it"


def test_no_import_goes_in_a_circle() -> None:
    graph = {name: imports(name) - {"api"} if name == "" else imports(name) for name in modules()}
    order = list(TopologicalSorter(graph).static_order())
    floors: dict[str, int] = {}
    for name in order:
        floors[name] = 1 + max((floors[other] for other in graph[name]), default=0)
    assert set(order) == set(modules())


def test_nobody_looks_inside_a_gate_but_the_table() -> None:
    behind = tuple(f"gates.{path.parent.name}" for path in (PACKAGE / "gates").glob("*/__init__.py"))
    assert len(behind) >= 3
    for name in modules():
        for other in imports(name):
            inside = next((gate for gate in behind if other.startswith(gate)), None)
            if inside:
                assert name == "gates" or name.startswith(inside), f"{name} looks inside {inside}"


def test_no_file_is_too_long_to_read() -> None:
    long = {name: len(path.read_text().splitlines()) for name, path in modules().items()}
    assert {name: lines for name, lines in long.items() if lines > 500} == {}


def test_tests_lie_where_what_they_test_lies() -> None:
    rooms = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    known = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_dir()}
    assert rooms <= known | {".", "export", "workflows", "benchmarks"}


def test_the_readme_shows_the_house_as_it_is() -> None:
    table = (ROOT / "README.md").read_text().split("<!-- rooms:begin -->")[1].split("<!-- rooms:end -->")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    shown = [{name.strip(" `") for name in row.split(",")} for row in rows]
    assert shown == [rooms - {"", "__main__"} for rooms in FLOORS if rooms - {"", "__main__"}]
