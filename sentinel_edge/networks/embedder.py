"""An ONNX file and its card become embeddings.

Knows nothing about video or about any particular network: names, shapes and types are read from the graph
and held against the model card beside it.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import fit_frame
from sentinel_edge.networks.embedder_card import Tensor, load_model
from sentinel_edge.networks.onnx import first_line, open_session

BATCH_SIZE = 2
"""Frames in one inference call: as fast as four with one single-threaded worker a core, at half the memory."""


ONNX_TYPES = {"uint8": "tensor(uint8)", "float32": "tensor(float)"}
"""The types an embedder may take and give: a card's word for each, and ONNX Runtime's."""


class Embedder:
    """A verified embedding model: uint8 frames in, float32 embeddings out.

    Attributes:
        card: The model's card.
        width: Of the frames it takes, in pixels.
        height: Of the frames it takes, in pixels.
        dimensions: Length of one embedding.
        threads: Number of inference workers.

    Raises:
        SentinelError: The model cannot be read, does not match its card, or is not an image embedder.
    """

    def __init__(self, model: Path, threads: int | None = None) -> None:
        content, self.card = load_model(model)
        self.threads = threads or len(os.sched_getaffinity(0))
        # One call per core, one thread per call.
        self._session = open_session(content, model)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        self._check(model, self.card.input, [(node.name, node.type, node.shape) for node in inputs])
        self._check(model, self.card.output, [(node.name, node.type, node.shape) for node in outputs])
        shape = inputs[0].shape
        if inputs[0].type != "tensor(uint8)" or len(shape) != 4 or shape[3] != 3 or not _sizes(shape[1:3]):
            raise SentinelError(
                f"model {model} takes {inputs[0].type} {shape}; expected tensor(uint8) [batch, height, width, 3]"
            )
        if outputs[0].type != "tensor(float)" or len(outputs[0].shape) != 2 or not _sizes(outputs[0].shape[1:]):
            raise SentinelError(
                f"model {model} gives {outputs[0].type} {outputs[0].shape}; expected tensor(float) [batch, dimensions]"
            )
        self.height, self.width = int(shape[1]), int(shape[2])
        self.dimensions = int(outputs[0].shape[1])

    @staticmethod
    def _check(model: Path, described: Tensor, found: list[tuple[str, str, list[int | str]]]) -> None:
        same = len(found) == 1 and all(
            (name, kind, len(shape)) == (described.name, ONNX_TYPES.get(described.dtype), len(described.shape))
            and all(
                not isinstance(size, int) or size == said for size, said in zip(shape, described.shape, strict=True)
            )
            for name, kind, shape in found
        )
        if not same:
            has = ", ".join(f"{name} {kind} {shape}" for name, kind, shape in found) or "none"
            raise SentinelError(
                f"model {model} has {has}; its card says {described.name} {described.dtype} {list(described.shape)}: "
                "export the model again"
            )

    def fit(self, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Bring a decoded frame to this model's input: see `fit_frame`."""
        return fit_frame(frame, self.width, self.height)

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed a batch, uint8 (n, height, width, 3) RGB, to float32 (n, dimensions).

        Raises:
            SentinelError: The graph fails as it runs.
        """
        try:
            (embeddings,) = self._session.run([self.card.output.name], {self.card.input.name: frames})
        except Exception as error:  # ONNX Runtime raises its own unexported types
            raise SentinelError(
                f"model {self.card.name} failed on a batch of {len(frames)} frames ({first_line(error)}); "
                "export the model again"
            ) from error
        if embeddings.shape != (len(frames), self.dimensions):
            raise SentinelError(
                f"model {self.card.name} gave {list(embeddings.shape)} for {len(frames)} frames; expected "
                f"{[len(frames), self.dimensions]}: export the model again"
            )
        return np.asarray(embeddings, np.float32)


class EmbeddingStream:
    """Embeds fitted frames in the background as they come, `BATCH_SIZE` neighbours in a call, one call a core.

    Decoding and resizing, in the thread that calls `take`, so overlap with inference.

    Attributes:
        ahead: Frames that may be taken beyond one before that one's embedding is waited for: enough for every worker
            to have work, few enough for memory not to grow with the stream.
    """

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._pool = ThreadPoolExecutor(embedder.threads, thread_name_prefix="embed")
        self._batch: list[_Wanted] = []
        self.ahead = BATCH_SIZE * (2 * embedder.threads + 1) - 1

    def take(
        self, frame: NDArray[np.uint8], then: Callable[[NDArray[np.float32]], Any] = lambda embedding: embedding
    ) -> Future[Any]:
        """The embedding of one frame, float32 (d,), sooner or later; what `then` makes of it."""
        future: Future[Any] = Future()
        self._batch.append((frame, then, future))
        if len(self._batch) == BATCH_SIZE:
            self._submit()
        return future

    def close(self) -> None:
        """Embed what is left; every future is done when this returns."""
        if self._batch:
            self._submit()
        self._pool.shutdown(wait=True)

    def _submit(self) -> None:
        batch, self._batch = self._batch, []
        self._pool.submit(self._embed, batch)

    def _embed(self, batch: list["_Wanted"]) -> None:
        """Every future gets a result or what went wrong: one that is left open would be waited for for ever."""
        try:
            embeddings = self._embedder.embed(np.stack([frame for frame, _, _ in batch]))
            for (_, then, future), embedding in zip(batch, embeddings, strict=True):
                future.set_result(then(embedding))
        except BaseException as error:
            for _, _, future in batch:
                if not future.done():
                    future.set_exception(error)


_Wanted = tuple[NDArray[np.uint8], Callable[[NDArray[np.float32]], Any], Future[Any]]


def _sizes(shape: list[int | str]) -> bool:
    return all(isinstance(size, int) and size > 0 for size in shape)
