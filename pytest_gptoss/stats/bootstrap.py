"""A bootstrap interval for the mean difference of scores that are not right-or-wrong."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from . import _numbers, _validate

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import ArrayLike, NDArray

_CELLS = 4_000_000
"""Resampled indices held at once: 32 MB as int64."""


@dataclass(frozen=True, slots=True)
class BootstrapDifference:
    """A mean difference with its BCa bootstrap interval.

    Attributes:
        mean: Mean over items of baseline score minus candidate score.
        low: Lower limit of the mean.
        high: Upper limit of the mean.
        standard_error: Standard deviation of the resampled means.
        draws: Number of resamples.
        confidence: Two-sided confidence of the interval.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    draws: int
    confidence: float


def bootstrap_difference(
    differences: ArrayLike,
    *,
    clusters: Iterable[Hashable] | None = None,
    confidence: float = 0.95,
    draws: SupportsIndex = 9999,
    seed: int = 0,
) -> BootstrapDifference:
    """Estimate a mean difference by resampling items, or whole clusters.

    The interval is the bias-corrected and accelerated one (BCa; Efron 1987, equation 2.3): the
    percentiles of the resampled means, moved for the skewness of the scores. With clusters, whole
    clusters are drawn and the mean stays the mean over items, so it is a ratio of two sums.

    Args:
        differences: Baseline score minus candidate score, one per item. Average repeats first.
        clusters: The cluster of each item, where items are related.
        confidence: Two-sided confidence.
        draws: Number of resamples, at least 1.
        seed: Seed of the resampling.

    Returns:
        The estimate; where all units are alike the interval is the mean alone.

    Raises:
        ValueError: If the differences are empty or not finite, the labels do not match them, there
            are fewer than two items (clusters), draws is no positive count, seed is negative, or
            the confidence is not strictly between 0 and 1.
    """
    values = _validate.vector(differences, "differences")
    confidence = _validate.level(confidence, "confidence")
    number = _validate.count(draws, "draws", minimum=1)
    start = _validate.count(seed, "seed")
    if clusters is None:
        sums, sizes = values, np.ones(values.size)
        if values.size < 2:
            raise ValueError("differences must hold at least two items to resample")
    else:
        codes, groups = _validate.cluster_codes(clusters, values.size)
        if groups < 2:
            raise ValueError("clusters must name at least two clusters to resample")
        sums = _validate.cluster_sums(values, codes, groups)
        sizes = np.bincount(codes, minlength=groups).astype(np.float64)
    mean = math.fsum(values) / values.size
    # The jackknife: the mean without each unit in turn.
    without = (sums.sum() - sums) / (sizes.sum() - sizes)
    centred = without.mean() - without
    scale = float(np.abs(values).max())
    if float(np.abs(centred).max()) <= 1e-14 * scale:
        return BootstrapDifference(mean, mean, mean, 0.0, number, confidence)
    means = _resampled_means(sums, sizes, number, start)
    slack = 1e-12 * scale
    below = np.count_nonzero(means < mean - slack)
    at_most = np.count_nonzero(means <= mean + slack)
    # Ties count half; kept off 0 and 1, where the normal quantile is infinite.
    share = min(max((below + at_most) / (2.0 * number), 0.5 / number), 1.0 - 0.5 / number)
    bias = -_numbers.normal_critical(share)
    acceleration = float((centred**3).sum() / (6.0 * (centred**2).sum() ** 1.5))
    z = _numbers.normal_critical((1.0 - confidence) / 2.0)

    def moved(quantile: float) -> float:
        shifted = bias + quantile
        return _numbers.normal_upper(-(bias + shifted / (1.0 - acceleration * shifted)))

    low, high = np.quantile(means, [moved(-z), moved(z)])
    return BootstrapDifference(
        mean, float(low), float(high), float(means.std(ddof=1)), number, confidence
    )


def _resampled_means(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Draw units with replacement.

    Equal units are interchangeable, so it is enough to draw how often each kind comes up: for 0/1
    scores three numbers per resample instead of thousands.
    """
    rng = np.random.default_rng(seed)
    kinds, counts = np.unique(np.column_stack((sums, sizes)), axis=0, return_counts=True)
    n = sums.size
    means = np.empty(draws)
    few = kinds.shape[0] <= 64
    block = max(1, _CELLS // (kinds.shape[0] if few else n))
    for first in range(0, draws, block):
        rows = min(block, draws - first)
        if few:
            totals = rng.multinomial(n, counts / n, size=rows) @ kinds
        else:
            chosen = rng.integers(0, n, size=(rows, n))
            totals = np.column_stack((sums[chosen].sum(axis=1), sizes[chosen].sum(axis=1)))
        means[first : first + rows] = totals[:, 0] / totals[:, 1]
    return means
