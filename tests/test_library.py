"""The library: footage as paths, as frames and as embeddings, and what it says where it cannot."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import sentinel_edge as se
from sentinel_edge.footage.decoding import VideoReader
from tests.command import ROOT, clean_environment, strict_json
from tests.conftest import INCOMING, PAST

GOLDEN = ROOT / "baseline" / "golden.npz"


def frames(path: Path, most: int | None = None) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """A video's frames with their times, as a program of one's own would read them."""
    with VideoReader(path) as reader:
        yield from islice(reader, most)


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
    grown = se.extend_baseline(known, frames(INCOMING))
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
        (3, "frames is int; expected a path, frames"),
        ([], "frames begins with nothing"),
        ([1, 2], "frames begins with int"),
        ([np.zeros(4), np.zeros(5)], r"frames 1 is float64 \(5,\); expected 4 finite numbers"),
        ([np.full(4, np.nan)], r"frames 0 is float64 \(4,\); expected 4 finite"),
        ([np.full(4, 1e6)], "below 65504"),
        ([np.array(["a", "b"])], r"frames 0 is <U1 \(2,\)"),
        ({"a": [np.zeros(4)], "b": [BLACK]}, "found frames and embeddings"),
        ({}, "found nothing"),
        ([np.zeros(7)] * 16, "the embeddings have 7 dimensions, the baseline's 1280"),
        ([BLACK.astype(np.float32)] * 16, r"frames 0 is float32 \(24, 32, 3\); expected uint8"),
        ([BLACK[..., 0]] * 16, r"frames 0 is uint8 \(24, 32\); expected uint8 \(height, width, 3\)"),
        ([(0.0, BLACK), (0.0, BLACK)], "the time goes from 0 to 0 s; expected it to rise"),
        ([(0.0, BLACK), BLACK], "found ndarray; expected pairs of seconds and a frame"),
        ([(0.0, BLACK), (float("nan"), BLACK)], "expected pairs of seconds and a frame"),
        ("nowhere", "no such path: nowhere"),
    ],
)  # fmt: skip
def test_what_is_no_footage_is_told_in_one_line(source: Any, said: str) -> None:
    assert re.search(said, complaint_about(source))


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"gates": ["smell"]}, "gates is .*smell.*; expected names of embedding"), ({"gates": "quality"}, "gates is")],
)  # fmt: skip
def test_an_option_that_is_none_is_told(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(se.SentinelError, match=said):
        se.check(INCOMING, GOLDEN, **asked)


@pytest.mark.parametrize("episode", ["week", 2, 21, True, "three"])
def test_an_episode_that_is_none_is_told(episode: Any) -> None:
    with pytest.raises(
        se.SentinelError, match=r"episode is .*expected day, hour, file, or a whole number from 3 to 20"
    ):
        se.build_baseline(PAST, episode=episode)


def test_frames_in_memory_cannot_be_read_a_second_time() -> None:
    with pytest.raises(se.SentinelError, match="sensitivity reads footage a second time; expected a path"):
        se.build_baseline(frames(PAST), sensitivity=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=12))
def test_times_that_do_not_rise_are_refused_and_others_never_are(times: list[float]) -> None:
    rising = all(later > earlier for earlier, later in pairwise(times))
    verdict = se.check([(time, BLACK) for time in times], GOLDEN)
    assert verdict.status is se.Status.ERROR, "too few, or not in order"
    assert ("expected it to rise" in verdict.message) == (not rising)


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
