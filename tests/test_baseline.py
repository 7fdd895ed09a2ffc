"""The baseline file: what goes in comes out, and nothing else is believed."""

import io
import json
import pickle
import zipfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel_edge.baseline import MAX_EPISODES, Baseline, load_baseline, save_baseline
from sentinel_edge.calibration import SKETCH_POINTS
from sentinel_edge.embedder import Embedder
from sentinel_edge.errors import SentinelError
from sentinel_edge.learning import build_baseline
from sentinel_edge.saboteur import LosslessVideo
from sentinel_edge.sources import VideoReader, find_footage
from tests.conftest import PAST
from tests.simulation import Camera
from tests.test_calibration import baseline_of


def same(a: Baseline, b: Baseline) -> bool:
    arrays: list[tuple[NDArray[Any], NDArray[Any]]] = [(a.sketches, b.sketches)]
    arrays += [(a.calibration.lengths, b.calibration.lengths), (a.calibration.scales, b.calibration.scales)]
    arrays += list(zip(a.calibration.null_scores, b.calibration.null_scores, strict=True))
    plain = [replace(x, sketches=None, calibration=None, fingerprint="") for x in (a, b)]  # type: ignore[arg-type]
    return plain[0] == plain[1] and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in arrays)


@given(st.integers(3, MAX_EPISODES), st.integers(8, 30), st.integers(1, 12), st.integers(0, 100))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, episodes: int, frames: int, dims: int, seed: int) -> None:
    camera = Camera(seed, dimensions=dims, factors=1)
    baseline = replace(baseline_of([camera.episode(frames) for _ in range(episodes)]), episode_rule="day")
    path = tmp_path / "b.npz"
    save_baseline(baseline, path)
    first = path.read_bytes()
    loaded = load_baseline(path)
    assert same(loaded, baseline)
    save_baseline(loaded, path)
    assert path.read_bytes() == first
    assert [entry.name for entry in tmp_path.iterdir()] == ["b.npz"], "no temporary file is left"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("saved") / "b.npz"
    camera = Camera(0, dimensions=6)
    save_baseline(baseline_of([camera.episode(12) for _ in range(4)]), path)
    return path.read_bytes()


@given(data=st.data())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_bytes_are_refused_or_harmless(tmp_path: Path, saved: bytes, data: st.DataObject) -> None:
    content = bytearray(saved)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for position in data.draw(st.lists(st.integers(0, max(0, len(content) - 1)), max_size=4)) if content else []:
        content[position] ^= data.draw(st.integers(1, 255))
    (tmp_path / "b.npz").write_bytes(content)
    (tmp_path / "good.npz").write_bytes(saved)
    with suppress(SentinelError):
        # Where it does load, the damage was in a field of the archive that nothing reads.
        assert same(load_baseline(tmp_path / "b.npz"), load_baseline(tmp_path / "good.npz"))


def rewritten(saved: bytes, **changes: Any) -> bytes:
    with np.load(io.BytesIO(saved)) as archive:
        arrays: dict[str, Any] = dict(archive)
    for name, change in changes.items():
        if name == "header":
            header = json.loads(bytes(arrays["header"]).decode())
            arrays["header"] = np.frombuffer(json.dumps(header | change).encode(), np.uint8)
        elif change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name]) if callable(change) else change
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def with_nan(array: NDArray[Any]) -> NDArray[Any]:
    copy = array.copy()
    copy.flat[0] = np.nan
    return copy


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"header": {"version": 2}}, "version 2; expected"),
        ({"header": {"format": "other"}}, "format 'other'"),
        ({"header": {"fps": -1}}, "contradicts itself"),
        ({"header": {"fps": "nan"}}, "contradicts itself"),
        ({"header": {"episodes": []}}, "holds 0 episodes"),
        ({"header": {"model": None}}, "damaged"),
        ({"sketches": lambda a: a[::-1, ::-1].copy()}, "contradicts itself"),
        ({"sketches": lambda a: a.astype(np.float32)}, "expected float16"),
        ({"sketches": with_nan}, "not finite"),
        ({"scales": lambda a: a * 0}, "contradicts itself"),
        ({"scales": with_nan}, "not finite"),
        ({"lengths": lambda a: a[::-1].copy()}, "contradicts itself"),
        ({"null_scores": lambda a: a[:-1]}, "holds null_scores"),
        ({"null_counts": None}, "holds ["),
        ({"extra": np.zeros(3)}, "expected ["),
    ],
)
def test_a_baseline_that_contradicts_itself_is_refused_in_one_line(
    tmp_path: Path, saved: bytes, changes: dict[str, Any], problem: str
) -> None:
    path = tmp_path / "b.npz"
    path.write_bytes(rewritten(saved, **changes))
    with pytest.raises(SentinelError) as caught:
        load_baseline(path)
    assert problem in str(caught.value)
    assert "build it again" in str(caught.value)
    assert "\n" not in str(caught.value)


class Trap:
    """Unpickling this would leave a mark."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def test_a_pickle_is_never_opened(tmp_path: Path, saved: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.npz").write_bytes(pickle.dumps(Trap()))
    (tmp_path / "inside.npz").write_bytes(rewritten(saved, scales=np.array([Trap()], dtype=object)))
    for name in ("plain.npz", "inside.npz"):
        with pytest.raises(SentinelError, match="damaged or not a baseline"):
            load_baseline(tmp_path / name)
    assert not (tmp_path / "unpickled").exists()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sketches.npy", bytes(80 * 2**20))
    with pytest.raises(SentinelError, match="unpacks to"):
        load_baseline(path)


def test_a_full_sized_baseline_of_incompressible_footage_stays_under_two_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    episodes = [rng.normal(size=(SKETCH_POINTS, 1280)).astype(np.float16) for _ in range(MAX_EPISODES)]
    path = tmp_path / "b.npz"
    save_baseline(baseline_of(episodes), path)
    assert 1_000_000 < path.stat().st_size <= 2_000_000


def test_the_same_footage_gives_the_same_bytes(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    for name in ("a.npz", "b.npz"):
        baseline, skipped = build_baseline(find_footage(PAST), embedder, fps=2.0)
        save_baseline(baseline, tmp_path / name)
        assert not skipped
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert load_baseline(tmp_path / "a.npz").created_at == "2026-01-01T00:00:00Z"


def write_video(path: Path, frames: range) -> None:
    with VideoReader(PAST) as reader, LosslessVideo(path, 10.0) as video:
        for number, (_, frame) in enumerate(reader):
            if number in frames:
                video.write(frame)


def test_each_video_is_an_episode_and_a_short_one_joins_its_neighbour(tmp_path: Path, embedder: Embedder) -> None:
    for name, frames in (
        ("1.avi", range(20)),
        ("2.avi", range(20, 40)),
        ("3.avi", range(40, 44)),
        ("4.avi", range(44, 64)),
    ):
        write_video(tmp_path / name, frames)
    baseline, _ = build_baseline(find_footage(tmp_path), embedder, fps=5.0)
    assert [(episode.name, episode.frames) for episode in baseline.episodes] == [
        ("1.avi", 10),
        ("2.avi … 3.avi", 12),
        ("4.avi", 10),
    ]
    assert baseline.episode_rule == "file, 4 joined into 3"


def test_one_video_is_cut_into_contiguous_episodes(embedder: Embedder) -> None:
    baseline, _ = build_baseline(find_footage(PAST), embedder, fps=5.0)
    assert [episode.frames for episode in baseline.episodes] == [20] * 12
    assert baseline.episodes[0].name == "campus-past.mp4 1/12"
    assert baseline.episode_rule == "count"


def test_too_little_footage_says_how_much_is_needed(tmp_path: Path, embedder: Embedder) -> None:
    write_video(tmp_path / "short.avi", range(20))
    with pytest.raises(
        SentinelError, match=r"gives 10 readable samples, enough for 1 episode.*at least 3 episodes of 8"
    ):
        build_baseline(find_footage(tmp_path), embedder, fps=5.0)


def test_mostly_unreadable_footage_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    write_video(tmp_path / "1.avi", range(60))
    for number in range(2, 5):
        (tmp_path / f"{number}.avi").write_bytes(b"broken")
    with pytest.raises(SentinelError, match=r"75% of .* cannot be read \(e.g. 4.avi: damaged.*expected at most 25%"):
        build_baseline(find_footage(tmp_path), embedder, fps=5.0)
