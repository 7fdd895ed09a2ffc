"""Windows and baselines made for tests: by the table of gates, so that a test names only what it is about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.footage.clips import Clip
from sentinel_edge.footage.mask import Mask
from sentinel_edge.footage.window import WINDOW_LIMIT, Recorder, Window, read_window
from sentinel_edge.gates.embedding.calibration import Calibration, calibrate, sketch
from sentinel_edge.gates.embedding.gate import EmbeddingNormal
from sentinel_edge.gates.performance.gate import PerformanceNormal
from sentinel_edge.gates.performance.normal import TRIPLET, KnownPerformance
from sentinel_edge.gates.protocol import Episodes, Models
from sentinel_edge.gates.quality.gate import QualityNormal
from sentinel_edge.gates.quality.normal import KnownQuality
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.interpolator import Interpolator

EMBEDDING, QUALITY, PERFORMANCE = "embedding", "quality", "performance"


def window(
    embeddings: NDArray[np.float16],
    signals: NDArray[np.void],
    triplets: NDArray[np.void] | None = None,
    *,
    origins: Sequence[str] | None = None,
    samples: int | None = None,
    interpolator: str = "",
) -> Window:
    """A window of n frames, all of them readable; without triplets none was asked for."""
    count = len(embeddings)
    return Window(
        records={
            EMBEDDING: embeddings,
            QUALITY: signals,
            PERFORMANCE: np.zeros(count, TRIPLET) if triplets is None else triplets,
        },
        origins=("",) * count if origins is None else tuple(origins),
        samples=count if samples is None else samples,
        stride=1,
        unreadable=0.0,
        expected=float(count if samples is None else samples),
        skipped=(),
        made_by={PERFORMANCE: interpolator},
    )


def with_records(shown: Window, **records: NDArray[Any]) -> Window:
    """The same window with other records of some gates."""
    return replace(shown, records={**shown.records, **records})


def recorders(embedder: Embedder, interpolator: Interpolator | None = None, every: int | None = None) -> list[Recorder]:
    """Of all gates, as a baseline is learned by; triplets at every so many-th frame, where that is said."""
    models = Models(embedder, lambda: interpolator)
    found = [one for gate in gates.GATES if (one := gate.recorder(models, None)) is not None]
    for one in found:
        if every is not None and one.name == PERFORMANCE:
            one.every = every
    return found


def read(
    clips: Iterable[Clip],
    embedder: Embedder,
    fps: float = 5.0,
    *,
    interpolator: Interpolator | None = None,
    every: int | None = None,
    mask: Mask | None = None,
    limit: int = WINDOW_LIMIT,
) -> Window:
    """Footage, recorded by all gates."""
    return read_window(clips, recorders(embedder, interpolator, every), fps, mask=mask, limit=limit)


def embedding(baseline: Baseline) -> EmbeddingNormal:
    """What its embedding gate knows."""
    known = baseline.normal[EMBEDDING]
    assert isinstance(known, EmbeddingNormal)
    return known


def quality(baseline: Baseline) -> KnownQuality:
    """What its quality gate knows."""
    known = baseline.normal[QUALITY]
    assert isinstance(known, QualityNormal)
    return known.known


def performance(baseline: Baseline) -> KnownPerformance:
    """What its performance gate knows."""
    known = baseline.normal[PERFORMANCE]
    assert isinstance(known, PerformanceNormal)
    return known.known


def with_known(
    baseline: Baseline,
    *,
    sketches: NDArray[np.float16] | None = None,
    calibration: Calibration | None = None,
    quality: KnownQuality | None = None,
    performance: KnownPerformance | None = None,
) -> Baseline:
    """The same baseline where some gates know something else."""
    own = embedding(baseline)
    changed = replace(
        own,
        sketches=own.sketches if sketches is None else sketches,
        calibration=own.calibration if calibration is None else calibration,
    )
    normal = {**baseline.normal, EMBEDDING: changed}
    if quality is not None:
        normal[QUALITY] = QualityNormal(quality)
    if performance is not None:
        normal[PERFORMANCE] = PerformanceNormal(performance)
    return replace(baseline, normal=normal)


def baseline_of(
    episodes: Sequence[NDArray[np.float16]],
    quality: KnownQuality,
    performance: KnownPerformance | None = None,
    *,
    names: Sequence[str] | None = None,
    samples: Sequence[int] | None = None,
    **facts: Any,
) -> Baseline:
    """A baseline of the embeddings of some episodes, (n, d) each; `facts` say something else of its header."""
    lengths = tuple(len(episode) for episode in episodes)
    known = Episodes(
        tuple(map(str, range(len(episodes)))) if names is None else tuple(names),
        lengths,
        lengths if samples is None else tuple(samples),
    )
    sketches = np.stack([sketch(episode) for episode in episodes])
    made: Mapping[str, Any] = {
        "mask": None,
        "model": "model",
        "model_sha256": "0" * 64,
        "fps": 5.0,
        "preprocessing": "none",
        "source": "source",
        "created_at": "2026-01-01T00:00:00Z",
        "episode_rule": "file",
    }
    return Baseline(
        episodes=known,
        normal={
            EMBEDDING: EmbeddingNormal(sketches, calibrate(episodes, sketches, known.samples)),
            QUALITY: QualityNormal(quality),
            PERFORMANCE: PerformanceNormal(performance or KnownPerformance.nothing(len(episodes))),
        },
        **{**made, **facts},
    )
