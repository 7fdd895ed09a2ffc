"""The library: footage as paths, as frames and as embeddings, and what it says where it cannot."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sentinel_edge as se
from sentinel_edge.causes import Cause
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.sabotage.corruptions import Failure
from tests.command import ROOT, clean_environment, leave_yesterdays_pass, strict_json
from tests.conftest import INCOMING, PAST
from tests.material.clips import stretch

GOLDEN = ROOT / "baseline" / "golden.npz"


def frames(path: Path, most: int | None = None) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """A video's frames with their times, as a program of one's own would read them."""
    with VideoReader(path) as reader:
        yield from islice(reader, most)


def noisy(most: int) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """What came later, by a failing sensor."""
    failing_sensor = Failure(Cause.NOISE, 3).on_clip()
    return ((seconds, failing_sensor(frame)) for seconds, frame in frames(INCOMING, most))


def untimed(verdict: se.Verdict) -> dict[str, Any]:
    """What a verdict says beside names and times."""
    said = json.loads(verdict.to_json())
    for gate in said["gates"].values():
        del gate["reference"]  # episodes are called after their clips
    return {name: said[name] for name in ("status", "drift_score", "message", "gates", "causes")}


def test_frames_with_their_times_are_judged_as_their_video_is() -> None:
    by_path, by_frames = se.check(INCOMING, GOLDEN), se.check(frames(INCOMING), GOLDEN)
    assert by_path.status is se.Status.PASS
    assert untimed(by_frames) == untimed(by_path)
    assert by_path.gates["performance"].status is se.Status.PASS, "the neighbours of each frame are seen too"


def test_frames_without_times_are_pictures() -> None:
    sampled = [frame for _, frame in islice(frames(INCOMING), 0, None, 2)]
    verdict = se.check(sampled, GOLDEN)
    assert (verdict.status, verdict.frames.judged) == (se.Status.PASS, 150)
    assert verdict.gates["performance"].status is se.Status.NOT_JUDGED
    assert untimed(se.check(np.stack(sampled), GOLDEN)) == untimed(verdict)


@pytest.mark.slow
def test_a_baseline_of_frames_knows_what_one_of_their_video_knows(tmp_path: Path) -> None:
    by_path, by_frames = se.build_baseline(PAST), se.build_baseline(frames(PAST))
    assert untimed(se.check(INCOMING, by_frames)) == untimed(se.check(INCOMING, by_path))
    se.save_baseline(by_frames, tmp_path / "camera.npz")
    assert untimed(se.check(INCOMING, tmp_path / "camera.npz")) == untimed(se.check(INCOMING, by_path))


def test_clips_by_name_are_episodes() -> None:
    parts = np.array_split(np.stack([frame for _, frame in islice(frames(PAST), 0, None, 2)]), 6)
    baseline = se.build_baseline({f"day {number}": part for number, part in enumerate(parts)})
    assert baseline.episodes.names == tuple(f"day {number}" for number in range(6))


def test_a_baseline_grows_by_frames() -> None:
    known = se.load_baseline(GOLDEN)
    with pytest.raises(se.SentinelError, match="nothing was learned: the new footage shows noise"):
        se.extend_baseline(known, noisy(100))
    with pytest.raises(se.SentinelError, match="accept is 'dust'; expected causes of noise, "):
        se.extend_baseline(known, frames(INCOMING), accept="dust")
    found: list[str] = []
    grown = se.extend_baseline(known, noisy(100), accept=["noise"], found=lambda one: found.append(one.name))
    assert found[0] == "frames 1/2"
    assert len(grown.episodes) > len(known.episodes) == 12


def vectors(seed: int, count: int = 240, width: int = 32, shift: float = 0.0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, width)) + shift


def test_embeddings_of_any_model_are_judged_by_the_gate_of_embeddings(tmp_path: Path) -> None:
    baseline = se.build_baseline(vectors(0))
    assert se.check(vectors(1, 120), baseline).status is se.Status.PASS
    assert se.check(vectors(1, 120, shift=2.0), baseline).status is se.Status.FAIL
    se.save_baseline(baseline, tmp_path / "vectors.npz")
    again = se.load_baseline(tmp_path / "vectors.npz")
    assert untimed(se.check(iter(vectors(1, 120)), again)) == untimed(se.check(vectors(1, 120), baseline))


def test_many_embeddings_are_thinned_evenly() -> None:
    verdict = se.check(vectors(1, 5000), se.build_baseline(vectors(0, 2000)))
    assert (verdict.frames.judged, verdict.frames.sampled, verdict.frames.stride) == (1250, 5000, 4)


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    verdict = se.check(INCOMING, GOLDEN)
    assert list(tmp_path.iterdir()) == []
    se.check(INCOMING, GOLDEN, output="out")
    assert (tmp_path / "out" / "status").read_text() == f"{verdict.status}\n"
    assert (
        strict_json((tmp_path / "out" / "verdict.json").read_text())["gates"] == json.loads(verdict.to_json())["gates"]
    )


def complaint_about(source: Any) -> str:
    """What is said of a source that cannot be judged, be it raised or a verdict."""
    try:
        verdict = se.check(source, GOLDEN)
    except se.SentinelError as error:
        return str(error)
    assert verdict.status is se.Status.ERROR
    return verdict.message


BLACK = np.zeros((24, 32, 3), np.uint8)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (3, "frames is int; expected one path, frames"),
        ([], "frames begins with nothing"),
        ([1, 2], "frames begins with int"),
        ([np.zeros(4), np.zeros(5)], r"frames 1 is float64 \(5,\); expected 4 finite"),
        ([np.full(4, np.nan)], r"frames 0 is float64 \(4,\); expected 4 finite"),
        ([np.full(4, 1e6)], "below 65504"),
        ([np.array(["a", "b"])], r"frames begins with <U1 \(2,\)"),
        ({"a": [np.zeros(4)], "b": [BLACK]}, "found frames and embeddings"),
        ({}, "found nothing"),
        ([np.zeros(7)] * 16, "the embeddings have 7 dimensions, the baseline's 1280"),
        ([BLACK.astype(np.float32)] * 16, r"frames 0 is float32 \(24, 32, 3\); expected uint8"),
        ([BLACK[..., 0]] * 16, r"frames 0 is uint8 \(24, 32\); expected uint8 \(height, width, 3\)"),
        ([(0.0, BLACK), BLACK], "found ndarray; expected pairs of seconds and a frame"),
        ([(0.0, BLACK), (float("nan"), BLACK)], "the time is nan; expected seconds"),
        ([(0.0, BLACK), (10**400, BLACK)], r"the time is 1000.*; expected seconds"),
        (["a.mp4", "b.mp4"], "frames begins with str; expected one path"),
        (np.zeros(()), "frames is ndarray; expected one path"),
        (np.zeros((24, 32), np.uint8), r"frames begins with uint8 \(32,\); expected one path"),
        ({"a": np.zeros((9, 4)), "b": np.zeros((9, 5))}, r"b 0 is float64 \(5,\); expected 4 finite"),
        ("nowhere", "no such path: nowhere"),
    ],
)  # fmt: skip
def test_what_is_no_footage_is_told_in_one_line(source: Any, said: str) -> None:
    assert re.search(said, complaint_about(source))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"gates": ["smell"]}, "gates is .*smell.*; expected names of embedding"),
        ({"gates": "quality"}, "gates is 'quality'"),
        ({"gates": []}, "gates is"),
        ({"gates": [["embedding"]]}, "gates is"),
        ({"threshold": float("nan")}, "threshold is nan; expected a number between 0 and 1, both ends excluded"),
        ({"threshold": -1}, "threshold is -1"),
        ({"threshold": "0.3"}, "threshold is '0.3'"),
        ({"alpha": 2}, "alpha is 2"),
        ({"alpha": True}, "alpha is True"),
        ({"fps": 0}, r"fps is 0; expected a number between 0 and 1e\+06, both ends excluded"),
        ({"threads": -1}, "threads is -1; expected a whole number from 1 to 256"),
        ({"evidence": -1}, "evidence is -1; expected a whole number from 0 to 20"),
        ({"interpolator": None}, "interpolator is None; expected champion, none, or a path"),
    ],
)
def test_an_option_that_is_none_is_told_and_nothing_is_touched(
    asked: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(se.SentinelError, match=said):
        se.check(INCOMING, GOLDEN, output=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_gates_may_be_any_iterable_of_names() -> None:
    assert list(se.check(INCOMING, GOLDEN, gates=(name for name in ["quality"])).gates) == ["quality"]


def failing() -> Iterator[NDArray[np.uint8]]:
    """A source that breaks at once, as a camera does that is not there."""
    raise ConnectionError("no camera")
    yield BLACK


@pytest.mark.parametrize("source", [[], [3], {"a": [np.zeros(4)], "b": [BLACK]}, [BLACK.astype(float)], failing()])
def test_whatever_footage_turns_out_to_be_yesterdays_pass_is_gone(source: Any, tmp_path: Path) -> None:
    output = leave_yesterdays_pass(tmp_path / "out")
    with suppress(ConnectionError):
        assert se.check(source, GOLDEN, output=output).status is se.Status.ERROR
    assert (output / "status").read_text() == "ERROR\n"


@pytest.mark.slow
def test_a_frame_may_be_written_over_by_the_next_one() -> None:
    """As `capture.read(buffer)` does; what is kept of a frame must not be the next one."""
    buffer = np.empty((288, 384, 3), np.uint8)

    def reused() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        for seconds, frame in frames(INCOMING):
            buffer[:] = frame
            yield seconds, buffer

    assert untimed(se.check(reused(), GOLDEN)) == untimed(se.check(frames(INCOMING), GOLDEN))


def test_times_that_stand_still_go_on_by_the_last_step() -> None:
    stuck = ((0.0, frame) for _, frame in frames(INCOMING))
    assert se.check(stuck, GOLDEN).frames.sampled == 60, "300 frames, taken to be 1/25 s apart"


def test_embeddings_by_name_are_one_window_when_they_are_judged() -> None:
    """However many each name has: a row stands for as many samples as any other."""
    baseline = se.build_baseline({str(day): vectors(day, 2000) for day in range(6)})
    parts = {"a": vectors(10, 9000, shift=3.0)} | {str(day): vectors(day, 900) for day in range(6)}
    together = se.check(np.concatenate(list(parts.values())), baseline)
    assert se.check(parts, baseline).drift_score == together.drift_score
    assert se.check(parts, baseline).frames.judged == together.frames.judged <= 2000


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"mask": "m.png"}, "m.png"),
        ({"model": "m.onnx"}, "neither picture nor model"),
        ({"sensitivity": True}, "a path"),
    ],
)
def test_what_embeddings_do_not_have_cannot_be_asked_for(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(se.SentinelError, match=said):
        se.build_baseline(vectors(0), **asked)


def test_frames_are_not_judged_by_a_baseline_of_embeddings() -> None:
    verdict = se.check(INCOMING, se.build_baseline(vectors(0)))
    assert verdict.message == "the baseline was made of embeddings; expected embeddings of the same model, not frames"


def test_evidence_is_of_paths_alone(tmp_path: Path) -> None:
    with pytest.raises(se.SentinelError, match="evidence reads footage a second time; expected a path"):
        se.check([BLACK] * 16, GOLDEN, output=tmp_path, evidence=3)


@pytest.mark.slow
def test_the_interpolator_is_loaded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    real = Interpolator.__init__

    def counted(self: Interpolator, model: Path) -> None:
        loaded.append(model)
        real(self, model)

    monkeypatch.setattr(Interpolator, "__init__", counted)
    for number in range(4):
        stretch(tmp_path / "past" / f"{number}.avi", PAST, 100 * number, 100 * number + 100)
    se.build_baseline(tmp_path / "past")
    assert len(loaded) == 1


@pytest.mark.parametrize("episode", ["week", 2, 21, True, "three"])
def test_an_episode_that_is_none_is_told(episode: Any) -> None:
    with pytest.raises(
        se.SentinelError, match=r"episode is .*expected day, hour, file, or a whole number from 3 to 20"
    ):
        se.build_baseline(PAST, episode=episode)


def test_frames_in_memory_cannot_be_read_a_second_time() -> None:
    with pytest.raises(se.SentinelError, match="sensitivity reads footage a second time; expected a path"):
        se.build_baseline(frames(PAST), sensitivity=True)


def test_to_import_the_package_costs_nothing_and_every_name_is_there() -> None:
    code = (
        "import sys, sentinel_edge as se; assert 'cv2' not in sys.modules and 'numpy' not in sys.modules; "
        "print(all(getattr(se, name) is not None for name in se.__all__), hasattr(se, 'nothing'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "True False\n"


def test_the_page_names_what_the_package_offers() -> None:
    page = (ROOT / "docs" / "library.md").read_text()
    assert [name for name in se.__all__ if name not in page] == ["Skipped", "__version__"]


@pytest.mark.slow
def test_the_pages_examples_run(tmp_path: Path) -> None:
    """In their order, in one program; the camera is a video here."""
    page = (ROOT / "docs" / "library.md").read_text()
    code = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL)).replace("rtsp://camera/stream", str(INCOMING))
    for name, clip in (("good", PAST), ("today", INCOMING)):
        (tmp_path / "footage" / name).mkdir(parents=True)
        shutil.copy(clip, tmp_path / "footage" / name)
    days = np.repeat(np.arange(6), 60)
    np.save(tmp_path / "days.npy", days)
    np.save(tmp_path / "embeddings.npy", np.random.default_rng(0).normal(size=(len(days), 32)).astype(np.float32))
    done = subprocess.run(
        [sys.executable, "-c", code + "print(verdict.status)"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, last = done.stdout.splitlines()
    assert (first.split()[0], last) == ("PASS", "PASS")
