"""The detection benchmark's own reckoning: what it reads, how it splits, what it counts."""

import importlib
import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge import assets
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, find_clips
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.lossless import LosslessVideo, encode_png
from sentinel_edge.footage.window import Recorder, Window, read_window
from sentinel_edge.gates.signals import FRAME_SIGNALS, measure
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import KINDS
from sentinel_edge.sabotage.saboteur import sabotage
from sentinel_edge.verdict.verdict import CauseFound, GateResult, Status, error_verdict
from tests.benchmarks.detection import evasions, records, remedies, scores
from tests.benchmarks.detection.cache import WindowCache
from tests.benchmarks.detection.cases import Truth
from tests.benchmarks.detection.corruptions import (
    CLEAN,
    SABOTEUR,
    SEVERITIES,
    THEIR_KINDS,
    Damage,
    all_damages,
    corrupt_tta_installed,
)
from tests.benchmarks.detection.footage import HALVES, OVERLAYS, Part, Stretch, find_cameras, hour_of
from tests.benchmarks.detection.judges import Normal, Opinion, sentinel_edge
from tests.benchmarks.detection.lens import BROKEN, CROPPED, DIRT, RAIN, faults
from tests.benchmarks.detection.records import Records
from tests.benchmarks.detection.scores import Outcome, Trial
from tests.conftest import INCOMING
from tests.gates.embedding.test_calibration import baseline_of
from tests.material.simulation import Camera, PictureCamera, signals_of
from tests.material.windows import EMBEDDING, QUALITY, read, window

FRAMES = 40


@pytest.fixture
def footage(tmp_path: Path) -> Path:
    """A folder with one camera of `FRAMES` real frames at ten a second."""
    folder = tmp_path / "footage"
    folder.mkdir()
    with VideoReader(INCOMING) as reader, LosslessVideo(folder / "campus.avi", 10.0) as video:
        for _, frame in islice(reader, FRAMES):
            video.write(frame)
    return folder


def outcome(camera: str, source: str, evidence: float, severity: int = 0) -> Outcome:
    status = Status.FAIL if evidence > 1 else Status.PASS
    return Outcome(Trial(camera, source, "kind", severity, "whole"), "judge", Opinion(status, evidence))


@pytest.mark.parametrize(
    "damage", [CLEAN, *(Damage(SABOTEUR, kind, 3) for kind in ("blur", "occlusion", "frozen"))], ids=str
)
def test_in_memory_gives_what_the_saboteurs_files_give(
    damage: Damage, footage: Path, tmp_path: Path, embedder: Embedder
) -> None:
    (clip,) = find_clips(footage)
    windows = WindowCache(tmp_path / "cache", embedder)
    in_memory = windows.window(Stretch(clip, 0, FRAMES), damage, 5.0, 100)
    kind = Cause(damage.kind) if damage.severity else Cause.NOISE
    sabotage(footage, kind, damage.severity, tmp_path / "written")
    through_files = read(find_clips(tmp_path / "written"), embedder)
    np.testing.assert_array_equal(in_memory.records[EMBEDDING], through_files.records[EMBEDDING])
    assert in_memory.records[QUALITY].tobytes() == through_files.records[QUALITY].tobytes()
    assert (in_memory.origins, in_memory.samples) == (through_files.origins, through_files.samples)


def test_a_stretch_begins_and_ends_where_it_says_and_is_read_once(
    footage: Path, tmp_path: Path, embedder: Embedder
) -> None:
    (clip,) = find_clips(footage)
    windows = WindowCache(tmp_path / "cache", embedder)
    whole = windows.window(Stretch(clip, 0, FRAMES), CLEAN, 10.0, 100)
    piece = windows.window(Stretch(clip, 15, 25), CLEAN, 10.0, 100)
    np.testing.assert_array_equal(piece.records[EMBEDDING], whole.records[EMBEDDING][15:25])
    assert piece.origins[0] == "campus.avi@0.00s"
    again = windows.window(Stretch(clip, 15, 25), CLEAN, 10.0, 100)
    np.testing.assert_array_equal(again.records[EMBEDDING], piece.records[EMBEDDING])
    assert windows.read == 2


def test_a_video_is_cut_at_sixty_percent_and_before_its_real_failure(footage: Path) -> None:
    (camera,) = find_cameras(footage)
    ((future, parts),) = camera.clean
    assert [(stretch.start, stretch.stop) for stretch in camera.past] == [(0, 24)]
    assert (future.start, future.stop, [str(part) for part in parts]) == (24, 40, ["whole", "half 1", "half 2"])
    told = {"camera": "campus.avi", "what": "a hand", "cause": "occlusion", "from_frame": 30}
    (footage / "failures.json").write_text(json.dumps([told]))
    (camera,) = find_cameras(footage)
    (failure,) = camera.failures
    assert (camera.past[0].stop, camera.clean[0][0].stop) == (18, 30)
    assert (failure.stretch.start, failure.stretch.stop) == (30, 40)


def test_a_failure_of_footage_that_is_not_there_is_refused(footage: Path) -> None:
    told = {"camera": "gone.avi", "what": "a hand", "cause": "occlusion", "from_frame": 30}
    (footage / "failures.json").write_text(json.dumps([told]))
    with pytest.raises(SentinelError, match=r"names gone\.avi; expected one of campus\.avi"):
        find_cameras(footage)


def test_of_days_the_last_third_is_the_future_in_days_and_hours(tmp_path: Path) -> None:
    packet = encode_png(np.zeros((8, 8, 3), np.uint8)).tobytes()
    for day in range(1, 10):
        folder = tmp_path / "site" / f"2023-06-{day:02}"
        folder.mkdir(parents=True)
        for hour in (1, 11, 13):
            (folder / f"2023-06-{day:02}T{hour:02}_30_00.png").write_bytes(packet)
    (camera,) = find_cameras(tmp_path)
    assert [stretch.clip.name[-1] for stretch in camera.past] == list("123456")
    assert [stretch.clip.name[-1] for stretch, _ in camera.clean] == list("789")
    assert [str(part) for part in camera.clean[0][1]][:3] == ["whole", "00-04 h", "04-08 h"]
    assert [str(part) for _, parts in camera.sabotaged for part in parts] == ["whole", "12-16 h"] * 2


@pytest.mark.parametrize(
    ("name", "hour"),
    [
        ("2023-06-13T18_30_00.jpg", 18.5),
        ("day/20230613_0615.png", 6.25),
        ("23-59-59.jpg", pytest.approx(24, abs=1e-3)),
        ("frame_0007.jpg", pytest.approx(7 / 60)),
        ("frame_7.jpg", None),
        ("frame_9999.jpg", None),
    ],
)
def test_the_hour_is_read_from_a_pictures_name(name: str, hour: float | None) -> None:
    assert hour_of(name) == hour


@given(st.integers(1, 200))
def test_halves_share_a_window_without_overlap(count: int) -> None:
    embeddings, signals = np.zeros((count, 2), np.float16), np.zeros(count, FRAME_SIGNALS)
    shown = window(embeddings, signals, samples=3 * count)
    first, second = (shown.take(half.of(shown)) for half in HALVES)
    assert len(first.records[EMBEDDING]) + len(second.records[EMBEDDING]) == count
    assert abs(first.samples - 1.5 * count) <= 1.5
    assert len(shown.take(Part("hours", 0).of(shown)).records[EMBEDDING]) == 0


def test_our_evidence_is_the_worse_gate_in_its_own_thresholds_and_none_where_it_cannot_judge() -> None:
    camera, pictures = Camera(0, dimensions=30, episode_effect=0.0), PictureCamera(0)
    past = [camera.episode(24) for _ in range(4)]
    normal = Normal(baseline_of(past, [pictures.signals(24) for _ in past]), "", np.concatenate(past))
    dark = [np.asarray(frame // 4, np.uint8) for frame in pictures.episode(24)]
    shown = window(camera.episode(24), signals_of(dark))
    opinion = sentinel_edge(shown, normal)
    assert opinion.status is Status.FAIL
    assert opinion.gates["embedding"] is not None
    assert opinion.evidence == max(opinion.gates["embedding"] / 0.3, opinion.gates["quality"] or 0) > 1
    assert opinion.causes
    for silent, known in (
        (shown.part(0, 4), normal),
        (replace(shown, unreadable=20.0), normal),
        (shown, Normal(None, "too short", np.concatenate(past))),
    ):
        assert sentinel_edge(silent, known) == Opinion(Status.ERROR, None, sentinel_edge(silent, known).gates)


def test_every_kind_is_made_at_every_severity_and_has_a_right_name() -> None:
    damages = all_damages(slow=True)
    assert {(damage.kind, damage.severity) for damage in damages if damage.source == SABOTEUR} == {
        (str(kind), severity) for kind in KINDS for severity in SEVERITIES
    }
    assert all(damage.causes and Cause.UNKNOWN not in damage.causes for damage in damages)


@pytest.mark.skipif(not corrupt_tta_installed(), reason="corrupt-tta comes with `make bench-detection`")
def test_the_table_of_causes_covers_corrupt_tta() -> None:
    assert set(importlib.import_module("corrupt_tta").corruption_dict) == set(THEIR_KINDS)
    frame = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    for kind, theirs in THEIR_KINDS.items():
        camera = Damage("corrupt-tta", kind, 3).on_clip("clip", 2)
        first, second = camera(frame), camera(frame)
        assert first.shape == frame.shape
        assert not theirs.still or np.array_equal(first, second)
        again = Damage("corrupt-tta", kind, 3).on_clip("clip", 2)(frame)
        assert np.array_equal(first, again) or kind == "impulse_noise"  # draws from a generator it does not show


@given(
    st.lists(st.integers(0, 5).map(float), min_size=1, max_size=30),
    st.lists(st.integers(0, 5).map(float), min_size=1, max_size=30),
)
def test_the_area_is_the_share_of_pairs_in_the_right_order(positives: list[float], negatives: list[float]) -> None:
    right = sum((a > b) + 0.5 * (a == b) for a in positives for b in negatives)
    found = scores.area_under_curve(np.array(positives), np.array(negatives))
    assert found == pytest.approx(right / (len(positives) * len(negatives)))


def test_the_area_over_cameras_is_that_of_all_windows_together() -> None:
    clean = [outcome(camera, "clean", evidence) for camera, evidence in (("a", 0.2), ("a", 0.5), ("b", 0.9))]
    damaged = [outcome(camera, "saboteur", evidence, 1) for camera, evidence in (("a", 0.6), ("b", 1.5), ("b", 0.5))]
    area = scores.area(clean, damaged)
    assert area.value == pytest.approx((2 + 3 + 1.5) / 9)
    assert area.low <= area.value <= area.high


def test_wilson_is_the_textbook_interval() -> None:
    np.testing.assert_allclose(scores.wilson(0, 10), (0.0, 0.2775), atol=1e-4)
    np.testing.assert_allclose(scores.wilson(5, 10), (0.2366, 0.7634), atol=1e-4)


def test_intervals_count_cameras_not_windows() -> None:
    few = scores.rate(["a"] * 50 + ["b"] * 50, [True] * 50 + [False] * 50)
    many = scores.rate([str(number) for number in range(100)], [True, False] * 50)
    assert (few.value, few.low, few.high) == (0.5, 0.0, 1.0)
    assert 0.35 < many.low < 0.45
    assert 0.55 < many.high < 0.65
    unanimous = scores.rate(["a", "b"] * 500, [False] * 1000)
    assert (unanimous.low, unanimous.high) == scores.wilson(0, 2)


def test_windows_that_cannot_be_judged_are_in_no_rate() -> None:
    silent = Outcome(Trial("a", "clean", "clean", 0, "whole"), "judge", Opinion(Status.ERROR, None))
    rate = scores.failed([outcome("a", "clean", 2.0), outcome("a", "clean", 0.5), silent])
    assert (rate.hits, rate.judged, rate.errors) == (1, 2, 1)
    assert scores.failed([silent]).judged == 0


@given(st.lists(st.integers(0, 20).map(float), min_size=1, max_size=40), st.floats(0, 1))
def test_a_moved_threshold_keeps_to_the_false_alarms_allowed(evidence: list[float], allowed: float) -> None:
    clean = [outcome("a", "clean", value) for value in evidence]
    assert scores.detected_at(clean, clean, allowed).value <= allowed + 1e-9


def test_only_the_first_cause_counts_and_only_where_the_window_failed() -> None:
    trial = Trial("a", SABOTEUR, "fog", 3, "whole", (Cause.FOG,))
    found = [
        Outcome(trial, "judge", Opinion(status, 1.0, {}, causes))
        for status, causes in (
            (Status.FAIL, (Cause.FOG, Cause.BLUR)),
            (Status.FAIL, (Cause.BLUR, Cause.FOG)),
            (Status.FAIL, ()),
            (Status.PASS, (Cause.FOG,)),
        )
    ]
    rate = scores.named(found)
    assert (rate.hits, rate.judged) == (1, 3)


@pytest.fixture
def overlays(footage: Path) -> Path:
    """Overlays beside the footage: specks, drops and cracks, at the places where theirs are transparent or not."""
    folder = footage / OVERLAYS
    folder.mkdir()
    chance = np.random.default_rng(0)
    drops = (cv2.GaussianBlur(chance.random((96, 128), np.float32), (0, 0), 2) > 0.51).astype(np.uint8)
    (folder / DIRT).write_bytes(encode_png(drops * 20).tobytes())
    shown = np.dstack([drops * 200, drops * 210, drops * 220, drops * 255])
    for name in (RAIN, BROKEN):
        (folder / name).write_bytes(cv2.imencode(".png", shown)[1].tobytes())
    return folder


def test_a_fault_of_the_lens_stays_where_it_is_and_does_what_its_name_says(overlays: Path) -> None:
    with VideoReader(INCOMING) as reader:
        _, frame = next(iter(reader))
    for fault in faults(overlays):
        camera = fault.on_clip("clip", 2)
        shown = camera(frame)
        np.testing.assert_array_equal(camera(frame), shown)
        assert shown.dtype == np.uint8
        detail, before = (measure(picture, None)["fine"] for picture in (shown, frame))
        if fault.kind == "turned":
            assert shown.shape == CROPPED.on_clip("clip", 2)(frame).shape < frame.shape
        elif fault.kind == "dirt":
            assert (shown >= frame).all()
            assert shown.mean() > frame.mean()
        elif fault.kind == "black_level":
            assert shown.min() == frame.min() + fault.strength
        elif fault.kind == "wet_window":
            assert detail.mean() < (1 - 0.1 * fault.severity) * before.mean()
        else:
            assert np.abs(shown.astype(float) - frame).mean() > 1


def test_records_kept_apart_are_those_of_the_window_read_whole(
    footage: Path, tmp_path: Path, embedder: Embedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clip,) = find_clips(footage)
    stretch = Stretch(clip, 4, FRAMES)
    kept = Records.at(tmp_path / "kept", assets.default_model())
    for damage in (CLEAN, Damage(SABOTEUR, "blur", 3), Damage(SABOTEUR, "frozen", 3)):
        whole = WindowCache(tmp_path / "cache", embedder).window(stretch, damage, 5.0, 100)
        kept.fill(stretch, [damage], 5.0)
        with monkeypatch.context() as patch:
            patch.setattr(records, "read_window", None)  # all of it is there already
            window = kept.window(stretch, damage, 5.0)
        np.testing.assert_array_equal(window.records[EMBEDDING], whole.records[EMBEDDING])
        assert window.records[QUALITY].tobytes() == whole.records[QUALITY].tobytes()
        assert (window.origins, window.samples) == (whole.origins, whole.samples)
    # Signals measured by other code are measured again, and nothing is embedded for that.
    measured: list[str] = []

    def changed(kind: type[Recorder]) -> list[str]:
        return [kind.__name__, "changed"] if kind.name == QUALITY else code(kind)

    def reading(clips: list[Clip], recorders: list[Recorder], *options: Any, **more: Any) -> Window:
        measured.extend(recorder.name for recorder in recorders)
        return read_window(clips, recorders, *options, **more)

    code = records._code
    monkeypatch.setattr(records, "_code", changed)
    monkeypatch.setattr(records, "read_window", reading)
    before = kept.embedder.embedded
    kept.fill(stretch, [CLEAN], 5.0)
    assert measured == [QUALITY]
    # Where footage is read in another way all is read again, but a picture that was embedded is not embedded again.
    monkeypatch.setattr(records, "_source", lambda module: module.__name__)
    kept.fill(stretch, [CLEAN], 5.0)
    assert set(measured[1:]) >= {QUALITY, EMBEDDING}
    assert kept.embedder.embedded == before > 0


def test_the_remedy_table_says_what_a_verdict_calls_for(overlays: Path, tmp_path: Path) -> None:
    answers = remedies.measured(overlays.parent, tmp_path / "cache", processes=1, quick=True)
    told = {(answer.camera, answer.kind): answer for answer in answers}
    assert {answer.truth for answer in answers} == {Truth.ORDINARY, Truth.FAULT}
    assert told["campus.avi", ""].called_for == "nothing"
    covered = told["campus.avi", "saboteur occlusion 2"]
    assert (covered.status, covered.called_for, covered.right) == ("FAIL", "repair", True)
    assert covered.gates["quality"]["score"] > 1
    rows = {row.split("|")[2].strip(): row for row in remedies.table(answers).splitlines()}
    assert "| ordinary | ordinary, videos | 1 | 1 |" in rows["ordinary, videos"]
    assert set(rows) >= {"saboteur severity 2", "rain", "wet_window", "turned", "**all**"}


def test_answers_are_counted_by_harm() -> None:
    def answer(truth: Truth, sort: str, called_for: str, status: str = "FAIL") -> remedies.Answer:
        return remedies.Answer("a", "w", truth, sort, "", status, called_for, None, 9, [], {}, "")

    told = remedies.harm(
        [
            answer(Truth.FAULT, "saboteur severity 2", "repair"),
            answer(Truth.FAULT, "saboteur severity 2", "retrain"),
            answer(Truth.FAULT, "rain", "look"),
            answer(Truth.NATURAL, "night", "retrain"),
            answer(Truth.ORDINARY, "ordinary", "ERROR", "ERROR"),
        ]
    )
    assert told["a fault of the camera called for retraining"] == (1, 3)
    assert told["real and others' faults answered by repair or look"] == (1, 1)
    assert told["saboteur severity 2 answered by repair or look"] == (1, 2)
    assert told["natural change called for repair"] == (0, 1)
    assert (told["ordinary windows: ERROR"], told["ordinary windows: FAIL"]) == ((1, 1), (0, 1))


def test_thirty_one_ways_to_hide_something_are_each_what_they_say() -> None:
    frames = [np.full((32, 48, 3), number, np.uint8) for number in range(1, 41)]
    other = [np.full((32, 48, 3), 200 + number, np.uint8) for number in range(40)]
    material = evasions.Material("cam", 0.1, 5.0, [frame + 100 for frame in frames], frames, other)
    made = {kind: list(change(material)) for kind, change in evasions.KINDS.items()}
    assert len(made) == 31

    def grey(kind: str) -> list[int]:
        return [int(frame[0, -1, 0]) for frame in made[kind]]

    assert grey("every fourth frame black")[:8] == [1, 2, 3, 0, 5, 6, 7, 0]
    assert grey("every second frame frozen")[:4] == [1, 1, 3, 3]
    assert grey("the last quarter another camera")[29:32] == [30, 230, 231]
    assert grey("the first quarter looped") == list(range(1, 11)) * 4
    assert sorted(grey("shuffled")) == list(range(1, 41)) != grey("shuffled")
    assert grey("half speed, every frame twice")[:4] == [1, 1, 2, 2]
    assert grey("reversed") == list(range(40, 0, -1))
    assert grey(evasions.HONEST_REPLAY) == [int(frame[0, 0, 0]) for frame in material.yesterday]
    assert all(len(frames) in (10, 26, 40, 80) for frames in made.values())


def test_what_passes_is_counted_and_order_only_where_a_gate_judged_it() -> None:
    def seen(kind: str, status: Status, score: float | None = None, cause: Cause | None = None) -> evasions.Seen:
        gate = GateResult(Status.NOT_JUDGED if score is None else status, score, 1.0, "so")
        verdict = replace(
            error_verdict("so", "2026-01-31T12:00:00Z"),
            status=status,
            gates={"performance": gate},
            causes=(CauseFound(cause, "so"),) if cause else (),
        )
        return evasions.Seen("cam", kind, verdict)

    table = evasions.tabulated(
        [
            seen(evasions.CLEAN, Status.PASS),
            seen("second half", Status.FAIL, cause=Cause.UNKNOWN),
            seen("shuffled", Status.PASS),
            seen("reversed", Status.PASS),
            seen(evasions.HONEST_REPLAY, Status.FAIL, cause=Cause.REPLAYED),
        ]
    )
    assert [finding.measured for finding in table.findings] == ["1 of 2", "0 of 1", "1 of 2"]
    assert ("shuffled", "PASS") in table.rows
    judged = evasions.tabulated([seen("reversed", Status.PASS, 0.5)])
    assert judged.findings[0].measured == "1 of 1"
