"""Learning what is normal: from footage to a golden baseline, and from more footage to one that knows more."""

import os
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import FOUNDING, MAX_ANCHORS, MAX_EPISODES, Baseline
from sentinel_edge.baseline.episodes import By, Piece, Rule, divide, require_suitable, suitable_rule
from sentinel_edge.baseline.sensitivity import measure_sensitivity
from sentinel_edge.baseline.vetting import Finding, require_sound, vet
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, Skipped
from sentinel_edge.footage.decoding import PREPROCESSING
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.footage.sampling import SAMPLING
from sentinel_edge.footage.window import Recorder, read_window, require_readable
from sentinel_edge.gates.protocol import MIN_EPISODES, MIN_FRAMES, Anchors, Episodes, Models


def build_baseline(
    footage: Footage,
    models: Models,
    *,
    fps: float = DEFAULT_FPS,
    episode: Rule | None = None,
    mask: Mask | None = None,
    sensitivity: bool = False,
    camera: str = "",
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Embed normal footage, episode by episode, and calibrate on it.

    Args:
        footage: Normal footage of one camera.
        models: The embedder, and the model whose performance is watched, if any.
        fps: Samples a second of video.
        episode: What an episode is; None for what suits the footage (see `episodes`).
        mask: What of the picture is left out, here and in every check.
        sensitivity: Whether to measure what failures it catches, which reads parts of the footage again.
        camera: Whose baseline it is; empty for nobody's in particular.
        progress: Called with the number of frames embedded so far.

    Returns:
        The baseline, and what was passed over.

    Raises:
        SentinelError: The footage is too short, too much of it cannot be read, or its names do not tell the times
            to cut it by.
    """
    source, card = footage.name, models.embedder.card
    rule = episode or suitable_rule(footage.clips, source)
    read = _read(footage, models, rule, fps=fps, mask=mask, progress=progress)
    facts = {"fps": fps, "mask": mask, "model": card.name, "model_sha256": card.sha256, "camera": camera}
    facts["pictures"] = not footage.has_video
    pieces, baseline = _learned(read.clips, rule, footage.root, source=source, **facts)
    if sensitivity:
        baseline = _with_sensitivity(baseline, dict(enumerate(pieces)), read, models, progress)
    return baseline, read.skipped


def build_from_windows(
    clips: Sequence[Piece], source: str, *, episode: Rule | None = None, fps: float, camera: str = ""
) -> Baseline:
    """Learn from what was recorded elsewhere, by nobody knows which model.

    Args:
        clips: Named stretches, in order.
        source: Their name together.
        episode: What an episode is; None for each stretch where there are three or more, else equal parts.
        fps: Samples a second, as far as there were any.
        camera: Whose baseline it is.

    Raises:
        SentinelError: There is too little.
    """
    rule = episode or Rule(By.FILE if len(clips) >= MIN_EPISODES else By.COUNT)
    facts = {"fps": fps, "mask": None, "model": "given", "model_sha256": "", "camera": camera}
    return _learned(clips, rule, source, source=source, **facts)[1]


def _learned(
    clips: Sequence[Piece], rule: Rule, root: object, *, source: str, **facts: Any
) -> tuple[list[Piece], Baseline]:
    """The episodes of recorded clips, and what every gate learns of them.

    Raises:
        SentinelError: They are too few.
    """
    pieces, told = divide(clips, rule, source)
    if len(pieces) < MIN_EPISODES:
        frames = sum(clip.frames for clip in clips)
        raise SentinelError(
            f"{root} gives {frames} readable samples, enough for {len(pieces)} episode(s) by {rule.by}; "
            f"expected at least {MIN_EPISODES} episodes of {MIN_FRAMES} samples: give more footage, a higher --fps, or "
            "another --episode"
        )
    episodes, windows = _episodes(pieces), [piece.window for piece in pieces]
    recorded = set.intersection(*(set(window.records) for window in windows))
    learned = {
        gate.name: gate.learn(windows, episodes)
        for gate in gates.GATES
        if gate.name in recorded or not gate.needs_records
    }
    return pieces, Baseline(
        episodes=episodes,
        normal={name: normal for name, normal in learned.items() if normal is not None},
        preprocessing=PREPROCESSING,
        sampling=SAMPLING,
        source=source,
        created_at=_creation_time(),
        episode_rule=told,
        **facts,
    )


def extend_baseline(
    baseline: Baseline,
    footage: Footage,
    models: Models,
    *,
    episode: Rule | None = None,
    sensitivity: bool = False,
    accept: Collection[Cause] = (),
    camera: str = "",
    found: Callable[[Finding], None] = lambda _: None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Teach a baseline further normal footage, without the footage it was made from.

    The new footage is judged first, by the baseline as it is: what shows a fault of the camera, or what may be one, is
    refused unless that cause is accepted. It becomes further episodes, after those there are. When there are then more
    than `MAX_EPISODES`, of the two whose mean embeddings are most alike the older one is given up, its conditions with
    it, until there are no more: what is rare stays, and what is common is told by its latest example. Anchors are never
    given up: the `FOUNDING` most varied of the episodes there were before anything was added, and episodes whose fault
    was accepted, the latest of them where there are more than `MAX_ANCHORS`.

    What each gate takes for normal is learned again from what the file holds and the new footage. Model, rate,
    preprocessing and mask are the baseline's own. What it catches is unknown again unless it is measured.

    Args:
        baseline: What is known so far.
        footage: More normal footage of the same camera; one episode is enough.
        models: The embedder that made the baseline; the watched model may be another than before, or none to learn
            nothing new about it.
        episode: What an episode is; None for what suits: each clip where there are three or more, the days of dated
            pictures, else parts as long as the known episodes are.
        sensitivity: Whether to measure, on the new footage, what failures it catches.
        accept: Causes that are not refused.
        camera: Whose footage it is; empty for the baseline's own camera.
        found: Called with what each new episode shows, and all of them together, before anything is refused.
        progress: Called with the number of frames embedded so far.

    Returns:
        A new baseline, and what was passed over.

    Raises:
        SentinelError: The model or the camera is another one, the footage has less than one episode, shows a fault,
            too much of it cannot be read, or its names do not tell the times to cut it by.
    """
    baseline.require_compatible(models.embedder, None)
    baseline.require_camera(camera)
    source = footage.name
    rule = episode or suitable_rule(footage.clips, source)
    read = _read(footage, models, rule, fps=baseline.fps, mask=baseline.mask, progress=progress)
    if episode is None and rule.by is By.COUNT:
        added, told = _cut_alike(read.clips, baseline.episodes.typical), "length"
    else:
        added, told = divide(read.clips, rule, source)
    if not added:
        raise SentinelError(
            f"{footage.root} gives {read.frames} readable samples; expected at least one episode of {MIN_FRAMES}: give "
            "more footage"
        )
    findings = vet(baseline, added)
    for finding in findings:
        found(finding)
    require_sound(findings, accept)
    known = len(baseline.episodes)
    names = list(baseline.episodes.names)
    for piece in added:
        names.append(_unused(piece.name, names))
    every = replace(baseline.episodes.and_then(_episodes(added)), names=tuple(names))
    anchors = _anchors(baseline, findings, len(added))
    kept = gates.thinned(baseline.normal, [piece.window for piece in added], MAX_EPISODES, anchors.positions)
    old, new = [position for position in kept if position < known], [added[p - known] for p in kept if p >= known]
    episodes, windows = every.only(kept), [piece.window for piece in new]
    extended = replace(
        baseline,
        episodes=episodes,
        normal={
            name: normal.grown(old, windows, baseline.episodes, episodes) for name, normal in baseline.normal.items()
        },
        created_at=_creation_time(),
        episode_rule=f"{baseline.episode_rule.partition(_MORE)[0]}{_MORE}{told}",
        sensitivity={},
        pictures=baseline.pictures and not footage.has_video,
        camera=baseline.camera or camera,
        anchors=replace(anchors, positions=tuple(kept.index(position) for position in anchors.positions)),
        fingerprint="",
    )
    if sensitivity:
        extended = _with_sensitivity(extended, dict(enumerate(new, start=len(old))), read, models, progress)
    return extended, read.skipped


def _anchors(baseline: Baseline, findings: Sequence[Finding], added: int) -> Anchors:
    """What is never given up, new episodes with an accepted fault among it; positions count the new ones."""
    known = baseline.anchors or Anchors(
        positions=tuple(gates.thinned(baseline.normal, [], FOUNDING)),
        normal={name: one for name, normal in baseline.normal.items() if (one := normal.anchored())},
        since=baseline.created_at,
    )
    normal, positions = dict(known.normal), list(known.positions)
    whole = any(finding.faults for finding in findings[added:])
    for number, finding in enumerate(findings[:added]):
        if finding.faults or whole:
            positions.append(len(baseline.episodes) + number)
            normal = {name: one.vouched(finding.window) for name, one in normal.items()}
    founding, later = positions[:FOUNDING], positions[FOUNDING:]
    last = findings[-1].window  # all of it
    results = {name: one.judge(last, baseline.episodes, {}) for name, one in normal.items()}
    return Anchors(
        positions=(*founding, *later[-(MAX_ANCHORS - FOUNDING) :]),
        normal=normal,
        since=known.since,
        drift=", ".join(told for name, result in results.items() if (told := normal[name].changes(result))),
    )


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


def _episodes(pieces: Sequence[Piece]) -> Episodes:
    joined = any(piece.joined > 1 for piece in pieces)
    return Episodes(
        tuple(piece.name for piece in pieces),
        tuple(piece.frames for piece in pieces),
        tuple(piece.window.samples for piece in pieces),
        float(np.median([piece.window.samples / piece.joined for piece in pieces])) if joined else 0.0,
    )


def recorders(models: Models) -> list[Recorder]:
    """What records footage for a baseline to be learned from: all that any gate may learn."""
    every = [gate.recorder(models, None, learning=True) for gate in gates.GATES]
    return [recorder for recorder in every if recorder is not None]


def _read(
    footage: Footage,
    models: Models,
    rule: Rule,
    *,
    fps: float,
    mask: Mask | None,
    progress: Callable[[int], None],
) -> _Read:
    """Record every clip.

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
        window = read_window([clip], recorders(models), fps, mask=mask, limit=limit, progress=report)
        done += len(window)
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


def _with_sensitivity(
    baseline: Baseline,
    episodes: dict[int, Piece],
    read: _Read,
    models: Models,
    progress: Callable[[int], None],
) -> Baseline:
    """The baseline and what it catches of its own episodes, given by their positions, were they damaged."""
    clips = [(clip, piece.window.kept) for clip, piece in zip(read.footage.clips, read.clips, strict=True)]
    found = measure_sensitivity(baseline, episodes, clips, models, progress=lambda count: progress(read.frames + count))
    return replace(baseline, sensitivity=found)


def _creation_time() -> str:
    """Now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), as ISO 8601 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else int(time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
