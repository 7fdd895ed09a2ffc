"""One option of a command: what the help says of it, how a text becomes its value, and where else the value comes from.

The text comes from the command line, else from the environment where the option says so (SENTINEL_ and its name in
capitals; an empty variable says nothing). It is checked here, at the edge: inside, a threshold is a number and a path
is a path. A check takes the option's name, the text, and its limits, and gives back the value or raises `UsageError`.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sentinel_edge.errors import UsageError

YES, NO = "yes", "no"
REQUIRED = object()


@dataclass(frozen=True, slots=True)
class Option:
    """All there is to say of an option; its name is that of the field it stands in.

    Attributes:
        check: Makes a value of a text, or refuses it.
        words: What it means. The help adds a default that is a number, a word or a path; another is put in words here.
        default: What it is where nothing is said, or a function that finds it.
        limits: What the check needs to know: the least and the most, say; or a function that finds that in the values
            of the other options.
        environment: Whether a variable speaks for it where nothing was typed.
        position: Whether its value may stand without its name.
        several: Whether it may be typed more than once: the texts count as one, with commas between.
        needed: What is expected where it is missing; a path if this says nothing.
    """

    check: Callable[..., Any]
    words: str
    default: Any = REQUIRED
    limits: tuple[Any, ...] | Callable[[Mapping[str, Any]], tuple[Any, ...]] = ()
    environment: bool = True
    position: bool = False
    several: bool = False
    needed: str = ""

    @property
    def is_flag(self) -> bool:
        """Whether it may stand alone, for yes."""
        return self.check is flag

    @property
    def help(self) -> str:
        """Its words, and what follows from the rest."""
        if self.is_flag:
            return f"{self.words} Needs no value; ={NO} takes it back."
        alone = " Its name may be left out." if self.position else ""
        shown = f"{self.default:g}" if isinstance(self.default, float) else self.default
        told = isinstance(shown, int | str | Path) and shown != ""
        return f"{self.words}{alone}{f' Default: {shown}.' if told else ''}"

    def read(self, name: str, text: str | None, others: Mapping[str, Any]) -> Any:
        """The value: of what was typed, of the environment, or the default.

        Raises:
            UsageError: It is missing, or none that is allowed.
        """
        variable = f"SENTINEL_{name.upper()}" if self.environment else ""
        if text is None and variable:
            text = os.environ.get(variable) or None
        if text is not None:
            return self.check(dashed(name), text, *(self.limits(others) if callable(self.limits) else self.limits))
        if self.default is REQUIRED:
            a_path = f"a path, as in --{dashed(name)} PATH" + (f" (or {variable})" if variable else "")
            raise UsageError(f"--{dashed(name)} is missing: expected {self.needed or a_path}")
        return self.default() if callable(self.default) else self.default


def option(check: Callable[..., Any], words: str, default: Any = REQUIRED, **more: Any) -> Any:
    """An `Option` where a command's field has its default."""
    return Option(check, words, default, **more)


def typed_option(check: Callable[..., Any], words: str, default: Any = REQUIRED, **more: Any) -> Any:
    """One that no variable speaks for: what a check is set to read and write is not for other commands."""
    return Option(check, words, default, environment=False, **more)


def dashed(name: str) -> str:
    """A name as it is typed: `exit_code` as `exit-code`."""
    return name.replace("_", "-")


def refused(name: str, text: str, expected: str) -> UsageError:
    """The error for a value that is none: what was found, and what was expected."""
    return UsageError(f"--{name} is {text!r}; expected {expected}")


def plain(_: str, text: str) -> str:
    """Any text, as it is."""
    return text


def path(name: str, text: str) -> Path:
    """A path, whatever is there."""
    if not text.strip() or "\0" in text:
        raise refused(name, text, "a path")
    return Path(text)


def path_or_word(name: str, text: str, words: type[StrEnum]) -> Path | StrEnum:
    """A path, or one of the words of an enum."""
    return words(text) if text in list(words) else path(name, text)


def word(name: str, text: str, *words: str) -> str:
    """One of a few words; an empty text is the first of them."""
    if text and text not in words:
        raise refused(name, text, " or ".join(words))
    return words[words.index(text)] if text else words[0]  # of an enum, its member


def number(name: str, text: str, low: float, high: float) -> float:
    """A number strictly between two others; NaN is between no two numbers."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low < value < high:  # NaN is on neither side
        between = f"between {low:g} and {high:g}" if math.isfinite(high) else f"above {low:g}"
        raise refused(name, text, f"a number {between}, both ends excluded")
    return value


def whole(name: str, text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    digits = text.isascii() and text.isdecimal() and len(text) <= len(str(high))
    if not digits or not low <= int(text) <= high:
        raise refused(name, text, f"a whole number from {low} to {high}")
    return int(text)


def flag(name: str, text: str) -> bool:
    """Whether a flag is set: yes or no."""
    if text not in (YES, NO):
        raise refused(name, text, f"{YES} or {NO}, or --{name} alone for {YES}")
    return text == YES
