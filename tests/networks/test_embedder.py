"""Frames to embeddings, through the real model."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel_edge import assets
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import VideoReader, fit_frame
from sentinel_edge.networks.embedder import Embedder, EmbeddingStream
from tests.conftest import INCOMING


@given(st.integers(1, 700), st.integers(1, 900), st.integers(1, 64), st.integers(1, 64))
@settings(deadline=None, max_examples=50)
def test_any_frame_fits_any_model(height: int, width: int, to_height: int, to_width: int) -> None:
    frame = np.full((height, width, 3), (10, 20, 30), np.uint8)
    fitted = fit_frame(frame, to_width, to_height)
    assert fitted.shape == (to_height, to_width, 3)
    assert fitted.dtype == np.uint8
    assert (fitted == (30, 20, 10)).all(), "a flat picture stays flat, and becomes red-green-blue"


def test_fitting_is_close_to_exact_area_averaging() -> None:
    with VideoReader(INCOMING) as video:
        _, frame = next(iter(video))
    frame = cv2.resize(frame, (1920, 1080), interpolation=cv2.INTER_CUBIC)  # type: ignore[assignment]
    exact = cv2.resize(frame, (224, 224), interpolation=cv2.INTER_AREA)[..., ::-1]
    error = np.abs(fit_frame(frame, 224, 224).astype(int) - exact).mean()
    aliased = np.abs(cv2.resize(frame, (224, 224))[..., ::-1].astype(int) - exact).mean()
    assert error < 4
    assert error < aliased


def test_a_stream_gives_what_single_calls_give_in_order(embedder: Embedder) -> None:
    with VideoReader(INCOMING) as video:
        frames = [embedder.fit(frame) for _, frame in islice(video, 11)]
    stream = EmbeddingStream(embedder)
    streamed = [stream.take(frame) for frame in frames]
    stream.close()
    assert all(embedding.done() for embedding in streamed)
    for embedding, frame in zip(streamed, frames, strict=True):
        np.testing.assert_allclose(embedding.result(), embedder.embed(frame[None])[0], atol=1e-4)


def test_what_goes_wrong_in_the_background_reaches_whoever_waits(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> NDArray[np.float32]:
        raise SentinelError("the model is broken")

    monkeypatch.setattr(embedder, "embed", broken)
    stream = EmbeddingStream(embedder)
    streamed = [stream.take(np.zeros((224, 224, 3), np.uint8)) for _ in range(5)]
    stream.close()
    for embedding in streamed:
        with pytest.raises(SentinelError, match="the model is broken"):
            embedding.result(timeout=60)


@pytest.fixture
def model_copy(tmp_path: Path) -> Path:
    source = assets.default_model()
    for suffix in (".onnx", ".json"):
        shutil.copy(source.with_suffix(suffix), tmp_path / f"model{suffix}")
    return tmp_path / "model.onnx"


def test_a_model_under_another_name_works_through_its_card_alone(model_copy: Path) -> None:
    assert Embedder(model_copy).dimensions == 1280


def test_a_model_that_is_not_its_cards_is_refused(model_copy: Path) -> None:
    content = bytearray(model_copy.read_bytes())
    content[len(content) // 2] ^= 1
    model_copy.write_bytes(content)
    with pytest.raises(SentinelError, match=r"does not match its card: sha256 .* found, .* expected"):
        Embedder(model_copy)


def test_a_card_may_say_more_and_leave_out_what_goes_without_saying(model_copy: Path) -> None:
    card = model_copy.with_suffix(".json")
    document = json.loads(card.read_text())
    named = {"name": document["input"]["name"], "dtype": "uint8", "shape": document["input"]["shape"]}
    needed = {key: document[key] for key in ("schema_version", "name", "sha256", "output")} | {"input": named}
    for enough in (needed, needed | {"licence": {"of": ["weights"]}, "input": named | {"mean": 0.5}}):
        card.write_text(json.dumps(enough))
        assert Embedder(model_copy).dimensions == 1280
    for wrong, said in (
        ({"input": named | {"color": "BGR"}}, "input.color \"BGR\"; expected 'RGB'"),
        ({"kind": "interpolator"}, "kind \"interpolator\"; expected 'embedder'"),
        ({"sha256": None}, "sha256 null; expected a SHA-256"),
    ):
        card.write_text(json.dumps(needed | wrong))
        with pytest.raises(SentinelError, match=f"is not a version 1 card: it has {re.escape(said)}"):
            Embedder(model_copy)


def test_missing_or_unreadable_cards_and_models_are_one_clear_line(model_copy: Path) -> None:
    card = model_copy.with_suffix(".json")
    document = json.loads(card.read_text())
    for content in ("{", "[]", "{}", json.dumps(document | {"schema_version": 99})):
        card.write_text(content)
        with pytest.raises(SentinelError, match="is not a version 1 card"):
            Embedder(model_copy)
    for key, wrong in (("input", {"name": "other"}), ("output", {"shape": ["batch"]})):
        card.write_text(json.dumps(document | {key: document[key] | wrong}))
        with pytest.raises(SentinelError, match="its card says"):
            Embedder(model_copy)
    card.unlink()
    with pytest.raises(SentinelError, match="cannot read model card"):
        Embedder(model_copy)
    model_copy.unlink()
    with pytest.raises(SentinelError, match="cannot read model "):
        Embedder(model_copy)


def test_the_runtime_tells_nobody_that_it_runs(tmp_path: Path) -> None:
    """ONNX Runtime's builds write an identifier under the home folder and report it, unless told not to."""
    home = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | home
    code = (
        "from sentinel_edge import assets; from sentinel_edge.networks.embedder import Embedder; "
        "Embedder(assets.default_model())"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, check=True, timeout=60)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize("rows", [1, 3])
def test_a_model_that_gives_another_number_of_rows_is_an_error_and_nobody_waits_for_ever(
    embedder: Embedder, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(embedder, "embed", lambda _: np.zeros((rows, 1280), np.float32))
    stream = EmbeddingStream(embedder)
    waiting = [stream.take(np.zeros((224, 224, 3), np.uint8)) for _ in range(2)]
    stream.close()
    assert all(future.done() for future in waiting)
    assert rows > 2 or isinstance(waiting[1].exception(0), ValueError)
