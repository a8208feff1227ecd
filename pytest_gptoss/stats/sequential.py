"""A gate that looks after every item and stops as soon as the verdict is certain."""

from __future__ import annotations

import math
from typing import SupportsIndex

import numpy as np

from . import _validate, betting, wording
from .gate import POWER, Verdict, checked_margin, items_needed
from .paired import tango_statistic
from .power import minimum_detectable_drop
from .spending import ExactBoundary, critical_values

LOOKS = 20
"""Looks of the normal-theory part of the passing side."""

LOOKS_SHARE = 0.8
"""Its share of alpha; the wealth process has the rest. Together they pass at most at alpha."""


class SequentialGate:
    """A gate with early stopping, for right-or-wrong items in a random order fixed beforehand.

    * ``regressed`` as soon as the losses reach a boundary that spends alpha over the run by the
      Hwang-Shih-DeCani function with gamma = -2, computed exactly after every item
      (:class:`pytest_gptoss.stats.spending.ExactBoundary`).
    * ``within-margin`` (or ``improved``, where the wins reach the same boundary) as soon as a drop
      of the margin is ruled out: by Tango's score statistic at 20 looks with the same spending at
      0.8 alpha, or by the wealth of a bettor against it at 0.2 alpha, after every item.
      The run ends there, so a better candidate mostly passes before its gain is proved.
    * ``inconclusive`` when all items are used and neither happened.

    The error rates hold if the number of items was fixed before the run, their order is random and
    was fixed before the run, and the items are independent. Feed the completed *prefix* of that
    order: the first items to finish are not a random sample, since long answers finish late and
    are wrong more often.

    Args:
        n: Items of the whole run, at least 1.
        margin: The tolerated drop, as a fraction from 0 to below 1.
        alpha: One-sided error rate of each of the two statements; alpha / K for one of K
            benchmarks.

    Raises:
        ValueError: If n is no positive count, the margin is not within 0 to 1 (1 excluded), or
            alpha is not strictly between 0 and 1.
    """

    __slots__ = (
        "_ahead",
        "_alpha",
        "_b",
        "_boundary",
        "_c",
        "_growth",
        "_looks",
        "_margin",
        "_n",
        "_offered",
        "_pass_at",
        "_used",
        "_verdict",
    )

    def __init__(self, n: SupportsIndex, *, margin: float, alpha: float = 0.05) -> None:
        self._n = _validate.count(n, "n", minimum=1)
        self._margin = checked_margin(margin)
        self._alpha = _validate.level(alpha, "alpha")
        self._b = self._c = self._used = self._offered = 0
        self._ahead = False
        self._verdict: Verdict | None = None
        self._boundary = ExactBoundary(self._n, self._alpha)
        looks = sorted({self._n * k // LOOKS for k in range(1, LOOKS + 1)} - {0})
        shares = tuple(look / self._n for look in looks)
        values = critical_values(shares, LOOKS_SHARE * self._alpha)
        self._looks = dict(zip(looks, values, strict=True))
        self._growth = betting.growth(self._margin)
        # The wealth is a mean over the stakes: compared with a sum, it needs no division per item.
        self._pass_at = betting.STAKES.size / ((1.0 - LOOKS_SHARE) * self._alpha)

    def update(self, baseline_correct: bool, candidate_correct: bool) -> Verdict | None:
        """Take the next item of the order into account.

        After a verdict further items change nothing: the verdict, the counts and the interval stay
        those of the moment of stopping.

        Args:
            baseline_correct: Whether the baseline has the item right.
            candidate_correct: Whether the candidate has it right.

        Returns:
            The verdict, or None while there is none.

        Raises:
            ValueError: If an answer is neither true nor false, or more than n items are given.
        """
        before = _truth(baseline_correct, "baseline_correct")
        after = _truth(candidate_correct, "candidate_correct")
        if self._offered == self._n:
            raise ValueError(f"n = {self._n} items were announced, and all have been given")
        self._offered += 1
        if self._verdict is not None:
            return self._verdict
        self._used += 1
        self._b += before and not after
        self._c += after and not before
        self._boundary.advance(discordant=before != after)
        stop_at = self._boundary.stopping_losses
        self._ahead = self._ahead or self._c >= stop_at
        # Passing first: where one item settles both questions, the drop is real but within the
        # margin, and that passes, as it does at the end of a full run.
        if self._margin_ruled_out():
            self._verdict = "improved" if self._ahead else "within-margin"
        elif self._b >= stop_at:
            self._verdict = "regressed"
        elif self._used == self._n:
            self._verdict = "inconclusive"
        return self._verdict

    def _margin_ruled_out(self) -> bool:
        critical = self._looks.get(self._used)
        if critical is not None:
            statistic = tango_statistic(self._b, self._c, self._used, self._margin)
            if statistic <= -critical:
                return True
        counts = (self._b, self._c, self._used - self._b - self._c)
        # Above e^700 the wealth would overflow; it has long been enough by then.
        logs = np.minimum(counts @ self._growth, 700.0)
        return bool(np.exp(logs).sum() >= self._pass_at)

    @property
    def verdict(self) -> Verdict | None:
        """The verdict, or None while there is none."""
        return self._verdict

    @property
    def items_used(self) -> int:
        """Items taken into account; fewer than n after an early stop."""
        return self._used

    @property
    def n(self) -> int:
        """Items of the whole run."""
        return self._n

    @property
    def b(self) -> int:
        """Losses so far."""
        return self._b

    @property
    def c(self) -> int:
        """Wins so far."""
        return self._c

    @property
    def margin(self) -> float:
        """The tolerated drop."""
        return self._margin

    @property
    def alpha(self) -> float:
        """One-sided error rate of each statement."""
        return self._alpha

    @property
    def drop(self) -> float:
        """Drop among the items used; NaN before the first. Exaggerated after an early stop."""
        return (self._b - self._c) / self._used if self._used else math.nan

    @property
    def low(self) -> float:
        """Lower limit of the drop: a betting confidence sequence at two-sided 1 - alpha.

        With :attr:`high` it holds the true drop after every item at once with that probability, so
        stopping early does not harm it. It is wider than an interval for a fixed number of items,
        and than the verdict needs.
        """
        return self._limits()[0]

    @property
    def high(self) -> float:
        """Upper limit of the drop; see :attr:`low`."""
        return self._limits()[1]

    @property
    def sentence(self) -> str:
        """The state of the run in words, with the guarantee that comes with a verdict."""
        low, high = self._limits()
        smallest = needed = None
        if self._verdict == "inconclusive":
            share = (self._b + self._c) / self._n
            smallest = minimum_detectable_drop(self._n, share, alpha=self._alpha, power=POWER)
            needed = items_needed(
                self._b, self._c, self._n, self._margin, self._alpha, inconclusive=True
            )
        return wording.sequential_sentence(
            verdict=self._verdict,
            b=self._b,
            c=self._c,
            used=self._used,
            n=self._n,
            low=low,
            high=high,
            margin=self._margin,
            alpha=self._alpha,
            smallest=smallest,
            needed=needed,
        )

    def _limits(self) -> tuple[float, float]:
        ties = self._used - self._b - self._c
        return betting.confidence_limits(self._b, self._c, ties, self._alpha)


def _truth(value: bool, name: str) -> bool:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)) and value in (0, 1):
        return value == 1
    raise ValueError(f"{name} must be true or false, got {value!r}")
