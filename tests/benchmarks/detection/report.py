"""What is printed and written: `detection.md` for people, `detection.json` for programs."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.verdict.verdict import Status

from ..tables import Finding, Result
from .corruptions import CORRUPT_TTA, SABOTEUR, SEVERITIES
from .judges import OURS, Normal
from .scores import Area, Outcome, Rate, area, curve, detected_at, failed, named

SOURCES = (SABOTEUR, CORRUPT_TTA)
REAL, OTHER = "real failure", "other camera"
MANY_EPISODES = 6
METHOD = (
    "Counts are windows; those a judge could not judge (ERROR) are counted apart and are in no rate. In brackets "
    "95 % intervals clustered by camera: a bootstrap over whole cameras, or Wilson's interval for that many cameras "
    'where all windows agree. Each judge has its own published threshold, except in the columns "at our false alarms", '
    'where its threshold is moved until no more clean windows fail than our judge calls FAIL. "Area" is the area '
    "under the ROC curve over all cameras, all clean against all damaged windows."
)


def report(
    outcomes: Sequence[Outcome], normals: Mapping[str, Normal], conditions: Mapping[str, object], notes: Sequence[str]
) -> tuple[str, dict[str, object]]:
    """The whole report, as Markdown and as what JSON can hold."""
    results = [_judges(outcomes, normals), _cameras(outcomes, normals), _kinds(outcomes)]
    results += [_elsewhere(outcomes), _causes(outcomes)]
    under = ", ".join(f"{name} {value}" for name, value in conditions.items())
    text = "\n".join([*(result.to_markdown() for result in results), *(f"{note}\n" for note in notes), f"{under}.\n"])
    names = dict.fromkeys(outcome.judge for outcome in outcomes)
    values: dict[str, object] = {
        "conditions": dict(conditions),
        "notes": list(notes),
        "tables": {result.name: asdict(result) | {"findings": _findings(result)} for result in results},
        "curves": {name: curve(_clean(_by(outcomes, name)), _damaged(_by(outcomes, name))) for name in names},
        "outcomes": [_plain(outcome) for outcome in outcomes],
    }
    return text, values


def write(folder: Path, text: str, values: Mapping[str, object]) -> None:
    """Write `detection.md` and `detection.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "detection.md").write_text(text)
    (folder / "detection.json").write_text(json.dumps(_finite(values), indent=1, allow_nan=False) + "\n")


SHORT = (
    "clean windows called FAIL",
    "severity 1, at our false alarms",
    "severity 2, at our false alarms",
    "severity {severe}, own threshold",
)


def fill_in(readme: Path, block: str, table: str) -> None:
    """Put a short table between the marks of a README's block."""
    begin, end = f"<!-- {block}:begin -->", f"<!-- {block}:end -->"
    text = readme.read_text(encoding="utf-8")
    before, opened, rest = text.partition(f"{begin}\n")
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise SentinelError(f"{readme} has no {begin} and {end}; add both lines")
    readme.write_text(before + opened + table + closed + after, encoding="utf-8")


def short_table(values: Mapping[str, Any]) -> str:
    """The report in one table a stranger can read: a row a judge."""
    worst = values["conditions"].get("worst severity", SEVERITIES[-1])
    titles = " | ".join(SHORT).format(severe="3" if worst == 3 else f"3 to {worst}")
    lines = [f"| judge | {titles} |", "|" + "---|" * (len(SHORT) + 1)]
    for name, entry in values["tables"]["judges"]["values"].items():
        rates, matched = entry["rates"], entry["at our false alarms"]
        cells = [rates["clean"], matched["severity 1"], matched["severity 2"], rates["severity 3 to 5"]]
        counts = [f"{cells[0]['hits']} of {cells[0]['judged']}"]
        counts += [f"{cell['value']:.0%} of {cell['judged']}" if cell["judged"] else "not asked" for cell in cells[1:]]
        lines.append(f"| {name} | {' | '.join(counts)} |")
    causes = values["tables"]["causes"]["values"].get("clear")
    told = f"The first cause named is right in {causes['value']:.0%} of {causes['judged']} " if causes else ""
    about = f"{told}windows of severity 2 or more that fail.\n" if causes else ""
    return "\n".join(lines) + "\n\n" + about


def _judges(outcomes: Sequence[Outcome], normals: Mapping[str, Normal]) -> Result:
    rows: list[tuple[str, ...]] = []
    values: dict[str, object] = {}
    findings: list[Finding] = []
    ours = failed(_clean(_by(outcomes, OURS)))
    for name in dict.fromkeys(outcome.judge for outcome in outcomes):
        mine = _by(outcomes, name)
        clean, damaged = _clean(mine), _damaged(mine)
        well = [outcome for outcome in clean if normals[outcome.trial.camera].episodes >= MANY_EPISODES]
        rates = {
            "clean": failed(clean),
            "clean, 6 episodes or more": failed(well),
            **{f"severity {severity}": failed(_severe(damaged, severity, severity)) for severity in (1, 2)},
            "severity 3 to 5": failed(_severe(damaged, 3, 5)),
        }
        matched = {
            label: detected_at(clean, _severe(damaged, low, high), ours.value if ours.judged else 0.0)
            for label, low, high in (("severity 1", 1, 1), ("severity 2", 2, 2), ("severity 3 to 5", 3, 5))
        }
        under = area(clean, damaged)
        rows.append((name, *map(str, rates.values()), str(under), *(_short(rate) for rate in matched.values())))
        values[name] = {
            "rates": _plain_rates(rates),
            "at our false alarms": _plain_rates(matched),
            "area": asdict(under),
        }
        if name == OURS:
            findings = _targets(rates, under)
    return Result(
        "judges",
        "Detection",
        METHOD,
        (
            "judge",
            "clean called FAIL",
            "of these, 6 episodes or more",
            "severity 1 called FAIL",
            "severity 2",
            "severity 3 to 5",
            "area",
            "at our false alarms: severity 1",
            "severity 2",
            "severity 3 to 5",
        ),
        rows,
        values,
        findings,
    )


def _targets(rates: Mapping[str, Rate], under: Area) -> list[Finding]:
    many = rates["clean, 6 episodes or more"]
    return [
        Finding("clean windows called FAIL, baselines of 6 episodes or more", str(many), many.hits, 1, unit=" windows"),
        Finding(
            "severity 3 to 5 called FAIL", str(rates["severity 3 to 5"]), rates["severity 3 to 5"].value, 0.98, True
        ),
        Finding("severity 2 called FAIL", str(rates["severity 2"]), rates["severity 2"].value, 0.9, True),
        Finding("severity 1 called FAIL", str(rates["severity 1"]), rates["severity 1"].value),
        Finding("area under the ROC curve", str(under), under.value),
    ]


def _cameras(outcomes: Sequence[Outcome], normals: Mapping[str, Normal]) -> Result:
    names = list(dict.fromkeys(outcome.judge for outcome in outcomes))
    rows: list[tuple[str, ...]] = []
    values: dict[str, object] = {}
    for camera, normal in normals.items():
        cells = [camera, str(normal.episodes), str(len(normal.past))]
        entry: dict[str, object] = {"episodes": normal.episodes, "frames": len(normal.past), "refusal": normal.refusal}
        for name in names:
            mine = [outcome for outcome in _by(outcomes, name) if outcome.trial.camera == camera]
            clean, damaged = failed(_clean(mine)), failed(_severe(_damaged(mine), 2, 5))
            cells += [_count(clean), _count(damaged)]
            entry[name] = {"clean": asdict(clean), "severity 2 to 5": asdict(damaged)}
        rows.append(tuple(cells))
        values[camera] = entry
    return Result(
        "cameras",
        "Each camera",
        "Windows called FAIL, of those judged: clean ones, and damaged ones of severity 2 to 5.",
        ("camera", "episodes", "frames", *(f"{name}: {what}" for name in names for what in ("clean", "damaged"))),
        rows,
        values,
        [],
    )


def _kinds(outcomes: Sequence[Outcome]) -> Result:
    mine = _damaged(_by(outcomes, OURS))
    clean = _clean(_by(outcomes, OURS))
    rows: list[tuple[str, ...]] = []
    values: dict[str, object] = {}
    for source, kind in dict.fromkeys((found.trial.source, found.trial.kind) for found in mine):
        these = [found for found in mine if (found.trial.source, found.trial.kind) == (source, kind)]
        rates = {str(severity): failed(_severe(these, severity, severity)) for severity in SEVERITIES}
        rows.append((source, kind, *map(_count, rates.values()), str(area(clean, these))))
        values[f"{source} {kind}"] = {"rates": _plain_rates(rates), "area": asdict(area(clean, these))}
    for source in SOURCES:
        these = [found for found in mine if found.trial.source == source]
        if these:
            rates = {str(severity): failed(_severe(these, severity, severity)) for severity in SEVERITIES}
            rows.append((source, "all", *map(_short, rates.values()), str(area(clean, these))))
            values[f"{source} all"] = {"rates": _plain_rates(rates), "area": asdict(area(clean, these))}
    return Result(
        "kinds",
        "Damaged windows our judge calls FAIL, by kind and severity",
        "Of those judged. The sources' severities are not the same: see `corruptions.py`.",
        ("source", "kind", *map(str, SEVERITIES), "area"),
        rows,
        values,
        [],
    )


def _elsewhere(outcomes: Sequence[Outcome]) -> Result:
    names = list(dict.fromkeys(outcome.judge for outcome in outcomes))
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for found in outcomes:
        trial = found.trial
        if trial.source in (REAL, OTHER):
            label = f"{trial.camera}: {trial.kind}" if trial.source == REAL else "every other camera's clean future"
            groups.setdefault((trial.source, label), []).append(found)
    rates = {label: {name: failed(_by(these, name)) for name in names} for (_, label), these in groups.items()}
    return Result(
        "elsewhere",
        "Not made by us: what really failed, and other cameras' footage",
        "Windows called FAIL against this camera's baseline.",
        ("window", *names),
        [(label, *(_count(rate) for rate in by_judge.values())) for label, by_judge in rates.items()],
        {label: _plain_rates(by_judge) for label, by_judge in rates.items()},
        [],
    )


def _causes(outcomes: Sequence[Outcome]) -> Result:
    told = [
        found
        for found in _by(outcomes, OURS)
        if found.trial.source != "clean" and found.opinion.status is Status.FAIL and found.trial.causes
    ]
    spoken = {cause for found in told for cause in found.opinion.causes} - {Cause.UNKNOWN}
    if not spoken:
        note = "The judge names no causes yet: every FAIL says `unknown`. Nothing to score."
        return Result("causes", "Causes", note, ("kind", "named rightly"), [], {}, [])
    rows: list[tuple[str, ...]] = []
    values: dict[str, object] = {}
    for source, kind in dict.fromkeys((found.trial.source, found.trial.kind) for found in told):
        these = [found for found in told if (found.trial.source, found.trial.kind) == (source, kind)]
        mild, clear = named(_severe(these, 1, 1)), named(_severe(these, 2, 5))
        wrong: dict[str, int] = {}
        for found in _severe(these, 2, 5):
            first = str(found.opinion.causes[0]) if found.opinion.causes else "none"
            if first not in found.trial.causes:
                wrong[first] = wrong.get(first, 0) + 1
        mistaken = ", ".join(f"{name} {count}" for name, count in sorted(wrong.items(), key=lambda item: -item[1])[:3])
        rows.append((source, kind, _count(mild), _count(clear), mistaken))
        values[f"{source} {kind}"] = {"severity 1": asdict(mild), "severity 2 to 5": asdict(clear), "mistaken": wrong}
    clear = named(_severe([found for found in told if found.trial.source in SOURCES], 2, 5))
    rows.append(("both", "all", "", str(clear), ""))
    values["clear"] = asdict(clear) | {"value": clear.value}
    finding = Finding("cause named rightly, severity 2 to 5", str(clear), clear.value, 0.9, at_least=True)
    return Result(
        "causes",
        "Causes",
        "Of the windows called FAIL, those whose first cause is right; a kind of corrupt-tta may have more than one "
        "right cause, see the table in `corruptions.py`.",
        ("source", "kind", "severity 1", "severity 2 to 5", "taken for, severity 2 to 5"),
        rows,
        values,
        [finding],
    )


def _by(outcomes: Sequence[Outcome], judge: str) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.judge == judge]


def _clean(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.trial.source == "clean"]


def _damaged(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.trial.source in SOURCES]


def _severe(outcomes: Sequence[Outcome], low: int, high: int) -> list[Outcome]:
    return [outcome for outcome in outcomes if low <= outcome.trial.severity <= high]


def _short(rate: Rate) -> str:
    return f"{rate.value:.0%} ({100 * rate.low:.0f}-{100 * rate.high:.0f})" if rate.judged else ""


def _count(rate: Rate) -> str:
    errors = f", {rate.errors} ERROR" if rate.errors else ""
    return f"{rate.hits}/{rate.judged}{errors}" if rate.judged or rate.errors else ""


def _plain_rates(rates: Mapping[str, Rate]) -> dict[str, object]:
    return {name: asdict(rate) | {"value": rate.value} for name, rate in rates.items()}


def _findings(result: Result) -> list[dict[str, object]]:
    return [asdict(finding) | {"met": finding.met} for finding in result.findings]


def _plain(outcome: Outcome) -> dict[str, object]:
    trial, opinion = outcome.trial, outcome.opinion
    return {
        "judge": outcome.judge,
        **asdict(trial),
        "causes": list(trial.causes),
        "status": opinion.status,
        "evidence": opinion.evidence,
        "gates": dict(opinion.gates),
        "named": list(opinion.causes),
    }


def _finite(value: object) -> object:
    """NaN and infinities, which JSON does not have, as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
