"""The mean difference when items come in groups (a passage, a template, a conversation)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _numbers, _validate

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class ClusteredDifference:
    """A mean difference with its cluster-robust interval.

    Attributes:
        mean: Mean over items of baseline score minus candidate score.
        standard_error: Cluster-robust standard error (CR1).
        low: Lower limit of the mean.
        high: Upper limit of the mean.
        degrees_of_freedom: Number of clusters minus 1.
        p_value: Two-sided, for a mean of 0.
        confidence: Two-sided confidence of the interval.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    degrees_of_freedom: int
    p_value: float
    confidence: float


def clustered_difference(
    differences: ArrayLike, clusters: Iterable[Hashable], *, confidence: float = 0.95
) -> ClusteredDifference:
    """Estimate a mean difference whose items are related within clusters.

    Items of one cluster rise and fall together, so the clusters, not the items, are what chance
    drew. The standard error is sqrt(G / (G - 1) * sum of squared cluster sums of residuals) / n for
    G clusters (CR1, with Student's distribution on G - 1 degrees of freedom; Miller 2024, section
    2.2, has it without the factor). With fewer than about 30 clusters prefer
    :func:`pytest_gptoss.stats.sign_flip`.

    Args:
        differences: Baseline score minus candidate score, one per item.
        clusters: The cluster of each item; any labels.
        confidence: Two-sided confidence.

    Returns:
        The estimate. Where the standard error is 0 (all cluster sums alike) the interval is the
        mean alone, and the p-value is 1 for a mean of 0 and 0 otherwise.

    Raises:
        ValueError: If the differences are empty or not finite, the labels do not match them, there
            are fewer than two clusters (one cluster says nothing about how clusters vary), or the
            confidence is not strictly between 0 and 1.
    """
    values = _validate.vector(differences, "differences")
    codes, number = _validate.cluster_codes(clusters, values.size)
    if number < 2:
        raise ValueError("clusters must name at least two clusters: one shows no variation")
    confidence = _validate.level(confidence, "confidence")
    n = values.size
    mean = math.fsum(values) / n
    sums = _validate.cluster_sums(values - mean, codes, number)
    standard_error = math.sqrt(number / (number - 1) * float(sums @ sums)) / n
    if standard_error <= 1e-14 * float(np.abs(values).max()):
        # Residuals that should cancel leave rounding behind; it must not pass for evidence.
        return ClusteredDifference(
            mean, 0.0, mean, mean, number - 1, 1.0 if mean == 0.0 else 0.0, confidence
        )
    t = _numbers.student_critical((1.0 - confidence) / 2.0, number - 1)
    half = t * standard_error
    p_value = 2.0 * _numbers.student_upper(abs(mean) / standard_error, number - 1)
    return ClusteredDifference(
        mean, standard_error, mean - half, mean + half, number - 1, min(1.0, p_value), confidence
    )
