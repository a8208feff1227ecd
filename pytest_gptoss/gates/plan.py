"""What a gate of so many items can see, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_gptoss import stats
from pytest_gptoss.gates.wording import power_line

if TYPE_CHECKING:
    from pytest_gptoss.gates.measured import Measured

__all__ = ["ASSUMED_DISCORDANCE", "reach"]

ASSUMED_DISCORDANCE = 0.1
"""Share of items on which two runs differ, where nothing is known of it (see docs/gates.md)."""

# A floor of nothing would promise that the smallest drop is found; one item in a thousand differs
# between engines even where one engine repeats itself exactly.
_LEAST_DISCORDANCE = 0.001


def reach(held: Measured, name: str, items: int, *, alpha: float) -> str:
    """The smallest drop that a gate finds in four of five runs, in a sentence.

    Args:
        held: The baseline; its noise floor is used where it has one.
        name: What to call the group.
        items: Items that will be compared.
        alpha: The gate's error rate.
    """
    if not held.binary:
        return f"{name}: {items:,} items: compared by their mean score"
    known = held.noise is not None
    discordance = ASSUMED_DISCORDANCE
    if held.noise is not None:
        discordance = max(float(held.noise["discordance"]), _LEAST_DISCORDANCE)
    drop = None
    if items:
        drop = stats.minimum_detectable_drop(items, discordance, alpha=alpha)
        if drop is None and known:
            # So few items differ by chance that every drop of that size is beyond it: what limits
            # the gate then is that a drop makes items differ.
            drop = _smallest(items, alpha)
    return power_line(name, items=items, drop=drop, discordance=discordance, known=known)


def _smallest(items: int, alpha: float) -> float | None:
    """The drop found where every differing item is a loss: discordance and drop are one."""
    low, high = 0.0, 1.0
    if stats.paired_power(items, 1.0, 1.0, alpha=alpha) < 0.8:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        if stats.paired_power(items, middle, middle, alpha=alpha) >= 0.8:
            high = middle
        else:
            low = middle
    return high
