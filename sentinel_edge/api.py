"""Sentinel Edge as a library: what `import sentinel_edge` offers, and what the command line itself is made of.

Everything takes footage as a path, as frames in memory, or as embeddings that were made elsewhere; writes no file
unless it is asked to; and raises `SentinelError`, one line for a person, where something cannot be done.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sentinel_edge import assets, gates, monitor
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.describe import Description, describe
from sentinel_edge.baseline.episodes import Piece, Rule
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, Skipped, find_footage
from sentinel_edge.footage.given import GivenFrames
from sentinel_edge.footage.mask import load_mask
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.footage.sampling import EvenSample
from sentinel_edge.footage.window import WINDOW_LIMIT, Window, join
from sentinel_edge.gates.protocol import Models
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.verdict.verdict import Status, Verdict

__all__ = [
    "Baseline",
    "Description",
    "SentinelError",
    "Skipped",
    "Status",
    "Verdict",
    "build_baseline",
    "check",
    "describe",
    "extend_baseline",
    "load_baseline",
    "save_baseline",
]

Source = str | Path | Iterable[Any] | Mapping[str, Iterable[Any]]
"""Footage: a path (an image folder, a video, or a folder of either); frames, uint8 (h, w, 3), blue-green-red; pairs of
seconds and such a frame, in the order of time; embeddings, (d,) each, or (n, d); or several of these by name, of which
each is an episode of a baseline."""
EXPECTED = (
    "expected a path, frames (uint8 arrays of height, width and 3 channels), pairs of seconds and a frame, or "
    "embeddings (arrays of one axis, or one of two)"
)


def build_baseline(
    source: Source,
    *,
    fps: float | None = None,
    episode: str | int | None = None,
    mask: str | Path | None = None,
    model: str | Path | None = None,
    interpolator: str | Path = Watched.CHAMPION,
    sensitivity: bool = False,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    skipped: Callable[[Skipped], None] = lambda _: None,
) -> Baseline:
    """Learn what normal looks like on one camera.

    Args:
        source: Normal footage; see `Source`. Three clips or more are an episode each; fewer are cut.
        fps: Samples a second of what comes with times; checks will use the same. None for 5.
        episode: What an episode is: `"file"`, `"day"`, `"hour"`, or a number; None for what suits the footage.
        mask: A picture in black and white: what is black is left out, here and in every check.
        model: The embedder's ONNX file; None for the one that comes with the package.
        interpolator: The model whose performance is watched: `"champion"`, `"none"`, an ONNX file or a registry.
        sensitivity: Whether to measure what failures it catches; reads the footage again, so a path is needed.
        threads: Inference workers; None for one a core.
        progress: Called with the number of frames recorded so far.
        skipped: Called with each file that was passed over, and why.

    Raises:
        SentinelError: The footage is too short, too much of it cannot be read, or it is none.
    """
    from sentinel_edge.baseline import learning  # noqa: PLC0415  (a check does without)

    rule = None if episode is None else Rule.of(episode)
    rate = DEFAULT_FPS if fps is None else fps
    shown = None if mask is None else load_mask(Path(mask))
    footage = _footage(source)
    if not isinstance(footage, Footage):
        return learning.build_from_windows(footage, _GIVEN, episode=rule, fps=rate)
    _require_readable_twice(footage, sensitivity)
    made, passed_over = learning.build_baseline(
        footage,
        _models(footage, model, interpolator, threads),
        fps=rate,
        episode=rule,
        mask=shown,
        sensitivity=sensitivity,
        progress=progress,
    )
    for one in passed_over:
        skipped(one)
    return made


def extend_baseline(
    baseline: Baseline,
    source: Source,
    *,
    episode: str | int | None = None,
    mask: str | Path | None = None,
    fps: float | None = None,
    model: str | Path | None = None,
    interpolator: str | Path = Watched.CHAMPION,
    sensitivity: bool = False,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    skipped: Callable[[Skipped], None] = lambda _: None,
) -> Baseline:
    """Teach a baseline further normal footage; the old footage is not needed, and the old baseline stays as it is.

    Args:
        baseline: What is known so far.
        source: More normal footage of the same camera, frames or a path.
        episode: As for `build_baseline`; one is enough.
        mask: Only to make sure that it is the baseline's own.
        fps: Only to make sure that it is the baseline's own.
        model: As for `build_baseline`; it must be the one that made the baseline.
        interpolator: As for `build_baseline`.
        sensitivity: As for `build_baseline`, measured on the new footage.
        threads: As for `build_baseline`.
        progress: As for `build_baseline`.
        skipped: As for `build_baseline`.

    Raises:
        SentinelError: The footage is too short or cannot be read, the model is another one, or what is new would blind
            the baseline.
    """
    from sentinel_edge.baseline import learning  # noqa: PLC0415  (a check does without)

    rule = None if episode is None else Rule.of(episode, least=1)
    shown = None if mask is None else load_mask(Path(mask))
    footage = _footage(source)
    if not isinstance(footage, Footage):
        raise SentinelError("a baseline grows by footage; expected a path or frames, not embeddings: build it again")
    _require_readable_twice(footage, sensitivity)
    models = _models(footage, model, interpolator, threads)
    baseline.require_compatible(models.embedder, fps)
    if shown:
        baseline.require_mask(shown)
    grown, passed_over = learning.extend_baseline(
        baseline, footage, models, episode=rule, sensitivity=sensitivity, progress=progress
    )
    for one in passed_over:
        skipped(one)
    return grown


def check(
    source: Source,
    baseline: Baseline | str | Path,
    *,
    output: str | Path | None = None,
    model: str | Path | None = None,
    threshold: float = gates.SETTINGS["threshold"],
    alpha: float = gates.SETTINGS["alpha"],
    fps: float | None = None,
    gates: Collection[str] | None = None,
    interpolator: str | Path = Watched.CHAMPION,
    threads: int | None = None,
    evidence: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Judge footage against a baseline.

    Args:
        source: What to check; see `Source`.
        baseline: What is normal, or its file.
        output: A folder for `status` and `verdict.json`, as the command line writes them; None writes nothing.
        model: The embedder's ONNX file; None for the one that comes with the package.
        threshold: Share of drifted dimensions above which the verdict is FAIL.
        alpha: Significance level for each dimension.
        fps: Only to make sure that it is the baseline's own.
        gates: Names of those that decide; None for all.
        interpolator: The model whose performance is watched: `"champion"`, `"none"`, an ONNX file or a registry.
        threads: Inference workers; None for one a core.
        evidence: With an output, of a FAIL, how many of the frames most unlike the baseline to write as pictures.
        progress: Called with the number of frames recorded so far.
        warn: Called with one line where evidence that was asked for is missing.

    Returns:
        The verdict. What could not be judged is one too: its status is ERROR, and its message says why.

    Raises:
        SentinelError: What was given is no footage, or the output cannot be written.
    """
    incoming: Path | Footage | Window
    if isinstance(source, str | Path):
        incoming = Path(source)  # found out about when ERROR is in place
    else:
        found = _footage(source)
        incoming = found if isinstance(found, Footage) else join([piece.window for piece in found])
    return monitor.check(
        monitor.CheckOptions(
            incoming=incoming,
            baseline=baseline if isinstance(baseline, Baseline) else Path(baseline),
            model=None if model is None else Path(model),
            output=None if output is None else Path(output),
            threshold=threshold,
            alpha=alpha,
            fps=fps,
            gates=None if gates is None else _known_gates(gates),
            interpolator=_watched(interpolator),
            threads=threads,
            evidence=evidence,
        ),
        progress=progress,
        warn=warn,
    )


def _known_gates(asked: Collection[str]) -> tuple[str, ...]:
    if isinstance(asked, str) or not asked or not set(asked) <= set(gates.names()):
        raise SentinelError(f"gates is {asked!r}; expected names of {', '.join(gates.names())}")
    return tuple(asked)


_GIVEN = "frames"
"""The name of footage that has none."""


def _footage(source: Source) -> Footage | list[Piece]:
    """What is meant by a source: clips to read, or stretches of embeddings.

    Raises:
        SentinelError: It is neither.
    """
    if isinstance(source, str | Path):
        return find_footage(Path(source))
    if isinstance(source, Mapping):
        parts = [_given(str(name), frames) for name, frames in source.items()]
    else:
        parts = [_given(_GIVEN, source)]
    clips = [part for part in parts if isinstance(part, GivenFrames)]
    pieces = [part for part in parts if isinstance(part, Piece)]
    if bool(clips) == bool(pieces):
        raise SentinelError(f"found {'frames and embeddings' if clips else 'nothing'}; {EXPECTED}")
    return pieces or Footage(Path(_GIVEN), tuple(clips))


def _given(name: str, source: Iterable[Any]) -> GivenFrames | Piece:
    """Frames or embeddings of one name, by what the first of them is."""
    if not isinstance(source, Iterable):
        raise SentinelError(f"{name} is {type(source).__name__}; {EXPECTED}")
    items = iter(source)
    first = next(items, None)
    every = items if first is None else chain([first], items)
    if isinstance(first, np.ndarray) and first.ndim == 1:
        return Piece(name, _embedded(name, every))
    if isinstance(first, tuple) and len(first) == 2:
        return GivenFrames.of(name, every, timed=True)
    if isinstance(first, np.ndarray):
        return GivenFrames.of(name, every, timed=False)
    raise SentinelError(f"{name} begins with {type(first).__name__ if first is not None else 'nothing'}; {EXPECTED}")


def _embedded(name: str, embeddings: Iterable[Any]) -> Window:
    """A window of embeddings that were made elsewhere, thinned evenly where there are many.

    Raises:
        SentinelError: One is not like the first, or not finite in half precision.
    """
    kept: EvenSample[tuple[str, Any]] = EvenSample(WINDOW_LIMIT)
    count, width = 0, 0
    for count, one in enumerate(embeddings, start=1):
        found = np.asarray(one)
        width = width or found.size
        with np.errstate(over="ignore", invalid="ignore"):
            half = found.astype(np.float16) if found.dtype.kind in "fiu" and found.shape == (width,) else None
        if half is None or not np.isfinite(half).all():
            raise SentinelError(
                f"{name} {count - 1} is {found.dtype} {found.shape}; expected {width} finite numbers below 65504, as "
                "the first has"
            )
        kept.add(count - 1, (f"{name} {count - 1}", half))
    return Window(
        records={gates.DRIFT: np.array([half for _, half in kept], np.float16).reshape(len(kept), width)},
        origins=tuple(origin for origin, _ in kept),
        samples=count,
        stride=kept.stride,
        unreadable=0.0,
        expected=float(count),
        skipped=(),
        made_by={},
    )


def _require_readable_twice(footage: Footage, sensitivity: bool) -> None:
    if sensitivity and any(isinstance(clip, GivenFrames) for clip in footage.clips):
        raise SentinelError("sensitivity reads footage a second time; expected a path, not frames in memory")


def _models(footage: Footage, model: str | Path | None, interpolator: str | Path, threads: int | None) -> Models:
    embedder = Embedder(assets.default_model() if model is None else Path(model), threads)
    watched = _watched(interpolator)
    return Models(embedder, lambda: watched_interpolator(watched) if footage.has_video else None)


def _watched(interpolator: str | Path) -> Watched | Path:
    return Watched(interpolator) if interpolator in list(Watched) else Path(interpolator)
