"""How large is the drop? Intervals for the difference of two accuracies on the same items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, SupportsIndex

from . import _numbers, _validate
from .proportion import wilson_limits

Method = Literal["tango", "newcombe", "bonett-price"]

METHODS = ("tango", "newcombe", "bonett-price")


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A drop in accuracy with its interval, as fractions (0.02 is two percentage points).

    Attributes:
        drop: Baseline accuracy minus candidate accuracy, (b - c) / n. Negative for a gain.
        low: Lower limit of the drop.
        high: Upper limit of the drop.
        n: Number of items.
        method: How the limits were computed.
        confidence: Two-sided confidence of the interval.
    """

    drop: float
    low: float
    high: float
    n: int
    method: Method
    confidence: float


@dataclass(frozen=True, slots=True)
class NonInferiority:
    """Whether a drop as large as the margin can be ruled out.

    Attributes:
        p_value: Probability of data this favourable if the drop were exactly the margin.
        upper: Upper one-sided limit of the drop at confidence 1 - alpha.
        noninferior: Whether the drop is shown to be smaller than the margin (upper <= margin).
        margin: The tolerated drop, as a fraction.
        alpha: One-sided error rate.
    """

    p_value: float
    upper: float
    noninferior: bool
    margin: float
    alpha: float


def paired_difference(
    a: SupportsIndex,
    b: SupportsIndex,
    c: SupportsIndex,
    d: SupportsIndex,
    *,
    method: Method = "tango",
    confidence: float = 0.95,
) -> PairedDifference:
    """Estimate the drop in accuracy between two models on the same items.

    * ``tango`` (default) inverts the score test (Tango 1998). Its limits agree with McNemar's
      uncorrected test at a drop of 0 and with :func:`noninferiority` at any margin, and it keeps
      its error rate where nearly all differing items are losses: the case a gate is there for.
    * ``newcombe`` joins the Wilson limits of both accuracies through their correlation (Newcombe
      1998, method 10, with the continuity-corrected correlation).
    * ``bonett-price`` is the Wald interval after adding one loss and one win (Bonett and Price
      2012), cut at -1 and 1.

    The plain Wald interval is not offered: for two models with identical answers it is [0, 0].

    Args:
        a: Items both models have right.
        b: Losses (baseline right, candidate wrong).
        c: Wins (baseline wrong, candidate right).
        d: Items both models have wrong.
        method: How the limits are computed.
        confidence: Two-sided confidence; 0.90 gives the one-sided 5 % limits of a gate.

    Raises:
        ValueError: If a count is negative or not whole, all are 0, the confidence is not strictly
            between 0 and 1, or the method is unknown.
    """
    cells = _validate.table(a, b, c, d)
    both, losses, wins, _ = cells
    n = sum(cells)
    _validate.choice(method, "method", METHODS)
    confidence = _validate.level(confidence, "confidence")
    z = _numbers.normal_critical((1.0 - confidence) / 2.0)
    if method == "tango":
        low, high = -tango_upper(wins, losses, n, z), tango_upper(losses, wins, n, z)
    elif method == "newcombe":
        low, high = _newcombe(both, losses, wins, n, z)
    else:
        low, high = _bonett_price(losses, wins, n, z)
    return PairedDifference((losses - wins) / n, low, high, n, method, confidence)


def noninferiority(
    a: SupportsIndex,
    b: SupportsIndex,
    c: SupportsIndex,
    d: SupportsIndex,
    *,
    margin: float,
    alpha: float = 0.05,
) -> NonInferiority:
    """Test whether the candidate's drop is smaller than a margin.

    The null hypothesis is a drop of the margin or more; Tango's (1998) score statistic at the
    margin is compared with the normal distribution. Two models with identical answers on n items
    pass as soon as n >= z^2 (1 - margin) / margin: 88 items for 3 points at 5 %.

    Args:
        a: Items both models have right.
        b: Losses (baseline right, candidate wrong).
        c: Wins (baseline wrong, candidate right).
        d: Items both models have wrong.
        margin: The tolerated drop, as a fraction (0.02 is two percentage points).
        alpha: One-sided error rate.

    Raises:
        ValueError: If a count is negative or not whole, all are 0, the margin lies outside 0 to 1,
            or alpha is not strictly between 0 and 1.
    """
    cells = _validate.table(a, b, c, d)
    _, losses, wins, _ = cells
    n = sum(cells)
    margin = _validate.probability(margin, "margin")
    alpha = _validate.level(alpha, "alpha")
    z = _numbers.normal_critical(alpha)
    statistic = tango_statistic(losses, wins, n, margin)
    return NonInferiority(
        p_value=_numbers.normal_upper(-statistic),
        upper=tango_upper(losses, wins, n, z),
        noninferior=statistic <= -z,
        margin=margin,
        alpha=alpha,
    )


def tango_statistic(b: int, c: int, n: int, drop: float) -> float:
    """Return the score statistic for a hypothesised drop (Tango 1998, section 3).

    The variance uses the maximum-likelihood estimate of the win probability q under the
    hypothesis, the larger root of 2n q^2 + B q - c * drop * (1 - drop) = 0. The statistic falls
    as the hypothesised drop rises.
    """
    if drop < 0.0:
        # The same problem seen from the other model; keeps the two limits exactly symmetric.
        return -tango_statistic(c, b, n, -drop)
    linear = (2 * n - b + c) * drop - (b + c)
    constant = c * drop * (1.0 - drop)
    root = math.sqrt(linear * linear + 8.0 * n * constant)
    # Of the two equal expressions for the root, the one without cancellation.
    q = 2.0 * constant / (linear + root) if linear > 0.0 else (root - linear) / (4.0 * n)
    variance = n * (2.0 * q + drop * (1.0 - drop))
    difference = (b - c) - n * drop
    if variance <= 0.0:
        # Only at a drop of 0 without discordant items, or of 1: the hypothesis allows one outcome.
        return 0.0 if difference == 0.0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


def tango_upper(b: int, c: int, n: int, z: float) -> float:
    """Return the drop at which the score statistic reaches -z: the upper limit."""
    if b == n:
        return 1.0
    if z <= 0.0:
        # A limit at confidence one half or less lies at or below the estimate.
        return _numbers.boundary(
            lambda drop: tango_statistic(b, c, n, drop) <= -z, -1.0, (b - c) / n
        )
    if b == c == 0:
        return z * z / (n + z * z)
    return _numbers.boundary(lambda drop: tango_statistic(b, c, n, drop) <= -z, (b - c) / n, 1.0)


def _newcombe(a: int, b: int, c: int, n: int, z: float) -> tuple[float, float]:
    d = n - a - b - c
    p1, p2 = (a + b) / n, (a + c) / n
    low1, high1 = wilson_limits(a + b, n, z)
    low2, high2 = wilson_limits(a + c, n, z)
    product = (a + b) * (c + d) * (a + c) * (b + d)
    # Newcombe 1998 (Stat Med 17:2635), method 10: n/2 is taken off a positive covariance, not
    # below 0; a negative one is left as it is; an empty margin leaves no correlation to estimate.
    covariance = float(a * d - b * c)
    if covariance > 0.0:
        covariance = max(covariance - n / 2.0, 0.0)
    phi = covariance / math.sqrt(product) if product else 0.0
    down1, up1, down2, up2 = p1 - low1, high1 - p1, p2 - low2, high2 - p2
    below = math.sqrt(max(0.0, down1 * down1 - 2.0 * phi * down1 * up2 + up2 * up2))
    above = math.sqrt(max(0.0, up1 * up1 - 2.0 * phi * up1 * down2 + down2 * down2))
    estimate = (b - c) / n
    return max(-1.0, estimate - below), min(1.0, estimate + above)


def _bonett_price(b: int, c: int, n: int, z: float) -> tuple[float, float]:
    p, q = (b + 1) / (n + 2), (c + 1) / (n + 2)
    centre = (b - c) / (n + 2)
    half = z * math.sqrt((p + q - centre * centre) / (n + 2))
    return max(-1.0, centre - half), min(1.0, centre + half)
