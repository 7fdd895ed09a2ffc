"""Evidence beside a FAIL: the right frames, nothing hidden shown, never an older check's, and the verdict stands."""

import re
import resource
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sentinel_edge import assets
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.decoding import VideoReader, read_image
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.sabotage.corruptions import Frame
from sentinel_edge.verdict.evidence_frames import LONGER_SIDE, EvidenceFrames, remove_evidence
from sentinel_edge.verdict.verdict import Status, Verdict
from tests.command import complaint, run_cli, strict_json
from tests.conftest import INCOMING

FAIL: dict[str, Any] = {"threshold": 0.01}
ALMOST = 12.0
"""Mean difference in grey levels that JPEG may make."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of the sample camera: what a check needs, and quickly judged."""
    path = tmp_path_factory.mktemp("footage") / "gate.avi"
    with VideoReader(INCOMING) as reader, LosslessVideo(path, 10.0) as video:
        for _, frame in islice(reader, 40):
            video.write(frame)
    return path


@pytest.fixture(scope="module")
def campus(gate: Path) -> dict[str, Frame]:
    """Every frame of it by its origin."""
    with VideoReader(gate) as reader:
        return {f"{gate.name}@{seconds:.2f}s": frame for seconds, frame in reader}


def run(incoming: Path, output: Path, **changes: Any) -> tuple[Verdict, list[str]]:
    """A check, and what it warned of."""
    warnings: list[str] = []
    options = CheckOptions(incoming, assets.default_baseline(), None, output, **changes)
    return check(options, warn=warnings.append), warnings


def shown(output: Path) -> list[Path]:
    folder = output / "evidence"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def differs(a: Frame, b: Frame) -> float:
    return float(np.abs(a.astype(float) - b).mean())


def test_a_fail_writes_the_frames_most_unlike_the_baseline(
    gate: Path, tmp_path: Path, campus: dict[str, Frame]
) -> None:
    verdict, warnings = run(gate, tmp_path, evidence=8, **FAIL)
    assert (verdict.status, warnings) == (Status.FAIL, [])
    found = shown(tmp_path)
    assert len(found) == 8, "more than a verdict lists"
    listed = [f"{number:02d}_{origin}.jpg" for number, origin in enumerate(verdict.frames.most_drifted, start=1)]
    assert [path.name for path in found[:5]] == listed
    for path in found:
        origin = path.stem.partition("_")[2]
        assert differs(read_image(path), campus[origin]) < ALMOST
        others = [differs(read_image(path), frame) for name, frame in campus.items() if name != origin]
        assert differs(read_image(path), campus[origin]) < min(others), origin


def test_frames_of_pictures_are_read_again_from_their_files(tmp_path: Path, campus: dict[str, Frame]) -> None:
    source = tmp_path / "Hof süd" / "früh"
    source.mkdir(parents=True)
    for index, frame in enumerate(campus.values()):
        cv2.imwrite(str(source / f"bild {index}.png"), 255 - frame)
    verdict, warnings = run(source.parent, tmp_path / "out", evidence=3)
    assert (verdict.status, warnings) == (Status.FAIL, [])
    for path, origin in zip(shown(tmp_path / "out"), verdict.frames.most_drifted, strict=False):
        assert re.fullmatch(r"\d\d_[A-Za-z0-9.@_-]+\.jpg", path.name)
        assert differs(read_image(path), read_image(source.parent / origin)) < ALMOST


def test_a_pass_leaves_no_evidence(tmp_path: Path) -> None:
    verdict, warnings = run(INCOMING, tmp_path, evidence=5)
    assert (verdict.status, warnings) == (Status.PASS, [])
    assert not (tmp_path / "evidence").exists()


def test_a_fail_leaves_none_where_none_was_asked_for(gate: Path, tmp_path: Path) -> None:
    verdict, warnings = run(gate, tmp_path, **FAIL)
    assert (verdict.status, warnings) == (Status.FAIL, [])
    assert not (tmp_path / "evidence").exists()


@pytest.mark.parametrize("next_incoming", [INCOMING, Path("nowhere")], ids=["PASS", "ERROR"])
def test_the_evidence_of_an_earlier_check_does_not_outlive_it(gate: Path, tmp_path: Path, next_incoming: Path) -> None:
    run(gate, tmp_path, evidence=2, **FAIL)
    (tmp_path / "evidence" / ".01_gate.mp4@1.00s.jpg.x7.tmp").write_bytes(b"left by a killed check")
    assert len(shown(tmp_path)) == 3
    run(next_incoming, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["status", "verdict.json"]


def test_old_evidence_is_gone_before_the_footage_is_looked_at(gate: Path, tmp_path: Path) -> None:
    run(gate, tmp_path, evidence=2, **FAIL)
    options = CheckOptions(gate, assets.default_baseline(), None, tmp_path)
    standing: list[tuple[str, int]] = []
    check(options, progress=lambda _: standing.append(((tmp_path / "status").read_text(), len(shown(tmp_path)))))
    assert set(standing) == {("ERROR\n", 0)}


def test_only_files_of_our_naming_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    (folder / "01_a.jpg").mkdir(parents=True)
    kept = ["notes.txt", "1_a.jpg", "01_a.png", "01_a b.jpg", "x01_a.jpg"]
    for name in [*kept, "01_gate.mp4@1.00s.jpg"]:
        (folder / name).write_text("")
    remove_evidence(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*kept, "01_a.jpg"])


def test_a_folder_behind_a_link_is_neither_emptied_nor_filled(gate: Path, tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "01_mine.jpg").write_text("mine")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "evidence").symlink_to(tmp_path / "private")
    verdict, warnings = run(gate, tmp_path / "out", evidence=1, **FAIL)
    assert verdict.status is Status.FAIL
    assert "evidence is missing" in warnings[0]
    assert [path.name for path in (tmp_path / "private").iterdir()] == ["01_mine.jpg"]


def test_old_evidence_that_cannot_be_removed_is_an_error(
    gate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(gate, tmp_path, evidence=1, **FAIL)
    unlink = Path.unlink

    def locked(path: Path, missing_ok: bool = False) -> None:
        if path.parent.name == "evidence":
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", locked)
    with pytest.raises(SentinelError, match=r"cannot remove the evidence of an earlier check .*: Permission denied"):
        run(gate, tmp_path)
    assert (tmp_path / "status").read_text() == "ERROR\n"


def test_what_the_mask_hides_is_black(gate: Path, tmp_path: Path, campus: dict[str, Frame]) -> None:
    hidden = np.zeros((4, 4), np.bool_)
    hidden[:2, :2] = True
    origin = next(iter(SampleReader(find_clips(gate), 5.0))).origin
    EvidenceFrames(find_clips(gate), 5.0, Mask(hidden), [origin]).write(tmp_path)
    (picture,) = (read_image(path) for path in shown(tmp_path))
    assert picture[:136, :184].max() < 8, "black, but for what JPEG makes of it"
    assert differs(picture[152:, 200:], campus[origin][152:, 200:]) < ALMOST


def test_large_frames_are_made_smaller_and_small_ones_left(
    gate: Path, tmp_path: Path, campus: dict[str, Frame]
) -> None:
    source = tmp_path / "pictures"
    source.mkdir()
    frame = campus[f"{gate.name}@0.00s"]
    cv2.imwrite(str(source / "large.png"), cv2.resize(frame, (1152, 2600)))
    cv2.imwrite(str(source / "small.png"), frame)
    EvidenceFrames(find_clips(source), 5.0, None, ["small.png", "large.png"]).write(tmp_path)
    small, large = (read_image(path) for path in shown(tmp_path))
    assert small.shape == frame.shape
    assert large.shape[:2] == (LONGER_SIDE, 567)


def test_names_are_safe_and_keep_the_time(gate: Path, tmp_path: Path) -> None:
    source = tmp_path / "films"
    (source / ("long " * 40)).mkdir(parents=True)
    shutil.copy(gate, source / ("long " * 40) / "ночь; rm -rf $HOME.avi")
    (clip,) = find_clips(source)
    EvidenceFrames([clip], 5.0, None, [f"{clip.name}@3.20s"]).write(tmp_path)
    (path,) = shown(tmp_path)
    assert re.fullmatch(r"01_[A-Za-z0-9.@_-]{1,100}\.jpg", path.name)
    assert path.name.endswith("HOME.avi@3.20s.jpg")
    remove_evidence(tmp_path)
    assert not shown(tmp_path)


def test_footage_that_is_gone_in_between_leaves_the_verdict_standing(gate: Path, tmp_path: Path) -> None:
    source = tmp_path / "footage"
    source.mkdir()
    shutil.copy(gate, source / "gate.avi")

    def remove(count: int) -> None:
        if count == 20:  # the last frame
            (source / "gate.avi").unlink()

    warnings: list[str] = []
    options = CheckOptions(source, assets.default_baseline(), None, tmp_path / "out", evidence=4, **FAIL)
    verdict = check(options, progress=remove, warn=warnings.append)
    assert verdict.status is Status.FAIL
    assert (tmp_path / "out" / "status").read_text() == "FAIL\n"
    assert warnings == ["evidence is missing, 4 of 4 frames: the footage can no longer be read; the verdict stands"]
    assert not (tmp_path / "out" / "evidence").exists()


@pytest.fixture
def file_size_limit() -> Iterator[None]:
    """Makes every file end at 20 000 bytes, as a full disk would: a verdict fits, a picture does not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("file_size_limit")
def test_a_full_disk_leaves_the_verdict_standing(gate: Path, tmp_path: Path) -> None:
    verdict, warnings = run(gate, tmp_path, evidence=4, **FAIL)
    assert verdict.status is Status.FAIL
    assert len(warnings) == 1
    assert re.search("evidence is missing, 4 of 4 frames: .*; the verdict stands", warnings[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["status", "verdict.json"]


# The command.


def test_the_command_takes_the_number_from_the_environment_and_exits_3(gate: Path, tmp_path: Path) -> None:
    command: list[str | Path] = ["check", "--incoming", gate, "--output", tmp_path, "--threshold", "0.01"]
    done = run_cli(*command, environment={"SENTINEL_EVIDENCE": "2"})
    assert (done.returncode, done.stderr) == (3, "")
    assert strict_json(done.stdout)["status"] == "FAIL"
    assert len(shown(tmp_path)) == 2


def test_missing_evidence_is_one_line_and_the_exit_code_stays(gate: Path, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("in the way")
    done = run_cli("check", "--incoming", gate, "--output", tmp_path, "--threshold", "0.01", "--evidence", "2")
    assert done.returncode == 3
    assert "evidence is missing, 2 of 2 frames" in complaint(done.stderr)
    assert strict_json(done.stdout)["status"] == "FAIL"


@pytest.mark.parametrize("number", ["21", "-1", "two"])
def test_a_wrong_number_exits_2(gate: Path, tmp_path: Path, number: str) -> None:
    done = run_cli("check", "--incoming", gate, "--output", tmp_path, f"--evidence={number}")
    assert done.returncode == 2
    assert "--evidence" in complaint(done.stderr)
