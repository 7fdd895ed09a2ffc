"""What was typed, held against the commands before Fire sees it, and the help that explains them.

Fire runs a command first and complains of what is left over afterwards, takes values apart that look like Python, and
says in many lines what fits in one. So every argument is checked here, and reaches Fire as `--option=value`.
"""

import difflib
import inspect
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import NewType, get_args

from sentinel_edge.errors import UsageError

WIDTH = 100
HELP = ("--help", "-h")
Command = Callable[..., object]


class Group:
    """Commands under one name, as in `model list`: its methods, explained by its docstring."""


Flag = NewType("Flag", str)
"""An option that may stand alone, for yes: a command says so by annotating it `Flag | None`."""
YES, NO = "yes", "no"


def methods(commands: object) -> dict[str, Command | Group]:
    """The public methods of an object, which are commands, and the groups among its attributes, in their order."""
    groups = {name: value for name, value in vars(commands).items() if isinstance(value, Group)}
    return {name: getattr(commands, name) for name in (*vars(type(commands)), *groups) if not name.startswith("_")}


def canonical(arguments: Sequence[str], commands: Mapping[str, Command | Group], group: str = "") -> list[str]:
    """The command and its options as `--option=value`, each known, each with a value; a flag without one means yes.

    Raises:
        UsageError: What is not understood, what was expected, and what was probably meant.
    """
    name, *rest = arguments
    if name not in commands:
        raise UsageError(
            f"unknown command {group + name!r}; expected one of {', '.join(commands)}{_meant(name, commands)}"
        )
    command = commands[name]
    if isinstance(command, Group):
        return [name, *canonical(rest, methods(command), f"{group}{name} ")]
    known = {_shown(option): option for option in _options(command)}
    flags = _flags(command)
    understood = [name]
    while rest:
        word = rest.pop(0)
        option, given, value = word.partition("=")
        if not word.startswith("-") or word in ("-", "--"):
            raise UsageError(f"unexpected {word!r} for {group}{name}; expected options only, as in --option VALUE")
        if option not in known:
            raise UsageError(
                f"unknown option {option} for {group}{name}; expected one of {', '.join(known)}{_meant(option, known)}"
            )
        if not given and known[option] in flags:
            value = rest.pop(0) if rest and rest[0] in (YES, NO) else YES
        elif not given:
            if not rest or rest[0].startswith("--"):
                raise UsageError(f"{option} has no value; expected {option} VALUE, or {option}=VALUE")
            value = rest.pop(0)
        understood.append(f"--{known[option]}={value}")
    return understood


def wanted_help(
    arguments: Sequence[str], commands: Mapping[str, Command | Group], program: str, about: str
) -> str | None:
    """The help that was asked for, or None."""
    if not arguments or arguments[0] in HELP:
        return _overview(commands, program, about)
    command = commands.get(arguments[0])
    if isinstance(command, Group):
        return wanted_help(arguments[1:], methods(command), f"{program} {arguments[0]}", inspect.getdoc(command) or "")
    if command is not None and any(word in HELP for word in arguments[1:]):
        return _explain(arguments[0], command, program)
    return None


def _options(command: Command) -> list[str]:
    return [name for name in inspect.signature(command).parameters if name != "self"]


def _shown(option: str) -> str:
    """An option as it is typed: `exit_code` as `--exit-code`."""
    return f"--{option.replace('_', '-')}"


def _flags(command: Command) -> set[str]:
    parameters = inspect.signature(command).parameters.values()
    return {parameter.name for parameter in parameters if Flag in get_args(parameter.annotation)}


def _meant(word: str, known: Mapping[str, object]) -> str:
    found = difflib.get_close_matches(word.lower(), known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def _overview(commands: Mapping[str, Command | Group], program: str, about: str) -> str:
    width = max(map(len, commands))
    lines = [f"usage: {program} COMMAND --option VALUE ...", "", *_wrapped(about, ""), "", "commands:"]
    for name, command in commands.items():
        first = inspect.getdoc(command) or ""
        lines += _wrapped(first.split("\n")[0], f"  {name:<{width}}  ")
    lines += ["", f"{program} COMMAND --help explains the options of a command."]
    return "\n".join(lines)


def _explain(name: str, command: Command, program: str) -> str:
    """A command's help, from its docstring: the one place where an option is described."""
    text, _, options = (inspect.getdoc(command) or "").partition("Args:\n")
    described = dict(re.findall(r"^    (\w+): ((?:.+\n?(?:        .*\n?)*))", options, re.MULTILINE))
    width = max(len(option) for option in described) + 2
    lines = [f"usage: {program} {name} --option VALUE ...", ""]
    for paragraph in text.strip().split("\n\n"):
        lines += [*_wrapped(paragraph, ""), ""]
    lines.append("options:")
    flags = _flags(command)
    for option, text_of_option in described.items():
        description = (
            f"{text_of_option.rstrip()} Needs no value; ={NO} takes it back." if option in flags else text_of_option
        )
        lines += _wrapped(description, f"  {_shown(option):<{width}}  ")
    return "\n".join(lines)


def _wrapped(text: str, head: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    )
