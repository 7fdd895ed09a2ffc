"""JSON by type: what is read is what was declared, or one line says what was found and what was expected."""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, to_builtins

from sentinel_edge import assets
from sentinel_edge.decision.history import Entry, read_history, write_history
from sentinel_edge.networks.embedder_card import ModelCard
from sentinel_edge.networks.interpolator_card import InterpolatorCard
from sentinel_edge.promotion.canary_state import CanaryState, load_state, save_state
from sentinel_edge.promotion.pointers import Pointers
from sentinel_edge.storage.documents import (
    MAX_DEPTH,
    Amount,
    DocumentError,
    Moment,
    Number,
    Sha256,
    Text,
    fitting,
    read_document,
    typed,
    whole,
    written,
)
from tests.material.documents import changed, places

AFTER = datetime(9000, 1, 1, tzinfo=UTC)
"""Later than any entry."""

CARDS = sorted(assets.default_registry().glob("versions/*/card.json"))


class Colour(StrEnum):
    """One of two."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Wheel:
    """Part of a car."""

    size: Annotated[int, whole(1, 9)]
    made: Moment = "2026-01-31T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Car:
    """One of everything a document may hold."""

    format: Literal["car"] = field(default="car", kw_only=True)
    name: Annotated[str, fitting("[a-z]+", "a name")]
    colour: Colour
    doors: Literal[3, 5]
    sold: bool
    wheels: Annotated[tuple[Wheel, ...], Meta(max_length=4, description="a list of at most 4 wheels")]
    prices: Mapping[str, Amount]
    weight: Number
    seats: int | str
    spare: Wheel | None = None
    sum: Sha256 | None = None
    note: Text | None = None
    more: Any = None

    def __post_init__(self) -> None:
        if self.colour is Colour.RED and self.sold:
            raise DocumentError("has colour red but was sold; expected one of both")


CAR: dict[str, Any] = {
    "format": "car", "name": "beetle", "colour": "blue", "doors": 3, "sold": True,
    "wheels": [{"size": 3, "made": "2026-01-31T12:00:00+00:00"}], "prices": {"new": 1, "old": 0.5}, "weight": 800,
    "seats": "four", "spare": None, "sum": "0" * 64, "note": "wide", "more": [{"any": [None]}],
}  # fmt: skip
POINTERS: dict[str, Any] = {
    "format": "sentinel-edge registry", "format_version": 1,
    "champion": {"version": 2, "since": "2026-01-31T12:00:00Z"}, "challenger": None,
    "earlier": [{"version": 1, "since": "2026-01-30T12:00:00Z"}],
}  # fmt: skip
ENTRY: dict[str, Any] = {
    "check": "d" * 64, "at": "2026-11-24T04:23:00+00:00", "status": "FAIL", "action": "repair",
    "scores": {"embedding": 0.4, "quality": 4.5}, "causes": ["fog"], "baseline": "ab", "drift_score": 0.12,
    "threshold": 0.3, "camera": "", "silent": [],
}  # fmt: skip
STATE: dict[str, Any] = {
    "pair": {"champion": "a" * 64, "challenger": "b" * 64},
    "settings": {
        "share": "0.2", "block_s": 2.0, "plan": {"alpha": 0.05, "clip_db": 0.7, "worthwhile_db": 0.2, "maximum": 60},
    },
    "clips": [{"name": "\u00e9\udcff.mp4", "sha256": "c" * 64, "next_block": 3, "finished": True}],
    "blocks": [
        {
            "clip": "a.mp4", "number": 0, "triplets": 10,
            "champion_db": 31.25, "challenger_db": 32.0, "served_db": 31.5, "difference_db": 0.75,
            "served_by_challenger": [1.5], "latency_ratio": 1.1, "slower": 1,
        }
    ],
    "silent": {"cut": 1}, "decision": "promote", "reason": "the gain is proven",
}  # fmt: skip
STATE_SHA256 = "fcdedb03ecb26a7b6b36f67a46b338c002a47a575d94262e2def1d4eacdf602e"
KNOWN: dict[str, tuple[Any, Any, bool]] = {
    "car": (CAR, Car, True),
    "card": (json.loads(CARDS[0].read_bytes()), InterpolatorCard, True),
    "embedder": (json.loads(assets.default_model().with_suffix(".json").read_bytes()), ModelCard, False),
    "pointers": (POINTERS, Pointers, True),
    "entries": ([ENTRY], tuple[Entry, ...], True),
    "state": (STATE, CanaryState, True),
}
"""Documents as they are written, their types, and whether they must be exact."""

TEXTS = st.text(st.characters(exclude_categories=()), max_size=5)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-2, 3), st.floats(), TEXTS,
    st.sampled_from(["", "red", "fog", "x" * 10_001, "2026-02-30T00:00:00Z", 10**400, -(10**400), 2**63, 2**64, 1.0]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3), max_leaves=6
)


def said_of(work: Callable[[], object]) -> str:
    """The one printable line with which a document is refused; empty where it is not."""
    try:
        work()
    except DocumentError as problem:
        line = str(problem)
    else:
        return ""
    assert line.isprintable()
    assert 0 < len(line) < 1000
    return line


def complaint(document: Any, kind: Any, **how: Any) -> str:
    """What is said of a document that is not of a type; one that is can be taken apart and read again."""
    line = said_of(lambda: typed(document, kind, **how))
    if not line:
        found = typed(document, kind, **how)
        assert typed(to_builtins(found), kind, **how) == found
    return line


@settings(max_examples=400, deadline=None)
@given(known=st.sampled_from(sorted(KNOWN)), value=VALUES)
def test_whatever_json_holds_it_is_the_type_or_one_printable_line(known: str, value: Any) -> None:
    _, kind, exact = KNOWN[known]
    assert complaint(value, kind, exact=exact) or value == []


@settings(max_examples=400, deadline=None)
@given(known=st.sampled_from(sorted(KNOWN)), data=st.data())
def test_a_document_changed_anywhere_is_the_type_or_one_printable_line(known: str, data: st.DataObject) -> None:
    document, kind, exact = KNOWN[known]
    assert complaint(document, kind, exact=exact) == ""
    place = data.draw(st.sampled_from(places(document)))
    how = data.draw(st.sampled_from(["replace", "remove", "add"]))
    complaint(changed(document, place, how, data.draw(VALUES)), kind, exact=exact)


FILES = st.binary(max_size=40) | st.text(max_size=40).map(str.encode) | VALUES.map(lambda one: json.dumps(one).encode())


@settings(max_examples=200, deadline=None)
@given(content=FILES)
def test_whatever_a_file_holds_it_is_json_or_one_printable_line(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        if not said_of(lambda: read_document(Path(file.name))):
            assert repr(read_document(Path(file.name))) == repr(json.loads(content)), "repr tells 1 from 1.0 and true"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not JSON"),
        ("{} {}", "is not JSON"),
        ("\xff", "is not JSON"),
        ('{"a": NaN}', "holds NaN, which is not JSON"),
        ("[-Infinity]", "holds -Infinity, which is not JSON"),
        ('[{"a": 1, "a": 1}]', "has the same name twice in one object"),
        ("9" * 5000, "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "is nested more than 100 deep"),
    ],
)
def test_what_is_json_only_almost_is_refused_before_it_is_looked_at(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_bytes(content.encode("latin-1"))
    assert said_of(lambda: read_document(path)).startswith(said)
    path.write_text("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert read_document(path)


def test_a_file_larger_than_its_limit_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text(f"[{' ' * 2**20}]")
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_document(tmp_path / "large.json")
    assert read_document(tmp_path / "large.json", tuple[int, ...], limit=2**21) == ()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": "cart"}, "has format \"cart\"; expected 'car'"),
        ({"name": "Beetle\n"}, 'has name "Beetle\\n"; expected a name'),
        ({"name": "x" * 70}, ""),
        ({"name": "X" * 70}, f'has name "{"X" * 59}…; expected a name'),
        ({"colour": "green"}, "has colour \"green\"; expected 'red' or 'blue'"),
        ({"colour": "red"}, "has colour red but was sold; expected one of both"),
        ({"doors": 3.0}, "has doors 3.0; expected 3 or 5"),
        ({"doors": True}, "has doors true; expected 3 or 5"),
        ({"sold": 1}, "has sold 1; expected true or false"),
        ({"wheels": {}}, "has wheels {}; expected a list of at most 4 wheels"),
        ({"wheels": [{"size": 3, "made": "2026-01-31T12:00:00Z"}] * 5}, "expected a list of at most 4 wheels"),
        ({"wheels": [3]}, "has 3 for wheels[0]; expected an object"),
        ({"wheels": [{"size": 3}]}, "has no wheels[0].made"),
        ({"wheels": [{"size": 10}]}, "has wheels[0].size 10; expected a whole number from 1 to 9"),
        ({"wheels": [{"size": True}]}, "has wheels[0].size true; expected a whole number from 1 to 9"),
        (
            {"spare": {"size": 1, "made": "2026-02-30T00:00:00Z"}},
            'has spare.made "2026-02-30T00:00:00Z"; expected a time',
        ),
        ({"spare": {"size": 1, "made": "2026-02-03T00:00:00+01:00"}}, "expected a time as 2026-01-31T12:00:00Z"),
        ({"spare": {"size": 1, "made": "2026-02-03", "a\nb": 1}}, 'has spare.made "2026-02-03"; expected a time'),
        ({"prices": {"new": -0.1}}, "has prices.new -0.1; expected a number from 0"),
        ({"prices": {"\x1b": None}}, "has prices.\\x1b null; expected a number from 0"),
        ({"prices": []}, "has [] for prices; expected an object"),
        ({"weight": 10**400}, f"has weight 1{'0' * 59}…; expected a number that is finite"),
        ({"weight": float("inf")}, "has weight Infinity; expected a number that is finite"),
        ({"seats": 2.5}, "has seats 2.5; expected a whole number or text"),
        ({"sum": "A" * 64}, "expected a SHA-256, 64 lower-case hexadecimal digits"),
        ({"note": ""}, 'has note ""; expected text'),
        ({"note": None, "sum": None}, ""),
        ({"key\n": 1}, 'has "key\\n", which is no known field'),
    ],
)
def test_a_complaint_says_what_was_found_where_and_what_was_expected(changes: dict[str, Any], said: str) -> None:
    found = complaint(CAR | changes, Car)
    assert said in found
    assert bool(found) == bool(said)


def test_a_document_has_every_field_unless_it_need_not_be_exact() -> None:
    for name in CAR:
        assert complaint({key: CAR[key] for key in CAR if key != name}, Car) == f"has no {name}"
    loose = {key: CAR[key] for key in CAR if key not in {"format", "spare", "note"}} | {"owner": "me"}
    assert typed(loose, Car, exact=False) == typed(CAR | {"note": None}, Car)
    assert complaint(loose | {"format": "cart"}, Car, exact=False).startswith('has format "cart"')
    assert complaint({}, Car, exact=False) == "has no name"


# What was written yesterday is read, and written again byte for byte.


@pytest.mark.parametrize(
    ("path", "kind"),
    [*((path, InterpolatorCard) for path in CARDS), (assets.default_registry() / "registry.json", Pointers)],
)
def test_what_is_committed_is_written_again_byte_for_byte(path: Path, kind: type) -> None:
    assert written(read_document(path, kind)) == path.read_bytes()


def test_pointers_are_written_again_byte_for_byte() -> None:
    content = f"{json.dumps(POINTERS, indent=2, sort_keys=True)}\n".encode()
    assert written(typed(POINTERS, Pointers)) == content


def test_a_history_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    second = ENTRY | {"check": "e" * 64, "at": "2026-11-25T04:23:00Z", "status": "ERROR", "action": "error",
                      "scores": {}, "causes": [], "drift_score": None, "threshold": None}  # fmt: skip
    content = f'{{"format": 1, "entries": [\n{json.dumps(ENTRY)},\n{json.dumps(second)}\n]}}\n'
    (tmp_path / "history.json").write_text(content)
    write_history(tmp_path / "history.json", read_history(tmp_path / "history.json", AFTER).entries)
    assert (tmp_path / "history.json").read_text() == content


def test_a_canarys_state_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    """The checksum is one that an earlier version gave."""
    document = {"schema_version": 1, "kind": "sentinel-edge canary", "content": STATE, "sha256": STATE_SHA256}
    content = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False).encode(errors="backslashreplace")
    (tmp_path / "state.json").write_bytes(content + b"\n")
    state = load_state(tmp_path / "state.json")
    assert state is not None
    assert state.clips[0].name == "\u00e9\udcff.mp4"
    save_state(state, tmp_path / "state.json")
    assert (tmp_path / "state.json").read_bytes() == content + b"\n"
