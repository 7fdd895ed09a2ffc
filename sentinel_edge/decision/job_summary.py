"""A decision told to people in Markdown: the summary of a workflow's job, and the text of a call for repair.

Names of files and other words from outside are shown as code, so that they can neither form links nor call on people.
The chart is Mermaid, which GitHub and GitLab draw: https://mermaid.js.org/syntax/xyChart.html
"""

from collections.abc import Sequence
from itertools import cycle

from sentinel_edge import gates
from sentinel_edge.decision.decision import Decision
from sentinel_edge.decision.history import Action, Entry
from sentinel_edge.errors import one_line
from sentinel_edge.verdict.verdict import Status, Verdict

LISTED = 10
"""Checks in the table."""
CHARTED = 30
"""Checks in the chart."""
TALLEST = 4.0
"""Scores above so many thresholds are drawn there; a ruined picture would flatten all others."""
COLOURS = (
    ("blue", "#1f77b4"),
    ("orange", "#e08214"),
    ("purple", "#7b3294"),
    ("green", "#1b7837"),
    ("brown", "#8c510a"),
)
"""Of the gates' lines in the chart, in the order of their table."""
LIMIT_COLOUR = ("red", "#d62728")
_MARKS = {Status.PASS: "✅", Status.FAIL: "❌", Status.ERROR: "⚠️"}
_ACTIONS = {
    Action.NONE: "nothing called for",
    Action.RETRAIN: "retraining called for",
    Action.REPAIR: "repair called for",
    Action.ERROR: "not judged",
}


def job_summary(
    verdict: Verdict | None, decision: Decision, history: Sequence[Entry], remarks: Sequence[str] = ()
) -> str:
    """What was found, why, what is done about it, and how it was before.

    Args:
        verdict: What was found; None where there is no verdict to trust.
        decision: What is done about it.
        history: The checks so far in order of time, this one last.
        remarks: What else a reader should know.
    """
    status = history[-1].status if history else Status.ERROR
    outcome = "it is not known what is under way" if _is_unasked(status, decision) else _ACTIONS[decision.action]
    lines = [f"## {_MARKS[status]} {status}: {outcome}", "", f"{_text(decision.reason)}.", ""]
    lines += [f"> {_text(remark)}" for remark in remarks]
    if verdict is not None:
        lines += ["", *_found(verdict), "", *_seen(verdict)]
    # Cameras may share a history; what one saw says nothing of another.
    others = [] if verdict is None else [entry for entry in history if entry.camera not in ("", verdict.camera)]
    lines += ["", *_before([entry for entry in history if entry not in others])]
    return "\n".join(lines).rstrip() + "\n"


def _is_unasked(status: Status, decision: Decision) -> bool:
    """Whether footage was judged, but GitHub did not say what it needs to be called for."""
    return decision.action is Action.ERROR and status is not Status.ERROR


def repair_call(verdict: Verdict, decision: Decision, run_url: str) -> str:
    """The text of an issue that asks for a look at the camera."""
    lines = [
        f"{_text(decision.reason)}. Model and baseline were left alone.",
        "",
        *_found(verdict),
        "",
        *_seen(verdict),
    ]
    if run_url:
        lines += ["", f"Frames and the whole verdict are with [the run that found it]({run_url})."]
    lines += ["", "Close this when the camera is well again; until then it is not opened a second time."]
    return "\n".join(lines) + "\n"


def _found(verdict: Verdict) -> list[str]:
    if not verdict.gates:
        return []
    lines = ["| gate | | score | limit | what it saw |", "|---|---|---:|---:|---|"]
    for name, gate in verdict.gates.items():
        score = "" if gate.score is None else f"{gate.score:.2f}"
        lines.append(f"| {name} | {gate.status} | {score} | {gate.threshold:.2f} | {_text(gate.reason)} |")
    if verdict.causes:
        lines += ["", "| cause | evidence |", "|---|---|"]
        lines += [f"| **{_text(cause.kind)}** | {_text(cause.evidence)} |" for cause in verdict.causes]
    return lines


def _seen(verdict: Verdict) -> list[str]:
    frames = verdict.frames
    facts = [f"camera {_code(verdict.camera)}"] if verdict.camera else []
    facts += [f"{frames.judged} of {frames.sampled} sampled frames judged"]
    if frames.skipped_count:
        facts.append(f"{frames.skipped_count} passed over")
    if "source" in verdict.baseline:
        facts.append(f"baseline {_code(str(verdict.baseline['source']))}, {verdict.baseline['episodes']} episodes")
    lines = ["; ".join(facts) + "."]
    if frames.most_drifted:
        lines.append(f"Look at {', '.join(map(_code, frames.most_drifted))}.")
    return lines


def _before(history: Sequence[Entry]) -> list[str]:
    lines = [
        "### The last checks",
        "",
        "| when (UTC) | status | drift score | largest score | causes | |",
        "|---|---|---:|---:|---|---|",
    ]
    for entry in reversed(history[-LISTED:]):
        drift = "" if entry.drift_score is None else f"{entry.drift_score:.2f} of {entry.threshold:.2f}"
        gate = max(entry.scores, key=lambda name: entry.scores[name], default="")
        largest = f"{entry.scores[gate]:.1f} ({gate})" if gate else ""
        lines.append(
            f"| {entry.time:%Y-%m-%d %H:%M} | {_MARKS[entry.status]} {entry.status} | {drift} | {largest} "
            f"| {_text(', '.join(entry.causes))} | {'' if entry.action is Action.NONE else _ACTIONS[entry.action]} |"
        )
    return [*lines, "", *_chart([entry for entry in history if entry.scores][-CHARTED:])]


def _chart(entries: Sequence[Entry]) -> list[str]:
    if len(entries) < 2:
        return []
    palette = dict(zip(gates.names(), cycle(COLOURS), strict=False))
    charted = [name for name in palette if all(name in entry.scores for entry in entries)]
    if not charted:
        return []
    colours = [*(palette[name] for name in charted), LIMIT_COLOUR]
    highest = max(entry.scores[name] for entry in entries for name in charted)
    top = min(TALLEST, max(1.5, highest))
    plotted = ", ".join(colour for _, colour in colours)
    lines = [
        "```mermaid",
        f'%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{plotted}"}}}}}}}}%%',
        "xychart-beta",
        f'  x-axis "checks before this one" {_ticks(len(entries))}',
        f'  y-axis "times the limit" 0 --> {top:.1f}',
        *(f"  line [{', '.join(f'{min(entry.scores[name], top):.2f}' for entry in entries)}]" for name in charted),
        f"  line [{', '.join(['1'] * len(entries))}]",
        "```",
        "",
    ]
    legend = [f"{name} {colour[0]}" for name, colour in zip(charted, colours, strict=False)]
    cut = f" Higher scores are drawn at {top:.0f}." if highest > top else ""
    missing = [name for name in palette if name not in charted and any(name in entry.scores for entry in entries)]
    cut += f" Not drawn, as not every check has a score of it: {', '.join(missing)}." if missing else ""
    return [
        *lines,
        f"Scores of the last {len(entries)} checks in units of their limits: {', '.join(legend)}; "
        f"above 1 (red) is FAIL.{cut}",
    ]


def _ticks(count: int) -> str:
    """The x-axis. Of few checks each has its number: left alone, Mermaid would mark fractions between them."""
    if count > LISTED:
        return f"{1 - count} --> 0"
    return f"[{', '.join(str(number) for number in range(1 - count, 1))}]"


def _code(text: str) -> str:
    """Words from outside, as code: nothing in them is Markdown."""
    plain = one_line(text).replace("`", "'").replace("|", "\\|")
    return f"`{plain}`"


def _text(text: str) -> str:
    """A sentence that may hold words from outside: what Markdown and HTML would act on is made plain."""
    plain = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "@\u200b")
    plain = plain.replace("://", ":\u200b//").replace("www.", "www.\u200b")
    for mark in "\\`*_[]|#!":
        plain = plain.replace(mark, f"\\{mark}")
    return plain
