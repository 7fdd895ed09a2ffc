"""A model holds all of itself, and is tried in a process that cannot take more than it is given."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sentinel_edge import assets
from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.external_data import external_data_problem
from sentinel_edge.promotion import first_run
from sentinel_edge.promotion.first_run import require_working
from sentinel_edge.promotion.registry import Registry
from tests.command import assert_one_line
from tests.material.interpolators import AXES, FLOATS, tiny_card, tiny_graph, write_tiny
from tests.material.onnx_bytes import FLOAT, UINT8, field, node, tensor

INT64, BOOL = 7, 9


def model_of(nodes: bytes, more: bytes = b"", gives: list[int | str] | None = None) -> bytes:
    """An interpolator of these nodes; `more` goes into its graph."""
    graph = nodes + field(2, "g") + more
    graph += b"".join(field(11, tensor(one, UINT8, AXES["nhwc"])) for one in ("first", "last"))  # type: ignore[index]
    graph += field(12, tensor("middle", FLOAT, gives or AXES["nhwc"]))  # type: ignore[index]
    return field(1, 7) + field(8, field(2, 13)) + field(7, graph)


def number(name: str, kind: int, content: bytes, sizes: bytes = b"") -> bytes:
    """A tensor of numbers."""
    return sizes + field(2, kind) + field(8, name) + field(9, content)


def attribute(name: str, value: bytes, kind: int) -> bytes:
    return field(5, field(1, name) + value + field(20, kind))


def endless() -> bytes:
    """A graph that counts to the largest number there is."""
    most, true = number("most", INT64, (2**63 - 1).to_bytes(8, "little")), number("true", BOOL, b"\1")
    body = node("Identity", ["go"], "on") + node("Identity", ["x"], "y") + field(2, "body")
    body += field(11, tensor("turn", INT64, [])) + field(11, tensor("go", BOOL, []))
    body += field(11, tensor("x", FLOAT, AXES["nhwc"]))  # type: ignore[index]
    body += field(12, tensor("on", BOOL, [])) + field(12, tensor("y", FLOAT, AXES["nhwc"]))  # type: ignore[index]
    loop = node("Loop", ["most", "true", "a"], "middle", field(5, field(1, "body") + field(6, body) + field(20, 5)))
    return model_of(FLOATS + loop, field(5, most) + field(5, true))


def greedy() -> bytes:
    """A graph that makes 3 GB of a picture on its way."""
    turns = b"".join(
        node(
            "Concat", [f"c{step}", f"c{step}"], f"c{step + 1}", field(5, field(1, "axis") + field(3, 0) + field(20, 2))
        )
        for step in range(18)
    )
    many = FLOATS + node("Mean", ["a", "b"], "c0") + turns
    mean = attribute("axes", field(8, 0), 7) + attribute("keepdims", field(3, 1), 2)
    return model_of(many + node("ReduceMean", ["c18"], "middle", mean))


def refused(content: bytes, folder: Path) -> str:
    """The one line with which a model is refused as it is added; the registry is as it was."""
    write_tiny(folder / "vfi0")  # only for the folder
    model = folder / "bad.onnx"
    model.write_bytes(content)
    registry = Registry(folder / "vfi")
    with pytest.raises(SentinelError) as problem:
        registry.add(model, tiny_card(content))
    assert_one_line(str(problem.value))
    assert not (folder / "vfi" / "versions").exists() or registry.versions() == ()
    return str(problem.value)


def test_the_champion_that_comes_along_works() -> None:
    require_working(Registry(assets.default_registry()).champion().model)


def test_an_endless_model_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run, "SECONDS", 3.0)
    started = time.monotonic()
    assert "did not come to an end within 3 s" in refused(endless(), tmp_path)
    assert time.monotonic() - started < 15


def test_a_model_that_takes_more_memory_than_a_check_has_is_refused(tmp_path: Path) -> None:
    said = refused(greedy(), tmp_path)
    assert "bad_alloc" in said or "brought its process down" in said


def test_what_is_wrong_with_a_model_is_said_as_before(tmp_path: Path) -> None:
    assert "not finite" in refused(tiny_graph("not a number"), tmp_path)


# Numbers kept elsewhere.

ELSEWHERE = field(13, field(1, "location") + field(2, "weights.bin"))
OUTSIDE = {
    "an initializer": lambda: model_of(FLOATS, field(5, number("w", FLOAT, b"") + ELSEWHERE + field(14, 1))),
    "only said": lambda: model_of(FLOATS, field(5, number("w", FLOAT, b"") + field(14, 1))),
    "a constant": lambda: model_of(
        node("Constant", [], "w", field(5, field(1, "value") + field(5, number("w", FLOAT, b"") + ELSEWHERE)))
    ),
    "a sparse one": lambda: model_of(FLOATS, field(15, field(1, number("w", FLOAT, b"") + ELSEWHERE))),
    "in a branch": lambda: model_of(
        node("If", ["c"], "middle", field(5, field(1, "then_branch") + field(6, field(5, ELSEWHERE)) + field(20, 5)))
    ),
    "in a function": lambda: (
        tiny_graph() + field(25, field(7, field(5, field(5, number("w", FLOAT, b"") + ELSEWHERE))))
    ),
    "a graph told twice": lambda: tiny_graph() + field(7, field(5, ELSEWHERE)),
}


@pytest.mark.parametrize("made", OUTSIDE.values(), ids=OUTSIDE)
def test_a_model_with_numbers_in_other_files_is_refused_wherever_they_are_named(
    made: Callable[[], bytes], tmp_path: Path
) -> None:
    assert "keeps numbers in other files" in refused(made(), tmp_path)


def test_verify_finds_a_version_with_numbers_in_other_files(tmp_path: Path) -> None:
    content = OUTSIDE["an initializer"]()
    write_tiny(tmp_path / "versions" / "0001", content, version=1, sha256=hashlib.sha256(content).hexdigest())
    (problem,) = Registry(tmp_path).verify().problems
    assert "keeps numbers in other files" in problem


@pytest.mark.parametrize("content", [b"\x0f", b"\x3a\x7f", b"\xff" * 20, b"ORTM" * 8, field(7, b"\x2a\x05\x01")])
def test_what_is_no_protocol_buffer_is_said_to_be_none(content: bytes) -> None:
    assert external_data_problem(content) == "is not an ONNX model"


def test_no_model_is_nested_so_deep_that_the_guard_fails() -> None:
    graph = b""
    for _ in range(300):
        graph = field(1, field(5, field(6, graph)))
    assert external_data_problem(field(7, graph)) == "is not an ONNX model"


def test_a_sound_model_holds_all_of_itself() -> None:
    assert external_data_problem(assets.default_model().read_bytes()) == ""
    assert external_data_problem(tiny_graph()) == ""
