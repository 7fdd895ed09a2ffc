"""The offline gate: is a challenger better on new footage, no worse on the old, and no burden?

Every rule gives its own verdict, and all must hold. Champion, challenger and, where there is one, a control that was
trained as long on old footage alone answer the same triplets, and the differences are paired (see `paired`). What is
measured on is the last part of each new clip, which nobody was trained on.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.footage.clips import Clip, Skipped, find_footage
from sentinel_edge.footage.decoding import last_frame_s
from sentinel_edge.footage.triplets import Triplet, read_triplets
from sentinel_edge.networks.interpolator_card import load_interpolator
from sentinel_edge.promotion.paired import (
    BLOCK_S,
    MIN_BLOCKS,
    MIN_TRIPLETS,
    Interval,
    block_length,
    block_means,
    block_numbers,
    interval,
)
from sentinel_edge.promotion.side_by_side import (
    LATENCY_LIMIT,
    MIN_PAIRS,
    NEGLIGIBLE_S,
    Compared,
    ModelFailed,
    Progress,
    SideBySide,
    opened,
)
from sentinel_edge.storage.result import Result, put_result
from sentinel_edge.verdict.verdict import MAX_LISTED

RESULT = "evaluation.json"

HOLDOUT = 0.25
"""Share in time of each new clip that is held out: what retraining leaves of it."""

MAX_GOLDEN_LOSS_DB = 0.2
"""The old may get worse by so much: less than anyone sees."""

TRIPLETS = 500
"""Of one pile of footage, about; spread evenly over it."""

GAP_FRAMES = 5
"""Native frames after the split that belong to neither part: what lies next to training material is half known."""

_CHAMPION, _CHALLENGER, _CONTROL = range(3)
_NAMES = ("champion", "challenger", "control")


class Ruling(StrEnum):
    """What a rule, or all of them, says."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    ERROR = "ERROR"


EXIT_CODES = {Ruling.ACCEPTED: 0, Ruling.REFUSED: 3, Ruling.ERROR: 1}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says; ERROR where it cannot be told."""

    name: str
    ruling: Ruling
    reason: str


@dataclass(frozen=True, slots=True)
class Model:
    """A file that was compared.

    Attributes:
        role: champion, challenger or control.
        path: Where it is.
        name: Its card's.
        sha256: Of the file.
        bytes: Its size.
    """

    role: str
    path: str
    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one pile of footage showed.

    Attributes:
        path: The footage.
        triplets: Looked at.
        scored: In which something moves, and so on: which say something.
        silent: How many of the others there were, by reason.
        block_s: Length of a block, seconds; the longest where clips differ.
        gains_db: Mean PSNR gain of each model over averaging, by role.
        wins: Share of scored triplets at which the challenger beats the champion.
        difference: Challenger less champion; None where no block was full.
        beyond_control: Challenger less control, likewise; None without a control.
        control_difference: Control less champion, likewise.
        skipped: What was passed over, and why, at most `verdict.MAX_LISTED`.
    """

    path: str
    triplets: int
    scored: int
    silent: dict[str, int]
    block_s: float
    gains_db: dict[str, float]
    wins: float
    difference: Interval | None
    beyond_control: Interval | None
    control_difference: Interval | None
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a triplet takes.

    Attributes:
        ratio: Challenger to champion, the median over triplets that both were timed on.
        pairs: How many those were.
        champion_ms: Median.
        challenger_ms: Median.
    """

    ratio: float
    pairs: int
    champion_ms: float
    challenger_ms: float


@dataclass(frozen=True, slots=True)
class Evaluation(Result):
    """What the gate found; everything `evaluation.json` holds.

    Attributes:
        status: ACCEPTED when all rules hold, REFUSED when one does not, else ERROR: it could not be judged.
        message: One line for a person.
        rules: Each with its reason.
        models: What was compared.
        holdout: Share of each new clip, its last, that was looked at.
        new: What was held out of the new footage; None where it came to nothing.
        golden: The old footage; likewise.
        latency: None where nothing was timed.
        control_share: Share of the gain on new footage that the control has too; None without a control or a gain.
        started_at: ISO 8601, UTC.
        duration_s: From start to result.
    """

    status: Ruling
    message: str
    rules: tuple[Finding, ...] = ()
    models: tuple[Model, ...] = ()
    holdout: float = HOLDOUT
    new: Measured | None = None
    golden: Measured | None = None
    latency: Latency | None = None
    control_share: float | None = None
    started_at: str = ""
    duration_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 accepted, 3 refused, 1 could not judge."""
        return EXIT_CODES[self.status]

    @property
    def table(self) -> str:
        """The result in a few aligned lines, for a person."""
        return _table(self)


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What to compare, on what, and where to write it.

    Attributes:
        champion: ONNX file, its card beside it.
        challenger: Likewise.
        control: Likewise; None for none.
        new: Footage of the new world, of which the last part of each clip is held out.
        golden: Footage of the old one.
        output: The folder for the result.
        holdout: Share in time of each new clip that is looked at, its last.
        block_s: Seconds of a block, at least.
        triplets: Looked at in each pile of footage, about.
    """

    champion: Path
    challenger: Path
    new: Path
    golden: Path
    output: Path
    control: Path | None = None
    holdout: float = HOLDOUT
    block_s: float = BLOCK_S
    triplets: int = TRIPLETS


def evaluate(options: EvaluateOptions, progress: Progress = lambda _: None) -> Evaluation:
    """Hold a challenger against the champion and write `evaluation.json`.

    Args:
        options: See there.
        progress: Told how many triplets were compared.

    Raises:
        SentinelError: A file or the footage cannot be read, the champion or the control fails, or the result cannot be
            written. Then the result says ERROR, unless it cannot be written.
    """
    unfinished = Evaluation(Ruling.ERROR, "the evaluation did not finish", holdout=options.holdout)
    return put_result(options.output / RESULT, unfinished, lambda: _evaluate(options, progress))


def _evaluate(options: EvaluateOptions, progress: Progress) -> Evaluation:
    paths = [options.champion, options.challenger, *([options.control] if options.control else [])]
    models = tuple(_model(role, path) for role, path in zip(_NAMES, paths, strict=False))
    new, golden = find_footage(options.new), find_footage(options.golden)
    taken = _Taken(len(paths), options.block_s, progress)
    measured: list[Measured] = []
    fault: str | None = None
    try:
        together = SideBySide(opened(paths))
        held_out = _held_out(new.clips, options.holdout, options.triplets, taken.skipped)
        measured.append(taken.measure(options.new, held_out, together))
        whole = read_triplets(golden.clips, limit=options.triplets, skipped=taken.skipped)
        measured.append(taken.measure(options.golden, whole, together))
    except ModelFailed as failure:
        if failure.which != _CHALLENGER:
            raise SentinelError(f"the {_NAMES[failure.which]} failed: {failure.reason}") from failure
        fault = failure.reason
    on_new, on_golden = (*measured, None, None)[:2]
    latency = taken.latency()
    rules = (
        _graph_rule(fault, taken.asked),
        _new_rule(on_new),
        *([_control_rule(on_new)] if options.control else []),
        _golden_rule(on_golden),
        _latency_rule(latency),
    )
    # A failure that was found decides; else whatever could not be told does.
    status = next((one for one in (Ruling.REFUSED, Ruling.ERROR) if any(rule.ruling is one for rule in rules)), None)
    told = [rule.reason for rule in rules if rule.ruling is (status or Ruling.ACCEPTED)]
    return Evaluation(
        status=status or Ruling.ACCEPTED,
        message=one_line("; ".join(told)),
        rules=rules,
        models=models,
        holdout=options.holdout,
        new=on_new,
        golden=on_golden,
        latency=latency,
        control_share=_control_share(on_new),
    )


def _model(role: str, path: Path) -> Model:
    content, card = load_interpolator(path)
    return Model(role, str(path), card.name, card.sha256, len(content))


def _held_out(clips: Iterable[Clip], share: float, limit: int, skipped: list[Skipped]) -> Iterator[Triplet]:
    """The triplets of each clip's last part."""
    known = list(clips)
    lengths = {clip.name: last_frame_s(clip) for clip in known}
    for triplet in read_triplets(known, limit=math.ceil(limit / share), skipped=skipped):
        before, _ = triplet.gaps
        begins = triplet.seconds - before
        if begins >= (1 - share) * lengths[triplet.clip] + (GAP_FRAMES * before if share < 1 else 0):
            yield triplet


@dataclass(slots=True)
class _Taken:
    """What was gathered so far of all footage."""

    models: int
    block_s: float
    progress: Progress
    asked: int = 0
    seen: int = 0
    latencies: list[tuple[float, ...]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def measure(self, path: Path, triplets: Iterable[Triplet], together: SideBySide) -> Measured:
        """Compare the models on one pile of footage."""
        clips: dict[str, list[Compared]] = {}
        silent: Counter[str] = Counter()
        self.skipped.clear()
        for compared in together.compare(triplets):
            clips.setdefault(compared.clip, []).append(compared)
            self.seen += 1
            self.progress(self.seen)
            if compared.silence:
                silent[str(compared.silence)] += 1
            else:
                self.asked += 1
                self.latencies.append(compared.latencies)
        scored = [one for members in clips.values() for one in members if not one.silence]
        lengths = {name: block_length(self.block_s, _spacing(members)) for name, members in clips.items()}

        def between(one: int, other: int) -> Interval | None:
            means = [_clip_means(members, lengths[name], one, other) for name, members in clips.items()]
            joined = np.concatenate(means) if means else np.empty(0)
            return interval(joined) if len(joined) else None

        control = self.models > _CONTROL
        wins = [one.difference(_CHALLENGER, _CHAMPION) > 0 for one in scored]
        return Measured(
            path=str(path),
            triplets=sum(map(len, clips.values())),
            scored=len(scored),
            silent=dict(sorted(silent.items())),
            block_s=max(lengths.values(), default=self.block_s),
            gains_db={
                _NAMES[which]: statistics.fmean(one.scores[which].psnr_gain for one in scored)
                for which in range(self.models)
                if scored
            },
            wins=statistics.fmean(wins) if wins else 0.0,
            difference=between(_CHALLENGER, _CHAMPION),
            beyond_control=between(_CHALLENGER, _CONTROL) if control else None,
            control_difference=between(_CONTROL, _CHAMPION) if control else None,
            skipped=tuple(self.skipped[:MAX_LISTED]),
        )

    def latency(self) -> Latency | None:
        """Over all footage so far."""
        if not self.latencies:
            return None
        champion, challenger = ([seconds[which] for seconds in self.latencies] for which in (_CHAMPION, _CHALLENGER))
        ratios = [one / other for one, other in zip(challenger, champion, strict=True)]
        return Latency(
            ratio=statistics.median(ratios),
            pairs=len(ratios),
            champion_ms=1000 * statistics.median(champion),
            challenger_ms=1000 * statistics.median(challenger),
        )


def _spacing(members: Sequence[Compared]) -> float:
    """Seconds from one of a clip's triplets, which may have been thinned, to the next."""
    return float(np.median(np.diff([one.seconds for one in members]))) if len(members) > 1 else 0.0


def _clip_means(members: Sequence[Compared], length: float, one: int, other: int) -> NDArray[np.float64]:
    """The block means of one clip's differences."""
    times = np.array([compared.seconds for compared in members])
    differences = np.array([compared.difference(one, other) for compared in members])
    return block_means(differences, block_numbers(times - times[0], length))


# The rules.


def _graph_rule(fault: str | None, asked: int) -> Finding:
    if fault is not None:
        return Finding("graph", Ruling.REFUSED, f"the challenger cannot be used: {fault}")
    if not asked:
        return Finding("graph", Ruling.ERROR, "the challenger was asked for nothing: no triplet says anything")
    return Finding("graph", Ruling.ACCEPTED, f"finite pictures of the right shape for all of {asked} triplets")


def _above(name: str, found: Interval | None, measured: Measured | None, least: float, claim: str) -> Finding:
    """A rule that holds where the whole interval is above a bound."""
    if measured is None:
        return Finding(name, Ruling.ERROR, f"{claim}: not measured")
    blocks = found.blocks if found else 0
    if found is None or not found.enough:
        silent = ", ".join(f"{count} {reason}" for reason, count in measured.silent.items())
        why = f" ({silent})" if silent else ""
        why += f"; skipped {measured.skipped[0].name}: {measured.skipped[0].reason}" if measured.skipped else ""
        return Finding(
            name,
            Ruling.ERROR,
            f"{claim}: too few blocks, {blocks} of {measured.block_s:g} s with {MIN_TRIPLETS} scored triplets or more, "
            f"at least {MIN_BLOCKS} are needed; {measured.scored} of {measured.triplets} triplets of {measured.path} "
            f"say something{why}; give more footage with motion",
        )
    numbers = f"{found.mean:+.2f} dB ({found.low:+.2f} to {found.high:+.2f}, {blocks} blocks of {measured.block_s:g} s)"
    if found.low > least:
        return Finding(name, Ruling.ACCEPTED, f"{claim}: {numbers}")
    return Finding(name, Ruling.REFUSED, f"{claim}: not proven, {numbers}; the lower end must be above {least:g}")


def _new_rule(new: Measured | None) -> Finding:
    return _above("new", new.difference if new else None, new, 0.0, "better than the champion on held-out new footage")


def _control_rule(new: Measured | None) -> Finding:
    return _above("control", new.beyond_control if new else None, new, 0.0, "better than the control on new footage")


def _golden_rule(golden: Measured | None) -> Finding:
    claim = f"not worse by {MAX_GOLDEN_LOSS_DB:g} dB on golden footage"
    return _above("golden", golden.difference if golden else None, golden, -MAX_GOLDEN_LOSS_DB, claim)


def _latency_rule(latency: Latency | None) -> Finding:
    claim = f"at most {LATENCY_LIMIT:g} times as slow as the champion"
    pairs = latency.pairs if latency else 0
    if latency is None or pairs < MIN_PAIRS:
        return Finding("latency", Ruling.ERROR, f"{claim}: {pairs} triplets timed, at least {MIN_PAIRS} are needed")
    numbers = f"{latency.ratio:.2f} times, {latency.challenger_ms:.1f} against {latency.champion_ms:.1f} ms a triplet"
    more_s = (latency.challenger_ms - latency.champion_ms) / 1000
    ruling = Ruling.ACCEPTED if latency.ratio <= LATENCY_LIMIT or more_s <= NEGLIGIBLE_S else Ruling.REFUSED
    return Finding("latency", ruling, f"{claim}: {numbers}")


def _control_share(new: Measured | None) -> float | None:
    if new is None or new.control_difference is None or new.difference is None or new.difference.mean <= 0:
        return None
    return new.control_difference.mean / new.difference.mean


# For a person.


def _table(found: Evaluation) -> str:
    told = [rule.name for rule in found.rules if rule.ruling is found.status]
    lines = [f"{found.status}  {'all rules hold' if found.status is Ruling.ACCEPTED else ', '.join(told)}"]
    lines += [f"  {rule.name:<8}  {rule.ruling:<8}  {rule.reason}" for rule in found.rules]
    for pile, measured in (("new", found.new), ("golden", found.golden)):
        if measured and measured.gains_db:
            gains = ", ".join(f"{role} {gain:+.2f}" for role, gain in measured.gains_db.items())
            lines.append(
                f"  {pile:<8}  gain over averaging, dB: {gains}; the challenger wins {measured.wins:.0%} of "
                f"{measured.scored}"
            )
    if found.control_share is not None:
        lines.append(f"  control   has {found.control_share:.0%} of the challenger's gain, without the new footage")
    sizes = ", ".join(f"{model.role} {model.bytes / 1e6:.2f} MB" for model in found.models)
    lines.append(f"  size      {sizes}")
    return "\n".join(map(one_line, lines))
