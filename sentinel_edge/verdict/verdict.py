"""The verdict: what a check found, and how it is told to people, to scripts and to the next program.

`status` is for a shell (`PASS`, `FAIL` or `ERROR` and a newline), `verdict.json` for everything else; its
format is `verdict.schema.json` beside this module. Both are written under a temporary name and renamed.
"""

import errno
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.footage.clips import Skipped
from sentinel_edge.storage.files import write_atomically
from sentinel_edge.storage.result import plain
from sentinel_edge.verdict.unfinished import overwrite

Share = Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")]
Count = Annotated[int, Meta(ge=0, description="a whole number from 0")]
SCHEMA_VERSION = 1
SCHEMA_PATH = Path(__file__).with_name("verdict.schema.json")
"""What is published of the format; made from the types here and in `reading` (`make schema`)."""
SAMPLE_USED = "by the sample camera's baseline, as none was given: nothing is called for"
"""What is said first of a check without a baseline of its own."""
MAX_LISTED = 20
"""Files listed by name in a verdict; more are counted."""


class Status(StrEnum):
    """What a caller acts on. A check ends in one of the first three; the last is of one gate, and decides nothing."""

    PASS = "PASS"  # noqa: S105  (a verdict, not a password)
    FAIL = "FAIL"
    ERROR = "ERROR"
    NOT_JUDGED = "NOT_JUDGED"


EXIT_CODES: Mapping[Status, int] = {Status.PASS: 0, Status.FAIL: 3, Status.ERROR: 1}


NUMBERS = ("dimensions", "normal", "deviations", "reference", "triplets")
"""What a gate's result may hold in a verdict since the first version of its schema: null where a gate has none."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate said: its own status, score and threshold, and the numbers behind them.

    Attributes:
        status: PASS, FAIL, ERROR where the gate cannot judge, or NOT_JUDGED where it has nothing to judge by and leaves
            it to the others.
        score: Its score; None where it could not be computed.
        threshold: A score above it is FAIL.
        reason: One line for a person.
        numbers: What is behind it, by the names under which a verdict holds it.
        reference: Names of the baseline episodes the window was compared with.
        detail: What the gate keeps for its own explanation; not written.
    """

    status: Status
    score: float | None
    threshold: float
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    reference: tuple[str, ...] = ()
    detail: Any = field(default=None, repr=False, compare=False)

    @property
    def facts(self) -> dict[str, Any]:
        """What a verdict holds of it."""
        said = {"status": self.status, "score": self.score, "threshold": self.threshold, "reason": self.reason}
        return {**said, **dict.fromkeys(NUMBERS), **self.numbers, "reference": self.reference}


@dataclass(frozen=True, slots=True)
class CauseFound:
    """A cause, and the numbers that speak for it."""

    kind: Cause
    evidence: str


@dataclass(frozen=True, slots=True)
class FrameCount:
    """What became of the window's frames.

    Attributes:
        judged: Embedded and compared.
        sampled: Samples the window holds at the sampling rate; its length.
        stride: Every how many-th sample was judged, so as to bound memory.
        unreadable: Estimated number of samples that could not be read.
        most_drifted: Names or times of the frames furthest from the baseline, the furthest first; of a FAIL alone.
        skipped: What was passed over, and why: at most `MAX_LISTED` entries.
        skipped_count: How many entries there were.
    """

    judged: Count
    sampled: Count
    stride: Annotated[int, Meta(ge=1, description="a whole number from 1")]
    unreadable: Count
    most_drifted: Annotated[tuple[str, ...], Meta(max_length=5, description="at most 5 texts")] = ()
    skipped: Annotated[tuple[Skipped, ...], Meta(max_length=MAX_LISTED, description="at most 20 entries")] = ()
    skipped_count: Count = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a check, complete: everything `verdict.json` holds.

    Attributes:
        status: FAIL when any enabled gate fails, ERROR when one cannot judge, or none judges, and none fails.
        message: One line for a person.
        drift_score: The embedding gate's score: the share of dimensions with p < alpha; None on ERROR, and where that
            gate was left out.
        threshold: FAIL above it.
        alpha: Significance level per dimension.
        incoming: What was checked.
        frames: What became of its frames.
        gates: One result per enabled gate, by name.
        causes: What happened, most likely first.
        baseline: Which baseline was used: path, camera, fingerprint, episodes, creation time, and whether it is the
            sample camera's for want of another.
        model: Which model was used: name and fingerprint.
        started_at: ISO 8601, UTC.
        duration_s: From start to verdict, in seconds.
    """

    status: Status
    message: str
    drift_score: float | None
    threshold: float
    alpha: float
    incoming: str
    frames: FrameCount
    gates: Mapping[str, GateResult]
    causes: tuple[CauseFound, ...]
    baseline: Mapping[str, Any]
    model: Mapping[str, Any]
    started_at: str
    duration_s: float

    @property
    def camera(self) -> str:
        """Whose footage it is, as the baseline says; empty where it does not."""
        return one_line(str(self.baseline.get("camera", "")))

    @property
    def exit_code(self) -> int:
        """0 PASS, 3 FAIL, 1 ERROR."""
        return EXIT_CODES[self.status]

    def to_json(self) -> str:
        """The verdict as one line of strict JSON in ASCII, which any terminal, locale and file can hold."""
        gates = {name: gate.facts for name, gate in self.gates.items()}
        facts = plain(self, null=False) | {"gates": plain(gates, null=False)}
        return json.dumps({"schema_version": SCHEMA_VERSION, **facts}, allow_nan=False)


def error_verdict(message: str, started_at: str, **known: Any) -> Verdict:
    """A verdict for a check that could not judge; `known` fills in whatever was learned before it failed."""
    blank: dict[str, Any] = {
        "drift_score": None,
        "threshold": 0.0,
        "alpha": 0.0,
        "incoming": "",
        "frames": FrameCount(0, 0, 1, 0),
        "gates": {},
        "causes": (),
        "baseline": {},
        "model": {},
        "duration_s": 0.0,
    }
    return Verdict(status=Status.ERROR, message=message, started_at=started_at, **(blank | known))


class VerdictFiles:
    """The two files of an output folder, `status` and `verdict.json`.

    Raises:
        SentinelError: The folder cannot be made or written; no older verdict is left standing in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.status = folder / "status"
        self.verdict = folder / "verdict.json"

    def write(self, verdict: Verdict) -> None:
        """Put a verdict in place; `status` goes last, so that it never speaks of a verdict not yet there.

        An ERROR is told first of all: from then on no reader can find yesterday's PASS.
        """
        try:
            files = [(self.verdict, verdict.to_json() + "\n"), (self.status, f"{verdict.status}\n")]
        except ValueError:  # a number that JSON does not have: a defect, but no reason to leave yesterday's PASS
            self._withdraw(error_verdict("the verdict could not be written", verdict.started_at))
            raise
        if verdict.status is Status.ERROR:
            files.reverse()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for path, text in files:
                write_atomically(path, text.encode())
        except OSError as error:
            self._withdraw(verdict)
            raise SentinelError(_cannot_write(self.folder, error)) from error

    def _withdraw(self, verdict: Verdict) -> None:
        """The verdict cannot be written: leave none that is out of date.

        Removing takes no space on a full disk; where the folder is locked but the files are ours, they are
        overwritten in place.
        """
        texts = (
            (self.status, f"{Status.ERROR}\n"),
            (self.verdict, replace(verdict, status=Status.ERROR).to_json() + "\n"),
        )
        for path, text in texts:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                with suppress(OSError):
                    overwrite(path, text)


def _cannot_write(folder: Path, error: OSError) -> str:
    problem = error.strerror or str(error)
    if isinstance(error, PermissionError):
        advice = (
            "let this user write there: `mkdir -p FOLDER` before the first `docker run`, which makes a missing one as "
            'root (then `sudo chown "$(id -u)" FOLDER`), and run it with `--user "$(id -u):$(id -g)"`'
        )
    elif isinstance(error, FileExistsError | NotADirectoryError):
        advice = "expected a folder, or a place for one"
    elif error.errno == errno.EROFS:
        advice = "give a folder that can be written; in a container mount one: `-v FOLDER:/app/status_output`"
    else:
        advice = "give a folder with room that this user can write"
    return f"cannot write to the output folder {folder} as user {os.getuid()}: {problem}; {advice}"
