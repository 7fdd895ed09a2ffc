"""Two frames in, the frame between them out: an ONNX interpolator, fed as its card says."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.interpolator_card import Dtype, Layout, load_interpolator
from sentinel_edge.networks.onnx import first_line, open_session

CHANNELS = 3
_TYPES = {Dtype.UINT8: "tensor(uint8)", Dtype.FLOAT32: "tensor(float)"}
_CHANNEL_AXIS = {Layout.NHWC: 3, Layout.NCHW: 1}


class Interpolator:
    """A verified frame interpolator.

    Attributes:
        card: The model's card.

    Raises:
        SentinelError: The model cannot be read, does not match its card, or is not an interpolator.
    """

    def __init__(self, model: Path, threads: int = 1) -> None:
        content, self.card = load_interpolator(model)
        self._model = model
        self._session = open_session(content, model, threads)
        graph = self.card.graph
        inputs = {node.name: (node.type, node.shape) for node in self._session.get_inputs()}
        outputs = {node.name: (node.type, node.shape) for node in self._session.get_outputs()}
        if set(inputs) != {graph.first, graph.last} or set(outputs) != {graph.output}:
            raise SentinelError(
                f"model {model} takes {_names(inputs)} and gives {_names(outputs)}; its card says it takes "
                f"{graph.first!r}, {graph.last!r} and gives {graph.output!r}"
            )
        for name, (kind, shape) in (inputs | outputs).items():
            expected = _TYPES[graph.dtype] if name in inputs else _TYPES[Dtype.FLOAT32]
            if kind != expected or not _is_picture(shape, graph.layout):
                raise SentinelError(
                    f"model {model} has {name} as {kind} {shape}; its card says {expected} {_expected(graph.layout)}"
                )
        shapes = [shape for _, shape in (inputs | outputs).values()]
        self._one_by_one = any(shape[0] == 1 for shape in shapes)

    def interpolate(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The frames half-way between pairs of frames.

        Args:
            first: uint8 (n, h, w, 3), red-green-blue, the earlier frames.
            last: The same for the later ones.

        Returns:
            float32 (n, h, w, 3), 0 to 255, not rounded.

        Raises:
            SentinelError: The graph fails as it runs, or gives another shape or what is not a number.
        """
        if first.shape != last.shape or first.ndim != 4 or first.shape[3] != CHANNELS or not first.size:
            raise ValueError(f"got {first.shape} and {last.shape}; expected twice the same (n, h, w, 3)")
        if first.dtype != np.uint8 or last.dtype != np.uint8:
            raise ValueError(f"got {first.dtype} and {last.dtype}; expected uint8")
        if self._one_by_one and len(first) > 1:
            return np.concatenate([self._run(one[None], other[None]) for one, other in zip(first, last, strict=True)])
        return self._run(first, last)

    def _run(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
        graph = self.card.graph
        feeds = {graph.first: self._fed(first), graph.last: self._fed(last)}
        fed = feeds[graph.first].shape
        try:
            (middle,) = self._session.run([graph.output], feeds)
        except Exception as error:  # ONNX Runtime raises its own unexported types
            raise SentinelError(
                f"model {self._model} failed on pictures {_size(first)} ({first_line(error)}); use another version"
            ) from error
        if middle.shape != fed:
            raise SentinelError(
                f"model {self._model} gives {list(middle.shape)} for pictures {list(fed)}; expected the same shape"
            )
        if graph.layout is Layout.NCHW:
            middle = middle.transpose(0, 2, 3, 1)
        _, height, width, _ = first.shape
        middle = middle[:, :height, :width]
        if not np.isfinite(middle).all():
            raise SentinelError(
                f"model {self._model} gives values that are not finite for pictures {_size(first)}; expected 0 to "
                f"{graph.scale}; use another version"
            )
        scaled = middle if graph.scale == 255 else middle * np.float32(255 / graph.scale)
        return np.ascontiguousarray(np.clip(scaled, 0, 255), np.float32)

    def _fed(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Pictures as the graph takes them: padded at their right and lower edges with the last column and row."""
        graph = self.card.graph
        _, height, width, _ = pictures.shape
        lower, right = -height % graph.multiple_of, -width % graph.multiple_of
        if lower or right:
            pictures = np.pad(pictures, ((0, 0), (0, lower), (0, right), (0, 0)), mode="edge")
        if graph.layout is Layout.NCHW:
            pictures = pictures.transpose(0, 3, 1, 2)
        if graph.dtype is Dtype.FLOAT32:
            return np.ascontiguousarray(pictures, np.float32) * np.float32(graph.scale / 255)
        return np.ascontiguousarray(pictures)


def _is_picture(shape: list[int | str | None], layout: Layout) -> bool:
    """Four axes; three channels; height and width free; a batch that is free or one."""
    channel = _CHANNEL_AXIS[layout]
    return len(shape) == 4 and all(
        not isinstance(size, int) or (axis == 0 and size == 1) or (axis == channel and size == CHANNELS)
        for axis, size in enumerate(shape)
    )


def _expected(layout: Layout) -> str:
    axes = "batch, height, width, 3" if layout is Layout.NHWC else "batch, 3, height, width"
    return f"[{axes}] with free height and width"


def _names(tensors: dict[str, tuple[str, list[int | str | None]]]) -> str:
    return ", ".join(map(repr, tensors)) or "nothing"


def _size(pictures: NDArray[np.uint8]) -> str:
    return f"of {pictures.shape[2]}x{pictures.shape[1]} pixels"
