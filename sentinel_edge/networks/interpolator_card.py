"""The JSON card of a frame interpolator: what it is, what its graph takes and gives, and where it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from msgspec import to_builtins

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.embedder_card import read_model, require_checksum
from sentinel_edge.storage.documents import (
    Amount,
    DocumentError,
    Moment,
    Number,
    Sha256,
    Text,
    Texts,
    fitting,
    read_document,
    typed,
    whole,
    written,
)
from sentinel_edge.storage.files import saving, write_atomically

CARD_FILE = "card.json"
MAX_VERSION = 999_999

Version = Annotated[int, whole(1, MAX_VERSION)]
"""The number of a version in a registry."""


class Layout(StrEnum):
    """The order of a picture's axes in the graph, after the batch."""

    NHWC = "nhwc"
    NCHW = "nchw"


class Dtype(StrEnum):
    """What the graph takes; it always gives float32."""

    UINT8 = "uint8"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Graph:
    """How to feed the graph; the default is our own network's way.

    Attributes:
        first: Name of the input that takes the earlier frame.
        last: Name of the input that takes the later frame.
        output: Name of the output, the frame between them: float32.
        layout: nhwc or nchw; channels are red, green, blue.
        dtype: Of both inputs.
        scale: What white is, in the inputs and in the output: 255 or 1.
        multiple_of: Height and width the graph needs are multiples of this; the caller's pictures are padded.
    """

    first: Text = "first"
    last: Text = "last"
    output: Text = "middle"
    layout: Layout = Layout.NHWC
    dtype: Dtype = Dtype.UINT8
    scale: Literal[255, 1] = 255
    multiple_of: Annotated[int, whole(1, 512)] = 1

    def __post_init__(self) -> None:
        if self.first == self.last:
            raise DocumentError(f"has {self.first!r} for both graph.first and graph.last; expected two inputs")
        if self.dtype is Dtype.UINT8 and self.scale != 255:
            raise DocumentError("has graph.scale 1 with graph.dtype uint8; expected scale 255, or dtype float32")


@dataclass(frozen=True, slots=True)
class Training:
    """What a network was trained on, and for how long.

    Attributes:
        sources: Names of the footage.
        fingerprint: SHA-256 of the triplets in the order they were used for training.
        triplets: How many there were.
        seed: Of everything random.
        steps: Updates of the weights.
        seconds: Wall time.
    """

    sources: Texts
    fingerprint: Sha256
    triplets: Annotated[int, whole(1, 10**12)]
    seed: Annotated[int, whole(0, 2**63 - 1)]
    steps: Annotated[int, whole(0, 10**12)]
    seconds: Amount


@dataclass(frozen=True, slots=True)
class InterpolatorCard:
    """Everything that is known of an interpolator beside its ONNX file.

    Attributes:
        schema_version: Of cards of this kind.
        kind: What tells it from other models' cards.
        name: Of the network.
        sha256: Of the ONNX file.
        created_at: ISO 8601, UTC.
        code_version: Of the package that made it.
        description: In a sentence or two, for people.
        graph: How to feed it.
        training: None for a network that was made elsewhere.
        metrics: What was measured on it: finite numbers by name, the unit at the name's end (`gain_db`).
        version: Its number in a registry; None before it is registered.
        parent: The number of the version it was fine-tuned from; None where that is in no registry.
        parent_sha256: That version's ONNX file; None for one trained from scratch.
    """

    schema_version: Literal[1] = field(default=1, kw_only=True)
    kind: Literal["interpolator"] = field(default="interpolator", kw_only=True)
    name: Annotated[str, fitting(r"[^\s/][^\n/]{0,99}", "a name without slashes, at most 100 characters")]
    sha256: Sha256
    created_at: Moment
    code_version: Text
    description: Text
    graph: Graph = field(default_factory=Graph)
    training: Training | None = None
    metrics: Mapping[str, Number] = field(default_factory=dict)
    version: Version | None = None
    parent: Version | None = None
    parent_sha256: Sha256 | None = None

    def __post_init__(self) -> None:
        if self.parent is not None and self.parent_sha256 is None:
            raise DocumentError(f"has parent {self.parent} without parent_sha256; expected both, or neither")

    def to_json(self) -> bytes:
        """The card as it is written: sorted, readable JSON.

        Raises:
            SentinelError: A field is not what a card may hold; a card that was written can be loaded.
        """
        try:
            typed(to_builtins(self), InterpolatorCard)
        except DocumentError as problem:
            raise SentinelError(f"the card of {self.name} {problem}") from problem
        return written(self)


def card_beside(model: Path) -> Path:
    """Where a model's card is: under its own name, or `card.json` where there is none."""
    named = model.with_suffix(".json")
    try:
        there = named.exists()
    except OSError:  # as of a name that is too long: whoever reads it is told
        there = True
    return named if there else model.with_name(CARD_FILE)


def load_card(path: Path) -> InterpolatorCard:
    """Read a card; every field is checked.

    Raises:
        SentinelError: It cannot be read or is not a card: the file, what was found, what was expected.
    """
    try:
        return read_document(path, InterpolatorCard)
    except OSError as error:
        raise SentinelError(
            f"cannot read model card {path}: {error.strerror}; expected {CARD_FILE}, or a card under the model's own "
            "name, beside the model"
        ) from error
    except DocumentError as problem:
        raise SentinelError(f"model card {path} {problem}") from problem


def save_card(card: InterpolatorCard, path: Path) -> None:
    """Write a card, whole or not at all.

    Raises:
        SentinelError: It holds what a card may not, or the folder cannot be written.
    """
    content = card.to_json()
    with saving(f"model card {path}"):
        write_atomically(path, content)


def load_interpolator(model: Path) -> tuple[bytes, InterpolatorCard]:
    """Read an interpolator's ONNX file and its card and hold the one against the other.

    Returns:
        The verified bytes of the model (so that what was checked is what runs) and its card.

    Raises:
        SentinelError: File or card is missing or unreadable, or the checksum is not the card's.
    """
    content = read_model(model, "name one with --model, or `make train-vfi`")
    card = load_card(card_beside(model))
    require_checksum(model, content, card.sha256, "restore the file, or use another version")
    return content, card
