"""What a verdict calls for: every cause, every guard, every history."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.causes import REMEDIES, Cause, Remedy
from sentinel_edge.decision.decision import (
    Guards,
    Policy,
    Retraining,
    Surroundings,
    decide,
    disagreement,
    silent_gates,
)
from sentinel_edge.decision.history import Action, Entry
from sentinel_edge.verdict.verdict import EXIT_CODES, GateResult, Status, Verdict
from tests.material.verdicts import BASELINE, made

NOW = datetime(2026, 11, 23, 4, 23, tzinfo=UTC)
NOTHING_UNDER_WAY = Surroundings(retrainings=(), repairs={})
LEARNED = [cause for cause, remedy in REMEDIES.items() if remedy is Remedy.LEARN]
REPAIRED = [cause for cause, remedy in REMEDIES.items() if remedy is Remedy.REPAIR]
NUMBERS = itertools.count()


def entry(
    hours_ago: float,
    status: Status = Status.FAIL,
    action: Action = Action.NONE,
    causes: tuple[Cause, ...] = (Cause.SCENE_CHANGE,),
    baseline: str = str(BASELINE["sha256"]),
) -> Entry:
    at = (NOW - timedelta(hours=hours_ago)).isoformat()
    return Entry(f"{next(NUMBERS):064x}", at, status, action, {"embedding": 1.2}, causes, baseline, 0.36, 0.3)


def run(hours_ago: float, *, completed: bool) -> Retraining:
    return Retraining("run 7", NOW - timedelta(hours=hours_ago), completed)


def decided(
    causes: tuple[Cause, ...] = (Cause.SCENE_CHANGE,),
    *earlier: Entry,
    guards: Guards | None = None,
    under_way: Surroundings = NOTHING_UNDER_WAY,
) -> tuple[Action, str]:
    decision = decide(made(Status.FAIL, causes), earlier, guards or Guards(), under_way, NOW)
    return decision.action, decision.guard


def test_every_cause_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Cause)
    faults = {"frozen", "occlusion", "camera_moved", "blur", "motion_blur", "noise", "compression"}
    assert set(REPAIRED) == faults | {"replayed", "corrupted"}
    assert set(LEARNED) == {"scene_change", "performance"}


@pytest.mark.parametrize("cause", LEARNED)
def test_what_can_be_learned_calls_for_retraining(cause: Cause) -> None:
    assert decided((cause,)) == (Action.RETRAIN, "")


@pytest.mark.parametrize("cause", REPAIRED)
def test_a_fault_of_the_camera_calls_for_repair(cause: Cause) -> None:
    decision = decide(made(Status.FAIL, (cause,)), (), Guards(), NOTHING_UNDER_WAY, NOW)
    assert decision.action is Action.REPAIR
    assert decision.title == f"Camera needs repair: {cause}"


@pytest.mark.parametrize(("fault", "learned"), list(itertools.product(REPAIRED, LEARNED)))
def test_a_fault_among_the_causes_is_never_learned(fault: Cause, learned: Cause) -> None:
    assert decided((learned, fault))[0] is Action.REPAIR


def test_what_nobody_can_name_a_person_must_look_at() -> None:
    decision = decide(made(Status.FAIL, (Cause.UNKNOWN,)), (), Guards(), NOTHING_UNDER_WAY, NOW)
    assert (decision.action, decision.title) == (Action.REPAIR, "Camera needs a look: cause unknown")


@pytest.mark.parametrize("cause", [Cause.LOW_LIGHT, Cause.OVER_EXPOSURE, Cause.COLOR_CAST])
def test_a_light_that_may_be_a_broken_exposure_is_looked_at(cause: Cause) -> None:
    decision = decide(made(Status.FAIL, (cause, Cause.SCENE_CHANGE)), (), Guards(), NOTHING_UNDER_WAY, NOW)
    assert (decision.action, decision.title) == (Action.REPAIR, f"Camera needs a look: {cause}")
    assert "a person must look" in decision.reason


def of_camera(name: str, cause: Cause = Cause.FOG, **baseline: object) -> Verdict:
    """A FAIL of a camera."""
    found = made(Status.FAIL, (cause,))
    return replace(found, baseline={**found.baseline, "camera": name, **baseline})


@pytest.mark.parametrize(
    ("cause", "title"),
    [
        (Cause.FOG, "Camera north gate needs a look: fog"),
        (Cause.LOW_LIGHT, "Camera north gate needs a look: low_light"),
        (Cause.UNKNOWN, "Camera north gate needs a look: cause unknown"),
    ],
)
def test_a_call_names_its_camera(cause: Cause, title: str) -> None:
    assert decide(of_camera("north gate", cause), (), Guards(), NOTHING_UNDER_WAY, NOW).title == title


def test_the_repair_of_one_camera_never_silences_that_of_another() -> None:
    asked = replace(entry(1, action=Action.REPAIR, causes=(Cause.FOG,)), camera="north")
    for under_way in (Surroundings(), Surroundings(repairs={"Camera north needs a look: fog": "issue #7"})):
        decisions = {
            name: decide(of_camera(name), (asked,), Guards(), under_way, NOW).action for name in ("north", "south", "")
        }
        assert decisions == {"north": Action.NONE, "south": Action.REPAIR, "": Action.REPAIR}


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("cause", [Cause.FOG, Cause.SCENE_CHANGE, Cause.UNKNOWN])
def test_by_the_samples_baseline_nothing_is_called_for(policy: Policy, cause: Cause) -> None:
    decision = decide(of_camera("", cause, sample=True), (), Guards(policy=policy), NOTHING_UNDER_WAY, NOW)
    assert (decision.action, decision.guard) == (Action.NONE, "sample")
    assert "give the camera's own with --baseline" in decision.reason


@pytest.mark.parametrize("cause", Cause)
def test_by_policy_every_fail_retrains(cause: Cause) -> None:
    assert decided((cause,), guards=Guards(policy=Policy.ALWAYS)) == (Action.RETRAIN, "")


def test_pass_calls_for_nothing_and_error_is_an_error() -> None:
    for status, action in ((Status.PASS, Action.NONE), (Status.ERROR, Action.ERROR)):
        assert decide(made(status), (), Guards(), NOTHING_UNDER_WAY, NOW).action is action


def silent(*hours_ago: float) -> tuple[Entry, ...]:
    """Checks that passed, and that one gate did not judge."""
    return tuple(replace(entry(hours, Status.PASS, causes=()), silent=("performance",)) for hours in hours_ago)


def passed_in_silence() -> Verdict:
    verdict = made(Status.PASS)
    quiet = GateResult(Status.NOT_JUDGED, None, 1.0, "0 triplets to score", numbers={"silent": True})
    return replace(verdict, gates={**verdict.gates, "performance": quiet})


def test_a_gate_that_is_silent_for_long_is_looked_after_once() -> None:
    verdict = passed_in_silence()
    assert silent_gates(verdict) == ("performance",)
    for earlier in ((), silent(24), (*silent(48), entry(24, Status.PASS, causes=()))):
        assert decide(verdict, earlier, Guards(), NOTHING_UNDER_WAY, NOW).action is Action.NONE
    long = silent(72, 48, 24)
    called = decide(verdict, long, Guards(), NOTHING_UNDER_WAY, NOW)
    assert (called.action, called.title) == (
        Action.REPAIR,
        "Camera needs a look: gate performance has fallen silent",
    )
    opened = Surroundings(retrainings=(), repairs={called.title: "issue #4"})
    assert decide(verdict, long, Guards(), opened, NOW).guard == "already open"
    unasked = [*long[:-1], replace(long[-1], action=Action.REPAIR)]
    assert decide(verdict, unasked, Guards(cooldown=timedelta(hours=30)), Surroundings(), NOW).action is Action.NONE
    for guards in (Guards(connected=False), Guards(maintenance_until=NOW + timedelta(hours=1))):
        assert decide(verdict, long, guards, NOTHING_UNDER_WAY, NOW).action is Action.NONE
    assert decide(made(Status.PASS), long, Guards(), NOTHING_UNDER_WAY, NOW).action is Action.NONE


@pytest.mark.parametrize(
    ("under_way", "held"),
    [
        (Surroundings(retrainings=(run(50, completed=False),)), "in flight"),
        (Surroundings(retrainings=(run(19, completed=True),)), "cool-down"),
        (Surroundings(retrainings=(run(21, completed=True),)), ""),
        (Surroundings(retrainings=(run(21, completed=True), run(23, completed=True))), "daily maximum"),
        (Surroundings(retrainings=(), proposals=("pull request #5",)), "proposed"),
        (Surroundings(retrainings=(run(25, completed=True),)), ""),
        (Surroundings(retrainings=(run(25, completed=True), run(90, completed=False))), "in flight"),
        (Surroundings(), ""),
    ],
)
def test_runs_of_the_retraining_workflow_hold_another_back(under_way: Surroundings, held: str) -> None:
    assert decided(under_way=under_way) == ((Action.NONE, held) if held else (Action.RETRAIN, ""))


@pytest.mark.parametrize(("hours", "held"), [(19, "cool-down"), (21, "")])
def test_so_does_the_history_where_the_list_of_runs_does_not_know(hours: float, held: str) -> None:
    assert decided((Cause.SCENE_CHANGE,), entry(hours, action=Action.RETRAIN))[1] == held


def test_the_same_retraining_in_both_counts_once() -> None:
    guards = Guards(daily_maximum=2, cooldown=timedelta(hours=1))
    under_way = Surroundings(retrainings=(run(3, completed=True),))
    assert decided((Cause.SCENE_CHANGE,), entry(3, action=Action.RETRAIN), guards=guards, under_way=under_way)[1] == ""
    more = Surroundings(retrainings=(run(3, completed=True), run(5, completed=True)))
    assert decided(guards=guards, under_way=more) == (Action.NONE, "daily maximum")


def test_a_maximum_of_none_never_retrains() -> None:
    assert decided(guards=Guards(daily_maximum=0)) == (Action.NONE, "daily maximum")


def test_k_of_n() -> None:
    guards = Guards(fails_needed=2, of_last=3)
    fails, passes, error = entry(24), entry(48, Status.PASS), entry(24, Status.ERROR)
    assert decided((Cause.FOG,), guards=guards) == (Action.NONE, "k of n")
    assert decided((Cause.FOG,), passes, guards=guards)[1] == "k of n"
    assert decided((Cause.FOG,), passes, fails, guards=guards)[0] is Action.REPAIR
    assert decided((Cause.FOG,), fails, passes, passes, guards=guards)[1] == "k of n", "too long ago"
    assert decided((Cause.FOG,), fails, passes, error, guards=guards)[0] is Action.REPAIR, "an error is no check"
    other = replace(fails, baseline="00" * 32)
    assert decided((Cause.FOG,), other, guards=guards)[1] == "k of n", "judged by another baseline"


def test_k_of_n_before_there_are_n() -> None:
    for needed, of in ((3, 4), (4, 5), (5, 6)):
        guards = Guards(fails_needed=needed, of_last=of)
        failed = [entry(24.0 * (needed - number)) for number in range(needed)]
        assert decided((Cause.FOG,), *failed[: needed - 2], guards=guards)[1] == "k of n"
        assert decided((Cause.FOG,), *failed[: needed - 1], guards=guards)[0] is Action.REPAIR, (needed, of)


def test_k_of_n_with_k_of_one_needs_no_history() -> None:
    assert decided((Cause.FOG,), entry(24, Status.PASS), guards=Guards(fails_needed=1, of_last=5))[0] is Action.REPAIR


def test_maintenance_and_its_end() -> None:
    assert decided(guards=Guards(maintenance_until=NOW + timedelta(minutes=1))) == (Action.NONE, "maintenance")
    assert decided(guards=Guards(maintenance_until=NOW))[0] is Action.RETRAIN


def test_acknowledged_causes_and_their_end() -> None:
    soon, past = NOW + timedelta(days=1), NOW - timedelta(days=1)
    both = (Cause.FOG, Cause.COLOR_CAST)
    assert decided(both, guards=Guards(acknowledged={Cause.FOG: soon, Cause.COLOR_CAST: soon}))[1] == "acknowledged"
    assert decided(both, guards=Guards(acknowledged={Cause.FOG: soon}))[0] is Action.REPAIR, "one is new"
    assert decided(both, guards=Guards(acknowledged={Cause.FOG: soon, Cause.COLOR_CAST: past}))[0] is Action.REPAIR


def test_the_kill_switch() -> None:
    for policy in Policy:
        assert decided(guards=Guards(policy=policy, connected=False)) == (Action.NONE, "switched off")


def test_a_repair_is_asked_for_once() -> None:
    open_one = Surroundings(retrainings=(), repairs={"Camera needs a look: fog": "issue #12"})
    held = decide(made(Status.FAIL, (Cause.FOG,)), (), Guards(), open_one, NOW)
    assert (held.action, held.guard) == (Action.NONE, "already open")
    assert "issue #12" in held.reason
    assert decided((Cause.BLUR,), under_way=open_one)[0] is Action.REPAIR, "another fault"
    asked = entry(2, action=Action.REPAIR, causes=(Cause.FOG,))
    assert decided((Cause.FOG,), asked, under_way=Surroundings())[1] == "cool-down", "nobody could be asked"
    assert decided((Cause.FOG,), asked)[0] is Action.REPAIR, "the issue was closed, and it failed again"


@pytest.mark.parametrize(
    ("status", "code", "trusted"),
    [(Status.PASS, 0, True), (Status.FAIL, 3, True), (Status.ERROR, 1, True), (Status.PASS, 3, False),
     (Status.FAIL, 0, False), (Status.PASS, 137, False), (Status.FAIL, 137, False), (Status.ERROR, 2, False)],
)  # fmt: skip
def test_status_and_exit_code_must_agree(status: Status, code: int, trusted: bool) -> None:
    assert (disagreement(made(status), code) is None) is trusted


def test_a_killed_check_is_called_killed() -> None:
    assert "killed by signal 9" in str(disagreement(made(Status.PASS), 137))


@given(
    st.lists(st.sampled_from(list(Cause)), min_size=1, max_size=4, unique=True),
    st.lists(
        st.tuples(st.floats(0, 100), st.sampled_from(list(EXIT_CODES)), st.sampled_from(list(Action))), max_size=5
    ),
    st.none() | st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=3),
    st.integers(1, 3),
)
def test_losing_the_history_never_calls_for_more(
    causes: list[Cause],
    past: list[tuple[float, Status, Action]],
    runs: list[tuple[float, bool]] | None,
    fails_needed: int,
) -> None:
    """As long as the list of runs is known, a lost history calls for nothing that a kept one would not."""
    called = tuple(run(hours, completed=done) for hours, done in runs or ())
    # What the history called for, the list of runs shows.
    called += tuple(run(hours, completed=True) for hours, _, action in past if action is Action.RETRAIN)
    earlier = [entry(hours, status, action) for hours, status, action in sorted(past, key=lambda one: -one[0])]
    guards = Guards(fails_needed=fails_needed, of_last=3)
    under_way = Surroundings(retrainings=called, repairs={})
    kept = decide(made(Status.FAIL, causes), earlier, guards, under_way, NOW)
    lost = decide(made(Status.FAIL, causes), (), guards, under_way, NOW)
    assert lost.action in (kept.action, Action.NONE)
