"""The commands under `sentinel-edge model`: the registry of frame interpolators, from the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fire.decorators import SetParseFn

from sentinel_edge import assets
from sentinel_edge.cli.arguments import Group
from sentinel_edge.cli.values import named_path, optional, path_option, whole_option
from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.networks.interpolator_card import MAX_VERSION, card_beside, load_card
from sentinel_edge.promotion.pointers import Pointer
from sentinel_edge.promotion.registry import Registry
from sentinel_edge.verdict.summary import aligned

SHOWN_METRICS = 3
"""Metrics of a version in the table on a terminal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found: facts for a program, text for a person, and the exit code."""

    facts: Mapping[str, object]
    text: str
    code: int = 0


class ModelCommands(Group):
    """Keeps the versions of the frame interpolator: which is champion, which is challenger, and the way back."""

    def __init__(self, answer: Callable[[Callable[[], Answer]], None]) -> None:
        self._answer = answer

    @SetParseFn(str)
    def list(self, *, registry: str | None = None) -> None:
        """Show every version with its role, origin and metrics: as one line of JSON, or as a table on a terminal.

        Args:
            registry: The folder of the versions. Default: the one that comes with the package.
        """
        folder = _folder(registry)
        self._answer(lambda: _list(folder))

    @SetParseFn(str)
    def add(self, *, model: str | None = None, registry: str | None = None) -> None:
        """Copy an interpolator in as a new version; it becomes the challenger in place of any other.

        Args:
            model: The ONNX file; its card beside it, under the file's own name or as card.json.
            registry: The folder of the versions; made where there is none. Default: the one that comes with the
                package.
        """
        path, folder = named_path("model", model), _folder(registry)
        self._answer(lambda: _changed(folder, Registry(folder).add(path, load_card(card_beside(path)))))

    @SetParseFn(str)
    def promote(self, *, registry: str | None = None, version: str | None = None) -> None:
        """Make the challenger the champion; the old champion is kept for a rollback.

        Args:
            registry: The folder of the versions. Default: the one that comes with the package.
            version: The challenger that is meant; refused when it is another by now. Default: whichever it is.
        """
        folder, number = _folder(registry), _number(version)
        self._answer(lambda: _changed(folder, Registry(folder).promote(number)))

    @SetParseFn(str)
    def rollback(self, *, registry: str | None = None, version: str | None = None) -> None:
        """Make an earlier champion the champion again. Works also when the champion of now is damaged.

        Args:
            registry: The folder of the versions. Default: the one that comes with the package.
            version: One of the earlier champions. Default: the last one.
        """
        folder, number = _folder(registry), _number(version)
        self._answer(lambda: _changed(folder, Registry(folder).rollback(number)))

    @SetParseFn(str)
    def verify(self, *, registry: str | None = None) -> None:
        """Hold every version against its card, and the pointers against the versions. Exit code 1: something is wrong.

        Args:
            registry: The folder of the versions. Default: the one that comes with the package.
        """
        folder = _folder(registry)
        self._answer(lambda: _verify(folder))


def _folder(text: str | None) -> Path:
    return path_option("registry", text, assets.default_registry)


def _number(text: str | None) -> int | None:
    # Not from the environment: a version is named for one command alone.
    return (
        None if text is None else optional("version", text, lambda one: whole_option("version", one, 1, 1, MAX_VERSION))
    )


def _list(folder: Path) -> Answer:
    registry = Registry(folder)
    pointers = registry.pointers()
    since = {one.version: one.since for one in (*pointers.earlier, pointers.challenger, pointers.champion) if one}
    versions: list[dict[str, object]] = []
    rows = [("version", "role", "since", "name", "made", "parent", "sha256", "metrics")]
    for number in registry.versions():
        role = str(pointers.role(number))
        entry: dict[str, object] = {"version": number, "role": role, "since": since.get(number)}
        try:
            card = registry.version(number).card
        except SentinelError as error:
            versions.append(entry | {"problem": str(error)})
            rows.append((str(number), role, since.get(number, "-"), "damaged, see `model verify`", "", "", "", ""))
            continue
        versions.append(
            entry
            | {
                "name": card.name,
                "created_at": card.created_at,
                "parent": card.parent,
                "sha256": card.sha256,
                "metrics": dict(card.metrics),
            }
        )
        metrics = [f"{name} {value:.4g}" for name, value in card.metrics.items()]
        shown = ", ".join(metrics[:SHOWN_METRICS]) + (", …" if len(metrics) > SHOWN_METRICS else "")
        parent = str(card.parent or "-")
        rows.append(
            (str(number), role, since.get(number, "-"), card.name, card.created_at, parent, card.sha256[:12], shown)
        )
    facts = {**_places(registry), "versions": versions}
    return Answer(facts, _table(rows) if versions else f"no versions in {folder}")


def _changed(folder: Path, version: int) -> Answer:
    facts = {"version": version, **_places(Registry(folder))}
    return Answer(facts, "\n".join(aligned(facts)))


def _places(registry: Registry) -> dict[str, object]:
    def number(pointer: Pointer | None) -> int | None:
        return None if pointer is None else pointer.version

    pointers = registry.pointers()
    return {
        "registry": str(registry.folder),
        "champion": number(pointers.champion),
        "challenger": number(pointers.challenger),
        "earlier": [one.version for one in pointers.earlier],
    }


def _verify(folder: Path) -> Answer:
    found = Registry(folder).verify()
    facts = {
        "registry": str(folder),
        "versions": list(found.versions),
        "problems": list(found.problems),
        "unused": list(found.unused),
        "leftovers": list(found.leftovers),
    }
    lines = [f"{'all is well' if not found.problems else 'NOT WELL'}  {folder}, {len(found.versions)} versions"]
    lines += [f"  problem   {problem}" for problem in found.problems]
    lines += [f"  unused    version {number}: no pointer names it" for number in found.unused]
    lines += [f"  leftover  {name}" for name in found.leftovers]
    return Answer(facts, "\n".join(map(one_line, lines)), 1 if found.problems else 0)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        one_line("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        for row in rows
    )
