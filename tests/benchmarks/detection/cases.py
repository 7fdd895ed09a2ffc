"""What the remedy table asks: cameras whose truth is known, each with a past and windows whose right answer is known.

Written for the footage that SOURCES.md in `../shared/data` describes; what is not there is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

from sentinel_edge.footage.clips import Clip, find_footage
from sentinel_edge.footage.dates import time_of
from sentinel_edge.footage.decoding import VideoReader
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.sabotage.corruptions import KINDS

from .corruptions import CLEAN, CORRUPT_TTA, SABOTEUR, THEIR_KINDS, Damage, corrupt_tta_installed
from .footage import OVERLAYS, Stretch, cut, find_cameras
from .lens import CROPPED, Damaging, faults


class Truth(StrEnum):
    """What is true of a window, and with it what may be called for."""

    ORDINARY = "ordinary"
    NATURAL = "natural change"
    FAULT = "fault"
    STRANGER = "another camera"


@dataclass(frozen=True, slots=True)
class Case:
    """A window and what is true of it.

    Attributes:
        truth: What it is.
        sort: Its row in the table.
        name: Of the window.
        stretches: What it is made of, in order.
        damage: What befell the camera.
        causes: What it may rightly be called; empty where no name is asked for.
    """

    truth: Truth
    sort: str
    name: str
    stretches: tuple[Stretch, ...]
    damage: Damaging = CLEAN
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A baseline and the windows that are judged by it.

    Attributes:
        camera: Its name, and of what the baseline is where there are several.
        fps: Samples a second of video.
        past: What is normal.
        cases: What is judged.
        seen_through: What the past was seen through.
    """

    camera: str
    fps: float
    past: tuple[Stretch, ...]
    cases: tuple[Case, ...]
    seen_through: Damaging = CLEAN


QUICK_KINDS = frozenset({"blur", "occlusion", "low_light", "rain", "wet_window", "turned"})
QUICK_SEVERITY = 2


def questions(data: Path, *, quick: bool = False) -> list[Question]:
    """Every question that the footage in a folder allows; `quick` asks about a few kinds of damage alone."""
    found = [question for name, ask in _KNOWN.items() if (data / name).is_dir() for question in ask(data / name, data)]
    videos = [clip.path for clip in find_footage(data).clips if clip.is_video and clip.path.parent == data]
    found += [question for path in videos for question in _video(path, data)]
    if quick:
        found = [replace(question, cases=tuple(filter(_is_quick, question.cases))) for question in found]
    return _with_strangers(found)


def _is_quick(case: Case) -> bool:
    damage = case.damage
    return damage.severity == 0 or (damage.kind in QUICK_KINDS and damage.severity == QUICK_SEVERITY)


def _damages(
    data: Path, *, theirs: Sequence[int] = (), lens: Sequence[int] = (1, 2, 3)
) -> Iterator[tuple[str, Damaging, tuple[str, ...]]]:
    """Rows, damages and right names: our saboteur's at severity 2 and 3, the lens's and `corrupt-tta`'s as asked."""
    for severity in (2, 3):
        for failing in KINDS:
            damage = Damage(SABOTEUR, str(failing), severity)
            yield f"{SABOTEUR} severity {severity}", damage, tuple(map(str, damage.causes))
    if (data / OVERLAYS).is_dir():
        for fault in faults(data / OVERLAYS):
            if fault.kind != "turned" and fault.severity in lens:
                yield fault.kind, fault, fault.causes
    for severity in theirs if corrupt_tta_installed() else ():
        for kind, known in THEIR_KINDS.items():
            if not known.slow:
                damage = Damage(CORRUPT_TTA, kind, severity)
                yield f"{CORRUPT_TTA} severity {severity}", damage, tuple(map(str, damage.causes))


def _damaged(
    data: Path,
    windows: Sequence[tuple[Stretch, ...]],
    *,
    theirs: Sequence[int] = (),
    theirs_on: int = 1,
    lens: Sequence[int] = (1, 2, 3),
) -> Iterator[Case]:
    for number, stretches in enumerate(windows):
        for sort, damage, causes in _damages(data, theirs=theirs if number < theirs_on else (), lens=lens):
            name = f"{stretches[0].clip.name} {damage}"
            yield Case(Truth.FAULT, sort, name, stretches, damage, causes)


def _turned(question: Question, data: Path, windows: Sequence[tuple[Stretch, ...]]) -> Iterator[Question]:
    """The same camera with a smaller view, sound and turned."""
    if not (data / OVERLAYS).is_dir():
        return
    turns = [fault for fault in faults(data / OVERLAYS) if fault.kind == "turned"]
    cases = [Case(Truth.ORDINARY, "ordinary, smaller view", w[0].clip.name, w, CROPPED) for w in windows]
    cases += [
        Case(Truth.FAULT, "turned", f"{w[0].clip.name} {turn}", w, turn, turn.causes) for w in windows for turn in turns
    ]
    yield replace(question, camera=f"{question.camera}, smaller view", cases=tuple(cases), seen_through=CROPPED)


def _whole(clip: Clip, every: int = 1) -> Stretch:
    return Stretch(replace(clip, files=clip.files[::every]))


def _during(stretch: Stretch, wanted: Callable[[float], bool], name: str) -> Stretch:
    """The pictures of a stretch taken at some hours."""
    clip = stretch.clip
    times = [time_of(path.name) for path in clip.files]
    files = tuple(
        path
        for path, taken in zip(clip.files, times, strict=True)
        if taken is not None and wanted(taken.hour + taken.minute / 60)
    )
    return Stretch(replace(clip, files=files, name=f"{clip.name} {name}"))


def _ordinary(days: Sequence[Stretch], sort: str = "ordinary") -> tuple[Case, ...]:
    return tuple(Case(Truth.ORDINARY, sort, day.clip.name, (day,)) for day in days)


def _natural(days: Sequence[Stretch], sort: str) -> tuple[Case, ...]:
    return tuple(Case(Truth.NATURAL, sort, day.clip.name, (day,)) for day in days)


def _bay(folder: Path, data: Path) -> Iterator[Question]:
    days = [_whole(clip) for clip in find_footage(folder).clips]
    month = {number: [day for day in days if int(day.clip.name[5:7]) == number] for number in range(6, 12)}
    damaged = [(day,) for day in days[31:60:4]]
    cases = _ordinary(days[30:60]) + tuple(_damaged(data, damaged, theirs=(1, 2, 3), theirs_on=3))
    first = Question("bay-webcam, 30 days", DEFAULT_FPS, tuple(days[:30]), cases)
    yield first
    yield from _turned(first, data, damaged[::2])
    damaged = [(day,) for day in days[62:90:7]]
    cases = _ordinary(days[60:90]) + tuple(_damaged(data, damaged))
    yield replace(first, camera="bay-webcam, 60 days", past=tuple(days[:60]), cases=cases)
    autumn = (*month[10][::2], *month[11][::2])
    cases = _natural(autumn, "another season") + tuple(_wet_autumn(data, autumn[::4]))
    yield replace(first, camera="bay-webcam, June", past=tuple(month[6]), cases=cases)


def _wet_autumn(data: Path, days: Sequence[Stretch]) -> Iterator[Case]:
    """What is hardest to tell: a wet window in a season that the baseline has not seen either."""
    for sort, damage, causes in _damages(data):
        if damage.kind == "wet_window":
            for day in days:
                name = f"{day.clip.name} {damage}"
                yield Case(Truth.FAULT, f"{sort}, another season", name, (day,), damage, causes)


def _is_day(hour: float) -> bool:
    return hour >= 13  # UTC, in Nevada


def _is_night(hour: float) -> bool:
    return 4 <= hour < 12


def _site(folder: Path, data: Path) -> Iterator[Question]:
    clips = find_footage(folder).clips
    days = [_whole(clip, 2) for clip in clips]
    thin = [(_whole(clip, 3),) for clip in clips[6:8]]
    ordinary = _ordinary(days[5:])
    ordinary += _ordinary([_during(_whole(clip), _is_day, "by day") for clip in clips[5:]])
    ordinary += _ordinary([_during(_whole(clip), _is_night, "by night") for clip in clips[5:]])
    cases = (*ordinary, *_damaged(data, thin, theirs=(1, 2, 3)))
    site = Question("building-site", DEFAULT_FPS, tuple(days[:5]), cases)
    yield site
    yield from _turned(site, data, thin)
    light = [_during(_whole(clip), _is_day, "by day") for clip in clips]
    dark = [_during(_whole(clip), _is_night, "by night") for clip in clips]
    yield replace(site, camera="building-site, by day", past=tuple(light[:5]), cases=_natural(dark[5:], "night"))
    yield replace(site, camera="building-site, by night", past=tuple(dark[:5]), cases=_natural(light[5:], "day"))


def _checkpoint(folder: Path, data: Path) -> Iterator[Question]:
    days = [_whole(clip) for clip in find_footage(folder).clips]
    mornings = [_during(day, lambda hour: hour < 10, "morning") for day in days]
    evenings = [_during(day, lambda hour: hour >= 16, "evening") for day in days]
    frozen = Case(Truth.FAULT, "frozen, real", "29th", (days[7],), CLEAN, ("frozen",))
    cases = (
        *_ordinary(mornings[5:7]),
        *_natural(evenings[5:7], "evenings"),
        *_damaged(data, [(days[5],)]),
        frozen,
    )
    # A morning has too few pictures for an episode of its own: one clip, to be cut by count.
    early = tuple(path for morning in mornings[:5] for path in morning.clip.files)
    past = Stretch(replace(mornings[0].clip, path=folder, name="mornings", files=early))
    yield Question("checkpoint, mornings", DEFAULT_FPS, (past,), cases)
    cases = (*_ordinary(mornings[6:7]), *_ordinary(evenings[6:7]), *_damaged(data, [(mornings[6],)]), frozen)
    yield Question("checkpoint, all", DEFAULT_FPS, tuple(days[:6]), cases)


SHELF_DAYS = 4
"""Days of three pictures in a window of the shelf."""


def _shelf(folder: Path, data: Path) -> Iterator[Question]:
    (clip,) = find_footage(folder).clips
    dates = sorted({path.name[:10] for path in clip.files})

    def of(first: int) -> Stretch:
        chosen = dates[first : first + SHELF_DAYS]
        files = tuple(path for path in clip.files if path.name[:10] in chosen)
        return Stretch(replace(clip, files=files, name=f"{chosen[0]} to {chosen[-1]}"))

    past = tuple(of(first) for first in range(0, 12, SHELF_DAYS))
    grown = [of(first) for first in range(14, len(dates) - SHELF_DAYS + 1, 2)]
    next_days = [of(12)]
    cases = (*_ordinary(next_days), *_natural(grown, "plants grow"), *_damaged(data, [(next_days[0],)]))
    shelf = Question("shelf", DEFAULT_FPS, past, cases)
    yield shelf
    yield from _turned(shelf, data, [(next_days[0],)])
    later = tuple(of(first) for first in range(8, 28, SHELF_DAYS))
    cases = (*_ordinary([of(28)]), *_damaged(data, [(of(28),)]))
    yield replace(shelf, camera="shelf, grown", past=later, cases=cases)


FIELD_PICTURES = 12
"""Pictures in a window of the weather field: two hours."""


def _field(folder: Path, data: Path) -> Iterator[Question]:
    (clip,) = find_footage(folder).clips
    whole = Stretch(clip)

    def pieces(stretch: Stretch) -> list[Stretch]:
        count = len(stretch.clip.files) // FIELD_PICTURES
        cuts = [cut(stretch, n * FIELD_PICTURES, (n + 1) * FIELD_PICTURES) for n in range(count)]
        names = [piece.clip.files[0].stem.rsplit("_", 1)[-1] for piece in cuts]
        return [
            replace(piece, clip=replace(piece.clip, name=f"{piece.clip.name} from {name}"))
            for piece, name in zip(cuts, names, strict=True)
        ]

    even = Stretch(replace(clip, name="even", files=clip.files[::2]))
    odd = Stretch(replace(clip, name="odd", files=clip.files[1::2]))
    cases = (*_ordinary(pieces(odd)), *_damaged(data, [(pieces(odd)[3],)]))
    yield Question("weather-field", DEFAULT_FPS, tuple(pieces(even)), cases)
    light = pieces(_during(whole, lambda hour: 6 <= hour < 17, "by day"))
    dark = pieces(_during(whole, lambda hour: hour < 5 or hour >= 18, "by night"))
    yield Question("weather-field, by day", DEFAULT_FPS, tuple(light), _natural(dark, "night"))
    yield Question("weather-field, by night", DEFAULT_FPS, tuple(dark), _natural(light, "day"))


VIDEO_SAMPLES = 75
"""Samples of a clean window of a video, about."""
DAMAGED_SAMPLES = 40
"""Samples of a damaged one."""
MAX_WINDOWS = 4


def _video(path: Path, data: Path) -> Iterator[Question]:
    (camera,) = find_cameras(path)
    ((future, _),) = camera.clean
    seconds = _seconds(future)
    count = min(MAX_WINDOWS, max(1, round(seconds * camera.fps / VIDEO_SAMPLES)))
    edges = [future.start + future.length * number // count for number in range(count + 1)]
    windows = [cut(future, start, stop) for start, stop in pairwise(edges)]
    enough = min(future.length, round(future.length * DAMAGED_SAMPLES / (seconds * camera.fps)))
    damaged = (cut(future, future.start, future.start + enough),)
    cases = tuple(
        Case(Truth.ORDINARY, "ordinary, videos", f"{path.name} {number}", (window,))
        for number, window in enumerate(windows, start=1)
    )
    cases += tuple(_damaged(data, [damaged], lens=(2,)))
    question = Question(path.name, camera.fps, camera.past, cases)
    yield question
    yield from _turned(question, data, [damaged])


def _seconds(stretch: Stretch) -> float:
    with VideoReader(stretch.clip.path) as reader:
        return stretch.length / reader.fps


_KNOWN: Mapping[str, Callable[[Path, Path], Iterator[Question]]] = {
    "bay-webcam": _bay,
    "building-site": _site,
    "checkpoint": _checkpoint,
    "shelf": _shelf,
    "weather-field": _field,
}
"""Cameras of pictures, whose truth is told day by day; videos are taken as they come."""


def _with_strangers(found: Sequence[Question]) -> list[Question]:
    """Each camera's baseline is also shown the first ordinary window of every other camera."""
    firsts = {
        question.camera: next((case for case in question.cases if case.truth is Truth.ORDINARY), None)
        for question in found
        if "," not in question.camera or question.camera in ("bay-webcam, 30 days", "checkpoint, all")
    }
    answers = []
    for question in found:
        strangers: tuple[Case, ...] = ()
        if question.camera in firsts:
            strangers = tuple(
                replace(case, truth=Truth.STRANGER, sort=str(Truth.STRANGER), name=f"{camera}: {case.name}")
                for camera, case in firsts.items()
                if case is not None and camera.split(",")[0] != question.camera.split(",")[0]
            )
        answers.append(replace(question, cases=question.cases + strangers))
    return answers
