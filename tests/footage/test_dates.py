"""Capture times from names: the cameras' own formats, and what only looks like one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentinel_edge.footage.dates import EPOCH_SECONDS, capture_times, how_read, time_of

TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2089, 12, 31))


@pytest.mark.parametrize(
    ("origin", "time"),
    [
        ("2023-06-13/2023-06-13T03_11_46.jpg", "2023-06-13 03:11:46"),
        ("20120101_133000.jpg", "2012-01-01 13:30:00"),
        ("cam_20230613_031146.jpg", "2023-06-13 03:11:46"),
        ("IMG_20230613_031146_01.jpg", "2023-06-13 03:11:46"),
        ("Front_00_20230613031146.jpg", "2023-06-13 03:11:46"),
        ("192.168.1.64_01_20230613031146123_TIMING.jpg", "2023-06-13 03:11:46.123000"),
        ("XVR_ch1_main_20230613031146_@1.jpg", "2023-06-13 03:11:46"),
        ("garden_20050107180653_1_pre.jpg", "2005-01-07 18:06:53"),
        ("MOTION_2021-01-09-14-05-33-123_001.jpg", "2021-01-09 14:05:33"),
        ("Entrance-2009-06-05@225030.jpg", "2009-06-05 22:50:30"),
        ("2020-10-03 - 13_54_54_012 - garden.jpg", "2020-10-03 13:54:54"),
        ("20240105T1430.jpg", "2024-01-05 14:30:00"),
        ("202401051430.png", "2024-01-05 14:30:00"),
        ("2014-09-08T08:02:17-05:00.jpg", "2014-09-08 08:02:17"),
        ("SN20201234_20230613031146.jpg", "2023-06-13 03:11:46"),
        ("2023-06-13/0311.png", "2023-06-13 03:11:00"),
        ("2023-06-13/cam 1/03-11-46.png", "2023-06-13 03:11:46"),
        ("2023-06-01 to 30/2023-06-13/0311.png", "2023-06-13 03:11:00"),
        ("2023-06-13/03h11m46.png", "2023-06-13 03:11:46"),
        ("2020/03/12/Corridor1_01-36-01.jpg", "2020-03-12 01:36:01"),
        ("2023-06-13/001/jpg/03/11/46[M][0@0][0].jpg", "2023-06-13 03:11:46"),
        ("2023-06-13/pic_001/03.11.46[R][0@0][0].jpg", "2023-06-13 03:11:46"),
        ("1686625906.jpg", "2023-06-13 03:11:46"),
        ("1686625906123.jpg", "2023-06-13 03:11:46"),
        ("1686625906.00433.jpg", "2023-06-13 03:11:46"),
        ("20140509-000500-001000_192.168.1.11-CH2.mp4@12.40s", "2014-05-09 00:05:12.400000"),
        ("2023-06-13/03.11.46-03.12.10[M][0@0][0].mp4@0.00s", "2023-06-13 03:11:46"),
        ("2023-06-13/03/front/11.46.mp4@2.00s", "2023-06-13 03:11:48"),
        ("2023/06/13/03/11-46.jpg", "2023-06-13 03:11:46"),
        ("2023-06-13/03/front/46.11.mp4", "2023-06-13 03:46:11"),
        ("2023-06-13 03.11.46 PM.jpg", "2023-06-13 15:11:46"),
        ("2023-06-13_03-11-46AM.jpg", "2023-06-13 03:11:46"),
        ("2023-06-13/12-11-46 AM.jpg", "2023-06-13 00:11:46"),
        ("20230613_121146pm.jpg", "2023-06-13 12:11:46"),
        ("Screenshot 2023-06-13 at 3.11.46\u202fPM.png", "2023-06-13 15:11:46"),
        ("G4 Doorbell 6-13-2023, 3.11.46 PM - 6-13-2023, 3.12.46 PM.mp4@0.00s", "2023-06-13 15:11:46"),
        ("1486000000123_1486000002123_12345.mp4", "2017-02-02 01:46:40"),
        ("front-1686625906.123456-abc.jpg", "2023-06-13 03:11:46"),
        ("2023061303/11M46S_1686625906.mp4", "2023-06-13 03:11:46"),
        ("record/2023Y06M13D03H/11M46S00.mp4", "2023-06-13 03:11:46"),
        ("2023Y06M13D03H/E1_11M46S60.mp4", "2023-06-13 03:11:46"),
    ],
)
def test_the_time_is_read_from_the_names_cameras_give(origin: str, time: str) -> None:
    assert str(time_of(origin)) == time


@pytest.mark.parametrize(
    "origin",
    [
        "frame_000123.png",
        "2023-06-13/frame_000123.png",
        "2023-06-13/frame_0123.png",
        "2023-06-13/00001.png",
        "000123.png",
        "0311.png",
        "03-11-46.png",
        "20230613.jpg",
        "2023-06-13.jpg",
        "IMG-20230613-WA0012.jpg",
        "20230613_12.jpg",
        "20230613_00123.jpg",
        "20230613_311465.jpg",
        "20230231_031146.jpg",
        "20231301_031146.jpg",
        "13-06-2023_03-11-46.jpg",
        "image23-06-13_03-11-46-12.jpg",
        "192.168.1.11.jpg",
        "2023-06-13/10.10.10.10_7.jpg",
        "1000000123.png",
        "2023061303.png",
        "0000000123.png",
        "4k-1920x1080.jpg",
        "campus.mp4@12.40s",
        "1970-01-01T00_00_12.jpg",
        "0613_031146.jpg",
        "2023-06-13_15-00-00 PM.jpg",
        "",
    ],
)
def test_what_could_be_something_else_is_no_time(origin: str) -> None:
    assert time_of(origin) is None


FORMATS = ["%Y-%m-%dT%H_%M_%S", "cam_%Y%m%d_%H%M%S", "Front_00_%Y%m%d%H%M%S", "%Y.%m.%d-%H.%M.%S_7", "%Y%m%dT%H%M%S"]
FORMATS += ["%Y-%m-%d/%H-%M-%S", "%Y%m%d/%H%M%S", "%Y/%m/%d/door_%H-%M-%S", "%Y-%m-%d/cam/%Hh%Mm%S"]


@given(TIMES, st.sampled_from(FORMATS), st.sampled_from([".jpg", ".PNG", ".jpeg"]))
def test_what_is_written_is_what_is_read(time: datetime, name: str, suffix: str) -> None:
    assert time_of(time.strftime(name) + suffix) == time.replace(microsecond=0)


@given(TIMES, st.integers(0, 10**6))
def test_a_videos_frames_count_from_its_start(time: datetime, hundredths: int) -> None:
    origin = f"{time:%Y%m%d_%H%M%S}.mp4@{hundredths / 100:.2f}s"
    assert time_of(origin) == time.replace(microsecond=0) + timedelta(seconds=hundredths / 100)


@given(st.integers(EPOCH_SECONDS.start, EPOCH_SECONDS.stop - 1))
def test_seconds_since_1970_are_the_same_on_every_machine(seconds: int) -> None:
    time = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    assert time_of(f"{seconds}.png") == time_of(f"a/{seconds}999.png") == time


@given(st.text(max_size=40), st.text("0123456789-_./@sTh", max_size=40))
def test_no_name_breaks_it(text: str, digits: str) -> None:
    time_of(text)
    time_of(digits)


def test_digits_are_times_only_where_all_of_the_folder_could_be() -> None:
    minutes = [f"2023-06-13/{hour:02}{minute:02}.png" for hour in range(24) for minute in range(0, 60, 10)]
    counter = [f"2023-06-14/{number:04}.png" for number in range(144)]
    indexed = [f"20230615_{number:06}.png" for number in range(144)]
    assert None not in capture_times(minutes)
    assert set(capture_times(counter + indexed)) == {None}
    assert capture_times(minutes + counter) == [*capture_times(minutes), *[None] * 144]


def test_a_date_and_time_in_one_run_of_digits_are_believed_beside_a_counter() -> None:
    glued, counter = capture_times(["a_20230613031146.jpg", "a_20230613_000060.jpg"])
    assert (glued, counter) == (datetime(2023, 6, 13, 3, 11, 46), None)


def test_a_counter_beside_whole_stamps_takes_nothing_from_them() -> None:
    assert capture_times(["2023-06-13T03_11_46.jpg", "20230613_9999.jpg", "20230613_0311.jpg"]) == [
        datetime(2023, 6, 13, 3, 11, 46),
        None,
        None,
    ]


def test_two_numbers_below_an_hour_are_minute_and_second_unless_they_may_as_well_be_the_time_of_day() -> None:
    """Frigate's layout, and a camera of the number 01 whose pictures tell hour and minute."""
    hours = [f"2023-06-13/{hour:02}/front/{minute:02}.07.mp4@0.0s" for hour in range(4) for minute in (0, 10, 50)]
    assert [str(time) for time in capture_times(hours)][2:4] == ["2023-06-13 00:50:07", "2023-06-13 01:00:07"]
    camera = [f"2023-06-13/01/{hour:02}-{minute:02}.jpg" for hour in range(24) for minute in (0, 30)]
    assert set(capture_times(camera)) == {None}


def test_a_serial_number_in_every_name_is_no_time() -> None:
    assert set(capture_times([f"cam_1234567890_{number:04}.jpg" for number in range(4)])) == {None}
    assert None not in capture_times(["cam_1234567890.mp4@0.00s", "cam_1234567890.mp4@4.00s"])


def test_how_names_were_read_is_told_with_an_example_of_each() -> None:
    names = ["2023-06-13/03/front/11.46.mp4", "1970-01-01T00_00_12.jpg", "1970-01-01T00_00_13.jpg"]
    assert how_read(names) == (
        "2023-06-13/03/front/11.46.mp4 read as 2023-06-13 03:11:46",
        "2 of 3 names tell no time (1970-01-01T00_00_12.jpg: the clock was reset)",
    )
    assert how_read(["a/0613_031146.jpg"])[1].endswith("(a/0613_031146.jpg: no year)")
    assert how_read(["frame_1.jpg"]) == ("", "")
