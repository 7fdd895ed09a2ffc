"""The offline gate on real footage, with interpolators so small that it is known which is better.

Averaging is far better than repeating either neighbour (2.5 dB and more on the sample), and the two repeats are alike.
"""

import json
import resource
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import find_clips
from sentinel_edge.footage.triplets import read_triplets
from sentinel_edge.promotion.side_by_side import SideBySide
from sentinel_edge.promotion.trial import RESULT, EvaluateOptions, Evaluation, Ruling, evaluate
from tests.command import assert_one_line, complaint, run_cli, strict_json
from tests.conftest import INCOMING, PAST
from tests.material.clips import stretch, write_clip
from tests.material.interpolators import KINDS, slow_graph, tiny_graph, write_tiny

pytestmark = pytest.mark.slow

NEW_S, HELD_OUT = 30, 0.4


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny interpolators by what they answer."""
    folder = tmp_path_factory.mktemp("models")
    return {kind: write_tiny(folder / kind, tiny_graph(kind)) for kind in KINDS}


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    models: Mapping[str, Path]
    new: Path
    golden: Path

    def options(self, champion: str, challenger: str, output: Path, **changes: Any) -> EvaluateOptions:
        """What to compare, by what the models answer."""
        made = EvaluateOptions(self.models[champion], self.models[challenger], self.new, self.golden, output)
        return replace(made, holdout=HELD_OUT, **changes)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, models: dict[str, Path]) -> Place:
    """The sample footage, small: half a minute that is new, ten seconds that are golden."""
    folder = tmp_path_factory.mktemp("footage")
    new = stretch(folder / "new.avi", INCOMING, 0, 10 * NEW_S)
    return Place(models, new, stretch(folder / "golden.avi", PAST, 0, 100))


def rulings(found: Evaluation) -> dict[str, Ruling]:
    return {rule.name: rule.ruling for rule in found.rules}


def test_a_challenger_that_is_better_everywhere_is_accepted_and_the_file_says_so(tmp_path: Path, place: Place) -> None:
    found = evaluate(place.options("first", "mean", tmp_path))
    assert (found.status, found.exit_code) == (Ruling.ACCEPTED, 0)
    assert set(rulings(found)) == {"graph", "new", "golden", "latency"}
    assert set(rulings(found).values()) == {Ruling.ACCEPTED}
    assert found.new is not None
    assert found.new.difference is not None
    assert 2.0 < found.new.difference.low < found.new.difference.mean < 3.5
    assert found.new.gains_db["champion"] == pytest.approx(-found.new.difference.mean, abs=0.3), (
        "averaging gains nothing"
    )
    assert found.new.wins > 0.9
    document = strict_json((tmp_path / RESULT).read_bytes())
    assert document == json.loads(json.dumps(found.facts))
    assert [model["bytes"] for model in document["models"]] == [
        place.models[kind].stat().st_size for kind in ("first", "mean")
    ]
    for rule in found.rules:
        assert_one_line(rule.reason)
    assert found.table.startswith("ACCEPTED  ")


def test_one_that_is_worse_is_refused_on_new_and_on_golden_footage(tmp_path: Path, place: Place) -> None:
    found = evaluate(place.options("mean", "last", tmp_path))
    assert (found.status, found.exit_code) == (Ruling.REFUSED, 3)
    assert rulings(found)["new"] is rulings(found)["golden"] is Ruling.REFUSED
    assert rulings(found)["graph"] is Ruling.ACCEPTED


def test_the_champion_itself_is_no_better_but_no_worse_and_no_slower(tmp_path: Path, place: Place) -> None:
    found = evaluate(place.options("mean", "mean", tmp_path))
    assert rulings(found) == {
        "graph": Ruling.ACCEPTED,
        "new": Ruling.REFUSED,
        "golden": Ruling.ACCEPTED,
        "latency": Ruling.ACCEPTED,
    }


def test_not_worse_must_be_proven_and_not_only_not_be_seen(tmp_path: Path, place: Place) -> None:
    """One neighbour repeated is as good as the other on average, but ten seconds are too few to know it."""
    found = evaluate(place.options("first", "last", tmp_path))
    assert found.golden is not None
    assert found.golden.difference is not None
    assert found.golden.difference.low < -0.2 < found.golden.difference.mean
    assert rulings(found)["golden"] is Ruling.REFUSED


def test_a_control_that_gains_as_much_leaves_nothing_to_the_new_footage(tmp_path: Path, place: Place) -> None:
    found = evaluate(place.options("first", "mean", tmp_path, control=place.models["mean"]))
    assert found.status is Ruling.REFUSED
    assert [name for name, ruling in rulings(found).items() if ruling is not Ruling.ACCEPTED] == ["control"]
    assert found.control_share == pytest.approx(1.0)
    beaten = evaluate(place.options("first", "mean", tmp_path, control=place.models["last"]))
    assert rulings(beaten)["control"] is Ruling.ACCEPTED
    assert beaten.control_share is not None
    assert abs(beaten.control_share) < 0.5


@pytest.mark.parametrize("kind", ["not a number", "infinite", "one above the other", "fails as it runs"])
def test_a_challenger_that_gives_no_picture_is_refused_whatever_else(tmp_path: Path, place: Place, kind: str) -> None:
    found = evaluate(place.options("mean", kind, tmp_path))
    assert (found.status, rulings(found)["graph"]) == (Ruling.REFUSED, Ruling.REFUSED)
    assert rulings(found)["golden"] is Ruling.ERROR, "it was never asked"
    assert "the challenger cannot be used" in found.message
    assert_one_line(found.message)


def test_a_champion_that_fails_is_nobodys_victory(tmp_path: Path, place: Place) -> None:
    with pytest.raises(SentinelError, match="the champion failed"):
        evaluate(place.options("not a number", "mean", tmp_path))
    assert strict_json((tmp_path / RESULT).read_bytes())["status"] == "ERROR"


def test_a_slower_challenger_is_refused_for_that_alone(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "slow", slow_graph(200))
    slow = write_tiny(tmp_path / "slow", tiny_graph("slow"))
    found = evaluate(replace(place.options("first", "mean", tmp_path), challenger=slow))
    assert [name for name, ruling in rulings(found).items() if ruling is not Ruling.ACCEPTED] == ["latency"]
    assert found.latency is not None
    assert found.latency.ratio > 2


def test_each_model_goes_first_in_turn_so_that_a_busy_machine_is_busy_for_all(place: Place) -> None:
    asked: list[str] = []

    class Noted:
        def __init__(self, name: str) -> None:
            self.name = name

        def interpolate(self, first: NDArray[np.uint8], last: NDArray[np.uint8]) -> NDArray[np.float32]:
            asked.append(self.name)
            return np.asarray((first.astype(np.float32) + last) / 2, np.float32)

    together = SideBySide([Noted("a"), Noted("b"), Noted("c")])
    for triplets in (4, 2):  # also from one call to the next
        scored = [one for one in together.compare(islice(read_triplets(find_clips(place.new)), triplets)) if one.scores]
        assert len(scored) == triplets
    warm_up, timed = "".join(asked[:3]), "".join(asked[3:])
    assert warm_up == "abc"
    assert timed == "abc" + "bca" + "cab" + "abc" + "bca" + "cab"


# What cannot be judged.


def test_too_little_new_footage_proves_nothing_however_good_it_looks(tmp_path: Path, place: Place) -> None:
    found = evaluate(replace(place.options("first", "mean", tmp_path), holdout=0.2))
    assert (found.status, found.exit_code) == (Ruling.ERROR, 1)
    assert rulings(found)["new"] is Ruling.ERROR
    assert "too few blocks" in found.message
    assert "give more footage" in found.message


def test_footage_in_which_nothing_moves_is_not_judged_and_the_reason_is_counted(tmp_path: Path, place: Place) -> None:
    still = write_clip(tmp_path / "still.avi", [np.full((64, 96, 3), 90, np.uint8)] * 60)
    found = evaluate(replace(place.options("first", "mean", tmp_path / "out"), new=still))
    assert found.exit_code == 1
    assert found.new is not None
    assert (found.new.scored, found.new.difference) == (0, None)
    assert "nothing moves" in found.message


def test_only_the_last_part_of_new_footage_is_looked_at_and_a_gap_is_left(
    tmp_path: Path, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, float]] = []
    compare = SideBySide.compare

    def noted(self: SideBySide, triplets: Any) -> Any:
        for one in compare(self, triplets):
            seen.append((one.clip, one.seconds))
            yield one

    monkeypatch.setattr(SideBySide, "compare", noted)
    evaluate(place.options("first", "mean", tmp_path))
    new = [seconds for clip, seconds in seen if clip == place.new.name]
    old = [seconds for clip, seconds in seen if clip == place.golden.name]
    length, gap = NEW_S - 0.1, 0.5
    assert (1 - HELD_OUT) * length + gap < min(new) < (1 - HELD_OUT) * length + gap + 0.3
    assert max(new) > length - 0.4
    assert min(old) < 1.0, "golden footage is looked at whole"


# The command.


def test_the_command_prints_what_it_writes_and_leaves_its_exit_code(tmp_path: Path, place: Place) -> None:
    done = run_cli(
        *("evaluate", "--champion", place.models["mean"], "--challenger", place.models["not a number"]),
        *("--new", place.new, "--golden", place.golden, "--output", tmp_path),
    )
    assert done.returncode == 3, done.stderr
    assert strict_json(done.stdout) == strict_json((tmp_path / RESULT).read_bytes())


@pytest.mark.parametrize(
    ("missing", "found"),
    [("champion", "cannot read model"), ("challenger", "cannot read model"), ("new", "no such"), ("golden", "no such")],
)
def test_what_is_not_there_is_one_line_and_yesterdays_result_does_not_stand(
    tmp_path: Path, place: Place, missing: str, found: str
) -> None:
    (tmp_path / RESULT).write_text('{"status": "ACCEPTED"}')
    given = {"champion": place.models["mean"], "challenger": place.models["first"]}
    given |= {"new": place.new, "golden": place.golden}
    given[missing] = tmp_path / "nothing.onnx"
    words = [word for name, path in given.items() for word in (f"--{name}", str(path))]
    done = run_cli("evaluate", *words, "--output", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert found in complaint(done.stderr)
    assert strict_json((tmp_path / RESULT).read_bytes())["status"] == "ERROR"


@pytest.mark.parametrize(
    ("extra", "found"),
    [(["--holdout", "1.5"], "--holdout"), (["--block", "0"], "--block"), ([], "--output is missing")],
)
def test_a_request_that_is_wrong_exits_2(tmp_path: Path, extra: list[str], found: str) -> None:
    output = ["--output", str(tmp_path)] if extra else []
    done = run_cli("evaluate", "--champion", "a", "--challenger", "b", "--new", "c", "--golden", "d", *output, *extra)
    assert done.returncode == 2
    assert found in complaint(done.stderr)


def test_a_full_disk_leaves_no_result_and_one_line(tmp_path: Path, place: Place) -> None:
    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    (tmp_path / RESULT).write_text('{"status": "ACCEPTED"}')
    done = run_cli(
        *("evaluate", "--champion", place.models["mean"], "--challenger", place.models["first"]),
        *("--new", place.new, "--golden", place.golden, "--output", tmp_path),
        before=no_room,
    )
    assert done.returncode == 1
    assert "cannot write the result" in complaint(done.stderr)
    assert list(tmp_path.iterdir()) == []
