"""How bad a failure must be before a baseline catches it, measured on its own footage.

A few of the footage's episodes are read again as failing cameras would have recorded them (see `corruptions`), at
rising severity, and judged as any window is, by the gates that look at single frames. A window of tomorrow is not in
the baseline, so each is judged without its own episode. Caught is a severity at which all of them fail. An episode that
fails as it is proves nothing about its damaged copies and is not used.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.episodes import Piece
from sentinel_edge.causes import Cause
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.samples import Sample, SampleReader
from sentinel_edge.footage.window import Recorded, Recorder, Window, record, stack
from sentinel_edge.gates.judge import judge
from sentinel_edge.gates.protocol import Models
from sentinel_edge.sabotage.corruptions import SEVEREST, Corruption, Failure
from sentinel_edge.verdict.verdict import Status

KINDS = (Cause.NOISE, Cause.BLUR, Cause.LOW_LIGHT)
"""The failures that every camera comes to know: gain, focus, light."""
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

    def judged(self, window: Window) -> Status:
        return judge(window, self.baseline, gates=list(window.records)).status


def measure_sensitivity(
    baseline: Baseline,
    episodes: Mapping[int, Piece],
    clips: Sequence[tuple[Clip, Callable[[int], bool]]],
    models: Models,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, int | None]:
    """The least severity of each of `KINDS` that a baseline catches.

    Args:
        baseline: What is normal.
        episodes: Footage at hand, by the position in the baseline of the episode it became.
        clips: What it was read from, in order, and which of its samples were kept.
        models: The embedder that made it.
        progress: Called with the number of frames embedded so far.

    Returns:
        A severity, 1 to `SEVEREST`; None where not even the worst is caught. Nothing at all where no episode passes
        as it is.

    Raises:
        SentinelError: The model gives what is not finite.
    """
    stretches = _choose(baseline, episodes, [recorder.name for recorder in _recorders(models)])
    if not stretches:
        return {}
    found: dict[str, int | None] = {str(kind): None for kind in KINDS}
    done = 0
    for severities in ROUNDS:
        failures = [Failure(kind, severity) for severity in severities for kind in KINDS if found[str(kind)] is None]
        for stretch in stretches:
            if not failures:
                break
            damaged: dict[Failure, list[Recorded]] = {failure: [] for failure in failures}
            samples = _damaged(stretch.window, failures, clips, baseline.fps)
            recorders = _recorders(models)
            for failure, recorded in record(samples, recorders, baseline.mask):
                damaged[failure].append(recorded)
                done += 1
                progress(done)
            failures = [
                failure
                for failure in failures
                if stretch.judged(replace(stretch.window, records=stack(damaged[failure], recorders))) is Status.FAIL
            ]
        for failure in reversed(failures):  # the mildest last
            found[str(failure.kind)] = failure.severity
    return found


def _recorders(models: Models) -> list[Recorder]:
    """Those of the gates that look at single frames, or at one and the next: damage in time takes more footage."""
    every = [gate.recorder(Models(models.embedder), None) for gate in gates.GATES]
    return [recorder for recorder in every if recorder is not None and recorder.successors < 2]


def _choose(baseline: Baseline, episodes: Mapping[int, Piece], names: Collection[str]) -> list[_Stretch]:
    """At most `STRETCHES` episodes, spread evenly over those that pass as they are."""
    sound: list[_Stretch] = []
    for position, piece in sorted(episodes.items()):
        others = [other for other in range(len(baseline.episodes)) if other != position]
        stretch = _Stretch(_some(piece.window, names), baseline.only(others))
        if position not in baseline.outliers and stretch.judged(stretch.window) is Status.PASS:
            sound.append(stretch)
    if not sound:
        return []
    # The middles of equal parts of the footage, so that neither end weighs more.
    count = min(STRETCHES, len(sound))
    return [sound[(2 * part + 1) * len(sound) // (2 * count)] for part in range(count)]


def _some(window: Window, names: Collection[str]) -> Window:
    """At most `FRAMES` of a window's frames, which stand for all of it, with the records of some gates."""
    chosen = np.linspace(0, len(window.origins) - 1, min(FRAMES, len(window.origins))).astype(int)
    part = window.take(chosen)
    records = {name: part.records[name] for name in names}
    return replace(window, records=records, origins=part.origins, skipped=())


def _damaged(
    window: Window, failures: Sequence[Failure], clips: Sequence[tuple[Clip, Callable[[int], bool]]], fps: float
) -> Iterator[tuple[Failure, Sample]]:
    """The window's frames read again, each as every one of the failures would show it."""
    for clip, samples in _read_again(window, clips, fps):
        cameras: dict[Failure, Corruption] = {failure: failure.on_clip(clip.name) for failure in failures}
        for sample in samples:
            for failure, camera in cameras.items():
                successor = None if sample.successor is None else camera(sample.successor)
                yield failure, replace(sample, frame=camera(sample.frame), successor=successor)


def _read_again(
    window: Window, clips: Sequence[tuple[Clip, Callable[[int], bool]]], fps: float
) -> Iterator[tuple[Clip, Iterator[Sample]]]:
    """The window's samples, by the clips they come from."""
    for clip, kept in clips:
        if clip.is_video:
            wanted = {origin for origin in window.origins if origin.rpartition("@")[0] == clip.name}
            part = clip
        else:
            files = tuple(path for path in clip.files if clip.picture_name(path) in window.origins)
            wanted = {clip.picture_name(path) for path in files}
            part, kept = replace(clip, files=files), _all_of_them  # noqa: PLW2901  (there are no others to step over)
        if wanted:
            yield clip, _only(wanted, part, kept, fps)


def _all_of_them(_: int) -> bool:
    return True


def _only(wanted: set[str], clip: Clip, kept: Callable[[int], bool], fps: float) -> Iterator[Sample]:
    """The samples of these origins; a video is stepped through up to the last of them and no further."""
    left = len(wanted)
    for sample in SampleReader([clip], fps, wanted=kept):
        if sample.origin in wanted:
            left -= 1
            yield sample
        if not left:
            return
