"""Takes from a window the footage that retraining and a refreshed baseline need, bounded in size, without any loss.

What fits is copied byte for byte. Of what does not, stretches are taken evenly over the whole time, each at the
footage's own rate, because three successive frames make a training triplet. Nothing is encoded with a loss: that is
itself a change, which a baseline would learn. Three ways, for each clip the first that works:

-   pictures: runs of successive files, byte for byte, each in a folder of its own;
-   a video whose packets can be carried over: cut at its key frames without encoding anything, and the result decoded
    and compared with the source, picture by picture;
-   any other video: written again with `lossless.LosslessVideo`, which took 50 to 120 times the room on three cameras.

A stretch goes at the rate its frames have there, by their time stamps, whatever the file's own rate; none goes across a
hole, or from one rate to another (see `footage.clock.paces`).

Each stretch gets an equal share of the room, what one leaves goes to those after it: so the stretches stay evenly
spread where frames turn out larger than those the estimate was made from; they are shorter then. In memory are one
frame, or one stretch's packets.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError
from sentinel_edge.excerpt.material import TRIPLET, Material, Way, even_starts, spread
from sentinel_edge.excerpt.packets import PacketCutter, PacketSurvey, shown_times, survey_packets
from sentinel_edge.footage.clips import Clip, Footage, Skipped, find_footage
from sentinel_edge.footage.clock import Pace, Ticker, paces
from sentinel_edge.footage.decoding import Unreadable, VideoReader, read_image
from sentinel_edge.footage.lossless import LosslessVideo, encode_png, lossless_suffix
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.storage.files import staged_folder

MEGABYTE = 1_000_000
DEFAULT_MEGABYTES = 100.0
DEFAULT_SECONDS = 4.0
PICTURES_A_SECOND = DEFAULT_FPS
"""Pictures in a folder do not tell their rate: so many stand for one second, as they do in a check."""
LONGEST_GAP_S = 60.0
"""Seconds between two key frames beyond which a video is not cut at them: too little of it could be reached."""
MOST_PACES = 16
"""Parts of one video, each at a pace of its own, that stretches are taken of; the longest where there are more."""
SAMPLE_FRAMES = 8
"""Frames encoded to estimate what a video takes when it is written again."""
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What was taken.

    Attributes:
        output: The folder that holds it.
        files: How many files.
        size: Their bytes.
        seconds: Their duration; pictures count `PICTURES_A_SECOND` a second.
        share: Of the footage's duration, 0 to 1.
        complete: Whether everything that can be read was taken, byte for byte.
        skipped: What was not used, and why.
    """

    output: Path
    files: int
    size: int
    seconds: float
    share: float
    complete: bool
    skipped: tuple[Skipped, ...]


def take_excerpt(
    source: Path,
    output: Path,
    *,
    limit: int = int(DEFAULT_MEGABYTES * MEGABYTE),
    seconds: float = DEFAULT_SECONDS,
    progress: Callable[[int], None] = lambda _: None,
) -> Excerpt:
    """Copy footage, or an even part of it, into a new folder.

    The same footage, limit and seconds give the same files. Their names tell the order: natural order is order in
    time within a clip, as in `campus.mp4@0012.40s.mp4` or `pictures@000120/`. The folder appears under its name once
    everything in it is complete; after an exception, a `KeyboardInterrupt` included, nothing half-written is left.

    A video that is cut at key frames is decoded once, up to its last stretch; one that is written again, twice.

    Args:
        source: An image folder, a video file, or a folder of either; it is only read.
        output: The folder to make. It does not exist yet or is empty, and lies outside `source`.
        limit: Bytes that all files together may take.
        seconds: Length of a stretch.
        progress: Called with the number of files written so far.

    Raises:
        SentinelError: Nothing can be read or fits, or the output would overwrite something or cannot be written.
    """
    footage = find_footage(source)
    with staged_folder(output, source) as staging:
        taking = _Taking(staging, limit, progress, list(footage.ignored))
        complete = _size(footage) <= limit
        duration = _copy_all(footage, taking) if complete else _take_stretches(footage, seconds, taking)
        if not taking.files:
            raise SentinelError(_nothing(source, limit, duration, taking))
        for folder in sorted(staging.rglob("*"), reverse=True):
            if folder.is_dir() and not any(folder.iterdir()):  # what was to go there did not fit
                folder.rmdir()
    share = min(1.0, taking.seconds / duration) if duration else 1.0
    return Excerpt(output, taking.files, taking.size, taking.seconds, share, complete, tuple(taking.skipped))


def _nothing(source: Path, limit: int, duration: float, taking: "_Taking") -> str:
    if duration:
        return (
            f"no stretch of {source} fits in {limit / MEGABYTE:g} MB: not even {TRIPLET} successive frames of any; "
            "give more --megabytes"
        )
    first = taking.skipped[0]
    return (
        f"no readable frame in {source}: {len(taking.skipped)} skipped, the first {first.name} ({first.reason}); "
        "expected pictures or videos that can be decoded"
    )


@dataclass(slots=True)
class _Taking:
    """What was taken so far, and the room that is left."""

    folder: Path
    limit: int
    progress: Callable[[int], None]
    skipped: list[Skipped]
    files: int = 0
    size: int = 0
    seconds: float = 0.0
    waiting: int = field(default=1)

    def next_allowance(self) -> int:
        """Bytes the next stretch may take: an equal share of what is left."""
        allowance = (self.limit - self.size) // max(1, self.waiting)
        self.waiting -= 1
        return allowance

    def add(self, path: Path, seconds: float, allowance: int) -> bool:
        """Count a file that was written, or remove it again where it is larger than it may be."""
        size = path.stat().st_size
        if size > allowance:
            path.unlink()
            return False
        self.files += 1
        self.size += size
        self.seconds += seconds
        self.progress(self.files)
        return True

    def give_back(self, paths: list[Path], seconds: float) -> None:
        """Remove files that were added, each of so many seconds, and empty the list."""
        for path in paths:
            self.files -= 1
            self.size -= path.stat().st_size
            self.seconds -= seconds
            path.unlink()
        paths.clear()

    def skip(self, name: str, reason: str) -> None:
        """List what was not used."""
        self.skipped.append(Skipped(name, reason))


# Everything, where it fits.


def _size(footage: Footage) -> int:
    """Bytes of all files that are footage; one that cannot be looked at counts nothing."""
    size = 0
    for clip in footage.clips:
        for path in clip.files or (clip.path,):
            try:
                size += path.stat().st_size
            except OSError:
                continue
    return size


def _copy_all(footage: Footage, taking: _Taking) -> float:
    """Copy what can be read; returns the duration of that in seconds."""
    for clip in footage.clips:
        if clip.is_video:
            try:
                with VideoReader(clip.path) as reader:
                    found = paces(shown_times(clip.path), reader.fps)
                seconds = sum(pace.frames / pace.rate for pace in found)
                _copy_file(clip.path, taking.folder / clip.name, seconds, taking)
            except Unreadable as finding:
                taking.skip(clip.name, finding.reason)
            continue
        for path in clip.files:
            name = clip.picture_name(path)
            try:
                read_image(path)
                _copy_file(path, taking.folder / name, 1.0 / PICTURES_A_SECOND, taking)
            except Unreadable as finding:
                taking.skip(name, finding.reason)
    return taking.seconds


def _copy_file(source: Path, target: Path, seconds: float, taking: _Taking, limit: int | None = None) -> bool:
    """Copy one file byte for byte, links followed; returns whether it is within the limit, else leaves none.

    Raises:
        Unreadable: The source cannot be read.
    """
    room = taking.limit - taking.size if limit is None else limit
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            reading = stack.enter_context(source.open("rb"))
        except OSError as error:
            raise Unreadable(error.strerror or "cannot be read") from error
        writing = stack.enter_context(target.open("wb"))
        left = room + 1  # one byte too many tells a file that has grown from one that just fits
        while left and (chunk := reading.read(min(_CHUNK, left))):
            writing.write(chunk)
            left -= len(chunk)
    if taking.add(target, seconds, room):
        return True
    if limit is None:
        taking.skip(target.relative_to(taking.folder).as_posix(), "has grown while it was copied")
    return False


# An even part, where not everything fits.


def _take_stretches(footage: Footage, seconds: float, taking: _Taking) -> float:
    """Take stretches evenly spread over time; returns the duration of the footage in seconds."""
    materials = []
    for clip in footage.clips:
        try:
            materials += _video(clip, seconds, taking) if clip.is_video else [_pictures(clip, seconds)]
        except Unreadable as finding:
            taking.skip(clip.name, finding.reason)
    chosen = spread(materials, taking.limit)
    taking.waiting = sum(map(len, chosen))
    take = {Way.PICTURES: _copy_pictures, Way.PACKETS: _copy_packets, Way.REWRITTEN: _rewrite}
    for material, starts in zip(materials, chosen, strict=True):
        try:
            take[material.way](material, starts, footage, taking)
        except Unreadable as finding:
            taking.skip(material.clip.name, finding.reason)
    return sum(material.seconds for material in materials)


def _pictures(clip: Clip, seconds: float) -> Material:
    wanted = max(TRIPLET, round(seconds * PICTURES_A_SECOND))
    sizes = []
    for path in clip.files:
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            sizes.append(0)
    frames = len(clip.files)
    cost = max(1.0, sum(sizes) / frames * min(wanted, frames))
    pace = Pace(0, frames, PICTURES_A_SECOND, PICTURES_A_SECOND)
    return Material(clip, Way.PICTURES, pace, even_starts(pace, wanted), wanted, cost)


def _video(clip: Clip, seconds: float, taking: _Taking) -> list[Material]:
    """A video's stretches, by pace: cut at key frames where that is possible without loss, else anywhere.

    Raises:
        Unreadable: It cannot be opened, or no frame in it can be decoded.
    """
    found = _key_frame_cuts(clip, seconds, taking)
    if found:
        return found
    times = shown_times(clip.path)
    size = _rewritten_frame_size(clip, len(times))
    materials = []
    for pace in _paces(clip, times):
        wanted = max(TRIPLET, round(seconds * pace.rate))
        cost = size * min(wanted, pace.frames)
        materials.append(Material(clip, Way.REWRITTEN, pace, even_starts(pace, wanted), wanted, cost))
    return materials


def _paces(clip: Clip, times: NDArray[np.float64]) -> list[Pace]:
    """The parts of a video that stretches may be taken of, in order; all of it where none is long enough."""
    with VideoReader(clip.path) as reader:
        found = paces(times, reader.fps)
    enough = [pace for pace in found if pace.frames >= TRIPLET] or found
    longest = sorted(enough, key=lambda pace: -pace.frames)[:MOST_PACES]
    return sorted(longest, key=lambda pace: pace.first)


def _key_frame_cuts(clip: Clip, seconds: float, taking: _Taking) -> list[Material]:
    """The stretches that begin at key frames, where one of each pace shows that they can be cut without loss."""
    try:
        survey = survey_packets(clip.path)
        if survey.change:
            taking.skip(clip.name, survey.change)
        materials = []
        for pace in _paces(clip, survey.times) if survey.packets else []:
            material = _cut_at_keys(clip, pace, survey, max(TRIPLET, round(seconds * pace.rate)), taking)
            if material is None:
                return []
            materials.append(material)
    except Unreadable:
        return []
    return materials


def _cut_at_keys(clip: Clip, pace: Pace, survey: PacketSurvey, wanted: int, taking: _Taking) -> Material | None:
    end = pace.first + pace.frames
    keys = survey.keys[(survey.keys >= pace.first) & (survey.keys < end)]
    gaps = np.diff(keys, append=end)
    if not len(keys) or gaps.max() > max(LONGEST_GAP_S * pace.rate, wanted):
        return None
    starts = [int(keys[0])]
    while (following := int(np.searchsorted(keys, starts[-1] + wanted))) < len(keys):
        starts.append(int(keys[following]))
    if len(starts) > 1 and end - starts[-1] < TRIPLET:
        starts.pop()
    cost = survey.stretch_size(min(wanted, pace.frames))
    material = Material(clip, Way.PACKETS, pace, np.array(starts), wanted, cost, survey.lead)
    # A video's very first key frame can be cut at even where others cannot.
    tried = starts[min(1, len(starts) - 1)]
    with PacketCutter(clip.path, survey.lead) as cutter:
        trial = cutter.cut(
            tried,
            wanted=min(wanted, material.room(tried)),
            most=material.room(tried),
            limit=taking.limit,
            rate=pace.ticks,
            name=lambda _: taking.folder / f".trial{cutter.suffix}",
        )
    if trial is None:
        return None
    trial.path.unlink()
    return material if trial.frames >= material.least else None


def _rewritten_frame_size(clip: Clip, frames: int) -> float:
    """Bytes a frame takes when it is written again, on average, from some evenly over a whole video."""
    sizes = []
    sampled = {int((part + 0.5) * frames / SAMPLE_FRAMES) for part in range(SAMPLE_FRAMES)}
    with VideoReader(clip.path) as reader:
        for index in range(max(sampled) + 1):
            if not reader.advance():
                break
            frame = reader.retrieve() if index in sampled or not index else None
            if frame is not None:
                sizes.append(encode_png(frame).size)
    return sum(sizes) / max(1, len(sizes))


def _copy_pictures(material: Material, starts: Sequence[int], footage: Footage, taking: _Taking) -> None:
    """Copy runs of successive pictures, each to a folder of its own; what cannot be read ends or delays a run."""
    clip = material.clip
    for start in starts:
        allowance = taking.next_allowance()
        name = (footage.name or "pictures") if clip.name == "." else clip.name
        folder = taking.folder / f"{name}@{start:06d}"
        before = taking.size
        run: list[Path] = []
        for path in clip.files[start : start + min(material.wanted, material.room(start))]:
            try:
                read_image(path)
                target = folder / path.name
                room = allowance - (taking.size - before)
                if not _copy_file(path, target, 1.0 / material.rate, taking, room):
                    break
                run.append(target)
            except Unreadable as finding:
                taking.skip(clip.picture_name(path), finding.reason)
                if len(run) >= material.least:
                    break
                taking.give_back(run, 1.0 / material.rate)
        if len(run) < material.least:  # too short to be of use
            taking.give_back(run, 1.0 / material.rate)


def _copy_packets(material: Material, starts: Sequence[int], _footage: Footage, taking: _Taking) -> None:
    with PacketCutter(material.clip.path, material.lead) as cutter:
        for start in starts:
            allowance = taking.next_allowance()
            room = material.room(start)
            cut = cutter.cut(
                start,
                wanted=min(material.wanted, room),
                most=room,
                limit=allowance,
                rate=material.pace.ticks,
                name=lambda seconds: _stretch_path(material, seconds, cutter.suffix, taking),
            )
            if cut and cut.frames >= material.least and taking.add(cut.path, cut.frames / material.rate, allowance):
                continue
            if cut:
                cut.path.unlink(missing_ok=True)
            taking.skip(f"{material.clip.name}@{start / material.rate:.2f}s", "does not fit, or not without loss")


def _rewrite(material: Material, starts: Sequence[int], _footage: Footage, taking: _Taking) -> None:
    passed = 0
    with VideoReader(material.clip.path) as reader:
        for start in starts:
            allowance = taking.next_allowance()
            while passed < start + 1 and reader.advance():
                passed += 1
            if passed < start + 1:
                return
            pace, ticker = material.pace, Ticker(material.pace.ticks)
            rate = pace.ticks if pace.steady else None
            path = _stretch_path(material, reader.seconds, lossless_suffix(rate), taking)
            with LosslessVideo(path, rate, allowance) as video:
                for _ in range(min(material.wanted, material.room(start))):
                    frame, seconds = reader.retrieve(), ticker.number(reader.seconds) / pace.ticks
                    if frame is None or not video.write(frame, seconds) or not reader.advance():
                        break
                    passed += 1
            if video.frames >= material.least:
                taking.add(path, video.frames / material.rate, allowance)
            else:
                path.unlink(missing_ok=True)
                taking.skip(f"{material.clip.name}@{start / material.rate:.2f}s", "does not fit, or cannot be decoded")


def _stretch_path(material: Material, seconds: float, suffix: str, taking: _Taking) -> Path:
    """Where a stretch goes: its clip's whole name first, so that two clips never meet and their order stays."""
    path = taking.folder / f"{material.clip.name}@{seconds:07.2f}s{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
