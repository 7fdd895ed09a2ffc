"""What a window can hide: damage that averages, medians and sampling do not see, end to end.

Every camera's past becomes a baseline, and its future is handed to the real check frame by frame, at native rate: as it
came, cut in parts, and in every way below. Damage in turns hides from a sampling of the same period, damage in parts
from a median over the window, and footage that was seen before is the best there is for any judge of likeness. Nothing
is exchanged: the frames go through the reader as a program's own do (`footage.given`), by all gates.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.given import GivenFrames
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.sabotage.corruptions import Frame
from sentinel_edge.verdict.verdict import Status, Verdict

from ..tables import Finding, Result
from .footage import NATIVE_LIMIT, PAST_SHARE, Camera

CAMERAS = 5
"""Those with the longest pasts: of three episodes there is little that could be known."""
GREY = 3.0
"""Grey levels between red and blue below which nobody sees that they were exchanged."""
LINES = 360
"""Higher pictures are scaled down to this: the frames of one camera are held in memory."""
MOST_FRAMES = 1500
"""Native frames of a camera, so that one long video does not take the time of all others."""
DRIFT_PIXELS = 25
CLEAN = "as it came"
PARTS = {CLEAN: (0, 1), "first half": (0, 1 / 2), "second half": (1 / 2, 1), "middle half": (1 / 4, 3 / 4)}
"""Ordinary windows, as shares of the future."""

Frames = Sequence[Frame]


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """One camera's footage, uint8 (h, w, 3) each, of one size.

    Attributes:
        name: The camera's.
        step: Seconds from one native frame to the next.
        fps: Samples a second.
        past: What the baseline is made of.
        now: What is checked.
        other: Another camera's, as many as `now`.
    """

    name: str
    step: float
    fps: float
    past: Frames
    now: Frames
    other: Frames

    @property
    def yesterday(self) -> Frames:
        """As many frames of the past as there are now, from its middle."""
        count = min(len(self.now), len(self.past) * 2 // 3)
        start = (len(self.past) - count) // 2
        return self.past[start : start + count]


def _black(frame: Frame) -> Frame:
    return np.zeros_like(frame)


def _covered(frame: Frame) -> Frame:
    covered = frame.copy()
    covered[:, : frame.shape[1] // 2] = 40
    return covered


def _mirrored(frame: Frame) -> Frame:
    return np.ascontiguousarray(frame[:, ::-1])


def _swapped(frame: Frame) -> Frame:
    return np.ascontiguousarray(frame[:, :, ::-1])


def _blurred(frame: Frame) -> Frame:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), 4.0 * frame.shape[0] / 480), np.uint8)


def _drifted(frame: Frame, pixels: float) -> Frame:
    height, width = frame.shape[:2]
    by = np.array([[1, 0, pixels], [0, 1, 0]], np.float64)
    return np.asarray(cv2.warpAffine(frame, by, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _where(share: tuple[float, float], count: int, number: int) -> bool:
    return share[0] * count <= number < share[1] * count


def _partly(how: str, material: Material, where: Callable[[int], bool]) -> Iterator[Frame]:
    """The damaged frame where it is damaged, else the sound one."""
    return (_damaged(how, material, number) if where(number) else now for number, now in enumerate(material.now))


def _damaged(how: str, material: Material, number: int) -> Frame:
    changes = {"black": _black, "covered": _covered, "mirrored": _mirrored, "swapped": _swapped, "blurred": _blurred}
    return material.other[number] if how == "another camera" else changes[how](material.now[number])


TURNS = {"every second": 2, "every fourth": 4}
STRETCHES = {
    "the last quarter": (3 / 4, 1.0),
    "the first quarter": (0.0, 1 / 4),
    "the middle 40 %": (0.3, 0.7),
    "the last 40 %": (0.6, 1.0),
    "the last half": (1 / 2, 1.0),
}


def _frozen(frames: Frames, where: Callable[[int], bool]) -> Iterator[Frame]:
    """The frame before it again, where it is frozen."""
    last = frames[0]
    for number, frame in enumerate(frames):
        last = last if where(number) else frame
        yield last


def _in_turns(how: str, turn: str) -> Callable[[Material], Iterator[Frame]]:
    every = TURNS[turn]

    def hit(number: int) -> bool:
        return number % every == every - 1

    if how == "frozen":
        return lambda one: _frozen(one.now, hit)
    return lambda one: _partly(how, one, hit)


def _in_part(how: str, part: str) -> Callable[[Material], Iterator[Frame]]:
    share = STRETCHES[part]
    if how == "frozen":
        return lambda one: _frozen(one.now, lambda number: _where(share, len(one.now), number))
    return lambda one: _partly(how, one, lambda number: _where(share, len(one.now), number))


def _drifting(one: Material) -> Iterator[Frame]:
    last = max(1, len(one.now) - 1)
    return (_drifted(frame, DRIFT_PIXELS * number / last) for number, frame in enumerate(one.now))


def _looped(frames: Frames, share: float, count: int) -> Iterator[Frame]:
    length = max(1, int(len(frames) * share))
    return (frames[number % length] for number in range(count))


def _shuffled(one: Material) -> Iterator[Frame]:
    return (one.now[number] for number in np.random.default_rng(0).permutation(len(one.now)))


HONEST_REPLAY = "yesterday again"
"""What alone may pass, if it is named."""

KINDS: Mapping[str, Callable[[Material], Iterator[Frame]]] = {
    **{
        f"{turn} frame {how}": _in_turns(how, turn)
        for turn in TURNS
        for how in ("black", "covered", "mirrored", "frozen", "another camera", "swapped")
    },
    **{
        f"{part} {how}": _in_part(how, part)
        for how, part in (
            ("black", "the last quarter"),
            ("covered", "the last 40 %"),
            ("covered", "the middle 40 %"),
            ("mirrored", "the last half"),
            ("mirrored", "the first quarter"),
            ("frozen", "the last quarter"),
            ("another camera", "the last quarter"),
            ("swapped", "the last 40 %"),
            ("blurred", "the last 40 %"),
        )
    },
    f"drifting by {DRIFT_PIXELS} pixels": _drifting,
    "the first quarter looped": lambda one: _looped(one.now, 1 / 4, len(one.now)),
    "shuffled": _shuffled,
    "time-lapse, four times as fast": lambda one: iter(one.now[::4]),
    "half speed, every frame twice": lambda one: (frame for frame in one.now for _ in range(2)),
    "reversed": lambda one: reversed(one.now),
    HONEST_REPLAY: lambda one: iter(one.yesterday),
    "yesterday reversed": lambda one: reversed(one.yesterday),
    "yesterday's first third looped": lambda one: _looped(one.yesterday, 1 / 3, len(one.now)),
    "yesterday, every frame re-encoded": lambda one: map(_encoded, one.yesterday),
}
"""Thirty-one of them, by what a person would say."""

ORDER = ("time-lapse, four times as fast", "reversed")
"""What is wrong with these is their order or speed alone: held to it only where the performance gate judged."""


def _encoded(frame: Frame) -> Frame:
    """As another encoder would store it."""
    _, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR), np.uint8)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a check said of a window."""

    camera: str
    kind: str
    verdict: Verdict

    @property
    def told(self) -> str:
        """In a cell."""
        first = next((str(cause.kind) for cause in self.verdict.causes), "")
        return f"{self.verdict.status} {first}".strip()

    @property
    def order_judged(self) -> bool:
        """Whether a gate judged that looks at the order of frames."""
        return self.gates.get("performance") is not None

    @property
    def gates(self) -> dict[str, float | None]:
        """Each gate's score in units of its threshold; None where it did not judge."""
        return {
            name: None if gate.score is None else round(gate.score / gate.threshold, 3)
            for name, gate in self.verdict.gates.items()
        }


def read_materials(cameras: Sequence[Camera]) -> Iterator[Material]:
    """The video cameras' frames, one camera at a time; each is given the next one's as another's."""
    videos = [camera for camera in cameras if camera.past[0].clip.is_video and len(camera.past) == 1]
    videos = sorted(videos, key=_samples, reverse=True)[:CAMERAS]
    if len(videos) < 2:
        return
    for number, camera in enumerate(videos):
        frames, step = _frames(camera)
        split = int(len(frames) * PAST_SHARE)
        now = frames[split:]
        foreign, _ = _frames(videos[(number + 1) % len(videos)])
        size = frames[0].shape[1::-1]
        other = [np.asarray(cv2.resize(foreign[at % len(foreign)], size), np.uint8) for at in range(len(now))]
        yield Material(camera.name, step, camera.fps, frames[:split], now, other)


def _samples(camera: Camera) -> float:
    """About how many samples its past gives."""
    with VideoReader(camera.past[0].clip.path) as reader:
        return min(camera.past[0].length, MOST_FRAMES * PAST_SHARE) / reader.fps * camera.fps


def _frames(camera: Camera) -> tuple[list[Frame], float]:
    """A camera's frames, and the seconds between them."""
    with VideoReader(camera.past[0].clip.path) as reader:
        found = [_small(frame) for _, frame in islice(reader, min(MOST_FRAMES, NATIVE_LIMIT))]
        return found, 1.0 / reader.fps


def _small(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    if height <= LINES:
        return frame
    return np.asarray(cv2.resize(frame, (round(width * LINES / height), LINES), interpolation=cv2.INTER_AREA), np.uint8)


def _footage(name: str, frames: Iterator[Frame], step: float) -> Footage:
    timed = ((number * step, frame) for number, frame in enumerate(frames))
    return Footage(Path(name), (GivenFrames.of(name, timed, timed=True),), ())


def see(material: Material, embedder: Embedder, kinds: Sequence[str] = tuple(KINDS)) -> Iterator[Seen]:
    """Check one camera's future as it came, in parts, and in every way of hiding something.

    Raises:
        SentinelError: Its past makes no baseline.
    """
    models = Models(embedder, lambda: watched_interpolator(Watched.CHAMPION))
    past = _footage(material.name, iter(material.past), material.step)
    baseline, _ = build_baseline(past, models, fps=material.fps)
    for part, (start, stop) in PARTS.items():
        chosen = material.now[int(start * len(material.now)) : int(stop * len(material.now))]
        yield Seen(material.name, part, _check(material, iter(chosen), baseline))
    some = np.stack(material.now[:: max(1, len(material.now) // 8)])[..., ::2].astype(int)
    grey = np.median(np.abs(np.diff(some))) < GREY
    for kind in kinds:
        if grey and kind.endswith("swapped"):
            continue
        yield Seen(material.name, kind, _check(material, KINDS[kind](material), baseline))


def _check(material: Material, frames: Iterator[Frame], baseline: Baseline) -> Verdict:
    return check(CheckOptions(lambda: _footage(material.name, frames, material.step), baseline))


def evasions(cameras: Sequence[Camera], embedder: Embedder, progress: Callable[[str], None]) -> Result:
    """The table of kinds and cameras."""
    seen: list[Seen] = []
    for material in read_materials(cameras):
        progress(f"{material.name}, what a window can hide")
        try:
            seen += see(material, embedder)
        except SentinelError as refusal:
            progress(f"{material.name} left out: {refusal}")
    return tabulated(seen)


def tabulated(seen: Sequence[Seen]) -> Result:
    """What was seen, a row a kind, and what of it is held against a target."""
    names = tuple(dict.fromkeys(one.camera for one in seen))
    found = {(one.kind, one.camera): one for one in seen}
    kinds = tuple(dict.fromkeys(one.kind for one in seen))
    rows: list[tuple[str, ...]] = [
        (kind, *(found[kind, name].told if (kind, name) in found else "" for name in names)) for kind in kinds
    ]
    clean = [one for one in seen if one.kind in PARTS]
    held = [one for one in seen if one.kind not in PARTS and (one.kind not in ORDER or one.order_judged)]
    passed = [one for one in held if one.verdict.status is Status.PASS]
    replays = [one for one in seen if one.kind == HONEST_REPLAY]
    unnamed = [one for one in replays if Cause.REPLAYED not in [cause.kind for cause in one.verdict.causes]]
    alarms = [one for one in clean if one.verdict.status is Status.FAIL]
    return Result(
        "evasions",
        "What a window can hide",
        f"Each video's past ({PAST_SHARE:.0%}) is the baseline, its future is checked as it came, in parts, and as "
        f"each row says; ordinary windows are the first {len(PARTS)} rows. Order and speed are held to account where "
        "the performance gate judged. Of a grey picture nobody sees that red and blue were exchanged: left out.",
        ("window", *names),
        rows,
        {
            name: {
                one.kind: {
                    "status": str(one.verdict.status),
                    "causes": [str(cause.kind) for cause in one.verdict.causes],
                    "gates": one.gates,
                }
                for one in seen
                if one.camera == name
            }
            for name in names
        },
        [
            Finding("evasions that pass", f"{len(passed)} of {len(held)}", len(passed), 0),
            Finding("replays at native order that are not named", f"{len(unnamed)} of {len(replays)}", len(unnamed), 0),
            Finding("ordinary windows called FAIL beside them", f"{len(alarms)} of {len(clean)}", len(alarms), 0),
        ],
    )
