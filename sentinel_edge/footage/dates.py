"""When a frame was taken, as far as its name tells: cameras and webcams name pictures by the clock.

Only names are read, never a file's modification time, which a copy does not keep. Read are, with any text around them:

-   a date and the time after it: `2023-06-13T03_11_46`, `cam_20230613_0311`, `Front_00_20230613031146`,
    `Entrance-2009-06-05@225030`, with milliseconds too (`20230613031146123`), and with AM or PM
    (`2023-06-13 at 3.11.46 PM`; before them the month may come first, as UniFi has it: `6-13-2023, 3.11.46 PM`);
-   a time alone where a folder above names the date: `2023-06-13/03-11-46`, `2020/03/12/Corridor1_01-36-01`,
    `2023-06-13/0311`, `2023-06-13/001/jpg/03/11/46[M][0@0][0]`;
-   minute and second alone where the folder below that date names the hour: `2023-06-13/03/front/11.46` (Frigate),
    `2023/06/13/03/11-46`, `2023061303/11M46S_1686625906` (Xiaomi), `2023Y06M13D03H/11M46S00` (Yi);
-   seconds or milliseconds since 1970, from 2005 on: `1686625906.123456-front`, `1486000000123_1486000002123_1`.

Not read, because they could be something else: a date without a time or without a year, years of two digits, a day
before its month, and digits without separators behind a word (`2023-06-13/frame_000123` is the 123rd frame, not
00:01:23); and no day of 1970, which is that of a clock that was reset.

Times are those of the camera's clock, without a time zone (since 1970 means UTC). Where daylight saving repeats an
hour, the two cannot be told apart and count as one, twice as full; where it skips one, nothing happens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

EPOCH_SECONDS = range(1_104_537_600, 2_000_000_000)
"""2005 to 2033: what counts as seconds since 1970. Outside of it ten digits are a counter or a date."""

RESET_YEAR = 1970
"""Where a camera's clock begins when it has forgotten the time."""
HOURS_MINUTES = 8
"""So many names of two numbers below a folder of two digits, none of which begins with more than 23, may as well be
hours and minutes: then neither is believed."""

_DATE = r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<mark>[-_./]?)(?P<month>\d\d)(?P=mark)(?P<day>\d\d)"
_HALF = r"[ _.\u202f\xa0-]?(?P<half>[AaPp])\.?[Mm](?![A-Za-z])"
_CLOCK = (
    rf"(?P<hour>\d\d|\d(?=[-_.:]\d\d(?:[-_.:]\d\d)?{_HALF.replace('?P<half>', '?:')}))"
    r"(?P<colon>[-_.:hH ]?)(?P<minute>\d\d)"
    rf"(?:(?:(?P=colon)|[mM])(?P<second>\d\d)(?P<fraction>\d{{3}}|\d{{6}})?)?(?:{_HALF})?"
)
_FOLDER_DATE = re.compile(rf"{_DATE}(?!\d)")
_STAMP = re.compile(rf"{_DATE}(?P<gap> at |[Tt_ .@-]{{0,3}}){_CLOCK}(?!\d)")
_MONTH_FIRST = re.compile(
    rf"(?<!\d)(?P<month>\d{{1,2}})-(?P<day>\d{{1,2}})-(?P<year>20\d\d),? {_CLOCK.removesuffix('?')}(?!\d)"
)
_TIME_ALONE = re.compile(_CLOCK)
_TIME_AMONG_WORDS = re.compile(
    rf"(?<![\d.])(?P<hour>\d\d)(?P<colon>[-_.:])(?P<minute>\d\d)(?P=colon)(?P<second>\d\d)(?:{_HALF})?(?!\d|\.\d)"
)
_TIME_IN_FOLDERS = re.compile(r"(?:^|/)(?P<hour>\d\d)/(?P<minute>\d\d)/(?P<second>\d\d)\[[^/]*$")
_HOUR_FOLDER = re.compile(r"/(?P<hour>[01]\d|2[0-3])(?:/|$)")
_MINUTE_SECOND = re.compile(r"(?P<minute>\d\d)(?P<colon>[-_.:])(?P<second>\d\d)")
_DATED_HOUR = re.compile(r"(?:^|/)(?P<year>20\d\d)(?P<colon>Y?)(?P<month>\d\d)M?(?P<day>\d\d)D?(?P<hour>\d\d)H?(?:/|$)")
_MARKED_MINUTE = re.compile(r"(?:^|_)(?P<minute>\d\d)M(?P<second>\d\d)S(?:$|[_\d])")
_EPOCH = re.compile(r"(?<![\d.])(?:(\d{10})(?:[._]\d{1,9})?|(\d{10})\d{3})(?!\d)")
_WITHOUT_YEAR = re.compile(r"(?<!\d)(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])[T_ .@-]{1,3}[0-2]\d[-_.:hH]?[0-5]\d")
_IN_VIDEO = re.compile(r"@(\d+\.\d+)s$")


class _Doubt(Enum):
    """Why a time could be something else; what the other names of the folder say decides."""

    COUNTER = auto()
    HOUR_AND_MINUTE = auto()
    SERIAL_NUMBER = auto()


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a name seems to say: the time, None where there is no such time, and what could be meant instead.

    `inside` is how far into a video named like that a frame is.
    """

    time: datetime | None
    doubt: _Doubt | None = None
    inside: timedelta = timedelta()

    @property
    def taken(self) -> datetime | None:
        """The time of the frame."""
        return self.time + self.inside if self.time else None


def time_of(origin: str) -> datetime | None:
    """The time a frame was taken, without a time zone; None where its name does not tell.

    Args:
        origin: The picture's name with the folders above it, or a video's name, `@` and the seconds in it; the video's
            name then tells when it starts.
    """
    reading = _read(origin)
    return reading.taken if reading else None


def capture_times(origins: Sequence[str]) -> list[datetime | None]:
    """`time_of` for the frames of one footage, which together tell more than one by one.

    Four or six digits could be a time or a counter. They are believed where all such names of a folder are times: a
    counter soon reaches 60. (One that does not yet, in a folder or behind a date, gives the right day all the same.)
    Two numbers below an hour could be an hour and a minute below a camera's number (see `HOURS_MINUTES`), and ten
    digits that are the same in every name are no time.
    """
    readings = [_read(origin) for origin in origins]
    folders = [origin.rpartition("/")[0] for origin in origins]
    counted = {
        folder
        for folder, reading in zip(folders, readings, strict=True)
        if reading and reading.doubt is _Doubt.COUNTER and reading.time is None
    }
    doubted = set()
    minutes = [one.time.minute for one in readings if one and one.time and one.doubt is _Doubt.HOUR_AND_MINUTE]
    if len(minutes) >= HOURS_MINUTES and max(minutes) < 24:
        doubted.add(_Doubt.HOUR_AND_MINUTE)
    serials = {
        (_IN_VIDEO.sub("", origin), one.time)
        for origin, one in zip(origins, readings, strict=True)
        if one and one.doubt is _Doubt.SERIAL_NUMBER
    }
    if len(serials) > 1 == len({time for _, time in serials}):
        doubted.add(_Doubt.SERIAL_NUMBER)
    return [
        reading.taken
        if reading and reading.doubt not in doubted and not (reading.doubt is _Doubt.COUNTER and folder in counted)
        else None
        for folder, reading in zip(folders, readings, strict=True)
    ]


def how_read(origins: Sequence[str]) -> tuple[str, str]:
    """How the names of one footage were read, in a few words, for whoever can tell whether that is right.

    Returns:
        One name with the time it was taken to tell; and how many seem to tell one but do not, one of them, and why.
        Each empty where there is none.
    """
    times = capture_times(origins)
    dated = next(((origin, time) for origin, time in zip(origins, times, strict=True) if time), None)
    undated = [origin for origin, time in zip(origins, times, strict=True) if not time]
    example, why = next(((one, why) for one in undated if (why := why_undated(one))), ("", ""))
    return (
        f"{dated[0]} read as {dated[1]:%Y-%m-%d %H:%M:%S}" if dated else "",
        f"{len(undated)} of {len(origins)} names tell no time ({example}: {why})" if why else "",
    )


def why_undated(origin: str) -> str:
    """Why a name tells no time although it seems to; empty where it does not seem to."""
    reading = _read(origin)
    if reading is None:
        return "no year" if _WITHOUT_YEAR.search(origin.rpartition("/")[2]) else ""
    if reading.time:
        return "it could be something else"
    return "the clock was reset" if str(RESET_YEAR) in origin else "there is no such time"


def _read(origin: str) -> _Reading | None:
    """What the name seems to say, None where it says nothing of time."""
    inside = _IN_VIDEO.search(origin)
    folder, _, name = _IN_VIDEO.sub("", origin).rpartition("/")
    stem = re.sub(r"\.[A-Za-z]\w*$", "", name)
    reading = (
        _read_stamp(stem)
        or _read_below_hour(folder, stem)
        or _read_time_in_dated_folder(folder, stem)
        or _read_epoch(stem)
    )
    return replace(reading, inside=timedelta(seconds=float(inside[1]))) if inside and reading else reading


def _read_stamp(stem: str) -> _Reading | None:
    found = [*_STAMP.finditer(stem), *_MONTH_FIRST.finditer(stem)]
    readings = [_reading({**one.groupdict()}, glued=one.groupdict().get("gap") == "") for one in found]
    return next((reading for reading in readings if reading.time), readings[0] if readings else None)


def _read_below_hour(folder: str, stem: str) -> _Reading | None:
    """Minute and second below a folder that tells the hour."""
    hour, minute = _DATED_HOUR.search(folder), _MARKED_MINUTE.search(stem)
    if hour and minute:
        return _reading({**hour.groupdict(), **minute.groupdict(), "colon": ":"})
    date = next(reversed(list(_FOLDER_DATE.finditer(folder))), None)
    hour = _HOUR_FOLDER.match(folder, date.end()) if date else None
    minute = _MINUTE_SECOND.fullmatch(stem)
    if not (date and hour and minute):
        return None
    reading = _reading({**date.groupdict(), **hour.groupdict(), **minute.groupdict()})
    return replace(reading, doubt=_Doubt.HOUR_AND_MINUTE) if reading.time else None


def _read_epoch(stem: str) -> _Reading | None:
    for found in _EPOCH.finditer(stem):
        seconds = int(found[1] or found[2])
        if seconds in EPOCH_SECONDS:
            doubt = None if found[0] == stem else _Doubt.SERIAL_NUMBER
            return _Reading(datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None), doubt)
    return None


def _read_time_in_dated_folder(folder: str, stem: str) -> _Reading | None:
    dates = list(_FOLDER_DATE.finditer(folder))
    clock = _TIME_ALONE.fullmatch(stem) or _TIME_AMONG_WORDS.search(stem) or _TIME_IN_FOLDERS.search(f"{folder}/{stem}")
    return _reading({**dates[-1].groupdict(), **clock.groupdict()}) if dates and clock else None


def _reading(told: dict[str, str | None], *, glued: bool = False) -> _Reading:
    """The time these groups say; six digits are strong only when glued to eight of a date."""
    weak = not told.get("half") and (told["second"] is None or not (told.get("colon") != "" or glued))
    doubt = _Doubt.COUNTER if weak else None
    year, month, day = (int(told[part] or 0) for part in ("year", "month", "day"))
    if year == RESET_YEAR:
        return _Reading(None)
    try:
        hour = _of_day(int(told["hour"] or 0), told.get("half"))
        fraction = int((told.get("fraction") or "").ljust(6, "0"))
        return _Reading(
            datetime(year, month, day, hour, int(told["minute"] or 0), int(told["second"] or 0), fraction), doubt
        )
    except ValueError:
        return _Reading(None, doubt)


def _of_day(hour: int, half: str | None) -> int:
    """An hour of the day, of one that may be told by AM or PM.

    Raises:
        ValueError: There is no such hour.
    """
    if half is None:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError(hour)
    return hour % 12 + (12 if half in "Pp" else 0)
