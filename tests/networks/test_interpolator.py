"""Frames between frames, through tiny graphs whose answer is known, and cards that are strict."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.interpolator_card import Dtype, Graph, InterpolatorCard, Layout, load_card, save_card
from tests.command import assert_one_line
from tests.material.interpolators import tiny_card, tiny_graph, write_tiny


@pytest.fixture
def pair() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two batches of noise, three pictures of 21x13 pixels each."""
    random = np.random.default_rng(0)
    first, last = random.integers(0, 256, (2, 3, 13, 21, 3), np.uint8)
    return first, last


Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def refused(model: Path, pictures: Pair | None = None) -> str:
    """The one line with which a model is refused; it names the model."""
    if pictures is None:
        with pytest.raises(SentinelError) as problem:
            Interpolator(model)
    else:
        interpolator = Interpolator(model)
        with pytest.raises(SentinelError) as problem:
            interpolator.interpolate(*pictures)
    assert_one_line(str(problem.value))
    assert str(model.parent) in str(problem.value)
    return str(problem.value)


# Feeding the graph.


def test_each_frame_reaches_its_own_input_and_the_answer_is_not_rounded(tmp_path: Path, pair: Pair) -> None:
    first, last = pair
    expected = {"first": first, "last": last, "mean": (first.astype(np.float32) + last) / 2}
    for kind, middle in expected.items():
        found = Interpolator(write_tiny(tmp_path / kind, tiny_graph(kind))).interpolate(first, last)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, middle)


def test_the_answer_stays_between_black_and_white(tmp_path: Path, pair: Pair) -> None:
    differences = Interpolator(write_tiny(tmp_path / "dark", tiny_graph("difference"))).interpolate(*pair)
    assert differences.min() == 0
    sums = Interpolator(write_tiny(tmp_path / "bright", tiny_graph("sum"))).interpolate(*pair)
    assert sums.max() == 255


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("scale", [1, 255])
@pytest.mark.parametrize(("batch", "multiple"), [("batch", 1), ("batch", 16), (1, 16)])
def test_a_foreign_network_is_used_through_its_card_alone(  # noqa: PLR0917  (each is one thing to combine)
    tmp_path: Path, pair: Pair, layout: Layout, scale: Literal[1, 255], multiple: int, batch: int | str
) -> None:
    sizes: list[int | str] = [batch, "h", "w", 3] if layout is Layout.NHWC else [batch, 3, "h", "w"]
    content = tiny_graph(layout=layout, dtype=Dtype.FLOAT32, takes=sizes, gives=sizes)
    graph = Graph(layout=layout, dtype=Dtype.FLOAT32, scale=scale, multiple_of=multiple)
    model = write_tiny(tmp_path, content, graph=graph, training=None)
    middle = Interpolator(model).interpolate(*pair)
    np.testing.assert_allclose(middle, (pair[0].astype(np.float32) + pair[1]) / 2, atol=1e-4)


def test_a_graph_is_fed_pictures_of_the_sizes_it_needs_continued_at_their_edges(tmp_path: Path, pair: Pair) -> None:
    """A graph that puts one picture above the other tells what it was fed."""
    model = write_tiny(tmp_path, tiny_graph("one above the other"), graph=Graph(multiple_of=32))
    assert "gives [3, 64, 32, 3] for pictures [3, 32, 32, 3]" in refused(model, pair)


def test_names_of_inputs_and_output_are_the_cards(tmp_path: Path, pair: Pair) -> None:
    """The graph cannot tell which input is the earlier frame; the card says so."""
    swapped = Graph(first="last", last="first")
    middle = Interpolator(write_tiny(tmp_path, tiny_graph("first"), graph=swapped)).interpolate(*pair)
    np.testing.assert_array_equal(middle, pair[1])


def test_pictures_that_are_no_pair_are_a_mistake_of_the_caller(tmp_path: Path, pair: Pair) -> None:
    interpolator = Interpolator(write_tiny(tmp_path))
    first, last = pair
    no_pairs = [(first, last[:2]), (first[..., :2], last[..., :2]), (first[0], last[0]), (first[:0], last[:0])]
    for one, other in [*no_pairs, (first, last.astype(np.float32))]:
        with pytest.raises(ValueError, match="expected"):
            interpolator.interpolate(one, other)


# Models that are refused.


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("not a number", "not finite"),
        ("infinite", "not finite"),
        ("one above the other", "expected the same shape"),
        ("fails as it runs", "failed on pictures of 21x13 pixels"),
    ],
)
def test_an_answer_that_is_no_picture_is_one_line(tmp_path: Path, pair: Pair, kind: str, found: str) -> None:
    assert found in refused(write_tiny(tmp_path, tiny_graph(kind)), pair)


def test_a_model_that_is_not_its_cards_is_refused(tmp_path: Path) -> None:
    model = write_tiny(tmp_path)
    model.write_bytes(tiny_graph("first"))
    assert "does not match its card: sha256" in refused(model)
    model.write_bytes(b"")
    assert "does not match its card: sha256" in refused(model)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiny_graph(inputs=("first", "last", "time")), "takes 'first', 'last', 'time'"),
        (tiny_graph(takes=["n", "h", 3]), "tensor(uint8) ['n', 'h', 3]"),
        (tiny_graph(takes=["n", "h", "w", 4]), "['n', 'h', 'w', 4]"),
        (tiny_graph(takes=["n", 64, 64, 3], gives=["n", 64, 64, 3]), "with free height and width"),
        (tiny_graph(takes=[2, "h", "w", 3]), "[2, 'h', 'w', 3]"),
        (tiny_graph(dtype=Dtype.FLOAT32), "its card says tensor(uint8)"),
        (tiny_graph(layout=Layout.NCHW), "its card says tensor(uint8) [batch, height, width, 3]"),
        (b"not a graph", "is not an ONNX model"),
    ],
    ids=["three inputs", "three axes", "four channels", "fixed size", "batches of two", "float", "layout", "junk"],
)
def test_a_graph_that_is_not_as_its_card_says_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in refused(write_tiny(tmp_path, content))


def test_names_that_are_no_text_are_refused(tmp_path: Path) -> None:
    content = tiny_graph().replace(b"first", b"\xff\xferst")
    assert "cannot be loaded by ONNX Runtime" in refused(write_tiny(tmp_path, content))


# Cards.


def test_a_card_comes_back_as_it_was_written_sorted_and_readable(tmp_path: Path) -> None:
    card = tiny_card(tiny_graph(), version=3, parent=2, parent_sha256="f" * 64)
    save_card(card, tmp_path / "card.json")
    assert load_card(tmp_path / "card.json") == card
    text = (tmp_path / "card.json").read_text()
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, sort_keys=True) + "\n"
    foreign = replace(card, training=None, graph=Graph("a", "b", "c", Layout.NCHW, Dtype.FLOAT32, 1, 32))
    save_card(foreign, tmp_path / "card.json")
    assert load_card(tmp_path / "card.json") == foreign


def test_a_card_under_the_models_own_name_comes_before_card_json(tmp_path: Path) -> None:
    model = write_tiny(tmp_path)
    assert Interpolator(model).card.name == "tiny"
    save_card(tiny_card(model.read_bytes(), name="own"), tmp_path / "model.json")
    assert Interpolator(model).card.name == "own"
    (tmp_path / "model.json").unlink()
    (tmp_path / "card.json").unlink()
    assert "cannot read model card" in refused(model)
    model.unlink()
    assert "cannot read model " in refused(model)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another schema": ({"schema_version": 2}, "has schema_version 2; expected 1"),
    "yes for one": ({"schema_version": True}, "has schema_version true; expected 1"),
    "an embedder": ({"kind": "embedder"}, "has kind \"embedder\"; expected 'interpolator'"),
    "no name": ({"name": ""}, 'has name ""'),
    "a path": ({"name": "../x"}, 'has name "../x"'),
    "short checksum": ({"sha256": "abc"}, 'has sha256 "abc"; expected a SHA-256'),
    "no time": ({"created_at": "yesterday"}, "expected a time as 2026-01-31T12:00:00Z"),
    "local time": ({"created_at": "2026-01-31T12:00:00"}, "expected a time"),
    "unknown field": ({"licence": "MIT"}, 'has "licence", which is no known field'),
    "version 0": ({"version": 0}, "has version 0; expected a whole number from 1"),
    "version 1.0": ({"version": 1.0}, "has version 1.0"),
    "half a parent": ({"parent": 1}, "has parent 1 without parent_sha256"),
    "metrics as text": ({"metrics": {"gain_db": "2"}}, 'has metrics.gain_db "2"; expected a number'),
    "metrics as list": ({"metrics": [2]}, "expected an object"),
    "huge": ({"metrics": {"gain_db": 10**400}}, "has metrics.gain_db"),
    "graph": ({"graph": {}}, "has no graph.first"),
    "training": ({"training": {"sources": "clip.mp4"}}, 'has training.sources "clip.mp4"; expected a list of texts'),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_card_is_one_line_that_says_what_was_found_and_expected(tmp_path: Path, wrong: str) -> None:
    model = write_tiny(tmp_path)
    changes, said = WRONG[wrong]
    document = json.loads((tmp_path / "card.json").read_text()) | changes
    (tmp_path / "card.json").write_text(json.dumps(document))
    message = refused(model)
    assert message.startswith(f"model card {tmp_path / 'card.json'} has ")
    assert said in message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"layout": "hwcn"}, "graph.layout \"hwcn\"; expected 'nhwc' or 'nchw'"),
        ({"scale": 2}, "graph.scale 2; expected 255 or 1"),
        ({"scale": 1}, "graph.scale 1 with graph.dtype uint8"),
        ({"multiple_of": 0}, "graph.multiple_of 0; expected a whole number from 1"),
        ({"last": "first"}, "for both graph.first and graph.last"),
    ],
)
def test_a_card_that_feeds_the_graph_wrongly_is_one_line(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    model = write_tiny(tmp_path)
    document = json.loads((tmp_path / "card.json").read_text())
    document["graph"] |= changes
    (tmp_path / "card.json").write_text(json.dumps(document))
    assert said in refused(model)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 100_000])
def test_what_is_no_card_at_all_is_one_line(tmp_path: Path, text: str) -> None:
    model = write_tiny(tmp_path)
    (tmp_path / "card.json").write_text(text)
    assert refused(model).startswith(f"model card {tmp_path / 'card.json'} ")
    (tmp_path / "card.json").write_bytes(b"\xff\xfe")
    assert refused(model).startswith(f"model card {tmp_path / 'card.json'} is not JSON")


@pytest.mark.parametrize("left_out", ["name", "sha256", "graph", "training", "metrics", "version", "parent"])
def test_no_field_may_be_missing(tmp_path: Path, left_out: str) -> None:
    model = write_tiny(tmp_path)
    document = json.loads((tmp_path / "card.json").read_text())
    del document[left_out]
    (tmp_path / "card.json").write_text(json.dumps(document))
    assert f"has no {left_out}" in refused(model)


def test_a_card_that_could_not_be_read_again_is_not_written(tmp_path: Path) -> None:
    def wrong(**changes: object) -> InterpolatorCard:
        return tiny_card(tiny_graph(), **changes)

    for card in (wrong(metrics={"gain_db": float("nan")}), wrong(created_at="today"), wrong(sha256="")):
        with pytest.raises(SentinelError, match="the card of tiny has "):
            save_card(card, tmp_path / "card.json")
    with pytest.raises(SentinelError, match="cannot write model card"):
        save_card(wrong(), tmp_path / "missing" / "card.json")
    assert list(tmp_path.iterdir()) == []
