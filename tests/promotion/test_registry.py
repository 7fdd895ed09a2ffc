"""The registry: numbered versions, pointers that change at once, and a champion that survives whatever happens."""

import fcntl
import json
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentinel_edge import assets
from sentinel_edge.cli import run as cli
from sentinel_edge.errors import SentinelError
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.interpolator_card import load_card, save_card
from sentinel_edge.promotion import registry
from sentinel_edge.promotion.pointers import Pointers
from sentinel_edge.promotion.registry import Registry
from tests.cli.test_bad_input import AS_A_USER
from tests.command import ROOT, assert_one_line, complaint, run_cli, start_cli, strict_json
from tests.material.interpolators import tiny_card, tiny_graph, write_tiny


@pytest.fixture(autouse=True)
def _tried_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models are tried in this process, which is quicker; `test_first_run` is of how they are tried."""

    def tried(model: Path) -> None:
        picture = np.full((1, 32, 32, 3), 7, np.uint8)
        Interpolator(model).interpolate(picture, picture)

    monkeypatch.setattr(registry, "require_working", tried)


def add(folder: Path, name: str, kind: str = "mean", **card: object) -> int:
    """Register a tiny interpolator that is like no other of another name."""
    content = tiny_graph(kind, name=name)
    model = folder.parent / f"{name}.onnx"
    model.write_bytes(content)
    return Registry(folder).add(model, tiny_card(content, name=name, **card))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A registry whose version 1 is champion and whose version 2 is challenger."""
    folder = tmp_path / "vfi"
    add(folder, "one")
    Registry(folder).promote()
    add(folder, "two")
    return folder


@pytest.fixture
def three(two: Path) -> Path:
    """A registry with champion 2, earlier champion 1 and challenger 3."""
    Registry(two).promote()
    add(two, "three")
    return two


def places(folder: Path) -> tuple[int | None, int | None, list[int]]:
    """Champion, challenger and earlier champions."""
    pointers = Registry(folder).pointers()
    champion, challenger = (None if one is None else one.version for one in (pointers.champion, pointers.challenger))
    return champion, challenger, [one.version for one in pointers.earlier]


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the lock."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def refused(work: Callable[[], object]) -> str:
    """The one line with which something is refused."""
    with pytest.raises(SentinelError) as problem:
        work()
    assert_one_line(str(problem.value))
    return str(problem.value)


def assert_works(folder: Path) -> int:
    """The champion loads and interpolates, and nothing in the registry is damaged; gives back its number."""
    champion = Registry(folder).champion()
    picture = np.zeros((1, 8, 8, 3), np.uint8)
    assert Interpolator(champion.model).interpolate(picture, picture).shape == picture.shape
    assert Registry(folder).verify().problems == ()
    return champion.version


# From one champion to the next.


def test_a_model_goes_from_challenger_to_champion_and_back(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "vfi"
    folder.parent.mkdir()
    vfi = Registry(folder)
    assert add(folder, "one") == 1
    assert places(folder) == (None, 1, [])
    assert vfi.promote() == 1
    assert places(folder) == (1, None, [])
    assert add(folder, "two") == 2
    assert places(folder) == (1, 2, [])
    assert (vfi.champion().card.name, vfi.challenger().card.name) == ("one", "two")
    assert vfi.promote(2) == 2
    assert places(folder) == (2, None, [1])
    assert add(folder, "three") == 3
    assert vfi.rollback() == 1
    assert places(folder) == (1, 3, []), "a rollback leaves the challenger"
    assert vfi.reject() == 3
    assert places(folder) == (1, None, [])
    assert vfi.versions() == (1, 2, 3), "nothing is ever deleted"
    assert vfi.verify().unused == (2, 3)


def test_a_registered_version_is_the_file_it_was_made_from_and_its_card_has_the_number(two: Path) -> None:
    found = Registry(two).version(2)
    assert found.model.read_bytes() == (two.parent / "two.onnx").read_bytes()
    assert found.card == replace(tiny_card(found.model.read_bytes(), name="two"), version=2)
    assert load_card(found.model.with_name("card.json")) == found.card


def test_the_parent_is_the_version_with_its_checksum_whatever_number_the_card_came_with(two: Path) -> None:
    champion = Registry(two).champion().card
    known = add(two, "child", parent=17, parent_sha256=champion.sha256)
    assert Registry(two).version(known).card.parent == 1
    stranger = add(two, "stray", parent=1, parent_sha256="0" * 64)
    card = Registry(two).version(stranger).card
    assert (card.parent, card.parent_sha256) == (None, "0" * 64)
    assert Registry(two).verify().problems == ()


def test_a_newer_challenger_takes_the_place_of_the_one_before(two: Path) -> None:
    assert add(two, "three") == 3
    assert places(two) == (1, 3, [])
    assert Registry(two).verify().unused == (2,)


def test_the_same_model_and_card_again_is_the_version_it_already_is(two: Path) -> None:
    Registry(two).reject()
    assert add(two, "two") == 2
    assert places(two) == (1, 2, [])
    assert add(two, "two", description="the same network, told otherwise") == 3
    assert "is the champion already, version 1" in refused(lambda: add(two, "one"))
    assert places(two) == (1, 3, [])


def test_a_rollback_can_go_further_back_and_forgets_what_came_after(three: Path) -> None:
    vfi = Registry(three)
    vfi.promote()
    add(three, "four")
    vfi.promote()
    assert places(three) == (4, None, [1, 2, 3])
    assert "version 4 is no earlier champion" in refused(lambda: vfi.rollback(4))
    assert vfi.rollback(2) == 2
    assert places(three) == (2, None, [1])
    vfi.rollback()
    assert "no earlier champion to go back to; the champion is version 1" in refused(vfi.rollback)


def test_versions_and_pointers_are_as_readable_as_the_umask_says_and_versions_read_only(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        add(tmp_path / "vfi", "one")
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path / "vfi")): oct(stat.S_IMODE(path.stat().st_mode))
        for path in (tmp_path / "vfi").rglob("*")
    }
    assert modes["versions/0001"] == "0o750"
    assert modes["versions/0001/model.onnx"] == modes["versions/0001/card.json"] == "0o440"
    assert modes["registry.json"] == "0o640"


# What is refused.


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("not a number", "not finite"),
        ("one above the other", "expected the same shape"),
        ("fails as it runs", "failed"),
    ],
)
def test_a_model_that_gives_no_pictures_is_not_registered(two: Path, kind: str, said: str) -> None:
    before = snapshot(two)
    assert said in refused(lambda: add(two, "broken", kind))
    assert snapshot(two) == before


def test_a_file_that_is_not_its_cards_is_not_registered(two: Path) -> None:
    before = snapshot(two)
    other = tiny_card(tiny_graph(name="other"))
    assert "does not match its card" in refused(lambda: Registry(two).add(two.parent / "two.onnx", other))
    assert snapshot(two) == before


def test_without_a_challenger_there_is_nothing_to_promote_or_reject(two: Path) -> None:
    Registry(two).reject()
    before = snapshot(two)
    for work in (Registry(two).promote, Registry(two).reject, Registry(two).challenger):
        assert "has no challenger; make one with `make retrain NEW=path`" in refused(work)
    assert "version 2 is not the challenger" in refused(lambda: Registry(two).promote(2))
    assert "version 1 is not the challenger" in refused(lambda: Registry(two).reject(1))
    assert snapshot(two) == before


def test_an_empty_registry_says_how_to_fill_it(tmp_path: Path) -> None:
    for folder in (tmp_path / "missing", tmp_path):
        message = refused(Registry(folder).champion)
        assert "`make train-vfi`" in message
        assert "`sentinel-edge model add --model FILE`" in message
    assert Registry(tmp_path).versions() == ()
    assert Registry(tmp_path).pointers() == Pointers()
    assert "no model registry" in refused(Registry(tmp_path / "missing").promote)


def test_a_damaged_version_is_refused_and_found_and_a_rollback_is_the_way_out(three: Path) -> None:
    model = three / "versions" / "0002" / "model.onnx"
    model.chmod(0o644)
    model.write_bytes(model.read_bytes()[:-1])
    message = refused(Registry(three).champion)
    assert "does not match its card" in message
    assert "`sentinel-edge model rollback`" in message
    assert [problem for problem in Registry(three).verify().problems if str(model) in problem]
    assert Registry(three).rollback() == 1
    assert Registry(three).champion().version == 1


def test_a_damaged_challenger_or_earlier_champion_does_not_become_champion(three: Path) -> None:
    for number, work in ((1, Registry(three).rollback), (3, Registry(three).promote)):
        model = three / "versions" / f"{number:04}" / "model.onnx"
        model.chmod(0o644)
        model.write_bytes(tiny_graph(name="swapped"))
        assert "does not match its card" in refused(work)
    assert places(three) == (2, 3, [1])


def test_a_version_in_another_versions_folder_is_refused(three: Path) -> None:
    shutil.rmtree(three / "versions" / "0002")
    shutil.copytree(three / "versions" / "0001", three / "versions" / "0002")
    assert "has version 1; expected 2" in refused(Registry(three).champion)


def test_a_version_whose_folder_is_missing_is_refused_and_found(three: Path) -> None:
    shutil.rmtree(three / "versions" / "0002")
    assert "has no version 2; it has 1, 3" in refused(Registry(three).champion)
    (problem,) = Registry(three).verify().problems
    assert "names version 2 as champion; there is no such version" in problem
    assert add(three, "four") == 4
    assert Registry(three).rollback() == 1


def edited(pointers: bytes, **changes: object) -> bytes:
    return json.dumps(json.loads(pointers) | changes).encode()


EDITS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut": (lambda text: text[:-5], "is not JSON"),
    "empty": (lambda _: b"", "is not JSON"),
    "binary": (lambda _: bytes(range(256)), "is not JSON"),
    "a list": (lambda _: b"[]", "expected an object"),
    "format 2": (lambda text: edited(text, format_version=2), "has format_version 2; expected 1"),
    "a number": (lambda text: edited(text, champion=1), "has 1 for champion; expected an object"),
    "negative": (lambda text: edited(text, champion={"version": -1, "since": "x"}), "has champion.version -1"),
    "no time": (lambda text: edited(text, champion={"version": 1, "since": "x"}), 'has champion.since "x"'),
    "both": (
        lambda text: edited(text, challenger=json.loads(text)["champion"]),
        "has version 2 as champion and as challenger",
    ),
    "more": (lambda text: edited(text, canary=1), 'has "canary", which is no known field'),
    "nothing earlier": (
        lambda text: edited(text, earlier=None),
        "has earlier null; expected a list of at most 100 versions",
    ),
}


@pytest.mark.parametrize("edit", EDITS)
def test_pointers_edited_by_hand_are_one_line_whatever_is_asked(three: Path, edit: str) -> None:
    change, said = EDITS[edit]
    path = three / "registry.json"
    path.write_bytes(change(path.read_bytes()))
    before = snapshot(three)
    vfi = Registry(three)
    for work in (vfi.champion, vfi.challenger, vfi.promote, vfi.rollback, vfi.reject, lambda: add(three, "four")):
        message = refused(work)
        assert str(path) in message
        assert said in message
    assert [problem for problem in vfi.verify().problems if said in problem]
    assert snapshot(three) == before


def test_versions_without_pointers_are_found_unused_and_can_be_registered_again(two: Path) -> None:
    (two / "registry.json").unlink()
    assert Registry(two).verify().unused == (1, 2)
    assert "has no champion" in refused(Registry(two).champion)
    assert add(two, "one") == 1
    assert Registry(two).promote() == 1


# Crashes: a real process, killed before each step.


def killed(operation: str, template: Path, folder: Path) -> int:
    """Run the operation until it gets through; the number of tries, each in a folder of its own."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "material" / "killed_writer.py"),
        operation,
        str(template),
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


CRASHES: dict[str, tuple[int, tuple[int, int | None, list[int]]]] = {
    "add": (2, (2, 4, [1])),
    "promote": (3, (3, None, [1, 2])),
    "rollback": (1, (1, 3, [])),
    "reject": (2, (2, None, [1])),
}
"""The champion after each operation, and all places."""


@pytest.mark.slow
@pytest.mark.parametrize("operation", CRASHES)
def test_a_writer_killed_at_any_step_leaves_a_working_champion_and_can_start_again(
    three: Path, tmp_path: Path, operation: str
) -> None:
    champion, after = CRASHES[operation]
    before = places(three)
    write_tiny(tmp_path / "new", tiny_graph(name="new"), name="new")
    new = tmp_path / "new"
    vfi: dict[str, Callable[[Registry], object]] = {
        "add": lambda one: one.add(new / "model.onnx", load_card(new / "card.json")),
        "promote": lambda one: one.promote(3),
        "rollback": lambda one: one.rollback(1),
        "reject": lambda one: one.reject(3),
    }
    tries = killed(operation, three, tmp_path / "tries")
    assert tries > 30, "the steps were not counted"
    seen = []
    for number in range(1, tries + 1):
        folder = tmp_path / "tries" / str(number)
        found = places(folder)
        assert found in (before, after)
        assert assert_works(folder) == (champion if found == after else 2)
        seen.append(found == after)
        if found == before or operation == "add":
            vfi[operation](Registry(folder))
            assert places(folder) == after
            assert Registry(folder).verify().leftovers == ()
            assert assert_works(folder) == champion
    assert seen[0] is False
    assert seen[-1] is True
    assert sum(now != then for now, then in zip(seen[1:], seen, strict=False)) == 1, "the pointers change at one step"


def test_what_a_crash_left_is_listed_and_cleared_away_by_the_next_change(two: Path) -> None:
    staging = two / "versions" / ".adding-x"
    staging.mkdir()
    (staging / "model.onnx").write_bytes(b"half")
    (two / ".registry.json.abc.tmp").write_bytes(b"{")
    (two / "versions" / "notes.txt").write_text("mine")
    found = Registry(two).verify()
    assert found.leftovers == (".registry.json.abc.tmp", "versions/.adding-x", "versions/notes.txt")
    assert found.problems == ()
    Registry(two).promote()
    assert Registry(two).verify().leftovers == ("versions/notes.txt",), "what is not its own is left alone"


def test_a_version_that_never_became_challenger_becomes_it_when_it_is_added_again(two: Path) -> None:
    """What is left when the power goes between the two renames."""
    pointers = (two / "registry.json").read_bytes()
    assert add(two, "three") == 3
    (two / "registry.json").write_bytes(pointers)
    assert assert_works(two) == 1
    assert add(two, "three") == 3
    assert places(two) == (1, 3, [])


# Two writers.


def holds_open(process: "subprocess.Popen[str]", path: Path) -> bool:
    """Whether a process has a file open."""
    try:
        return any(os.readlink(one) == str(path) for one in Path(f"/proc/{process.pid}/fd").iterdir())  # noqa: PTH115
    except OSError:  # it just closed one, or ended
        return False


@pytest.mark.parametrize("command", ["promote", "rollback"])
def test_of_two_writers_at_once_the_second_waits_and_then_refuses_in_one_line(three: Path, command: str) -> None:
    """Both have seen the same pointers before either may write."""
    Registry(three).promote()
    add(three, "four")
    with (three / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        racers = [start_cli("model", command, "--registry", three) for _ in range(2)]
        end = time.monotonic() + 30
        while not all(holds_open(racer, three / ".lock") for racer in racers) and time.monotonic() < end:
            time.sleep(0.02)
    told = [racer.communicate(timeout=30) for racer in racers]
    assert sorted(racer.returncode for racer in racers) == [0, 1]
    loser = next(err for (_, err), racer in zip(told, racers, strict=True) if racer.returncode)
    assert "nothing was changed" in complaint(loser)
    assert places(three) == ((4, None, [1, 2, 3]) if command == "promote" else (2, 4, [1]))


def test_a_writer_does_not_wait_for_ever(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "WAIT_S", 0.1)
    with (two / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "has been written by another command for 0.1 s" in refused(Registry(two).promote)
        assert Registry(two).champion().version == 1, "readers do not wait at all"
    assert Registry(two).promote() == 2


# Disks.


@pytest.mark.parametrize("room", [0, 400])
def test_where_a_file_cannot_grow_that_is_one_line_and_the_champion_stands(two: Path, room: int) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    model = write_tiny(two.parent / "new", tiny_graph(name="n" * 1000))
    before = snapshot(two)
    done = run_cli("model", "add", "--model", model, "--registry", two, before=no_room)
    assert done.returncode == 1
    message = complaint(done.stderr)
    assert f"cannot write model registry {two}: File too large; the champion is version 1" in message
    assert snapshot(two) == before
    assert assert_works(two) == 1


def test_a_full_disk_is_one_line_and_the_champion_stands(two: Path, small_disk: Path) -> None:
    folder = small_disk / "vfi"
    shutil.copytree(two, folder)
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    before = snapshot(folder)
    new = write_tiny(two.parent / "new", tiny_graph(name="new"))
    for work in (
        Registry(folder).promote,
        Registry(folder).reject,
        lambda: Registry(folder).add(new, load_card(new.with_name("card.json"))),
    ):
        assert "No space left on device; the champion is version 1" in refused(work)
        assert snapshot(folder) == before
        assert assert_works(folder) == 1
        assert Registry(folder).verify().leftovers == ()
    (small_disk / "filler").unlink()
    assert Registry(folder).promote() == 2


def test_a_read_only_disk_is_read_and_writing_to_it_is_one_line(two: Path, small_disk: Path) -> None:
    """As in a container whose image carries the models."""
    folder = small_disk / "vfi"
    shutil.copytree(two, folder)
    (folder / ".lock").unlink()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert assert_works(folder) == 1
    assert Registry(folder).challenger().version == 2
    assert "Read-only file system; the champion is version 1" in refused(Registry(folder).promote)


def test_a_folder_of_another_user_is_read_and_writing_to_it_is_one_line(two: Path) -> None:
    (two / ".lock").unlink()
    for folder in (two, two / "versions"):
        folder.chmod(0o555)
    try:
        done = run_cli("model", "promote", "--registry", two, before=AS_A_USER)
        assert done.returncode == 1
        assert "Permission denied; the champion is version 1" in complaint(done.stderr)
        assert strict_json(run_cli("model", "list", "--registry", two, before=AS_A_USER).stdout)["champion"] == 1
    finally:
        for folder in (two, two / "versions"):
            folder.chmod(0o755)


# The command line.


def test_a_registry_is_filled_and_changed_from_the_command_line(
    here: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def answer(*arguments: str) -> dict[str, Any]:
        assert cli.run(["model", *arguments, "--registry", "vfi"]) == 0
        out, err = capfd.readouterr()
        assert (out.count("\n"), err) == (1, "")
        return strict_json(out)

    write_tiny(here / "a")
    model = write_tiny(here / "b", tiny_graph("last"), name="b")
    model.rename(here / "b" / "b.onnx")
    (here / "b" / "card.json").rename(here / "b" / "b.json")
    assert answer("add", "--model", "a/model.onnx") == {
        "version": 1, "registry": "vfi", "champion": None, "challenger": 1, "earlier": [],
    }  # fmt: skip
    assert answer("promote")["champion"] == 1
    assert answer("add", "--model", "b/b.onnx")["challenger"] == 2
    assert answer("promote", "--version", "2") == {
        "version": 2, "registry": "vfi", "champion": 2, "challenger": None, "earlier": [1],
    }  # fmt: skip
    listed = answer("list")
    assert [(one["version"], one["role"], one["name"]) for one in listed["versions"]] == [
        (1, "earlier", "tiny"),
        (2, "champion", "b"),
    ]
    assert answer("rollback")["champion"] == 1
    assert answer("verify")["unused"] == [2]


def test_a_version_that_is_not_the_challenger_by_now_is_exit_1_and_one_line(
    two: Path,
    here: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    add(two, "three")
    assert cli.run(["model", "promote", "--registry", str(two), "--version=2"]) == 1
    out, err = capfd.readouterr()
    assert "version 2 is not the challenger" in complaint(err)
    assert "the challenger is version 3, the champion version 1; nothing was changed" in err
    assert out == ""


def test_damage_is_listed_and_verify_exits_1(
    three: Path,
    here: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    (three / "versions" / "0001" / "card.json").unlink()
    assert cli.run(["model", "verify", "--registry", str(three)]) == 1
    out, err = capfd.readouterr()
    (problem,) = strict_json(out)["problems"]
    assert "cannot read model card" in problem
    assert err == ""
    assert cli.run(["model", "list", "--registry", str(three)]) == 0
    assert "cannot read model card" in strict_json(capfd.readouterr().out)["versions"][0]["problem"]


def test_on_a_terminal_versions_are_a_table(
    three: Path, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (three / "versions" / "0001" / "card.json").unlink()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.run(["model", "list", "--registry", str(three)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == ["version", "role", "since", "name", "made", "parent", "sha256", "metrics"]
    assert [line.split()[:2] for line in lines[1:]] == [["1", "earlier"], ["2", "champion"], ["3", "challenger"]]
    assert "damaged" in lines[1]
    assert "golden_gain_db 2.5" in lines[2]
    assert cli.run(["model", "verify", "--registry", str(three)]) == 1
    assert capfd.readouterr().out.startswith("NOT WELL ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modell"], "unknown command 'modell'"),
        (["model", "promot"], "unknown command 'model promot'; expected one of list, add, promote, rollback, verify"),
        (["model", "promot"], "did you mean promote?"),
        (["model", "--registry", "vfi"], "unknown command 'model --registry'"),
        (["model", "list", "--version", "1"], "unknown option --version for model list"),
        (["model", "list", "vfi"], "unexpected 'vfi' for model list"),
        (["model", "promote", "--version"], "--version has no value"),
        (["model", "promote", "--version", "0"], "--version is '0'; expected a whole number from 1"),
        (["model", "rollback", "--version", "one"], "--version is 'one'"),
        (["model", "add"], "--model is missing"),
        (["model", "add", "--model", ""], "--model is ''"),
    ],
)
def test_a_request_that_is_not_understood_is_one_line_and_exit_2(
    here: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    assert cli.run(arguments) == 2
    out, err = capfd.readouterr()
    assert said in complaint(err)
    assert out == ""
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", ["list", "add", "promote", "rollback", "verify"])
def test_every_command_of_the_group_has_help(
    here: Path,
    capfd: pytest.CaptureFixture[str],
    command: str,
) -> None:
    assert cli.run(["model", "--help"]) == cli.run(["model"]) == 0
    overview, err = capfd.readouterr()
    assert f"\n  {command} " in overview
    assert err == ""
    assert cli.run(["model", command, "--help"]) == 0
    shown = capfd.readouterr().out
    assert shown.startswith(f"usage: sentinel-edge model {command} --option VALUE")
    assert "--registry " in shown
    assert max(map(len, (overview + shown).splitlines())) <= 100


def test_the_registry_may_be_named_by_the_environment_a_version_not(
    two: Path, here: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTINEL_REGISTRY", str(two))
    monkeypatch.setenv("SENTINEL_VERSION", "9")
    assert cli.run(["model", "promote"]) == 0
    assert strict_json(capfd.readouterr().out)["champion"] == 2


def test_a_card_that_is_no_card_is_not_registered(two: Path) -> None:
    model = write_tiny(two.parent / "new")
    save_card(replace(load_card(model.with_name("card.json")), sha256="0" * 64), model.with_name("card.json"))
    done = run_cli("model", "add", "--model", model, "--registry", two)
    assert done.returncode == 1
    assert "does not match its card" in complaint(done.stderr)
    assert places(two) == (1, 2, [])


# What does not belong there.


@pytest.mark.parametrize("command", ["promote", "rollback", "reject", "add"])
def test_a_pipe_in_place_of_the_lock_is_one_line_and_nobody_waits(two: Path, command: str) -> None:
    Registry(two).promote()
    add(two, "next")
    (two / ".lock").unlink()
    os.mkfifo(two / ".lock")
    before = places(two)
    work = {name: getattr(Registry(two), name) for name in ("promote", "rollback", "reject")}
    said = refused(work.get(command, lambda: add(two, "one more")))
    assert ".lock is not a regular file, remove it" in said
    assert places(two) == before


def test_a_link_or_file_among_the_leftovers_is_cleared_away_and_what_it_leads_to_stays(two: Path) -> None:
    outside = two.parent / "outside"
    (outside / "kept").mkdir(parents=True)
    (two / "versions" / ".adding-link").symlink_to(outside)
    (two / "versions" / ".adding-file").write_bytes(b"x")
    (two / "versions" / ".adding-nowhere").symlink_to(two / "nowhere")
    assert Registry(two).promote() == 2
    assert Registry(two).verify().leftovers == ()
    assert (outside / "kept").is_dir()


def test_the_package_looks_for_its_registry_beside_its_other_models() -> None:
    assert assets.default_registry() == assets.default_model().parent / "vfi"
