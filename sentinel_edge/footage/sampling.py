"""How many frames are looked at: a bounded, even and deterministic choice from a stream of unknown length."""

from collections.abc import Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class EvenSample(Generic[Item]):
    """Keeps at most `limit` items of a stream, always those at multiples of one stride.

    When the limit is passed the stride doubles and every second kept item is dropped, so the kept items are
    evenly spaced over everything seen so far, and the same stream gives the same choice. Between half the
    limit and the limit is kept; memory is constant.
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
        return index % self.stride == 0

    def add(self, index: int, item: Item) -> None:
        """Offer the item at `index` (counted from 0, increasing)."""
        if not self.wants(index):
            return
        self._items.append((index, item))
        if len(self._items) > self.limit:
            self.stride *= 2
            self._items = [kept for kept in self._items if kept[0] % self.stride == 0]
