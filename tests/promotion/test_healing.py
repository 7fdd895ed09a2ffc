"""The way from a FAIL to a proven champion: how footage is divided, and what is refused before anything is trained.

The whole way is walked by `make heal` and by the test of retrain.yml.
"""

import json
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge import assets
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.promotion import healing
from sentinel_edge.sabotage.corruptions import Failure
from tests.command import ROOT
from tests.conftest import INCOMING
from tests.material.clips import timed


def frames(path: Path) -> list[NDArray[np.uint8]]:
    with VideoReader(path) as reader:
        return [frame for _, frame in reader]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty real frames at 10 a second; only to be read."""
    path = tmp_path_factory.mktemp("clip") / "hall.avi"
    with VideoReader(INCOMING) as reader, LosslessVideo(path, reader.fps) as video:
        for _, frame in islice(reader, 40):
            video.write(frame)
    return path


def test_one_clip_is_cut_in_time_without_loss(clip: Path, tmp_path: Path) -> None:
    new, canary = healing.divide(clip, tmp_path / "parts")
    (first,), (last,) = list(new.iterdir()), list(canary.iterdir())
    together = [*frames(first), *frames(last)]
    assert (len(frames(first)), len(together)) == (30, 40)
    assert all(np.array_equal(one, other) for one, other in zip(together, frames(clip), strict=True))
    with VideoReader(first) as reader:
        assert reader.fps == pytest.approx(10.0)


def test_a_clip_whose_frames_are_not_evenly_spaced_is_cut_with_its_times(tmp_path: Path) -> None:
    times = [0.5 * index for index in range(20)] + [10.0 + 0.04 * index for index in range(20)]
    new, canary = healing.divide(timed(tmp_path / "day.mov", times), tmp_path / "parts")
    found = []
    for path in (*new.iterdir(), *canary.iterdir()):
        with VideoReader(path) as reader:
            found.append([seconds for seconds, _ in reader])
    assert found == [pytest.approx(times[:30]), pytest.approx([one - times[30] for one in times[30:]])]


def test_many_clips_are_divided_whole_and_in_order(clip: Path, tmp_path: Path) -> None:
    source = tmp_path / "day"
    source.mkdir()
    for hour in range(8):
        (source / f"{hour}.avi").write_bytes(clip.read_bytes() + bytes([hour]))
    new, canary = healing.divide(source, tmp_path / "parts")
    taken = [path.read_bytes()[-1] for folder in (new, canary) for path in sorted(folder.iterdir())]
    assert taken == list(range(8))
    assert len(list(canary.iterdir())) == 2


def test_pictures_are_divided_in_order(tmp_path: Path) -> None:
    for hour in range(4):
        (tmp_path / "day" / f"{hour}").mkdir(parents=True)
        for minute in range(2):
            (tmp_path / "day" / f"{hour}" / f"{minute}.jpg").write_bytes(bytes([hour, minute]))
    new, canary = healing.divide(tmp_path / "day", tmp_path / "parts")
    taken = [path.read_bytes() for folder in (new, canary) for path in sorted(folder.rglob("*.jpg"))]
    assert taken == [bytes([hour, minute]) for hour in range(4) for minute in range(2)]
    assert [path.relative_to(canary).as_posix() for path in sorted(canary.rglob("*.jpg"))] == ["3/0.jpg", "3/1.jpg"]


def test_an_empty_folder_heals_nothing(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    with pytest.raises(SentinelError, match=r"no footage in .*day"):
        healing.divide(tmp_path / "day", tmp_path / "parts")


def test_an_output_folder_in_use_is_left_alone(clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kept").write_text("kept")
    assert healing.main(["--new", str(clip), "--output", str(tmp_path)]) == 1
    assert "is not empty" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("option", "said"), [("--golden", "no footage of the world as it was"), ("--trainer", "no Python with TensorFlow")]
)
def test_what_is_missing_to_train_with_is_said_before_anything_is_made(
    clip: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], *, option: str, said: str
) -> None:
    paths = {"--golden": clip, "--trainer": Path(sys.executable)} | {option: tmp_path / "nowhere"}
    more = [str(part) for pair in paths.items() for part in pair]
    assert healing.main(["--new", str(clip), "--output", str(tmp_path / "out"), *more]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line
    assert option in line
    assert not (tmp_path / "out").exists()


def test_without_a_checkout_around_it_nothing_is_trained(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(assets, "PACKAGE", tmp_path / "site-packages" / "sentinel_edge")
    assert healing.main(["--new", str(clip), "--output", "out"]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "run this in a checkout of Sentinel Edge" in line
    assert not (tmp_path / "out").exists()


def test_a_fault_is_not_learned_by_the_refresh_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pictures, of which the baseline alone is refreshed; by an operator who retrains on every FAIL."""
    noisy = Failure(Cause.NOISE, 4).on_clip()
    (tmp_path / "day").mkdir()
    with VideoReader(INCOMING) as reader:
        for number, (_, frame) in enumerate(islice(reader, 0, 64, 2)):
            cv2.imwrite(str(tmp_path / "day" / f"{number:02d}.png"), noisy(frame))
    monkeypatch.chdir(ROOT)
    assert healing.main(["--new", str(tmp_path / "day"), "--output", str(tmp_path / "out")]) == 3
    captured = capfd.readouterr()
    assert captured.out == "withheld\n"
    assert "nothing was learned: the new footage shows noise" in captured.err
    told = json.loads((tmp_path / "out" / "outcome.json").read_text())
    assert told["outcome"] == "withheld"
    assert "shows noise" in told["refusal"]
    assert "The baseline did not learn the footage." in (tmp_path / "out" / "report.md").read_text()
    assert not list((tmp_path / "out" / "baseline").iterdir())


def test_the_report_tells_every_rule_and_every_fire_drill() -> None:
    rules = [{"name": "new", "ruling": "ACCEPTED", "reason": "better | by 1 dB"}]
    refresh = {"as it came": {"status": "PASS", "causes": []}, "fog 3": {"status": "FAIL", "causes": ["fog"]}}
    found = {
        "evaluation": {"rules": rules},
        "canary": {"status": "PROMOTED", "message": "9 blocks"},
        "refresh": refresh,
    }
    text = healing.report(healing.Outcome("promoted", found))
    assert "| new | ACCEPTED | better \\| by 1 dB |" in text
    assert "PROMOTED: 9 blocks" in text
    assert "| fog 3 | FAIL | fog |" in text
