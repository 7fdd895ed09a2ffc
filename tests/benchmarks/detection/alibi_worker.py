"""Runs in alibi-detect's environment: `python alibi_worker.py windows.npz answers.json`. Imports nothing of ours.

The first array is the reference, the others are windows. Answers, for each detector, a list of [drift, evidence], or
null for a window too short to test. MMDDrift is left out where neither TensorFlow nor PyTorch can be imported.
"""

import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

SMALLEST_P = 1e-300


def main(question: str, answer: str) -> None:
    """Judge all windows with all detectors, at alibi-detect's own settings and 5 %."""
    with np.load(question) as archive:
        past, *windows = [archive[name].astype(np.float32) for name in archive.files]
    detectors: Any = importlib.import_module("alibi_detect.cd")
    ks = detectors.KSDrift(past, p_val=0.05)
    judges = {"alibi-detect KSDrift": (_ks, ks)}
    backend = next((name for name, module in _BACKENDS.items() if importlib.util.find_spec(module)), None)
    if backend:
        mmd = detectors.MMDDrift(past, backend=backend, p_val=0.05)
        judges["alibi-detect MMDDrift"] = (_mmd, mmd)
    answers = {
        name: [judge(detector, window) if len(window) > 1 else None for window in windows]
        for name, (judge, detector) in judges.items()
    }
    Path(answer).write_text(json.dumps(answers))


_BACKENDS = {"pytorch": "torch", "tensorflow": "tensorflow_probability"}


def _ks(detector: Any, window: Any) -> tuple[bool, float]:
    """KS test of every dimension, Bonferroni; the smallest p-value is the evidence."""
    found = detector.predict(window)["data"]
    return bool(found["is_drift"]), float(-np.log10(max(float(np.min(found["p_val"])), SMALLEST_P)))


def _mmd(detector: Any, window: Any) -> tuple[bool, float]:
    """Maximum mean discrepancy by permutation; the evidence is the distance over the one that 5 % exceed."""
    found = detector.predict(window)["data"]
    return bool(found["is_drift"]), float(found["distance"]) / max(float(found["distance_threshold"]), 1e-12)


if __name__ == "__main__":
    main(*sys.argv[1:])
