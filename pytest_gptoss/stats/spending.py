"""How the error rate of a gate is spent over the looks taken at a growing run."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from . import _numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

GAMMA = -2.0
"""The Hwang-Shih-DeCani parameter: little is spent early, so little power is lost at the end."""

_NODES = 128
_REACH = 8.5


def spent(share: float, alpha: float, gamma: float = GAMMA) -> float:
    """Return the error rate that may be used up once a share of the items has been seen.

    alpha (1 - e^(-gamma t)) / (1 - e^(-gamma)) (Hwang, Shih and DeCani 1990, equation 3).
    """
    return alpha * math.expm1(-gamma * share) / math.expm1(-gamma)


class ExactBoundary:
    """The number of losses that shows a regression, recomputed after every item.

    Given the positions of the discordant items, the losses among them are fair coin flips if the
    candidate is no worse. So the chance of having stopped by now is computed exactly, by following
    the distribution of the number of losses over all runs that have not stopped: no normal
    approximation, and a look after each of n items costs nothing but what :func:`spent` allows
    (Lan and DeMets 1983, with the binomial in place of Brownian motion).

    Args:
        n: Items of the whole run, fixed beforehand.
        alpha: One-sided error rate over the whole run.
    """

    __slots__ = ("_alpha", "_live", "_low", "_n", "_seen", "_spent", "_top")

    def __init__(self, n: int, alpha: float) -> None:
        self._n, self._alpha = n, alpha
        self._seen = 0
        self._spent = 0.0
        # _live[k] is the chance of k losses and no stop so far, for k from _low to _top.
        self._live = np.zeros(256)
        self._live[0] = 1.0
        self._low = self._top = 0

    @property
    def stopping_losses(self) -> int:
        """The smallest number of losses at which the run stops now."""
        return self._top + 1

    @property
    def error_spent(self) -> float:
        """The exact chance that a candidate no worse than the baseline has been stopped by now."""
        return self._spent

    def advance(self, *, discordant: bool) -> None:
        """Take one more item into account; it is discordant if the models differ on it."""
        self._seen += 1
        if self._top + 2 > self._live.size:
            # Grows with the discordant items: a run may be long and have few.
            self._live = np.concatenate((self._live, np.zeros(self._live.size)))
        live = self._live
        if discordant:
            window = live[self._low : self._top + 2]
            window *= 0.5
            window[1:] += window[:-1].copy()
            self._top += 1
            # So few losses that the chance no longer matters: dropping it keeps the window narrow,
            # and what it could ever add to the error is below 1e-20 per item.
            while live[self._low] < 1e-20 and self._low < self._top:
                self._low += 1
        budget = spent(self._seen / self._n, self._alpha)
        while self._spent + live[self._top] <= budget:
            self._spent += float(live[self._top])
            live[self._top] = 0.0
            self._top -= 1


@lru_cache(maxsize=128)
def critical_values(
    shares: tuple[float, ...], alpha: float, gamma: float = GAMMA
) -> tuple[float, ...]:
    """Return the z-values of a one-sided group-sequential test.

    The score process at share t of the information is Brownian motion, whose density over the runs
    that have not stopped is carried from look to look by quadrature (Armitage, McPherson and Rowe
    1969; Jennison and Turnbull 2000, chapter 19).

    Args:
        shares: The share of the items seen at each look, rising to 1.
        alpha: One-sided error rate over all looks.
        gamma: Parameter of the spending function.
    """
    from scipy.special import ndtr

    points, weights = np.polynomial.legendre.leggauss(_NODES)
    before, used = 0.0, 0.0
    nodes, mass = np.zeros(1), np.ones(1)
    values = []
    for share in shares:
        total = spent(share, alpha, gamma)
        step = math.sqrt(share - before)
        to_spend, before, used = total - used, share, total
        bottom = -_REACH * math.sqrt(share)
        limit = _limit(nodes, mass, step, to_spend, -bottom, ndtr)
        values.append(limit / math.sqrt(share))
        # The density below the limit, on nodes of its own.
        half = 0.5 * (limit - bottom)
        fresh = bottom + half * (points + 1.0)
        kernel = np.exp(-0.5 * ((fresh[:, None] - nodes[None, :]) / step) ** 2)
        density = kernel @ mass / (step * math.sqrt(2.0 * math.pi))
        nodes, mass = fresh, half * weights * density
    return tuple(values)


def _limit(
    nodes: NDArray[np.float64],
    mass: NDArray[np.float64],
    step: float,
    to_spend: float,
    reach: float,
    ndtr: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> float:
    """Return the level that the process exceeds at the next look with probability ``to_spend``."""

    def excess(level: float) -> float:
        return float(mass @ ndtr((nodes - level) / step)) - to_spend

    return _numbers.root(excess, -reach, reach, 1e-13)
