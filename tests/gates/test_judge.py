"""The judge over all gates: who decides, what is said of a window that fails, and what cannot be judged."""

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Self

import jsonschema
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.causes import Cause
from sentinel_edge.footage.window import Window
from sentinel_edge.gates import names
from sentinel_edge.gates.judge import DRIFTED_FRAMES, Judgement, judge
from sentinel_edge.gates.protocol import Anchors, Explanation, Normal, Packed
from sentinel_edge.gates.signals import FrameSignals
from sentinel_edge.verdict.summary import summary
from sentinel_edge.verdict.verdict import SCHEMA_PATH, CauseFound, FrameCount, GateResult, Status, Verdict
from tests.command import assert_one_line
from tests.conftest import DATA
from tests.gates.embedding.test_calibration import baseline_of
from tests.gates.quality.test_normal import EPISODES, LENGTH, TRIALS, future, past
from tests.material import windows
from tests.material.simulation import Camera, PictureCamera, signals_of
from tests.material.windows import EMBEDDING, PERFORMANCE, QUALITY, quality, with_known, with_records


class Site:
    """A simulated camera seen both ways: as embeddings and as pictures."""

    def __init__(self, seed: int) -> None:
        self.embeddings = Camera(seed, dimensions=96, correlation=0.9, episode_effect=0.7)
        self.pictures = PictureCamera(seed)

    def window(self, frames: int = LENGTH, *, shift: float = 0.0, dim: int = 1) -> Window:
        """A window; `shift` moves the embeddings, `dim` divides the light."""
        parts = [min(LENGTH, frames - start) for start in range(0, frames, LENGTH)]
        embeddings = np.concatenate([self.embeddings.episode(part, shift) for part in parts])
        pictures = [np.asarray(frame // dim, np.uint8) for part in parts for frame in self.pictures.episode(part)]
        return window_of(embeddings, signals_of(pictures))


def window_of(embeddings: NDArray[np.float16], signals: FrameSignals) -> Window:
    return windows.window(embeddings, signals, origins=[f"frame {n}" for n in range(len(embeddings))])


@cache
def known(seed: int = 0) -> Baseline:
    camera = Site(seed).embeddings
    return baseline_of([camera.episode(LENGTH) for _ in range(EPISODES)], past(seed))


class Anchor(Normal):
    """An anchor that finds a window beyond itself, by these causes."""

    def __init__(self, *causes: Cause) -> None:
        self.causes = causes

    def judge(self, *_: object) -> GateResult:
        """FAIL."""
        return GateResult(Status.FAIL, 1.6, 1.0, "detail 1.6 times what is tolerated", {"deviations": {"detail": -1.6}})

    def explain(self, *_: object) -> Explanation:
        """Its causes."""
        return Explanation(tuple(CauseFound(cause, f"it is {cause}") for cause in self.causes), ("frame 3",))

    def changes(self, result: GateResult) -> str:
        """Always the same."""
        return f"fine detail fell by 40 % ({result.score})"

    def only(self, positions: Sequence[int]) -> Self:
        """Not asked."""
        raise NotImplementedError

    def grown(self, *_: object) -> Self:
        """Not asked."""
        raise NotImplementedError

    def pack(self) -> Packed:
        """Not asked."""
        raise NotImplementedError


def grown(*causes: Cause) -> Baseline:
    """A baseline from whose anchors everything differs by these causes."""
    return replace(known(), anchors=Anchors((0, 1), {QUALITY: Anchor(*causes)}, "2026-06-30T12:00:00Z"))


@pytest.mark.parametrize("causes", [(Cause.FOG,), (Cause.SCENE_CHANGE, Cause.BLUR), (Cause.LOW_LIGHT,)])
def test_what_passes_but_differs_by_a_fault_from_what_it_was_founded_on_fails(causes: tuple[Cause, ...]) -> None:
    found = judge(later().window(), grown(*causes))
    assert found.status is found.gates[QUALITY].status is Status.FAIL
    assert (found.gates[QUALITY].score, found.gates[EMBEDDING].status) == (1.6, Status.PASS)
    assert found.gates[QUALITY].reason.startswith("fine detail fell by 40 % (1.6) since 2026-06, in steps")
    assert tuple(cause.kind for cause in found.causes) == causes
    assert found.furthest == ("frame 3",)
    json.dumps(found.gates[QUALITY].facts)


@pytest.mark.parametrize("causes", [(Cause.SCENE_CHANGE,), (Cause.UNKNOWN,)])
def test_what_differs_otherwise_is_told(causes: tuple[Cause, ...]) -> None:
    shown = later().window()
    found, before = judge(shown, grown(*causes)), judge(shown, known())
    assert found.status is Status.PASS
    assert found.causes == ()
    told = f"{before.gates[QUALITY].reason}; fine detail fell by 40 % (1.6) since 2026-06"
    assert found.gates[QUALITY].reason == told
    assert found.gates[QUALITY].score == before.gates[QUALITY].score


def test_a_gate_that_was_not_asked_is_held_against_nothing() -> None:
    assert judge(later().window(), grown(Cause.FOG), gates=[EMBEDDING]).status is Status.PASS


def later(seed: int = 0) -> Site:
    site = Site(seed)
    site.embeddings.rng, site.pictures = np.random.default_rng([seed, 2]), future(seed)
    return site


def test_a_cause_that_two_gates_name_is_told_once() -> None:
    both = {QUALITY: Anchor(Cause.FROZEN, Cause.FOG), EMBEDDING: Anchor(Cause.SCENE_CHANGE, Cause.FROZEN)}
    found = judge(later().window(), replace(known(), normal=both))
    assert [cause.kind for cause in found.causes] == [Cause.FROZEN, Cause.FOG, Cause.SCENE_CHANGE]


NORMAL, STRANGE, DIM, BOTH = "normal", "strange", "dim", "both"
WINDOWS = {NORMAL: {}, STRANGE: {"shift": 2.0}, DIM: {"dim": 4}, BOTH: {"shift": 2.0, "dim": 4}}


@cache
def window(kind: str) -> Window:
    return later().window(**WINDOWS[kind])  # type: ignore[arg-type]


# Who decides.


@pytest.mark.parametrize(
    ("kind", "failed"), [(NORMAL, ()), (STRANGE, (EMBEDDING,)), (DIM, (QUALITY,)), (BOTH, (EMBEDDING, QUALITY))]
)
def test_a_window_fails_when_either_gate_does(kind: str, failed: tuple[str, ...]) -> None:
    found = judge(window(kind), known())
    assert tuple(found.gates) == tuple(known().normal)
    assert tuple(name for name, gate in found.gates.items() if gate.status is Status.FAIL) == failed
    assert found.status is (Status.FAIL if failed else Status.PASS)
    assert bool(found.causes) == bool(found.most_drifted) == bool(failed)
    assert found.gates[PERFORMANCE].status is Status.NOT_JUDGED, "of these windows no frame was interpolated"
    for gate in (found.gates[EMBEDDING], found.gates[QUALITY]):
        assert gate.score is not None
        assert (gate.score > gate.threshold) == (gate.status is Status.FAIL)
        assert_one_line(gate.reason)


@pytest.mark.parametrize("kind", WINDOWS)
@pytest.mark.parametrize("gates", [(EMBEDDING,), (QUALITY,)])
def test_a_gate_left_out_says_nothing_and_changes_nothing_of_the_other(kind: str, gates: tuple[str, ...]) -> None:
    alone, together = judge(window(kind), known(), gates=gates), judge(window(kind), known())
    assert set(alone.gates) == set(gates)
    assert alone.gates[gates[0]] == together.gates[gates[0]]
    assert alone.status is alone.gates[gates[0]].status


def test_the_picture_is_looked_at_only_where_it_decides_or_explains() -> None:
    def looked_at(kind: str) -> bool:
        baseline = with_known(known(), quality=replace(quality(known())))
        judge(window(kind), baseline, gates=[EMBEDDING])
        return "views" in vars(quality(baseline))

    assert not looked_at(NORMAL)
    assert looked_at(STRANGE), "its causes are wanted"


def test_the_quality_gates_score_is_its_largest_deviation_and_the_reason_names_it() -> None:
    gate = judge(window(DIM), known()).gates[QUALITY]
    deviations = gate.numbers["deviations"]
    worst = max(deviations, key=lambda name: abs(deviations[name]))
    assert gate.score == abs(deviations[worst]) > 1 == gate.threshold
    assert f"normal: {worst} {gate.score:.1f}" in gate.reason
    assert set(gate.reference) <= set(known().episodes.names)
    assert gate.reference


def test_dimming_is_called_low_light_and_what_only_the_model_sees_a_change_of_scene() -> None:
    assert judge(window(DIM), known()).causes[0].kind is Cause.LOW_LIGHT
    assert judge(window(STRANGE), known()).causes[0].kind is Cause.SCENE_CHANGE


def test_a_threshold_and_alpha_are_the_embedding_gates_alone() -> None:
    usual, loose = (
        judge(window(NORMAL), known()),
        judge(window(NORMAL), known(), settings={"threshold": 0.001, "alpha": 0.2}),
    )
    assert loose.gates[EMBEDDING].status is Status.FAIL
    assert loose.gates[QUALITY] == usual.gates[QUALITY]
    assert loose.status is Status.FAIL


# Frames to look at.


@pytest.mark.parametrize("odd", [(3,), (0, 11, 23), (2, 5, 8, 13, 21)])
def test_the_frames_named_are_the_odd_ones(odd: tuple[int, ...]) -> None:
    signals = window(STRANGE).records[QUALITY].copy()
    for rank, frame in enumerate(odd):
        signals["luma"][frame, ::2] = 255 - 20 * (len(odd) - rank)
    found = judge(with_records(window(STRANGE), quality=signals), known())
    assert found.status is Status.FAIL
    assert len(found.most_drifted) == DRIFTED_FRAMES
    assert found.most_drifted[: len(odd)] == tuple(f"frame {frame}" for frame in reversed(odd)), "the furthest first"


def test_distance_is_from_the_nearest_condition_not_from_their_middle() -> None:
    conditions, signals = quality(known()).conditions.copy(), window(STRANGE).records[QUALITY].copy()
    conditions["luma"][::2], conditions["luma"][1::2] = 200, 40
    signals["luma"][::2], signals["luma"][1::2] = 200, 40
    signals["luma"][[4, 17]] = 120
    baseline = with_known(known(), quality=replace(quality(known()), conditions=conditions))
    found = judge(with_records(window(STRANGE), quality=signals), baseline)
    assert found.status is Status.FAIL
    assert set(found.most_drifted[:2]) == {"frame 4", "frame 17"}


def test_of_a_frozen_camera_the_frames_named_are_where_the_repeat_begins_and_ends() -> None:
    signals = window(NORMAL).records[QUALITY].copy()
    signals["change"][8:20] = 0.0
    found = judge(with_records(window(NORMAL), quality=signals), known())
    assert (found.status, found.causes[0].kind) == (Status.FAIL, Cause.FROZEN)
    assert found.most_drifted == ("frame 8", "frame 20")


# What cannot be judged.


def test_too_few_frames_is_an_error_of_both_gates() -> None:
    found = judge(window(BOTH).part(0, 7), known(), gates=[EMBEDDING, QUALITY])
    assert found.status is Status.ERROR
    assert [gate.status for gate in found.gates.values()] == [Status.ERROR, Status.ERROR]
    assert all("too few frames: 7 readable" in gate.reason for gate in found.gates.values())
    assert all(gate.score is None for gate in found.gates.values())
    assert (found.causes, found.most_drifted) == ((), ())


def test_no_frames_at_all_is_an_error_too() -> None:
    found = judge(window(NORMAL).part(0, 0), known())
    assert found.status is Status.ERROR
    assert all("0 readable" in found.gates[name].reason for name in (EMBEDDING, QUALITY))


def too_long(kind: str) -> Window:
    return replace(window(kind), samples=10**6)


def test_where_one_gate_cannot_judge_the_others_fail_stands_and_its_pass_does_not() -> None:
    dim, normal = judge(too_long(DIM), known()), judge(too_long(NORMAL), known())
    assert [found.gates[EMBEDDING].status for found in (dim, normal)] == [Status.ERROR, Status.ERROR]
    assert (dim.gates[QUALITY].status, dim.status) == (Status.FAIL, Status.FAIL)
    assert dim.causes
    assert (normal.gates[QUALITY].status, normal.status) == (Status.ERROR, Status.ERROR), "a PASS would mean nothing"
    assert normal.causes == ()
    assert judge(too_long(NORMAL), known(), gates=(QUALITY,)).status is Status.ERROR


# The verdict.


def verdict_of(found: Judgement, gates: Collection[str]) -> Verdict:
    embedding = found.gates.get(EMBEDDING)
    return Verdict(
        status=found.status,
        message="; ".join(gate.reason for gate in found.gates.values()),
        drift_score=embedding.score if embedding else None,
        threshold=0.3,
        alpha=0.05,
        incoming="in",
        frames=FrameCount(LENGTH, LENGTH, 1, 0, found.most_drifted),
        gates=found.gates,
        causes=found.causes,
        baseline={"path": "b", "sha256": "0", "source": "s", "created_at": "c", "episodes": 12, "fps": 5.0},
        model={"path": "m", "name": "n", "sha256": "0"},
        started_at="2026-01-01T00:00:00Z",
        duration_s=0.0,
    )


@pytest.mark.parametrize("gates", [names(), (EMBEDDING,), (QUALITY,)], ids=",".join)
@pytest.mark.parametrize("kind", [*WINDOWS, "short", "long"])
def test_every_kind_of_verdict_keeps_to_the_schema(kind: str, gates: tuple[str, ...]) -> None:
    unusual = {"short": window(BOTH).part(0, 3), "long": too_long(DIM)}
    found = judge(unusual.get(kind) or window(kind), known(), gates=gates)
    verdict = verdict_of(found, gates)
    document = json.loads(verdict.to_json())
    jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text())).validate(document)
    assert set(document["gates"]) == set(gates)
    assert (document["drift_score"] is None) == (
        EMBEDDING not in gates or found.gates[EMBEDDING].status is Status.ERROR
    )
    judged = {name for name, gate in document["gates"].items() if gate["status"] in ("PASS", "FAIL")}
    assert {name for name, gate in document["gates"].items() if gate["deviations"]} == judged - {EMBEDDING}
    shown = summary(verdict, DATA)
    assert shown.startswith(f"{verdict.status}  ")
    assert "None" not in shown


def test_a_baseline_with_an_episode_like_no_other_is_told_by_its_name() -> None:
    odd = [*past(0)]
    odd[7] = later().window(dim=50).records[QUALITY]
    camera = Site(0).embeddings
    baseline = baseline_of([camera.episode(LENGTH) for _ in odd], odd)
    assert baseline.outliers == (7,)
    assert any(line.startswith("episode 7 looks like none of the others") for line in baseline.weaknesses)
    assert not any("looks like none" in line for line in known().weaknesses)


# Validity: simulated cameras whose frames, places and dimensions depend on each other.


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_normal_windows_of_both_gates_together_raise_at_most_one_alarm_in_twenty(ratio: float) -> None:
    alarms = [
        judge(later(seed).window(round(LENGTH * ratio)), known(seed)).status is not Status.PASS
        for seed in range(TRIALS)
    ]
    # Refuted only by a count that 5 % would give less than once in a thousand.
    assert stats.binom.sf(sum(alarms) - 1, TRIALS, 0.05) > 0.001, f"{sum(alarms)} of {TRIALS}"


def test_every_window_in_which_the_picture_or_the_embedding_changed_fails() -> None:
    for seed in range(6):
        assert judge(later(seed).window(shift=2.0), known(seed)).gates[EMBEDDING].status is Status.FAIL
        assert judge(later(seed).window(dim=4), known(seed)).gates[QUALITY].status is Status.FAIL


def test_frames_to_look_at_are_told_also_where_the_window_is_too_long_for_the_picture() -> None:
    """The model's loss alone fails it; which frames are unlike all that is known can be said all the same."""
    baseline = known()
    failing = replace(window(NORMAL), samples=too_long(NORMAL).samples)
    lost = GateResult(Status.FAIL, 2.0, 1.0, "the model does worse")
    quality_gate, shown = baseline.normal[QUALITY], failing
    results = {QUALITY: quality_gate.judge(shown, baseline.episodes, {}), PERFORMANCE: lost}
    assert results[QUALITY].status is Status.ERROR
    assert quality_gate.explain(shown, results).furthest
