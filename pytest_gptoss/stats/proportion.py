"""Intervals for one accuracy, and for the ratio of losses to wins."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, SupportsIndex

from . import _numbers, _validate

ProportionMethod = Literal["wilson", "clopper-pearson"]
OddsMethod = Literal["clopper-pearson", "midp", "wilson"]

PROPORTION_METHODS = ("wilson", "clopper-pearson")
ODDS_METHODS = ("clopper-pearson", "midp", "wilson")


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its interval.

    Attributes:
        estimate: The point estimate; NaN where it is undefined.
        low: Lower limit.
        high: Upper limit; may be infinite for an odds ratio.
        method: How the limits were computed.
        confidence: Two-sided confidence of the interval.
    """

    estimate: float
    low: float
    high: float
    method: str
    confidence: float

    def figures(self) -> dict[str, Any]:
        """The limits as records have them: ``interval`` and ``interval_method``, or nulls."""
        if math.isnan(self.low) or math.isnan(self.high):
            return {"interval": None, "interval_method": None}
        return {"interval": [self.low, self.high], "interval_method": self.method}


def proportion(
    successes: SupportsIndex,
    n: SupportsIndex,
    *,
    method: ProportionMethod = "wilson",
    confidence: float = 0.95,
) -> Estimate:
    """Estimate one accuracy.

    ``wilson`` (Wilson 1927; Newcombe 1998, Stat Med 17:857) covers the truth with the stated
    confidence on average; ``clopper-pearson`` (1934) covers it at least that often for every
    accuracy and is wider for it.

    Args:
        successes: Right answers.
        n: Items, at least 1.
        method: How the limits are computed.
        confidence: Two-sided confidence.

    Raises:
        ValueError: If a count is negative or not whole, n is 0, there are more successes than
            items, the confidence is not strictly between 0 and 1, or the method is unknown.
    """
    total = _validate.count(n, "n", minimum=1)
    right = _validate.count(successes, "successes")
    if right > total:
        raise ValueError(f"successes must not exceed n, got {right} of {total}")
    _validate.choice(method, "method", PROPORTION_METHODS)
    confidence = _validate.level(confidence, "confidence")
    tail = (1.0 - confidence) / 2.0
    if method == "wilson":
        low, high = wilson_limits(right, total, _numbers.normal_critical(tail))
    else:
        low, high = _clopper_pearson(right, total, tail)
    return Estimate(right / total, low, high, method, confidence)


def odds_ratio(
    b: SupportsIndex,
    c: SupportsIndex,
    *,
    method: OddsMethod = "clopper-pearson",
    confidence: float = 0.95,
) -> Estimate:
    """Estimate how many items are lost for each one won.

    b / c is the conditional maximum-likelihood estimate of the odds ratio of matched pairs; its
    limits are those of the share p = b / (b + c) carried through p / (1 - p) (Fagerland, Lydersen
    and Laake 2017, chapter 8).

    Args:
        b: Losses (baseline right, candidate wrong).
        c: Wins (baseline wrong, candidate right).
        method: Limits of the share: ``clopper-pearson``, ``midp`` or ``wilson``.
        confidence: Two-sided confidence.

    Returns:
        Estimate and limits. Without wins the estimate and the upper limit are infinite and the
        lower limit is finite; without any discordant item the estimate is NaN and the interval is
        [0, inf].

    Raises:
        ValueError: If a count is negative or not whole, the confidence is not strictly between 0
            and 1, or the method is unknown.
    """
    losses, wins = _validate.count(b, "b"), _validate.count(c, "c")
    _validate.choice(method, "method", ODDS_METHODS)
    confidence = _validate.level(confidence, "confidence")
    m = losses + wins
    if m == 0:
        return Estimate(math.nan, 0.0, math.inf, method, confidence)
    tail = (1.0 - confidence) / 2.0
    if method == "clopper-pearson":
        limits = _clopper_pearson(losses, m, tail)
    elif method == "midp":
        limits = _mid_p(losses, m, tail)
    else:
        limits = wilson_limits(losses, m, _numbers.normal_critical(tail))
    estimate = losses / wins if wins else math.inf
    return Estimate(estimate, _odds(limits[0]), _odds(limits[1]), method, confidence)


def wilson_limits(successes: int, n: int, z: float) -> tuple[float, float]:
    """Return Wilson's score limits; exactly 0 and 1 at the ends, where rounding would miss them."""
    z2 = z * z
    centre = (successes + z2 / 2.0) / (n + z2)
    half = z / (n + z2) * math.sqrt(successes * (n - successes) / n + z2 / 4.0)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def _clopper_pearson(successes: int, n: int, tail: float) -> tuple[float, float]:
    from scipy.special import betainccinv, betaincinv

    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betainccinv(successes + 1, n - successes, tail))
    return low, high


def _mid_p(successes: int, n: int, tail: float) -> tuple[float, float]:
    def lower(k: int) -> float:
        if k == 0:
            return 0.0
        return _numbers.boundary(lambda p: _numbers.binomial_mid_upper(k, n, p) >= tail, 0.0, 1.0)

    return lower(successes), 1.0 - lower(n - successes)


def _odds(p: float) -> float:
    return math.inf if p == 1.0 else p / (1.0 - p)
