"""Learning what is normal: from footage to a golden baseline, and from more footage to one that knows more."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.baseline.baseline import MAX_EPISODES, Baseline, Episode
from sentinel_edge.baseline.episodes import By, Piece, Rule, divide, require_suitable, suitable_rule
from sentinel_edge.baseline.sensitivity import measure_sensitivity
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, Skipped
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.window import read_window, require_readable
from sentinel_edge.gates.embedding.calibration import MIN_EPISODES, MIN_FRAMES, calibrate, centre, recalibrate, sketch
from sentinel_edge.gates.judge import highest_normal, least_visible
from sentinel_edge.gates.performance.normal import Performance, learn_performance
from sentinel_edge.gates.quality.normal import Learned, extend_health, learn_health
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator

DEFAULT_FPS = 5.0
"""Samples a second of video: dense enough for clips of half a minute; longer footage is thinned anyway."""
TRIPLET_EVERY = 2
"""At every so many-th kept frame a triplet is interpolated: more than in a check, once, so that short episodes tell."""


def build_baseline(
    footage: Footage,
    embedder: Embedder,
    *,
    fps: float = DEFAULT_FPS,
    episode: Rule | None = None,
    mask: Mask | None = None,
    sensitivity: bool = False,
    interpolator: Interpolator | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Embed normal footage, episode by episode, and calibrate on it.

    Args:
        footage: Normal footage of one camera.
        embedder: The model.
        fps: Samples a second of video.
        episode: What an episode is; None for what suits the footage (see `episodes`).
        mask: What of the picture is left out, here and in every check.
        sensitivity: Whether to measure what failures it catches, which reads parts of the footage again.
        interpolator: The model whose performance is watched; None to leave that gate out.
        progress: Called with the number of frames embedded so far.

    Returns:
        The baseline, and what was passed over.

    Raises:
        SentinelError: The footage is too short, too much of it cannot be read, or its names do not tell the times
            to cut it by.
    """
    source = footage.name
    rule = episode or suitable_rule(footage.clips, source)
    read = _read(footage, embedder, rule, fps=fps, mask=mask, interpolator=interpolator, progress=progress)
    episodes, told = divide(read.clips, rule, source)
    if len(episodes) < MIN_EPISODES:
        raise SentinelError(
            f"{footage.root} gives {read.frames} readable samples, enough for {len(episodes)} episode(s) by {rule.by}; "
            f"expected at least {MIN_EPISODES} episodes of {MIN_FRAMES} samples: give more footage, a higher --fps, or "
            "another --episode"
        )
    embeddings = [episode.window.embeddings for episode in episodes]
    samples = [episode.window.samples for episode in episodes]
    learned = learn_health([episode.window.signals for episode in episodes], samples)
    sketches = np.stack([sketch(frames) for frames in embeddings])
    baseline = Baseline(
        episodes=tuple(Episode(episode.name, episode.frames, episode.window.samples) for episode in episodes),
        sketches=sketches,
        calibration=calibrate(embeddings, sketches, samples),
        health=learned.health,
        outliers=learned.outliers,
        mask=mask,
        model=embedder.card.name,
        model_sha256=embedder.card.sha256,
        fps=fps,
        preprocessing=PREPROCESSING,
        source=source,
        created_at=_creation_time(),
        episode_rule=told,
        performance=_performance(episodes, interpolator),
    )
    if sensitivity:
        baseline = _with_sensitivity(baseline, dict(enumerate(episodes)), read, embedder, progress)
    return baseline, read.skipped


def extend_baseline(
    baseline: Baseline,
    footage: Footage,
    embedder: Embedder,
    *,
    episode: Rule | None = None,
    sensitivity: bool = False,
    interpolator: Interpolator | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Teach a baseline further normal footage, without the footage it was made from.

    The new footage becomes further episodes, after those there are. When there are then more than `MAX_EPISODES`, of
    the two whose mean embeddings are most alike the older one is given up, its conditions with it, until there are no
    more: what is rare stays, and what is common is told by its latest example.

    What distances and pictures are like when nothing is wrong is learned again from what the file holds and the new
    footage (see `calibration.recalibrate`, `health.extend_health`). Model, rate, preprocessing and mask are the
    baseline's own. What it catches is unknown again unless it is measured.

    Args:
        baseline: What is known so far.
        footage: More normal footage of the same camera; one episode is enough.
        embedder: The model that made the baseline.
        episode: What an episode is; None for what suits: each clip where there are three or more, the days of dated
            pictures, else parts as long as the known episodes are.
        sensitivity: Whether to measure, on the new footage, what failures it catches.
        interpolator: The model whose performance is watched, be it another than before (see `Performance.then`); None
            to learn nothing new about it.
        progress: Called with the number of frames embedded so far.

    Returns:
        A new baseline, and what was passed over.

    Raises:
        SentinelError: The model is another one, the footage has less than one episode, too much of it cannot be
            read, or its names do not tell the times to cut it by.
    """
    baseline.require_compatible(embedder, None)
    source = footage.name
    rule = episode or suitable_rule(footage.clips, source)
    read = _read(
        footage,
        embedder,
        rule,
        fps=baseline.fps,
        mask=baseline.mask,
        interpolator=interpolator,
        progress=progress,
    )
    if episode is None and rule.by is By.COUNT:
        added, told = _cut_alike(read.clips, baseline.typical_samples), "length"
    else:
        added, told = divide(read.clips, rule, source)
    if not added:
        raise SentinelError(
            f"{footage.root} gives {read.frames} readable samples; expected at least one episode of {MIN_FRAMES}: give "
            "more footage"
        )
    known = len(baseline.episodes)
    names = [entry.name for entry in baseline.episodes]
    for piece in added:
        names.append(_unused(piece.name, names))
    episodes = [
        *baseline.episodes,
        *(Episode(name, piece.frames, piece.window.samples) for name, piece in zip(names[known:], added, strict=True)),
    ]
    sketches = np.concatenate([baseline.sketches, [sketch(piece.window.embeddings) for piece in added]])
    kept = _thin(sketches)
    old, new = [position for position in kept if position < known], [added[p - known] for p in kept if p >= known]
    left = baseline.only(old)
    learned = extend_health(
        Learned(left.health, left.outliers),
        [entry.samples for entry in left.episodes],
        [piece.window.signals for piece in new],
        [piece.window.samples for piece in new],
    )
    extended = replace(
        baseline,
        episodes=tuple(episodes[position] for position in kept),
        sketches=sketches[kept],
        calibration=recalibrate(
            baseline.calibration,
            sketches[kept],
            typical=baseline.typical_samples,
            lengths=[episodes[position].samples for position in kept],
            frames=[episodes[position].frames for position in kept],
            added=[piece.window.embeddings for piece in new],
        ),
        health=learned.health,
        outliers=learned.outliers,
        created_at=_creation_time(),
        episode_rule=f"{baseline.episode_rule.partition(_MORE)[0]}{_MORE}{told}",
        sensitivity={},
        fingerprint="",
        performance=_joined_performance(left, _performance(new, interpolator), len(new)),
    )
    _require_still_seeing(baseline, extended, len(new))
    if sensitivity:
        extended = _with_sensitivity(extended, dict(enumerate(new, start=len(old))), read, embedder, progress)
    return extended, read.skipped


def _performance(episodes: Sequence[Piece], interpolator: Interpolator | None) -> Performance | None:
    if interpolator is None:
        return None
    windows = [episode.window for episode in episodes]
    return learn_performance(
        [window.triplets for window in windows], [window.samples for window in windows], interpolator.card.sha256
    )


def _joined_performance(before: Baseline, added: Performance | None, count: int) -> Performance | None:
    """What a baseline knew, and of so many episodes more."""
    if before.performance is None and added is None:
        return None
    known = before.performance or Performance.nothing(len(before.episodes))
    return known.then(added or Performance.nothing(count))


def _require_still_seeing(before: Baseline, after: Baseline, added: int) -> None:
    """Refuse an addition that blinds a baseline: one or two episodes unlike all others, or much shorter ones.

    Raises:
        SentinelError: What it would do.
    """
    highest, visible = highest_normal(after), least_visible(after)
    if highest > MOST_UNLIKE >= highest_normal(before) or visible > NEARLY_BLIND >= least_visible(before):
        raise SentinelError(
            f"the {added} new episode(s) differ so from the known ones that the baseline would see little afterwards: "
            f"its footage would score up to {highest:.2f}, and only distances above {visible:.2f} of 1 would count; "
            "expected whole episodes like the known ones, or three or more of a new normal: give more of it, or build "
            "a new baseline"
        )


MOST_UNLIKE = 0.5
"""An addition after which the baseline's own footage scores more than this is refused."""
NEARLY_BLIND = 0.9
"""And one after which only larger distances than this, of 1, would count."""
_MORE = "; more added by "


@dataclass(frozen=True, slots=True)
class _Read:
    """Footage, and each of its clips as read."""

    footage: Footage
    clips: list[Piece]

    @property
    def skipped(self) -> list[Skipped]:
        return [*self.footage.ignored, *(entry for clip in self.clips for entry in clip.window.skipped)]

    @property
    def frames(self) -> int:
        return sum(clip.frames for clip in self.clips)


def _read(
    footage: Footage,
    embedder: Embedder,
    rule: Rule,
    *,
    fps: float,
    mask: Mask | None,
    interpolator: Interpolator | None,
    progress: Callable[[int], None],
) -> _Read:
    """Embed every clip.

    Raises:
        SentinelError: Too much of it cannot be read, or the names do not tell the times to cut it by.
    """
    name = footage.name
    require_suitable(footage.clips, name, rule)
    limit = rule.limit(len(footage.clips))
    clips: list[Piece] = []
    done = 0

    def report(count: int) -> None:
        progress(done + count)

    for clip in footage.clips:
        window = read_window(
            [clip],
            embedder,
            fps,
            mask=mask,
            limit=limit,
            interpolator=interpolator,
            triplet_every=TRIPLET_EVERY,
            progress=report,
        )
        done += len(window.embeddings)
        clips.append(Piece(name if clip.name == "." else clip.name, window))
    require_readable([clip.window for clip in clips], footage.root)
    return _Read(footage, clips)


def _cut_alike(clips: Sequence[Piece], typical: float) -> list[Piece]:
    """Cut clips into episodes about as long as others are, `typical` samples; short clips are joined."""
    episodes: list[Piece] = []
    stretches, _ = divide(clips, Rule(By.FILE))
    for stretch in stretches:
        most = min(MAX_EPISODES // len(stretches), stretch.frames // MIN_FRAMES)
        count = min(most, round(stretch.window.samples / typical))
        episodes += divide([stretch], Rule(By.COUNT, count))[0] if count > 1 else [stretch]
    return episodes


def _unused(name: str, others: Sequence[str]) -> str:
    """The name, told apart from others by a number where it is one of them: cameras like to call every day the same."""
    number, unused = 1, name
    while unused in others:
        number += 1
        unused = f"{name} ({number})"
    return unused


def _thin(sketches: NDArray[np.float16]) -> list[int]:
    """Positions of at most `MAX_EPISODES` episodes to keep, ascending, of sketches (e, points, d) from old to new.

    Of the two most alike, by distance of mean embeddings, the older goes, until there are few enough.
    """
    centres = np.stack([centre(points) for points in sketches])
    kept = list(range(len(sketches)))
    # Not by a product of matrices, whose last digits could decide between two equal pairs.
    distance = np.array([np.square(centres - one).sum(axis=1) for one in centres])
    distance[np.tril_indices(len(centres))] = np.inf  # a row is an episode, its columns the later ones
    while len(kept) > MAX_EPISODES:
        older = kept[int(distance[np.ix_(kept, kept)].argmin()) // len(kept)]
        kept.remove(older)
    return kept


def _with_sensitivity(
    baseline: Baseline,
    episodes: dict[int, Piece],
    read: _Read,
    embedder: Embedder,
    progress: Callable[[int], None],
) -> Baseline:
    """The baseline and what it catches of its own episodes, given by their positions, were they damaged."""
    clips = [(clip, piece.window.stride) for clip, piece in zip(read.footage.clips, read.clips, strict=True)]
    found = measure_sensitivity(
        baseline, episodes, clips, embedder, progress=lambda count: progress(read.frames + count)
    )
    return replace(baseline, sensitivity=found)


def _creation_time() -> str:
    """Now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), as ISO 8601 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else int(time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
