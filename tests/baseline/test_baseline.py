"""The baseline file: what goes in comes out, and nothing else is believed."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import MAX_ANCHORS, MAX_EPISODES, Baseline
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_footage
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.mask import MAX_COLUMNS, MAX_ROWS, Mask
from sentinel_edge.gates.embedding.calibration import SKETCH_POINTS
from sentinel_edge.gates.moments.gate import MomentsGate
from sentinel_edge.gates.protocol import Anchors, Models
from sentinel_edge.gates.quality.anchors import ANCHOR_CONDITIONS
from sentinel_edge.gates.quality.gate import QualityNormal
from sentinel_edge.gates.quality.normal import MAX_CONDITIONS
from sentinel_edge.gates.replay.gate import ReplayGate
from sentinel_edge.gates.signals import FRAME_SIGNALS, FrameSignals
from sentinel_edge.networks.embedder import Embedder
from tests.conftest import PAST
from tests.gates.embedding.test_calibration import baseline_of
from tests.material.simulation import Camera
from tests.material.windows import QUALITY, embedding, performance, quality, window, with_known, with_records


def arrays_of(baseline: Baseline) -> list[NDArray[Any]]:
    calibration, seen, watched = embedding(baseline).calibration, quality(baseline), performance(baseline)
    arrays: list[NDArray[Any]] = [seen.conditions, seen.owners, seen.runs, seen.tolerances]
    arrays += [seen.summary_tolerances, embedding(baseline).sketches, calibration.lengths, calibration.scales]
    arrays += [watched.scores, watched.owners, watched.strides]
    return [*arrays, *calibration.null_scores]


def numbers_of(baseline: Baseline) -> tuple[Any, ...]:
    """All that is no array, and no fingerprint either."""
    plain = replace(baseline, normal={}, fingerprint="")
    seen = quality(baseline)
    told = (tuple(baseline.normal), baseline.episodes.longest, seen.piece_samples, seen.travel, seen.outliers)
    return plain, *told, performance(baseline).interpolators


def same(a: Baseline, b: Baseline) -> bool:
    pairs = list(zip(arrays_of(a), arrays_of(b), strict=True))
    return numbers_of(a) == numbers_of(b) and all(x.dtype == y.dtype and np.array_equal(x, y) for x, y in pairs)


def grids() -> st.SearchStrategy[Mask]:
    """Masks: grids with something hidden and something not."""
    cells = st.lists(st.booleans(), min_size=12, max_size=12).filter(lambda cells: 0 < sum(cells) < 12)
    return st.builds(lambda cells, rows: Mask(np.array(cells).reshape(rows, -1)), cells, st.sampled_from([1, 3, 4]))


@given(
    st.integers(3, MAX_EPISODES),
    st.integers(8, 30),
    st.none() | grids(),
    st.dictionaries(st.sampled_from(["blur", "noise"]), st.none() | st.integers(1, 5)),
)
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_saved_is_what_is_loaded(
    tmp_path: Path, episodes: int, frames: int, mask: Mask | None, sensitivity: dict[str, int | None]
) -> None:
    camera = Camera(frames, dimensions=1 + frames % 12, factors=1)
    baseline = baseline_of([camera.episode(frames) for _ in range(episodes)])
    baseline = replace(
        with_known(baseline, quality=replace(quality(baseline), travel=frames / 100, outliers=(episodes - 1, 0))),
        episode_rule="day",
        mask=mask,
        sensitivity=sensitivity,
    )
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
    episodes = [camera.episode(24) for _ in range(4)]
    save_baseline(replace(baseline_of(episodes), mask=Mask(np.eye(3, 5, dtype=np.bool_))), path)
    return path.read_bytes()


def test_a_file_that_says_nothing_of_travel_is_of_a_fixed_camera(tmp_path: Path, saved: bytes) -> None:
    path = tmp_path / "b.npz"
    with np.load(io.BytesIO(saved)) as archive:
        header = json.loads(bytes(archive["header"]).decode())
    del header["travel"]
    path.write_bytes(rewritten(saved, header=lambda _: np.frombuffer(json.dumps(header).encode(), np.uint8)))
    assert quality(load_baseline(path)).travel == 0.0


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
        if name == "header" and isinstance(change, dict):
            header = json.loads(bytes(arrays["header"]).decode())
            arrays["header"] = np.frombuffer(json.dumps(header | change).encode(), np.uint8)
        elif change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name]) if callable(change) else change
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def with_first(value: float, part: str | None = None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """The array with its first number exchanged; of records, that of the field `part`."""

    def change(array: NDArray[Any]) -> NDArray[Any]:
        copy = array.copy()
        (copy[part] if part else copy).flat[0] = value
        return copy

    return change


def renamed(records: NDArray[Any]) -> NDArray[Any]:
    """The records with a field of another name."""
    names = records.dtype.names or ()
    return records.view(np.dtype([(name.replace("fine", "soft"), records.dtype[name]) for name in names]))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"header": {"version": 1}}, "version 1; expected"),
        ({"header": {"version": 6}}, "version 6; expected"),
        ({"header": {"version": 4, "gates": None}}, "is of gates None"),
        ({"header": {"version": 4, "gates": "embedding"}}, "is of gates 'embedding'; expected embedding"),
        ({"header": {"version": 4, "gates": ["quality", "performance"]}}, "is of gates ['quality', 'performance']"),
        ({"header": {"version": 4, "gates": ["embedding", "sound"]}}, "is of gates ['embedding', 'sound']; expected"),
        ({"header": {"version": 4, "gates": ["embedding"]}}, "holds ["),
        ({"header": {"version": 4, "gates": [["embedding"]]}}, "is of gates"),
        ({"header": {"longest": 1e308}}, "longest"),
        ({"header": {"longest": "nan"}}, "longest"),
        ({"header": {"format": "other"}}, "format 'other'"),
        ({"header": {"fps": -1}}, "fps"),
        ({"header": {"fps": "nan"}}, "fps"),
        ({"header": {"episodes": []}}, "holds 0 episodes"),
        ({"header": {"episodes": [{"name": "alone", "frames": 24, "samples": 24}]}}, "holds 1 episodes; expected 3"),
        ({"header": {"model": None}}, "model"),
        ({"header": {"piece_samples": 0}}, "piece_samples"),
        ({"header": {"piece_samples": 1e-300}}, "piece_samples"),
        ({"header": {"piece_samples": "nan"}}, "piece_samples"),
        ({"header": {"travel": -0.1}}, "travel"),
        ({"header": {"travel": "nan"}}, "travel"),
        ({"header": {"travel": None}}, "travel"),
        ({"header": {"outliers": [4]}}, "outliers"),
        ({"header": {"outliers": [-1]}}, "outliers"),
        ({"header": {"outliers": None}}, "outliers"),
        ({"header": {"sensitivity": {"blur": 6}}}, "sensitivity"),
        ({"header": {"sensitivity": ["blur"]}}, "sensitivity"),
        ({"header": {"mask": None}}, "mask that has no shape"),
        ({"header": {"mask": [5, 5]}}, "holds a mask that"),
        ({"header": {"mask": [0, 5]}}, "holds a mask that"),
        ({"header": {"mask": "large"}}, "holds a mask that"),
        ({"mask": np.zeros(0, np.uint8)}, "holds a mask that"),
        ({"mask": lambda a: a * 0}, "mask that shows all"),
        ({"mask": lambda a: a | 0xFF}, "holds a mask that"),
        ({"mask": lambda a: a.astype(np.int64)}, "holds a mask that"),
        ({"sketches": lambda a: a[::-1, ::-1].copy()}, "contradicts itself"),
        ({"sketches": lambda a: a.astype(np.float32)}, "expected float16"),
        ({"sketches": with_first(np.nan)}, "not finite"),
        ({"scales": lambda a: a * 0}, "contradicts itself"),
        ({"scales": with_first(np.nan)}, "not finite"),
        ({"lengths": lambda a: a[::-1].copy()}, "contradicts itself"),
        ({"null_scores": lambda a: a[:-1]}, "holds null_scores"),
        ({"null_counts": None}, "holds ["),
        ({"extra": np.zeros(3)}, "expected ["),
        ({"conditions": None}, "holds ["),
        ({"conditions": lambda a: a["noise"]}, "holds conditions as float32"),
        ({"conditions": renamed}, "holds conditions as"),
        ({"conditions": lambda a: a[:0]}, "holds conditions as"),
        ({"conditions": with_first(np.nan, "noise")}, "in conditions that are not finite"),
        ({"conditions": with_first(np.inf, "edges")}, "in conditions that are not finite"),
        ({"conditions": with_first(-1, "fine")}, "contradicts itself"),
        ({"conditions": with_first(-1, "still_run")}, "contradicts itself"),
        ({"conditions": lambda a: np.resize(a, 49), "owners": lambda a: np.resize(a, 49)}, "contradicts itself"),
        ({"owners": lambda a: a[:-1]}, "holds owners"),
        ({"owners": lambda a: a.astype(np.int32)}, "expected int64"),
        ({"owners": with_first(4)}, "contradicts itself"),
        ({"owners": with_first(-1)}, "contradicts itself"),
        ({"runs": lambda a: a[::-1].copy()}, "contradicts itself"),
        ({"runs": lambda a: a + 1}, "contradicts itself"),
        ({"runs": lambda a: np.concatenate([a[:1], a[:0:-1]])}, "contradicts itself"),
        ({"runs": lambda a: a.astype(np.float64)}, "expected int64"),
        ({"runs": lambda a: a[:-1]}, "holds tolerances"),
        ({"tolerances": with_first(np.nan)}, "in tolerances that are not finite"),
        ({"tolerances": with_first(0)}, "contradicts itself"),
        ({"tolerances": lambda a: a[:, :-1]}, "holds tolerances"),
        ({"tolerances": lambda a: a.astype(np.float64)}, "expected float32"),
        ({"summary_tolerances": with_first(np.inf)}, "in summary_tolerances that are not finite"),
        ({"summary_tolerances": with_first(-1)}, "contradicts itself"),
        ({"summary_tolerances": lambda a: a[:-1]}, "holds summary_tolerances"),
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


def noisy_signals(rng: np.random.Generator, count: int) -> FrameSignals:
    """Signals that no compression makes smaller."""
    signals = np.zeros(count, FRAME_SIGNALS)
    for name in FRAME_SIGNALS.names or ():
        shape = signals[name].shape
        whole = signals[name].dtype == np.uint8
        signals[name] = rng.integers(0, 256, shape) if whole else rng.uniform(0, 1 if name == "clipped" else 60, shape)
    return signals


def test_a_full_sized_baseline_of_incompressible_footage_stays_under_two_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    episodes = [rng.normal(size=(SKETCH_POINTS, 1280)).astype(np.float16) for _ in range(MAX_EPISODES)]
    signals = [noisy_signals(rng, SKETCH_POINTS) for _ in episodes]
    baseline = baseline_of(episodes, signals)
    assert len(quality(baseline).conditions) == MAX_CONDITIONS
    frames = [window(*one) for one in zip(episodes, signals, strict=True)]
    spreads = {MomentsGate.name: np.full(SKETCH_POINTS, 9, np.float32)}
    later = {
        gate.name: learned
        for gate in (MomentsGate(), ReplayGate())
        if (learned := gate.learn([with_records(one, **spreads) for one in frames], baseline.episodes))
    }
    baseline = replace(baseline, normal={**baseline.normal, **later})
    assert tuple(baseline.normal) == gates.names()
    anchor = baseline.normal[QUALITY].anchored()
    assert isinstance(anchor, QualityNormal)
    for _ in range(3):
        noise = noisy_signals(rng, SKETCH_POINTS)
        anchor = anchor.vouched(window(episodes[0], noise))
    assert len(anchor.known.conditions) == ANCHOR_CONDITIONS
    path = tmp_path / "b.npz"
    anchors = Anchors(tuple(range(MAX_ANCHORS)), {QUALITY: anchor}, "2026-06-30T12:00:00Z", "what drifted " * 10)
    mask = Mask(rng.integers(0, 2, (MAX_ROWS, MAX_COLUMNS)) > 0)
    save_baseline(replace(baseline, mask=mask, anchors=anchors), path)
    assert 1_700_000 < path.stat().st_size <= 2_000_000
    assert load_baseline(path).anchors is not None


def test_the_same_footage_gives_the_same_bytes(
    tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    for name in ("a.npz", "b.npz"):
        baseline, skipped = build_baseline(find_footage(PAST), Models(embedder), fps=2.0)
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
    baseline, _ = build_baseline(find_footage(tmp_path), Models(embedder), fps=5.0)
    assert list(zip(baseline.episodes.names, baseline.episodes.frames, strict=True)) == [
        ("1.avi", 10),
        ("2.avi … 3.avi", 12),
        ("4.avi", 10),
    ]
    assert baseline.episode_rule == "file, 4 joined into 3"


def test_one_video_is_cut_into_contiguous_episodes(embedder: Embedder) -> None:
    baseline, _ = build_baseline(find_footage(PAST), Models(embedder), fps=5.0)
    assert baseline.episodes.frames == (20,) * 12
    assert baseline.episodes.names[0] == "campus-past.mp4 1/12"
    assert baseline.episode_rule == "count"


def test_too_little_footage_says_how_much_is_needed(tmp_path: Path, embedder: Embedder) -> None:
    write_video(tmp_path / "short.avi", range(20))
    with pytest.raises(
        SentinelError, match=r"gives 10 readable samples, enough for 1 episode.*at least 3 episodes of 8"
    ):
        build_baseline(find_footage(tmp_path), Models(embedder), fps=5.0)


def test_mostly_unreadable_footage_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    write_video(tmp_path / "1.avi", range(60))
    for number in range(2, 5):
        (tmp_path / f"{number}.avi").write_bytes(b"broken")
    with pytest.raises(
        SentinelError, match=r"75% of .* cannot be read \(e.g. 4.avi: not a video.*expected at most 25%"
    ):
        build_baseline(find_footage(tmp_path), Models(embedder), fps=5.0)
