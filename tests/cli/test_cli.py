"""The command line: exit codes, what is printed where, and that a request not understood has no effect."""

import inspect
import os
import pty
import re
import stat
import subprocess
import sys
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from sentinel_edge.baseline.file import load_baseline
from sentinel_edge.cli import run as cli
from sentinel_edge.cli.command import Command, Group, function, options
from sentinel_edge.cli.commands import COMMANDS
from sentinel_edge.cli.option import Option
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.verdict.verdict import SAMPLE_USED
from tests.command import (
    COMMAND,
    assert_error_stands,
    clean_environment,
    complaint,
    leave_yesterdays_pass,
    run_cli,
    strict_json,
)
from tests.conftest import INCOMING

OPTIONS = {
    "check": ["incoming", "baseline", "output", "model", "threshold", "alpha", "fps", "gates", "interpolator",
              "threads", "evidence"],
    "baseline": ["source", "output", "add", "model", "episode", "fps", "mask", "interpolator",
                 "sensitivity", "threads"],
    "describe": ["baseline"],
    "decide": ["verdict", "exit-code", "history", "output", "policy", "fails-needed", "of-last", "cooldown-hours",
               "daily-maximum", "maintenance-until", "acknowledged", "red-phone", "retrainings", "repairs", "run-url"],
    "sabotage": ["source", "kind", "severity", "output", "seed"],
    "excerpt": ["source", "output", "megabytes", "seconds"],
    "evaluate": ["champion", "challenger", "new", "golden", "output", "control", "holdout"],
    "canary": ["registry", "incoming", "state", "output", "share", "maximum", "decide", "restart"],
    "version": ["model", "baseline"],
}  # fmt: skip
GROUPS = ["model"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen real pictures the golden baseline finds normal; only to be read."""
    folder = tmp_path_factory.mktemp("pictures")
    with VideoReader(INCOMING) as reader:
        for index, (_, frame) in enumerate(islice(reader, 0, 64, 4)):
            cv2.imwrite(str(folder / f"{index}.png"), frame)
    return folder


@pytest.fixture(scope="module")
def negatives(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures with light and dark exchanged."""
    folder = tmp_path_factory.mktemp("negatives")
    for path in pictures.iterdir():
        cv2.imwrite(str(folder / path.name), 255 - np.asarray(cv2.imread(str(path)), np.uint8))
    return folder


def on_terminal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Run the command with a terminal for its output; exit code and what appeared there."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env=clean_environment(TERM="xterm", **environment),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # EIO: the last one who had the terminal open left
            break
    os.close(ours)
    return process.wait(60), shown.decode().replace("\r\n", "\n")


# Exit codes and the two files.


def test_normal_footage_exits_0_with_one_json_line_and_the_same_in_the_file(pictures: Path, tmp_path: Path) -> None:
    done = run_cli("check", "--incoming", pictures, "--output", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    assert (tmp_path / "out" / "status").read_bytes() == b"PASS\n"
    verdict = strict_json(done.stdout)
    assert verdict == strict_json((tmp_path / "out" / "verdict.json").read_bytes())
    assert verdict["status"] == "PASS"
    assert verdict["frames"]["judged"] == 16


def test_changed_footage_exits_3_and_a_summary_is_shown_on_a_terminal(negatives: Path, tmp_path: Path) -> None:
    code, shown = on_terminal("check", "--incoming", negatives, "--output", tmp_path / "out")
    assert code == 3
    assert (tmp_path / "out" / "status").read_bytes() == b"FAIL\n"
    assert strict_json((tmp_path / "out" / "verdict.json").read_bytes())["status"] == "FAIL"
    lines = shown.split("\x1b[K")[-1].splitlines()
    assert lines[0] == SAMPLE_USED
    assert lines[1].startswith("FAIL ")
    assert "threshold 0.30" in lines[1]
    assert any("verdict.json" in line for line in lines)
    assert "{" not in shown


def test_footage_that_cannot_be_judged_exits_1_and_yesterdays_pass_is_gone(tmp_path: Path) -> None:
    output = leave_yesterdays_pass(tmp_path / "out")
    done = run_cli("check", "--incoming", tmp_path / "missing", "--output", output)
    assert done.returncode == 1
    verdict = assert_error_stands(output)
    assert complaint(done.stderr) == verdict["message"]
    assert strict_json(done.stdout) == verdict


def test_an_error_on_a_terminal_is_told_once(tmp_path: Path) -> None:
    code, shown = on_terminal("check", "--incoming", tmp_path / "missing", "--output", tmp_path / "out")
    assert code == 1
    assert shown.startswith("ERROR  no such path")
    assert shown.count("\n") == 1


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_two_files_are_as_readable_as_the_umask_says(here: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        assert cli.run(["check", "--incoming", "missing", "--output", "out"]) == 1
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (here / "out").iterdir()} == {mode}


# Requests that are not understood.


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--thresold", "0.9"], "did you mean --threshold?"),
        (["--thresold=0.9"], "did you mean --threshold?"),
        (["--threshold"], "--threshold"),
        (["--threshold", "--alpha", "0.1"], "--threshold"),
        (["--no-incoming"], "--no"),
        (["--Threshold", "0.9"], "did you mean --threshold?"),
        (["extra"], "extra"),
        (["threshold=0.9"], "threshold=0.9"),
        (["-x", "3"], "-x"),
        (["-thresold", "0.9"], "-thresold"),
        (["-t", "0.9"], "-t"),
        (["--help=3"], "help"),
        (["--thresold", "0.9", "--"], "thresold"),
        (["--", "--interactive"], "--"),
        (["--fps", "0"], "--fps is '0'"),
        (["--fps", "many"], "--fps is 'many'"),
        (["--threads", "0"], "--threads is '0'"),
        (["--threads", "1.5"], "--threads is '1.5'"),
        (["--threads", "9" * 5000], "--threads"),
        (["--baseline="], "--baseline is ''"),
        (["--model", " "], "--model is ' '"),
    ],
    ids=lambda value: " ".join(value)[:24] if isinstance(value, list) else "",
)
def test_a_mistyped_option_has_no_effect_but_a_message(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], named: str
) -> None:
    assert cli.run(["check", "--incoming", ".", "--output", "out", *arguments]) == 2
    out, err = capfd.readouterr()
    assert named in complaint(err)
    assert out == ""
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("option", ["threshold", "alpha"])
@pytest.mark.parametrize("value", ["0", "1", "-0.1", "1.5", "nan", "NaN", "inf", "-inf", "1e-400", "0,5", "half"])
def test_a_threshold_or_alpha_outside_0_to_1_is_refused(
    here: Path, capfd: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert cli.run(["check", "--incoming", ".", "--output", "out", f"--{option}={value}"]) == 2
    message = complaint(capfd.readouterr().err)
    assert f"--{option} is {value!r}" in message
    assert "expected a number between 0 and 1" in message
    assert list(here.iterdir()) == []


def test_a_mistyped_option_of_the_installed_command_exits_2(tmp_path: Path) -> None:
    done = run_cli("check", "--incoming", ".", "--output", "out", "--thresold", "0.9", folder=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean --threshold?" in complaint(done.stderr)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["", " ", "Quality", "quality;embedding", "quality,", "speed", "all", "none", ","])
def test_gates_that_are_none_exit_2(here: Path, capfd: pytest.CaptureFixture[str], value: str) -> None:
    assert cli.run(["check", "--incoming", ".", "--output", "out", f"--gates={value}"]) == 2
    message = complaint(capfd.readouterr().err)
    assert f"--gates is {value!r}" in message
    assert "embedding, quality" in message or not value.strip()
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["chek", "Check", "run", "_job", "__class__", "check_", ""])
def test_a_mistyped_command_is_named_and_exits_2(here: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    assert cli.run([command, "--incoming", ".", "--output", "out"]) == 2
    message = complaint(capfd.readouterr().err)
    assert f"unknown command {command!r}" in message
    assert ", ".join([*OPTIONS, *GROUPS]) in message
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        (["check"], "--incoming"),
        (["check", "--incoming", "--output", "out"], "--incoming"),
        (["check", "--output", "out", "--incoming"], "--incoming"),
        (["baseline", "--output", "out"], "--source"),
        (["baseline", "--source", "x"], "--output"),
        (["sabotage", "--kind", "blur", "--output", "out"], "--source"),
        (["sabotage", "--source", "x", "--output", "out"], "--kind"),
        (["sabotage", "--source", "x", "--kind", "--output", "out"], "--kind"),
        (["sabotage", "--source", "x", "--kind", "fogg", "--output", "out"], "'fogg'; expected one of noise, blur"),
        (["sabotage", "--source", "x", "--kind", "scene_change", "--output", "out"], "--kind"),
        (["sabotage", "--source", "x", "--kind", "blur", "--severity", "6", "--output", "out"], "--severity is '6'"),
        (["sabotage", "--source", "x", "--kind", "blur", "--severity=-1", "--output", "out"], "--severity is '-1'"),
        (["sabotage", "--source", "x", "--kind", "blur", "--seed", "one", "--output", "out"], "--seed is 'one'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_missing_or_impossible_value_exits_2_and_is_named(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], missing: str
) -> None:
    assert cli.run(arguments) == 2
    message = complaint(capfd.readouterr().err)
    assert missing in message
    assert "'True'" not in message, "True is how Fire says that there was no value; nobody typed it"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("value", ["week", "days", "DAY", "count", "2", "21", "0", "-3", "3.5", "12 ", "", "day,hour"])
def test_an_episode_that_is_none_exits_2(here: Path, capfd: pytest.CaptureFixture[str], value: str) -> None:
    assert cli.run(["baseline", "--source", ".", "--output", "b.npz", f"--episode={value}"]) == 2
    message = complaint(capfd.readouterr().err)
    assert f"--episode is {value!r}; expected day, hour, file, or a whole number from 3 to 20" in message
    assert list(here.iterdir()) == []


# What is checked may stand without its name, and where the two files go without being told.


@pytest.mark.parametrize(
    "arguments",
    [
        ["footage"],
        ["--incoming", "footage"],
        ["--threshold", "0.3", "footage"],
        ["footage", "--threshold", "0.3"],
        ["footage", "--incoming=footage"],
        ["--incoming=elsewhere", "--incoming=footage"],
    ],
    ids=" ".join,
)
def test_a_check_takes_its_footage_without_a_name_and_writes_to_temp_status(
    here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("SENTINEL_INCOMING", "from the environment")
    assert cli.run(["check", *arguments]) == 1
    assert strict_json(capfd.readouterr().out) == assert_error_stands(here / "temp_status")
    assert strict_json((here / "temp_status" / "verdict.json").read_bytes())["incoming"] == "footage"
    monkeypatch.setenv("SENTINEL_OUTPUT", "out")
    assert cli.run(["check", *arguments]) == 1
    assert_error_stands(here / "out")


@pytest.mark.parametrize("name", ["-x", "a=b", "it's 1,2", "check"])
def test_a_strange_name_reaches_the_check_too(here: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    assert cli.run(["check", f"--incoming={name}" if name.startswith("-") else name]) == 1
    assert strict_json(capfd.readouterr().out)["incoming"] == name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "a", "b"], "unexpected 'b' for check; expected one INCOMING and options, as in --option VALUE"),
        (["check", "a", "--incoming", "b"], "'a' stands alone and --incoming is 'b'; expected one of them"),
        (["check", "--incoming=b", "a"], "'a' stands alone and --incoming is 'b'; expected one of them"),
        (["check", "--incoming=a", "--incoming=b", "a"], "'a' stands alone and --incoming is 'b'"),
        (["check", "-x"], "unknown option -x for check"),
        (["check", "-"], "unexpected '-' for check"),
        (["check", ""], "--incoming is ''; expected a path"),
        (["describe", "a"], "unexpected 'a' for describe; expected options only, as in --option VALUE"),
        (["canary", "a"], "unexpected 'a' for canary; expected options only, as in --option VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_path_that_stands_alone_stands_once_and_only_for_a_check(
    here: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert cli.run(arguments) == 2
    assert said in complaint(capfd.readouterr().err)
    assert list(here.iterdir()) == []


# Gates.


def test_the_gates_named_decide_whether_by_option_or_environment(
    here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    small = here / "small"
    small.mkdir()
    for path in list(pictures.iterdir())[:10]:
        cv2.imwrite(str(small / path.name), np.asarray(cv2.imread(str(path))) // 6)

    def decided(*options: str) -> tuple[int, list[str], bool]:
        code = cli.run(["check", f"--incoming={small}", "--output=out", *options])
        verdict = strict_json(capfd.readouterr().out)
        return code, list(verdict["gates"]), verdict["drift_score"] is None

    assert decided("--gates=quality") == (3, ["quality"], True)
    assert decided("--gates", "quality, embedding,quality") == (3, ["embedding", "quality"], False)
    assert decided() == (3, ["embedding", "quality", "performance", "moments", "replay"], False)
    assert decided("--interpolator=none") == (3, ["embedding", "quality", "moments", "replay"], False)
    monkeypatch.setenv("SENTINEL_GATES", "quality")
    assert decided() == (3, ["quality"], True)
    assert decided("--gates=embedding")[1:] == (["embedding"], False)


# Names that Fire would take apart, and names from elsewhere.


NAMES = ["a#b", "a,b", "1234567", "0x10", "1e5", "[1]", "{a: 1}", "None", 'it\'s "q"', "a=b", "two words", "*", "~"]
NAMES += ["größe 日本", "%s", "$HOME", "a;b", "-d", "--dash", "True"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_reaches_the_check_as_it_was_typed(here: Path, capfd: pytest.CaptureFixture[str], name: str) -> None:
    output = here / f"out {name}"
    assert cli.run(["check", f"--incoming={name}", f"--output={output.name}"]) == 1
    out, err = capfd.readouterr()
    assert complaint(err).startswith(f"no such path: {name};")
    assert strict_json(out)["incoming"] == name
    assert_error_stands(output)


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "two\nlines", "red \x1b[31m"], ids=ascii)
def test_a_name_that_no_terminal_can_show_is_still_one_clear_line(
    here: Path, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    output = leave_yesterdays_pass(here / f"out {name}")
    assert cli.run(["check", f"--incoming={name}", f"--output={output.name}"]) == 1
    out, err = capfd.readouterr()
    assert complaint(err).startswith("no such path: ")
    assert strict_json(out) == assert_error_stands(output)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_verdict_can_be_printed_whatever_the_locale(tmp_path: Path, encoding: str) -> None:
    output = tmp_path / "out"
    done = run_cli("check", "--incoming", "größe 日本", "--output", output, environment={"PYTHONIOENCODING": encoding})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert strict_json(done.stdout) == assert_error_stands(output)


# Environment variables.


def test_settings_come_from_the_environment_and_options_win(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        "INCOMING": "a",
        "OUTPUT": "out a",
        "BASELINE": "b",
        "THRESHOLD": "0.4",
        "ALPHA": "0.01",
    }.items():
        monkeypatch.setenv(f"SENTINEL_{name}", value)
    assert cli.run(["check"]) == 1
    verdict = strict_json(capfd.readouterr().out)
    assert (verdict["incoming"], verdict["threshold"], verdict["alpha"]) == ("a", 0.4, 0.01)
    assert verdict["baseline"]["path"] == "b"
    assert cli.run(["check", "--incoming", "c", "--threshold", "0.5", "--output", "out c"]) == 1
    verdict = strict_json(capfd.readouterr().out)
    assert (verdict["incoming"], verdict["threshold"], verdict["alpha"]) == ("c", 0.5, 0.01)
    assert sorted(path.name for path in here.iterdir()) == ["out a", "out c"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("THRESHOLD", "7"), ("ALPHA", "nan"), ("FPS", "-1"), ("THREADS", "many"), ("OUTPUT", " ")],
)
def test_an_impossible_setting_in_the_environment_exits_2(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(f"SENTINEL_{variable}", value)
    arguments = ["check", "--incoming", "."] + ([] if variable == "OUTPUT" else ["--output", "out"])
    assert cli.run(arguments) == 2
    assert repr(value) in complaint(capfd.readouterr().err)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["baseline", "sabotage"])
def test_where_a_check_is_set_to_write_is_not_for_other_commands(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.setenv("SENTINEL_OUTPUT", "out")
    assert cli.run([command, "--source", "x", *(["--kind", "blur"] if command == "sabotage" else [])]) == 2
    assert "--output is missing" in complaint(capfd.readouterr().err)


def test_an_empty_variable_is_as_good_as_none(
    here: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SENTINEL_THRESHOLD", "")
    assert cli.run(["check", "--incoming", "x", "--output", "out"]) == 1
    assert strict_json(capfd.readouterr().out)["threshold"] == 0.3


def test_another_rate_than_the_baselines_is_refused(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["check", "--incoming", str(INCOMING), "--output", "out", "--fps", "3"]) == 1
    message = complaint(capfd.readouterr().err)
    assert "5 frames a second" in message
    assert "3 was asked for" in message
    assert_error_stands(here / "out")


TYPED_ONLY = {
    "baseline": {"source", "output", "add", "accept", "camera"},
    "sabotage": {"source", "kind", "output"},
    "excerpt": {"source", "output"},
    "evaluate": {"champion", "challenger", "new", "golden", "output", "control"},
    "canary": {"incoming", "state", "output"},
    "model add": {"model"},
    "model promote": {"version"},
    "model rollback": {"version"},
}
"""Options that no variable speaks for."""


def every_command(commands: Group = COMMANDS, group: str = "") -> dict[str, type[Command]]:
    found: dict[str, type[Command]] = {}
    for name, entry in commands.items():
        found |= every_command(entry, f"{name} ") if isinstance(entry, Group) else {f"{group}{name}": entry}
    return found


@pytest.mark.parametrize("name", every_command())
def test_an_option_is_said_once_and_heard_from_the_environment_where_it_says_so(name: str) -> None:
    known = options(every_command()[name])
    assert all(isinstance(option, Option) for option in known.values())
    assert {one for one, option in known.items() if not option.environment} == TYPED_ONLY.get(name, set())


@pytest.mark.parametrize("name", every_command())
def test_what_fire_sees_is_made_from_the_options(name: str) -> None:
    command = every_command()[name]
    seen = function(command, lambda _: None)
    parameters = inspect.signature(seen).parameters
    assert list(parameters) == list(options(command))
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(f"\n    {option}: " in str(seen.__doc__) for option in parameters)


# Help and versions.


def test_help_lists_every_command_on_standard_output(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        assert cli.run(arguments) == 0
        out, err = capfd.readouterr()
        assert all(re.search(rf"\b{command}\b", out) for command in [*OPTIONS, *GROUPS]), arguments
        assert err == ""


@pytest.mark.parametrize("command", OPTIONS)
def test_the_help_of_a_command_explains_every_option_in_plain_words(
    here: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    assert cli.run([command, "--help"]) == 0
    out, err = capfd.readouterr()
    shown = out + err
    assert all(f"--{option}" in shown for option in OPTIONS[command])
    assert max(map(len, shown.splitlines())) <= 120
    for jargon in ("Optional[", "FIRE_METADATA", "Type:", "INFO:", "GROUP"):
        assert jargon not in shown
    assert err == "", "help that was asked for belongs on standard output"


def test_the_help_of_a_check_tells_what_may_stand_alone_and_where_it_writes(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["check", "--help"]) == 0
    shown = capfd.readouterr().out
    assert shown.startswith("usage: sentinel-edge check [INCOMING] --option VALUE ...\n")
    assert "Default: temp_status." in shown
    assert cli.run(["canary", "--help"]) == 0
    assert capfd.readouterr().out.startswith("usage: sentinel-edge canary --option VALUE ...\n")


@pytest.mark.parametrize("arguments", [["check", "--help"], []], ids=" ".join)
def test_help_on_a_terminal_opens_no_pager(tmp_path: Path, arguments: list[str]) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ntouch '{tmp_path}/opened'\ncat\n")
    pager.chmod(0o755)
    code, shown = on_terminal(*arguments, PAGER=str(pager))
    assert code == 0
    assert "sentinel-edge" in shown
    assert not (tmp_path / "opened").exists()


def test_version_names_package_libraries_model_and_baseline() -> None:
    done = run_cli("version")
    assert (done.returncode, done.stderr) == (0, "")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"sentinel-edge", "python", "numpy", "onnxruntime", "opencv", "model", "baseline"} <= set(names)


def test_version_with_a_broken_baseline_is_one_line_and_exit_1(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "b.npz").write_bytes(b"PK")
    assert cli.run(["version", "--baseline", "b.npz"]) == 1
    assert "b.npz" in complaint(capfd.readouterr().err)


# Episodes.


@pytest.mark.parametrize("rule", ["day", "hour"])
def test_undated_footage_cannot_be_cut_by_the_clock_and_that_is_one_line(
    here: Path, pictures: Path, capfd: pytest.CaptureFixture[str], rule: str
) -> None:
    assert cli.run(["baseline", "--source", str(pictures), "--output", "b.npz", "--episode", rule]) == 1
    out, err = capfd.readouterr()
    assert complaint(err).startswith(f"--episode {rule} needs names that tell the time, 0 of 16 do (0.png does not);")
    assert out == ""
    assert list(here.iterdir()) == []


def test_a_webcams_pictures_are_cut_by_day_and_that_is_told_and_recorded(
    here: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "webcam").mkdir()
    shown = [cv2.resize(np.asarray(cv2.imread(str(path))), (64, 48)) for path in sorted(pictures.iterdir())]
    # Numbered from the last to the first, so that the times run backwards in the order of names.
    for number in range(32):
        day, picture = divmod(31 - number, 8)
        cv2.imwrite(str(here / "webcam" / f"{number:02}_2023-06-{13 + day}T1{picture}_00_00.png"), shown[picture])

    said: list[str] = []

    def built(*options: str) -> tuple[str, list[str]]:
        assert cli.run(["baseline", "--source", "webcam", "--output", "b.npz", *options]) == 0
        out, err = capfd.readouterr()
        said.append(err)
        facts = strict_json(out)
        baseline = load_baseline(here / "b.npz")
        assert baseline.episode_rule == facts["episodes_by"]
        return str(facts["episodes_by"]), list(baseline.episodes.names)

    assert built() == ("day", ["2023-06-13", "2023-06-14", "2023-06-15", "2023-06-16"])
    assert "webcam/00_2023-06-16T17_00_00.png read as 2023-06-16 17:00:00" in said[0], "and how names were read"
    assert built("--episode", "3") == ("count", ["webcam 1/3", "webcam 2/3", "webcam 3/3"])
    monkeypatch.setenv("SENTINEL_EPISODE", "hour")
    rule, hours = built()
    assert rule == "hour, 32 joined into 4"
    assert hours[0] == "2023-06-13 10h … 2023-06-13 17h"


# Sabotage.


def test_sabotage_refuses_to_overwrite_and_leaves_everything_as_it_was(
    here: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (here / "kept").mkdir()
    (here / "kept" / "notes.txt").write_text("mine")
    (here / "file").write_text("mine")
    arguments = ["sabotage", "--source", str(pictures), "--kind", "blur", "--output"]
    for output in ("kept", "file", str(pictures), str(pictures / "new"), str(pictures.parent)):
        assert cli.run([*arguments, output]) == 1
        complaint(capfd.readouterr().err)
    assert (here / "kept" / "notes.txt").read_text() == (here / "file").read_text() == "mine"
    assert len(list(pictures.iterdir())) == 16
    assert sorted(path.name for path in here.iterdir()) == ["file", "kept"]


def test_sabotage_tells_what_it_made_in_one_json_line(
    here: Path, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert (
        cli.run(["sabotage", "--source", str(pictures), "--kind", "fog", "--severity", "1", "--output", "foggy"]) == 0
    )
    out, err = capfd.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    assert strict_json(out)["frames"] == len(list((here / "foggy").iterdir())) == 16


# What a start imports.


@pytest.mark.parametrize("arguments", [["check", "x"], ["decide", "--exit-code=0", "--verdict=x"], ["model", "list"]])
def test_a_command_imports_nothing_of_the_others(tmp_path: Path, arguments: list[str]) -> None:
    listing = (
        "import sys; from sentinel_edge.cli.run import run; run(sys.argv[1:]); "
        "print('', *(name for name in sys.modules if name.startswith('sentinel_edge.')), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing, *arguments],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    commands = {f"sentinel_edge.cli.commands.{name}" for name in (*OPTIONS, *GROUPS)}
    assert loaded & commands == {f"sentinel_edge.cli.commands.{arguments[0]}"}
    foreign = {"baseline.learning", "excerpt.excerpt", "promotion.paired", "promotion.trial", "sabotage.saboteur"}
    assert not loaded & {f"sentinel_edge.{name}" for name in foreign}
    assert ("sentinel_edge.decision.decide" in loaded) == (arguments[0] == "decide")


# Where the output goes.


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
@pytest.mark.parametrize("arguments", ["version", "check --incoming missing --output out"])
def test_standard_output_that_takes_nothing_is_no_traceback(tmp_path: Path, arguments: str, redirection: str) -> None:
    line = f"{' '.join(COMMAND)} {arguments} {redirection}"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def test_a_reader_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    line = f"{' '.join(COMMAND)} check --incoming missing --output out | true"
    done = subprocess.run(
        ["/bin/sh", "-c", line], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert_error_stands(tmp_path / "out")


def test_what_the_libraries_think_of_damaged_footage_is_not_on_standard_error(pictures: Path, tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    for path in pictures.iterdir():
        (footage / path.name).write_bytes(path.read_bytes())
    frame = np.asarray(cv2.imread(str(pictures / "0.png")), np.uint8)
    checksum = bytearray((pictures / "0.png").read_bytes())
    checksum[-1] ^= 0xFF
    (footage / "checksum.png").write_bytes(checksum)
    (footage / "cut.png").write_bytes((pictures / "0.png").read_bytes()[:20_000])
    jpeg = cv2.imencode(".jpg", frame)[1].tobytes()
    (footage / "junk.jpg").write_bytes(jpeg[:-2] + bytes(99) + jpeg[-2:])
    (footage / "float.tiff").write_bytes(cv2.imencode(".tiff", frame.astype(np.float32))[1].tobytes())
    (footage / "cut.mp4").write_bytes(INCOMING.read_bytes()[:100_000])
    done = run_cli("check", "--incoming", footage, "--output", tmp_path / "out")
    assert done.returncode in (0, 3)
    assert strict_json(done.stdout)["frames"]["unreadable"] >= 3
    assert done.stderr == ""
