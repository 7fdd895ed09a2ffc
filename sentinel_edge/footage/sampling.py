"""How many frames are looked at, and which: a bounded, even and deterministic choice from a stream of unknown length.

Even, but not regular: which frame of each stretch is looked at is drawn, by a seed, so that nothing that comes and goes
by turns hides between the frames that are looked at. The same stream gives the same choice.
"""

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")

SAMPLING = "of each slot the frame shown at an instant drawn for it"
"""What `Instants` does, in words; recorded in a baseline."""


class Instants:
    """Which frames of a video are sampled: of each slot of 1/fps seconds the one shown at an instant drawn for it.

    The first frame always is, and a rate at or above the video's own takes every frame. How long a frame is shown is
    taken to be as long as the one before it was. Where the frames of a slot did not come, as in a stream with holes,
    the next one is taken at once.
    """

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._due = 0
        self._before: float | None = None

    def take(self, seconds: float) -> bool:
        """Whether the frame shown from so many seconds on is sampled; asked once for each frame, in order of time."""
        shown = float("inf") if self._before is None else seconds - self._before
        self._before = seconds
        slot = int(seconds * self._fps + 1e-6)
        instant = (self._due + _drawn(self._due)) / self._fps
        if slot <= self._due and seconds + shown <= instant:
            return False
        self._due = max(self._due, slot) + 1
        return True


class EvenSample(Generic[Item]):
    """Keeps at most `limit` items of a stream, one of every `stride`, which one is drawn.

    When the limit is passed the stride doubles and of every two neighbours one is dropped, so the kept items are
    evenly spread over everything seen so far. Between half the limit and the limit is kept; memory is constant.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.stride = 1
        self._items: list[tuple[int, Item]] = []

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Item]:
        return (item for _, item in self._items)

    def indices(self) -> list[int]:
        """Where the kept items stood in the stream."""
        return [index for index, _ in self._items]

    def wants(self, index: int) -> bool:
        """Whether the item at `index` would be kept as things stand; ask before doing costly work for it."""
        return is_kept(index, self.stride)

    def add(self, index: int, item: Item) -> None:
        """Offer the item at `index` (counted from 0, increasing)."""
        if not self.wants(index):
            return
        self._items.append((index, item))
        if len(self._items) > self.limit:
            self.stride *= 2
            self._items = [kept for kept in self._items if self.wants(kept[0])]


def is_kept(index: int, stride: int) -> bool:
    """Whether an `EvenSample` keeps the item at `index` while it keeps one of every `stride`, a power of two."""
    pair = 2
    while pair <= stride:
        later = index // (pair // 2) % 2 == 1
        if later != (_drawn(index // pair, pair) < 0.5):
            return False
        pair *= 2
    return True


def is_chosen(index: int, every: int) -> bool:
    """Whether the item at `index` is the one that is drawn of its `every` neighbours, whatever else is kept of them."""
    return index % every == int(_drawn(index // every) * every)


_WORD = 2**64


def _drawn(number: int, kind: int = 1) -> float:
    """A number from 0 up to 1, always the same for the same two.

    G. Steele, D. Lea and C. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014: a tenth of the time
    that it takes to seed one of Python's.
    """
    mixed = (number * 0x9E3779B97F4A7C15 + kind * 0xD1B54A32D192ED03) % _WORD
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9 % _WORD
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB % _WORD
    return (mixed ^ (mixed >> 31)) / _WORD
