"""The command `decide`."""

import re
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sentinel_edge.causes import Cause
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.option import option, path, refused, whole, word
from sentinel_edge.cli.terminal import complain, tell_facts
from sentinel_edge.decision.decide import DecideOptions, answer
from sentinel_edge.decision.decision import Guards, Policy
from sentinel_edge.decision.history import Action
from sentinel_edge.errors import UsageError

_ADDRESS = re.compile(r"https?://[\w.~:/?#@!$&'*+,;=%-]+", re.ASCII)


def address(name: str, text: str) -> str:
    """An address that goes into Markdown, or nothing."""
    if text and not _ADDRESS.fullmatch(text):
        raise refused(name, text, "an address, as https://github.com/acme/camera/actions/runs/7")
    return text


def moment(name: str, text: str) -> datetime:
    """A moment, in UTC where it names no zone; a date alone counts to its end."""
    try:
        if len(text) == len("2026-12-01"):
            found = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time())
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        raise refused(name, text, "a date or a time, as 2026-12-01 or 2026-12-01T06:00Z") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def causes_until(name: str, text: str) -> dict[Cause, datetime]:
    """Causes that are known, each with the moment until which it is."""
    found: dict[Cause, datetime] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        kind, colon, until = entry.partition(":")
        if kind not in list(Cause) or not colon:
            raise UsageError(
                f"--{name} has {entry!r}; expected CAUSE:DATE, as fog:2026-12-01, with commas between; "
                f"causes are {', '.join(Cause)}"
            )
        found[Cause(kind)] = moment(name, until)
    return found


class Decide(Command):
    """Decide what a verdict calls for: nothing, a retraining, or a repair of the camera. Calls nobody itself.

    Writes OUTPUT/decision.json, OUTPUT/outputs (name=value lines, as GITHUB_OUTPUT takes them), OUTPUT/summary.md
    and, of a call for repair, OUTPUT/repair.md. Exit code 0: decided. 1: there is no verdict to trust (ERROR, torn,
    or another exit code than it promises), or it is not known what is under way; nothing is called for then.
    Each option can also be set as an environment variable: SENTINEL_POLICY and so on.
    """

    verdict: Path = option(path, "The verdict.json of a check.")
    exit_code: int = option(
        whole, "What that check ended with.", needed="what the check ended with, as in --exit-code 3", limits=(0, 255)
    )
    history: Path = option(path, "The file that remembers earlier checks; made where there is none. Losing it is safe.")
    output: Path = option(path, "Folder for the decision.")
    policy: Policy = option(
        word,
        "by-cause (faults of the camera call for repair, what can be learned for retraining), or always (every FAIL "
        "retrains).",
        Policy.BY_CAUSE,
        limits=tuple(Policy),
    )
    fails_needed: int = option(
        whole,
        "Failures among the last --of-last checks before anything is called for.",
        1,
        limits=lambda others: (1, others["of_last"]),
    )
    of_last: int = option(
        whole, "How many checks count, this one included; only those against the same baseline.", 1, limits=(1, 100)
    )
    cooldown_hours: int = option(whole, "Least time between two retrainings.", 20, limits=(0, 10_000))
    daily_maximum: int = option(whole, "Most retrainings in any 24 hours.", 2, limits=(0, 1000))
    maintenance_until: datetime | None = option(
        moment, "Until this date (its end, UTC) or time nothing is called for.", None
    )
    acknowledged: dict[Cause, datetime] = option(
        causes_until,
        "Causes that are known, and until when, as fog:2026-12-01,scene_change:2026-12-05. A FAIL with no other cause "
        "calls for nothing.",
        dict,
    )
    red_phone: str = option(word, "on or off; off calls for nothing, ever.", "on", limits=("on", "off"))
    retrainings: Path | None = option(
        path,
        "What `gh run list --workflow retrain.yml --json databaseId,status,createdAt` printed: at most one retraining "
        "is under way at a time.",
        None,
    )
    proposals: Path | None = option(
        path,
        "What `gh pr list --state open --json number,headRefName` printed: while a retraining's pull request waits, "
        "no other is called for.",
        None,
    )
    repairs: Path | None = option(
        path,
        "What `gh issue list --label sentinel-repair --json number,title` printed: an open call is not repeated.",
        None,
    )
    run_url: str = option(address, "Where a person finds the run that asks.", "")

    def work(self) -> int:
        outcome = answer(self._options())
        for remark in outcome.remarks:
            complain(remark)
        undecided = outcome.decision.action is Action.ERROR
        if undecided:
            complain(outcome.decision.reason)
        return tell_facts(outcome.facts, code=int(undecided))

    def _options(self) -> DecideOptions:
        """What was said, under the names of the work's own fields."""
        values = vars(self) | {"cooldown": timedelta(hours=self.cooldown_hours), "connected": self.red_phone == "on"}
        del values["cooldown_hours"], values["red_phone"]
        guards = Guards(**{guard.name: values.pop(guard.name) for guard in fields(Guards)})
        return DecideOptions(**values, guards=guards)
