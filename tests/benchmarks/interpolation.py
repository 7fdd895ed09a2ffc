"""What watching the interpolator costs: one triplet beside one embedding, and a check with its gate and without."""

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from sentinel_edge import assets, gates
from sentinel_edge.baseline.file import save_baseline
from sentinel_edge.baseline.learning import build_baseline
from sentinel_edge.footage.clips import find_footage
from sentinel_edge.footage.triplets import MAX_SIDE, Triplet, make_triplet
from sentinel_edge.gates.protocol import Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator
from sentinel_edge.networks.score import Silence, examine, score_all
from sentinel_edge.promotion.registry import Registry
from sentinel_edge.verdict.verdict import Status
from tests.material.windows import EMBEDDING, PERFORMANCE, QUALITY

from .footage import INCOMING, PAST, embedder, frames_of
from .tables import Finding, Result
from .timing import Spread, side_by_side

TRIPLET_TURNS = 15
CHECK_TURNS = 9
LIMIT_TRIPLET = 4.0
LIMIT_CHECK = 1.4
_EMBEDDING = "one embedding"
_INTERPOLATING = f"one triplet of {MAX_SIDE} x {MAX_SIDE} interpolated"
_SCORING = "the same, and scored"
_WITHOUT = f"check by {EMBEDDING} and {QUALITY}"
_WITH = f"check by {EMBEDDING}, {QUALITY} and {PERFORMANCE}"

Clocks = tuple[dict[str, Spread], dict[str, Spread]]


def measure() -> Result:
    """The champion, one call on one thread; then whole checks of the sample at the default rate."""
    champion = Registry(assets.default_registry()).champion()
    triplet_clocks = _triplets(Interpolator(champion.model))
    triplets, check_clocks = _checks(Interpolator(champion.model))
    rows: list[tuple[str, ...]] = []
    for (seconds, processor), reference in ((triplet_clocks, _EMBEDDING), (check_clocks, _WITHOUT)):
        for name in seconds:
            ratio, work = (clock[name].over(clock[reference]) for clock in (seconds, processor))
            rows.append((name, seconds[name].shown(1e3, 1, " ms"), ratio.shown(), work.shown()))
    return Result(
        "interpolation",
        f"Interpolating with version {champion.version}, beside embedding",
        "Above: calls of the runtime's own sessions in turns, each one thread and one frame or triplet, in memory, of "
        f"{INCOMING.name}; in times one embedding. Below: `monitor.check` of the same clip at the default rate in this "
        f"process, a worker a core, by the two gates and by all three, in turns; in times the former. {triplets} "
        "triplets are interpolated in it. The baseline was built before. Processor time "
        "is that of all threads, which other programs on the machine hardly touch.",
        ("what", "time", "ratio", "in processor time"),
        rows,
        {
            "champion": champion.version,
            "sha256": champion.card.sha256,
            "triplets": triplets,
            "seconds": _plain(triplet_clocks[0]) | _plain(check_clocks[0]),
            "processor_s": _plain(triplet_clocks[1]) | _plain(check_clocks[1]),
        },
        [
            *_findings(
                "one triplet interpolated: times one embedding",
                triplet_clocks,
                _INTERPOLATING,
                _EMBEDDING,
                LIMIT_TRIPLET,
            ),
            *_findings(
                "one triplet interpolated and scored: times one embedding", triplet_clocks, _SCORING, _EMBEDDING, None
            ),
            *_findings(
                "check by all gates: times a check without the performance gate",
                check_clocks,
                _WITH,
                _WITHOUT,
                LIMIT_CHECK,
            ),
        ],
    )


def _findings(what: str, clocks: Clocks, name: str, reference: str, target: float | None) -> list[Finding]:
    wall, work = (clock[name].over(clock[reference]) for clock in clocks)
    return [
        Finding(what, wall.shown(), wall.median, target),
        Finding(f"{what}, in processor time", work.shown(), work.median),
    ]


def _triplets(interpolator: Interpolator) -> Clocks:
    one_worker = Embedder(assets.default_model(), 1)
    triplet = _moving_triplet()
    frame = one_worker.fit(np.ascontiguousarray(triplet.middle[..., ::-1]))[None]
    return side_by_side(
        {
            _EMBEDDING: lambda: one_worker.embed(frame),
            _INTERPOLATING: lambda: interpolator.interpolate(triplet.first[None], triplet.last[None]),
            _SCORING: lambda: list(score_all([triplet], interpolator)),
        },
        TRIPLET_TURNS,
    )


def _moving_triplet() -> Triplet:
    """The first of the sample in which something moves, its middle square scaled to the largest there is."""
    frames = list(islice(frames_of(INCOMING), 60))
    height, width = frames[0].shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = [np.ascontiguousarray(frame[top : top + side, left : left + side]) for frame in frames]
    for three in zip(square, square[1:], square[2:], strict=False):
        triplet = make_triplet(three, INCOMING.name, (0.0, 0.1, 0.2))
        if triplet and not isinstance(examine(triplet), Silence):
            if triplet.first.shape[:2] != (MAX_SIDE, MAX_SIDE):
                raise RuntimeError(f"expected {MAX_SIDE} x {MAX_SIDE} pixels, found {triplet.first.shape}")
            return triplet
    raise RuntimeError(f"nothing moves in the first frames of {INCOMING}")


def _checks(interpolator: Interpolator) -> tuple[int, Clocks]:
    """Triplets of one check, and the clocks of both kinds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.npz"
        baseline, _ = build_baseline(find_footage(PAST), Models(embedder(), lambda: interpolator))
        save_baseline(baseline, path)
        scored: list[int] = []

        def checked(asked: tuple[str, ...]) -> None:
            options = CheckOptions(INCOMING, path, assets.default_model(), Path(folder) / "status", gates=asked)
            verdict = check(options)
            if verdict.status is Status.ERROR or set(verdict.gates) != set(asked):
                raise RuntimeError(f"expected a verdict of {', '.join(asked)}, found {verdict.to_json()}")
            if PERFORMANCE in asked:
                told = verdict.gates[PERFORMANCE].numbers.get("triplets")
                if told is None or verdict.gates[PERFORMANCE].score is None:
                    raise RuntimeError(f"expected the performance to be judged, found {verdict.to_json()}")
                scored.append(told.scored)

        jobs = {_WITHOUT: lambda: checked((EMBEDDING, QUALITY)), _WITH: lambda: checked(gates.names())}
        clocks = side_by_side(jobs, CHECK_TURNS)
        return scored[0], clocks


def _plain(seconds: dict[str, Spread]) -> dict[str, tuple[float, ...]]:
    return {name: spread.values for name, spread in seconds.items()}
