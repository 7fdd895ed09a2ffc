"""Writes footage again as a failing camera would have recorded it.

Pictures become PNG files of the same relative names; a video becomes one whose every frame is a PNG. Both
give back exactly the pixels that went in, so whatever differs between a sabotaged and a clean copy is the
sabotage alone; severity 0 makes the clean copy, through the same writer.

A video keeps its times: an AVI its frame rate, a QuickTime file the time of each frame where they are not evenly
spaced. One frame is in memory at a time.
"""

import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Clip, Skipped, find_footage
from sentinel_edge.footage.clock import UNKNOWN_RATE
from sentinel_edge.footage.decoding import Unreadable, VideoReader, read_image
from sentinel_edge.footage.lossless import LosslessVideo, encode_png, lossless_suffix
from sentinel_edge.footage.packets import even_rate
from sentinel_edge.sabotage.corruptions import Failure, Frame
from sentinel_edge.storage.files import staged_folder


@dataclass(frozen=True, slots=True)
class Sabotage:
    """What the saboteur did.

    Attributes:
        failure: The kind, severity and seed.
        output: The folder that holds the sabotaged footage.
        clips: How many videos and picture folders were written.
        frames: How many frames were written.
        skipped: What was not used, and why.
    """

    failure: Failure
    output: Path
    clips: int
    frames: int
    skipped: tuple[Skipped, ...]


def sabotage(
    source: Path, kind: Cause, severity: int, output: Path, *, seed: int = 0, progress: bool | None = None
) -> Sabotage:
    """Copy footage through a failing camera into a new folder.

    The folder appears under its name once everything in it is complete. After an exception, a
    `KeyboardInterrupt` included, nothing half-written is left.

    Args:
        source: An image folder, a video file, or a folder of either; it is only read.
        kind: What fails; one of `sentinel_edge.sabotage.corruptions.KINDS`.
        severity: 0 (a clean copy) to 5 (ruined); `sentinel_edge.sabotage.corruptions` says what each means.
        output: The folder to make. It does not exist yet or is empty, and lies outside `source`.
        seed: The same footage, failure and seed give the same bytes.
        progress: Whether to count on standard error; None counts when that is a terminal.

    Raises:
        UsageError: The kind, the severity or the seed is not one.
        SentinelError: No frame can be read, or the output would overwrite something or cannot be written.
    """
    failure = Failure(kind, severity, seed)
    footage = find_footage(source)
    root = source if source.is_dir() else source.parent
    shown = sys.stderr.isatty() if progress is None else progress
    with staged_folder(output, source) as staging:
        rates = {clip.path: _even_rate(clip.path) for clip in footage.clips if clip.is_video}
        targets = {path: staging / target for path, target in _targets(footage.clips, root, rates).items()}
        tally = _Tally(f"{kind} {severity}", len(footage.clips), shown, list(footage.ignored))
        try:
            for clip in footage.clips:
                _sabotage_clip(clip, failure, targets, rates, tally)
        finally:
            tally.clear_line()
        if not tally.frames:
            first = tally.skipped[0]
            raise SentinelError(
                f"no readable frame in {source}: {len(tally.skipped)} skipped, the first {first.name} "
                f"({first.reason}); expected pictures or videos that can be decoded"
            )
    return Sabotage(failure, output, tally.clips, tally.frames, tuple(tally.skipped))


_REDRAW_S = 0.1


@dataclass(slots=True)
class _Tally:
    """What was done so far, counted on one line of a terminal."""

    title: str
    all_clips: int
    shown: bool
    skipped: list[Skipped]
    clips: int = 0
    frames: int = 0
    _drawn_at: float = 0.0

    def add_frame(self) -> None:
        self.frames += 1
        now = time.monotonic()
        if self.shown and now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            sys.stderr.write(f"\r{self.title}: {self.frames} frames, {self.clips} of {self.all_clips} clips done")
            sys.stderr.flush()

    def clear_line(self) -> None:
        if self._drawn_at:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def _even_rate(path: Path) -> float | None:
    try:
        return even_rate(path)
    except Unreadable:  # said when it is read
        return UNKNOWN_RATE


def _sabotage_clip(
    clip: Clip, failure: Failure, targets: dict[Path, Path], rates: dict[Path, float | None], tally: _Tally
) -> None:
    before = tally.frames
    try:
        if clip.is_video:
            _sabotage_video(clip, failure, targets[clip.path], rates[clip.path], tally)
        else:
            _sabotage_pictures(clip, failure, targets, tally)
    except Unreadable as finding:
        tally.skipped.append(Skipped(clip.name, finding.reason))
    tally.clips += tally.frames > before


def _sabotage_pictures(clip: Clip, failure: Failure, targets: dict[Path, Path], tally: _Tally) -> None:
    corrupt = failure.on_clip(clip.name, len(clip.files))
    for path in clip.files:
        try:
            frame = read_image(path)
        except Unreadable as finding:
            tally.skipped.append(Skipped(clip.picture_name(path), finding.reason))
            continue
        target = targets[path]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(encode_png(corrupt(frame)).tobytes())
        tally.add_frame()


def _sabotage_video(clip: Clip, failure: Failure, target: Path, rate: float | None, tally: _Tally) -> None:
    length = _count_frames(clip.path) if failure.kind == Cause.FROZEN else 1
    corrupt = failure.on_clip(clip.name, length)
    with VideoReader(clip.path) as reader, LosslessVideo(target, rate) as video:
        for frame in _decoded(clip, reader, tally.skipped):
            target.parent.mkdir(parents=True, exist_ok=True)
            video.write(corrupt(frame), reader.seconds)
            tally.add_frame()


def _decoded(clip: Clip, reader: VideoReader, skipped: list[Skipped]) -> Iterator[Frame]:
    """The frames of a video, all of one size (the reader sees to that); what cannot be read is listed."""
    any_decoded = False
    while reader.advance():
        frame = reader.retrieve()
        if frame is None:
            skipped.append(Skipped(f"{clip.name}@{reader.seconds:.2f}s", "frame cannot be decoded"))
        else:
            any_decoded = True
            yield frame
    if not any_decoded:
        raise Unreadable(reader.undecodable)
    skipped += [Skipped(clip.name, reason) for reason in (reader.shortfall, *reader.remarks) if reason]


def _count_frames(path: Path) -> int:
    """Frames counted one by one: what a container promises is not to be relied on."""
    with VideoReader(path) as reader:
        return sum(1 for _ in iter(reader.advance, False))


def _targets(clips: tuple[Clip, ...], root: Path, rates: dict[Path, float | None]) -> dict[Path, Path]:
    """Where each picture and video goes, relative to the output: its old place with the new suffix.

    Where two would get one name (`a.jpg` and `a.png`; `A.jpg` and `a.jpg` too, for file systems that do not
    tell them apart), all of their sort in that folder keep the old suffix as well: `a.jpg.png`, `a.png.png`.
    """
    suffixes = {path: ".png" for clip in clips for path in clip.files}
    suffixes |= {path: lossless_suffix(rate) for path, rate in rates.items()}
    short = {path: path.with_suffix(suffix) for path, suffix in suffixes.items()}
    takers = Counter(str(target).casefold() for target in short.values())
    crowded = {(path.parent, suffixes[path]) for path, target in short.items() if takers[str(target).casefold()] > 1}
    targets: dict[Path, Path] = {}
    for path, target in short.items():
        suffix = suffixes[path]
        unique = path.with_name(path.name + suffix) if (path.parent, suffix) in crowded else target
        targets[path] = unique.relative_to(root)
    return targets
