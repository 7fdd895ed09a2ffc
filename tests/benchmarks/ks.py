"""The Kolmogorov-Smirnov test of all dimensions: ours against SciPy's, and against a mere sort."""

import numpy as np
from scipy import stats

from sentinel_edge.gates.embedding import ks
from sentinel_edge.gates.embedding.calibration import centre, distances, nearest_episodes, sketch, split_window

from .footage import VIEWS_NOTE, baseline_embeddings, window_embeddings
from .tables import Finding, Result
from .timing import Spread, side_by_side

TURNS = 7


def measure() -> Result:
    """A window of 300 frames against a baseline made of 2000, all dimensions, distances and p-values."""
    raw_window, raw_baseline = window_embeddings(), np.concatenate(baseline_embeddings())
    window, frames = raw_window.astype(np.float16), raw_baseline.astype(np.float16)
    episodes = [episode.astype(np.float16) for episode in baseline_embeddings()]
    sketches = np.stack([sketch(episode) for episode in episodes])
    centres = np.stack([centre(points) for points in sketches])
    everything = range(len(episodes))
    pieces = split_window(window, len(window) / len(episodes[0]))
    chosen = nearest_episodes(pieces, centres, everything)
    scale = ks.independent_scale(len(window), len(frames))
    seconds, _ = side_by_side(
        {
            "scipy": lambda: stats.ks_2samp(raw_window, raw_baseline, axis=0),
            "scipy asymptotic": lambda: stats.ks_2samp(raw_window, raw_baseline, axis=0, method="asymp"),
            "kept": lambda: ks.pvalues(distances(window, sketches, chosen), scale),
            "all sketches": lambda: ks.pvalues(distances(window, sketches, everything), scale),
            "exact": lambda: ks.pvalues(ks.statistic(frames, window), scale),
            "exact float32": lambda: ks.pvalues(ks.statistic(raw_baseline, raw_window), scale),
            "sort": lambda: np.sort(raw_window, axis=0),
        },
        TURNS,
    )
    difference = np.abs(
        ks.statistic(raw_baseline, raw_window) - stats.ks_2samp(raw_window, raw_baseline, axis=0, method="asymp")[0]
    ).max()
    labels = {
        "scipy": "`scipy.stats.ks_2samp(axis=0)`, 300 against 2000 frames, float32",
        "scipy asymptotic": "the same with `method='asymp'`",
        "kept": f"ours against the baseline as kept and chosen: {len(chosen)} sketches ({len(set(chosen))} different)",
        "all sketches": f"ours against all {len(episodes)} sketches",
        "exact": "ours, sample against sample, 300 against 2000 frames, float16",
        "exact float32": "the same on float32",
        "sort": "`np.sort` of the window, float32: the floor",
    }
    speedup = seconds["scipy"].over(seconds["kept"])
    asymptotic = seconds["scipy asymptotic"].over(seconds["kept"])
    rows = [
        (
            label,
            seconds[name].shown(1e3, 1, " ms"),
            seconds["scipy"].over(seconds[name]).shown(digits=1),
            seconds[name].over(seconds["sort"]).shown(digits=1),
        )
        for name, label in labels.items()
    ]
    return Result(
        "ks",
        f"Kolmogorov-Smirnov test of {window.shape[1]} dimensions",
        "Distances and p-values, turn by turn. The baseline keeps 32 quantiles of each of 20 episodes, and the judge "
        f"chooses among them. The exact form differs from SciPy's statistic by at most {difference:.1e}. {VIEWS_NOTE}",
        ("what", "time", "SciPy's time, in times this", "in times the sort"),
        rows,
        {"seconds": {name: spread.values for name, spread in seconds.items()}, "max_difference": float(difference)},
        [
            Finding(
                "ks: times faster than SciPy, 300 against 2000 as kept",
                speedup.shown(digits=0),
                speedup.median,
                40,
                at_least=True,
            ),
            _reported("ks: times faster than SciPy's asymptotic method, as kept", asymptotic),
            _reported("ks: times faster than SciPy, all 20 sketches", seconds["scipy"].over(seconds["all sketches"])),
            _reported("ks: times faster than SciPy, sample against sample", seconds["scipy"].over(seconds["exact"])),
            _reported("ks: times the sort of the window, as kept", seconds["kept"].over(seconds["sort"])),
        ],
    )


def _reported(what: str, spread: Spread) -> Finding:
    return Finding(what, spread.shown(digits=1), spread.median)
