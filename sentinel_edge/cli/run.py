"""The command line. Fire collects the arguments; the work starts only when all of them were understood.

Every value is checked here, at the edge, and every error becomes one line on standard error and an exit code:
0 PASS or done, 3 FAIL, 1 could not judge or do it, 2 usage. Standard output carries the result alone.
"""

import json
import math
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version as distribution_version
from pathlib import Path
from types import FrameType
from typing import NoReturn, Self

import fire
from fire.core import FireExit
from fire.decorators import SetParseFn

import sentinel_edge
from sentinel_edge import assets
from sentinel_edge import gates as gate_table
from sentinel_edge.baseline.baseline import Baseline
from sentinel_edge.baseline.describe import as_text, describe
from sentinel_edge.baseline.episodes import Rule
from sentinel_edge.baseline.file import load_baseline, save_baseline
from sentinel_edge.baseline.learning import build_baseline, extend_baseline
from sentinel_edge.causes import Cause
from sentinel_edge.cli.arguments import Flag, canonical, methods, wanted_help
from sentinel_edge.cli.model_commands import Answer, ModelCommands
from sentinel_edge.cli.values import (
    acknowledged_option,
    episode_option,
    flag_option,
    gates_option,
    given,
    interpolator_option,
    kind_option,
    moment_option,
    named_path,
    number_option,
    optional,
    path_option,
    whole_option,
    word_option,
)
from sentinel_edge.decision.decide import DecideOptions, answer
from sentinel_edge.decision.decision import Guards, Policy
from sentinel_edge.decision.history import Action
from sentinel_edge.errors import SentinelError, UsageError, one_line
from sentinel_edge.excerpt.excerpt import DEFAULT_MEGABYTES, DEFAULT_SECONDS, MEGABYTE, take_excerpt
from sentinel_edge.footage.clips import Skipped, find_footage
from sentinel_edge.footage.mask import load_mask
from sentinel_edge.footage.samples import DEFAULT_FPS
from sentinel_edge.gates.protocol import MIN_EPISODES, Models
from sentinel_edge.monitor import CheckOptions, check
from sentinel_edge.networks.embedder import Embedder
from sentinel_edge.networks.embedder_card import load_model
from sentinel_edge.promotion.canary import MAX_BLOCKS, CanaryOptions, run_canary
from sentinel_edge.promotion.canary_state import Settings
from sentinel_edge.promotion.paired import BLOCK_S, Plan
from sentinel_edge.promotion.trial import HOLDOUT, EvaluateOptions, evaluate
from sentinel_edge.promotion.watched import Watched, watched_interpolator
from sentinel_edge.sabotage.saboteur import sabotage
from sentinel_edge.verdict.summary import aligned, summary
from sentinel_edge.verdict.verdict import MAX_LISTED, Status

PROGRAM = "sentinel-edge"
USAGE_EXIT = 2
ERROR_EXIT = 1
Job = Callable[[], int]


class Terminated(BaseException):
    """SIGTERM arrived: unwind as for Ctrl-C, so that temporary files go and ERROR stays."""


class Commands:
    """Watches the frames behind a camera model: PASS or FAIL, a drift score, and the cause."""

    def __init__(self) -> None:
        self._job: Job | None = None
        self.model = ModelCommands(self._answer)

    def _answer(self, work: Callable[[], Answer]) -> None:
        self._job = lambda: _print(work())

    @SetParseFn(str)
    def check(
        self,
        *,
        incoming: str | None = None,
        baseline: str | None = None,
        output: str | None = None,
        model: str | None = None,
        threshold: str | None = None,
        alpha: str | None = None,
        fps: str | None = None,
        gates: str | None = None,
        interpolator: str | None = None,
        threads: str | None = None,
        evidence: str | None = None,
    ) -> None:
        """Judge footage against a baseline. Exit code 0 is PASS, 3 FAIL, 1 could not judge, 2 usage.

        Writes OUTPUT/status (one word) and OUTPUT/verdict.json, and prints the verdict: as one line of JSON, or as
        a summary on a terminal. Each option can also be set as an environment variable: SENTINEL_INCOMING and so on.

        Args:
            incoming: What to check: an image folder, a video, or a folder of videos or of image folders.
            baseline: The golden baseline file. Default: the one that comes with the package (a sample camera).
            output: Folder for the two files.
            model: The embedder's ONNX file, its card beside it. Default: the one that comes with the package.
            threshold: Share of drifted dimensions above which the verdict is FAIL. Default: 0.3.
            alpha: Significance level for each dimension. Default: 0.05.
            fps: Samples a second of video. Default: the baseline's own; another rate is refused.
            gates: What decides: embedding (what is seen), quality (the picture itself), performance (how well the
                interpolator does), or several with commas between. Default: all; FAIL when any fails.
            interpolator: The model whose performance is watched: champion (of the models that come with the package),
                none, an ONNX file with its card beside it, or a registry's folder. Default: champion.
            threads: Inference workers. Default: one a core.
            evidence: On FAIL, write so many of the frames most unlike the baseline, 0 to 20, as OUTPUT/evidence/*.jpg;
                what the baseline's mask hides is black. Default: 0.
        """
        options = CheckOptions(
            incoming=path_option("incoming", incoming),
            baseline=path_option("baseline", baseline, assets.default_baseline),
            output=path_option("output", output),
            model=optional("model", model, lambda text: named_path("model", text)),
            threshold=number_option("threshold", threshold, gate_table.SETTINGS["threshold"], 0.0, 1.0),
            alpha=number_option("alpha", alpha, gate_table.SETTINGS["alpha"], 0.0, 1.0),
            fps=optional("fps", fps, lambda text: number_option("fps", text, DEFAULT_FPS, 0.0, math.inf)),
            gates=gates_option(gates),
            interpolator=interpolator_option(interpolator),
            threads=optional("threads", threads, lambda text: whole_option("threads", text, 1, 1, 256)),
            evidence=whole_option("evidence", evidence, 0, 0, gate_table.MAX_FURTHEST),
        )
        self._job = lambda: _check(options)

    @SetParseFn(str)
    def baseline(
        self,
        *,
        source: str | None = None,
        output: str | None = None,
        add: str | None = None,
        model: str | None = None,
        episode: str | None = None,
        fps: str | None = None,
        mask: str | None = None,
        interpolator: str | None = None,
        sensitivity: Flag | None = None,
        threads: str | None = None,
    ) -> None:
        """Learn what normal looks like: build a golden baseline from good footage of one camera.

        Footage is divided into 3 to 20 episodes, each of which shows the camera as it normally is; how they differ is
        what will count as normal. Too short ones are joined with a neighbour, and too many evenly.

        With --add the footage becomes further episodes of an existing baseline, without the footage that was made
        from. Beyond 20 episodes, of the two most alike the older is given up.

        Args:
            source: Normal footage: an image folder, a video, or a folder of videos or of image folders.
            output: The baseline file to write, for example baseline/golden.npz.
            add: An existing baseline file to learn more than; --output may name the same file. Rate, mask and
                preprocessing are its own, the model must be the one that made it.
            model: The embedder's ONNX file, its card beside it. Default: the one that comes with the package.
            episode: What an episode is: file (each video, or each folder of images), day or hour (by the times in
                the pictures' names), or a number: all footage in so many equal parts. Default: file for three files
                or more; for one or two, day where pictures of three days or more tell their time, else up to 12
                equal parts (with --add: parts as long as the known episodes are).
            fps: Samples a second of video; checks will use the same. Default: 5.
            mask: A picture in black and white, laid over the whole frame: what is black is left out, here and in
                every check. Default: nothing is left out.
            interpolator: The model whose performance is watched: champion (of the models that come with the package),
                none, an ONNX file with its card beside it, or a registry's folder. Default: champion.
            sensitivity: Measure what is caught: parts of the footage are damaged by noise, blur and low light of rising
                severity, and judged. `sentinel-edge describe` tells the result.
            threads: Inference workers. Default: one a core.
        """
        source_path, output_path = named_path("source", source), named_path("output", output)
        model_path = path_option("model", model, assets.default_model)
        known = None if add is None else named_path("add", add)
        rule = optional("episode", episode, lambda text: episode_option(text, MIN_EPISODES if known is None else 1))
        options = _BuildOptions(
            source=source_path,
            output=output_path,
            add=known,
            model=model_path,
            episode=rule,
            fps=optional("fps", fps, lambda text: number_option("fps", text, DEFAULT_FPS, 0.0, math.inf)),
            mask=optional("mask", mask, lambda text: named_path("mask", text)),
            interpolator=interpolator_option(interpolator),
            sensitivity=flag_option("sensitivity", sensitivity),
            threads=optional("threads", threads, lambda text: whole_option("threads", text, 1, 1, 256)),
        )
        self._job = lambda: _build(options)

    @SetParseFn(str)
    def describe(self, *, baseline: str | None = None) -> None:
        """Tell what a baseline holds, what it lets pass and what it catches.

        As one line of JSON, or as text on a terminal.

        Args:
            baseline: The golden baseline file. Default: the one that comes with the package (a sample camera).
        """
        path = path_option("baseline", baseline, assets.default_baseline)
        self._job = lambda: _describe(path)

    @SetParseFn(str)
    def decide(
        self,
        *,
        verdict: str | None = None,
        exit_code: str | None = None,
        history: str | None = None,
        output: str | None = None,
        policy: str | None = None,
        fails_needed: str | None = None,
        of_last: str | None = None,
        cooldown_hours: str | None = None,
        daily_maximum: str | None = None,
        maintenance_until: str | None = None,
        acknowledged: str | None = None,
        red_phone: str | None = None,
        retrainings: str | None = None,
        proposals: str | None = None,
        repairs: str | None = None,
        run_url: str | None = None,
    ) -> None:
        """Decide what a verdict calls for: nothing, a retraining, or a repair of the camera. Calls nobody itself.

        Writes OUTPUT/decision.json, OUTPUT/outputs (name=value lines, as GITHUB_OUTPUT takes them), OUTPUT/summary.md
        and, of a call for repair, OUTPUT/repair.md. Exit code 0: decided. 1: there is no verdict to trust (ERROR, torn,
        or another exit code than it promises), or it is not known what is under way; nothing is called for then.
        Each option can also be set as an environment variable: SENTINEL_POLICY and so on.

        Args:
            verdict: The verdict.json of a check.
            exit_code: What that check ended with.
            history: The file that remembers earlier checks; made where there is none. Losing it is safe.
            output: Folder for the decision.
            policy: by-cause (faults of the camera call for repair, what can be learned for retraining), or always
                (every FAIL retrains). Default: by-cause.
            fails_needed: Failures among the last --of-last checks before anything is called for. Default: 1.
            of_last: How many checks count, this one included; only those against the same baseline. Default: 1.
            cooldown_hours: Least time between two retrainings. Default: 20.
            daily_maximum: Most retrainings in any 24 hours. Default: 2.
            maintenance_until: Until this date (its end, UTC) or time nothing is called for.
            acknowledged: Causes that are known, and until when, as fog:2026-12-01,scene_change:2026-12-05. A FAIL with
                no other cause calls for nothing.
            red_phone: on or off; off calls for nothing, ever. Default: on.
            retrainings: What `gh run list --workflow retrain.yml --json databaseId,status,createdAt` printed: at most
                one retraining is under way at a time.
            proposals: What `gh pr list --state open --json number,headRefName` printed: while a retraining's pull
                request waits, no other is called for.
            repairs: What `gh issue list --label sentinel-repair --json number,title` printed: an open call is not
                repeated.
            run_url: Where a person finds the run that asks.
        """
        if given("exit-code", exit_code) is None:
            raise UsageError("--exit-code is missing: expected what the check ended with, as in --exit-code 3")
        of = whole_option("of-last", of_last, 1, 1, 100)
        guards = Guards(
            policy=Policy(word_option("policy", policy, Policy.BY_CAUSE, tuple(Policy))),
            fails_needed=whole_option("fails-needed", fails_needed, 1, 1, of),
            of_last=of,
            cooldown=timedelta(hours=whole_option("cooldown-hours", cooldown_hours, 20, 0, 10_000)),
            daily_maximum=whole_option("daily-maximum", daily_maximum, 2, 0, 1000),
            maintenance_until=optional(
                "maintenance-until", maintenance_until, lambda text: moment_option("maintenance-until", text)
            ),
            acknowledged=acknowledged_option(acknowledged),
            connected=word_option("red-phone", red_phone, "on", ("on", "off")) == "on",
        )
        options = DecideOptions(
            verdict=path_option("verdict", verdict),
            exit_code=whole_option("exit-code", exit_code, 0, 0, 255),
            history=path_option("history", history),
            output=path_option("output", output),
            guards=guards,
            retrainings=optional("retrainings", retrainings, lambda text: named_path("retrainings", text)),
            proposals=optional("proposals", proposals, lambda text: named_path("proposals", text)),
            repairs=optional("repairs", repairs, lambda text: named_path("repairs", text)),
            run_url=given("run-url", run_url) or "",
        )
        self._job = lambda: _decide(options)

    @SetParseFn(str)
    def sabotage(
        self,
        *,
        source: str | None = None,
        kind: str | None = None,
        severity: str | None = None,
        output: str | None = None,
        seed: str | None = None,
    ) -> None:
        """Make bad footage from good: a copy as a failing camera would have recorded it, lossless.

        Args:
            source: Good footage: an image folder, a video, or a folder of videos or of image folders.
            kind: noise, blur, motion_blur, low_light, over_exposure, occlusion, camera_moved, frozen, compression,
                color_cast or fog.
            severity: 1 (subtle) to 5 (ruined); 0 copies through the same writer. Default: 3.
            output: The folder to make; it must not exist or be empty.
            seed: The same footage, kind, severity and seed give the same bytes. Default: 0.
        """
        source_path, output_path = named_path("source", source), named_path("output", output)
        chosen = kind_option(kind)
        level = whole_option("severity", severity, 3, 0, 5)
        number = whole_option("seed", seed, 0, 0, 2**63 - 1)
        self._job = lambda: _sabotage(source_path, chosen, level, output_path, number)

    @SetParseFn(str)
    def excerpt(
        self,
        *,
        source: str | None = None,
        output: str | None = None,
        megabytes: str | None = None,
        seconds: str | None = None,
    ) -> None:
        """Take from footage what retraining and a refreshed baseline need, bounded in size, without any loss.

        What fits is copied byte for byte. Else stretches at the footage's own rate are taken evenly over its time:
        runs of pictures as they are, videos cut at key frames as they are or, where that cannot be, written again
        without loss.

        Args:
            source: An image folder, a video, or a folder of videos or of image folders.
            output: The folder to make; it must not exist or be empty.
            megabytes: What all files together may take, in millions of bytes. Default: 100.
            seconds: Length of a stretch. Five pictures count as a second. Default: 4.
        """
        source_path, output_path = named_path("source", source), named_path("output", output)
        limit = int(number_option("megabytes", megabytes, DEFAULT_MEGABYTES, 0.0, 1e9) * MEGABYTE)
        length = number_option("seconds", seconds, DEFAULT_SECONDS, 0.0, 3600.0)
        self._job = lambda: _excerpt(source_path, output_path, limit, length)

    @SetParseFn(str)
    def evaluate(
        self,
        *,
        champion: str | None = None,
        challenger: str | None = None,
        new: str | None = None,
        golden: str | None = None,
        output: str | None = None,
        control: str | None = None,
        holdout: str | None = None,
        block: str | None = None,
    ) -> None:
        """Hold a challenger against the champion. Exit code 0 accepted, 3 refused, 1 could not judge, 2 usage.

        The challenger must be better on the last part of each new clip, lose at most 0.2 dB on golden footage, beat the
        control, work on every frame, and be at most 1.2 times as slow. Writes OUTPUT/evaluation.json.

        Args:
            champion: The interpolator in service: an ONNX file, its card beside it.
            challenger: The one that wants to replace it, likewise.
            new: Footage of the changed world, a video or a folder of videos.
            golden: Footage of the world as it was, likewise.
            output: Folder for the result.
            control: An interpolator that was trained as long on old footage alone. Default: none.
            holdout: Share in time of each new clip, its last, that is looked at: what was not trained on. Default:
                0.25.
            block: Seconds of neighbouring triplets that count as one observation, at least. Default: 2.
        """
        options = EvaluateOptions(
            champion=named_path("champion", champion),
            challenger=named_path("challenger", challenger),
            new=named_path("new", new),
            golden=named_path("golden", golden),
            output=named_path("output", output),
            control=None if control is None else named_path("control", control),
            holdout=number_option("holdout", holdout, HOLDOUT, 0.0, 1.0),
            block_s=number_option("block", block, BLOCK_S, 0.0, 3600.0),
        )
        self._job = lambda: _evaluate(options)

    @SetParseFn(str)
    def canary(
        self,
        *,
        incoming: str | None = None,
        state: str | None = None,
        output: str | None = None,
        registry: str | None = None,
        share: str | None = None,
        maximum: str | None = None,
        block: str | None = None,
        decide: Flag | None = None,
        restart: Flag | None = None,
    ) -> None:
        """Let champion and challenger work side by side. Exit code 0 promoted, 3 rolled back, 1 undecided, 2 usage.

        Both are scored on every triplet, block by block, until the challenger is proven better, or is not: then the
        champion stays. What is known is written to STATE after every block; run again, also after a kill or with more
        footage, it goes on from there. Writes OUTPUT/canary.json.

        Args:
            incoming: Footage that neither was trained on: a video or a folder of videos.
            state: The file that survives a restart.
            output: Folder for the result.
            registry: The folder of the versions. Default: the one that comes with the package.
            share: Of the frames, served by the challenger. Default: 0.2.
            maximum: Blocks after which a challenger that is not proven is rolled back. Default: 60.
            block: Seconds of neighbouring triplets that count as one observation, at least. Default: 2.
            decide: Promote or reject the challenger in the registry.
            restart: Forget what the state holds.
        """
        settings = Settings(
            share=str(number_option("share", share, float(Settings().share), 0.0, 1.0)),
            block_s=number_option("block", block, BLOCK_S, 0.0, 3600.0),
            plan=Plan(maximum=whole_option("maximum", maximum, Plan().maximum, 1, MAX_BLOCKS)),
        )
        options = CanaryOptions(
            registry=path_option("registry", registry, assets.default_registry),
            incoming=named_path("incoming", incoming),
            state=named_path("state", state),
            output=named_path("output", output),
            settings=settings,
            decide=flag_option("decide", decide),
            restart=flag_option("restart", restart),
        )
        self._job = lambda: _canary(options)

    @SetParseFn(str)
    def version(self, *, model: str | None = None, baseline: str | None = None) -> None:
        """Print the versions of the package, its libraries, the model and the baseline.

        Args:
            model: The embedder's ONNX file. Default: the one that comes with the package.
            baseline: The golden baseline file. Default: the one that comes with the package.
        """
        model_path = path_option("model", model, assets.default_model)
        baseline_path = path_option("baseline", baseline, assets.default_baseline)
        self._job = lambda: _version(model_path, baseline_path)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; see the module's docstring."""
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        job = _understand(arguments)
        code = job()
    except UsageError as error:
        code = _complain(error, USAGE_EXIT)
    except SentinelError as error:
        code = _complain(error, ERROR_EXIT)
    except KeyboardInterrupt:
        code = _complain("interrupted; nothing was finished", 128 + signal.SIGINT)
    except Terminated:
        code = _complain("terminated; nothing was finished", 128 + signal.SIGTERM)
    except MemoryError:
        code = _complain("out of memory; give it more, or fewer --threads", ERROR_EXIT)
    except Exception as error:
        if os.environ.get("SENTINEL_DEBUG"):
            raise
        what = one_line(f"{type(error).__name__}: {error}")
        code = _complain(f"unexpected {what}; this is a defect, SENTINEL_DEBUG=1 shows where", ERROR_EXIT)
    return code


def _understand(arguments: list[str]) -> Job:
    """What the arguments ask for, as a job to run."""
    commands = Commands()
    known = methods(commands)
    if arguments == ["--version"]:
        arguments = ["version"]
    text = wanted_help(arguments, known, PROGRAM, Commands.__doc__ or "")
    if text is not None:
        return lambda: _tell(text)
    understood = canonical(arguments, known)
    try:
        fire.Fire(commands, understood, name=PROGRAM)
    except FireExit as error:  # not reached by anything that `canonical` lets through
        raise UsageError(f"{' '.join(arguments)} was not understood; see {PROGRAM} --help") from error
    assert commands._job is not None, "every command sets its job"  # noqa: S101
    return commands._job


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def _complain(problem: object, code: int) -> int:
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
            print(f"{PROGRAM}: {problem}", file=sys.stderr, flush=True)
    return code


def _tell(text: str) -> int:
    """Print a result.

    Raises:
        SentinelError: Nobody can read it there.
    """
    if sys.stdout is None:
        raise SentinelError("standard output is closed; expected somewhere to print the result to")
    try:
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        print(text, flush=True)
    except OSError as error:
        # Python would try once more at its end, and complain in its own words.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SentinelError(
            f"cannot print the result: {error.strerror}; expected a standard output that takes it"
        ) from error
    return 0


# The work behind each command.


def _check(options: CheckOptions) -> int:
    warnings: list[str] = []
    with _Progress("frames embedded") as progress:
        verdict = check(options, progress=progress.show, warn=warnings.append)
    for warning in warnings:
        _complain(warning, verdict.exit_code)
    terminal = _on_terminal()
    if verdict.status is Status.ERROR and not terminal:
        _complain(verdict.message, ERROR_EXIT)
    try:
        _tell(summary(verdict, options.output or Path()) if terminal else verdict.to_json())
    except SentinelError as error:  # the two files say it all the same, and the exit code must not contradict them
        _complain(error, verdict.exit_code)
    return verdict.exit_code


def _print(answer: Answer) -> int:
    _tell(answer.text if _on_terminal() else json.dumps(answer.facts))
    return answer.code


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


@dataclass(frozen=True, slots=True)
class _BuildOptions:
    """What to learn from, what to add it to, and where to write it; None where nothing was said."""

    source: Path
    output: Path
    add: Path | None
    model: Path
    episode: Rule | None
    fps: float | None
    mask: Path | None
    interpolator: Path | Watched
    sensitivity: bool
    threads: int | None


def _build(options: _BuildOptions) -> int:
    known = None if options.add is None else load_baseline(options.add)
    mask = None if options.mask is None else load_mask(options.mask)
    footage = find_footage(options.source)
    embedder = Embedder(options.model, options.threads)
    if known:
        known.require_compatible(embedder, options.fps)
        if mask:
            known.require_mask(mask)
    videos = any(clip.is_video for clip in footage.clips)
    models = Models(embedder, lambda: watched_interpolator(options.interpolator) if videos else None)
    with _Progress("frames embedded") as progress:
        if known:
            baseline, skipped = extend_baseline(
                known,
                footage,
                models,
                episode=options.episode,
                sensitivity=options.sensitivity,
                progress=progress.show,
            )
        else:
            baseline, skipped = build_baseline(
                footage,
                models,
                fps=DEFAULT_FPS if options.fps is None else options.fps,
                episode=options.episode,
                mask=mask,
                sensitivity=options.sensitivity,
                progress=progress.show,
            )
    save_baseline(baseline, options.output)
    _list_skipped(skipped)
    for weakness in baseline.weaknesses:
        _complain(weakness, 0)
    if options.sensitivity and not baseline.sensitivity:
        _complain("sensitivity cannot be measured: every episode fails as it is, without its own in the baseline", 0)
    facts = _facts(baseline, options.output, skipped)
    return _tell("\n".join(aligned(facts)) if _on_terminal() else json.dumps(facts))


def _facts(baseline: Baseline, output: Path, skipped: Sequence[Skipped]) -> dict[str, object]:
    """What was built, for whoever asked for it."""
    told = describe(baseline).facts
    return {
        "baseline": str(output),
        "bytes": output.stat().st_size,
        "episodes": len(baseline.episodes),
        "episodes_by": baseline.episode_rule,
        "frames": sum(baseline.episodes.frames),
        "fps": baseline.fps,
        **({"mask": told["mask"]} if baseline.mask else {}),
        **{name: told[name] for name in ("shortest_window", "longest_window", "normal_score", "highest_normal_score")},
        **({"sensitivity": dict(baseline.sensitivity)} if baseline.sensitivity else {}),
        "skipped": len(skipped),
    }


def _describe(path: Path) -> int:
    description = describe(load_baseline(path))
    return _tell(as_text(description) if _on_terminal() else description.to_json())


def _decide(options: DecideOptions) -> int:
    outcome = answer(options)
    for remark in outcome.remarks:
        _complain(remark, 0)
    if outcome.decision.action is Action.ERROR:
        _complain(outcome.decision.reason, ERROR_EXIT)
    _tell("\n".join(aligned(outcome.facts)) if _on_terminal() else json.dumps(outcome.facts))
    return ERROR_EXIT if outcome.decision.action is Action.ERROR else 0


def _sabotage(source: Path, kind: Cause, severity: int, output: Path, seed: int) -> int:
    made = sabotage(source, kind, severity, output, seed=seed)
    _list_skipped(made.skipped)
    facts = {
        "output": str(output),
        "kind": str(kind),
        "severity": severity,
        "seed": seed,
        "clips": made.clips,
        "frames": made.frames,
        "skipped": len(made.skipped),
    }
    return _tell("\n".join(aligned(facts)) if _on_terminal() else json.dumps(facts))


def _excerpt(source: Path, output: Path, limit: int, seconds: float) -> int:
    with _Progress("files taken") as progress:
        taken = take_excerpt(source, output, limit=limit, seconds=seconds, progress=progress.show)
    _list_skipped(taken.skipped)
    facts = {
        "output": str(output),
        "files": taken.files,
        "bytes": taken.size,
        "seconds": round(taken.seconds, 2),
        "share": round(taken.share, 4),
        "complete": taken.complete,
        "skipped": len(taken.skipped),
    }
    return _tell("\n".join(aligned(facts)) if _on_terminal() else json.dumps(facts))


def _evaluate(options: EvaluateOptions) -> int:
    with _Progress("triplets compared") as progress:
        found = evaluate(options, progress=progress.show)
    return _print(Answer(found.facts, found.table, found.exit_code))


def _canary(options: CanaryOptions) -> int:
    with _Progress("blocks weighed") as progress:
        found = run_canary(options, progress=progress.show)
    return _print(Answer(found.facts, found.table, found.exit_code))


def _version(model: Path, baseline: Path) -> int:
    _, card = load_model(model)
    golden = load_baseline(baseline)
    facts = {
        "sentinel-edge": sentinel_edge.__version__,
        "python": platform.python_version(),
        **{name: distribution_version(name) for name in ("numpy", "scipy", "onnxruntime")},
        "opencv": distribution_version("opencv-python-headless"),
        "model": f"{card.name}, sha256 {card.sha256[:12]}",
        "baseline": f"{golden.source}, {len(golden.episodes)} episodes, made {golden.created_at}, "
        f"sha256 {golden.fingerprint[:12]}",
    }
    return _tell("\n".join(aligned(facts)))


def _list_skipped(skipped: Sequence[Skipped]) -> None:
    for entry in skipped[:MAX_LISTED]:
        _complain(one_line(f"skipped {entry.name}: {entry.reason}"), 0)
    if len(skipped) > MAX_LISTED:
        _complain(f"skipped {len(skipped) - MAX_LISTED} more", 0)


_REDRAW_S = 0.2


class _Progress:
    """A count on standard error while it is a terminal; nothing otherwise."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._shown = sys.stderr is not None and sys.stderr.isatty()
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn_at:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def show(self, count: int) -> None:
        now = time.monotonic()
        if self._shown and now - self._drawn_at >= _REDRAW_S:
            self._drawn_at = now
            print(f"\r{count} {self._unit}", end="", file=sys.stderr, flush=True)
