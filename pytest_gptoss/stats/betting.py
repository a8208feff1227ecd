"""Evidence by betting: valid at whatever item one stops.

A gambler bets on each item against the hypothesis that the drop is at least delta. Her wealth grows
only if the hypothesis is wrong: under it, the chance that it ever reaches 1 / alpha is at most
alpha (Ville 1939). See Waudby-Smith and Ramdas (2024, section 4).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import _numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

# She splits her money over fifty stakes, as shares of the largest one that cannot ruin her. Mixing
# instead of adapting makes the wealth a function of the counts alone: the order does not matter.
# The best stake falls with the number of discordant items m, as 1 / sqrt(m); the smallest of these
# suits m near 20,000, and beyond that the limits get no narrower than discordance / 100.
STAKES = np.arange(1, 51) / 51.0


def growth(drop: float) -> NDArray[np.float64]:
    """Return the log of what a loss, a win and a tie make of the money on each stake.

    For a stake s (a share of the largest possible), betting against "the drop is at least
    ``drop``": a loss leaves 1 - s, a win makes 1 + s (1 + drop) / (1 - drop), and an item on which
    the models agree 1 + s drop / (1 - drop).

    Args:
        drop: The hypothesised drop, from -1 to below 1.

    Returns:
        An array of three rows (loss, win, tie) and one column per stake.
    """
    return np.stack(
        (
            np.log1p(-STAKES),
            np.log1p(STAKES * ((1.0 + drop) / (1.0 - drop))),
            np.log1p(STAKES * (drop / (1.0 - drop))),
        )
    )


def log_wealth(b: int, c: int, ties: int, drop: float) -> float:
    """Return the log of the wealth won against "the drop is at least ``drop``".

    Args:
        b: Losses.
        c: Wins.
        ties: Items on which the models agree.
        drop: The hypothesised drop, from -1 to below 1.
    """
    logs = np.array([b, c, ties], dtype=np.float64) @ growth(drop)
    highest = float(logs.max())
    return highest + math.log(float(np.exp(logs - highest).mean()))


def upper_limit(b: int, c: int, ties: int, alpha: float) -> float:
    """Return the smallest drop that the wealth rejects at level alpha, whenever one looks."""
    n = b + c + ties
    if n == b:
        # Nothing but losses (or nothing at all): no drop below 1 is ever bet against with success.
        return 1.0
    needed = -math.log(alpha)
    return _numbers.boundary(
        lambda drop: drop == 1.0 or log_wealth(b, c, ties, drop) >= needed, (b - c) / n, 1.0
    )


def confidence_limits(b: int, c: int, ties: int, alpha: float) -> tuple[float, float]:
    """Return limits that hold the true drop at every item at once, with probability 1 - alpha."""
    return -upper_limit(c, b, ties, alpha / 2.0), upper_limit(b, c, ties, alpha / 2.0)
