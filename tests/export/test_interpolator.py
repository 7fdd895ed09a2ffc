"""Training the interpolator: what it learns from, what it writes, and what it refuses.

All tests are marked `export`: they run the workshop in the interpreter that SENTINEL_EXPORT_PYTHON names.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.triplets import read_triplets
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.interpolator_card import load_interpolator
from sentinel_edge.networks.score import Silence, examine
from sentinel_edge.promotion.registry import Registry
from tests.export.test_embedder import execute, the_one_line
from tests.material.interpolators import tiny_card, tiny_graph, write_tiny

ROOT = Path(__file__).parents[2]
PAST = ROOT / "tests" / "data" / "campus-past.mp4"
INCOMING = ROOT / "tests" / "data" / "campus-incoming.mp4"
STEPS = 60
pytestmark = pytest.mark.export


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short clips: `old` and `new` move, `half` is `new` at half its rate, `still` and `frozen` teach nothing."""
    folder = tmp_path_factory.mktemp("clips")
    old, new = (frames_of(path, 130) for path in (PAST, INCOMING))
    write(folder / "old.avi", old)
    write(folder / "new.avi", new)
    write(folder / "half.avi", frames_of(INCOMING, 300)[::2], fps=5.0)
    write(folder / "still.avi", [old[0]] * 60)
    write(folder / "frozen.avi", [frame for frame in old[:60] for _ in range(2)])
    return folder


@pytest.fixture(scope="module")
def trained(workshop_python: str, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that was trained for a few steps."""
    folder = tmp_path_factory.mktemp("trained")
    run = train(workshop_python, clips / "old.avi", folder)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def retrained(workshop_python: str, clips: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, fine-tuned on new footage for a few steps."""
    folder = tmp_path_factory.mktemp("retrained")
    run = retrain(workshop_python, trained, clips / "half.avi", clips / "old.avi", folder)
    assert run.returncode == 0, run.stderr
    return folder


def test_a_few_steps_from_scratch_already_beat_averaging_on_later_footage(trained: Path) -> None:
    metrics = card(trained)["metrics"]
    assert metrics["validation_triplets"] >= 4
    assert metrics["validation_psnr_gain_db"] > 0.3


def test_training_leaves_the_model_and_its_card_and_nothing_else(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["card.json", "model.onnx"]
    content, found = load_interpolator(trained / "model.onnx")
    assert found.sha256 == hashlib.sha256(content).hexdigest()
    assert found.training is not None
    assert found.training.sources == ("old.avi",)
    assert found.training.steps == STEPS
    assert (found.version, found.parent, found.parent_sha256) == (None, None, None)


def test_the_file_is_small_standard_and_its_sizes_are_open(trained: Path) -> None:
    assert (trained / "model.onnx").stat().st_size < 1_500_000
    session = ort.InferenceSession(trained / "model.onnx", providers=["CPUExecutionProvider"])
    assert {node.name: (node.type, node.shape) for node in session.get_inputs()} == {
        "first": ("tensor(uint8)", ["batch", "height", "width", 3]),
        "last": ("tensor(uint8)", ["batch", "height", "width", 3]),
    }
    (output,) = session.get_outputs()
    assert (output.name, output.type, output.shape) == (
        "middle",
        "tensor(float)",
        ["batch", "height", "width", 3],
    )


def test_any_size_and_any_batch_give_what_each_pair_gives_alone(trained: Path) -> None:
    interpolator = Interpolator(trained / "model.onnx")
    random = np.random.default_rng(0)
    for height, width in ((16, 16), (17, 33), (48, 80), (50, 21)):
        first, last = (random.integers(0, 256, (3, height, width, 3)).astype(np.uint8) for _ in range(2))
        together = interpolator.interpolate(first, last)
        assert together.shape == first.shape
        alone = np.concatenate([interpolator.interpolate(first[[i]], last[[i]]) for i in range(3)])
        np.testing.assert_allclose(together, alone, atol=0.01)


def test_what_stands_still_comes_out_as_it_went_in(trained: Path) -> None:
    frame = next(iter(triplets(PAST))).first[None]
    middle = Interpolator(trained / "model.onnx").interpolate(frame, frame)
    assert float(np.abs(middle - frame).mean()) < 2.0


def test_what_judges_is_later_than_what_was_trained_on_and_apart_from_it(workshop_python: str, clips: Path) -> None:
    script = """
        import pathlib, sys
        import cv2
        from export.interpolator.triplets import FINE_TUNING, GAP_FRAMES, read_material
        from sentinel_edge.footage.clips import find_clips
        from sentinel_edge.footage.triplets import read_triplets

        path = pathlib.Path(sys.argv[1])
        material = read_material([path], FINE_TUNING)
        frame = 0.1
        length = 129 * frame
        def spans(triplets):
            return (min(t.seconds - t.gaps[0] for t in triplets), max(t.seconds + t.gaps[1] for t in triplets))
        checks, held_out = spans(material.checks), spans(material.held_out)
        assert 0.6 * length + (GAP_FRAMES - 1) * frame < checks[0] and checks[1] <= 0.75 * length + 0.01, checks
        assert 0.75 * length + (GAP_FRAMES - 1) * frame < held_out[0] and held_out[1] <= length + 0.01, held_out
        # No crop shows a frame from after the training part.
        late = [t.middle for t in read_triplets(find_clips(path)) if t.seconds > 0.6 * length]
        for crop in material.crops[0][-4:, 1]:
            assert min(cv2.matchTemplate(frame, crop, cv2.TM_SQDIFF).min() for frame in late) > 1000
    """
    run = execute(workshop_python, script, clips / "old.avi")
    assert run.returncode == 0, run.stderr


def test_crops_are_where_something_moves(workshop_python: str) -> None:
    script = """
        import pathlib, sys
        import numpy as np
        from export.interpolator.triplets import FROM_SCRATCH, read_material

        material = read_material([pathlib.Path(sys.argv[1])], FROM_SCRATCH)
        moving = [np.abs(c[0].astype(int) - c[2]).max(axis=-1) > 12 for crops in material.crops for c in crops]
        print(np.mean([part.mean() > 0.002 for part in moving]))
    """
    run = execute(workshop_python, script, PAST)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) > 0.95


def test_the_same_seed_and_steps_give_the_same_metric(
    workshop_python: str, clips: Path, trained: Path, tmp_path: Path
) -> None:
    run = train(workshop_python, clips / "old.avi", tmp_path)
    assert run.returncode == 0, run.stderr
    one, other = card(trained), card(tmp_path)
    assert one["training"]["fingerprint"] == other["training"]["fingerprint"]
    gains = [found["metrics"]["validation_psnr_gain_db"] for found in (one, other)]
    assert gains[0] == pytest.approx(gains[1], abs=0.05)


def test_weights_read_back_from_the_file_export_to_the_same_bytes(workshop_python: str, trained: Path) -> None:
    script = """
        import pathlib, sys
        from export.interpolator.graph import from_onnx, to_onnx

        path = pathlib.Path(sys.argv[1])
        assert to_onnx(from_onnx(path)) == path.read_bytes()
    """
    run = execute(workshop_python, script, trained / "model.onnx")
    assert run.returncode == 0, run.stderr


def test_no_step_of_retraining_gives_the_champion_back(
    workshop_python: str, clips: Path, trained: Path, tmp_path: Path
) -> None:
    run = retrain(workshop_python, trained, clips / "new.avi", clips / "old.avi", tmp_path, "--steps", "0")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "model.onnx").read_bytes() == (trained / "model.onnx").read_bytes()


def test_retraining_begins_where_the_champion_is_and_gains_on_the_new(retrained: Path, trained: Path) -> None:
    found = card(retrained)
    assert found["parent_sha256"] == card(trained)["sha256"]
    assert found["training"]["sources"] == ["half.avi", "old.avi"]
    metrics = found["metrics"]
    assert metrics["new_psnr_gain_db"] > metrics["parent_new_psnr_gain_db"]
    assert metrics["old_psnr_gain_db"] > metrics["parent_old_psnr_gain_db"] - 0.2


def test_a_control_never_sees_the_new_footage(workshop_python: str, clips: Path, trained: Path, tmp_path: Path) -> None:
    run = retrain(
        workshop_python, trained, clips / "half.avi", clips / "old.avi", tmp_path, "--control", "--steps", "5"
    )
    assert run.returncode == 0, run.stderr
    found = card(tmp_path)
    assert found["training"]["sources"] == ["old.avi"]
    assert found["training"]["steps"] == 5
    assert "control" in found["description"].lower()


@pytest.mark.parametrize(
    ("name", "reason"), [("still.avi", Silence.STILL), ("frozen.avi", Silence.REPEATED)], ids=["still", "frozen"]
)
def test_footage_that_teaches_nothing_is_refused_with_the_numbers(
    workshop_python: str, clips: Path, tmp_path: Path, name: str, reason: Silence
) -> None:
    line = the_one_line(train(workshop_python, clips / name, tmp_path))
    assert "triplets with motion" in line
    assert "at least 16 are needed" in line
    assert str(reason) in line
    assert list(tmp_path.iterdir()) == []


def test_cuts_are_not_trained_on(workshop_python: str, clips: Path, tmp_path: Path) -> None:
    old, new = (frames_of(clips / name, 60) for name in ("old.avi", "new.avi"))
    upside_down = [np.ascontiguousarray(frame[::-1]) for frame in new]
    write(tmp_path / "cut.avi", [*old[:30], *upside_down[:30], *old[30:60]])
    cut = [triplet for triplet in triplets(tmp_path / "cut.avi") if examine(triplet) is Silence.CUT]
    assert len(cut) == 4
    script = """
        import pathlib, sys
        import numpy as np
        from export.interpolator.triplets import FROM_SCRATCH, read_material

        material = read_material([pathlib.Path(sys.argv[1])], FROM_SCRATCH)
        print(max(float(np.abs(c[0].astype(int) - c[2]).mean()) for crops in material.crops for c in crops))
    """
    run = execute(workshop_python, script, tmp_path / "cut.avi")
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) < 20.0


def test_clips_of_any_size_train_together(workshop_python: str, clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    old = frames_of(clips / "old.avi", 80)
    write(folder / "wide.avi", [np.ascontiguousarray(frame[100:160]) for frame in old])
    write(folder / "odd.avi", [np.asarray(cv2.resize(frame, (151, 99)), np.uint8) for frame in old])
    write(folder / "whole.avi", old)
    run = train(workshop_python, folder, tmp_path / "out", "--steps", "3")
    assert run.returncode == 0, run.stderr
    assert set(card(tmp_path / "out")["training"]["sources"]) >= {"odd.avi", "whole.avi"}


def test_a_loss_that_is_no_number_ends_in_one_line_and_no_file(
    workshop_python: str, clips: Path, tmp_path: Path
) -> None:
    script = """
        import pathlib, sys
        from export.interpolator import train

        train.RATE = float("nan")
        sys.exit(train.main(["--source", sys.argv[1], "--output", sys.argv[2], "--steps", "5"]))
    """
    run = execute(workshop_python, script, clips / "old.avi", tmp_path)
    assert run.returncode == 1
    assert "the loss is nan" in run.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_older_files_as_they_were(workshop_python: str, trained: Path, tmp_path: Path) -> None:
    for name in ("model.onnx", "card.json"):
        (tmp_path / name).write_bytes((trained / name).read_bytes())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    script = """
        import pathlib, resource, signal, sys
        from export.interpolator.publishing import publish
        from sentinel_edge.errors import SentinelError
        from sentinel_edge.networks.interpolator_card import load_interpolator

        content, card = load_interpolator(pathlib.Path(sys.argv[1], "model.onnx"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            publish(content, card, pathlib.Path(sys.argv[1]))
        except SentinelError as error:
            print(error)
    """
    run = execute(workshop_python, script, tmp_path)
    assert run.returncode == 0, run.stderr
    assert "cannot write" in run.stdout
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_retraining_killed_at_any_moment_leaves_the_champion_and_no_half_challenger(
    workshop_python: str, clips: Path, tmp_path: Path
) -> None:
    champion, output = tmp_path / "vfi", tmp_path / "out"
    shutil.copytree(ROOT / "models" / "vfi", champion)
    before = files_below(champion)
    footage = ("--new", clips / "half.avi", "--replay", clips / "old.avi")
    command: list[str | Path] = ["--champion", champion, *footage, "--output", output, "--steps", "2"]

    def left() -> list[str]:
        assert files_below(champion) == before
        assert Registry(champion).verify().problems == ()
        return sorted(path.name for path in output.iterdir() if not path.name.startswith("."))

    # The output folder is made just before the footage is read.
    with started(workshop_python, "export.interpolator.retrain", *command) as run:
        while not output.exists():
            assert run.poll() is None, run.communicate()
            time.sleep(0.01)
        assert kill(run) == ""
    assert left() == []
    with started(workshop_python, "export.interpolator.retrain", *command) as run:
        assert run.stderr is not None
        lines = [run.stderr.readline() for _ in range(2)]
        assert lines[1].startswith("step 0,"), lines
        kill(run)
    assert left() == []
    # The model is in its place, its card not yet. The other steps of publishing are tried below.
    script = """
        import os, pathlib, signal, sys
        from export.interpolator import retrain

        def die(event, arguments):
            if event == "os.rename" and pathlib.Path(os.fsdecode(arguments[1])) == pathlib.Path(sys.argv[1]):
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(die)
        sys.exit(retrain.main(sys.argv[2:]))
    """
    done = execute(workshop_python, script, output / "card.json", *command)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert left() == ["model.onnx"]
    with pytest.raises(SentinelError):
        load_interpolator(output / "model.onnx")
    done = module(workshop_python, "export.interpolator.retrain", *command)
    assert done.returncode == 0, done.stderr
    assert left() == ["card.json", "model.onnx"]
    assert not list(output.glob(".*"))
    assert load_interpolator(output / "model.onnx")[1].parent == 1


def test_publishing_killed_at_any_step_leaves_the_old_the_new_or_what_is_refused(
    workshop_python: str, tmp_path: Path
) -> None:
    old, new = (tiny_graph(name=name) for name in ("old", "new"))
    write_tiny(tmp_path / "template", old)
    write_tiny(tmp_path / "new", new)
    script = """
        import pathlib, sys
        from export.interpolator import publishing
        from sentinel_edge.networks.interpolator_card import load_interpolator
        from tests.material import killed_writer

        content, card = load_interpolator(pathlib.Path(sys.argv[2]).parent / "new" / "model.onnx")
        killed_writer.WATCHED.add(publishing.__file__)
        killed_writer.OPERATIONS["publish"] = lambda folder: publishing.publish(content, card, folder)
        killed_writer.main()
        # The same again where each of them was killed.
        for folder in pathlib.Path(sys.argv[3]).iterdir():
            again = pathlib.Path(sys.argv[3] + "-again") / folder.name
            killed_writer.shutil.copytree(folder, again)
            publishing.publish(content, card, again)
    """
    tries = tmp_path / "tries"
    run = execute(workshop_python, script, "publish", tmp_path / "template", tries)
    assert run.returncode == 0, run.stderr
    outcomes = []
    for number in range(1, int(run.stdout) + 1):
        try:
            outcomes.append(load_interpolator(tries / str(number) / "model.onnx")[0])
        except SentinelError as problem:
            assert "does not match its card" in str(problem)  # noqa: PT017
            outcomes.append(b"refused")
        again = tmp_path / "tries-again" / str(number)
        assert load_interpolator(again / "model.onnx") == (new, tiny_card(new))
        assert sorted(path.name for path in again.iterdir()) == ["card.json", "model.onnx"]
    # In this order, and no other.
    assert [outcome for outcome, before in zip(outcomes, [b"", *outcomes], strict=False) if outcome != before] == [
        old,
        b"refused",
        new,
    ]


@pytest.mark.parametrize(
    ("champion", "found"),
    [
        ("missing", "cannot read model"),
        ("embedder", "kind"),
        ("foreign", "no weights named coarse_in.kernel"),
        ("changed", "does not match its card"),
    ],
)
def test_a_champion_that_cannot_be_trained_further_is_refused(
    workshop_python: str, clips: Path, trained: Path, tmp_path: Path, *, champion: str, found: str
) -> None:
    path = tmp_path / champion
    if champion == "embedder":
        path = ROOT / "models" / "mobilenetv2.onnx"
    elif champion != "missing":
        path.mkdir()
        content = (trained / "model.onnx").read_bytes()
        document = card(trained)
        content = content.replace(b"coarse_in.kernel", b"someone_elses_w.")
        if champion == "foreign":
            document["sha256"] = hashlib.sha256(content).hexdigest()
        (path / "model.onnx").write_bytes(content)
        (path / "card.json").write_text(json.dumps(document), encoding="utf-8")
    output = tmp_path / "out"
    run = retrain(workshop_python, path, clips / "new.avi", clips / "old.avi", output)
    assert run.returncode == 1, run.stdout
    assert found in run.stderr.splitlines()[-1]
    assert not (output / "model.onnx").exists()


@pytest.mark.parametrize("missing", ["--source", "--held-out"])
def test_a_path_without_footage_is_one_line_before_anything_is_trained(
    workshop_python: str, clips: Path, tmp_path: Path, missing: str
) -> None:
    paths = {"--source": clips / "old.avi", "--held-out": clips / "new.avi"} | {missing: tmp_path / "nowhere"}
    arguments = [part for option, path in paths.items() for part in (option, path)]
    line = the_one_line(module(workshop_python, "export.interpolator.train", *arguments, "--output", tmp_path / "out"))
    assert "no such path" in line
    assert "nowhere" in line


def test_an_output_that_cannot_be_written_is_one_line(workshop_python: str, clips: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line = the_one_line(train(workshop_python, clips / "old.avi", tmp_path / "file" / "out"))
    assert "cannot write" in line
    assert "--output" in line


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def started(workshop_python: str, name: str, *arguments: str | Path) -> subprocess.Popen[str]:
    """A run that is not waited for."""
    return subprocess.Popen(
        [workshop_python, "-m", name, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill(run: subprocess.Popen[str]) -> str:
    """End a run at once; what it had still said on stderr."""
    run.kill()
    _, said = run.communicate()
    assert run.returncode == -signal.SIGKILL, said
    return said


def card(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    return content


def triplets(path: Path) -> Iterator[Any]:
    return read_triplets(find_clips(path))


def frames_of(path: Path, count: int) -> list[NDArray[np.uint8]]:
    with VideoReader(path) as reader:
        return [frame for (_, frame), _ in zip(reader, range(count), strict=False)]


def write(path: Path, frames: list[NDArray[np.uint8]], fps: float = 10.0) -> None:
    with LosslessVideo(path, fps) as video:
        for frame in frames:
            video.write(frame)


def train(workshop_python: str, source: Path, output: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = more or ("--steps", str(STEPS))
    return module(workshop_python, "export.interpolator.train", "--source", source, "--output", output, *arguments)


def retrain(
    workshop_python: str, champion: Path, new: Path, replay: Path, output: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    arguments: list[str | Path] = ["--champion", champion, "--new", new, "--replay", replay, "--output", output]
    steps = () if "--steps" in more else ("--steps", str(STEPS))
    return module(workshop_python, "export.interpolator.retrain", *arguments, *steps, *more)


def module(workshop_python: str, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [workshop_python, "-m", name, *arguments],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
