"""Normal, Student and binomial probabilities, and root finding, for the other modules.

scipy.special is imported inside the functions: importing ``pytest_gptoss.stats`` must stay cheap in
a test session that computes nothing. scipy.stats, which takes longer still, is not needed at all.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_NORMAL = NormalDist()


def normal_upper(z: float) -> float:
    """P(Z >= z); by erfc, so that a far tail is small rather than 0."""
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def normal_critical(tail: float) -> float:
    """The z with P(Z >= z) = tail. Taken from the lower tail: 1 - tail would round a small one."""
    return -_NORMAL.inv_cdf(tail)


def student_upper(t: float, degrees_of_freedom: int) -> float:
    """P(T >= t) for Student's distribution."""
    from scipy.special import stdtr

    return float(stdtr(degrees_of_freedom, -t))


def student_critical(tail: float, degrees_of_freedom: int) -> float:
    """The t with P(T >= t) = tail."""
    from scipy.special import stdtrit

    return -float(stdtrit(degrees_of_freedom, tail))


def binomial_upper(k: int, n: int, p: float = 0.5) -> float:
    """P(X >= k) for X ~ Bin(n, p), by the incomplete beta function: never 1 - cdf."""
    if k <= 0:
        return 1.0
    if k > n:
        return 0.0
    from scipy.special import betainc

    return float(betainc(k, n - k + 1, p))


def binomial_mid_upper(k: int, n: int, p: float = 0.5) -> float:
    """P(X > k) + P(X = k) / 2, which is the mean of two neighbouring tails."""
    return 0.5 * (binomial_upper(k, n, p) + binomial_upper(k + 1, n, p))


def binomial_upper_array(k: NDArray[Any], n: NDArray[Any], p: float = 0.5) -> NDArray[np.float64]:
    """P(X >= k) for arrays of k and n."""
    from scipy.special import betainc

    inside = (k > 0) & (k <= n)
    tail = betainc(np.where(inside, k, 1), np.where(inside, n - k + 1, 1), p)
    return np.where(inside, tail, np.where(k <= 0, 1.0, 0.0))


def boundary(holds: Callable[[float], bool], no: float, yes: float) -> float:
    """Return the point between ``no`` and ``yes`` where ``holds`` turns true, to the last bit.

    Plain bisection: a statistic that is infinite at an end of its range does not disturb it.
    """
    while True:
        middle = 0.5 * (no + yes)
        if middle in (no, yes):
            return yes
        if holds(middle):
            yes = middle
        else:
            no = middle


def root(f: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Return a zero of ``f`` between two points where its signs differ (Chandrupatla 1997).

    Few evaluations, for functions that are costly. The bracket is never left.
    """
    x1, x2 = low, high
    f1, f2 = f(x1), f(x2)
    x3, f3 = x1, f1
    t = 0.5
    while True:
        x = x1 + t * (x2 - x1)
        fx = f(x)
        if (fx > 0) == (f1 > 0):
            x3, f3 = x1, f1
        else:
            x3, f3, x2, f2 = x2, f2, x1, f1
        x1, f1 = x, fx
        best = x1 if abs(f1) < abs(f2) else x2
        if fx == 0.0 or abs(x2 - x1) <= 2.0 * tolerance:
            return best
        xi = (x1 - x2) / (x3 - x2)
        phi = (f1 - f2) / (f3 - f2)
        if phi * phi < xi and (1.0 - phi) ** 2 < 1.0 - xi:
            # Inverse quadratic interpolation, where the three points allow it.
            t = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (
                f3 - f2
            )
            edge = tolerance / abs(x2 - x1)
            t = min(max(t, edge), 1.0 - edge)
        else:
            t = 0.5
