"""Triplets: three neighbouring native frames, small and alike, spread evenly, and never of pictures."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sentinel_edge.footage.clips import Skipped, find_clips
from sentinel_edge.footage.decoding import VideoReader, fit_frame
from sentinel_edge.footage.lossless import LosslessVideo
from sentinel_edge.footage.mask import FILL, Mask
from sentinel_edge.footage.samples import SampleReader
from sentinel_edge.footage.triplets import MAX_SIDE, Triplet, make_triplet, read_triplets, scaled_size
from tests.conftest import INCOMING

HEIGHT, WIDTH = 24, 32


def numbered(number: int) -> NDArray[np.uint8]:
    """A frame that tells its number: blue counts ones, red counts tens of steps of 5."""
    return np.full((HEIGHT, WIDTH, 3), (5 * (number % 50), 0, 5 * (number // 50)), np.uint8)


def number_of(picture: NDArray[np.uint8]) -> int:
    """What `numbered` counted, of a triplet's red-green-blue picture."""
    return int(picture[0, 0, 2]) // 5 + 50 * (int(picture[0, 0, 0]) // 5)


def counted(path: Path, frames: int, fps: float = 10.0) -> Path:
    with LosslessVideo(path, fps) as video:
        for number in range(frames):
            video.write(numbered(number))
    return path


def numbers(triplets: Sequence[Triplet]) -> list[tuple[int, int, int]]:
    return [(number_of(t.first), number_of(t.middle), number_of(t.last)) for t in triplets]


def test_triplets_are_of_neighbouring_frames_whatever_the_stride(tmp_path: Path) -> None:
    clips = find_clips(counted(tmp_path / "count.avi", 11))
    for stride in (1, 2, 3, 4, 7):
        found = numbers(list(read_triplets(clips, stride=stride)))
        assert found == [(start, start + 1, start + 2) for start in range(0, 9, stride)], stride


def test_a_triplet_tells_where_and_when_its_middle_is(tmp_path: Path) -> None:
    *_, last = read_triplets(find_clips(counted(tmp_path / "count.avi", 5)))
    assert last.clip == "count.avi"
    assert last.seconds == pytest.approx(0.3)
    assert last.gaps == pytest.approx((0.1, 0.1))
    assert last.origin == "count.avi@0.30s"


def test_a_limit_spreads_few_triplets_over_all_clips(tmp_path: Path) -> None:
    counted(tmp_path / "a.avi", 40)
    counted(tmp_path / "b.avi", 80)
    found = list(read_triplets(find_clips(tmp_path), limit=12))
    assert [(t.clip, number_of(t.first)) for t in found] == [
        *(("a.avi", start) for start in range(0, 38, 10)),
        *(("b.avi", start) for start in range(0, 78, 10)),
    ]


def test_two_frames_are_no_triplet_and_neither_are_two_clips(tmp_path: Path) -> None:
    counted(tmp_path / "a.avi", 2)
    counted(tmp_path / "b.avi", 2)
    assert not list(read_triplets(find_clips(tmp_path)))


def test_pictures_and_what_cannot_be_opened_are_passed_over_and_named(tmp_path: Path) -> None:
    counted(tmp_path / "a.avi", 4)
    (tmp_path / "b.mp4").write_bytes(b"not a video")
    (tmp_path / "c").mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / "c" / f"{number}.png"), numbered(number))
    skipped: list[Skipped] = []
    assert len(list(read_triplets(find_clips(tmp_path), limit=100, skipped=skipped))) == 2
    assert {entry.name for entry in skipped} == {"b.mp4", "c"}


@pytest.mark.parametrize(("stride", "limit"), [(0, None), (1, 0)])
def test_a_stride_or_limit_below_one_is_refused(stride: int, limit: int | None) -> None:
    with pytest.raises(ValueError, match="expected at least 1"):
        list(read_triplets([], stride=stride, limit=limit))


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        ((288, 384), (192, 256)),
        ((720, 1280), (144, 256)),
        ((1280, 720), (256, 144)),
        ((24, 32), (24, 32)),
        ((2, 4000), (1, 256)),
    ],
)
def test_the_longer_side_is_at_most_256_pixels_and_the_shape_is_kept(
    size: tuple[int, int], scaled: tuple[int, int]
) -> None:
    assert scaled_size(*size) == scaled
    assert max(scaled) <= MAX_SIDE


def test_all_three_are_scaled_as_the_embedders_frames_are() -> None:
    frames = list(np.random.default_rng(0).integers(0, 256, (3, 300, 640, 3)).astype(np.uint8))
    triplet = make_triplet(frames, "clip", (0.0, 0.1, 0.3))
    assert triplet is not None
    for frame, small in zip(frames, (triplet.first, triplet.middle, triplet.last), strict=True):
        assert np.array_equal(small, fit_frame(frame, 256, 120))
    assert triplet.gaps == pytest.approx((0.1, 0.2))


def test_frames_of_several_sizes_make_none() -> None:
    frames = [numbered(0), numbered(1), numbered(2)[:-1]]
    assert make_triplet(frames, "clip", (0.0, 0.1, 0.2)) is None


def test_what_a_mask_hides_is_the_same_grey_in_all_three(tmp_path: Path) -> None:
    mask = Mask(np.array([[True, False]]))
    for triplet in read_triplets(find_clips(counted(tmp_path / "count.avi", 4)), mask=mask):
        for picture in (triplet.first, triplet.middle, triplet.last):
            assert (picture[:, : WIDTH // 2] == FILL).all()
            assert (picture[:, WIDTH // 2 :] != FILL).any()


# Samples that bring the frames of a triplet along.


@pytest.mark.parametrize("fps", [2.5, 5.0, 10.0])
def test_samples_in_threes_have_the_two_native_frames_after_them_and_come_in_order(tmp_path: Path, fps: float) -> None:
    clips = find_clips(counted(tmp_path / "count.avi", 20))
    plain = list(SampleReader(clips, fps))
    threes = list(SampleReader(clips, fps, successors=lambda index: 1 + (index % 3 == 0)))
    assert [sample.origin for sample in threes] == [sample.origin for sample in plain]
    for sample, other in zip(threes, plain, strict=True):
        number = number_of(sample.frame[..., ::-1])
        assert np.array_equal(sample.frame, other.frame)
        if number + 1 < 20:
            assert sample.successor is not None
            assert number_of(sample.successor[..., ::-1]) == number + 1
        if sample.index % 3 == 0 and number + 2 < 20:
            assert sample.second is not None
            assert number_of(sample.second[..., ::-1]) == number + 2
            assert sample.seconds == pytest.approx((number / 10, (number + 1) / 10, (number + 2) / 10))
        else:
            assert (sample.second, sample.seconds) == (None, ())


def test_only_the_frames_that_are_needed_are_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    retrieved: list[float] = []
    original = VideoReader.retrieve

    def counting(reader: VideoReader) -> NDArray[np.uint8] | None:
        retrieved.append(reader.seconds)
        return original(reader)

    monkeypatch.setattr(VideoReader, "retrieve", counting)
    clips = find_clips(counted(tmp_path / "count.avi", 40))
    list(SampleReader(clips, 2.5))
    without = len(retrieved)
    retrieved.clear()
    list(SampleReader(clips, 2.5, successors=lambda index: 1 + (index % 5 == 0)))
    assert (without, len(retrieved)) == (20, 22), (
        "every fourth frame and its successor; one more for each of two triplets"
    )


def test_the_sample_footage_gives_triplets_of_a_tenth_of_a_second() -> None:
    triplet = next(read_triplets(find_clips(INCOMING)))
    assert triplet.middle.shape == (192, 256, 3)
    assert triplet.gaps == pytest.approx((0.1, 0.1), abs=1e-3)
