"""Parts of a window and windows joined: frames, lengths and losses stay in proportion; what a window records."""

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.footage.clips import Clip, Skipped, find_clips
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.samples import Sample
from sentinel_edge.footage.sampling import is_kept
from sentinel_edge.footage.window import Window, join, record
from sentinel_edge.gates.quality.condition import sum_up
from sentinel_edge.gates.signals import FRAME_SIGNALS
from sentinel_edge.networks.embedder import Embedder
from tests.material import windows
from tests.material.simulation import Frame, PictureCamera, signals_of
from tests.material.windows import EMBEDDING, QUALITY, read


def fabricated(origins: Sequence[str], stride: int = 1, first: int = 0) -> Window:
    """A window whose frames are told apart by their one-dimensional embeddings, counted from `first`."""
    count = len(origins)
    return replace(
        windows.window(
            np.arange(first, first + count, dtype=np.float16)[:, None],
            np.zeros(count, FRAME_SIGNALS),
            origins=origins,
            samples=count * stride,
        ),
        stride=stride,
        unreadable=0.1 * count,
        expected=1.1 * count * stride,
        skipped=(Skipped("broken.png", "damaged"),),
    )


def numbers(window: Window) -> list[int]:
    """What `fabricated` numbered the frames of a window."""
    assert {len(records) for records in window.records.values()} == {len(window.origins)} == {len(window)}
    return [int(value) for value in window.records[EMBEDDING][:, 0]]


def test_every_field_is_of_each_frame_or_of_the_whole() -> None:
    whole = {"samples", "stride", "unreadable", "expected", "skipped", "made_by", "damaged"}
    assert {field.name for field in fields(Window)} == whole | {"records", "origins"}


@given(st.integers(1, 60), st.integers(1, 5), st.lists(st.integers(0, 60), max_size=5))
def test_parts_joined_again_are_the_window(count: int, stride: int, cuts: list[int]) -> None:
    window = fabricated([str(number) for number in range(count)], stride)
    edges = [0, *sorted(min(cut, count) for cut in cuts), count]
    parts = [window.part(start, stop) for start, stop in pairwise(edges)]
    again = join(parts)
    assert numbers(again) == numbers(window)
    assert (again.origins, again.samples, again.stride) == (window.origins, window.samples, stride)
    assert again.expected == pytest.approx(window.expected)
    assert again.unreadable == pytest.approx(window.unreadable)
    assert again.skipped == (), "what was passed over is told once, by the whole"


def test_frames_are_taken_in_the_order_asked_for() -> None:
    window = fabricated("abcd", stride=3)
    taken = window.take(np.array([2, 0]))
    assert (numbers(taken), taken.origins, taken.samples) == ([2, 0], ("c", "a"), 6)
    assert window.take(np.array([False, True, True, False])).origins == ("b", "c")


def test_nothing_taken_is_an_empty_window() -> None:
    empty = fabricated("abcd").part(2, 2)
    assert (empty.records[EMBEDDING].shape, empty.origins, empty.samples, empty.expected) == ((0, 1), (), 0, 0.0)
    assert empty.part(0, 0).samples == 0


def test_windows_thinned_differently_keep_their_lengths_when_joined() -> None:
    both = join([fabricated("ab", stride=8), fabricated("cd")])
    assert (both.samples, both.stride, both.origins) == (18, 8, ("a", "b", "c", "d"))
    assert both.skipped == (Skipped("broken.png", "damaged"),) * 2


def frames_in(folder: Path, frames: Sequence[Frame]) -> list[Clip]:
    folder.mkdir()
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"{number}.png"), frame)
    return find_clips(folder)


def test_a_window_holds_the_signals_of_the_very_frames_it_embedded(tmp_path: Path, embedder: Embedder) -> None:
    frames = PictureCamera(0).episode(9)
    window = read(frames_in(tmp_path / "plain", frames), embedder)
    assert window.origins == tuple(f"{number}.png" for number in range(9))
    assert window.records[QUALITY].tobytes() == signals_of(frames).tobytes()
    thinned = read(find_clips(tmp_path / "plain"), embedder, limit=3)
    kept = np.array([number for number in range(9) if is_kept(number, 4)])
    assert (thinned.stride, thinned.origins) == (4, tuple(f"{number}.png" for number in kept))
    np.testing.assert_array_equal(thinned.records[EMBEDDING], window.records[EMBEDDING][kept])
    assert (thinned.records[QUALITY]["luma"] == window.records[QUALITY]["luma"][kept]).all()
    assert (thinned.records[QUALITY]["noise"] == window.records[QUALITY]["noise"][kept]).all()


def test_what_a_mask_hides_reaches_neither_the_model_nor_the_signals(tmp_path: Path, embedder: Embedder) -> None:
    frames = PictureCamera(0).episode(4)
    clock = [frame.copy() for frame in frames]
    for number, frame in enumerate(clock):
        frame[:24, :32] = 60 * number
    corner = np.zeros((4, 4), np.bool_)
    corner[0, 0] = True
    plain, covered = [
        read(frames_in(tmp_path / name, shown), embedder, mask=Mask(corner))
        for name, shown in (("plain", frames), ("clock", clock))
    ]
    np.testing.assert_array_equal(plain.records[EMBEDDING], covered.records[EMBEDDING])
    assert plain.records[QUALITY].tobytes() == covered.records[QUALITY].tobytes(), "the successor is masked as well"
    assert plain.records[QUALITY].tobytes() != signals_of(frames).tobytes()


def test_pictures_whose_size_changes_on_the_way_have_no_change_where_it_does(
    tmp_path: Path, embedder: Embedder
) -> None:
    frames = PictureCamera(0).episode(6)
    frames[3:] = [np.asarray(cv2.resize(frame, (320, 180)), np.uint8) for frame in frames[3:]]
    signals = read(frames_in(tmp_path / "sizes", frames), embedder).records[QUALITY]
    assert np.isnan(signals["change"]).tolist() == [False, False, True, False, False, True]
    condition = sum_up(signals)
    assert all(np.isfinite(condition[name]).all() for name in condition.dtype.names or ())


def test_an_error_in_the_middle_of_a_stream_ends_it(embedder: Embedder) -> None:
    def samples() -> Iterator[tuple[int, Sample]]:
        for index in range(20):
            if index == 9:
                raise OSError("the disk is gone")
            yield index, Sample(index, str(index), np.zeros((224, 224, 3), np.uint8))

    with pytest.raises(OSError, match="the disk is gone"):
        list(record(samples(), windows.recorders(embedder)))


def test_joining_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one window"):
        join([])
