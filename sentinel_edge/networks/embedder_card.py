"""The JSON card beside an ONNX file: what the model is, what it takes and gives, and its checksum."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.external_data import external_data_problem
from sentinel_edge.storage.documents import DocumentError, Sha256, read_document
from sentinel_edge.storage.files import read_limited

MAX_MODEL_BYTES = 2**31


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output of a graph as its card describes it; `shape` holds sizes or names of free axes."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Frames(Tensor):
    """The input: pictures, whose channels can be in one order only."""

    color: Literal["RGB"] = "RGB"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What the runtime needs of a model's card; a card says more, for people."""

    schema_version: Literal[1] = field(kw_only=True)
    kind: Literal["embedder"] = field(default="embedder", kw_only=True)
    name: str
    sha256: Sha256
    input: Frames
    output: Tensor


def load_model(path: Path) -> tuple[bytes, ModelCard]:
    """Read an ONNX file and its card and hold the one against the other.

    Returns:
        The verified bytes of the model (so that what was checked is what runs) and its card.

    Raises:
        SentinelError: File or card is missing or unreadable, or the checksum is not the card's.
    """
    card_path = path.with_suffix(".json")
    model = read_model(path, "run `make export` or pass --model")
    try:
        card = read_document(card_path, ModelCard, exact=False)
    except OSError as error:
        raise SentinelError(
            f"cannot read model card {card_path}: {error.strerror}; expected a card beside the model"
        ) from error
    except DocumentError as problem:
        raise SentinelError(
            f"model card {card_path} is not a version 1 card: it {problem}; export the model again"
        ) from problem
    require_checksum(path, model, card.sha256, "restore the file or export the model again")
    return model, card


def read_model(path: Path, remedy: str) -> bytes:
    """The content of an ONNX file.

    Raises:
        SentinelError: It cannot be read; the message ends with the remedy.
    """
    try:
        return read_limited(path, MAX_MODEL_BYTES)
    except OSError as error:
        raise SentinelError(f"cannot read model {path}: {error.strerror}; expected an ONNX file, {remedy}") from error


def require_checksum(path: Path, model: bytes, expected: str, remedy: str) -> None:
    """Refuse a model that is not the one its card describes, all of it.

    Raises:
        SentinelError: The SHA-256 is another, or vouches for a part only, the rest being in other files; the message
            ends with the remedy.
    """
    found = hashlib.sha256(model).hexdigest()
    if found != expected:
        raise SentinelError(
            f"model {path} does not match its card: sha256 {found[:12]}… found, {expected[:12]}… expected; {remedy}"
        )
    problem = external_data_problem(model)
    if problem:
        raise SentinelError(f"model {path} {problem}; expected one ONNX file that holds all of it; {remedy}")
