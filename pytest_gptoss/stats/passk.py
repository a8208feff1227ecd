"""pass@k: the chance that at least one of k samples is right."""

from __future__ import annotations

import math
from typing import SupportsIndex

from . import _validate


def pass_at_k(n: SupportsIndex, c: SupportsIndex, k: SupportsIndex) -> float:
    """Estimate pass@k of one item from n samples.

    1 - C(n - c, k) / C(n, k), the unbiased estimator of Chen et al. (2021, equation 1): the share
    of all choices of k among the n samples that hold a right one. Computed in whole numbers, so it
    is exact to the last bit.

    Args:
        n: Samples drawn, at least 1.
        c: Right ones among them.
        k: Tries granted, from 1 to n.

    Raises:
        ValueError: If a count is negative or not whole, c exceeds n, or k is not within 1 to n.
    """
    samples = _validate.count(n, "n", minimum=1)
    right = _validate.count(c, "c")
    tries = _validate.count(k, "k", minimum=1)
    if right > samples:
        raise ValueError(f"c must not exceed n, got {right} of {samples}")
    if tries > samples:
        raise ValueError(f"k must not exceed n, got {tries} of {samples}")
    choices = math.comb(samples, tries)
    return (choices - math.comb(samples - right, tries)) / choices
