"""Learning what is normal: from footage to a golden baseline."""

import os
import time
from collections.abc import Callable

import numpy as np

from sentinel_edge.baseline import Baseline, Episode
from sentinel_edge.calibration import MIN_EPISODES, MIN_FRAMES, calibrate, sketch
from sentinel_edge.embedder import PREPROCESSING, Embedder
from sentinel_edge.episodes import Piece, Rule, divide, require_suitable, suitable_rule
from sentinel_edge.errors import SentinelError
from sentinel_edge.sources import Footage, Skipped
from sentinel_edge.window import read_window, require_readable

DEFAULT_FPS = 5.0
"""Samples a second of video: dense enough for clips of half a minute; longer footage is thinned anyway."""


def build_baseline(
    footage: Footage,
    embedder: Embedder,
    *,
    fps: float = DEFAULT_FPS,
    episode: Rule | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[Baseline, list[Skipped]]:
    """Embed normal footage, episode by episode, and calibrate on it.

    Args:
        footage: Normal footage of one camera.
        embedder: The model.
        fps: Samples a second of video.
        episode: What an episode is; None for what suits the footage (see `episodes`).
        progress: Called with the number of frames embedded so far.

    Returns:
        The baseline, and what was passed over.

    Raises:
        SentinelError: The footage is too short, too much of it cannot be read, or its names do not tell the times
            to cut it by.
    """
    source = footage.root.resolve().name
    rule = episode or suitable_rule(footage.clips, source)
    require_suitable(footage.clips, source, rule)
    limit = rule.limit(len(footage.clips))
    clips: list[Piece] = []
    done = 0

    def report(count: int) -> None:
        progress(done + count)

    for clip in footage.clips:
        window = read_window([clip], embedder, fps, limit=limit, progress=report)
        done += len(window.embeddings)
        clips.append(Piece(clip.name, window))
    skipped = [*footage.ignored, *(entry for clip in clips for entry in clip.window.skipped)]
    require_readable([clip.window for clip in clips], footage.root)
    episodes, told = divide(clips, rule, source)
    if len(episodes) < MIN_EPISODES:
        frames = sum(clip.frames for clip in clips)
        raise SentinelError(
            f"{footage.root} gives {frames} readable samples, enough for {len(episodes)} episode(s) by {rule.by}; "
            f"expected at least {MIN_EPISODES} episodes of {MIN_FRAMES} samples: give more footage, a higher --fps, or "
            "another --episode"
        )
    embeddings = [episode.window.embeddings for episode in episodes]
    sketches = np.stack([sketch(frames) for frames in embeddings])
    baseline = Baseline(
        episodes=tuple(Episode(episode.name, episode.frames, episode.window.samples) for episode in episodes),
        sketches=sketches,
        calibration=calibrate(embeddings, sketches, [episode.window.samples for episode in episodes]),
        model=embedder.card.name,
        model_sha256=embedder.card.sha256,
        fps=fps,
        preprocessing=PREPROCESSING,
        source=source,
        created_at=_creation_time(),
        episode_rule=told,
    )
    return baseline, skipped


def _creation_time() -> str:
    """Now, or SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/), as ISO 8601 in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(epoch) if epoch.isdecimal() else int(time.time())
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
