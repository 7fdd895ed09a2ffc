"""What is read is held against its types, exactly as a JSON Schema library would hold it against what is published."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentinel_edge import gates
from sentinel_edge.errors import SentinelError
from sentinel_edge.storage.documents import DocumentError
from sentinel_edge.verdict.reading import read_verdict, verdict_of
from sentinel_edge.verdict.verdict import SCHEMA_PATH, Status, error_verdict
from tests.material import published_schema
from tests.material.documents import changed, places
from tests.material.verdicts import verdict_document

SCHEMA = json.loads(SCHEMA_PATH.read_text())
WHOLE = (Status.PASS, Status.FAIL, Status.ERROR)
ORACLE = jsonschema.Draft202012Validator(SCHEMA)
FRACTIONS = st.floats(-1, 2).filter(lambda number: not number.is_integer())
"""JSON Schema takes 1.0 for a whole number; nobody writes it, and it is not read."""
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 3), FRACTIONS, st.sampled_from(["", "PASS", "FAIL", "fog", "x"]),
    st.just([]), st.just({}), st.just([{}]), st.just(["fog"]),
)  # fmt: skip


def valid(document: object) -> bool:
    try:
        verdict_of(document, gates.numbers())
    except DocumentError:
        return False
    return True


@pytest.mark.parametrize("status", WHOLE)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_verdict_is_refused_just_when_the_library_refuses_it(status: Status, data: st.DataObject) -> None:
    document = verdict_document(status)
    place = data.draw(st.sampled_from(places(document)))
    damaged = changed(document, place, data.draw(st.sampled_from(["replace", "remove", "add"])), data.draw(VALUES))
    assert valid(damaged) == ORACLE.is_valid(damaged), (place, damaged)


@pytest.mark.parametrize("status", WHOLE)
def test_a_sound_verdict_is_read_back_as_it_was_written(status: Status, tmp_path: Path) -> None:
    document = verdict_document(status)
    assert ORACLE.is_valid(document)
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    assert json.loads(read_verdict(tmp_path / "verdict.json", gates.numbers()).to_json()) == document


@pytest.mark.parametrize("length", [0, 1, 40, 400])
def test_a_torn_verdict_is_no_verdict(length: int, tmp_path: Path) -> None:
    (tmp_path / "verdict.json").write_text(json.dumps(verdict_document(Status.PASS))[:length])
    with pytest.raises(SentinelError, match=r"is not JSON .*run the check again"):
        read_verdict(tmp_path / "verdict.json", gates.numbers())


def test_a_verdict_that_contradicts_its_gates_is_no_verdict(tmp_path: Path) -> None:
    document = verdict_document(Status.FAIL) | {"status": "PASS", "causes": []}
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    with pytest.raises(SentinelError, match="says PASS, its gates say embedding PASS, quality FAIL"):
        read_verdict(tmp_path / "verdict.json", gates.numbers())


@pytest.mark.parametrize(
    ("gate", "said"),
    [
        ({"status": "ERROR"}, "says PASS, its gates say embedding ERROR, quality PASS"),
        ({"score": 0.9}, r"says PASS of gate embedding with a score of 0\.9 and a threshold of 0\.3"),
    ],
)
def test_a_pass_that_its_gates_do_not_bear_out_is_no_verdict(gate: dict[str, Any], said: str, tmp_path: Path) -> None:
    document = verdict_document(Status.PASS)
    document["gates"]["embedding"] |= gate
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    with pytest.raises(SentinelError, match=said):
        read_verdict(tmp_path / "verdict.json", gates.numbers())


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "nothing judged": ({"frames": {"judged": 0}}, "has 0 frames judged of 150"),
    "more judged than there were": ({"frames": {"judged": 151}}, "has 151 frames judged of 150"),
    "unreadable": ({"frames": {"judged": 1, "unreadable": 149}}, "has 149 frames of 150 unreadable"),
    "few of many": ({"frames": {"sampled": 10**9}}, "has 150 frames judged of 1000000000"),
    "unlisted files": ({"frames": {"skipped": [{"name": "a", "reason": "b"}]}}, "has 1 files of 0"),
    "a threshold nothing passes": ({"threshold": 1.0, "gates": {"embedding": {"threshold": 1.0}}}, "threshold of 1"),
    "an alpha of nothing": ({"alpha": 0.0}, "alpha of 0"),
    "another score": ({"drift_score": 0.01}, "drift score of 0.01"),
    "another threshold": ({"threshold": 0.9}, "a threshold of 0.9, as none of its gates"),
    "no score": ({"gates": {"quality": {"score": None}}}, "has PASS of gate quality with a score of None"),
}


@pytest.mark.parametrize("kind", FORGED)
def test_what_no_check_could_have_found_is_no_verdict(kind: str, tmp_path: Path) -> None:
    changes, said = FORGED[kind]
    document = verdict_document(Status.PASS)
    _change(document, changes)
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    with pytest.raises(SentinelError, match=f"{re.escape(said)}.*, which no check writes; expected the verdict.json"):
        read_verdict(tmp_path / "verdict.json", gates.numbers())


def _change(document: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, change in changes.items():
        if isinstance(change, dict):
            _change(document[name], change)
        else:
            document[name] = change


@pytest.mark.parametrize(
    ("sampled", "stride", "judged", "unreadable"), [(150, 1, 113, 37), (4001, 3, 1334, 0), (8, 1, 8, 2), (1, 1, 1, 0)]
)
def test_what_a_check_just_lets_pass_is_a_verdict(
    sampled: int, stride: int, judged: int, unreadable: int, tmp_path: Path
) -> None:
    document = verdict_document(Status.PASS)
    document["frames"] |= {"sampled": sampled, "stride": stride, "judged": judged, "unreadable": unreadable}
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    assert read_verdict(tmp_path / "verdict.json", gates.numbers()).frames.judged == judged


def test_a_missing_verdict_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(SentinelError, match=r"cannot read the verdict .*verdict\.json: No such file"):
        read_verdict(tmp_path / "verdict.json", gates.numbers())


def test_an_error_verdict_is_readable(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(error_verdict("too few frames", "2026-01-01T00:00:00Z", baseline={"path": "b"},
                                                   model={"path": "m"}).to_json())  # fmt: skip
    assert read_verdict(tmp_path / "v.json", gates.numbers()).message == "too few frames"


def test_the_published_schema_is_what_the_types_say() -> None:
    """`make schema` writes it again."""
    assert SCHEMA_PATH.read_text() == published_schema.text()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
