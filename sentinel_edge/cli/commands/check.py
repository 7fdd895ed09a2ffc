"""The command `check`."""

from pathlib import Path

from sentinel_edge import api, gates
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.option import number, option, path, refused, whole
from sentinel_edge.cli.terminal import Progress, complain, on_terminal, tell
from sentinel_edge.errors import SentinelError
from sentinel_edge.footage.samples import MAX_FPS
from sentinel_edge.promotion.watched import Watched
from sentinel_edge.verdict.summary import summary
from sentinel_edge.verdict.unfinished import DEFAULT_OUTPUT
from sentinel_edge.verdict.verdict import Status


def some_gates(name: str, text: str) -> tuple[str, ...]:
    """Names of gates with commas between, each once."""
    names = [gate.strip() for gate in text.split(",")]
    if not set(names) <= set(gates.names()):
        raise refused(name, text, f"{', '.join(gates.names())}, or several with commas between")
    return tuple(gate for gate in gates.names() if gate in names)


_SETTINGS, _MOST = gates.SETTINGS, gates.MAX_FURTHEST
_ABOUT = ", ".join(f"{gate.name} ({gate.about})" for gate in gates.GATES)


class Check(Command):
    """Judge footage against a baseline. Exit code 0 is PASS, 3 FAIL, 1 could not judge, 2 usage.

    Writes OUTPUT/status (one word) and OUTPUT/verdict.json, and prints the verdict: as one line of JSON, or as
    a summary on a terminal. Each option can also be set as an environment variable: SENTINEL_INCOMING and so on.
    """

    incoming: Path = option(
        path, "What to check: an image folder, a video, or a folder of videos or of image folders.", position=True
    )
    baseline: Path | None = option(
        path,
        "The camera's golden baseline file. Default: the one that comes with the package, of a sample camera: its FAIL "
        "calls for nothing.",
        None,
    )
    output: Path = option(path, "Folder for the two files.", Path(DEFAULT_OUTPUT))
    model: Path | None = option(path, shared.EMBEDDER, None)
    threshold: float = option(
        number, "Share of drifted dimensions above which the verdict is FAIL.", _SETTINGS["threshold"], limits=(0, 1)
    )
    alpha: float = option(number, "Significance level for each dimension.", _SETTINGS["alpha"], limits=(0, 1))
    fps: float | None = option(
        number,
        "Samples a second of video. Default: the baseline's own; another rate is refused.",
        None,
        limits=(0, MAX_FPS),
    )
    gates: tuple[str, ...] = option(
        some_gates,
        f"What decides: {_ABOUT}, or several with commas between. Default: all; FAIL when any fails.",
        gates.names,
    )
    interpolator: Path | Watched = shared.interpolator
    threads: int | None = shared.threads
    evidence: int = option(
        whole,
        f"On FAIL, write so many of the frames most unlike the baseline, 0 to {_MOST}, as "
        "OUTPUT/evidence/*.jpg; what the baseline's mask hides is black.",
        0,
        limits=(0, _MOST),
    )

    def work(self) -> int:
        warnings: list[str] = []
        with Progress("frames embedded") as progress:
            how = {name: value for name, value in vars(self).items() if name != "incoming"}
            verdict = api.check(self.incoming, **how, progress=progress.show, warn=warnings.append)
        for warning in warnings:
            complain(warning)
        terminal = on_terminal()
        if verdict.status is Status.ERROR and not terminal:
            complain(verdict.message)
        try:
            tell(summary(verdict, self.output) if terminal else verdict.to_json())
        except SentinelError as error:  # the two files say it all the same, and the exit code must not contradict them
            complain(error)
        return verdict.exit_code
