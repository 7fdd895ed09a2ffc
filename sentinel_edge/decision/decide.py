"""The red phone: reads what a check left behind, decides what it calls for, and writes that down for who calls.

It makes no call itself and needs no network: the workflow asks what is under way before, and calls after.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentinel_edge import gates
from sentinel_edge.decision.decision import Decision, Guards, Surroundings, decide, disagreement, silent_gates
from sentinel_edge.decision.github import read_proposals, read_repairs, read_retrainings
from sentinel_edge.decision.history import Action, Entry, read_history, write_history
from sentinel_edge.decision.job_summary import job_summary, repair_call
from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.storage.files import saving, write_atomically
from sentinel_edge.verdict.reading import read_verdict
from sentinel_edge.verdict.verdict import Status, Verdict

DECISION, OUTPUTS, SUMMARY, REPAIR = "decision.json", "outputs", "summary.md", "repair.md"
"""The files of a decision: everything; `name=value` lines as GITHUB_OUTPUT takes them; the job's summary; of a call
for repair the issue's text."""

_ROOM = "give a folder with room that this user can write"


@dataclass(frozen=True, slots=True)
class DecideOptions:
    """What to decide on, and where to say so.

    Attributes:
        verdict: The `verdict.json` of a check.
        exit_code: What that check ended with.
        history: The file that remembers earlier checks; made where there is none.
        output: Folder for the files named above.
        guards: What holds a call back.
        retrainings: What `gh run list` printed; None where nobody asked.
        proposals: What `gh pr list` printed; None where nobody asked.
        repairs: What `gh issue list` printed; None where nobody asked.
        run_url: Where a person finds the run that asks.
    """

    verdict: Path
    exit_code: int
    history: Path
    output: Path
    guards: Guards
    retrainings: Path | None = None
    proposals: Path | None = None
    repairs: Path | None = None
    run_url: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided, as written.

    Attributes:
        decision: What is to be done.
        status: The check's; ERROR where it cannot be trusted.
        drift_score: The check's.
        threshold: The check's.
        causes: The check's.
        camera: The check's.
        remarks: What else a person should know: a history that was lost.
    """

    decision: Decision
    status: Status
    drift_score: float | None
    threshold: float | None
    causes: tuple[str, ...]
    camera: str
    remarks: tuple[str, ...]

    @property
    def facts(self) -> dict[str, str]:
        """Everything as text, one line each."""
        return {
            "status": str(self.status),
            "action": str(self.decision.action),
            "drift_score": "" if self.drift_score is None else f"{self.drift_score:.4f}",
            "threshold": "" if self.threshold is None else f"{self.threshold:.4f}",
            "causes": ",".join(self.causes),
            "reason": one_line(self.decision.reason),
            "guard": self.decision.guard,
            "title": self.decision.title,
            "camera": self.camera,
        }


def answer(options: DecideOptions, now: datetime | None = None) -> Outcome:
    """Decide, remember, and write it down.

    The history is written before the files that make a call possible: a crash in between calls for nothing, where the
    other order could call twice.

    Raises:
        SentinelError: The history or the output folder cannot be written.
    """
    now = now or datetime.now(UTC)
    history = read_history(options.history, now)
    verdict, decision, earlier = _decide(options, history.entries, now)
    entry = _entry(options.verdict, verdict, decision, now)
    entries = [*(one for one in earlier if one.check != entry.check), entry]
    found = Outcome(
        decision,
        entry.status,
        entry.drift_score,
        entry.threshold,
        tuple(map(str, entry.causes)),
        entry.camera,
        (history.lost,) if history.lost else (),
    )
    _withdraw(options.output)
    write_history(options.history, entries)
    files = {
        SUMMARY: job_summary(verdict, decision, entries, found.remarks),
        DECISION: json.dumps(found.facts, indent=2) + "\n",
        OUTPUTS: "".join(f"{name}={value}\n" for name, value in found.facts.items()),
    }
    if decision.action is Action.REPAIR and verdict is not None:
        files[REPAIR] = repair_call(verdict, decision, options.run_url)
    with saving(f"to {options.output}", _ROOM):
        for name, text in files.items():
            write_atomically(options.output / name, text.encode(errors="backslashreplace"))
    return found


def _decide(
    options: DecideOptions, entries: tuple[Entry, ...], now: datetime
) -> tuple[Verdict | None, Decision, tuple[Entry, ...]]:
    """The verdict where there is one to trust, what it calls for, and the checks before it."""
    try:
        verdict = read_verdict(options.verdict, gates.numbers())
    except SentinelError as error:
        ended = f" (the check ended with exit code {options.exit_code})" if options.exit_code else ""
        return None, Decision(Action.ERROR, f"{error}{ended}"), entries
    wrong = disagreement(verdict, options.exit_code)
    if wrong:
        return None, Decision(Action.ERROR, wrong), entries
    check = _checksum(options.verdict)
    earlier = tuple(entry for entry in entries if entry.check != check)
    unknown: dict[Action, SentinelError] = {}

    def asked(action: Action, path: Path | None, read: Callable[[Path], Any]) -> Any:
        try:
            return read(path) if path else None
        except SentinelError as error:
            unknown.setdefault(action, error)
            return None

    surroundings = Surroundings(
        retrainings=asked(Action.RETRAIN, options.retrainings, read_retrainings),
        proposals=asked(Action.RETRAIN, options.proposals, read_proposals),
        repairs=asked(Action.REPAIR, options.repairs, read_repairs),
    )
    decision = decide(verdict, earlier, options.guards, surroundings, now)
    if decision.action in unknown:  # not knowing whether it was called for before, it must not be called for
        decision = Decision(Action.ERROR, f"{unknown[decision.action]}; nothing is called for")
    return verdict, decision, earlier


def _entry(path: Path, verdict: Verdict | None, decision: Decision, now: datetime) -> Entry:
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    if verdict is None:
        check = hashlib.sha256(f"{at} {decision.reason}".encode()).hexdigest()
        return Entry(check, at, Status.ERROR, decision.action, {}, (), "", None, None)
    scores = {
        name: round(gate.score / gate.threshold, 4)
        for name, gate in verdict.gates.items()
        if gate.score is not None and gate.threshold > 0
    }
    return Entry(
        check=_checksum(path),
        at=at,
        status=verdict.status,
        action=decision.action,
        scores=scores,
        causes=tuple(cause.kind for cause in verdict.causes),
        baseline=str(verdict.baseline.get("sha256", "")),
        drift_score=verdict.drift_score,
        threshold=verdict.threshold,
        camera=verdict.camera,
        silent=silent_gates(verdict),
    )


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _withdraw(folder: Path) -> None:
    """Make the folder, and take away an earlier decision: a crash must leave none that is out of date."""
    with saving(f"to {folder}", _ROOM):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (OUTPUTS, DECISION, SUMMARY, REPAIR):
            (folder / name).unlink(missing_ok=True)
