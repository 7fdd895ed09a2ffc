"""The values of options, checked at the edge: inside, a threshold is a number and a path is a path.

An option that was not given is looked for in the environment: SENTINEL_ and its name in capitals.
"""

import math
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import MAX_EPISODES
from sentinel_edge.baseline.episodes import By, Rule
from sentinel_edge.causes import Cause
from sentinel_edge.cli.arguments import NO, YES
from sentinel_edge.errors import UsageError
from sentinel_edge.gates.protocol import MIN_EPISODES
from sentinel_edge.promotion.watched import Watched
from sentinel_edge.sabotage.corruptions import KINDS

Value = TypeVar("Value")


def given(name: str, value: str | None) -> str | None:
    """An option's value, or what the environment says for it; an empty variable says nothing."""
    if value is not None:
        return value
    return os.environ.get(variable(name)) or None


def variable(name: str) -> str:
    """The environment variable of an option."""
    return f"SENTINEL_{name.upper().replace('-', '_')}"


def path_option(name: str, value: str | None, default: Callable[[], Path] | None = None) -> Path:
    """A path, from the command line, the environment, or the default.

    Raises:
        UsageError: It is missing or empty.
    """
    text = given(name, value)
    if text is None and default is not None:
        return default()
    if text is None:
        raise UsageError(f"--{name} is missing: expected a path, as in --{name} PATH (or {variable(name)})")
    return named_path(name, text)


def named_path(name: str, text: str | None) -> Path:
    """A path that is given on the command line itself: what a check is set to write to is not for other commands."""
    if text is None:
        raise UsageError(f"--{name} is missing: expected a path, as in --{name} PATH")
    if not text.strip() or "\0" in text:
        raise UsageError(f"--{name} is {text!r}; expected a path")
    return Path(text)


def number_option(name: str, value: str | None, default: float, low: float, high: float) -> float:
    """A number strictly between two others.

    Raises:
        UsageError: It is not one; NaN is between no two numbers.
    """
    text = given(name, value)
    if text is None:
        return default
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not low < number < high:  # NaN is on neither side
        between = f"between {low:g} and {high:g}" if math.isfinite(high) else f"above {low:g}"
        raise UsageError(f"--{name} is {text!r}; expected a number {between}, both ends excluded")
    return number


def whole_option(name: str, value: str | None, default: int, low: int, high: int) -> int:
    """A whole number from `low` to `high`.

    Raises:
        UsageError: It is not one.
    """
    text = given(name, value)
    if text is None:
        return default
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(high))
    if not digits or not low <= int(text) <= high:
        raise UsageError(f"--{name} is {text!r}; expected a whole number from {low} to {high}")
    return int(text)


def flag_option(name: str, value: str | None) -> bool:
    """Whether a flag is set: yes or no.

    Raises:
        UsageError: It is neither.
    """
    text = given(name, value)
    if text not in (None, YES, NO):
        raise UsageError(f"--{name} is {text!r}; expected {YES} or {NO}, or --{name} alone for {YES}")
    return text == YES


def episode_option(text: str, least: int = MIN_EPISODES) -> Rule:
    """What an episode is: day, hour, file, or the number of episodes, at least so many.

    Raises:
        UsageError: It is none of them.
    """
    if text in (By.DAY, By.HOUR, By.FILE):
        return Rule(By(text))
    try:
        return Rule(By.COUNT, whole_option("episode", text, 0, least, MAX_EPISODES))
    except UsageError as error:
        raise UsageError(
            f"--episode is {text!r}; expected {By.DAY}, {By.HOUR}, {By.FILE}, or a whole number from {least} to "
            f"{MAX_EPISODES}"
        ) from error


def optional(name: str, value: str | None, parse: Callable[[str], Value]) -> Value | None:
    """The parsed value where one was given, else None."""
    text = given(name, value)
    return None if text is None else parse(text)


def kind_option(value: str | None) -> Cause:
    """A kind of failure the saboteur knows.

    Raises:
        UsageError: It is not one.
    """
    known = [str(kind) for kind in KINDS]
    if value not in known:
        raise UsageError(f"--kind is {value!r}; expected one of {', '.join(known)}")
    return Cause(value)


def gates_option(value: str | None) -> tuple[str, ...]:
    """The gates that decide: names with commas between, each once; all of them where none is given.

    Raises:
        UsageError: One is unknown.
    """
    text = given("gates", value)
    if text is None:
        return gates.names()
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= set(gates.names()):
        raise UsageError(f"--gates is {text!r}; expected {', '.join(gates.names())}, or several with commas between")
    return tuple(name for name in gates.names() if name in names)


def interpolator_option(value: str | None) -> Path | Watched:
    """The model whose performance is watched: a path, or one of the words of `Watched`; the champion by default.

    Raises:
        UsageError: It is empty.
    """
    text = given("interpolator", value)
    if text is None:
        return Watched.CHAMPION
    return Watched(text) if text in list(Watched) else named_path("interpolator", text)


def word_option(name: str, value: str | None, default: str, words: tuple[str, ...]) -> str:
    """One of a few words.

    Raises:
        UsageError: It is none of them.
    """
    text = given(name, value) or default
    if text not in words:
        raise UsageError(f"--{name} is {text!r}; expected {' or '.join(words)}")
    return text


def moment_option(name: str, text: str) -> datetime:
    """A moment, in UTC where it names no zone; a date alone counts to its end.

    Raises:
        UsageError: It is none.
    """
    try:
        if len(text) == len("2026-12-01"):
            moment = datetime.combine(date.fromisoformat(text) + timedelta(days=1), datetime.min.time())
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError) as error:
        expected = "a date or a time, as 2026-12-01 or 2026-12-01T06:00Z"
        raise UsageError(f"--{name} is {text!r}; expected {expected}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def acknowledged_option(value: str | None) -> dict[Cause, datetime]:
    """Causes that are known, each with the moment until which it is: `fog:2026-12-01,scene_change:2026-12-05`.

    Raises:
        UsageError: One is unknown, or has no moment.
    """
    found: dict[Cause, datetime] = {}
    for entry in (given("acknowledged", value) or "").split(","):
        if not entry.strip():
            continue
        kind, colon, until = entry.strip().partition(":")
        if kind not in list(Cause) or not colon:
            raise UsageError(
                f"--acknowledged has {entry.strip()!r}; expected CAUSE:DATE, as fog:2026-12-01, with commas between; "
                f"causes are {', '.join(Cause)}"
            )
        found[Cause(kind)] = moment_option("acknowledged", until)
    return found
