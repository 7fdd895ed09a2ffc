"""The canary on real footage: who serves what, what is decided, and that a kill at any moment changes nothing.

Averaging is far better than repeating the first frame, so that challenger is promoted after a few blocks, and its
opposite rolled back.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip
from sentinel_edge.promotion import canary
from sentinel_edge.promotion.canary import RESULT, Canary, CanaryOptions, Ending, run_canary, serves
from sentinel_edge.promotion.canary_state import Settings, load_state, save_state
from sentinel_edge.promotion.paired import Plan
from sentinel_edge.promotion.registry import Registry
from tests.command import ROOT, assert_one_line, clean_environment, complaint, run_cli, start_cli, strict_json
from tests.conftest import INCOMING
from tests.material.clips import stretch, timed, write_clip
from tests.material.interpolators import KINDS, slow_graph, tiny_card, tiny_graph

BLOCK = 1.0
SETTINGS = Settings(block_s=BLOCK)
PER_BLOCK = 10
SOON = 120


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen seconds of the sample in one small clip; only to be read."""
    folder = tmp_path_factory.mktemp("footage")
    stretch(folder / "live.avi", INCOMING, 0, 160)
    return folder


def registry_of(folder: Path, champion: str, challenger: str) -> Path:
    """A registry whose two places are held by tiny interpolators."""
    registry = Registry(folder)
    for kind, name in ((champion, "old"), (challenger, "new")):
        content = tiny_graph(kind, name=name)
        model = folder.with_name(f"{folder.name}-{name}.onnx")
        model.write_bytes(content)
        version = registry.add(model, tiny_card(content, name=name))
        if name == "old":
            registry.promote(version)
    return folder


def options(
    place: Path, footage: Path, champion: str = "first", challenger: str = "mean", **changes: Any
) -> CanaryOptions:
    """A canary of its own in a folder; the registry is made where there is none."""
    registry = place / "vfi"
    if not registry.exists():
        place.mkdir(parents=True, exist_ok=True)
        registry_of(registry, champion, challenger)
    return replace(CanaryOptions(registry, footage, place / "state.json", place / "out", SETTINGS), **changes)


def words(made: CanaryOptions) -> list[str]:
    """The same as arguments of the command."""
    given: dict[str, object] = {
        "registry": made.registry,
        "incoming": made.incoming,
        "state": made.state,
        "output": made.output,
        "block": made.settings.block_s,
        "maximum": made.settings.plan.maximum,
        "decide": "yes" if made.decide else "no",
    }
    return ["canary", *(word for name, value in given.items() for word in (f"--{name}", str(value)))]


def told(found: Canary) -> dict[str, Any]:
    """What a canary found, without what differs from run to run: how long things took."""
    facts = json.loads(json.dumps(found.facts))
    for block in facts["blocks"]:
        del block["latency_ratio"], block["slower"]
    return {name: facts[name] for name in ("status", "message", "evidence", "served", "silent", "clips", "blocks")}


def places(registry: Path) -> tuple[int | None, int | None]:
    pointers = Registry(registry).pointers()
    return tuple(one.version if one else None for one in (pointers.champion, pointers.challenger))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def promoted(tmp_path_factory: pytest.TempPathFactory, footage: Path) -> tuple[Path, Canary]:
    """The folder of a canary that nobody interrupted, and what it found; the folder is only to be copied."""
    folder = tmp_path_factory.mktemp("promoted")
    return folder, run_canary(options(folder, footage))


def copied(promoted: tuple[Path, Canary], place: Path, footage: Path, **changes: Any) -> CanaryOptions:
    """The same canary, finished, in a folder of its own."""
    shutil.copytree(promoted[0], place, dirs_exist_ok=True)
    return options(place, footage, **changes)


# Deciding.


def test_a_better_challenger_is_promoted_early_and_the_file_says_who_served_what(
    promoted: tuple[Path, Canary],
) -> None:
    folder, found = promoted
    assert (found.status, found.exit_code) == (Ending.PROMOTED, 0)
    assert 7 <= len(found.blocks) <= 9, "long before the footage ends"
    assert found.evidence is not None
    assert found.evidence.low > 0
    assert found.served is not None
    scored = found.served.by_champion + found.served.by_challenger
    assert scored == sum(block.triplets for block in found.blocks)
    assert found.served.by_challenger == scored // 5
    assert found.served.psnr_db is not None
    assert found.served.champion_psnr_db is not None
    assert found.served.psnr_db > found.served.champion_psnr_db + 0.3
    document = strict_json((folder / "out" / RESULT).read_bytes())
    assert document == json.loads(json.dumps(found.facts))
    times = [second for block in document["blocks"] for second in block["served_by_challenger"]]
    assert np.diff(times) == pytest.approx(0.5), "every fifth frame of ten a second"
    assert places(folder / "vfi") == (1, 2), "only --decide changes the registry"
    assert found.table.startswith("PROMOTED  ")


def test_a_worse_challenger_is_rolled_back_early(tmp_path: Path, footage: Path) -> None:
    found = run_canary(options(tmp_path, footage, "mean", "first", decide=True))
    assert (found.status, found.exit_code, found.registry_changed) == (Ending.ROLLED_BACK, 3, True)
    assert len(found.blocks) <= 9
    assert places(tmp_path / "vfi") == (1, None)


def test_a_challenger_no_better_is_rolled_back_at_the_maximum_at_the_latest(tmp_path: Path, footage: Path) -> None:
    settings = replace(SETTINGS, plan=Plan(maximum=12))
    content = tiny_graph("mean", name="the same again")
    made = options(tmp_path, footage, "mean", "first", settings=settings)
    (tmp_path / "again.onnx").write_bytes(content)
    Registry(made.registry).add(tmp_path / "again.onnx", tiny_card(content, name="again"))
    found = run_canary(made)
    assert (found.status, found.exit_code) == (Ending.ROLLED_BACK, 3)
    assert found.evidence is not None
    assert (found.evidence.mean, found.evidence.blocks <= 12) == (0.0, True)


@pytest.mark.parametrize("kind", ["not a number", "one above the other", "fails as it runs"])
def test_a_challenger_that_gives_no_picture_is_rolled_back_at_once(tmp_path: Path, footage: Path, kind: str) -> None:
    made = options(tmp_path, footage, "mean", "first", decide=True)
    broken = tiny_graph(kind)
    version = Registry(made.registry).version(2).model
    # A registry takes no such model in; this one broke where it stands, and its card with it.
    version.write_bytes(broken)
    card = tiny_card(broken, version=2)
    version.with_name("card.json").write_bytes(card.to_json())
    found = run_canary(made)
    assert (found.status, found.exit_code) == (Ending.ROLLED_BACK, 3)
    assert found.blocks == ()
    assert "the challenger failed" in found.message
    assert_one_line(found.message)
    assert places(made.registry) == (1, None)


def test_a_better_challenger_that_is_slower_is_rolled_back_for_that(
    tmp_path: Path, footage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "slow", slow_graph(250))
    found = run_canary(options(tmp_path, footage, "first", "slow"))
    assert found.status is Ending.ROLLED_BACK
    assert "too slow" in found.message
    assert len(found.blocks) <= 3


def test_a_champion_that_fails_is_not_the_challengers_fault_and_not_its_victory(tmp_path: Path, footage: Path) -> None:
    made = options(tmp_path, footage)
    broken = tiny_graph("not a number")
    model = Registry(made.registry).version(1).model
    model.write_bytes(broken)
    model.with_name("card.json").write_bytes(tiny_card(broken, version=1).to_json())
    with pytest.raises(SentinelError, match="the champion failed"):
        run_canary(made)
    assert strict_json((made.output / RESULT).read_bytes())["status"] == "ERROR"
    assert places(made.registry) == (1, 2)


# Serving.


@pytest.mark.parametrize("share", ["0.2", "0.1", "0.5", "0.29", "0.999", "1e-03"])
def test_the_challengers_frames_are_spread_evenly_and_their_share_is_exact(share: str) -> None:
    served = np.array([serves(number, share) for number in range(1000)])
    counts = np.cumsum(served)
    assert counts[-1] == round(1000 * float(share))
    assert (np.abs(counts - np.arange(1, 1001) * float(share)) <= 1).all(), "never ahead or behind by more than a frame"


# What survives.


def test_more_footage_later_goes_on_where_the_first_ended_and_a_renamed_clip_is_not_counted_again(
    tmp_path: Path, footage: Path
) -> None:
    incoming = tmp_path / "incoming"
    stretch(incoming / "monday.avi", INCOMING, 0, 42)
    made = options(tmp_path / "it", incoming)
    first = run_canary(made)
    assert (first.status, first.exit_code) == (Ending.UNDECIDED, 1)
    assert "more footage" in first.message
    (incoming / "monday.avi").rename(incoming / "montag.avi")
    again = run_canary(made)
    assert told(again) == told(first), "nothing is counted twice"
    stretch(incoming / "tuesday.avi", INCOMING, 42, 160)
    shutil.copy(incoming / "tuesday.avi", incoming / "tuesday-copy.avi")
    last = run_canary(made)
    assert last.status is Ending.PROMOTED
    assert last.blocks[: len(first.blocks)] == first.blocks
    assert last.clips == ("monday.avi", "tuesday-copy.avi")
    assert [one.name for one in last.skipped] == ["tuesday.avi"]


def test_footage_without_motion_decides_nothing_and_says_why(tmp_path: Path) -> None:
    still = write_clip(tmp_path / "in" / "still.avi", [np.full((64, 96, 3), 90, np.uint8)] * 30)
    found = run_canary(options(tmp_path, still.parent))
    assert (found.status, found.exit_code, found.blocks) == (Ending.UNDECIDED, 1, ())
    assert "28 nothing moves" in found.message
    assert load_state(tmp_path / "state.json") is not None


def test_a_pipe_among_the_footage_is_passed_over(tmp_path: Path) -> None:
    still = write_clip(tmp_path / "in" / "still.avi", [np.full((64, 96, 3), 90, np.uint8)] * 30)
    os.mkfifo(still.parent / "pipe.mp4")
    found = run_canary(options(tmp_path, still.parent))
    assert [(one.name, one.reason) for one in found.skipped] == [("pipe.mp4", "not a regular file")]


def count_blocks(state: Path) -> int:
    return len(json.loads(state.read_text())["content"]["blocks"]) if state.exists() else 0


@pytest.mark.slow
def test_killed_after_every_block_it_ends_as_if_nobody_had_killed_it(
    tmp_path: Path, footage: Path, promoted: tuple[Path, Canary]
) -> None:
    made = options(tmp_path, footage)
    kills = 0
    for _ in range(30):
        before = count_blocks(made.state)
        process = start_cli(*words(made))
        end = time.monotonic() + SOON
        while process.poll() is None and count_blocks(made.state) == before and time.monotonic() < end:
            time.sleep(0.005)
        process.kill()
        process.communicate()
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL
        kills += 1
        if (state := load_state(made.state)) is None or state.decision is None:
            assert strict_json((made.output / RESULT).read_bytes())["status"] == "ERROR", "no result before the end"
    assert kills >= 5
    assert told(run_canary(made)) == told(promoted[1])
    assert strict_json((made.output / RESULT).read_bytes())["status"] == "PROMOTED"


DYING = """
import os, signal, sys
from sentinel_edge.promotion import canary
from sentinel_edge.cli import run as cli
from sentinel_edge.promotion.registry import Registry
real, moment = Registry.{change}, sys.argv.pop(1)
def change(self, version=None):
    if moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, version)
    os.kill(os.getpid(), signal.SIGKILL)
Registry.{change} = change
sys.exit(cli.run(sys.argv[1:]))
"""


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize(("pair", "change"), [(("first", "mean"), "promote"), (("mean", "first"), "reject")])
def test_killed_beside_the_registrys_change_it_is_made_once_and_told_truly(
    tmp_path: Path, footage: Path, moment: str, pair: tuple[str, str], change: str
) -> None:
    made = options(tmp_path, footage, *pair, decide=True)
    before, after = (1, 2), ((2, None) if change == "promote" else (1, None))
    dead = subprocess.run(
        [sys.executable, "-c", DYING.format(change=change), moment, *words(made)],
        env=clean_environment(),
        cwd=ROOT,
        capture_output=True,
        timeout=SOON,
        check=False,
    )
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert places(made.registry) == (before if moment == "before" else after)
    for _ in range(2):
        found = run_canary(made)
        assert found.status is (Ending.PROMOTED if change == "promote" else Ending.ROLLED_BACK)
        assert found.registry_changed
        assert [one.version for one in found.contenders] == [1, 2]
        assert places(made.registry) == after


def test_a_settled_state_says_nothing_about_the_next_challenger(tmp_path: Path, footage: Path) -> None:
    made = options(tmp_path, footage, decide=True)
    run_canary(made)
    content = tiny_graph("last", name="next")
    (tmp_path / "next.onnx").write_bytes(content)
    Registry(made.registry).add(tmp_path / "next.onnx", tiny_card(content, name="next"))
    with pytest.raises(SentinelError, match="is of another champion"):
        run_canary(made)
    assert run_canary(replace(made, restart=True)).status is Ending.ROLLED_BACK
    assert places(made.registry) == (2, None)


# States that are refused.


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (replace(SETTINGS, share="0.5"), "share 0.2, not 0.5"),
        (replace(SETTINGS, block_s=3.0), "block 1.0, not 3.0"),
        (replace(SETTINGS, plan=Plan(maximum=80)), "maximum 60, not 80"),
    ],
)
def test_a_plan_cannot_be_changed_once_blocks_were_seen(
    tmp_path: Path, footage: Path, promoted: tuple[Path, Canary], settings: Settings, found: str
) -> None:
    made = copied(promoted, tmp_path, footage, settings=settings)
    with pytest.raises(SentinelError, match=found) as problem:
        run_canary(made)
    assert_one_line(str(problem.value))
    assert "--restart" in str(problem.value)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda text: text[: len(text) // 2], "is not JSON"),
        (lambda text: text.replace('"triplets": 10', '"triplets": 11', 1), "does not match its checksum"),
        (lambda _: "{}", "has no kind"),
        (lambda _: "[]", "expected an object"),
        (lambda text: text.replace("sentinel-edge canary", "shopping list"), "has kind"),
    ],
)
def test_a_damaged_state_is_one_line_and_stays_as_it_is(
    tmp_path: Path, footage: Path, promoted: tuple[Path, Canary], damage: Callable[[str], str], found: str
) -> None:
    made = copied(promoted, tmp_path, footage)
    made.state.write_text(damage(made.state.read_text()))
    content = made.state.read_bytes()
    with pytest.raises(SentinelError, match=found) as problem:
        run_canary(made)
    assert_one_line(str(problem.value))
    assert made.state.read_bytes() == content


def test_the_middle_of_a_clip_that_is_gone_or_changed_is_asked_for(
    tmp_path: Path, footage: Path, promoted: tuple[Path, Canary]
) -> None:
    incoming = tmp_path / "incoming"
    shutil.copytree(footage, incoming)
    made = copied(promoted, tmp_path / "it", incoming)
    state = load_state(made.state)
    assert state is not None
    assert not state.clips[0].finished
    save_state(replace(state, blocks=state.blocks[:3], decision=None, reason=""), made.state)  # as a kill leaves it
    stretch(incoming / "live.avi", INCOMING, 0, 50)
    with pytest.raises(SentinelError, match="its content changed"):
        run_canary(made)
    (incoming / "live.avi").rename(incoming / "other.avi")
    with pytest.raises(SentinelError, match="in the middle of it"):
        run_canary(made)


# The command.


def test_the_command_prints_what_it_writes(tmp_path: Path, footage: Path) -> None:
    made = options(tmp_path, footage, "mean", "first", decide=True)
    done = run_cli(*words(made))
    assert (done.returncode, done.stderr) == (3, "")
    assert strict_json(done.stdout) == strict_json((made.output / RESULT).read_bytes())
    assert places(made.registry) == (1, None)


@pytest.mark.parametrize("share", ["0", "1", "1.5", "nan", "x"])
def test_a_share_that_is_none_exits_2(tmp_path: Path, footage: Path, share: str) -> None:
    done = run_cli(*words(options(tmp_path, footage)), "--share", share)
    assert done.returncode == 2
    assert "--share" in complaint(done.stderr)


def test_without_a_challenger_there_is_nothing_to_try(tmp_path: Path, footage: Path) -> None:
    made = options(tmp_path, footage)
    Registry(made.registry).reject()
    done = run_cli(*words(made))
    assert done.returncode == 1
    assert "has no challenger" in complaint(done.stderr)


@pytest.mark.parametrize("room", [0, 3000])
def test_on_a_full_disk_the_champion_stays_and_one_line_says_so(tmp_path: Path, footage: Path, room: int) -> None:
    """With a little room the result says ERROR, and the state grows until it does not fit."""
    made = options(tmp_path, footage, decide=True)

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    done = run_cli(*words(made), before=little_room)
    assert done.returncode == 1
    assert "cannot write" in complaint(done.stderr)
    assert places(made.registry) == (1, 2)
    assert not list(made.registry.parent.glob("**/*.tmp"))
    assert run_canary(made).status is Ending.PROMOTED, "with room again it goes on"


def test_a_state_that_cannot_be_written_is_found_out_before_the_work(tmp_path: Path, footage: Path) -> None:
    (tmp_path / "file").write_text("")
    made = options(tmp_path, footage, state=tmp_path / "file" / "state.json")
    begun = time.monotonic()
    with pytest.raises(SentinelError, match="cannot read canary state"):
        run_canary(made)
    assert time.monotonic() - begun < SOON
    assert [path.name for path in made.output.iterdir()] == [RESULT]


def test_a_block_is_as_long_as_the_frames_time_stamps_ask_for_whatever_the_header_says(tmp_path: Path) -> None:
    """Ten frames a second with a hole of ten minutes: by its mean rate a triplet would come every two seconds."""
    times = [0.1 * index for index in range(150)] + [600.0 + 0.1 * index for index in range(150)]
    assert canary._spacing(Clip(timed(tmp_path / "day.mov", times), "day.mov")) == pytest.approx(0.1, rel=0.01)
    (tmp_path / "broken.mp4").write_bytes(b"not a video")
    assert canary._spacing(Clip(tmp_path / "broken.mp4", "broken.mp4")) == 0.0
