"""The command `baseline`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentinel_edge import api, assets
from sentinel_edge.baseline.baseline import MAX_EPISODES, Baseline, camera_problem
from sentinel_edge.baseline.episodes import By, Rule
from sentinel_edge.baseline.vetting import Finding
from sentinel_edge.causes import Cause
from sentinel_edge.cli.command import Command
from sentinel_edge.cli.commands import shared
from sentinel_edge.cli.option import flag, number, option, path, refused, typed_option, whole
from sentinel_edge.cli.terminal import Progress, complain, list_skipped, tell_facts
from sentinel_edge.errors import UsageError, one_line
from sentinel_edge.footage.clips import Skipped, find_footage
from sentinel_edge.footage.dates import how_read
from sentinel_edge.footage.samples import DEFAULT_FPS, MAX_FPS
from sentinel_edge.gates.protocol import MIN_EPISODES
from sentinel_edge.promotion.watched import Watched
from sentinel_edge.verdict.verdict import Status


def some_causes(name: str, text: str) -> tuple[Cause, ...]:
    """Causes with commas between."""
    named = [cause.strip() for cause in text.split(",") if cause.strip()]
    unknown = [cause for cause in named if cause not in list(Cause)]
    if unknown or not named:
        raise refused(
            name, ",".join(unknown) or text, f"causes, as fog, with commas between; they are {', '.join(Cause)}"
        )
    return tuple(map(Cause, named))


def a_name(name: str, text: str) -> str:
    """A camera's name."""
    problem = camera_problem(text)
    if problem:
        raise refused(name, text, problem)
    return text


def rule(name: str, text: str, least: int, most: int) -> Rule:
    """What an episode is: day, hour, file, or the number of episodes."""
    if text in (By.DAY, By.HOUR, By.FILE):
        return Rule(By(text))
    try:
        return Rule(By.COUNT, whole(name, text, least, most))
    except UsageError as error:
        expected = f"{By.DAY}, {By.HOUR}, {By.FILE}, or a whole number from {least} to {most}"
        raise refused(name, text, expected) from error


class Learn(Command):
    """Learn what normal looks like: build a golden baseline from good footage of one camera.

    Footage is divided into 3 to 20 episodes, each of which shows the camera as it normally is; how they differ is
    what will count as normal. Too short ones are joined with a neighbour, and too many evenly.

    With --add the footage becomes further episodes of an existing baseline, without the footage that was made
    from. It is judged by that baseline first: a fault of the camera, a light that may be one, or another camera is
    refused (exit code 1, nothing is written) unless --accept names it. Beyond 20 episodes, of the two most alike the
    older is given up, but none that it was founded on.
    """

    source: Path = typed_option(
        path, "Normal footage: an image folder, a video, or a folder of videos or of image folders."
    )
    output: Path = typed_option(path, "The baseline file to write, for example baseline/golden.npz.")
    add: Path | None = typed_option(
        path,
        "An existing baseline file to learn more than; --output may name the same file. Rate, mask and preprocessing "
        "are its own, the model must be the one that made it.",
        None,
    )
    accept: tuple[Cause, ...] = typed_option(
        some_causes,
        "With --add: causes that are sound all the same and meant to be normal from now on, as low_light; several with "
        "commas between.",
        (),
        several=True,
    )
    camera: str = typed_option(
        a_name,
        "Whose baseline it is, as verdicts and calls for repair name it. Default: with --add its own name, else none.",
        "",
    )
    model: Path = option(path, shared.EMBEDDER, assets.default_model)
    episode: Rule | None = option(
        rule,
        "What an episode is: file (each video, or each folder of images), day or hour (by the times in the pictures' "
        "names), or a number: all footage in so many equal parts. Default: file for three files or more; for one or "
        "two, day where pictures of three days or more tell their time, else up to 12 equal parts (with --add: parts "
        "as long as the known episodes are).",
        None,
        limits=lambda others: (1 if others["add"] else MIN_EPISODES, MAX_EPISODES),
    )
    fps: float | None = option(
        number,
        f"Samples a second of video; checks will use the same. Default: {DEFAULT_FPS:g}.",
        None,
        limits=(0, MAX_FPS),
    )
    mask: Path | None = option(
        path,
        "A picture in black and white, laid over the whole frame: what is black is left out, here and in every check. "
        "Default: nothing is left out.",
        None,
    )
    interpolator: Path | Watched = shared.interpolator
    sensitivity: bool = option(
        flag,
        "Measure what is caught: parts of the footage are damaged by noise, blur and low light of rising severity, "
        "and judged. `sentinel-edge describe` tells the result.",
        False,
    )
    threads: int | None = shared.threads

    def work(self) -> int:
        baseline, skipped, found = self._learned()
        api.save_baseline(baseline, self.output)
        list_skipped(skipped)
        for line in filter(None, self._names_read(baseline)):
            complain(line)
        for finding in found:
            if finding.judgement.status is not Status.PASS:
                complain(one_line(f"found in {finding}"))
        for weakness in baseline.weaknesses:
            complain(weakness)
        if self.sensitivity and not baseline.sensitivity:
            complain("sensitivity cannot be measured: every episode fails as it is, without its own in the baseline")
        return tell_facts(_facts(baseline, self.output, skipped, found))

    def _names_read(self, baseline: Baseline) -> tuple[str, str]:
        """How names were read, where episodes were cut by the clock, and what kept them from being read."""
        footage = find_footage(self.source)
        read, unread = how_read([f"{footage.name}/{name}" for clip in footage.clips for name in clip.names])
        return (read if baseline.episode_rule.startswith((By.DAY, By.HOUR)) else "", unread)

    def _learned(self) -> tuple[Baseline, Sequence[Skipped], Sequence[Finding]]:
        """What was learned, what was passed over, and what was found in footage that was added."""
        skipped, found = list[Skipped](), list[Finding]()
        how = {name: value for name, value in vars(self).items() if name not in ("source", "output", "add", "accept")}
        if self.accept and not self.add:
            raise UsageError("--accept is for footage that is added; expected --add with it")
        with Progress("frames embedded") as progress:
            told: dict[str, Any] = {"progress": progress.show, "skipped": skipped.append}
            if self.add:
                how |= {"accept": self.accept, "found": found.append}
                return api.extend_baseline(api.load_baseline(self.add), self.source, **how, **told), skipped, found
            return api.build_baseline(self.source, **how, **told), skipped, found


def _facts(baseline: Baseline, output: Path, skipped: Sequence[Skipped], found: Sequence[Finding]) -> dict[str, object]:
    """What was built, for whoever asked for it."""
    told = api.describe(baseline).facts
    return {
        "baseline": str(output),
        "bytes": output.stat().st_size,
        **({"camera": baseline.camera} if baseline.camera else {}),
        "episodes": len(baseline.episodes),
        "episodes_by": baseline.episode_rule,
        "frames": sum(baseline.episodes.frames),
        "fps": baseline.fps,
        **({"mask": told["mask"]} if baseline.mask else {}),
        **{name: told[name] for name in ("shortest_window", "longest_window", "normal_score", "highest_normal_score")},
        **({"sensitivity": dict(baseline.sensitivity)} if baseline.sensitivity else {}),
        **({"found": {finding.name: finding.facts for finding in found}} if found else {}),
        "skipped": len(skipped),
    }
