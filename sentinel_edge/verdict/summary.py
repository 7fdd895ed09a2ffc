"""A verdict, or other facts, as a few lines for a person at a terminal."""

from collections.abc import Mapping
from pathlib import Path

from sentinel_edge.errors import one_line
from sentinel_edge.verdict.verdict import SAMPLE_USED, Status, Verdict

SHOWN = 3
"""Skipped files named on a terminal."""


def summary(verdict: Verdict, output: Path) -> str:
    """The verdict in a few aligned lines."""
    if verdict.status is Status.ERROR:
        return f"ERROR  {verdict.message}"
    lines = [SAMPLE_USED] if verdict.baseline.get("sample") else []
    lines.append(f"{verdict.status}  {_scores(verdict)}")
    for name, gate in verdict.gates.items():
        lines.append(f"  {name:<11}  {gate.status}: {gate.reason}")
    frames = verdict.frames
    thinned = f", every {frames.stride}th kept" if frames.stride > 1 else ""
    lines.append(f"  frames       {frames.judged} judged of {frames.sampled} sampled{thinned}")
    lines.extend(f"  skipped      {entry.name}: {entry.reason}" for entry in frames.skipped[:SHOWN])
    if frames.skipped_count > SHOWN:
        lines.append(f"  skipped      and {frames.skipped_count - SHOWN} more, see verdict.json")
    lines.extend(f"  cause        {cause.kind}: {cause.evidence}" for cause in verdict.causes)
    if frames.most_drifted:
        lines.append(f"  look at      {', '.join(frames.most_drifted[:SHOWN])}")
    if verdict.baseline.get("camera"):
        lines.append(f"  camera       {verdict.baseline['camera']}")
    lines.append(f"  baseline     {verdict.baseline['source']}, {verdict.baseline['episodes']} episodes")
    lines.append(f"  written      {output / 'verdict.json'} ({verdict.duration_s:.1f} s)")
    return "\n".join(one_line(line) for line in lines)


def aligned(facts: Mapping[str, object], indent: str = "") -> list[str]:
    """Facts, at least one, a line each, their values one below the other."""
    width = max(map(len, facts))
    return [one_line(f"{indent}{name:<{width}}  {value}") for name, value in facts.items()]


def _scores(verdict: Verdict) -> str:
    if verdict.drift_score is None:
        gates = verdict.gates.items()
        return ", ".join(f"{name} {gate.score:.2f}" for name, gate in gates if gate.score is not None)
    return f"drift score {verdict.drift_score:.2f}, threshold {verdict.threshold:.2f}"
