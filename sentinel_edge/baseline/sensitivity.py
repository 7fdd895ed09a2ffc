"""How bad a failure must be before a baseline catches it, measured on its own footage.

A few of the footage's episodes are read again as failing cameras would have recorded them (see `corruptions`), at
rising severity, and judged as any window is, by both gates. A window of tomorrow is not in the baseline, so each is
judged without its own episode. Caught is a severity at which all of them fail. An episode that fails as it is proves
nothing about its damaged copies and is not used.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.episodes import Piece
from sentinel_edge.causes import Cause
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.samples import Sample, SampleReader
from sentinel_edge.footage.window import PER_FRAME, Seen, Window, embed_samples, stack
from sentinel_edge.gates.judge import EMBEDDING, QUALITY, judge
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.sabotage.corruptions import SEVEREST, Corruption, Failure
from sentinel_edge.verdict.verdict import Status

KINDS = (Cause.NOISE, Cause.BLUR, Cause.LOW_LIGHT)
"""The failures that every camera comes to know: gain, focus, light."""
GATES = (EMBEDDING, QUALITY)
"""Those that look at single frames."""
STRETCHES = 3
"""Episodes that are damaged, spread over the footage."""
FRAMES = 48
"""Frames, spread evenly over an episode, that are damaged: `condition.MEDIAN_FRAMES`, of which thumbnails are made."""
ROUNDS = ((1, 2), (3, SEVEREST - 1, SEVEREST))
"""Severities measured in one pass over the footage. The first mostly settle it; a pass for each would mean to step
through an hour of video five times."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """An episode to damage: some of its frames as they came, and the baseline without it."""

    window: Window
    baseline: Baseline

    def fails(self, window: Window) -> bool:
        return judge(window, self.baseline, gates=GATES).status is Status.FAIL


def measure_sensitivity(
    baseline: Baseline,
    episodes: Mapping[int, Piece],
    clips: Sequence[tuple[Clip, int]],
    embedder: Embedder,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, int | None]:
    """The least severity of each of `KINDS` that a baseline catches.

    Args:
        baseline: What is normal.
        episodes: Footage at hand, by the position in the baseline of the episode it became.
        clips: What it was read from, in order, and every how many-th sample of each was kept.
        embedder: The model.
        progress: Called with the number of frames embedded so far.

    Returns:
        A severity, 1 to `SEVEREST`; None where not even the worst is caught. Nothing at all where no episode passes
        as it is.

    Raises:
        SentinelError: The model gives what is not finite.
    """
    stretches = _choose(baseline, episodes)
    if not stretches:
        return {}
    found: dict[str, int | None] = {str(kind): None for kind in KINDS}
    done = 0
    for severities in ROUNDS:
        failures = [Failure(kind, severity) for severity in severities for kind in KINDS if found[str(kind)] is None]
        for stretch in stretches:
            if not failures:
                break
            damaged: dict[Failure, list[Seen]] = {failure: [] for failure in failures}
            for failure, seen in embed_samples(
                _damaged(stretch.window, failures, clips, baseline.fps), embedder, baseline.mask
            ):
                damaged[failure].append(seen)
                done += 1
                progress(done)
            failures = [
                failure
                for failure in failures
                if stretch.fails(replace(stretch.window, **stack(damaged[failure], embedder.dimensions)))
            ]
        for failure in reversed(failures):  # the mildest last
            found[str(failure.kind)] = failure.severity
    return found


def _choose(baseline: Baseline, episodes: Mapping[int, Piece]) -> list[_Stretch]:
    """At most `STRETCHES` episodes, spread evenly over those that pass as they are."""
    sound: list[_Stretch] = []
    for position, piece in sorted(episodes.items()):
        others = [other for other in range(len(baseline.episodes)) if other != position]
        stretch = _Stretch(_some(piece.window), baseline.only(others))
        if position not in baseline.outliers and _passes(stretch):
            sound.append(stretch)
    if not sound:
        return []
    # The middles of equal parts of the footage, so that neither end weighs more.
    count = min(STRETCHES, len(sound))
    return [sound[(2 * part + 1) * len(sound) // (2 * count)] for part in range(count)]


def _passes(stretch: _Stretch) -> bool:
    return judge(stretch.window, stretch.baseline, gates=GATES).status is Status.PASS


def _some(window: Window) -> Window:
    """At most `FRAMES` of a window's frames, which stand for all of it."""
    chosen = np.linspace(0, len(window.origins) - 1, min(FRAMES, len(window.origins))).astype(int)
    part = window.take(chosen)
    frames = {name: getattr(part, name) for name in PER_FRAME}
    return replace(window, **frames, skipped=())


def _damaged(
    window: Window, failures: Sequence[Failure], clips: Sequence[tuple[Clip, int]], fps: float
) -> Iterator[tuple[Failure, Sample]]:
    """The window's frames read again, each as every one of the failures would show it."""
    for clip, samples in _read_again(window, clips, fps):
        cameras: dict[Failure, Corruption] = {failure: failure.on_clip(clip.name) for failure in failures}
        for sample in samples:
            for failure, camera in cameras.items():
                successor = None if sample.successor is None else camera(sample.successor)
                yield failure, replace(sample, frame=camera(sample.frame), successor=successor)


def _read_again(
    window: Window, clips: Sequence[tuple[Clip, int]], fps: float
) -> Iterator[tuple[Clip, Iterator[Sample]]]:
    """The window's samples, by the clips they come from."""
    for clip, stride in clips:
        if clip.is_video:
            wanted = {origin for origin in window.origins if origin.rpartition("@")[0] == clip.name}
            part = clip
        else:
            files = tuple(path for path in clip.files if clip.picture_name(path) in window.origins)
            wanted = {clip.picture_name(path) for path in files}
            part, stride = replace(clip, files=files), 1  # noqa: PLW2901  (there are no others to step over)
        if wanted:
            yield clip, _only(wanted, part, stride, fps)


def _only(wanted: set[str], clip: Clip, stride: int, fps: float) -> Iterator[Sample]:
    """The samples of these origins; a video is stepped through up to the last of them and no further."""
    left = len(wanted)
    for sample in SampleReader([clip], fps, wanted=lambda index: index % stride == 0):
        if sample.origin in wanted:
            left -= 1
            yield sample
        if not left:
            return
