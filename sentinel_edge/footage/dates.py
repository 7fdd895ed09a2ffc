"""When a frame was taken, as far as its name tells: cameras and webcams name pictures by the clock.

Only names are read, never a file's modification time, which a copy does not keep. Read are, with any text around them:

-   a date and the time after it: `2023-06-13T03_11_46`, `cam_20230613_0311`, `Front_00_20230613031146`,
    `Entrance-2009-06-05@225030`, with milliseconds too (`20230613031146123`);
-   a time alone where a folder above names the date: `2023-06-13/03-11-46`, `2020/03/12/Corridor1_01-36-01`,
    `2023-06-13/0311`, `2023-06-13/001/jpg/03/11/46[M][0@0][0]`;
-   seconds or milliseconds since 1970, as the whole name.

Not read, because they could be something else: a date without a time, years of two digits, a day before its month, and
digits without separators behind a word (`2023-06-13/frame_000123` is the 123rd frame, not 00:01:23).

Times are those of the camera's clock, without a time zone (since 1970 means UTC). Where daylight saving repeats an
hour, the two cannot be told apart and count as one, twice as full; where it skips one, nothing happens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH_SECONDS = range(1_104_537_600, 2_000_000_000)
"""2005 to 2033: what counts as seconds since 1970. Outside of it ten digits are a counter or a date."""

_DATE = r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_./]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
_CLOCK = (
    r"(?P<hour>\d\d)(?P<colon>[-_.:hH ]?)(?P<minute>\d\d)"
    r"(?:(?:(?P=colon)|[mM])(?P<second>\d\d)(?P<fraction>\d{3}|\d{6})?)?"
)
_FOLDER_DATE = re.compile(rf"{_DATE}(?!\d)")
_STAMP = re.compile(rf"{_DATE}(?P<gap>[Tt_ .@-]{{0,3}}){_CLOCK}(?!\d)")
_TIME_ALONE = re.compile(_CLOCK)
_TIME_AMONG_WORDS = re.compile(
    r"(?<![\d.])(?P<hour>\d\d)(?P<colon>[-_.:])(?P<minute>\d\d)(?P=colon)(?P<second>\d\d)(?!\d|\.\d)"
)
_TIME_IN_FOLDERS = re.compile(r"(?:^|/)(?P<hour>\d\d)/(?P<minute>\d\d)/(?P<second>\d\d)\[[^/]*$")
_EPOCH = re.compile(r"(\d{10})(?:[._]\d{1,9})?|(\d{10})\d{3}")
_IN_VIDEO = re.compile(r"@(\d+\.\d+)s$")


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a name seems to say: the time, None where there is no such time; `weak` where it could be a counter."""

    time: datetime | None
    weak: bool


def time_of(origin: str) -> datetime | None:
    """The time a frame was taken, without a time zone; None where its name does not tell.

    Args:
        origin: The picture's name with the folders above it, or a video's name, `@` and the seconds in it; the video's
            name then tells when it starts.
    """
    reading = _read(origin)
    return reading.time if reading else None


def capture_times(origins: Sequence[str]) -> list[datetime | None]:
    """`time_of` for the frames of one footage, which together tell more than one by one.

    Four or six digits could be a time or a counter. They are believed where all such names of a folder are times: a
    counter soon reaches 60. (One that does not yet, in a folder or behind a date, gives the right day all the same.)
    """
    readings = [_read(origin) for origin in origins]
    folders = [origin.rpartition("/")[0] for origin in origins]
    counted = {
        folder
        for folder, reading in zip(folders, readings, strict=True)
        if reading and reading.weak and reading.time is None
    }
    return [
        reading.time if reading and not (reading.weak and folder in counted) else None
        for folder, reading in zip(folders, readings, strict=True)
    ]


def _read(origin: str) -> _Reading | None:
    """What the name seems to say, None where it says nothing of time."""
    inside = _IN_VIDEO.search(origin)
    path = _IN_VIDEO.sub("", origin)
    folder, _, name = path.rpartition("/")
    stem = re.sub(r"\.[A-Za-z]\w*$", "", name)
    reading = _read_stamp(stem) or _read_epoch(stem) or _read_time_in_dated_folder(folder, stem)
    if inside and reading and reading.time:
        return _Reading(reading.time + timedelta(seconds=float(inside[1])), reading.weak)
    return reading


def _read_stamp(stem: str) -> _Reading | None:
    readings = [_reading(found, found, glued=not found["gap"]) for found in _STAMP.finditer(stem)]
    return next((reading for reading in readings if reading.time), readings[0] if readings else None)


def _read_epoch(stem: str) -> _Reading | None:
    found = _EPOCH.fullmatch(stem)
    seconds = int(found[1] or found[2]) if found else 0
    if seconds not in EPOCH_SECONDS:
        return None
    return _Reading(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None), weak=False)


def _read_time_in_dated_folder(folder: str, stem: str) -> _Reading | None:
    dates = list(_FOLDER_DATE.finditer(folder))
    clock = _TIME_ALONE.fullmatch(stem) or _TIME_AMONG_WORDS.search(stem) or _TIME_IN_FOLDERS.search(f"{folder}/{stem}")
    return _reading(dates[-1], clock, glued=False) if dates and clock else None


def _reading(date: re.Match[str], clock: re.Match[str], *, glued: bool) -> _Reading:
    """The time two matches say; six digits are strong only when glued to eight of a date."""
    told = clock.groupdict()
    separated = told.get("colon") != ""
    weak = told["second"] is None or not (separated or glued)
    try:
        time = datetime(
            int(date["year"]),
            int(date["month"]),
            int(date["day"]),
            int(told["hour"]),
            int(told["minute"]),
            int(told["second"] or 0),
            int((told.get("fraction") or "").ljust(6, "0")),
        )
    except ValueError:
        return _Reading(None, weak)
    return _Reading(time, weak)
