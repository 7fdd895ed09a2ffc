"""Cameras, each cut into a past to learn from and a future to judge.

A folder of footage holds one entry a camera: a video; a folder of pictures; or a folder of either, where each
sub-folder or video is a day. Of a video or a single picture folder the first 60 % are the past; of days, all but the
last third. An optional `failures.json` beside them tells of failures the footage itself holds; see `Failure`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, find_footage
from sentinel_edge.footage.decoding import Unreadable, VideoReader
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.footage.window import Window
from sentinel_edge.gates.protocol import MIN_EPISODES, MIN_FRAMES

PAST_SHARE = 0.6
FUTURE_SHARE = 1 / 3
"""Of days: the share that is judged, the last ones."""
SABOTAGED_DAYS = 2
"""Days of the future that are also judged damaged; the clean ones cost little, the damaged ones do not."""
NATIVE_LIMIT = 9000
"""Frames of a video that count, five minutes at 30 a second: the future is decoded once for every damage."""
HOURS = 4
NOON = 12
FAILURES_FILE = "failures.json"
OVERLAYS = "lens-overlays"
"""The folder beside the cameras that holds no camera, but what is laid over their pictures."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a clip: of a video the native frames from `start` up to `stop`; of pictures, all the clip lists."""

    clip: Clip
    start: int = 0
    stop: int = 0

    @property
    def length(self) -> int:
        """Native frames, or pictures."""
        return self.stop - self.start if self.clip.is_video else len(self.clip.files)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of a stretch a window is: all of it, one half, or four hours of the day.

    Attributes:
        sort: "whole", "half" or "hours".
        number: Which half (0, 1), or the hour it starts at.
    """

    sort: str = "whole"
    number: int = 0

    def __str__(self) -> str:
        if self.sort == "hours":
            return f"{self.number:02}-{self.number + HOURS:02} h"
        return f"half {self.number + 1}" if self.sort == "half" else self.sort

    def of(self, window: Window) -> NDArray[np.bool_]:
        """Which frames of the stretch's window belong to this part: bool (n,)."""
        count = len(window.origins)
        if self.sort == "half":
            return np.asarray((np.arange(count) * 2 >= count) == bool(self.number), np.bool_)
        if self.sort == "hours":
            hours = (hour_of(origin) for origin in window.origins)
            return np.array([hour is not None and 0 <= hour - self.number < HOURS for hour in hours], np.bool_)
        return np.ones(count, np.bool_)


WHOLE = Part()
HALVES = (Part("half", 0), Part("half", 1))
DAY_PARTS = tuple(Part("hours", hour) for hour in range(0, 24, HOURS))


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that really went wrong, as `failures.json` tells it.

    `[{"camera": "tree.avi", "what": "a hand", "cause": "occlusion", "from_frame": 366},
    {"camera": "phone.mp4", "what": "starved encoder", "cause": "compression", "footage": "phone-bad.mp4"}]`

    With `from_frame` the camera's own footage fails from that native frame on, and nothing from there counts as
    clean. With `footage` another entry of the folder, no camera by itself then, is judged against this camera.
    """

    camera: str
    what: str
    cause: str
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera: its past, its future, and the windows of it.

    Attributes:
        name: As its entry in the folder.
        fps: Samples a second of video: the runtime's default, or every frame of a past too short for that.
        past: In order of time.
        clean: Stretches of the future and the parts of them that are judged as they are.
        sabotaged: The same for damaged copies.
        failures: Stretches where it really failed.
    """

    name: str
    fps: float
    past: tuple[Stretch, ...]
    clean: tuple[tuple[Stretch, tuple[Part, ...]], ...]
    sabotaged: tuple[tuple[Stretch, tuple[Part, ...]], ...]
    failures: tuple[Failure, ...] = ()


def find_cameras(folder: Path) -> list[Camera]:
    """Walk a folder of footage.

    Raises:
        SentinelError: There is no footage, or `failures.json` does not fit it.
    """
    entries = {
        name: list(clips)
        for name, clips in groupby(find_footage(folder).clips, key=lambda clip: _entry(clip, folder))
        if name != OVERLAYS
    }
    told = _told(folder)
    others = {entry["footage"] for entry in told if "footage" in entry}
    for entry in told:
        for name in {entry["camera"], entry.get("footage", entry["camera"])} - set(entries):
            raise SentinelError(f"{folder / FAILURES_FILE} names {name}; expected one of {', '.join(entries)}")
    cameras = []
    for name, clips in entries.items():
        if name not in others:
            own = [entry for entry in told if entry["camera"] == name]
            cameras.append(_camera(name, clips, own, entries))
    return cameras


def hour_of(name: str) -> float | None:
    """The time of day in the name of a dated picture (`…T18_28_56.jpg`, `…_1828.png`), in hours; None without one."""
    stem = re.sub(r"\.\w+$", "", name.rsplit("/", 1)[-1])
    found = re.findall(r"(?<!\d)([01]\d|2[0-3])[-_:.h]?([0-5]\d)(?:[-_:.m]?([0-5]\d))?(?!\d)", stem)
    if not found:
        return None
    hours, minutes, seconds = found[-1]
    return int(hours) + int(minutes) / 60 + int(seconds or 0) / 3600


def _entry(clip: Clip, folder: Path) -> str:
    return folder.resolve().name if clip.name == "." else clip.name.split("/")[0]


def _told(folder: Path) -> list[dict[str, str]]:
    path = folder / FAILURES_FILE
    return list(json.loads(path.read_text())) if path.exists() else []


def _camera(name: str, clips: list[Clip], told: list[dict[str, str]], entries: dict[str, list[Clip]]) -> Camera:
    failures = [
        Failure(name, entry["what"], entry["cause"], _all_of(entries[entry["footage"]][0]))
        for entry in told
        if "footage" in entry
    ]
    if len(clips) > 2:
        days = [_all_of(clip) for clip in clips]
        future = days[len(days) - max(1, int(len(days) * FUTURE_SHARE)) :]
        return Camera(
            name,
            DEFAULT_FPS,
            past=tuple(days[: -len(future)]),
            clean=tuple((day, _parts(day, DAY_PARTS)) for day in future),
            sabotaged=tuple((day, _parts(day, (Part("hours", NOON),))) for day in future[:SABOTAGED_DAYS]),
            failures=tuple(failures),
        )
    whole = _all_of(clips[0])
    end = whole.length
    for entry in told:
        if "from_frame" in entry:
            begin = int(entry["from_frame"])
            failures.append(Failure(name, entry["what"], entry["cause"], cut(whole, begin, whole.length)))
            end = min(end, begin)
    split = int(end * PAST_SHARE)
    future = [cut(whole, split, end)]
    windows = tuple((stretch, (WHOLE, *HALVES)) for stretch in future)
    past = cut(whole, 0, split)
    return Camera(name, _rate(past), (past,), windows, windows, tuple(failures))


def cut(stretch: Stretch, start: int, stop: int) -> Stretch:
    """Native frames or pictures `start` up to `stop` of a whole stretch."""
    clip = stretch.clip
    if clip.is_video:
        return Stretch(clip, start, stop)
    return Stretch(Clip(clip.path, clip.name, clip.files[start:stop]))


def _rate(past: Stretch) -> float:
    """The runtime's default, or the video's own rate where the default gives too few samples for any baseline."""
    if past.clip.is_video:
        with VideoReader(past.clip.path) as reader:
            sampled = {int(reader.seconds * DEFAULT_FPS) for _ in islice(_steps(reader), past.length)}
            if len(sampled) < MIN_EPISODES * MIN_FRAMES:
                return max(DEFAULT_FPS, reader.fps)
    return DEFAULT_FPS


def _parts(day: Stretch, dated: tuple[Part, ...]) -> tuple[Part, ...]:
    """The whole day, and parts of it by the clock where the pictures tell the time."""
    timed = not day.clip.is_video and all(hour_of(path.name) is not None for path in day.clip.files)
    return (WHOLE, *dated) if timed else (WHOLE,)


def _all_of(clip: Clip) -> Stretch:
    return Stretch(clip, 0, _count(clip) if clip.is_video else 0)


def _count(clip: Clip) -> int:
    """Native frames of a video, counted: what a container promises is not to be relied on."""
    try:
        with VideoReader(clip.path) as reader:
            return sum(1 for _ in islice(_steps(reader), NATIVE_LIMIT))
    except Unreadable as finding:
        raise SentinelError(f"{clip.path}: {finding.reason}; take it out of the folder") from finding


def _steps(reader: VideoReader) -> Iterator[bool]:
    return iter(reader.advance, False)
