"""A baseline in words: what it holds, what it lets pass and what it catches. Pure: a baseline in, text or JSON out."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import one_line
from sentinel_edge.gates.embedding.calibration import THRESHOLD
from sentinel_edge.gates.judge import weaknesses
from sentinel_edge.gates.performance.normal import Performance, normal_scores
from sentinel_edge.gates.quality.condition import WHOLE
from sentinel_edge.gates.quality.normal import FROZEN, FROZEN_SHARE, HIDDEN, SUMMARIES
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
    """One episode: name, frames embedded, the samples they stand for, and whether none of the others is like it."""

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
        fps: Samples a second of video.
        episodes_by: What an episode is.
        mask: The share of the picture that is looked at; None where nothing is left out.
        shortest_window: In samples.
        longest_window: In samples.
        shortest_window_s: Of video, in seconds.
        longest_window_s: Of video, in seconds.
        normal_score: Median drift score of its own stretches of an episode's length.
        highest_normal_score: Likewise the highest.
        threshold: The drift score beyond which a window fails, unless a check says otherwise.
        episodes: In order of time, or of adding.
        typical_samples: The length for which `tolerated` is told.
        tolerances: How far a window's picture may be from the known condition most like it, in the units of
            `condition.VISIBLE` and `health.SUMMARIES`; `frozen` as a share of the window.
        tolerated: The same in words.
        weaknesses: What to know before relying on it.
        sensitivity: What it catches, by kind of failure; empty where that was not measured.
        performance: How well the watched model did, in words; None where none was watched.
    """

    source: str
    created_at: str
    sha256: str
    model: str
    fps: float
    episodes_by: str
    mask: float | None
    shortest_window: int
    longest_window: int
    shortest_window_s: float
    longest_window_s: float
    normal_score: float
    highest_normal_score: float
    threshold: float
    episodes: tuple[EpisodeLine, ...]
    typical_samples: float
    tolerances: dict[str, float]
    tolerated: dict[str, str]
    weaknesses: tuple[str, ...]
    sensitivity: dict[str, Caught]
    performance: str | None

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))


def describe(baseline: Baseline) -> Description:
    """What a baseline holds and how sensitive it is."""
    calibration = baseline.calibration
    normal = calibration.null_scores_at(baseline.typical_samples)
    shortest, longest = int(np.ceil(calibration.shortest)), int(calibration.longest)
    tolerances = _tolerances(baseline)
    return Description(
        source=baseline.source,
        created_at=baseline.created_at,
        sha256=baseline.fingerprint,
        model=f"{baseline.model}, sha256 {baseline.model_sha256[:12]}",
        fps=baseline.fps,
        episodes_by=baseline.episode_rule,
        mask=None if baseline.mask is None else round(baseline.mask.visible_share, 3),
        shortest_window=shortest,
        longest_window=longest,
        shortest_window_s=round(shortest / baseline.fps, 1),
        longest_window_s=round(longest / baseline.fps, 1),
        normal_score=round(float(np.median(normal)), 3),
        highest_normal_score=round(float(normal.max()), 3),
        threshold=THRESHOLD,
        episodes=tuple(
            EpisodeLine(episode.name, episode.frames, episode.samples, position in baseline.outliers)
            for position, episode in enumerate(baseline.episodes)
        ),
        typical_samples=baseline.typical_samples,
        tolerances={measure: round(value, 4) for measure, value in tolerances.items()},
        tolerated={_TOLD[measure][0]: _TOLD[measure][1](value) for measure, value in tolerances.items()},
        weaknesses=tuple(weaknesses(baseline)),
        sensitivity={kind: _caught(kind, least) for kind, least in baseline.sensitivity.items()},
        performance=_performance(baseline.performance),
    )


def as_text(description: Description) -> str:
    """A description in aligned lines for a person at a terminal."""
    told = description
    mask = (
        "none, all of the picture is looked at" if told.mask is None else f"{told.mask:.0%} of the picture is looked at"
    )
    seconds = f"{_duration(told.shortest_window_s)} to {_duration(told.longest_window_s)}"
    lines = aligned(
        {
            "source": told.source,
            "made": told.created_at,
            "sha256": told.sha256[:12],
            "model": told.model,
            "rate": f"{told.fps:g} samples a second of video",
            "mask": mask,
            "interpolated": told.performance or "nothing; the performance of no model can be judged",
            "windows": f"{told.shortest_window} to {told.longest_window} samples (of video {seconds})",
            "normal score": f"{told.normal_score:.2f}, at most {told.highest_normal_score:.2f} (above "
            f"{told.threshold:.2f} is FAIL)",
            "episodes by": told.episodes_by,
        }
    )
    width = max(len(one_line(episode.name)) for episode in told.episodes)
    lines += ["", f"{len(told.episodes)} episodes"]
    lines += [
        f"  {one_line(episode.name):<{width}}  {episode.frames:>6} frames  {episode.samples:>8} samples"
        + ("  like none of the others" if episode.outlier else "")
        for episode in told.episodes
    ]
    lines += [
        "",
        f"what the picture of {told.typical_samples:.0f} samples may differ by from the most similar one known",
    ]
    lines += aligned(told.tolerated, indent="  ")
    lines += ["", "failures it catches"]
    if told.sensitivity:
        lines += aligned({kind: caught.means for kind, caught in told.sensitivity.items()}, indent="  ")
    else:
        lines.append(f"  {MEASURE_IT}")
    lines += ["", "weaknesses", *(f"  {one_line(weakness)}" for weakness in told.weaknesses or ("none found",))]
    return "\n".join(lines)


def _performance(known: Performance | None) -> str | None:
    if known is None:
        return None
    normal = normal_scores(known)
    makers = ", ".join(dict.fromkeys(maker[:12] for maker in known.interpolators if maker))
    if not normal:
        return f"too few triplets, by {makers}"
    gain, alike = normal["psnr_gain"], normal["ssim"]
    return (
        f"{len(known.scores)} triplets by {makers}, {gain[0]:.1f} to {gain[1]:.1f} dB better than averaging, "
        f"similarity {alike[0]:.2f} to {alike[1]:.2f}"
    )


def _caught(kind: str, least: int | None) -> Caught:
    if least is None:
        return Caught(None, f"not caught at any severity, 1 to {SEVEREST}")
    means = STRENGTHS.get(Cause(kind), "{:g}".format)(strength(Cause(kind), least))
    return Caught(least, f"from severity {least}: {means}")


def _between(doublings: float) -> str:
    """A change of so many doublings, either way."""
    return f"{_percent(2.0**-doublings - 1.0)} to {_percent(2.0**doublings - 1.0)}"


def _percent(share: float) -> str:
    return f"{100.0 * share:+.0f} %"


_TOLD: dict[str, tuple[str, Callable[[float], str]]] = {
    "brightness": ("brightness", _between),
    "contrast": ("contrast", _between),
    "black": ("darkest parts", lambda value: f"-{value:.0f} to +{value:.0f} grey levels"),
    "clipped": ("white pixels", lambda value: f"{_percent(-value)} to {_percent(value)} of the picture"),
    "noise": ("noise", lambda value: f"up to {2.0**value:.1f} times, or 1/{2.0**value:.1f}"),
    "blocks": ("8-pixel grid", lambda value: f"up to {2.0**value:.1f} times as strong"),
    "red": ("red to green", _between),
    "blue": ("blue to green", _between),
    "saturation": ("colourfulness", _between),
    "unlike": ("what is seen", lambda value: f"a correlation of {max(0.0, 1.0 - value):.2f} or more"),
    "moved": ("moved", lambda value: f"by up to {100.0 * value:.1f} % of the picture"),
    # A block that is hidden altogether counts `HIDDEN` times.
    "covered": ("hidden", lambda value: f"up to {min(100.0, 100.0 * value / HIDDEN):.0f} % of the picture"),
    "detail": ("fine detail", _between),
    FROZEN: (
        "frozen",
        lambda value: f"for up to {100.0 * value:.0f} % of the window longer than any stillness known, doubled",
    ),
}
"""What each measure's tolerance means to a person: its name and its value in words."""


def _tolerances(baseline: Baseline) -> dict[str, float]:
    """Tolerances by measure, for a window of typical length."""
    health = baseline.health
    level = health.level(health.pieces(baseline.typical_samples))
    values = [
        *health.tolerances[level][: len(WHOLE)].tolist(),
        *health.summary_tolerances[level].tolist(),
        FROZEN_SHARE,
    ]
    return dict(zip((*WHOLE, *SUMMARIES, FROZEN), values, strict=True))


def _duration(seconds: float) -> str:
    """Seconds as a person reads them: 2 s, 3 min 12 s, 5 h 20 min."""
    if seconds < 60.0:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
