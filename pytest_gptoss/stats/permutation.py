"""The sign-flip test: scores that are not right-or-wrong, and few clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from . import _validate
from .mcnemar import ALTERNATIVES, Alternative

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import ArrayLike, NDArray

EXACT_UNITS = 20
"""Up to this many units that can flip, all 2^20 (or fewer) sign patterns are tried."""

_CELLS = 4_000_000
"""Cells of the random sign matrix held at once: 32 MB as float64."""


@dataclass(frozen=True, slots=True)
class SignFlip:
    """The outcome of a sign-flip test.

    Attributes:
        p_value: Share of sign patterns whose sum is at least as extreme as the observed one.
        mean: Mean over items of baseline score minus candidate score.
        exact: Whether all sign patterns were tried, rather than a random sample.
        units: Items (or clusters) with a difference other than 0: only these can flip.
        smallest_p_value: The smallest p-value this many units could give at all. Five clusters
            cannot reach a two-sided 5 %: 2 / 2^5 = 0.0625.
    """

    p_value: float
    mean: float
    exact: bool
    units: int
    smallest_p_value: float


def sign_flip(
    differences: ArrayLike,
    *,
    clusters: Iterable[Hashable] | None = None,
    draws: SupportsIndex = 9999,
    seed: int = 0,
    alternative: Alternative = "two-sided",
) -> SignFlip:
    """Test a mean difference by flipping signs.

    If neither model is better, baseline and candidate could change places in every item (in every
    cluster as a whole) without anybody noticing: each difference could as well carry the other
    sign. The p-value is the share of sign patterns whose mean is at least as extreme (Fisher 1935,
    section 21; Good 2005). Up to 20 units all patterns are tried; beyond, ``draws`` random ones,
    and p = (1 + hits) / (draws + 1), which keeps the test valid (Phipson and Smyth 2010).

    Args:
        differences: Baseline score minus candidate score, one per item. Average repeats first.
        clusters: The cluster of each item, where items are related; whole clusters flip.
        draws: Random sign patterns, at least 1.
        seed: Seed of the random patterns. The same seed gives the same p-value.
        alternative: ``two-sided``, ``regression`` (mean above 0) or ``improvement``.

    Raises:
        ValueError: If the differences are empty or not finite, the labels do not match them, draws
            is no positive count, seed is negative, or the alternative is unknown.
    """
    values = _validate.vector(differences, "differences")
    number = _validate.count(draws, "draws", minimum=1)
    start = _validate.count(seed, "seed")
    _validate.choice(alternative, "alternative", ALTERNATIVES)
    units = values
    if clusters is not None:
        codes, groups = _validate.cluster_codes(clusters, values.size)
        units = _validate.cluster_sums(values, codes, groups)
    # Sums of the same numbers in another order differ in their last bits; ties must stay ties.
    tolerance = 1e-12 * float(np.abs(values).sum())
    units = units[np.abs(units) > tolerance]
    exact = units.size <= EXACT_UNITS
    sums = _all_sums(units) if exact else _random_sums(units, number, start)
    observed = float(units.sum())
    if alternative == "two-sided":
        hits = np.abs(sums) >= abs(observed) - tolerance
    elif alternative == "regression":
        hits = sums >= observed - tolerance
    else:
        hits = sums <= observed + tolerance
    extreme = int(np.count_nonzero(hits))
    sides = 2 if alternative == "two-sided" else 1
    if exact:
        p_value = extreme / sums.size
        smallest = min(1.0, sides * 0.5**units.size)
    else:
        p_value = (1 + extreme) / (number + 1)
        smallest = 1.0 / (number + 1)
    return SignFlip(p_value, math.fsum(values) / values.size, exact, int(units.size), smallest)


def _all_sums(units: NDArray[np.float64]) -> NDArray[np.float64]:
    sums = np.zeros(1)
    for unit in units:
        sums = np.concatenate((sums + unit, sums - unit))
    return sums


def _random_sums(units: NDArray[np.float64], draws: int, seed: int) -> NDArray[np.float64]:
    """Draw sums under random signs.

    Units of equal size need only the number of pluses among them, a binomial draw: for 0/1 scores
    that is one draw for thousands of items.
    """
    rng = np.random.default_rng(seed)
    sizes, counts = np.unique(np.abs(units), return_counts=True)
    sums = np.zeros(draws)
    for size, repeated in zip(sizes[counts > 1], counts[counts > 1], strict=True):
        sums += size * (2.0 * rng.binomial(repeated, 0.5, size=draws) - repeated)
    single = sizes[counts == 1]
    if single.size:
        block = max(1, _CELLS // single.size)
        for first in range(0, draws, block):
            rows = min(block, draws - first)
            pluses = rng.integers(0, 2, size=(rows, single.size), dtype=np.int8)
            sums[first : first + rows] += 2.0 * (pluses @ single) - single.sum()
    return sums
