"""What a gate of so many items can see, before it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss import stats
from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.wording import power_line

if TYPE_CHECKING:
    from pytest_gptoss.gates.measured import Measured

__all__ = ["ASSUMED_DISCORDANCE", "SIZES", "items_of", "plan", "reach"]

SIZES = {
    "ceval": 1346,
    "dialogsum": 500,
    "finqa": 1147,
    "gsm8k": 1319,
    "legalbench": 1290,
    "medqa": 1273,
    "mmlu": 14_042,
    "piqa": 1838,
    "sciq": 1000,
}
"""Items of the suites' benchmarks, so that a run can be planned where their data are not."""

ASSUMED_DISCORDANCE = 0.1
"""Share of items on which two runs differ, where nothing is known of it (see docs/gates.md)."""


def items_of(benchmark: str) -> int:
    """The number of items of a benchmark of the suites.

    Raises:
        UsageError: It is not one of them.
    """
    if benchmark not in SIZES:
        raise UsageError(
            f"the number of items of {benchmark!r} is not known; give --items, or name one of "
            f"{', '.join(SIZES)}"
        )
    return SIZES[benchmark]


def plan(
    items: int, *, discordance: float, drop: float, alpha: float, power: float
) -> dict[str, Any]:
    """What a run of so many items can find, as JSON values.

    Raises:
        UsageError: The drop is larger than the discordance, which cannot be.
    """
    try:
        reached = stats.paired_power(items, discordance, drop, alpha=alpha)
        needed = stats.required_items(discordance, drop, alpha=alpha, power=power) if drop else None
    except ValueError as error:
        raise UsageError(f"no such run can be planned: {error}") from None
    return {
        "items": items,
        "discordance": discordance,
        "drop": drop,
        "alpha": alpha,
        "wanted_power": power,
        "power": reached,
        "items_needed": needed,
        "minimum_detectable_drop": stats.minimum_detectable_drop(
            items, discordance, alpha=alpha, power=power
        ),
    }


def reach(held: Measured, name: str, items: int, *, alpha: float, clustered: bool = False) -> str:
    """The smallest drop that a gate finds in four of five runs, in a sentence.

    Args:
        held: The baseline; its noise floor is used where it has one.
        name: What to call the group.
        items: Items that will be compared.
        alpha: The gate's error rate.
        clustered: Whether items share clusters, so that they show less than this.
    """
    if not held.binary:
        return f"{name}: {items:,} items: compared by their mean score"
    known = held.noise is not None
    discordance = ASSUMED_DISCORDANCE
    if held.noise is not None:
        discordance = float(held.noise["discordance"])
    drop = None
    if items:
        drop = stats.minimum_detectable_drop(items, discordance, alpha=alpha) or _smallest(
            items, alpha
        )
    line = power_line(name, items=items, drop=drop, discordance=discordance, known=known)
    # How alike the items of a cluster will be is not known before they are answered.
    return (
        f"{line}, were they independent: they come in clusters, which show less"
        if clustered
        else line
    )


def _smallest(items: int, alpha: float) -> float | None:
    """The drop found where every differing item is a loss: discordance and drop are one.

    Where so few items differ by chance that no drop of that size is found, a drop makes items
    differ beyond it, and this is what limits the gate.
    """
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
