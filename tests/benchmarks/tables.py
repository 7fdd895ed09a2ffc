"""What a benchmark found: a table for people, values for programs, and findings to hold against targets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured figure and what was aimed at.

    Attributes:
        what: The quantity, in words.
        measured: The figure with its range, as shown.
        value: The figure.
        target: The bound; None for a figure that is only reported.
        at_least: Whether the bound is a lower one.
        unit: Behind the bound, as shown.
    """

    what: str
    measured: str
    value: float
    target: float | None = None
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.target is None:
            return None
        return self.value >= self.target if self.at_least else self.value <= self.target

    @property
    def target_shown(self) -> str:
        """The bound in words."""
        if self.target is None:
            return "reported"
        return f"{'at least' if self.at_least else 'at most'} {self.target:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one benchmark.

    Attributes:
        name: Of the benchmark, and of its files.
        title: What was measured.
        method: How, in sentences.
        columns: Of the table.
        rows: Of the table, as shown.
        values: The same and more as numbers, for programs.
        findings: What goes into the summary.
    """

    name: str
    title: str
    method: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    values: Mapping[str, object]
    findings: Sequence[Finding]

    def to_markdown(self) -> str:
        """Title, table, and how it was measured."""
        return f"## {self.title}\n\n{_table(self.columns, self.rows)}\n\n{self.method}\n"


def publish(result: Result, folder: Path) -> None:
    """Print a result, and write it as Markdown and JSON."""
    print(f"\n{result.to_markdown()}", flush=True)
    _write(folder, result.name, result.to_markdown(), asdict(result))


def publish_summary(results: Sequence[Result], conditions: Mapping[str, object], folder: Path) -> None:
    """Print and write every finding against its target, and under which conditions it was made."""
    findings = [finding for result in results for finding in result.findings]
    rows = [
        (finding.what, finding.measured, finding.target_shown, {True: "yes", False: "NO", None: ""}[finding.met])
        for finding in findings
    ]
    under = ", ".join(f"{name} {value}" for name, value in conditions.items())
    table = _table(("what", "measured", "target", "met?"), rows)
    text = f"## Summary\n\n{table}\n\nMedian (lowest to highest). {under}.\n"
    print(f"\n{text}", flush=True)
    _write(
        folder,
        "summary",
        text,
        {"conditions": dict(conditions), "findings": [asdict(finding) | {"met": finding.met} for finding in findings]},
    )


def _write(folder: Path, name: str, markdown: str, data: Mapping[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.md").write_text(markdown)
    (folder / f"{name}.json").write_text(json.dumps(data, indent=1) + "\n")


def _table(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))} |"

    return "\n".join([line(columns), line(["-" * width for width in widths]), *(line(row) for row in rows)])
