"""alibi-detect's detectors on the same embeddings, in a process and an environment of their own.

alibi-detect needs older libraries than ours and TensorFlow or PyTorch, so it never shares our environment. It gets each
camera's past and all windows as arrays, and answers with what it decided and how strongly.
"""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentinel_edge import gates
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.window import Window
from sentinel_edge.verdict.verdict import Status

from .cache import kept
from .judges import Normal, Opinion

WORKER = Path(__file__).with_name("alibi_worker.py")


def alibi_opinions(python: Path, normal: Normal, windows: Sequence[Window], cache: Path) -> dict[str, list[Opinion]]:
    """What each of alibi-detect's detectors says of every window.

    Args:
        python: Interpreter of an environment with alibi-detect.
        normal: The camera's past is the detectors' reference.
        windows: What to judge.
        cache: Where answers are kept, by their input.

    Returns:
        One list a detector, in the windows' order.

    Raises:
        SentinelError: The other process failed.
    """
    arrays = [normal.past, *(window.records[gates.DRIFT] for window in windows)]
    key = hashlib.sha256(WORKER.read_bytes() + str(python.absolute()).encode())
    for array in arrays:
        key.update(str(array.shape).encode() + array.tobytes())
    answers = kept(cache, key.hexdigest(), lambda: _ask(python, arrays))
    return {name: [_opinion(answer) for answer in said] for name, said in answers.items()}


def _opinion(answer: tuple[bool, float] | None) -> Opinion:
    if answer is None:
        return Opinion(Status.ERROR, None)
    drift, evidence = answer
    return Opinion(Status.FAIL if drift else Status.PASS, evidence)


def _ask(python: Path, arrays: Sequence[NDArray[np.float16]]) -> dict[str, list[tuple[bool, float] | None]]:
    with tempfile.TemporaryDirectory() as folder:
        question, answer = Path(folder) / "windows.npz", Path(folder) / "answers.json"
        np.savez(question, *arrays)
        done = subprocess.run(
            [python, WORKER, question, answer], check=False, capture_output=True, text=True, cwd=folder
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise SentinelError(f"alibi-detect in {python} failed ({last}); expected an environment that can import it")
        answers: dict[str, list[tuple[bool, float] | None]] = json.loads(answer.read_text())
    return answers
