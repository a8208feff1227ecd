"""The verdict about a candidate: regressed, within the margin, improved, or not to be said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, SupportsIndex

from . import _numbers, _validate, wording
from .mcnemar import mcnemar
from .paired import tango_statistic, tango_upper
from .power import SMALLEST_DROP, minimum_detectable_drop, noninferiority_items, required_items

Verdict = Literal["improved", "within-margin", "regressed", "inconclusive"]

POWER = 0.8
"""Power of all planning numbers: a drop that is found in four of five runs."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The verdict about a candidate, with what it rests on. All drops are fractions.

    Attributes:
        verdict: ``improved``, ``within-margin``, ``regressed`` or ``inconclusive``.
        drop: Baseline accuracy minus candidate accuracy; negative for a gain.
        low: Lower limit of the drop (Tango, two-sided confidence 1 - 2 alpha).
        high: Upper limit of the drop; below the margin for the two passing verdicts.
        p_value: One-sided mid-p McNemar p-value for "losses exceed wins".
        minimum_detectable_drop: Smallest drop that this many items, with this share of differing
            items, show in four of five runs; None where no drop is.
        items_needed: Items with which a drop of the margin is shown in four of five runs. After an
            inconclusive verdict, where the run already had that many, the items that would settle
            the verdict in four of five runs if the rates stayed as they are. None for a decided
            verdict with a margin of 0.
        sentence: The verdict in words.
        n: Items compared.
        b: Losses.
        c: Wins.
        margin: The tolerated drop.
        alpha: One-sided error rate of each of the statements.
    """

    verdict: Verdict
    drop: float
    low: float
    high: float
    p_value: float
    minimum_detectable_drop: float | None
    items_needed: int | None
    sentence: str
    n: int
    b: int
    c: int
    margin: float
    alpha: float


def gate(
    a: SupportsIndex,
    b: SupportsIndex,
    c: SupportsIndex,
    d: SupportsIndex,
    *,
    margin: float = 0.02,
    alpha: float = 0.05,
) -> Gate:
    """Judge a candidate against a baseline on the same items.

    * ``within-margin``: a drop of the margin or more is ruled out (Tango's score test), and
      ``improved`` where wins exceed losses beyond chance too (mid-p McNemar).
    * ``regressed``: losses exceed wins beyond chance, and the margin could not be ruled out.
    * ``inconclusive``: neither could be shown. That is no pass: the sentence says which drop the
      run could have shown and how many items the margin needs.

    A small real drop inside the margin makes both first statements true; it passes, and the
    sentence says so.

    Args:
        a: Items both models have right.
        b: Losses (baseline right, candidate wrong).
        c: Wins (baseline wrong, candidate right).
        d: Items both models have wrong.
        margin: The tolerated drop, as a fraction (0.02 is two percentage points).
        alpha: One-sided error rate of each statement.

    Raises:
        ValueError: If a count is negative or not whole, all are 0, the margin is not within 0 to 1
            (1 excluded), or alpha is not strictly between 0 and 1.
    """
    cells = _validate.table(a, b, c, d)
    _, losses, wins, _ = cells
    n = sum(cells)
    margin = checked_margin(margin)
    alpha = _validate.level(alpha, "alpha")
    verdict = decide(losses, wins, n, margin=margin, alpha=alpha)
    z = _numbers.normal_critical(alpha)
    drop = (losses - wins) / n
    low, high = -tango_upper(wins, losses, n, z), tango_upper(losses, wins, n, z)
    p_value = mcnemar(losses, wins, alternative="regression").p_value
    smallest = minimum_detectable_drop(n, (losses + wins) / n, alpha=alpha, power=POWER)
    needed = items_needed(losses, wins, n, margin, alpha, inconclusive=verdict == "inconclusive")
    sentence = wording.gate_sentence(
        verdict=verdict,
        b=losses,
        c=wins,
        n=n,
        low=low,
        high=high,
        p_value=p_value,
        margin=margin,
        alpha=alpha,
        smallest=smallest,
        needed=needed,
    )
    return Gate(
        verdict=verdict,
        drop=drop,
        low=low,
        high=high,
        p_value=p_value,
        minimum_detectable_drop=smallest,
        items_needed=needed,
        sentence=sentence,
        n=n,
        b=losses,
        c=wins,
        margin=margin,
        alpha=alpha,
    )


def decide(b: int, c: int, n: int, *, margin: float, alpha: float) -> Verdict:
    """Return the bare verdict: what :func:`gate` says, without the numbers around it."""
    if tango_statistic(b, c, n, margin) <= -_numbers.normal_critical(alpha):
        better = mcnemar(b, c, alternative="improvement").p_value <= alpha
        return "improved" if better else "within-margin"
    if mcnemar(b, c, alternative="regression").p_value <= alpha:
        return "regressed"
    return "inconclusive"


def checked_margin(value: float) -> float:
    """Return a margin from 0 to below 1.

    Raises:
        ValueError: If it is not: a margin of 1 tolerates the loss of everything.
    """
    margin = _validate.probability(value, "margin")
    if margin == 1.0:
        raise ValueError("margin must be below 1, got 1.0")
    return margin


def items_needed(
    b: int, c: int, n: int, margin: float, alpha: float, *, inconclusive: bool
) -> int | None:
    """Return the items that the margin needs, given the share of differing items seen."""
    discordance = (b + c) / n
    planned = None
    if SMALLEST_DROP <= margin <= discordance:
        planned = required_items(discordance, margin, alpha=alpha, power=POWER)
    elif margin >= SMALLEST_DROP:
        # A drop of the margin cannot happen at this discordance; ruling it out still takes items.
        planned = noninferiority_items(discordance, 0.0, margin, alpha, POWER)
    if not inconclusive or (planned is not None and planned > n):
        return planned
    drop = (b - c) / n
    settling = []
    if margin - drop >= SMALLEST_DROP:
        settling.append(noninferiority_items(discordance, drop, margin, alpha, POWER))
    if drop > 0.0:
        settling.append(required_items(discordance, drop, alpha=alpha, power=POWER))
    # One of the two applies unless drop and margin are both 0: then nothing ever settles it.
    return max(n + 1, min(settling)) if settling else None
