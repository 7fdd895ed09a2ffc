"""`sentinel-edge decide`: reads what a check left behind, remembers, and writes down what is to be done."""

import contextlib
import io
import json
import os
import re
import resource
import signal
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from sentinel_edge.causes import Cause
from sentinel_edge.cli import run as cli
from sentinel_edge.decision.decide import DecideOptions, Outcome, answer
from sentinel_edge.decision.decision import Guards, Policy
from sentinel_edge.decision.github import read_repairs, read_retrainings
from sentinel_edge.decision.history import MAX_ENTRIES, TOLERANCE, Action, read_history
from sentinel_edge.errors import SentinelError
from sentinel_edge.verdict.verdict import EXIT_CODES, Status
from tests.command import complaint, run_cli
from tests.material.verdicts import made, write_verdict

AFTER = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than any entry."""

NOW = datetime(2026, 11, 23, 4, 23, tzinfo=UTC)
NAMES = {"decision.json", "outputs", "summary.md"}


def answered(folder: Path, status: Status, *causes: Cause, days: float = 0, **options: Any) -> Outcome:
    """Decide on a verdict of a day."""
    verdict = made(status, causes or (Cause.SCENE_CHANGE,), names=(f"day {days}.jpg",))
    path = write_verdict(folder / "verdict.json", verdict)
    if status is not Status.FAIL:  # verdicts of two days are not the same bytes
        path.write_text(path.read_text().replace("1.5", f"{1.5 + days}"))
    known: dict[str, Any] = {"guards": Guards(), "exit_code": EXIT_CODES[status], "verdict": path} | options
    return answer(
        DecideOptions(history=folder / "memory" / "history.json", output=folder, **known), NOW + timedelta(days=days)
    )


@dataclass(frozen=True)
class Done:
    """What a command ended with and printed."""

    returncode: int
    stdout: str
    stderr: str


def command(folder: Path, code: int, *more: str, environment: dict[str, str] | None = None) -> Done:
    """`sentinel-edge decide` on the verdict in a folder, in this process, which starts forty times faster."""
    named = {"verdict": "verdict.json", "history": "history.json", "output": "out"}
    arguments = ["decide", f"--exit-code={code}", *(f"--{name}={folder / file}" for name, file in named.items()), *more]
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SENTINEL_")}
    handler = signal.getsignal(signal.SIGTERM)
    with (
        patch.dict(os.environ, kept | (environment or {}), clear=True),
        contextlib.redirect_stdout(streams[0]),
        contextlib.redirect_stderr(streams[1]),
    ):
        ended = cli.run(arguments)
    signal.signal(signal.SIGTERM, handler)
    return Done(ended, *(stream.buffer.getvalue().decode() for stream in streams))


def outputs(folder: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (folder / "outputs").read_text().splitlines())


def test_a_fail_is_told_to_scripts_to_people_and_to_the_next_run(tmp_path: Path) -> None:
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL, (Cause.FOG, Cause.COLOR_CAST)))
    done = command(tmp_path, 3, "--run-url", "https://github.com/acme/camera/actions/runs/7")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts == json.loads((tmp_path / "out" / "decision.json").read_text()) == outputs(tmp_path / "out")
    assert facts["action"] == "repair"
    assert facts["causes"] == "fog,color_cast"
    assert facts["drift_score"] == "0.1200"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*NAMES, "repair.md"}
    assert "actions/runs/7" in (tmp_path / "out" / "repair.md").read_text()
    (entry,) = read_history(tmp_path / "history.json", AFTER).entries
    assert (entry.status, entry.action, entry.causes) == (Status.FAIL, Action.REPAIR, (Cause.FOG, Cause.COLOR_CAST))


def test_a_pass_leaves_a_trace_and_no_older_call(tmp_path: Path) -> None:
    answered(tmp_path, Status.FAIL, Cause.FOG)
    assert (tmp_path / "repair.md").exists()
    assert answered(tmp_path, Status.PASS, days=1).decision.action is Action.NONE
    assert not (tmp_path / "repair.md").exists()
    assert [entry.status for entry in read_history(tmp_path / "memory/history.json", AFTER).entries] == [
        Status.FAIL,
        Status.PASS,
    ]
    assert "PASS" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize(
    ("damage", "code", "said"),
    [
        (lambda text: text[: len(text) // 2], 3, "is not JSON"),
        (lambda _: "", 137, r"is not JSON .*exit code 137"),
        (lambda text: text.replace('"FAIL"', '"PASS"'), 0, "has .* at causes; expected 0 entries"),
        (lambda text: text, 0, "the check ended with exit code 0, but the verdict says FAIL"),
        (lambda text: text, 137, "killed by signal 9"),
        (lambda text: text, 2, "exit code 2"),
        (lambda text: text.replace('"FAIL"', '"FAILED"'), 3, "'FAILED'"),
        (None, 125, r"No such file .*exit code 125"),
    ],
)
def test_what_cannot_be_trusted_is_an_error_and_calls_for_nothing(
    damage: Any, code: int, said: str, tmp_path: Path
) -> None:
    if damage:
        text = made(Status.FAIL, (Cause.SCENE_CHANGE,)).to_json()
        (tmp_path / "verdict.json").write_text(damage(text))
    done = command(tmp_path, code)
    assert done.returncode == 1
    assert re.search(said, complaint(done.stderr))
    assert outputs(tmp_path / "out")["action"] == "error"
    assert outputs(tmp_path / "out")["status"] == "ERROR"
    assert "ERROR" in (tmp_path / "out" / "summary.md").read_text()
    assert [entry.status for entry in read_history(tmp_path / "history.json", AFTER).entries] == [Status.ERROR]


@pytest.mark.parametrize("content", ["", "[", '{"message": "Bad credentials"}', '[{"databaseId": 1}]', None])
def test_not_knowing_what_is_under_way_calls_for_nothing(content: str | None, tmp_path: Path) -> None:
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL, (Cause.SCENE_CHANGE,)))
    if content is not None:
        (tmp_path / "runs.json").write_text(content)
    done = command(tmp_path, 3, "--retrainings", str(tmp_path / "runs.json"))
    assert done.returncode == 1
    assert "gh run list" in complaint(done.stderr)
    assert outputs(tmp_path / "out") | {"reason": ""} == {
        "status": "FAIL", "action": "error", "drift_score": "0.1200", "threshold": "0.3000", "causes": "scene_change",
        "reason": "", "guard": "", "title": "", "camera": "",
    }  # fmt: skip


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting", "pending", "requested"])
def test_a_run_that_is_not_over_is_under_way(status: str, tmp_path: Path) -> None:
    runs = [{"databaseId": 41, "status": status, "createdAt": "2026-11-01T00:00:00Z"}]
    (tmp_path / "runs.json").write_text(json.dumps(runs))
    outcome = answered(tmp_path, Status.FAIL, retrainings=tmp_path / "runs.json")
    assert (outcome.decision.action, outcome.decision.guard) == (Action.NONE, "in flight")
    assert "run 41" in outcome.decision.reason
    (tmp_path / "runs.json").write_text(json.dumps([runs[0] | {"status": "completed"}]))
    assert answered(tmp_path, Status.FAIL, days=2, retrainings=tmp_path / "runs.json").decision.action is Action.RETRAIN


def test_a_proposal_that_waits_holds_the_next_retraining_back(tmp_path: Path) -> None:
    listed = [{"number": 5, "headRefName": "sentinel/retrain-9"}, {"number": 6, "headRefName": "feature"}]
    (tmp_path / "pulls.json").write_text(json.dumps(listed))
    outcome = answered(tmp_path, Status.FAIL, proposals=tmp_path / "pulls.json")
    assert (outcome.decision.action, outcome.decision.guard) == (Action.NONE, "proposed")
    assert "pull request #5" in outcome.decision.reason
    (tmp_path / "pulls.json").write_text(json.dumps(listed[1:]))
    assert answered(tmp_path, Status.FAIL, proposals=tmp_path / "pulls.json").decision.action is Action.RETRAIN


def test_only_what_the_call_needs_to_know_must_be_known(tmp_path: Path) -> None:
    """Where issues are switched off, a retraining is called for all the same; and nothing is when nothing would be."""
    missing = tmp_path / "missing.json"
    assert answered(tmp_path, Status.FAIL, repairs=missing).decision.action is Action.RETRAIN
    assert answered(tmp_path, Status.FAIL, Cause.FOG, retrainings=missing).decision.action is Action.REPAIR
    assert answered(tmp_path, Status.FAIL, Cause.FOG, repairs=missing).decision.action is Action.ERROR
    held = answered(tmp_path, Status.FAIL, retrainings=missing, guards=Guards(connected=False))
    assert held.decision.guard == "switched off"


def test_gh_may_tell_more_than_it_was_asked_for_but_not_less(tmp_path: Path) -> None:
    (tmp_path / "issues.json").write_text(
        '[{"number": 12, "title": "Camera needs a look: fog", "labels": [{"id": 1}]}]'
    )
    assert read_repairs(tmp_path / "issues.json") == {"Camera needs a look: fog": "issue #12"}
    (tmp_path / "issues.json").write_text('[{"number": 12}]')
    with pytest.raises(SentinelError, match=r"has no \[0\]\.title; expected the output of `gh issue list"):
        read_repairs(tmp_path / "issues.json")
    (tmp_path / "runs.json").write_text('[{"databaseId": 1, "status": "queued", "createdAt": "2026-02-30T00:00:00Z"}]')
    with pytest.raises(SentinelError, match=r'has \[0\]\.createdAt "2026-02-30T00:00:00Z"; expected a time'):
        read_retrainings(tmp_path / "runs.json")


def test_an_open_issue_is_not_opened_again(tmp_path: Path) -> None:
    (tmp_path / "issues.json").write_text('[{"number": 12, "title": "Camera needs a look: fog"}]')
    assert answered(tmp_path, Status.FAIL, Cause.FOG, repairs=tmp_path / "issues.json").decision.guard == "already open"
    assert not (tmp_path / "repair.md").exists()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": 9, "entries": []}', '{"format": 1, "entries": [{}]}', "\0"]
)
def test_a_damaged_history_begins_anew_and_says_so(content: str, tmp_path: Path) -> None:
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL, (Cause.FOG,)))
    (tmp_path / "history.json").write_text(content)
    done = command(tmp_path, 3)
    assert done.returncode == 0
    assert "begins anew" in complaint(done.stderr)
    assert "begins anew" in (tmp_path / "out" / "summary.md").read_text()
    assert len(read_history(tmp_path / "history.json", AFTER).entries) == 1


def test_entries_of_the_future_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    answered(tmp_path, Status.FAIL, Cause.SCENE_CHANGE)
    path = tmp_path / "memory/history.json"
    document = json.loads(path.read_text())
    (entry,) = document["entries"]
    future = [entry | {"check": f"{number:064x}", "at": "2999-01-01T00:00:00Z"} for number in range(3)]
    path.write_text(json.dumps(document | {"entries": [entry, *(one | {"status": "PASS"} for one in future)]}))
    found = answered(tmp_path, Status.FAIL, Cause.SCENE_CHANGE, days=2, guards=Guards(fails_needed=2, of_last=2))
    assert found.decision.action is Action.RETRAIN, found.decision
    (remark,) = found.remarks
    assert "3 entries of the future, up to 2999-01-01T00:00:00Z; they are left out" in remark
    assert len(read_history(path, AFTER).entries) == 2  # and forgotten


def test_a_clock_that_is_a_little_ahead_is_borne_with(tmp_path: Path) -> None:
    answered(tmp_path, Status.FAIL, Cause.FOG, days=TOLERANCE / timedelta(days=1))
    assert answered(tmp_path, Status.FAIL, Cause.FOG).remarks == ()


def test_a_check_that_gave_no_score_is_remembered_with_all_before_it(tmp_path: Path) -> None:
    """Its verdict has a threshold all the same."""
    answered(tmp_path, Status.FAIL)
    answered(tmp_path, Status.ERROR, days=1)
    history = read_history(tmp_path / "memory/history.json", AFTER)
    assert history.lost == ""
    assert [entry.status for entry in history.entries] == [Status.FAIL, Status.ERROR]


def test_the_same_check_decided_twice_counts_once(tmp_path: Path) -> None:
    for _ in range(3):
        guards = Guards(fails_needed=2, of_last=3)
        assert answered(tmp_path, Status.FAIL, guards=guards).decision.guard == "k of n"
    assert len(read_history(tmp_path / "memory/history.json", AFTER).entries) == 1
    assert answered(tmp_path, Status.FAIL, days=1, guards=Guards(fails_needed=2, of_last=3)).decision.guard == ""


def test_a_decision_that_was_not_acted_on_can_be_made_again(tmp_path: Path) -> None:
    """A re-run of a job decides on the same verdict: its own earlier call must not hold it back."""
    for _ in range(2):
        assert answered(tmp_path, Status.FAIL).decision.action is Action.RETRAIN


def test_the_history_is_bounded_and_in_order(tmp_path: Path) -> None:
    for day in range(MAX_ENTRIES + 5):
        answered(tmp_path, Status.PASS, days=day)
    entries = read_history(tmp_path / "memory/history.json", AFTER).entries
    assert len(entries) == MAX_ENTRIES
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert entries[-1].time == NOW + timedelta(days=MAX_ENTRIES + 4)


def test_settings_come_from_the_environment_too(tmp_path: Path) -> None:
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL, (Cause.FOG,)))
    for settings, guard, action in [
        ({"SENTINEL_RED_PHONE": "off"}, "switched off", "none"),
        ({"SENTINEL_MAINTENANCE_UNTIL": "2100-01-01"}, "maintenance", "none"),
        ({"SENTINEL_ACKNOWLEDGED": "blur:2100-01-01, fog:2100-01-01T00:00Z"}, "acknowledged", "none"),
        ({"SENTINEL_FAILS_NEEDED": "2", "SENTINEL_OF_LAST": "3"}, "k of n", "none"),
        ({"SENTINEL_POLICY": "always"}, "", "retrain"),
        ({"SENTINEL_POLICY": "", "SENTINEL_RED_PHONE": ""}, "", "repair"),
    ]:
        done = command(tmp_path, 3, environment=settings)
        facts = json.loads(done.stdout)
        assert (facts["guard"], facts["action"]) == (guard, action), settings
        (tmp_path / "history.json").unlink()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--policy", "sometimes"), "--policy is 'sometimes'; expected by-cause or always"),
        (("--fails-needed", "4", "--of-last", "3"), "--fails-needed is '4'; expected a whole number from 1 to 3"),
        (("--maintenance-until", "tomorrow"), "--maintenance-until is 'tomorrow'; expected a date or a time"),
        (("--acknowledged", "smoke:2026-12-01"), "'smoke:2026-12-01'; expected CAUSE:DATE"),
        (("--acknowledged", "fog"), "'fog'; expected CAUSE:DATE"),
        (("--cooldown-hours", "-1"), "--cooldown-hours is '-1'"),
    ],
)
def test_a_wrong_setting_is_a_usage_error(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL))
    done = command(tmp_path, 3, *arguments)
    assert done.returncode == 2
    assert said in complaint(done.stderr)
    assert not (tmp_path / "history.json").exists()


def test_the_exit_code_must_be_given(tmp_path: Path) -> None:
    done = run_cli("decide", "--verdict", tmp_path / "v", "--history", tmp_path / "h", "--output", tmp_path)
    assert done.returncode == 2
    assert "--exit-code is missing" in complaint(done.stderr)


def test_words_from_outside_act_on_nothing(tmp_path: Path) -> None:
    names = ("`x` <img src=x> @octocat [a](http://b) | c\nstatus=PASS.jpg", "::error::x")
    verdict = made(Status.FAIL, (Cause.FOG,), names=names)
    write_verdict(tmp_path / "verdict.json", verdict)
    options = DecideOptions(tmp_path / "verdict.json", 3, tmp_path / "history.json", tmp_path / "out", Guards())
    answer(options, NOW)
    for name in ("summary.md", "repair.md"):
        text = (tmp_path / "out" / name).read_text()
        (line,) = [line for line in text.splitlines() if "octocat" in line]
        assert line == r"Look at `'x' <img src=x> @octocat [a](http://b) \| c\nstatus=PASS.jpg`, `::error::x`."
    assert outputs(tmp_path / "out")["status"] == "FAIL"
    assert len((tmp_path / "out" / "outputs").read_text().splitlines()) == 9


def test_the_summary_shows_the_last_checks_and_draws_them(tmp_path: Path) -> None:
    for day in range(12):
        answered(tmp_path, Status.FAIL if day > 9 else Status.PASS, days=day, guards=Guards(policy=Policy.ALWAYS))
    text = (tmp_path / "summary.md").read_text()
    assert text.startswith("## ❌ FAIL: ")
    rows = [line for line in text.splitlines() if line.startswith("| 2026-")]
    assert len(rows) == 10
    assert rows[0].startswith("| 2026-12-04 04:23 | ❌ FAIL | 0.12 of 0.30 | 4.5 (quality) | scene\\_change |")
    chart = text.partition("```mermaid\n")[2].partition("```")[0]
    lines = [line.strip() for line in chart.splitlines() if line.strip().startswith("line [")]
    assert [len(line.split(",")) for line in lines] == [12, 12, 12]
    assert lines[0].startswith("line [0.40, ")
    assert lines[1].endswith("0.50, 4.00, 4.00]")
    assert 'x-axis "checks before this one" -11 --> 0' in chart


def full_disk() -> None:
    """No file may grow beyond 64 bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))


def test_a_full_disk_leaves_the_old_history(tmp_path: Path) -> None:
    answered(tmp_path, Status.PASS)
    before = (tmp_path / "memory/history.json").read_bytes()
    write_verdict(tmp_path / "verdict.json", made(Status.FAIL))
    done = run_cli(
        "decide", "--verdict", tmp_path / "verdict.json", "--exit-code", "3",
        "--history", tmp_path / "memory/history.json", "--output", tmp_path, before=full_disk,
    )  # fmt: skip
    assert done.returncode == 1
    assert "cannot write the history" in complaint(done.stderr)
    assert (tmp_path / "memory/history.json").read_bytes() == before
    assert not (tmp_path / "outputs").exists()


# Cameras.


@pytest.mark.parametrize("text", ["\udc80", "javascript:alert(1)", "https://a.b/c) [d](e", "https://a.b/ c", "run 7"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    done = command(tmp_path, 3, "--run-url", text)
    assert done.returncode == 2
    assert "expected an address" in done.stderr
    assert not (tmp_path / "out" / "decision.json").exists()


def of_camera(folder: Path, name: str, day: float, cause: Cause = Cause.FOG) -> Outcome:
    """Decide on a FAIL of a camera; all share a history."""
    verdict = made(Status.FAIL, (cause,), names=(f"day {day}.jpg",))
    verdict = replace(verdict, baseline={**verdict.baseline, "camera": name})
    path = write_verdict(folder / "verdict.json", verdict)
    options = DecideOptions(path, 3, folder / "history.json", folder, Guards())
    return answer(options, NOW + timedelta(days=day))


def test_cameras_that_share_a_history_are_told_apart(tmp_path: Path) -> None:
    first, second = of_camera(tmp_path, "north", 0), of_camera(tmp_path, "south", 0.1)
    again = of_camera(tmp_path, "north", 0.2)
    assert [one.decision.action for one in (first, second, again)] == [Action.REPAIR, Action.REPAIR, Action.NONE]
    assert (first.decision.title, first.facts["camera"]) == ("Camera north needs a look: fog", "north")
    assert [entry.camera for entry in read_history(tmp_path / "history.json", AFTER).entries] == [
        "north",
        "south",
        "north",
    ]
    summary = (tmp_path / "summary.md").read_text()
    assert "camera `north`; " in summary
    assert summary.count("fog |") == 3, "the cause, and two of three checks"


@pytest.mark.parametrize("name", ["a\nstatus=PASS", "`<b>@all|#1", "\u202eevil"])
def test_whatever_a_verdict_calls_its_camera_is_text(tmp_path: Path, name: str) -> None:
    outcome = of_camera(tmp_path, name, 0)
    assert outcome.decision.title.isprintable()
    lines = (tmp_path / "outputs").read_text().splitlines()
    assert len(lines) == len(outcome.facts)
    assert "status=FAIL" in lines
    assert "status=PASS" not in lines
    assert "camera `" in (tmp_path / "repair.md").read_text(), "as code, in which nothing acts"
    assert len(read_history(tmp_path / "history.json", AFTER).entries) == 1


def test_a_history_from_before_cameras_is_read(tmp_path: Path) -> None:
    of_camera(tmp_path, "north", 0)
    path = tmp_path / "history.json"
    path.write_text(path.read_text().replace(', "camera": "north"', ""))
    (entry,) = read_history(path, AFTER).entries
    assert entry.camera == ""
