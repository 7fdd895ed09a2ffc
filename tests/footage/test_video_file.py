"""A decoder sees videos only, no more of a file than it had, and only for so long."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sentinel_edge.errors import SentinelError
from sentinel_edge.footage import video_file
from sentinel_edge.footage.decoding import Unreadable, VideoReader
from sentinel_edge.footage.video_file import VideoFile, is_video
from tests.command import ROOT, complaint, run_cli, strict_json
from tests.conftest import HARD_CLIPS, INCOMING, PAST

TEXTS = {
    "ffconcat": "ffconcat version 1.0\nfile {neighbour}\n",
    "itself": "ffconcat version 1.0\n" + 5000 * "file {itself}\n",
    "a playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{neighbour}\n",
    "a session": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "after a mark": "\ufeffffconcat version 1.0\nfile {neighbour}\n",
    "with a start code behind": "ffconcat version 1.0\nfile {neighbour}\n#\0\0\1\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("suffix", [".mp4", ".ts", ".h264", ".mkv"])
def test_a_text_that_names_other_files_is_no_video(text: str, suffix: str, tmp_path: Path) -> None:
    forged = tmp_path / f"forged{suffix}"
    forged.write_text(text.format(neighbour=INCOMING, itself=forged.name))
    started = time.monotonic()
    with pytest.raises(Unreadable, match="not a video, or of a kind that is not read"):
        VideoReader(forged)
    assert time.monotonic() - started < 5


def test_a_check_of_a_text_alone_is_an_error_and_its_neighbour_is_not_judged(tmp_path: Path) -> None:
    footage = tmp_path / "footage"
    footage.mkdir()
    (footage / "a.mp4").write_text(TEXTS["ffconcat"].format(neighbour=INCOMING))
    done = run_cli("check", footage, "--output", tmp_path / "out", folder=INCOMING.parent)
    assert done.returncode == 1
    assert strict_json(done.stdout)["frames"]["judged"] == 0
    assert "a.mp4: not a video" in complaint(done.stderr)


@pytest.mark.parametrize(
    "clip", sorted(path for path in HARD_CLIPS.glob("*/*.*") if path.suffix not in (".md", ".png"))
)
def test_every_kind_of_video_that_is_read_is_known_by_its_beginning(clip: Path) -> None:
    assert is_video(clip.read_bytes())


@pytest.mark.parametrize("name", ["h264.h264", "mpeg4.m4v"])
@pytest.mark.parametrize("cut", [3, 17])
def test_a_raw_stream_that_is_cut_anywhere_is_known(name: str, cut: int) -> None:
    assert is_video((HARD_CLIPS / "resized" / name).read_bytes()[cut:])


@pytest.mark.parametrize("lead", [0, 1, 100, 187])
@pytest.mark.parametrize("size", [188, 192])
def test_a_transport_stream_is_known_wherever_it_was_cut(lead: int, size: int) -> None:
    packet = b"\x47" + bytes(range(1, 188)).replace(b"\x47", b"\xff")
    assert is_video(bytes(lead) + 5 * packet.rjust(size, b"\xff"))


def test_a_video_that_grows_as_it_is_read_ends_where_it_ended(tmp_path: Path) -> None:
    source = (HARD_CLIPS / "resized" / "h264.h264").read_bytes()
    path = tmp_path / "growing.h264"
    path.write_bytes(source)
    with VideoReader(path) as reader:
        expected = sum(1 for _ in reader)
    done = threading.Event()

    def grow() -> None:
        with path.open("ab") as stream:
            while not done.is_set() and stream.tell() < 2**26:
                stream.write(source)
                stream.flush()

    writer = threading.Thread(target=grow)
    try:
        with VideoReader(path) as reader:
            writer.start()
            time.sleep(0.05)
            assert sum(1 for _ in reader) == expected
    finally:
        done.set()
        writer.join()


def test_a_decoder_that_takes_longer_than_any_footage_does_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "PATIENCE_S", 0.02 - INCOMING.stat().st_size / video_file.BYTES_A_SECOND)
    with VideoReader(INCOMING) as reader, pytest.raises(SentinelError, match="took more than 0 s"):
        list(reader)


def test_our_own_time_is_not_the_decoders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_file, "PATIENCE_S", 5 - INCOMING.stat().st_size / video_file.BYTES_A_SECOND)
    with VideoReader(INCOMING) as reader:
        assert reader.advance()
        passed = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: passed() + 3600)
        assert reader.advance()


def test_a_place_before_the_file_is_refused_quietly() -> None:
    file = VideoFile(INCOMING)
    assert file.seek(-5) == -1
    assert file.seek(-4, 2) == INCOMING.stat().st_size - 4
    assert len(file.read(100)) == 4
    assert file.read(100) == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", [1, 20, 60], ids=["opening", "decoding", "later"])
@pytest.mark.parametrize("reader", ["decoding.VideoReader", "packets.PacketReader"])
def test_an_interruption_that_comes_as_the_decoder_reads_is_raised_once_it_has_ended(
    number: signal.Signals, place: int, reader: str
) -> None:
    module, name = reader.split(".")
    program = (
        "import signal; from pathlib import Path; from sentinel_edge.footage.video_file import VideoFile\n"
        f"from sentinel_edge.footage.{module} import {name}\n"
        f"signal.signal({number}, signal.default_int_handler)\n"
        "read, reads = VideoFile.read, []\n"
        "def interrupted(self, size=-1):\n"
        "    reads.append(size)\n"
        f"    if len(reads) == {place}: signal.raise_signal({number})\n"
        "    return read(self, size)\n"
        "VideoFile.read = interrupted\n"
        f"try:\n    list({name}(Path({str(PAST)!r})))\n"
        "except KeyboardInterrupt: print('raised', signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "raised True\n", "")


def test_readers_that_are_let_go_unclosed_do_no_harm() -> None:
    program = (
        "import sys, gc; from pathlib import Path; from sentinel_edge.footage.decoding import VideoReader\n"
        f"for _ in range(3):\n    reader = VideoReader(Path({str(PAST)!r}))\n    list(zip(range(300), reader))\n"
        "    del reader; gc.collect()\n"
        f"left = VideoReader(Path({str(PAST)!r})); left.advance()"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
