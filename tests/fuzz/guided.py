"""Coverage-guided fuzzing of the pure parsers, by atheris: `make fuzz-parsers`.

Each takes bytes or a text and may raise what it says it raises, and nothing else. atheris ends its process when it is
done, so each parser has one of its own.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NOW = datetime(2026, 11, 23, tzinfo=UTC)
"""When a history is read."""
PARSERS = ("announced_picture", "capture_times", "verdict", "history", "canary", "card", "pointers", "baseline")


def main() -> int:
    """Fuzz every parser for a while; exit code 1 where one raised what it must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="for each parser")
    parser.add_argument("--only", choices=PARSERS)
    options = parser.parse_args()
    if options.only:
        return _fuzz(options.only, round(options.minutes * 60))
    failed = []
    for name in PARSERS:
        command = [sys.executable, "-m", "tests.fuzz.guided", "--only", name, "--minutes", str(options.minutes)]
        run = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        done = [line for line in run.stderr.splitlines() if line.startswith("Done ")]
        print(f"{name:18} {done[-1] if done else run.stderr[-3000:]}", flush=True)
        failed += [name] if run.returncode or not done else []
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> int:
    import atheris  # noqa: PLC0415  (an extra, and slow to load)

    with atheris.instrument_imports(include=["sentinel_edge"]):
        parse = _parser(name)
    with tempfile.TemporaryDirectory() as folder:
        seed = Path(folder, "seed")
        seed.write_bytes(_seed(name))
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=1000", "-timeout=10", f"-artifact_prefix={folder}/"]
        atheris.Setup([sys.argv[0], *limits, folder], parse)
        atheris.Fuzz()
    return 0


def _parser(name: str) -> Callable[[bytes], None]:
    from sentinel_edge.errors import SentinelError  # noqa: PLC0415
    from sentinel_edge.storage.documents import DocumentError  # noqa: PLC0415

    read = _reader(name)
    place = Path(tempfile.mkdtemp()) / "file"

    def parse(content: bytes) -> None:
        place.write_bytes(content)
        with suppress(OSError, SentinelError, DocumentError):
            read(place)

    return parse


def _reader(name: str) -> Callable[[Path], Any]:  # noqa: PLR0911
    from sentinel_edge import gates  # noqa: PLC0415
    from sentinel_edge.baseline.file import load_baseline  # noqa: PLC0415
    from sentinel_edge.decision.history import read_history  # noqa: PLC0415
    from sentinel_edge.footage.dates import capture_times  # noqa: PLC0415
    from sentinel_edge.footage.picture_size import CODECS, announced_picture  # noqa: PLC0415
    from sentinel_edge.networks.interpolator_card import load_card  # noqa: PLC0415
    from sentinel_edge.promotion.canary_state import load_state  # noqa: PLC0415
    from sentinel_edge.promotion.pointers import Pointers  # noqa: PLC0415
    from sentinel_edge.storage.documents import read_document  # noqa: PLC0415
    from sentinel_edge.verdict.reading import read_verdict  # noqa: PLC0415

    codecs = sorted(CODECS)

    def announced(path: Path) -> None:
        content = path.read_bytes()
        if content:
            announced_picture(content[1:], codecs[content[0] % len(codecs)])

    match name:
        case "announced_picture":
            return announced
        case "capture_times":
            return lambda path: capture_times(path.read_bytes().decode(errors="surrogateescape").split("\n"))
        case "verdict":
            return lambda path: read_verdict(path, gates.numbers())
        case "history":
            return lambda path: read_history(path, NOW)
        case "canary":
            return load_state
        case "card":
            return load_card
        case "pointers":
            return lambda path: read_document(path, Pointers)
        case _:
            return load_baseline


def _seed(name: str) -> bytes:
    root = Path(__file__).parents[2]
    match name:
        case "capture_times":
            return b"2026-11-20/13/camera/05.30.mp4\n20261120_130530.jpg\n1700000000.png"
        case "card":
            return (root / "models/vfi/versions/0001/card.json").read_bytes()
        case "pointers":
            return (root / "models/vfi/registry.json").read_bytes()
        case "baseline":
            return (root / "baseline/golden.npz").read_bytes()
        case "announced_picture":
            return b"\x00\x00\x00\x01\x67\x42\x00\x1e\xab\x40\x50\x1e\xc8"
    return b'{"schema_version": 1, "status": "PASS", "entries": [], "content": {}, "sha256": ""}'


if __name__ == "__main__":
    sys.exit(main())
