"""The commands under `model`: the registry of frame interpolators."""

from collections.abc import Sequence
from pathlib import Path

from sentinel_edge import assets
from sentinel_edge.cli.command import Command, Group
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.option import option, path, typed_option, whole
from sentinel_edge.cli.terminal import tell_facts
from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.networks.interpolator_card import MAX_VERSION, card_beside, load_card
from sentinel_edge.promotion.pointers import Pointer, Pointers
from sentinel_edge.promotion.registry import Registry

SHOWN_METRICS = 3
"""Metrics of a version in the table on a terminal."""

MODEL = Group(
    "Keeps the versions of the frame interpolator: which is champion, which is challenger, and the way back.",
    {name: f"{__name__}:{name.title()}" for name in ("list", "add", "promote", "rollback", "verify")},
)


class List(Command):
    """Show every version with its role, origin and metrics: as one line of JSON, or as a table on a terminal."""

    registry: Path = shared.registry

    def work(self) -> int:
        registry = Registry(self.registry)
        pointers = registry.pointers()
        found = [_version(registry, pointers, number) for number in registry.versions()]
        rows = [("version", "role", "since", "name", "made", "parent", "sha256", "metrics"), *(row for _, row in found)]
        facts = {**_places(registry), "versions": [entry for entry, _ in found]}
        return tell_facts(facts, _table(rows) if found else f"no versions in {self.registry}")


class Add(Command):
    """Copy an interpolator in as a new version; it becomes the challenger in place of any other."""

    model: Path = typed_option(path, "The ONNX file; its card beside it, under the file's own name or as card.json.")
    registry: Path = option(
        path, f"The folder of the versions; made where there is none. {shared.PACKAGED}", assets.default_registry
    )

    def work(self) -> int:
        registry = Registry(self.registry)
        return _changed(registry, registry.add(self.model, load_card(card_beside(self.model))))


class Promote(Command):
    """Make the challenger the champion; the old champion is kept for a rollback."""

    registry: Path = shared.registry
    version: int | None = typed_option(
        whole,
        "The challenger that is meant; refused when it is another by now. Default: whichever it is.",
        None,
        limits=(1, MAX_VERSION),
    )

    def work(self) -> int:
        registry = Registry(self.registry)
        return _changed(registry, registry.promote(self.version))


class Rollback(Command):
    """Make an earlier champion the champion again. Works also when the champion of now is damaged."""

    registry: Path = shared.registry
    version: int | None = typed_option(
        whole, "One of the earlier champions. Default: the last one.", None, limits=(1, MAX_VERSION)
    )

    def work(self) -> int:
        registry = Registry(self.registry)
        return _changed(registry, registry.rollback(self.version))


class Verify(Command):
    """Hold every version against its card, and the pointers against the versions. Exit code 1: something is wrong."""

    registry: Path = shared.registry

    def work(self) -> int:
        found = Registry(self.registry).verify()
        lists = {
            "versions": list(found.versions),
            "problems": list(found.problems),
            "unused": list(found.unused),
            "leftovers": list(found.leftovers),
        }
        well = "NOT WELL" if found.problems else "all is well"
        lines = [f"{well}  {self.registry}, {len(found.versions)} versions"]
        lines += [f"  problem   {problem}" for problem in found.problems]
        lines += [f"  unused    version {number}: no pointer names it" for number in found.unused]
        lines += [f"  leftover  {name}" for name in found.leftovers]
        facts = {"registry": str(self.registry), **lists}
        return tell_facts(facts, "\n".join(map(one_line, lines)), 1 if found.problems else 0)


def _version(registry: Registry, pointers: Pointers, number: int) -> tuple[dict[str, object], tuple[str, ...]]:
    """What is known of a version: facts for a program, and a row of the table."""
    since = {one.version: one.since for one in (*pointers.earlier, pointers.challenger, pointers.champion) if one}
    role = str(pointers.role(number))
    entry: dict[str, object] = {"version": number, "role": role, "since": since.get(number)}
    row = (str(number), role, since.get(number, "-"))
    try:
        card = registry.version(number).card
    except SentinelError as error:
        return entry | {"problem": str(error)}, (*row, "damaged, see `model verify`", "", "", "", "")
    entry |= {"name": card.name, "created_at": card.created_at, "parent": card.parent, "sha256": card.sha256}
    entry["metrics"] = dict(card.metrics)
    metrics = [f"{name} {value:.4g}" for name, value in card.metrics.items()]
    shown = ", ".join(metrics[:SHOWN_METRICS]) + (", …" if len(metrics) > SHOWN_METRICS else "")
    return entry, (*row, card.name, card.created_at, str(card.parent or "-"), card.sha256[:12], shown)


def _changed(registry: Registry, version: int) -> int:
    return tell_facts({"version": version, **_places(registry)})


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


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        one_line("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
        for row in rows
    )
