"""What a baseline is, told to a person and to a program."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sentinel_edge import assets
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.describe import MEASURE_IT, as_text, describe
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.footage.mask import Mask
from sentinel_edge.gates.protocol import Episodes
from sentinel_edge.gates.quality.normal import MAX_PIECES
from tests.command import assert_one_line, complaint, run_cli, strict_json
from tests.material.windows import embedding, quality, with_known


@pytest.fixture(scope="module")
def golden() -> Baseline:
    """The sample camera's baseline."""
    return load_baseline(assets.default_baseline())


def line(text: str, name: str) -> str:
    """The value on the line that begins with a name."""
    found = [row.strip()[len(name) :].strip() for row in text.splitlines() if row.strip().startswith(name)]
    assert len(found) == 1, (name, found)
    return found[0]


def with_outliers(baseline: Baseline, *positions: int) -> Baseline:
    """The same baseline where these episodes have no like among the others."""
    return with_known(baseline, quality=replace(quality(baseline), outliers=positions))


def facts_of(baseline: Baseline) -> dict[str, Any]:
    """What JSON would hold of it."""
    return describe(baseline).facts


def test_everything_the_baseline_holds_is_told(golden: Baseline) -> None:
    text = as_text(describe(golden))
    assert line(text, "source") == "campus-past.mp4"
    assert line(text, "made") == golden.created_at
    assert golden.model in line(text, "model")
    assert line(text, "mask") == "none, all of the picture is looked at"
    assert line(text, "windows") == "8 to 960 samples (of video 1.6 s to 3 min 12 s)"
    normal = embedding(golden).calibration.null_scores_at(20)
    assert line(text, "normal score") == f"{np.median(normal):.2f}, at most {normal.max():.2f} (above 0.30 is FAIL)"
    assert line(text, "campus-past.mp4 12/12").split() == ["20", "frames", "20", "samples"]
    assert all(row.isprintable() and row == row.rstrip() and len(row) <= 120 for row in text.splitlines())


def test_a_baseline_of_pictures_speaks_of_pictures(golden: Baseline) -> None:
    told = describe(replace(golden, pictures=True))
    assert line(as_text(told), "windows") == "8 to 960 pictures"
    assert line(as_text(told), "rate") == "pictures, each of which is a sample"
    assert (told.facts["shortest_window"], told.facts["shortest_window_s"]) == (8, None)


def test_an_episode_without_its_like_is_marked_and_a_weakness(golden: Baseline) -> None:
    text = as_text(describe(with_outliers(golden, 3)))
    assert next(row for row in text.splitlines() if row.endswith("like none of the others")).split()[1] == "4/12"
    assert "weaknesses\n  episode campus-past.mp4 4/12 looks like none of the others" in text
    assert "weaknesses\n  none found" in as_text(describe(with_outliers(golden)))


def test_tolerances_are_told_as_a_person_sees_them_and_at_the_typical_length(golden: Baseline) -> None:
    known, count = quality(golden), len(golden.episodes)
    tolerances = np.ones_like(known.tolerances)
    tolerances[known.level(2)] = 0.5
    wide = with_known(golden, quality=replace(known, tolerances=tolerances))
    told = facts_of(wide)
    assert known.piece_samples * 2 == golden.episodes.typical == told["typical_samples"]
    assert told["tolerances"]["brightness"] == 0.5
    assert told["tolerated"]["brightness"] == "-29 % to +41 %"
    assert told["tolerated"]["noise"] == "up to 1.4 times, or 1/1.4"
    assert told["tolerated"]["moved"] == "by up to 50.0 % of the picture"
    assert told["tolerated"]["what is seen"] == "a correlation of 0.50 or more"
    longer = replace(wide, episodes=Episodes(("long",) * count, (20,) * count, (20 * MAX_PIECES,) * count))
    assert facts_of(longer)["tolerated"]["brightness"] == "-50 % to +100 %"


def test_what_is_caught_is_told_in_physical_units_or_how_to_find_out(golden: Baseline) -> None:
    assert MEASURE_IT in as_text(describe(replace(golden, sensitivity={})))
    text = as_text(describe(replace(golden, sensitivity={"noise": 2, "blur": 1, "low_light": None})))
    assert "noise      from severity 2: 8 grey levels" in text
    assert "blur       from severity 1: sigma 0.8 pixels at 480 lines" in text
    assert "low_light  not caught at any severity" in text
    assert describe(replace(golden, sensitivity={"low_light": 1})).sensitivity["low_light"].means == (
        "from severity 1: 0.6 of the light"
    )
    assert MEASURE_IT not in text


def test_a_mask_is_told_by_the_share_looked_at(golden: Baseline) -> None:
    mask = Mask(np.array([[True, False, False, False]]))
    assert line(as_text(describe(replace(golden, mask=mask))), "mask") == "75% of the picture is looked at"


def test_names_that_a_terminal_would_obey_are_escaped(golden: Baseline) -> None:
    episodes = replace(golden.episodes, names=("\x1b[2J\n", *golden.episodes.names[1:]))
    text = as_text(describe(with_outliers(replace(golden, episodes=episodes, source="\x07"), 0)))
    assert all(row.isprintable() for row in text.splitlines())


def test_the_command_prints_one_line_of_json_of_the_packages_own_baseline_by_default(golden: Baseline) -> None:
    done = run_cli("describe")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    told = strict_json(done.stdout)
    assert told["sha256"] == golden.fingerprint
    assert [episode["name"] for episode in told["episodes"]] == list(golden.episodes.names)
    assert set(told["tolerances"]) >= {"brightness", "noise", "moved", "detail", "covered", "frozen"}
    assert told["mask"] is None


def test_the_command_tells_of_the_baseline_that_is_named_or_why_it_cannot(golden: Baseline, tmp_path: Path) -> None:
    save_baseline(replace(golden, sensitivity={"noise": 1}), tmp_path / "b.npz")
    told = strict_json(run_cli("describe", "--baseline", tmp_path / "b.npz").stdout)
    assert told["sensitivity"] == {"noise": {"severity": 1, "means": "from severity 1: 4 grey levels"}}
    (tmp_path / "b.npz").write_bytes(b"damaged")
    done = run_cli("describe", "--baseline", tmp_path / "b.npz")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_line(complaint(done.stderr))
