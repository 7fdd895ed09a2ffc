"""Sentinel Edge as a library: what `import sentinel_edge` offers, and what the command line itself is made of.

Everything takes footage as a path, as frames in memory, or as embeddings that were made elsewhere; writes no file
unless it is asked to; and raises `SentinelError`, one line for a person, where something cannot be done.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sentinel_edge import assets, monitor
from sentinel_edge import gates as gate_table
from sentinel_edge.baseline.baseline import Baseline, camera_problem
from sentinel_edge.baseline.describe import Description, describe
from sentinel_edge.baseline.episodes import Piece, Rule
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.vetting import Finding
from sentinel_edge.causes import Cause
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.clips import Footage, Skipped, find_footage
from sentinel_edge.footage.mask import load_mask
from sentinel_edge.footage.samples import DEFAULT_FPS, MAX_FPS
from sentinel_edge.footage.sources import GIVEN, parts_of, window_of
from sentinel_edge.footage.window import Window
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
MAX_THREADS = 256


def build_baseline(
    source: Source,
    *,
    fps: float | None = None,
    episode: str | int | None = None,
    mask: str | Path | None = None,
    model: str | Path | None = None,
    interpolator: str | Path = Watched.CHAMPION,
    sensitivity: bool = False,
    camera: str = "",
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
        camera: Whose baseline it is, as verdicts will name it.
        threads: Inference workers; None for one a core.
        progress: Called with the number of frames recorded so far.
        skipped: Called with each file that was passed over, and why.

    Raises:
        SentinelError: The footage is too short, too much of it cannot be read, or it is none.
    """
    from sentinel_edge.baseline import learning  # noqa: PLC0415  (a check does without)

    rule = None if episode is None else Rule.of(episode)
    rate = _rate(fps) or DEFAULT_FPS
    named = _camera(camera)
    shown = None if mask is None else load_mask(Path(mask))
    footage = _footage(source, sensitivity)
    if not isinstance(footage, Footage):
        if mask is not None or model is not None:
            raise SentinelError("embeddings have neither picture nor model; expected no mask and no model with them")
        return learning.build_from_windows(footage, GIVEN, episode=rule, fps=rate, camera=named)
    made, passed_over = learning.build_baseline(
        footage,
        _models(footage, model, interpolator, threads),
        fps=rate,
        episode=rule,
        mask=shown,
        sensitivity=sensitivity,
        camera=named,
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
    accept: Iterable[str] = (),
    camera: str = "",
    found: Callable[[Finding], None] = lambda _: None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
    skipped: Callable[[Skipped], None] = lambda _: None,
) -> Baseline:
    """Teach a baseline further normal footage; the old footage is not needed, and the old baseline stays as it is.

    The footage is judged by the old baseline first, and a fault of the camera, or what may be one, is not learned.

    Args:
        baseline: What is known so far.
        source: More normal footage of the same camera, frames or a path.
        episode: As for `build_baseline`; one is enough.
        mask: Only to make sure that it is the baseline's own.
        fps: Only to make sure that it is the baseline's own.
        model: As for `build_baseline`; it must be the one that made the baseline.
        interpolator: As for `build_baseline`.
        sensitivity: As for `build_baseline`, measured on the new footage.
        accept: Causes that are sound all the same and meant to be normal, as `"low_light"`.
        camera: Only to make sure that it is the baseline's own; of one without a name, its name from now on.
        found: Called with what each new episode shows, and all of them together.
        threads: As for `build_baseline`.
        progress: As for `build_baseline`.
        skipped: As for `build_baseline`.

    Raises:
        SentinelError: The footage is too short, cannot be read or shows a fault, model or camera are other ones, or
            what is new would blind the baseline.
    """
    from sentinel_edge.baseline import learning  # noqa: PLC0415  (a check does without)

    rule = None if episode is None else Rule.of(episode, least=1)
    accepted, named = _causes(accept), _camera(camera)
    shown = None if mask is None else load_mask(Path(mask))
    footage = _footage(source, sensitivity)
    if not isinstance(footage, Footage):
        raise SentinelError("a baseline grows by footage; expected a path or frames, not embeddings: build it again")
    models = _models(footage, model, interpolator, threads)
    baseline.require_compatible(models.embedder, _rate(fps))
    if shown:
        baseline.require_mask(shown)
    grown, passed_over = learning.extend_baseline(
        baseline,
        footage,
        models,
        episode=rule,
        sensitivity=sensitivity,
        accept=accepted,
        camera=named,
        found=found,
        progress=progress,
    )
    for one in passed_over:
        skipped(one)
    return grown


def check(
    source: Source,
    baseline: Baseline | str | Path | None = None,
    *,
    output: str | Path | None = None,
    model: str | Path | None = None,
    threshold: float = gate_table.SETTINGS["threshold"],
    alpha: float = gate_table.SETTINGS["alpha"],
    fps: float | None = None,
    gates: Iterable[str] | None = None,
    interpolator: str | Path = Watched.CHAMPION,
    threads: int | None = None,
    evidence: int = 0,
    progress: Callable[[int], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Verdict:
    """Judge footage against a baseline.

    Args:
        source: What to check; see `Source`.
        baseline: What is normal, or its file; None for the sample camera's, to try it out.
        output: A folder for `status` and `verdict.json`, as the command line writes them; None writes nothing.
        model: The embedder's ONNX file; None for the one that comes with the package.
        threshold: Share of drifted dimensions above which the verdict is FAIL.
        alpha: Significance level for each dimension.
        fps: Only to make sure that it is the baseline's own.
        gates: Names of those that decide; None for all.
        interpolator: The model whose performance is watched: `"champion"`, `"none"`, an ONNX file or a registry.
        threads: Inference workers; None for one a core.
        evidence: With an output, of a FAIL of footage by path, how many of the frames most unlike the baseline to write
            as pictures, at most 20.
        progress: Called with the number of frames recorded so far.
        warn: Called with one line where evidence that was asked for is missing.

    Returns:
        The verdict. What could not be judged is one too: its status is ERROR, and its message says why.

    Raises:
        SentinelError: An option is none that is allowed, and nothing was touched; or the output cannot be written.
    """
    by_path = isinstance(source, str | Path)
    shown = _whole("evidence", evidence, 0, gate_table.MAX_FURTHEST)
    if shown and not by_path:
        raise SentinelError("evidence reads footage a second time; expected a path, not what is in memory")
    return monitor.check(
        monitor.CheckOptions(
            # What is in memory is looked at, as a path is, only when ERROR is in place.
            incoming=Path(source) if isinstance(source, str | Path) else lambda: _given(source),
            baseline=baseline if baseline is None or isinstance(baseline, Baseline) else Path(baseline),
            model=None if model is None else Path(model),
            output=None if output is None else Path(output),
            threshold=_number("threshold", threshold, 1.0),
            alpha=_number("alpha", alpha, 1.0),
            fps=_rate(fps),
            gates=None if gates is None else _known_gates(gates),
            interpolator=_watched(interpolator),
            threads=_workers(threads),
            evidence=shown,
        ),
        progress=progress,
        warn=warn,
    )


def _given(source: Any) -> Footage | Window:
    """What a program hands over, to be judged: clips to read, or embeddings as a window."""
    clips, vectors = parts_of(source)
    return window_of(vectors, gate_table.DRIFT) if vectors else Footage(Path(GIVEN), tuple(clips))


def _footage(source: Source, sensitivity: bool) -> Footage | list[Piece]:
    """What is to be learned from: clips to read, or named windows of embeddings."""
    if isinstance(source, str | Path):
        return find_footage(Path(source))
    clips, vectors = parts_of(source)
    if sensitivity:
        raise SentinelError("sensitivity reads footage a second time; expected a path, not what is in memory")
    if not vectors:
        return Footage(Path(GIVEN), tuple(clips))
    pieces = [Piece(one.name, window_of([one], gate_table.DRIFT)) for one in vectors]
    widths = {piece.window.records[gate_table.DRIFT].shape[1] for piece in pieces}
    if len(widths) > 1:
        raise SentinelError(f"the embeddings have {sorted(widths)} dimensions; expected those of one model")
    return pieces


def _models(footage: Footage, model: str | Path | None, interpolator: str | Path, threads: int | None) -> Models:
    embedder = Embedder(assets.default_model() if model is None else Path(model), _workers(threads))
    watched = _watched(interpolator)
    return Models(embedder, lambda: watched_interpolator(watched) if footage.has_video else None)


# Options, checked before anything is done: a request that is not understood has no effect.


def _watched(interpolator: str | Path) -> Watched | Path:
    if not isinstance(interpolator, str | Path):
        raise SentinelError(f"interpolator is {interpolator!r}; expected {', '.join(Watched)}, or a path")
    return Watched(interpolator) if interpolator in list(Watched) else Path(interpolator)


def _known_gates(asked: Iterable[str]) -> tuple[str, ...]:
    names = () if isinstance(asked, str) else tuple(asked)
    if not names or not all(name in gate_table.names() for name in names):
        raise SentinelError(f"gates is {asked!r}; expected names of {', '.join(gate_table.names())}")
    return names


def _causes(named: Iterable[str]) -> tuple[Cause, ...]:
    causes = (named,) if isinstance(named, str) else tuple(named)
    if not all(cause in list(Cause) for cause in causes):
        raise SentinelError(f"accept is {named!r}; expected causes of {', '.join(Cause)}")
    return tuple(map(Cause, causes))


def _camera(name: str) -> str:
    problem = camera_problem(name) if name else None
    if problem:
        raise SentinelError(f"camera is {name!r}; expected {problem}")
    return name


def _number(name: str, value: float, most: float) -> float:
    """A number between 0 and another one, both ends excluded."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating) or not 0 < value < most:
        raise SentinelError(f"{name} is {value!r}; expected a number between 0 and {most:g}, both ends excluded")
    return float(value)


def _rate(fps: float | None) -> float | None:
    return None if fps is None else _number("fps", fps, MAX_FPS)


def _whole(name: str, value: int, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise SentinelError(f"{name} is {value!r}; expected a whole number from {least} to {most}")
    return int(value)


def _workers(threads: int | None) -> int | None:
    return None if threads is None else _whole("threads", threads, 1, MAX_THREADS)
