"""ERROR stands from the first moment on, whatever becomes of the libraries; and a folder is one check's alone."""

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sentinel_edge import gates, monitor
from sentinel_edge.storage.claim import only_writer
from sentinel_edge.verdict import unfinished
from sentinel_edge.verdict.reading import read_verdict
from sentinel_edge.verdict.verdict import Status, error_verdict
from tests.command import ROOT, assert_error_stands, complaint, leave_yesterdays_pass, run_cli, start_cli, strict_json
from tests.conftest import INCOMING, PAST

LIBRARIES = ("fire", "msgspec", "numpy", "cv2", "onnxruntime", "scipy")


def library_that(does: str, name: str, folder: Path) -> dict[str, str]:
    """An environment in which one library does something else when it is loaded."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(f"import os\n{does}\n")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_check_killed_while_any_library_loads_leaves_error(library: str, tmp_path: Path) -> None:
    output = leave_yesterdays_pass(tmp_path / "out")
    killing = library_that("os.kill(os.getpid(), 9)", library, tmp_path / "lib")
    done = run_cli("check", INCOMING, "--output", output, environment=killing)
    assert done.returncode == -9
    assert_error_stands(output)


@pytest.mark.parametrize("does", ["raise MemoryError", "raise ImportError('libx.so: cannot allocate memory')"])
@pytest.mark.parametrize("library", ["fire", "cv2"])
def test_a_library_that_cannot_be_loaded_is_one_line_and_error(library: str, does: str, tmp_path: Path) -> None:
    output = leave_yesterdays_pass(tmp_path / "out")
    done = run_cli("check", INCOMING, "--output", output, environment=library_that(does, library, tmp_path / "lib"))
    assert done.returncode == 1
    assert "memory" in complaint(done.stderr)
    assert_error_stands(output)


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["--output", "x", "--output", "out"], ""),
        (["--output=out", "--threshold", "0.5"], "elsewhere"),
        ([], "out"),
        (["--output", "--gates"], "out"),
    ],
)
def test_the_folder_is_found_however_it_is_named(
    arguments: list[str], variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_yesterdays_pass(tmp_path / "out")
    unfinished.put_error(["check", *arguments], {"SENTINEL_OUTPUT": variable})
    assert_error_stands(tmp_path / "out")
    with only_writer(tmp_path / "out"):  # gives the claim back
        pass
    assert not (tmp_path / "temp_status").exists()


@pytest.mark.parametrize("arguments", [["check", "--help"], ["baseline", "--output", "out"], ["--version"], []])
def test_what_is_no_check_leaves_the_folder_alone(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    leave_yesterdays_pass(tmp_path / "out")
    unfinished.put_error(arguments, {"SENTINEL_OUTPUT": "out"})
    assert (tmp_path / "out" / "status").read_text() == "PASS\n"


def test_the_first_error_is_a_verdict_like_any_other(tmp_path: Path) -> None:
    unfinished.put_error(["check", "--output", str(tmp_path)], {})
    with only_writer(tmp_path):
        found = read_verdict(tmp_path / "verdict.json", gates.numbers())
    known = {"baseline": {"path": ""}, "model": {"path": ""}}
    expected = error_verdict(unfinished.UNFINISHED, found.started_at, **known)
    assert (
        json.loads(found.to_json())
        == json.loads(expected.to_json())
        == strict_json((tmp_path / "verdict.json").read_bytes())
    )


def test_where_the_folder_cannot_take_a_file_the_old_pass_goes_all_the_same(small_disk: Path) -> None:
    output = leave_yesterdays_pass(small_disk / "out")
    with suppress(OSError), (small_disk / "full").open("wb") as stream:
        while stream.write(bytes(4096)):
            stream.flush()
    (output / "status").write_bytes(b"PASS\n")
    unfinished.put_error(["check", "--output", str(output)], {})
    with only_writer(output):
        pass
    assert "PASS" not in "".join(path.read_text() for path in output.iterdir())


def test_a_pipe_in_place_of_the_status_is_replaced_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "status")
    unfinished.put_error(["check", "--output", str(tmp_path)], {})
    with only_writer(tmp_path):
        assert_error_stands(tmp_path)


# One writer a folder.


def test_of_two_checks_into_one_folder_the_second_is_an_error_of_its_own(tmp_path: Path) -> None:
    footage, output = tmp_path / "footage", tmp_path / "out"
    footage.mkdir()
    for number in range(30):
        shutil.copy(PAST, footage / f"{number}.mp4")
    first = start_cli("check", footage, "--output", output)
    try:
        deadline = time.monotonic() + 30
        while not (output / "verdict.json").exists() or b"footage" not in (output / "verdict.json").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        before = {path.name: path.read_bytes() for path in output.iterdir()}
        second = run_cli("check", INCOMING, "--output", output)
        assert second.returncode == 1
        told = strict_json(second.stdout)
        assert told["status"] == "ERROR"
        assert "another check" in told["message"]
        assert told["message"] in complaint(second.stderr)
        assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    finally:
        first.kill()
        first.communicate()
    assert run_cli("check", INCOMING, "--output", output).returncode == 0  # a lock ends with its process


def test_the_folder_says_what_the_check_that_had_it_ended_with(tmp_path: Path) -> None:
    output = tmp_path / "out"
    both = [start_cli("check", INCOMING, "--output", output, "--threshold", level) for level in ("0.3", "0.01")]
    codes = [process.wait() for process in both]
    assert sorted(codes) in ([0, 1], [1, 3]), codes
    status = (output / "status").read_text()
    assert status == {0: "PASS\n", 3: "FAIL\n"}[max(code for code in codes if code != 1)]


def test_a_library_caller_is_refused_too_and_nothing_is_left_locked(tmp_path: Path) -> None:
    options = monitor.CheckOptions(tmp_path / "none", tmp_path / "none.npz", output=tmp_path / "out")
    with only_writer(tmp_path / "out"):
        verdict = monitor.check(options)
        assert (verdict.status, list((tmp_path / "out").iterdir())) == (Status.ERROR, [])
        assert "another check" in verdict.message
    assert "no such path" in monitor.check(options).message
    assert "no such path" in monitor.check(options).message
