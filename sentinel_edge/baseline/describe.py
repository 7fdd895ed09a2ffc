"""A baseline in words: what it holds, what it lets pass and what it catches. Pure: a baseline in, text or JSON out."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import one_line
from sentinel_edge.gates.protocol import Told
from sentinel_edge.sabotage.corruptions import SEVEREST, strength
from sentinel_edge.verdict.summary import aligned

MEASURE_IT = "not measured: build it again, or add to it, with --sensitivity"
STRENGTHS: dict[Cause, Callable[[float], str]] = {
    Cause.NOISE: lambda value: f"{value:g} grey levels",
    Cause.BLUR: lambda value: f"sigma {value:g} pixels at 480 lines",
    Cause.LOW_LIGHT: lambda value: f"{value:g} of the light",
}
"""What the number behind a severity means, in words (see `corruptions`)."""


@dataclass(frozen=True, slots=True)
class EpisodeLine:
    """One episode: name, frames recorded, the samples they stand for, and whether none of the others is like it."""

    name: str
    frames: int
    samples: int
    outlier: bool


@dataclass(frozen=True, slots=True)
class Caught:
    """The least severity caught, None where not even the worst is, and what that severity means."""

    severity: int | None
    means: str


@dataclass(frozen=True, slots=True)
class Description:
    """A baseline, told to a person.

    Attributes:
        source: Name of the footage it was first made from.
        created_at: ISO 8601, UTC.
        sha256: Of the file.
        model: Name and checksum of the model that made it.
        camera: Whose it is; empty where nobody said.
        fps: Samples a second of video.
        sampling: Which frames those are; empty where that was not yet said.
        episodes_by: What an episode is.
        mask: The share of the picture that is looked at; None where nothing is left out.
        shortest_window: In samples.
        longest_window: In samples.
        shortest_window_s: Of video, in seconds; None of a baseline of pictures, which carry no rate.
        longest_window_s: Likewise.
        episodes: In order of time, or of adding.
        anchors: How many episodes are never given up; 0 where nothing was added since it was founded.
        founded: When it was, ISO 8601, UTC.
        drift: How what was added last differs from what it was founded on; empty for hardly.
        weaknesses: What to know before relying on it.
        sensitivity: What it catches, by kind of failure; empty where that was not measured.
        gates: What each gate tells of what it takes for normal, by its name.
    """

    source: str
    created_at: str
    sha256: str
    model: str
    camera: str
    fps: float
    sampling: str
    episodes_by: str
    mask: float | None
    shortest_window: int
    longest_window: int
    shortest_window_s: float | None
    longest_window_s: float | None
    episodes: tuple[EpisodeLine, ...]
    anchors: int
    founded: str
    drift: str
    weaknesses: tuple[str, ...]
    sensitivity: dict[str, Caught]
    gates: Mapping[str, Told]

    @property
    def facts(self) -> dict[str, object]:
        """For programs: the attributes, and in place of the last one the facts of every gate among them."""
        facts = asdict(self)
        del facts["gates"]
        return facts | {name: value for told in self.gates.values() for name, value in told.facts.items()}

    def to_json(self) -> str:
        """The facts as one line of JSON."""
        return json.dumps(self.facts)


def describe(baseline: Baseline) -> Description:
    """What a baseline holds and how sensitive it is."""
    episodes = baseline.episodes
    shortest, longest = int(np.ceil(baseline.shortest)), int(episodes.longest)
    pictures, anchors = baseline.pictures, baseline.anchors
    rows = zip(episodes.names, episodes.frames, episodes.samples, strict=True)
    return Description(
        source=baseline.source,
        created_at=baseline.created_at,
        sha256=baseline.fingerprint,
        model=f"{baseline.model}, sha256 {baseline.model_sha256[:12]}",
        camera=baseline.camera,
        fps=baseline.fps,
        sampling=baseline.sampling,
        episodes_by=baseline.episode_rule,
        mask=None if baseline.mask is None else round(baseline.mask.visible_share, 3),
        shortest_window=shortest,
        longest_window=longest,
        shortest_window_s=None if pictures else round(shortest / baseline.fps, 1),
        longest_window_s=None if pictures else round(longest / baseline.fps, 1),
        episodes=tuple(EpisodeLine(*row, position in baseline.outliers) for position, row in enumerate(rows)),
        anchors=len(anchors.positions) if anchors else 0,
        founded=anchors.since if anchors else baseline.created_at,
        drift=anchors.drift if anchors else "",
        weaknesses=baseline.weaknesses,
        sensitivity={kind: _caught(kind, least) for kind, least in baseline.sensitivity.items()},
        gates={name: normal.describe(episodes) for name, normal in baseline.normal.items()},
    )


def as_text(description: Description) -> str:
    """A description in aligned lines for a person at a terminal."""
    told = description
    mask = (
        "none, all of the picture is looked at" if told.mask is None else f"{told.mask:.0%} of the picture is looked at"
    )
    windows, rate = f"{told.shortest_window} to {told.longest_window} pictures", "pictures, each of which is a sample"
    if told.shortest_window_s is not None and told.longest_window_s is not None:
        seconds = f"{_duration(told.shortest_window_s)} to {_duration(told.longest_window_s)}"
        windows = f"{told.shortest_window} to {told.longest_window} samples (of video {seconds})"
        rate = f"{told.fps:g} samples a second of video, {told.sampling or 'the first of each slot'}"
    grown = {"anchors": f"{told.anchors} episodes, never given up", "since then": told.drift or "hardly a change"}
    lines = aligned(
        {
            **({"camera": told.camera} if told.camera else {}),
            "source": told.source,
            "made": told.created_at,
            "sha256": told.sha256[:12],
            "model": told.model,
            "rate": rate,
            "mask": mask,
            "windows": windows,
            **{name: value for gate in told.gates.values() for name, value in gate.rows.items()},
            "episodes by": told.episodes_by,
            **({"founded": told.founded, **grown} if told.anchors else {}),
        }
    )
    width = max(len(one_line(episode.name)) for episode in told.episodes)
    lines += ["", f"{len(told.episodes)} episodes"]
    lines += [
        f"  {one_line(episode.name):<{width}}  {episode.frames:>6} frames  {episode.samples:>8} samples"
        + ("  like none of the others" if episode.outlier else "")
        for episode in told.episodes
    ]
    for gate in told.gates.values():
        for heading, rows in gate.sections.items():
            lines += ["", heading, *aligned(rows, indent="  ")]
    lines += ["", "failures it catches"]
    if told.sensitivity:
        lines += aligned({kind: caught.means for kind, caught in told.sensitivity.items()}, indent="  ")
    else:
        lines.append(f"  {MEASURE_IT}")
    lines += ["", "weaknesses", *(f"  {one_line(weakness)}" for weakness in told.weaknesses or ("none found",))]
    return "\n".join(lines)


def _caught(kind: str, least: int | None) -> Caught:
    if least is None:
        return Caught(None, f"not caught at any severity, 1 to {SEVEREST}")
    means = STRENGTHS.get(Cause(kind), "{:g}".format)(strength(Cause(kind), least))
    return Caught(least, f"from severity {least}: {means}")


def _duration(seconds: float) -> str:
    """Seconds as a person reads them: 2 s, 3 min 12 s, 5 h 20 min."""
    if seconds < 60.0:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
