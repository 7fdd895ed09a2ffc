"""Interpolators small enough to know the answer: each a graph of a few nodes and the card that fits it."""

import hashlib
from dataclasses import replace
from pathlib import Path

from sentinel_edge.networks.interpolator_card import Dtype, Graph, InterpolatorCard, Layout, Training, save_card
from tests.material.onnx_bytes import FLOAT, TO_FLOAT, UINT8, field, node, tensor

AXES: dict[Layout, list[int | str]] = {
    Layout.NHWC: ["batch", "height", "width", 3],
    Layout.NCHW: ["batch", 3, "height", "width"],
}
ALONG_HEIGHT = field(5, field(1, "axis") + field(3, 1) + field(20, 2))
FLOATS = node("Cast", ["first"], "a", TO_FLOAT) + node("Cast", ["last"], "b", TO_FLOAT)
MEAN = FLOATS + node("Mean", ["a", "b"], "mean")

KINDS = {
    "mean": FLOATS + node("Mean", ["a", "b"], "middle"),
    "first": FLOATS + node("Identity", ["a"], "middle"),
    "last": FLOATS + node("Identity", ["b"], "middle"),
    "difference": FLOATS + node("Sub", ["b", "a"], "middle"),
    "sum": FLOATS + node("Add", ["a", "b"], "middle"),
    "not a number": MEAN + node("Sub", ["mean", "mean"], "zero") + node("Div", ["zero", "zero"], "middle"),
    "infinite": MEAN + node("Exp", ["mean"], "e") + node("Exp", ["e"], "middle"),
    "one above the other": FLOATS + node("Concat", ["a", "b"], "middle", ALONG_HEIGHT),
    # Multiplies the last two axes as matrices, which only goes wrong once it runs.
    "fails as it runs": MEAN + node("MatMul", ["mean", "mean"], "middle"),
}


def tiny_graph(
    kind: str = "mean",
    *,
    name: str = "g",
    layout: Layout = Layout.NHWC,
    dtype: Dtype = Dtype.UINT8,
    inputs: tuple[str, ...] = ("first", "last"),
    takes: list[int | str] | None = None,
    gives: list[int | str] | None = None,
) -> bytes:
    """An ONNX model from `first` and `last` to `middle`; another graph name makes another checksum."""
    code = UINT8 if dtype is Dtype.UINT8 else FLOAT
    inside = KINDS[kind] + field(2, name)
    inside += b"".join(field(11, tensor(one, code, takes or AXES[layout])) for one in inputs)
    inside += field(12, tensor("middle", FLOAT, gives or AXES[layout]))
    return field(1, 7) + field(8, field(2, 13)) + field(7, inside)


def tiny_card(content: bytes, **changes: object) -> InterpolatorCard:
    """A card that fits a graph, with entries exchanged."""
    card = InterpolatorCard(
        name="tiny",
        sha256=hashlib.sha256(content).hexdigest(),
        created_at="2026-01-31T12:00:00Z",
        code_version="0.1.0",
        description="for tests",
        graph=Graph(),
        training=Training(("clip.mp4",), "0" * 64, triplets=100, seed=0, steps=10, seconds=1.5),
        metrics={"golden_gain_db": 2.5},
    )
    return replace(card, **changes)  # type: ignore[arg-type]


def write_tiny(folder: Path, content: bytes | None = None, **changes: object) -> Path:
    """Write `model.onnx` and `card.json` into a folder, which is made; gives back the model's path."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "model.onnx"
    content = tiny_graph() if content is None else content
    model.write_bytes(content)
    save_card(tiny_card(content, **changes), folder / "card.json")
    return model


def slow_graph(rounds: int) -> bytes:
    """The mean, but by way of many square roots."""
    steps = FLOATS + node("Mean", ["a", "b"], "m0")
    for turn in range(rounds):
        steps += node("Sqrt", [f"m{turn}"], f"r{turn}") + node("Mul", [f"r{turn}", f"r{turn}"], f"m{turn + 1}")
    return steps + node("Identity", [f"m{rounds}"], "middle")
