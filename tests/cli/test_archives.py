"""Archives of pictures as cameras leave them, and checks without a baseline of their own."""

import shutil
from itertools import islice
from pathlib import Path

import cv2
import pytest

from sentinel_edge import assets
from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.verdict.verdict import SAMPLE_USED, Status
from tests.command import complaint, run_cli, strict_json
from tests.conftest import INCOMING

PICTURES = 24


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real frames at the golden baseline's rate as JPEG files; only to be read."""
    folder = tmp_path_factory.mktemp("pictures")
    with VideoReader(INCOMING) as reader:
        for index, (_, frame) in enumerate(islice(reader, 0, 2 * PICTURES, 2)):
            cv2.imwrite(str(folder / f"{index:03d}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
    return folder


def test_a_baseline_of_pictures_says_so_and_a_check_of_pictures_why_it_has_no_triplets(
    pictures: Path, tmp_path: Path
) -> None:
    done = run_cli("baseline", "--source", pictures, "--output", tmp_path / "b.npz")
    assert done.returncode == 0
    assert load_baseline(tmp_path / "b.npz").pictures
    for baseline in (tmp_path / "b.npz", assets.default_baseline()):
        verdict = check(CheckOptions(pictures, baseline))
        gate = verdict.gates["performance"]
        assert (gate.status, gate.reason) == (Status.NOT_JUDGED, "pictures carry no frame rate")


def test_the_same_picture_a_hundred_times_is_frozen_and_is_not_learned(pictures: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    for day in range(4):
        shutil.copytree(pictures, source / f"2026-06-0{day + 1}")
    for number in range(100):
        (tmp_path / "same").mkdir(exist_ok=True)
        shutil.copyfile(pictures / "003.jpg", tmp_path / "same" / f"{number:03d}.jpg")
    (source / "2026-06-05").mkdir()  # a day without pictures
    done = run_cli("baseline", "--source", source, "--output", tmp_path / "b.npz")
    assert (done.returncode, strict_json(done.stdout)["episodes"]) == (0, 4)
    verdict = check(CheckOptions(tmp_path / "same", tmp_path / "b.npz"))
    assert (verdict.status, verdict.causes[0].kind) == (Status.FAIL, Cause.FROZEN)
    before = (tmp_path / "b.npz").read_bytes()
    add = ("baseline", "--add", tmp_path / "b.npz", "--output", tmp_path / "b.npz", "--source")
    done = run_cli(*add, tmp_path / "same")
    assert (done.returncode, done.stdout) == (1, "")
    assert "--accept frozen" in complaint(done.stderr)
    done = run_cli(*add, source / "2026-06-05")
    assert done.returncode == 1
    assert "found an empty folder" in complaint(done.stderr)
    assert (tmp_path / "b.npz").read_bytes() == before


def test_of_the_same_picture_alone_a_baseline_warns(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "same").mkdir()
    for number in range(30):
        shutil.copyfile(pictures / "003.jpg", tmp_path / "same" / f"{number:03d}.jpg")
    done = run_cli("baseline", "--source", tmp_path / "same", "--output", tmp_path / "b.npz")
    assert done.returncode == 0
    assert "stands still for 100% of its time" in complaint(done.stderr)


# Without a baseline.


def test_without_a_baseline_the_samples_is_used_says_so_first_and_calls_for_nothing(
    pictures: Path, tmp_path: Path
) -> None:
    for number, more in enumerate(([], ["--baseline", str(assets.default_baseline())])):
        out, history = tmp_path / f"{number}", tmp_path / f"{number}.json"
        run_cli("sabotage", "--source", pictures, "--kind", "fog", "--severity", "5", "--output", out / "fog")
        done = run_cli("check", out / "fog", "--output", out, *more)
        assert done.returncode == 3
        verdict = strict_json(done.stdout)
        assert verdict["baseline"]["sample"] == (not more)
        assert verdict["message"].startswith(SAMPLE_USED) == (not more)
        decide = ("decide", "--verdict", out / "verdict.json", "--exit-code", "3", "--history", history)
        done = run_cli(*decide, "--output", out / "decided")
        assert done.returncode == 0
        assert strict_json(done.stdout)["action"] == ("repair" if more else "none")
