"""What a verdict calls for: nothing, a retraining, or somebody who repairs the camera. Pure: facts in, a decision out.

Not every FAIL is to be learned. What lasts and can be learned (another scene, a worse model) calls for retraining. A
fault of the camera calls for repair and leaves model and baseline alone, or tomorrow's broken camera becomes the new
normal; what may be either, a light that changed for good, a person looks at. Guards keep a red phone from ringing all
day; see `Guards`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sentinel_edge.causes import REMEDIES, Cause, Remedy
from sentinel_edge.decision.history import Action, Entry
from sentinel_edge.verdict.verdict import EXIT_CODES, CauseFound, Status, Verdict

SILENT_CHECKS = 3
"""Checks in a row by which a gate must have been silent before somebody is called: what it would have found nobody
knows."""


class Policy(StrEnum):
    """Which failures are retrained on."""

    BY_CAUSE = "by-cause"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Guards:
    """What holds a call back.

    Attributes:
        policy: By the cause, or every FAIL retrains, whatever its cause.
        fails_needed: Failures among the last `of_last` judged checks, this one included, before anything is called for.
            Only checks against the same baseline count.
        of_last: See `fails_needed`.
        cooldown: Least time between the starts of two retrainings, and between two calls for the same repair where the
            open ones are not known.
        daily_maximum: Most retrainings in any 24 hours.
        maintenance_until: Until then nothing is called for.
        acknowledged: Causes that are known, and until when; a FAIL with no other cause calls for nothing.
        connected: Whether the red phone is connected at all.
    """

    policy: Policy = Policy.BY_CAUSE
    fails_needed: int = 1
    of_last: int = 1
    cooldown: timedelta = timedelta(hours=20)
    daily_maximum: int = 2
    maintenance_until: datetime | None = None
    acknowledged: Mapping[Cause, datetime] | None = None
    connected: bool = True


@dataclass(frozen=True, slots=True)
class Retraining:
    """A run of the retraining workflow: what to call it, when it was created, and whether it is over."""

    name: str
    created: datetime
    completed: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What goes on elsewhere, as asked right before deciding.

    Attributes:
        retrainings: Recent runs of the retraining workflow; None where nobody asked.
        proposals: What to call pull requests of earlier retrainings that wait for somebody; None where nobody asked.
        repairs: Titles of open calls for repair and what to call them; None where nobody asked.
    """

    retrainings: tuple[Retraining, ...] | None = None
    proposals: tuple[str, ...] | None = None
    repairs: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, and why.

    Attributes:
        action: What is called for.
        reason: One line for a person.
        guard: The guard that held a call back; empty where none did.
        title: Of a call for repair; the same fault of the same camera gives the same title.
    """

    action: Action
    reason: str
    guard: str = ""
    title: str = ""


def disagreement(verdict: Verdict, exit_code: int) -> str | None:
    """Why a verdict and the exit code of the check that wrote it cannot both be trusted, or None."""
    expected = EXIT_CODES[verdict.status]
    if exit_code == expected:
        return None
    ended = f"the check ended with exit code {exit_code}"
    if exit_code > 128:  # what shells and Docker make of a signal
        ended += f" (killed by signal {exit_code - 128})"
    return f"{ended}, but the verdict says {verdict.status}, which is exit code {expected}; nothing was judged"


def decide(  # noqa: PLR0911  (each guard is one way out, in the order in which they are asked)
    verdict: Verdict,
    earlier: Sequence[Entry],
    guards: Guards,
    surroundings: Surroundings,
    now: datetime,
) -> Decision:
    """Decide what a trustworthy verdict calls for.

    Args:
        verdict: Of a check whose exit code agrees with it; see `disagreement`.
        earlier: The checks before this one, in order of time.
        guards: What holds a call back.
        surroundings: What is under way.
        now: The time, aware of its zone.
    """
    if verdict.status is Status.ERROR:
        return Decision(Action.ERROR, f"the check could not judge: {verdict.message}")
    if verdict.status is Status.PASS:
        return _passed(verdict, earlier, guards, surroundings, now)
    causes = [found.kind for found in verdict.causes]
    if verdict.baseline.get("sample"):
        return _held("sample", "it was judged by the sample camera's baseline; give the camera's own with --baseline")
    if not guards.connected:
        return _held("switched off", "the red phone is switched off")
    if guards.maintenance_until and now < guards.maintenance_until:
        return _held("maintenance", f"maintenance until {_moment(guards.maintenance_until)}")
    known = guards.acknowledged or {}
    if all(cause in known and now < known[cause] for cause in causes):
        until = min(known[cause] for cause in causes)
        return _held("acknowledged", f"{', '.join(causes)} acknowledged until {_moment(until)}")
    judged = _judged(verdict, earlier)
    recent = judged[-(guards.of_last - 1) :] if guards.of_last > 1 else []
    failed = 1 + sum(entry.status is Status.FAIL for entry in recent)
    if failed < guards.fails_needed:
        of = f"of the last {len(recent) + 1} checks {failed} failed"
        return _held("k of n", f"{of}; {guards.fails_needed} of {guards.of_last} are needed")
    fault = _fault(verdict.causes, guards.policy)
    if fault is not None:
        return _repair(fault, verdict.camera, earlier, guards, surroundings, now=now)
    return _retrain(causes, earlier, guards, surroundings, now)


def silent_gates(verdict: Verdict) -> tuple[str, ...]:
    """Gates that did not judge a window of a kind that they always could."""
    return tuple(name for name, gate in verdict.gates.items() if gate.numbers.get("silent"))


def _passed(
    verdict: Verdict, earlier: Sequence[Entry], guards: Guards, surroundings: Surroundings, now: datetime
) -> Decision:
    """Nothing, unless a gate has long been silent: the others' PASS says nothing of what it would have found."""
    before = _judged(verdict, earlier)[-(SILENT_CHECKS - 1) :]
    silent = [name for name in silent_gates(verdict) if all(name in entry.silent for entry in before)]
    held = not guards.connected or (guards.maintenance_until and now < guards.maintenance_until)
    if not silent or len(before) < SILENT_CHECKS - 1 or held:
        return Decision(Action.NONE, "PASS: nothing to do")
    title = f"Camera needs a look: gate {silent[0]} has fallen silent"
    if surroundings.repairs is not None:
        asked = title in surroundings.repairs
    else:
        asked = any(
            entry.action is Action.REPAIR and silent[0] in entry.silent and now - entry.time < guards.cooldown
            for entry in earlier
        )
    if asked:
        return Decision(Action.NONE, f"PASS; that gate {silent[0]} has fallen silent was said already", "already open")
    why = f"gate {silent[0]} did not judge the last {SILENT_CHECKS} checks, though the baseline's footage lets it"
    return Decision(Action.REPAIR, f"{why}; what it would have found nobody knows", title=title)


def _judged(verdict: Verdict, earlier: Sequence[Entry]) -> list[Entry]:
    """Earlier checks that were judged, and by the same baseline."""
    sha256 = verdict.baseline["sha256"]
    return [entry for entry in earlier if entry.status is not Status.ERROR and entry.baseline == sha256]


def _fault(causes: Sequence[CauseFound], policy: Policy) -> Cause | None:
    """The likeliest cause that retraining would only teach to the model, or None."""
    if policy is Policy.ALWAYS:
        return None
    kinds = [found.kind for found in causes]
    faults = [kind for kind in kinds if REMEDIES[kind] is Remedy.REPAIR]
    return next(iter(faults), None) or next((kind for kind in kinds if REMEDIES[kind] is Remedy.LOOK), None)


def _repair(
    fault: Cause, camera: str, earlier: Sequence[Entry], guards: Guards, surroundings: Surroundings, *, now: datetime
) -> Decision:
    title, why = _told(fault, camera)
    if surroundings.repairs is not None:
        if title in surroundings.repairs:
            return _held("already open", f"{surroundings.repairs[title]} already asks for it ({title})")
    elif any(
        entry.action is Action.REPAIR
        and entry.camera == camera
        and fault in entry.causes
        and now - entry.time < guards.cooldown
        for entry in earlier
    ):
        return _held("cool-down", f"repair of {fault} was asked for less than {_hours(guards.cooldown)} ago")
    return Decision(Action.REPAIR, f"{why}; learning it would make it the new normal", title=title)


def _told(fault: Cause, camera: str) -> tuple[str, str]:
    """What to call a call for repair, and why it is one."""
    which = f"Camera {camera}" if camera else "Camera"
    if REMEDIES[fault] is Remedy.REPAIR:
        return f"{which} needs repair: {fault}", f"{fault} is a fault of the camera"
    if fault is Cause.UNKNOWN:
        return f"{which} needs a look: cause unknown", "nothing that can be named, so a person must look"
    return f"{which} needs a look: {fault}", f"{fault} may be the world or the camera, so a person must look"


def _retrain(
    causes: Sequence[Cause], earlier: Sequence[Entry], guards: Guards, surroundings: Surroundings, now: datetime
) -> Decision:
    runs = surroundings.retrainings or ()
    running = [run.name for run in runs if not run.completed]
    if running:
        return _held("in flight", f"a retraining is under way ({running[0]})")
    if surroundings.proposals:
        return _held("proposed", f"an earlier retraining waits for somebody's approval ({surroundings.proposals[0]})")
    # What this history called for and what the workflow's list shows are the same runs, as far as both know them.
    listed = [run.created for run in runs]
    called = [entry.time for entry in earlier if entry.action is Action.RETRAIN]
    last = max([*listed, *called], default=None)
    if last is not None and now - last < guards.cooldown:
        return _held("cool-down", f"the last retraining began {_moment(last)}, under {_hours(guards.cooldown)} ago")
    today = max(sum(now - begun < timedelta(days=1) for begun in begins) for begins in (listed, called))
    if today >= guards.daily_maximum:
        return _held("daily maximum", f"{today} retraining(s) in the last 24 hours; at most {guards.daily_maximum}")
    if guards.policy is Policy.ALWAYS:
        return Decision(Action.RETRAIN, f"FAIL ({', '.join(causes)}); by policy every FAIL retrains")
    return Decision(Action.RETRAIN, f"{', '.join(causes)} can be learned")


def _held(guard: str, reason: str) -> Decision:
    return Decision(Action.NONE, f"FAIL, but nothing is called for: {reason}", guard=guard)


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _hours(span: timedelta) -> str:
    return f"{span.total_seconds() / 3600:g} hours"
