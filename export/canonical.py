"""One network, one file: an ONNX graph rewritten so that its bytes depend on nothing but what it computes.

Converters number tensors from global counters and walk hash tables, so the same network comes out under
other names and in another order every time. A baseline is tied to the sha256 of the model it was made with; a
re-export must not orphan it.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCER = "sentinel-edge"
IR_VERSION = 8
BATCH = "batch"


def canonical(model: onnx.ModelProto, *, name: str) -> onnx.ModelProto:
    """Rewrite a model under canonical names and in canonical order.

    Nodes come in the order in which walking back from the outputs completes them, each named for its operator
    and a count (`conv_0`); a tensor is named for its node, a constant for its first use and the operator's
    own word for that input (`conv_0.W`). Documentation, shapes of intermediate tensors and the converter's
    signature are dropped. Graph inputs and outputs keep their names; their first dimension is `batch`.

    Args:
        model: a model of one default-domain opset, without functions or nested graphs.
        name: the name of the graph.

    Returns:
        A new, checked model that computes the same.
    """
    graph = model.graph
    opset = next(entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"})
    stored = {tensor.name: tensor for tensor in graph.initializer}
    names = {value.name: value.name for value in [*graph.input, *graph.output]}
    constants: list[onnx.TensorProto] = []
    nodes: list[onnx.NodeProto] = []
    counts: Counter[str] = Counter()

    for node in _from_outputs(graph):
        operator = node.op_type.lower()
        title = f"{operator}_{counts[operator]}"
        counts[operator] += 1
        for slot, tensor in enumerate(node.input):
            if tensor in stored and tensor not in names:
                names[tensor] = f"{title}.{_formal_name(node, slot, opset)}"
                # Through an array and back: always stored as raw bytes.
                values = numpy_helper.to_array(stored[tensor])
                constants.append(numpy_helper.from_array(values, names[tensor]))
        for slot, tensor in enumerate(node.output):
            names.setdefault(tensor, title if len(node.output) == 1 else f"{title}.{slot}")
        nodes.append(_renamed(node, title, names))

    rewritten = helper.make_graph(
        nodes,
        name,
        [_batched(value) for value in graph.input],
        [_batched(value) for value in graph.output],
        constants,
    )
    result = helper.make_model(
        rewritten,
        producer_name=PRODUCER,
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", opset)],
    )
    onnx.checker.check_model(result, full_check=True)
    return result


def _from_outputs(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes the outputs need, each after those it needs, whatever order they are stored in."""
    makers = {tensor: node for node in graph.node for tensor in node.output}
    done: set[str] = set()
    pending = [value.name for value in reversed(graph.output)]
    while pending:
        maker = makers.get(pending[-1])
        if maker is None or maker.output[0] in done:
            pending.pop()
            continue
        waiting = [tensor for tensor in maker.input if tensor in makers and makers[tensor].output[0] not in done]
        if waiting:
            pending.extend(reversed(waiting))
        else:
            done.add(maker.output[0])
            yield maker


def _formal_name(node: onnx.NodeProto, slot: int, opset: int) -> str:
    """What the ONNX specification calls this input of the operator."""
    formal = onnx.defs.get_schema(node.op_type, opset, node.domain).inputs
    return str(formal[slot].name) if slot < len(formal) else f"{formal[-1].name}{slot}"


def _renamed(node: onnx.NodeProto, title: str, names: dict[str, str]) -> onnx.NodeProto:
    copy = onnx.NodeProto(op_type=node.op_type, domain=node.domain, name=title)
    copy.input.extend(names.get(tensor, "") for tensor in node.input)
    copy.output.extend(names[tensor] for tensor in node.output)
    copy.attribute.extend(sorted(node.attribute, key=lambda attribute: str(attribute.name)))
    return copy


def _batched(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    return helper.make_tensor_value_info(value.name, tensor.elem_type, [BATCH, *sizes[1:]])
