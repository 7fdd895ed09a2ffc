"""What paired differences prove: of one model against another, on the same triplets. Pure arrays.

Neighbouring triplets show the same people walking, so their differences depend on each other: the difference between
two alike interpolators stays alike for 0.1 to 0.8 s (integrated autocorrelation time, eight cameras), between unlike
ones for up to 3 s. What is taken as one observation is therefore the mean of a *block* of two seconds.

Two questions, two answers. Of footage that is given whole: a Student t interval over the block means (`interval`).
With few blocks it is nearly exact where a bootstrap of them is too narrow; what dependence is left between neighbouring
blocks widens it. Of footage that arrives: a test that may be looked at after every block and stopped at any
(`weigh`), by betting: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", Journal of
the Royal Statistical Society B 86 (2024), 1-27.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats would add a second to every start

from sentinel_edge.storage.documents import Amount, Number, whole

BLOCK_S = 2.0
"""Seconds of one block: several times the autocorrelation time of two alike interpolators' difference."""

MIN_TRIPLETS = 5
"""Scored triplets that make a block; one with fewer is not counted."""

MIN_BLOCKS = 4
"""Blocks that make an interval. With fewer, neither the mean's spread nor what dependence is left can be told."""

CONFIDENCE = 0.95
"""Of an interval, both sides together."""

STAKES = (0.125, 0.25, 0.5, 0.9)
"""Shares of what can be lost that are bet at once, as many gamblers with a quarter of the capital each.

Their mean is a fair game as each of them is, whichever turns out best: no stake need be guessed beforehand."""

_BISECTIONS = 34
_ALIKE = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and how far it can be trusted.

    Attributes:
        mean: Of the block means.
        low: Lower end of the confidence interval; minus infinity for a single block.
        high: Upper end.
        blocks: How many block means there were.
        lag_one: Correlation of neighbouring blocks by which the interval was widened, 0 to 0.5.
    """

    mean: float
    low: float
    high: float
    blocks: int
    lag_one: float

    @property
    def enough(self) -> bool:
        """Whether it rests on enough blocks to decide anything."""
        return self.blocks >= MIN_BLOCKS


class Step(StrEnum):
    """What evidence that is still arriving says."""

    PROMOTE = "promote"
    ROLL_BACK = "roll_back"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Plan:
    """A sequential test, fixed before the first block is seen.

    Attributes:
        alpha: At most so likely is a promotion that is not deserved, however often one looks; likewise that the upper
            bound is ever below the truth.
        clip_db: A block counts as a win or a loss of at most so much. A bet needs a loss that is bounded, and gains are
            cut alike, so that one freak block decides nothing. The bound is also the pace: a gain of 0.5 dB is
            proven in 12 blocks with 0.7 dB, in 14 with 1 dB, in 30 with 3 dB (blocks that spread by 0.3 dB); in 10 with
            0.5 dB, which forgives heavy losses more.
        worthwhile_db: Roll back as soon as a gain of so much is ruled out: waiting would not make it worth a promotion.
        maximum: Blocks after which a challenger that is still not proven is rolled back.
    """

    alpha: Amount = 0.05
    clip_db: Amount = 0.7
    worthwhile_db: Number = 0.2
    maximum: Annotated[int, whole(1, 10**12)] = 60


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the blocks seen so far say.

    Attributes:
        decision: What to do now.
        reason: One line for a person.
        blocks: How many there are.
        mean: Of the differences as they are, dB; 0 where there are none.
        low: Lower bound of the mean of clipped differences, valid at every look: wrong with probability alpha at most.
        high: Upper bound, likewise.
    """

    decision: Step
    reason: str
    blocks: int
    mean: float
    low: float
    high: float


def block_numbers(seconds: NDArray[np.float64], length: float = BLOCK_S) -> NDArray[np.intp]:
    """The block of each triplet of one clip: blocks of equal length from second 0 on.

    Args:
        seconds: (n,) times of the triplets, not negative.
        length: Of a block, in seconds.
    """
    return np.floor(seconds / length + 1e-9).astype(np.intp)  # a rounded 3.9999999996 begins the second block at 4


def block_length(least: float, spacing: float) -> float:
    """Seconds of a block: where triplets lie far apart, long enough for one more of them than a block needs.

    Args:
        least: Seconds of a block where they do not.
        spacing: Seconds from one triplet to the next.
    """
    return max(least, (MIN_TRIPLETS + 1) * spacing)


def block_means(
    differences: NDArray[np.float64], blocks: NDArray[np.intp], minimum: int = MIN_TRIPLETS
) -> NDArray[np.float64]:
    """The mean difference of each block with enough scored triplets, in order.

    Args:
        differences: (n,) paired differences, dB; NaN where a triplet has no score (nothing moves).
        blocks: (n,) number of each triplet's block.
        minimum: Scored triplets a block must have.

    Returns:
        float64 (k,).
    """
    scored = np.isfinite(differences)
    numbers, members = np.unique(blocks[scored], return_inverse=True)
    counts = np.bincount(members, minlength=len(numbers))
    sums = np.bincount(members, weights=differences[scored], minlength=len(numbers))
    enough = counts >= minimum
    return np.asarray(sums[enough] / counts[enough], np.float64)


def interval(means: NDArray[np.float64], confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean of block means, widened by what dependence is left between neighbours.

    The variance of the mean is s^2 / k (1 + 2 r), r the correlation of neighbouring blocks (`_lag_one`). On simulated
    differences with an autocorrelation time of 0.2 to 1 s and 4 to 20 blocks of 2 s, the lower end was above the truth
    in 2.0 to 3.4 % of cases (nominal: 2.5 %), without the widening in up to 4.6 %; at 2 s in 3.7 to 4.9 % and up to
    7.2 %.

    Args:
        means: (k,) block means in the order of time, at least one.
        confidence: Of both sides together.

    Raises:
        ValueError: There is no block.
    """
    blocks = len(means)
    if blocks == 0:
        raise ValueError("no block; expected at least one")
    mean = float(means.mean())
    if blocks == 1:
        return Interval(mean, -math.inf, math.inf, blocks, 0.0)
    lag_one = _lag_one(means)
    error = math.sqrt(float(means.var(ddof=1)) / blocks * (1 + 2 * lag_one))
    reach = float(special.stdtrit(blocks - 1, (1 + confidence) / 2)) * error
    return Interval(mean, mean - reach, mean + reach, blocks, lag_one)


def _lag_one(means: NDArray[np.float64]) -> float:
    """Correlation of neighbours, corrected for its bias of about -1/k, 0 to 0.5."""
    centred = means - means.mean()
    squares = float(centred @ centred)
    if squares < _ALIKE:
        return 0.0
    return min(max(float(centred[1:] @ centred[:-1]) / squares + 1 / len(means), 0.0), 0.5)


def weigh(differences: NDArray[np.float64], plan: Plan) -> Weighed:
    """Look at the blocks seen so far; to be asked after every block until it decides.

    Bet that the challenger gains: a stake u of what can be lost multiplies the capital by 1 + u x / c at each block of
    difference x, cut to [-c, c]. Where nothing is gained on average, given all that came before, no strategy makes
    1/alpha of its capital with a probability above alpha, ever (Ville's inequality). So a capital of 1/alpha
    proves the gain. The bounds are those means against which neither side has won so much.

    Where neighbouring blocks are still alike, k of them say as much as k / (1 + 2 r) that are not (r as in `interval`),
    and the capital counts as its (1 + 2 r)-th root. That only ever takes from a capital above 1, so nothing is lost
    of the above. Of 2500 simulated runs each without a gain, autocorrelation times of 0.2 to 2 s and blocks
    that spread by 0.2 to 0.9 dB, 0 to 3.7 % were promoted; of those with a gain of 0.5 dB, at times of up to 1.2 s, 92
    to 100 % after 11 to 28 blocks. Where losses are rare but large (exponential) and the time is 1.2 s or more, 5 to
    7 % were promoted without a gain.

    Args:
        differences: (k,) block means of challenger minus champion in the order they came, dB.
        plan: Fixed before the first of them.
    """
    blocks = len(differences)
    mean = float(differences.mean()) if blocks else 0.0
    low, high = _lower_bound(differences, plan), -_lower_bound(-differences, plan)

    def weighed(decision: Step, reason: str) -> Weighed:
        return Weighed(decision, reason, blocks, mean, low, high)

    if low > 0 and mean > 0:
        return weighed(Step.PROMOTE, f"the gain is proven after {blocks} blocks: {mean:+.2f} dB on average")
    if high < 0:
        return weighed(
            Step.ROLL_BACK, f"the challenger is proven worse after {blocks} blocks: {mean:+.2f} dB on average"
        )
    if high < plan.worthwhile_db:
        return weighed(
            Step.ROLL_BACK,
            f"no worthwhile gain: at most {high:+.2f} dB after {blocks} blocks, worthwhile is {plan.worthwhile_db:g}",
        )
    if blocks >= plan.maximum:
        return weighed(
            Step.ROLL_BACK,
            f"no gain proven in {blocks} blocks, the maximum ({low:+.2f} to {high:+.2f} dB): the champion stays",
        )
    if not _within_reach(differences, plan):
        return weighed(
            Step.ROLL_BACK,
            f"after {blocks} blocks no gain can be proven any more within {plan.maximum}: the champion stays",
        )
    return weighed(Step.CONTINUE, f"{blocks} blocks, {low:+.2f} to {high:+.2f} dB: not decided")


def _log_capital(gains: NDArray[np.float64], mean: float) -> float:
    """Logarithm of what was made of 1 by betting that the mean gain is above `mean`.

    Args:
        gains: (k,) brought to 0 (the largest loss) to 1 (the largest gain).
        mean: Above 0, in the same units.
    """
    stakes = np.array(STAKES)[:, None]
    logarithms = np.log1p(stakes * (gains[None, :] / mean - 1)).sum(axis=1)
    largest = logarithms.max()
    return float(largest + np.log(np.mean(np.exp(logarithms - largest))))


def _unit(differences: NDArray[np.float64], plan: Plan) -> NDArray[np.float64]:
    return np.asarray((np.clip(differences / plan.clip_db, -1, 1) + 1) / 2, np.float64)


def _lower_bound(differences: NDArray[np.float64], plan: Plan) -> float:
    """The largest mean, dB, that the gamblers have refuted; the capital falls as the mean rises."""
    gains = _unit(differences, plan)
    goal = -math.log(plan.alpha) * (1 + 2 * (_lag_one(gains) if len(gains) else 0.0))
    refuted, standing = 0.0, 1.0
    # The first look is at a mean of nothing, so that its answer is exact.
    middle = 0.5
    for _ in range(_BISECTIONS):
        if _log_capital(gains, middle) >= goal:
            refuted = middle
        else:
            standing = middle
        middle = (refuted + standing) / 2
    return (2 * refuted - 1) * plan.clip_db


def _within_reach(differences: NDArray[np.float64], plan: Plan) -> bool:
    """Whether the gain would be proven if every block still to come were a full win, and none like its neighbour."""
    wins = np.full(plan.maximum - len(differences), plan.clip_db)
    return _log_capital(_unit(np.append(differences, wins), plan), 0.5) >= -math.log(plan.alpha)
