"""A command is a frozen dataclass: its docstring is the help, its fields are the options, its `work` does the work.

From that one place is made what Fire sees (a function of that signature and docstring), the help, and what an argument
is held against. Fire runs a command first and complains of what is left over afterwards, takes values apart that look
like Python, and says in many lines what fits in one. So what was typed is checked here before, and reaches Fire as
`--option=value`; Fire finds the command and collects the values, and the work starts when all of them are understood.
"""

import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, dataclass_transform

from fire.decorators import SetParseFn

from sentinel_edge.cli.option import NO, YES, Option, dashed, option, typed_option
from sentinel_edge.errors import UsageError

WIDTH = 100
HELP = ("--help", "-h")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(option, typed_option))
class Command:
    """What every command is: each subclass is made a dataclass, whose fields each have an `option`."""

    def __init_subclass__(cls) -> None:
        """Make it one."""
        dataclass(frozen=True, kw_only=True)(cls)

    def work(self) -> int:
        """Do what was asked for, print what is to be said, and give back the exit code."""
        raise NotImplementedError


class Group(Mapping[str, "type[Command] | Group"]):
    """Commands by name; one is loaded only when it is asked for, and with it what it works with."""

    def __init__(self, about: str, places: Mapping[str, str]) -> None:
        """Say what they are for, and where each is: `module:name`."""
        self.__doc__ = about
        self._places = places

    def __getitem__(self, name: str) -> "type[Command] | Group":
        module, _, found = self._places[name].partition(":")
        entry: type[Command] | Group = getattr(import_module(module), found)
        return entry

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def options(command: type[Command]) -> dict[str, Option]:
    """The options of a command by name."""
    return {field.name: getattr(command, field.name) for field in fields(command)}  # type: ignore[arg-type]


def filled(command: type[Command], typed: Mapping[str, str]) -> Command:
    """A command with all its values: what was typed, else what the environment says, else the default.

    Raises:
        UsageError: One is missing, or none that is allowed.
    """
    values: dict[str, Any] = {}
    for name, known in sorted(options(command).items(), key=lambda item: callable(item[1].limits)):
        values[name] = known.read(name, typed.get(name), values)
    return command(**values)


def for_fire(words: Sequence[str], commands: Group, take: Callable[[Command], None]) -> dict[str, Any]:
    """What Fire walks through to the command that the words ask for; `take` is called with it. No other is loaded."""
    entry = commands[words[0]]
    return {words[0]: for_fire(words[1:], entry, take) if isinstance(entry, Group) else function(entry, take)}


def function(command: type[Command], take: Callable[[Command], None]) -> Callable[..., None]:
    """A command as Fire takes it: a function whose keyword-only parameters are the options."""

    def collect(**typed: str) -> None:
        take(filled(command, typed))

    known = options(command)
    parameters = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in known]
    collect.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    collect.__doc__ = "\n    ".join([f"{_doc(command)}\n\nArgs:", *(f"{name}: {known[name].help}" for name in known)])
    taken_as_text: Callable[..., None] = SetParseFn(str)(collect)
    return taken_as_text


def canonical(arguments: Sequence[str], commands: Group, group: str = "") -> list[str]:
    """The command and its options as `--option=value`, each known, each with a value; a flag without one means yes.

    Raises:
        UsageError: What is not understood, what was expected, and what was probably meant.
    """
    name, *rest = arguments
    if name not in commands:
        raise UsageError(
            f"unknown command {group + name!r}; expected one of {', '.join(commands)}{_meant(name, commands)}"
        )
    entry = commands[name]
    if isinstance(entry, Group):
        return [name, *canonical(rest, entry, f"{group}{name} ")]
    return [name, *(f"--{option}={value}" for option, value in _paired(rest, options(entry), group + name))]


def _paired(rest: list[str], known: Mapping[str, Option], command: str) -> list[tuple[str, str]]:
    """Each option that was typed with its value, which followed it, or stood alone where one may."""
    typed = {f"--{dashed(name)}": name for name in known}
    place = _place(known)
    alone: str | None = None
    pairs: list[tuple[str, str]] = []
    while rest:
        word = rest.pop(0)
        shown, equals, value = word.partition("=")
        if not word.startswith("-") and place and alone is None:
            alone = word
            pairs.append((place, word))
        elif not word.startswith("-") or word in ("-", "--"):
            expected = f"one {place.upper()} and options" if place else "options only"
            raise UsageError(f"unexpected {word!r} for {command}; expected {expected}, as in --option VALUE")
        elif shown not in typed:
            expected = f"one of {', '.join(typed)}{_meant(shown, typed)}"
            raise UsageError(f"unknown option {shown} for {command}; expected {expected}")
        else:
            pairs.append((typed[shown], value if equals else _following(shown, known[typed[shown]], rest)))
    for name in {name for name, one in known.items() if one.several}.intersection(dict(pairs)):
        texts = ",".join(value for other, value in pairs if other == name)
        pairs = [*(pair for pair in pairs if pair[0] != name), (name, texts)]
    for name, value in pairs:
        if name == place and alone not in (None, value):
            raise UsageError(f"{alone!r} stands alone and --{dashed(name)} is {value!r}; expected one of them")
    return pairs


def _following(shown: str, option: Option, rest: list[str]) -> str:
    """The value after an option's name."""
    if option.is_flag:
        return rest.pop(0) if rest and rest[0] in (YES, NO) else YES
    if not rest or rest[0].startswith("--"):
        raise UsageError(f"{shown} has no value; expected {shown} VALUE, or {shown}=VALUE")
    return rest.pop(0)


def _place(known: Mapping[str, Option]) -> str | None:
    """The option whose name may be left out."""
    return next((name for name, option in known.items() if option.position), None)


def _meant(word: str, known: Iterable[str]) -> str:
    found = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def wanted_help(arguments: Sequence[str], commands: Group, called: str) -> str | None:
    """The help that was asked for, or None."""
    if not arguments or arguments[0] in HELP:
        rows = {name: _doc(entry).split("\n")[0] for name, entry in commands.items()}
        page = _page(f"{called} COMMAND", _doc(commands), "commands", rows)
        return f"{page}\n\n{called} COMMAND --help explains the options of a command."
    entry = commands.get(arguments[0])
    called += f" {arguments[0]}"
    if isinstance(entry, Group):
        return wanted_help(arguments[1:], entry, called)
    if entry is None or not any(word in HELP for word in arguments[1:]):
        return None
    known = options(entry)
    place = _place(known)
    rows = {f"--{dashed(name)}": option.help for name, option in known.items()}
    return _page(f"{called} [{place.upper()}]" if place else called, _doc(entry), "options", rows)


def _page(called: str, about: str, heading: str, rows: Mapping[str, str]) -> str:
    lines = [f"usage: {called} --option VALUE ...", ""]
    for paragraph in about.split("\n\n"):
        lines += [*_wrapped(paragraph, ""), ""]
    width = max(map(len, rows))
    return "\n".join(
        [*lines, f"{heading}:", *(line for name in rows for line in _wrapped(rows[name], f"  {name:<{width}}  "))]
    )


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )


def _doc(entry: "type[Command] | Group") -> str:
    return inspect.getdoc(entry) or ""
