"""The canary: champion and challenger side by side on live footage, until the evidence decides.

A stated share of the frames is served by the challenger, the rest by the champion. Both are scored on every one,
because the true middle frame arrives anyway. After every block of two seconds the evidence is weighed
(`paired.weigh`) and what is known is written down, so that a run that is killed goes on where it was and counts
nothing twice. In doubt the champion stays.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np

from sentinel_edge.errors import SentinelError, one_line
from sentinel_edge.footage.clips import Clip, Skipped, find_footage
from sentinel_edge.footage.clock import paces
from sentinel_edge.footage.decoding import Unreadable
from sentinel_edge.footage.packets import frame_times
from sentinel_edge.footage.triplets import Triplet, read_triplets
from sentinel_edge.promotion.canary_state import (
    Block,
    CanaryState,
    ClipState,
    Pair,
    Settings,
    clip_sha256,
    load_state,
    save_state,
)
from sentinel_edge.promotion.paired import Step, Weighed, block_length, block_numbers, weigh
from sentinel_edge.promotion.registry import Registered, Registry
from sentinel_edge.promotion.side_by_side import (
    LATENCY_LIMIT,
    Compared,
    ModelFailed,
    Progress,
    SideBySide,
    is_slower,
    opened,
    surely_slower,
)
from sentinel_edge.storage.result import Result, put_result
from sentinel_edge.verdict.verdict import MAX_LISTED

RESULT = "canary.json"
MAX_BLOCKS = 10_000

_CHAMPION, _CHALLENGER = 0, 1


class Ending(StrEnum):
    """What the canary came to."""

    PROMOTED = "PROMOTED"
    ROLLED_BACK = "ROLLED_BACK"
    UNDECIDED = "UNDECIDED"
    ERROR = "ERROR"


EXIT_CODES = {Ending.PROMOTED: 0, Ending.ROLLED_BACK: 3, Ending.UNDECIDED: 1, Ending.ERROR: 1}


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """What to compare on what, and how.

    Attributes:
        registry: The folder of the versions: its champion and its challenger are compared.
        incoming: Footage that neither was trained on.
        state: The file that survives a restart.
        output: The folder for the result.
        settings: Share, block length and the plan of the test.
        decide: Promote or reject the challenger in the registry.
        restart: Forget a state that is there.
    """

    registry: Path
    incoming: Path
    state: Path
    output: Path
    settings: Settings
    decide: bool = False
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Contender:
    """A version that took part."""

    role: str
    version: int
    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Served:
    """Who served what.

    Attributes:
        share: Of the frames, for the challenger, as it was asked for.
        by_champion: Frames.
        by_challenger: Frames; those whose number n, counted from 0, makes floor((n + 1) share) > floor(n share).
        psnr_db: Mean of what was served, where it moves.
        champion_psnr_db: What the champion alone would have served.
    """

    share: float
    by_champion: int
    by_challenger: int
    psnr_db: float | None
    champion_psnr_db: float | None


@dataclass(frozen=True, slots=True)
class Canary(Result):
    """What the canary found; everything `canary.json` holds.

    Attributes:
        status: PROMOTED, ROLLED_BACK, UNDECIDED (the footage ended first: give more), or ERROR.
        message: One line for a person.
        registry_changed: Whether the registry now says the same, by this run or by one before.
        contenders: Champion and challenger.
        settings: Share, block length and the plan of the test.
        evidence: What the blocks say; None on ERROR.
        served: Who served what; likewise.
        latency_ratio: Challenger to champion: the median block's median; None before the first block.
        silent: Triplets that say nothing, by reason.
        clips: What was looked at, by name.
        blocks: Every block that counts.
        skipped: Files that were passed over, and why, at most `verdict.MAX_LISTED`.
        started_at: ISO 8601, UTC, of this run.
        duration_s: Of this run.
    """

    status: Ending
    message: str
    registry_changed: bool = False
    contenders: tuple[Contender, ...] = ()
    settings: Settings | None = None
    evidence: Weighed | None = None
    served: Served | None = None
    latency_ratio: float | None = None
    silent: dict[str, int] | None = None
    clips: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    started_at: str = ""
    duration_s: float = 0.0

    @property
    def exit_code(self) -> int:
        """0 promoted, 3 rolled back, 1 undecided."""
        return EXIT_CODES[self.status]

    @property
    def table(self) -> str:
        """The result in a few aligned lines, for a person."""
        return _table(self)


def run_canary(options: CanaryOptions, progress: Progress = lambda _: None) -> Canary:
    """Compare champion and challenger until the evidence decides, and write `canary.json`.

    Args:
        options: See there.
        progress: Told after every triplet how many blocks are behind.

    Raises:
        SentinelError: The registry, the footage or the state cannot be read or is not of this canary, the champion
            fails, or something cannot be written. What the state held stays, and so does the champion.
    """
    unfinished = Canary(Ending.ERROR, "the canary did not finish", settings=options.settings)
    return put_result(options.output / RESULT, unfinished, lambda: _run(options, progress))


def _run(options: CanaryOptions, progress: Progress) -> Canary:
    registry = Registry(options.registry)
    state = None if options.restart else load_state(options.state)
    if state and state.settings == options.settings and (settled := _settled(registry, state)):
        return _result(state, settled, registry_changed=True)
    champion, challenger = registry.champion(), registry.challenger()
    pair = Pair(champion.card.sha256, challenger.card.sha256)
    if state is None:
        state = CanaryState(pair, options.settings)
        save_state(state, options.state)  # what cannot be written is found out before the work, and a --restart lasts
    state.require(pair, options.settings, options.state)
    contenders = (_contender("champion", champion), _contender("challenger", challenger))
    skipped: list[Skipped] = []
    if state.decision is None:
        state = _watch((champion.model, challenger.model), state, options, skipped, progress)
    if not options.decide or state.decision is None:
        return _result(state, contenders, skipped=skipped)
    # Killed here, the next run finds the decision in the state, and the registry either as it was or as decided.
    if state.decision is Step.PROMOTE:
        registry.promote(challenger.version)
    else:
        registry.reject(challenger.version)
    return _result(state, contenders, registry_changed=True, skipped=skipped)


def _contender(role: str, found: Registered) -> Contender:
    return Contender(role, found.version, found.card.name, found.card.sha256)


def _settled(registry: Registry, state: CanaryState) -> tuple[Contender, ...]:
    """The contenders, where the registry already says what the state decided; none where it does not."""
    if state.decision is None or registry.pointers().challenger is not None:
        return ()
    expected = state.pair.challenger if state.decision is Step.PROMOTE else state.pair.champion
    if registry.champion().card.sha256 != expected:
        return ()
    versions = {found.card.sha256: found for found in map(registry.version, registry.versions())}
    roles = (("champion", state.pair.champion), ("challenger", state.pair.challenger))
    return tuple(_contender(role, versions[sha256]) for role, sha256 in roles if sha256 in versions)


# Watching.


def _watch(
    models: tuple[Path, Path], state: CanaryState, options: CanaryOptions, skipped: list[Skipped], progress: Progress
) -> CanaryState:
    """Go through the footage block by block until something is decided or the footage ends."""
    footage = find_footage(options.incoming)
    skipped += footage.ignored
    clips = _to_watch(footage.clips, state, options.state, skipped)
    try:
        together = SideBySide(opened(models))
        for clip, known in clips:
            state = state.with_clip(known)
            for state in _blocks_of(clip, known, state, together, skipped):  # noqa: B020  (each follows from the last)
                save_state(state, options.state)
                progress(len(state.counted))
                if state.decision:
                    return state
    except ModelFailed as failure:
        if failure.which == _CHAMPION:
            raise SentinelError(
                f"the champion failed: {failure.reason}; it stays nevertheless and the state is kept, see "
                "`sentinel-edge model rollback`"
            ) from failure
        state = _decided(state, Step.ROLL_BACK, f"the challenger failed: {failure.reason}")
        save_state(state, options.state)
    return state


def _to_watch(
    clips: Iterable[Clip], state: CanaryState, path: Path, skipped: list[Skipped]
) -> list[tuple[Clip, ClipState]]:
    """The clips that are not done with: the one that was begun first, then the new ones in their order.

    Raises:
        SentinelError: The clip that was begun is gone, or one has a name that is known with another content.
    """
    found: dict[str, Clip] = {}
    for clip in clips:
        if not clip.is_video:
            skipped.append(Skipped(clip.name, "pictures tell no frame rate, so they make no triplets"))
            continue
        try:
            sha256 = clip_sha256(clip.path)
        except OSError as error:
            skipped.append(Skipped(clip.name, error.strerror or "cannot be read"))
            continue
        if sha256 in found:
            skipped.append(Skipped(clip.name, f"the same as {found[sha256].name}; counted once"))
            continue
        if state.clip(sha256) is None and any(known.name == clip.name for known in state.clips):
            raise SentinelError(
                f"{clip.path} is not the {clip.name} that canary state {path} knows: its content changed; give new "
                "footage new names, or begin anew with --restart"
            )
        found[sha256] = clip
    begun = [known for known in state.clips if not known.finished]
    for known in begun:
        if known.sha256 not in found:
            raise SentinelError(
                f"{known.name} is not among the footage, but canary state {path} is in the middle of it; give the same "
                "footage, and more beside it, or begin anew with --restart"
            )
    new = [ClipState(clip.name, sha256) for sha256, clip in found.items() if state.clip(sha256) is None]
    return [(found[known.sha256], known) for known in (*begun, *new)]


def _blocks_of(
    clip: Clip, known: ClipState, state: CanaryState, together: SideBySide, skipped: list[Skipped]
) -> Iterator[CanaryState]:
    """The state after each block of a clip that was not dealt with before, and after its end.

    Raises:
        ModelFailed: One of the models did.
    """
    length = block_length(state.settings.block_s, _spacing(clip))

    def number(triplet: Triplet) -> int:
        return int(block_numbers(np.array([triplet.seconds]), length)[0])

    triplets = read_triplets([clip], skipped=skipped)
    new = (triplet for triplet in triplets if number(triplet) >= known.next_block)
    for block, members in groupby(new, number):
        state = _after(state, block, list(together.compare(members)))
        known = replace(known, next_block=block + 1)
        state = state.with_clip(known)
        yield state
    yield state.with_clip(replace(known, finished=True))


def _spacing(clip: Clip) -> float:
    """Seconds from one of a clip's triplets to the next, one a frame, for most of the clip."""
    try:
        times, nominal = frame_times(clip.path)
        return 1 / max(paces(times, nominal), key=lambda pace: pace.frames).rate
    except (Unreadable, ValueError):  # said when it is read
        return 0.0


def _after(state: CanaryState, number: int, members: Sequence[Compared]) -> CanaryState:
    """The state with one more block, and what it decides."""
    silent = Counter(state.silent)
    silent.update(str(one.silence) for one in members if one.silence)
    scored = [one for one in members if one.silence is None]
    state = replace(state, silent=dict(silent))
    if not scored:
        return state
    served = [serves(state.scored + place, state.settings.share) for place in range(len(scored))]
    ratios = [one.latencies[_CHALLENGER] / one.latencies[_CHAMPION] for one in scored]
    champion, challenger = ([one.scores[which].psnr for one in scored] for which in (_CHAMPION, _CHALLENGER))
    block = Block(
        clip=scored[0].clip,
        number=number,
        triplets=len(scored),
        champion_db=statistics.fmean(champion),
        challenger_db=statistics.fmean(challenger),
        served_db=statistics.fmean(
            new if theirs else old for new, old, theirs in zip(challenger, champion, served, strict=True)
        ),
        difference_db=statistics.fmean(new - old for new, old in zip(challenger, champion, strict=True)),
        served_by_challenger=tuple(round(one.seconds, 3) for one, theirs in zip(scored, served, strict=True) if theirs),
        latency_ratio=statistics.median(ratios),
        slower=sum(is_slower(*one.latencies) for one in scored),
    )
    state = replace(state, blocks=(*state.blocks, block))
    pairs, slower = state.scored, sum(block.slower for block in state.blocks)
    if surely_slower(pairs, slower):
        reason = (
            f"the challenger is too slow: over {LATENCY_LIMIT:g} times the champion at {slower} of {pairs} triplets"
        )
        return _decided(state, Step.ROLL_BACK, reason)
    found = _weighed(state)
    # A block that does not count changes nothing that was weighed before.
    return state if found.decision is Step.CONTINUE else _decided(state, found.decision, found.reason)


def serves(number: int, share: str) -> bool:
    """Whether the challenger serves a frame: so that of the first n it serves n times the share, rounded down.

    Args:
        number: Of the frame, from 0.
        share: A decimal number, 0 to 1.
    """
    part = Fraction(share)
    return math.floor((number + 1) * part) > math.floor(number * part)


def _decided(state: CanaryState, decision: Step, reason: str) -> CanaryState:
    return replace(state, decision=decision, reason=reason)


def _weighed(state: CanaryState) -> Weighed:
    return weigh(np.array([block.difference_db for block in state.counted], np.float64), state.settings.plan)


# The result.

_STATUSES = {None: Ending.UNDECIDED, Step.PROMOTE: Ending.PROMOTED, Step.ROLL_BACK: Ending.ROLLED_BACK}


def _result(
    state: CanaryState,
    contenders: Sequence[Contender],
    *,
    registry_changed: bool = False,
    skipped: Sequence[Skipped] = (),
) -> Canary:
    found = _weighed(state)
    ratios = [block.latency_ratio for block in state.blocks]
    return Canary(
        status=_STATUSES[state.decision],
        message=one_line(state.reason or _undecided(state, found, skipped)),
        registry_changed=registry_changed,
        contenders=tuple(contenders),
        settings=state.settings,
        evidence=found,
        served=_served(state),
        latency_ratio=statistics.median(ratios) if ratios else None,
        silent=dict(state.silent),
        clips=tuple(clip.name for clip in state.clips),
        blocks=state.blocks,
        skipped=tuple(skipped[:MAX_LISTED]),
    )


def _undecided(state: CanaryState, found: Weighed, skipped: Sequence[Skipped]) -> str:
    silent = ", ".join(f"{count} {reason}" for reason, count in state.silent.items())
    why = f"; {sum(state.silent.values())} triplets say nothing ({silent})" if silent else ""
    why += f"; skipped {skipped[0].name}: {skipped[0].reason}" if skipped else ""
    return (
        f"the footage ended after {found.reason}{why}; the champion stays and the state is kept: run again with more "
        "footage, under other names"
    )


def _served(state: CanaryState) -> Served:
    by_challenger = sum(len(block.served_by_challenger) for block in state.blocks)

    def mean(name: str) -> float | None:
        weighted = sum(getattr(block, name) * block.triplets for block in state.blocks)
        return weighted / state.scored if state.scored else None

    return Served(
        share=float(state.settings.share),
        by_champion=state.scored - by_challenger,
        by_challenger=by_challenger,
        psnr_db=mean("served_db"),
        champion_psnr_db=mean("champion_db"),
    )


def _table(found: Canary) -> str:
    lines = [f"{found.status}  {found.message}"]
    if found.evidence and found.settings and found.served:
        evidence, plan, served = found.evidence, found.settings.plan, found.served
        lines += [f"  {one.role:<10}  version {one.version}, {one.name}, {one.sha256[:12]}" for one in found.contenders]
        lines.append(
            f"  evidence    {evidence.blocks} blocks of {plan.maximum} at most; mean {evidence.mean:+.2f} dB; cut to "
            f"{plan.clip_db:g} dB, bounds {evidence.low:+.2f} to {evidence.high:+.2f} at alpha {plan.alpha:g}"
        )
        lines.append(
            f"  served      {served.by_challenger} of {served.by_challenger + served.by_champion} frames by the "
            f"challenger ({served.share:.0%} asked for)"
        )
    if found.latency_ratio is not None:
        lines.append(f"  latency     {found.latency_ratio:.2f} times the champion's")
    lines.append(f"  registry    {'says the same' if found.registry_changed else 'unchanged'}")
    return "\n".join(map(one_line, lines))
