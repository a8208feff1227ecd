"""Intervals for a mean score: over items, and over groups of items that count alike."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import _numbers, _validate
from .clustered import clustered_difference
from .proportion import Estimate, proportion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


def mean_score(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Estimate the mean of items' scores between 0 and 1.

    Where each item is right or wrong this is :func:`~pytest_gptoss.stats.proportion` (``wilson``);
    else ``t over items``, Student's interval clipped to [0, 1] (Miller 2024, section 2.1). The
    limits are NaN where the scores say nothing of their spread: one item, or several that are all
    alike.

    Args:
        scores: One per item, at least one; an item's own mean where it was asked several times.
        confidence: Two-sided confidence.

    Raises:
        ValueError: If there are no scores, one is not in [0, 1], or the confidence is not strictly
            between 0 and 1.
    """
    values = _shares(scores, "scores")
    confidence = _validate.level(confidence, "confidence")
    if np.isin(values, (0.0, 1.0)).all():
        return proportion(int(values.sum()), values.size, confidence=confidence)
    mean = math.fsum(values) / values.size
    low = high = math.nan
    if values.size > 1 and float(np.ptp(values)) > 0.0:
        found = clustered_difference(values, range(values.size), confidence=confidence)
        low, high = max(0.0, found.low), min(1.0, found.high)
    return Estimate(mean, low, high, "t over items", confidence)


def mean_of_means(
    groups: Sequence[ArrayLike],
    *,
    weights: ArrayLike | None = None,
    confidence: float = 0.95,
) -> Estimate:
    """Estimate a mean over groups, each with its own weight however many items it has.

    The variance is that of a stratified sample, the sum of ``w**2 * v / n`` (Cochran 1977, Sampling
    Techniques, section 5.3), with ``v = m * (1 - m)``, the most that scores in [0, 1] of mean m
    spread. In v each group has one right and one wrong answer more than it has (Agresti & Caffo
    2000, The American Statistician 54:280), as a group of few items that all are right does not
    vary and yet is uncertain. So the interval is wider than need be for graded scores and for
    groups of very few items, and is never the narrower for them.

    Args:
        groups: The scores of each group's items, between 0 and 1; at least one item each.
        weights: One per group, not negative; they are divided by their sum. Alike where left out.
        confidence: Two-sided confidence.

    Returns:
        The weighted mean of the groups' means, its limits clipped to [0, 1]; ``stratified``.

    Raises:
        ValueError: If there are no groups, a group is empty or has a score outside of [0, 1], the
            weights do not match the groups or are all 0, or the confidence is not strictly between
            0 and 1.
    """
    each = [_shares(group, "groups") for group in groups]
    if not each:
        raise ValueError("groups must name at least one group")
    share = np.ones(len(each)) if weights is None else _validate.vector(weights, "weights")
    if share.size != len(each) or (share < 0.0).any() or not share.sum() > 0.0:
        raise ValueError(f"weights must be {len(each)} shares of a whole, got {weights!r}")
    share = share / share.sum()
    confidence = _validate.level(confidence, "confidence")
    n = np.array([group.size for group in each])
    sums = np.array([math.fsum(group) for group in each])
    smoothed = (sums + 1.0) / (n + 2.0)
    mean = float(share @ (sums / n))
    variance = float(share**2 @ (smoothed * (1.0 - smoothed) / n))
    half = _numbers.normal_critical((1.0 - confidence) / 2.0) * math.sqrt(variance)
    return Estimate(mean, max(0.0, mean - half), min(1.0, mean + half), "stratified", confidence)


def _shares(scores: ArrayLike, name: str) -> NDArray[np.float64]:
    values = _validate.vector(scores, name)
    # A mean of ones may be off by its last digit.
    if values.min() < -1e-9 or values.max() > 1.0 + 1e-9:
        raise ValueError(f"{name} must lie in [0, 1], got {values.min()} to {values.max()}")
    return values.clip(0.0, 1.0)
