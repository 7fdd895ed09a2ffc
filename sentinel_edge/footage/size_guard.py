"""Ends a video where its picture takes another size: OpenCV before 4.13 converts what follows as if it had not.

A smaller picture is then read past its end, so that bytes of the process's memory become pixels; a larger one is the
last old one again, for ever. The same befalls a picture whose colours are kept otherwise. No frame tells, but the
packets do: a second reader of the file goes a little ahead of the decoder and looks at their headers.

Frames are held against packets by their time stamps, or counted where a file has none. Where that leaves doubt about
the last frames before a change, they are given up rather than one be taken from beyond it. A change that a container
tells beside the packets, or a codec that `picture_size` does not read, goes unnoticed.
"""

import math
from typing import Any

import cv2
import numpy as np

from sentinel_edge.footage.capture import Source
from sentinel_edge.footage.picture_size import CODECS, Picture, announced_picture

AHEAD = 32
"""Packets read ahead of the frame that is shown: several times what decoders hold back."""
SEARCH = 1024
"""Packets read ahead where frames cannot be told by their time: a decoder may pass over many in silence."""
_REORDERED = 32
"""Packets between a frame's place in the file and its place on the screen, at most."""
_LEADING = 8
"""Frames that come after a key frame in the file and are shown before it, at most, in all but odd files."""


class PictureWatch:
    """Looks at packets in the order of the file, for the first that announces another picture than they did.

    Attributes:
        first: The picture that was announced first.
        now: The other one; None as long as there is none.
    """

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self.first: Picture | None = None
        self.now: Picture | None = None

    def changes_at(self, packet: bytes) -> bool:
        """Whether the packet is the first of another picture."""
        found = announced_picture(packet, self._codec)
        self.first = self.first or found
        if found and found != self.first and not self.now:
            self.now = found
            return True
        return False

    def reason(self, seconds: float) -> str:
        """What a video that ends here is listed with; empty where nothing changes.

        Args:
            seconds: When the first frame that cannot be read would be shown.
        """
        if not self.first or not self.now:
            return ""
        before, after = (f"{picture.width}x{picture.height}" for picture in (self.first, self.now))
        change = f"changes from {before} to {after}" if before != after else "is stored in another pixel format"
        return f"the picture {change} at {seconds:.1f} s; what follows cannot be read"


class SizeGuard:
    """Tells a video's frames before the first change of its picture from those after it.

    The second reader is opened once it is needed: no frame but one that is decoded by itself can begin another
    picture, and the first of all ends none. (In VP9 any can.) Where it cannot be opened nothing is guarded.

    Args:
        source: The video.
        codec: What OpenCV calls its codec.

    Attributes:
        watch: What was found.
    """

    def __init__(self, source: Source, codec: str) -> None:
        self.watch = PictureWatch(codec)
        self._source = source
        self._passing = "" if codec.lower() == "vp90" else "PB"
        self._reading = codec.lower() in CODECS
        self._capture: cv2.VideoCapture | None = None
        self._file: Any = None  # which it reads
        self._read = 0  # packets before any change
        self._left = 1  # from the change on, once counted
        self._shown = 0
        self._place = 0  # of the latest packet that was shown
        self._places: dict[float, int] = {}
        self._timed = False
        self._last_ms = -math.inf
        self._keys: list[int] = []  # the first and the last
        self._first_kind = ""

    def close(self) -> None:
        """Release the file."""
        self._reading = False
        if self._capture:
            self._capture.release()

    @property
    def opened(self) -> bool:
        """Whether the second reader is there."""
        return self._capture is not None

    def passes(self, shown_ms: float, kind: str) -> bool:
        """Whether the decoder's next frame comes before any change; to be asked once for each, in order.

        Args:
            shown_ms: Its time stamp, as OpenCV gives it.
            kind: Its type: I, P, B, or ? where the codec has none.
        """
        self._shown += 1
        self._first_kind = self._first_kind or kind
        if self._reading and not self._capture and self._shown > 1 and kind not in self._passing:
            self._open()
        if self._reading and self._capture:
            self._follow(shown_ms)
        if self.watch.now and not self._is_before(shown_ms, kind):
            return False
        self._last_ms = shown_ms
        return True

    def share_left(self) -> float:
        """Share of the video's packets that follow from the change on; 0 where there is none. Reads to its end."""
        if not self.watch.now or not self._capture:
            return 0.0
        while self._file.step(self._capture):
            self._left += 1
        return self._left / (self._left + self._read)

    def _open(self) -> None:
        """Open the second reader, and take up the frame before this one, which tells whether times help."""
        self._file = self._source.file()
        self._capture = self._file.opened(by=self, packets=True)
        self._place = self._shown - 3
        self._follow(self._last_ms)

    def _follow(self, shown_ms: float) -> None:
        """Find a frame's place among the packets, and read on from there."""
        while shown_ms not in self._places and self._read_one(SEARCH):
            pass
        self._timed |= shown_ms in self._places
        self._place = max(self._place, self._places.get(shown_ms, self._place + 1))
        while self._read_one(AHEAD if self._timed else SEARCH):
            pass
        while self._places and self._places[oldest := next(iter(self._places))] < self._place - _REORDERED:
            del self._places[oldest]

    def _read_one(self, ahead: int) -> bool:
        """Read one more packet if it is no further ahead than that; False there, at a change, and at the end."""
        if not self._reading or not self._capture or self._read > self._place + ahead:
            return False
        good, content = self._capture.retrieve() if self._file.step(self._capture) else (False, None)
        if not good or content is None:
            self.close()
            return False
        if self.watch.changes_at(np.asarray(content, np.uint8).tobytes()):
            self._reading = False
            return False
        self._places[self._capture.get(cv2.CAP_PROP_POS_MSEC)] = self._read
        if self._capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
            self._keys = [*self._keys[:1], self._read]
        self._read += 1
        return True

    def _is_before(self, shown_ms: float, kind: str) -> bool:
        """Whether a frame comes before the change that lies ahead."""
        if self._timed:
            return self._shown <= self._read and self._last_ms < shown_ms and shown_ms in self._places
        # Without times they are counted, from the first key frame where a stream is joined in the middle.
        place = self._shown - 1 + (self._keys[0] if self._keys and self._first_kind == "I" else 0)
        # Where packets were passed over the change comes sooner: with a key frame too far from the last one before it.
        strange = kind == "I" and self._keys and place > self._keys[-1] + _LEADING and place + AHEAD >= self._read
        return place < self._read and not strange
