"""Repeated rounds of two measurements: the ratio of their means, and a verdict about a slowdown."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from . import _numbers, _validate
from .gate import POWER, Verdict, checked_margin

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

LEAST_ROUNDS = 5
"""Rounds on each side below which no statement is made."""

MOST_ROUNDS = 1000
"""Rounds above which none are recommended."""


@dataclass(frozen=True, slots=True)
class RatioOfRounds:
    """A ratio of two means with its bootstrap interval.

    Attributes:
        ratio: Mean of the candidate's rounds over that of the baseline's.
        low: Lower limit of the ratio.
        high: Upper limit of the ratio.
        noise: Coefficients of variation (standard deviation over mean) of the baseline's rounds
            and of the candidate's.
        rounds: Number of the baseline's rounds and of the candidate's.
        confidence: Two-sided confidence of the interval.
    """

    ratio: float
    low: float
    high: float
    noise: tuple[float, float]
    rounds: tuple[int, int]
    confidence: float


@dataclass(frozen=True, slots=True)
class SpeedGate:
    """The verdict about a candidate's rounds. Losses are shares of the baseline: 0.1 is 10 %.

    Attributes:
        verdict: ``improved``, ``within-margin``, ``regressed`` or ``inconclusive``.
        estimate: The ratio that it rests on.
        loss: How much worse the candidate is; negative where it is better.
        low: Lower limit of the loss, the allowance included.
        high: Upper limit of the loss, the allowance included.
        rounds_needed: After an inconclusive verdict, the rounds on each side that would settle it
            in four of five sessions if means and noise stayed as they are; None for a decided
            verdict and where a thousand rounds would not settle it.
        margin: The tolerated loss.
        allowance: By how much the limits were moved apart for what rounds of one session do not
            show.
        alpha: One-sided error rate of each statement.
    """

    verdict: Verdict
    estimate: RatioOfRounds
    loss: float
    low: float
    high: float
    rounds_needed: int | None
    margin: float
    allowance: float
    alpha: float


def ratio_of_rounds(
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    confidence: float = 0.9,
    draws: SupportsIndex = 9999,
    seed: int = 0,
) -> RatioOfRounds:
    """Estimate the ratio of two means by resampling the rounds of each.

    Rounds are resampled as Kalibera and Jones do ("Rigorous benchmarking in reasonable time", ISMM
    2013). The interval is the expanded percentile interval of Hesterberg ("What teachers should
    know about the bootstrap", The American Statistician 69, 2015, section 4.3): a plain percentile
    interval of five values is a third too narrow, so its tails are taken at
    Phi(-sqrt(n / (n - 1)) t), with Student's t of n - 1 degrees of freedom and n the smaller number
    of rounds.

    Args:
        baseline: A positive number for each round of the baseline.
        candidate: A positive number for each round of the candidate.
        confidence: Two-sided confidence.
        draws: Number of resamples, at least 1.
        seed: Seed of the resampling.

    Raises:
        ValueError: If a side has fewer than five rounds or a number that is not positive and
            finite, draws is no positive count, seed is negative, or the confidence is not strictly
            between 0 and 1.
    """
    before, after = _rounds(baseline, "baseline"), _rounds(candidate, "candidate")
    confidence = _validate.level(confidence, "confidence")
    number = _validate.count(draws, "draws", minimum=1)
    start = _validate.count(seed, "seed")
    low, high = _limits(before, after, confidence, number, start)
    return RatioOfRounds(
        ratio=float(after.mean() / before.mean()),
        low=low,
        high=high,
        noise=(_noise(before), _noise(after)),
        rounds=(before.size, after.size),
        confidence=confidence,
    )


def speed_gate(
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    more_is_better: bool,
    margin: float = 0.05,
    alpha: float = 0.05,
    allowance: float = 0.0,
    seed: int = 0,
) -> SpeedGate:
    """Judge a candidate's rounds against a baseline's.

    * ``within-margin``: a loss of the margin or more is ruled out, and ``improved`` where a gain of
      more than the margin is shown too.
    * ``regressed``: a loss of more than the margin is shown.
    * ``inconclusive``: neither; the rounds are too few or the machine too noisy.

    Unlike a score's, a loss inside the margin never fails: two starts of one program on one machine
    differ by a few per cent that no number of rounds within a start shows. The margin is there for
    them, and so is the allowance where that difference was measured.

    Args:
        baseline: A positive number for each round of the baseline.
        candidate: A positive number for each round of the candidate.
        more_is_better: Whether a larger number is the better one, as with tokens per second.
        margin: The tolerated loss, as a share of the baseline (0.05 is 5 %).
        alpha: One-sided error rate of each statement.
        allowance: Share by which two sessions of the baseline are known to differ.
        seed: Seed of the resampling.

    Raises:
        ValueError: As `ratio_of_rounds`, and if the margin is not within 0 to 1 (1 excluded), alpha
            is not strictly between 0 and 0.5, or the allowance is negative.
    """
    margin = checked_margin(margin)
    alpha = _validate.level(alpha, "alpha")
    if alpha >= 0.5:
        raise ValueError(f"alpha must be below 0.5, got {alpha}")
    allowance = _validate.real(allowance, "allowance")
    if allowance < 0.0:
        raise ValueError(f"allowance must not be negative, got {allowance}")
    found = ratio_of_rounds(baseline, candidate, confidence=1.0 - 2.0 * alpha, seed=seed)
    if more_is_better:
        loss, low, high = 1.0 - found.ratio, 1.0 - found.high, 1.0 - found.low
    else:
        loss, low, high = found.ratio - 1.0, found.low - 1.0, found.high - 1.0
    low, high = low - allowance, high + allowance
    verdict: Verdict
    if low > margin:
        verdict = "regressed"
    elif high < -margin:
        verdict = "improved"
    elif high < margin or high <= 0.0:
        verdict = "within-margin"
    else:
        verdict = "inconclusive"
    needed = None
    if verdict == "inconclusive":
        needed = _rounds_needed(found, abs(margin - loss) - allowance, alpha)
    return SpeedGate(verdict, found, loss, low, high, needed, margin, allowance, alpha)


def _rounds(values: ArrayLike, name: str) -> NDArray[np.float64]:
    rounds = _validate.vector(values, name)
    if rounds.size < LEAST_ROUNDS:
        raise ValueError(f"{name} must have at least {LEAST_ROUNDS} rounds, got {rounds.size}")
    if (rounds <= 0.0).any():
        raise ValueError(f"{name} must be positive in every round")
    return rounds


def _noise(rounds: NDArray[np.float64]) -> float:
    return float(rounds.std(ddof=1) / rounds.mean())


def _limits(
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    confidence: float,
    draws: int,
    seed: int,
) -> tuple[float, float]:
    from scipy.stats import bootstrap  # takes a second or more: only where there is a verdict

    n = min(before.size, after.size)
    t = _numbers.student_critical((1.0 - confidence) / 2.0, n - 1)
    tail = _numbers.normal_upper(math.sqrt(n / (n - 1)) * t)

    def ratio(x: Any, y: Any, axis: int = -1) -> Any:
        return np.mean(y, axis=axis) / np.mean(x, axis=axis)

    result = bootstrap(
        (before, after),
        ratio,
        n_resamples=draws,
        vectorized=True,
        confidence_level=1.0 - 2.0 * tail,
        method="percentile",
        random_state=seed,
    )
    low, high = result.confidence_interval
    return float(low), float(high)


def _rounds_needed(found: RatioOfRounds, distance: float, alpha: float) -> int | None:
    """Rounds with which the interval no longer holds a margin so far from the loss."""
    z = _numbers.normal_critical(alpha) + _numbers.normal_critical(1.0 - POWER)
    spread = z * found.ratio * math.hypot(*found.noise)
    if distance <= spread / math.sqrt(MOST_ROUNDS):
        return None
    return max(1 + max(found.rounds), math.ceil((spread / distance) ** 2))
