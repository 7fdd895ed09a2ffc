"""The JSON card of a frame interpolator: what it is, what its graph takes and gives, and where it came from."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.embedder_card import read_model, require_checksum
from sentinel_edge.storage.documents import DocumentError, Fields, read_document, written
from sentinel_edge.storage.files import saving, write_atomically

CARD_VERSION = 1
KIND = "interpolator"
CARD_FILE = "card.json"
MAX_VERSION = 999_999
MAX_MULTIPLE = 512


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

    first: str = "first"
    last: str = "last"
    output: str = "middle"
    layout: Layout = Layout.NHWC
    dtype: Dtype = Dtype.UINT8
    scale: int = 255
    multiple_of: int = 1


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

    sources: tuple[str, ...]
    fingerprint: str
    triplets: int
    seed: int
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True)
class InterpolatorCard:
    """Everything that is known of an interpolator beside its ONNX file.

    Attributes:
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

    name: str
    sha256: str
    created_at: str
    code_version: str
    description: str
    graph: Graph = field(default_factory=Graph)
    training: Training | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    version: int | None = None
    parent: int | None = None
    parent_sha256: str | None = None

    def to_json(self) -> bytes:
        """The card as it is written: sorted, readable JSON.

        Raises:
            SentinelError: A field is not what a card may hold; a card that was written can be loaded.
        """
        fields = asdict(replace(self, metrics={}))
        document = {"schema_version": CARD_VERSION, "kind": KIND, **fields, "metrics": dict(self.metrics)}
        if self.training:
            document["training"]["sources"] = list(self.training.sources)
        try:
            _parse(document)
        except DocumentError as problem:
            raise SentinelError(f"the card of {self.name} {problem}") from problem
        return written(document)


def card_beside(model: Path) -> Path:
    """Where a model's card is: under its own name, or `card.json` where there is none."""
    named = model.with_suffix(".json")
    return named if named.exists() else model.with_name(CARD_FILE)


def load_card(path: Path) -> InterpolatorCard:
    """Read a card; every field is checked.

    Raises:
        SentinelError: It cannot be read or is not a card: the file, what was found, what was expected.
    """
    try:
        return _parse(read_document(path))
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


def _parse(document: Any) -> InterpolatorCard:
    fields = Fields(document)
    fields.one_of("schema_version", CARD_VERSION)
    fields.one_of("kind", KIND)
    card = InterpolatorCard(
        name=fields.text("name", r"[^\s/][^\n/]{0,99}", "a name without slashes, at most 100 characters"),
        sha256=fields.sha256("sha256"),
        created_at=fields.time("created_at"),
        code_version=fields.text("code_version"),
        description=fields.text("description"),
        graph=_graph(fields.fields("graph")),
        training=None if fields.absent("training") else _training(fields.fields("training")),
        metrics=fields.numbers("metrics"),
        version=None if fields.absent("version") else fields.whole("version", 1, MAX_VERSION),
        parent=None if fields.absent("parent") else fields.whole("parent", 1, MAX_VERSION),
        parent_sha256=None if fields.absent("parent_sha256") else fields.sha256("parent_sha256"),
    )
    fields.done()
    if card.parent is not None and card.parent_sha256 is None:
        raise DocumentError(f"has parent {card.parent} without parent_sha256; expected both, or neither")
    return card


def _graph(fields: Fields) -> Graph:
    graph = Graph(
        first=fields.text("first"),
        last=fields.text("last"),
        output=fields.text("output"),
        layout=Layout(fields.one_of("layout", *map(str, Layout))),
        dtype=Dtype(fields.one_of("dtype", *map(str, Dtype))),
        scale=fields.one_of("scale", 255, 1),
        multiple_of=fields.whole("multiple_of", 1, MAX_MULTIPLE),
    )
    fields.done()
    if graph.first == graph.last:
        raise DocumentError(f"has {graph.first!r} for both graph.first and graph.last; expected two inputs")
    if graph.dtype is Dtype.UINT8 and graph.scale != 255:
        raise DocumentError("has graph.scale 1 with graph.dtype uint8; expected scale 255, or dtype float32")
    return graph


def _training(fields: Fields) -> Training:
    training = Training(
        sources=fields.texts("sources"),
        fingerprint=fields.sha256("fingerprint"),
        triplets=fields.whole("triplets", 1, 10**12),
        seed=fields.whole("seed", 0, 2**63 - 1),
        steps=fields.whole("steps", 0, 10**12),
        seconds=fields.number("seconds", 0.0),
    )
    fields.done()
    return training
