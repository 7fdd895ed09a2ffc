"""What footage there is under a path: one clip a video, one a folder of pictures. Nothing is opened here."""

import errno
import os
import re
import stat
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from sentinel_edge.errors import SentinelError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mkv", ".avi", ".mov", ".webm", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv"}
    | {".ogv", ".3gp", ".asf", ".h264", ".264", ".h265", ".265", ".hevc", ".mjpeg", ".mjpg", ".dav", ".y4m"}
)
IGNORED = frozenset(
    {"@eadir", "@tmp", "@recycle", "@recently-snapshot", "@sharebin", "#recycle", "#snapshot"}  # Synology, QNAP
    | {"$recycle.bin", "recycler", "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"}  # Windows
    | {"lost+found", "__macosx", "network trash folder", "temporary items"}  # Linux, macOS
)
"""What file systems, network stores and viewers leave beside footage, in any case of letters: thumbnails, and what was
deleted. Passed over in silence, as hidden files are."""
SIDECARS = frozenset(
    {".txt", ".log", ".json", ".jsonl", ".csv", ".xml", ".srt", ".vtt", ".ass", ".md", ".html", ".yaml", ".yml", ".ini"}
    | {".nfo", ".md5", ".sha256", ".idx", ".db", ".sqlite", ".npz", ".onnx", ".py", ".sh"}
)
"""What is kept beside recordings and surely is none; any other file of unknown kind may be footage that is not read."""
SETTLED_S = 60.0
"""Seconds without a change after which a recording is taken to be finished."""
MAX_UNREADABLE = 0.25
"""Share of unreadable samples above which footage cannot stand for what the camera saw."""
NO_FOOTAGE = "neither an image nor a video"
LEADS_OUT = "a link that leads out of the footage; SENTINEL_FOLLOW_LINKS=yes follows it"
EXPECTED_PATH = "expected an image folder, a video file, or a folder of videos or of image folders"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file, or the rest of one, that was passed over, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Clip:
    """One stretch of footage from one place: a video, or the images of one folder in natural order.

    Attributes:
        path: The video file, or the folder that holds the images.
        name: The path relative to the footage's root, for people.
        files: The images in order; empty for a video.
        found: Of a video in a folder: size in bytes and time of the last change, in nanoseconds, when it was found.
        unsettled: Whether it was changed just then, and none of the other videos of its folder.
    """

    path: Path
    name: str
    files: tuple[Path, ...] = ()
    found: tuple[int, int] | None = field(default=None, compare=False)
    unsettled: bool = field(default=False, compare=False)

    @property
    def is_video(self) -> bool:
        """Whether the clip is a video file."""
        return not self.files

    @property
    def being_written(self) -> bool:
        """Whether a video is not finished, as far as its size and times tell."""
        return self.unsettled or (self.found is not None and self.found != change_of(self.path))

    @property
    def names(self) -> list[str]:
        """Its video, or its pictures, as `picture_name` tells them."""
        return [self.picture_name(file) for file in self.files] or [self.name]

    def picture_name(self, file: Path) -> str:
        """The path of one of its images relative to the footage's root, for people."""
        return file.name if self.name == "." else f"{self.name}/{file.name}"


@dataclass(frozen=True, slots=True)
class Footage:
    """Everything found under one path: the clips in natural order, and the files that are not footage.

    `unknown_bytes` are those of files that may be footage of a kind that is not read.
    """

    root: Path
    clips: tuple[Clip, ...]
    ignored: tuple[Skipped, ...] = ()
    unknown_bytes: int = 0

    @property
    def unknown_share(self) -> float:
        """Share of the footage, by size, that files of unknown kind could be, 0 up to but not 1."""
        known = sum(change_of(path)[0] for clip in self.clips for path in (clip.files or (clip.path,)))
        return self.unknown_bytes / (self.unknown_bytes + max(1, known))

    @property
    def has_video(self) -> bool:
        """Whether any of it comes with a frame rate."""
        return any(clip.is_video for clip in self.clips)

    @property
    def name(self) -> str:
        """The root's own name, links and dots resolved."""
        return self.root.resolve().name


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key under which `frame_2` comes before `frame_10`."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts)


def find_footage(path: Path) -> Footage:
    """Walk `path` and list its clips: one per video, one per folder that holds images.

    Hidden files are passed over in silence; other files that are neither image nor video are listed as
    ignored. Symbolic links are followed within `path`, each real folder once, so a loop of links ends; those that lead
    out of it are listed as ignored, unless the environment says `SENTINEL_FOLLOW_LINKS=yes`.

    Raises:
        SentinelError: `path` does not exist, is a single picture, or holds no footage.
    """
    try:
        folder = stat.S_ISDIR(path.stat().st_mode)
    except FileNotFoundError as error:
        raise SentinelError(f"no such path: {path}; {EXPECTED_PATH}") from error
    except OSError as error:
        raise SentinelError(f"cannot look at {path}: {error.strerror}; {EXPECTED_PATH}") from error
    if not folder:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            raise SentinelError(f"{path} is a single picture; {EXPECTED_PATH}")
        return Footage(path, (Clip(path, path.name),))
    clips: list[Clip] = []
    others: list[tuple[Path, str]] = []
    try:
        _walk(path, path, {path.resolve()}, clips, others)
    except RecursionError as error:
        raise SentinelError(f"folders in {path} are nested too deeply; {EXPECTED_PATH}") from error
    ignored = [Skipped(other.relative_to(path).as_posix(), reason) for other, reason in others]
    if not clips:
        found = f"only {len(ignored)} other file(s), e.g. {ignored[0].name}" if ignored else "an empty folder"
        raise SentinelError(f"no footage in {path}: found {found}; {EXPECTED_PATH}")
    strange = [other for other, reason in others if reason == NO_FOOTAGE and other.suffix.lower() not in SIDECARS]
    unknown = sum(change_of(other)[0] for other in strange)
    return Footage(path, tuple(clips), tuple(ignored), unknown)


def find_clips(path: Path) -> list[Clip]:
    """List the clips under `path`; see `find_footage`."""
    return list(find_footage(path).clips)


def _walk(folder: Path, root: Path, seen: set[Path], clips: list[Clip], others: list[tuple[Path, str]]) -> None:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: (natural_key(entry.name), entry.name))
        images = _sort_out(entries, root, seen, clips, others)
    except OSError as error:
        raise SentinelError(f"cannot list {folder}: {error.strerror}; make it readable for this user") from error
    if images:
        name = "." if folder == root else folder.relative_to(root).as_posix()
        clips.append(Clip(folder, name, tuple(images)))


def _sort_out(
    entries: list[Path], root: Path, seen: set[Path], clips: list[Clip], others: list[tuple[Path, str]]
) -> list[Path]:
    """Walk a folder's sub-folders, list its videos, and give back its images."""
    images: list[Path] = []
    videos: list[int] = []
    for entry in entries:
        if entry.name.startswith(".") or entry.name.casefold() in IGNORED:
            continue
        if entry.is_symlink() and _leads_out(entry, root):
            others.append((entry, LEADS_OUT))
        elif _is_folder(entry):
            real = entry.resolve()
            if real not in seen:
                seen.add(real)
                _walk(entry, root, seen, clips, others)
        elif entry.suffix.lower() in IMAGE_SUFFIXES:
            images.append(entry)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            videos.append(len(clips))
            clips.append(Clip(entry, entry.relative_to(root).as_posix(), found=change_of(entry)))
        else:
            others.append((entry, NO_FOOTAGE))
    since = time.time_ns() - int(SETTLED_S * 1e9)
    fresh = [place for place in videos if (clips[place].found or (0, 0))[1] > since]
    if len(videos) > len(fresh) == 1:
        clips[fresh[0]] = replace(clips[fresh[0]], unsettled=True)
    return images


def _leads_out(link: Path, root: Path) -> bool:
    """Whether a link leads out of the footage, where that was not asked for: it could show us anything."""
    try:
        real = link.resolve(strict=True)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return False
    return os.environ.get("SENTINEL_FOLLOW_LINKS") != "yes" and not real.is_relative_to(root.resolve())


def change_of(path: Path) -> tuple[int, int]:
    """A file's size in bytes and the time of its last change in nanoseconds; zeros where it cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _is_folder(entry: Path) -> bool:
    """Whether an entry is a folder, links followed; one that leads nowhere is not.

    Raises:
        OSError: This user may not look.
    """
    try:
        return stat.S_ISDIR(entry.stat().st_mode)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return False
        raise
