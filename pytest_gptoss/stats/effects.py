"""Effect sizes that reports print beside the drop; no gate is built on them."""

from __future__ import annotations

import math
from typing import SupportsIndex

from . import _validate


def cohens_g(b: SupportsIndex, c: SupportsIndex) -> float:
    """Return how lopsided the differing items are: b / (b + c) - 1/2.

    Cohen (1988, chapter 5) calls 0.05, 0.15 and 0.25 small, medium and large. It sees only the
    discordant items: 4 losses and no win among 14,042 items make the largest possible g of 0.5 and
    a drop of 0.03 points. So print it together with the drop and the number of discordant items.

    Args:
        b: Losses (baseline right, candidate wrong).
        c: Wins (baseline wrong, candidate right).

    Returns:
        A number from -0.5 to 0.5, positive where losses exceed wins; NaN without discordant items.

    Raises:
        ValueError: If a count is negative or not whole.
    """
    losses, wins = _validate.count(b, "b"), _validate.count(c, "c")
    m = losses + wins
    return (losses - wins) / (2 * m) if m else math.nan


def cohens_h(p1: float, p2: float) -> float:
    """Return the distance of two proportions on the arcsine scale.

    h = 2 asin sqrt(p1) - 2 asin sqrt(p2). Cohen (1988, chapter 6) calls 0.2, 0.5 and 0.8 small,
    medium and large. It ignores pairing.

    Args:
        p1: First proportion.
        p2: Second proportion.

    Returns:
        A number from -pi to pi, positive where p1 exceeds p2.

    Raises:
        ValueError: If a proportion lies outside 0 to 1.
    """
    first = _validate.probability(p1, "p1")
    second = _validate.probability(p2, "p2")
    return 2.0 * math.asin(math.sqrt(first)) - 2.0 * math.asin(math.sqrt(second))
