"""The card beside a model: what it takes, what it gives and where it came from, as the runtime reads it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from sentinel_edge.storage.files import saving

if TYPE_CHECKING:
    from export.embedder.selfcheck import Agreement
    from export.embedder.weights import Weights

SCHEMA_VERSION = 1
TOOLS = {
    "tensorflow": "tensorflow-cpu",
    "keras": "keras",
    "tf2onnx": "tf2onnx",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
}


def describe(
    exported: bytes, *, file: Path, description: str, weights: Weights, agreement: Agreement
) -> dict[str, Any]:
    """Write the card of an embedder; input, output and opset are read from the graph itself."""
    model = onnx.load_from_string(exported)
    (frames,), (embeddings,) = model.graph.input, model.graph.output
    provenance = asdict(weights)
    del provenance["path"]  # where it lay on this machine is nobody's business
    return {
        "schema_version": SCHEMA_VERSION,
        "name": file.stem,
        "description": description,
        "file": file.name,
        "sha256": hashlib.sha256(exported).hexdigest(),
        "bytes": len(exported),
        "kind": "embedder",
        "input": {**_tensor(frames), "layout": "NHWC", "color": "RGB"},
        "output": _tensor(embeddings),
        "opset": model.opset_import[0].version,
        "weights": provenance,
        "versions": {tool: version(package) for tool, package in TOOLS.items()},
        "check": asdict(agreement),
    }


def publish(exported: bytes, card: dict[str, Any], file: Path) -> None:
    """Put the model at `file` and its card beside it, each whole or not at all, the card last.

    A reader that meets the moment between the two finds a model its card does not match, and refuses it.

    Raises:
        SentinelError: the folder cannot be written.
    """
    text = json.dumps(card, indent=2, ensure_ascii=False) + "\n"
    with saving(str(file), "pass an --output that can be written"):
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=".export-") as folder:
            model, beside = Path(folder, "model"), Path(folder, "card")
            model.write_bytes(exported)
            beside.write_text(text, encoding="utf-8")
            model.replace(file)
            beside.replace(file.with_suffix(".json"))


def _tensor(value: onnx.ValueInfoProto) -> dict[str, Any]:
    tensor = value.type.tensor_type
    return {
        "name": value.name,
        "dtype": onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type).name,
        "shape": [dimension.dim_param or dimension.dim_value for dimension in tensor.shape.dim],
    }
