"""What an episode is: footage cut by day, by hour, by file or by count, and what is too short joined.

Pure: windows in, windows out. Whatever the rule:

-   An episode has at least `MIN_FRAMES` frames. Shorter stretches in a row are joined until they have; what is left of
    them is joined to the episode before it, at the beginning to the one after it.
-   There are at most `MAX_EPISODES`. More are joined evenly, neighbours with neighbours: 144 hours become 20 episodes
    of seven hours or eight.
-   Lengths may differ. No frame is given up to make them equal: every episode keeps its own distribution, and the
    calibration, which takes the median length for the typical one, sees their differences as part of what is normal.

By file and by count, footage is in the order of its names. By day and by hour it is in the order of its times, whatever
the names say: times that run backwards are put right, frames of the same time stay in the order of their names, and
none is dropped. A frame without a time goes with the frame before it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from sentinel_edge.baseline.baseline import MAX_EPISODES
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.dates import capture_times, why_undated
from sentinel_edge.footage.window import Window, join
from sentinel_edge.gates.protocol import MIN_EPISODES, MIN_FRAMES

CUT_EPISODES = 12
"""Episodes one or two long clips are cut into, when they are long enough."""
CUT_FRAMES = 10
"""Frames an episode cut from a clip should have at least."""
EPISODE_LIMIT = 512
"""Embeddings kept of one episode while a baseline is built; a longer one is thinned evenly."""
DATED_SHARE = 0.9
"""Share of frames that must tell their time for footage to be cut by the clock."""


class By(StrEnum):
    """What one episode is."""

    DAY = "day"
    HOUR = "hour"
    FILE = "file"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Rule:
    """How footage becomes episodes.

    Attributes:
        by: What one episode is.
        count: By count: how many episodes; 0 for as many as suit the length, up to `CUT_EPISODES`.
    """

    by: By
    count: int = 0

    @classmethod
    def of(cls, said: "str | int | Rule", least: int = MIN_EPISODES) -> "Rule":
        """The rule that is meant by `day`, `hour`, `file`, or a number of episodes, at least so many.

        Raises:
            SentinelError: It is none of them.
        """
        if isinstance(said, Rule):
            return said
        if said in (By.DAY, By.HOUR, By.FILE):
            return cls(By(str(said)))
        text = str(said)
        count = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else -1
        if isinstance(said, bool) or not least <= count <= MAX_EPISODES:
            raise SentinelError(
                f"episode is {said!r}; expected {By.DAY}, {By.HOUR}, {By.FILE}, or a whole number from {least} to "
                f"{MAX_EPISODES}"
            )
        return cls(By.COUNT, count)

    def __str__(self) -> str:
        return str(self.count or self.by)

    def limit(self, clips: int) -> int:
        """Embeddings to keep of each of so many clips while they are read.

        Enough for `MAX_EPISODES` of `EPISODE_LIMIT` frames, and all clips together keep no more, however many they are
        (but each enough for an episode of its own).
        """
        if self.by is By.COUNT and not self.count:
            return CUT_EPISODES * EPISODE_LIMIT
        share = max(2 * MIN_FRAMES, MAX_EPISODES * EPISODE_LIMIT // max(1, clips))
        return min(EPISODE_LIMIT, share) if self.by is By.FILE else share


@dataclass(frozen=True, slots=True)
class Piece:
    """A named stretch of footage: a clip before it is cut or joined, an episode afterwards; how many were joined."""

    name: str
    window: Window
    joined: int = 1

    @property
    def frames(self) -> int:
        """Frames recorded of it."""
        return len(self.window)


def suitable_rule(clips: Sequence[Clip], root: str) -> Rule:
    """The rule for footage of which nobody said one.

    Three clips or more are an episode each. One or two are cut by day where their names tell of at least three days
    with pictures enough, else by count.
    """
    if len(clips) >= MIN_EPISODES:
        return Rule(By.FILE)
    times = _times(_names(clips), root)
    dated = [time for time in times if time]
    days = Counter(time.date() for time in dated)
    enough = sum(pictures >= MIN_FRAMES for pictures in days.values()) >= MIN_EPISODES
    return Rule(By.DAY if enough and len(dated) >= DATED_SHARE * len(times) else By.COUNT)


def require_suitable(clips: Sequence[Clip], root: str, rule: Rule) -> None:
    """Refuse to cut footage by the clock whose names do not tell the time, before any of it is read.

    Raises:
        SentinelError: How many names do, and one that does not.
    """
    if rule.by in (By.DAY, By.HOUR):
        _clock(_names(clips), root, rule)


def divide(clips: Sequence[Piece], rule: Rule, root: str = "") -> tuple[list[Piece], str]:
    """Make episodes of clips.

    Args:
        clips: In the order of their names.
        rule: What an episode is.
        root: Name of the folder that holds the clips; it may be what tells the date.

    Returns:
        The episodes, and the rule in words: what it is, and how many stretches were joined into how many.

    Raises:
        SentinelError: The names do not tell the time, or there are too few frames for that many episodes.
    """
    if rule.by is By.COUNT:
        return (_cut_evenly(clips, rule.count) if rule.count else _cut_each(clips)), str(rule.by)
    stretches = clips if rule.by is By.FILE else _by_clock(clips, rule, root)
    episodes = _join_short(stretches)
    joined = f", {len(stretches)} joined into {len(episodes)}" if len(stretches) > len(episodes) else ""
    return episodes, f"{rule.by}{joined}"


def _cut_each(clips: Sequence[Piece]) -> list[Piece]:
    """Cut one or two clips into contiguous episodes of nearly equal length, none across both."""
    total = sum(clip.frames for clip in clips)
    wanted = min(CUT_EPISODES, max(MIN_EPISODES, total // CUT_FRAMES))
    episodes: list[Piece] = []
    for clip in clips:
        count = min(max(1, round(wanted * clip.frames / max(1, total))), clip.frames // MIN_FRAMES)
        for number, frames in enumerate(np.array_split(np.arange(clip.frames), count) if count else [], start=1):
            part = clip.window.part(int(frames[0]), int(frames[-1]) + 1)
            episodes.append(Piece(f"{clip.name} {number}/{count}", part))
    return episodes


def _cut_evenly(clips: Sequence[Piece], count: int) -> list[Piece]:
    """Cut all clips, one after the other, into `count` contiguous episodes that stand for nearly as many samples."""
    clips = [clip for clip in clips if clip.frames]
    # A frame of a clip that was thinned stands for more samples than one of a clip that was not.
    weights = np.concatenate([np.zeros(0), *(np.full(c.frames, c.window.samples / c.frames) for c in clips)])
    middles = np.cumsum(weights) - weights / 2
    numbers = np.floor(count * middles / max(1.0, weights.sum()))
    shortest = min(int((numbers == number).sum()) for number in range(count))
    if shortest < MIN_FRAMES:
        raise SentinelError(
            f"{len(weights)} readable samples in {count} episodes would leave one with {shortest}; expected at least "
            f"{MIN_FRAMES} in each: give more footage, a higher --fps, or a smaller --episode"
        )
    episodes = []
    for number in range(count):
        parts, start = [], 0
        for clip in clips:
            inside = np.flatnonzero(numbers[start : start + clip.frames] == number)
            if len(inside):
                parts.append(Piece(clip.name, clip.window.part(int(inside[0]), int(inside[-1]) + 1)))
            start += clip.frames
        whole = _joined(parts)
        episodes.append(Piece(f"{whole.name} {number + 1}/{count}", whole.window))
    return episodes


def _by_clock(clips: Sequence[Piece], rule: Rule, root: str) -> list[Piece]:
    """One stretch a day or an hour, in the order of time."""
    times = np.array(_clock([origin for clip in clips for origin in clip.window.origins], root, rule), "datetime64[us]")
    units = times.astype("datetime64[D]" if rule.by is By.DAY else "datetime64[h]")
    stretches = []
    for unit in np.unique(units):
        parts, own, start = [], [], 0
        for clip in clips:
            inside = units[start : start + clip.frames] == unit
            if inside.any():
                parts.append(clip.window.take(inside))
                own.append(times[start : start + clip.frames][inside])
            start += clip.frames
        order = np.argsort(np.concatenate(own), kind="stable")
        stretches.append(Piece(_unit_name(unit, rule.by), join(parts).take(order)))
    return stretches


def _unit_name(unit: np.datetime64, by: By) -> str:
    return str(unit) if by is By.DAY else f"{str(unit).replace('T', ' ')}h"


def _join_short(pieces: Sequence[Piece]) -> list[Piece]:
    """Neighbours joined where they are too short or there are too many."""
    groups: list[list[Piece]] = []
    short: list[Piece] = []
    for piece in pieces:
        short.append(piece)
        if piece.frames >= MIN_FRAMES and groups:
            groups[-1] += short[:-1]
            short = [piece]
        if sum(one.frames for one in short) >= MIN_FRAMES:
            groups.append(short)
            short = []
    groups = [*groups[:-1], groups[-1] + short] if groups else [short]
    if len(groups) > MAX_EPISODES:
        groups = [
            [piece for position in part for piece in groups[position]]
            for part in np.array_split(np.arange(len(groups)), MAX_EPISODES)
        ]
    return [episode for episode in map(_joined, groups) if episode.frames >= MIN_FRAMES]


def _joined(pieces: Sequence[Piece]) -> Piece:
    first, last = pieces[0], pieces[-1]
    name = first.name if len(pieces) == 1 else f"{first.name} … {last.name}"
    return Piece(name, join([piece.window for piece in pieces]), sum(piece.joined for piece in pieces))


def _clock(origins: Sequence[str], root: str, rule: Rule) -> list[datetime]:
    """The time of each frame; one without goes with the frame before it, at the beginning with the first that has one.

    Raises:
        SentinelError: Too few tell their time.
    """
    times = _times(origins, root)
    dated = [time for time in times if time]
    if not dated or len(dated) < DATED_SHARE * len(times):
        undated = next((origin for origin, time in zip(origins, times, strict=True) if time is None), "nothing")
        why = why_undated(undated)
        raise SentinelError(
            f"--episode {rule} needs names that tell the time, {len(dated)} of {len(times)} do ({undated} does not"
            f"{why and f': {why}'}); "
            "expected names like 2023-06-13T03_11_46.jpg: rename them, or give --episode file or a number"
        )
    last = dated[0]
    filled = []
    for time in times:
        last = time or last
        filled.append(last)
    return filled


def _times(origins: Sequence[str], root: str) -> list[datetime | None]:
    """The times that names tell, the footage's own folder included."""
    return capture_times([f"{root}/{origin}" for origin in origins])


def _names(clips: Sequence[Clip]) -> list[str]:
    """The pictures and videos of clips, named as their frames will be."""
    return [
        name
        for clip in clips
        for name in ([f"{clip.name}@0.0s"] if clip.is_video else [clip.picture_name(path) for path in clip.files])
    ]
