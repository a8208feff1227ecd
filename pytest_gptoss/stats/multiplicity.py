"""Several tests at once: p-values adjusted so that more questions do not mean more false alarms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import _validate

if TYPE_CHECKING:
    from collections.abc import Iterable


def holm(p_values: Iterable[float]) -> list[float]:
    """Adjust p-values so that the chance of any false alarm stays below the level (Holm 1979).

    Valid however the tests depend on each other, and never weaker than Bonferroni's. For the
    question "does any benchmark regress?". "Do all of them pass?" needs no adjustment (Berger
    1982).

    Args:
        p_values: Unadjusted p-values. NaN means that no test was possible: it stays NaN and does
            not count as a test.

    Returns:
        The adjusted p-values in the order given.

    Raises:
        ValueError: If a p-value lies outside 0 to 1.
    """
    values, order = _family(p_values)
    adjusted = [math.nan] * len(values)
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, (len(order) - rank) * values[position])
        adjusted[position] = min(1.0, highest)
    return adjusted


def benjamini_hochberg(p_values: Iterable[float]) -> list[float]:
    """Adjust p-values so that the expected share of false alarms stays below the level.

    Benjamini and Hochberg (1995). For exploratory tables; it needs tests that are independent or
    positively dependent, as models measured on the same items usually are.

    Args:
        p_values: Unadjusted p-values; NaN as for :func:`holm`.

    Returns:
        The adjusted p-values in the order given.

    Raises:
        ValueError: If a p-value lies outside 0 to 1.
    """
    values, order = _family(p_values)
    adjusted = [math.nan] * len(values)
    lowest = 1.0
    for rank in range(len(order), 0, -1):
        position = order[rank - 1]
        lowest = min(lowest, len(order) / rank * values[position])
        adjusted[position] = lowest
    return adjusted


def _family(p_values: Iterable[float]) -> tuple[list[float], list[int]]:
    """Return the checked p-values and the positions of those that are numbers, smallest first."""
    values: list[float] = []
    for position, value in enumerate(p_values):
        name = f"p_values[{position}]"
        # Only NaN differs from itself, be it Python's or numpy's.
        values.append(math.nan if value != value else _validate.probability(value, name))
    tested = [position for position, value in enumerate(values) if not math.isnan(value)]
    return values, sorted(tested, key=values.__getitem__)
