"""The verdicts in sentences that an engineer can act on without knowing the tests behind them."""

from __future__ import annotations

import math


def points(fraction: float) -> str:
    """Write a fraction as percentage points, to a hundredth: 0.0213 is "2.13 points"."""
    number = _number(fraction)
    return f"{number} point" if number in ("1", "-1") else f"{number} points"


def rate(probability: float) -> str:
    """Write an error rate as a count of cases: 0.05 is "5 of 100", 0.005 is "5 of 1,000"."""
    cases = 10 ** max(2, math.ceil(-math.log10(probability)))
    return f"{probability * cases:.3g} of {cases:,}"


def evidence(b: int, c: int, n: int, low: float, high: float, interval: str) -> str:
    """Write what was seen: the drop or gain, its interval and the counts behind it.

    Args:
        b: Losses.
        c: Wins.
        n: Items.
        low: Lower limit of the drop.
        high: Upper limit of the drop.
        interval: What to call the interval.
    """
    if b >= c:
        seen = f"a drop of {points((b - c) / n)}" if b > c else "no change in accuracy"
        limits = f"{interval} of the drop {_number(low)} to {_number(high)}"
    else:
        seen = f"a gain of {points((c - b) / n)}"
        limits = f"{interval} of the gain {_number(-high)} to {_number(-low)}"
    return f"{seen} ({limits}; {b:,} lost and {c:,} won of {n:,} items)"


def gate_sentence(
    *,
    verdict: str,
    b: int,
    c: int,
    n: int,
    low: float,
    high: float,
    p_value: float,
    margin: float,
    alpha: float,
    smallest: float | None,
    needed: int | None,
) -> str:
    """Write the verdict of a full run; the arguments are those of ``Gate``."""
    interval = f"{100.0 * (1.0 - 2.0 * alpha):.3g} % interval" if alpha < 0.5 else "interval"
    seen = evidence(b, c, n, low, high, interval)
    if verdict == "regressed":
        return (
            f"Regressed: {seen}, more losses than chance explains (p = {p_value:.2g}). A candidate "
            f"no worse than the baseline gets this verdict in about {rate(alpha)} runs at most."
        )
    ruled_out = (
        f"A drop of {points(margin)} or more is ruled out: a candidate that much worse passes in "
        f"about {rate(alpha)} runs at most."
    )
    if verdict == "improved":
        return f"Improved: {seen}, more wins than chance explains. {ruled_out}"
    if verdict == "within-margin":
        small = ""
        if p_value <= alpha:
            small = f" It is a small but real drop within the margin (p = {p_value:.2g})."
        return f"Within the margin: {seen}. {ruled_out}{small}"
    return (
        f"Inconclusive, which is no pass: {seen}. {neither(margin)} "
        f"{outlook(b, c, n, margin, smallest, needed)}"
    )


def neither(margin: float) -> str:
    """Write what an inconclusive run failed to show."""
    if _number(margin) == "0":
        return "Neither a drop nor a gain could be shown."
    return f"Neither a regression nor a drop below {points(margin)} could be shown."


def outlook(
    b: int, c: int, n: int, margin: float, smallest: float | None, needed: int | None
) -> str:
    """Write what a run of this size can show, and how many items would settle the question."""
    if smallest is None:
        differ = f"{b + c:,} of {n:,} items differ" if b + c != 1 else f"1 of {n:,} items differs"
        can = f"As only {differ}, no drop could be shown in 4 of 5 runs of this size."
    else:
        can = f"A drop of {points(smallest)} is shown in 4 of 5 runs of this size."
    if needed is None:
        return f"{can} With no difference and no margin, no number of items settles it."
    if _number(margin) == "0" or (smallest is not None and smallest <= margin):
        return f"{can} If the rates stay as they are, about {needed:,} items would settle it."
    return f"{can} A margin of {points(margin)} needs about {needed:,} items."


def sequential_sentence(
    *,
    verdict: str | None,
    b: int,
    c: int,
    used: int,
    n: int,
    low: float,
    high: float,
    margin: float,
    alpha: float,
    smallest: float | None = None,
    needed: int | None = None,
) -> str:
    """Write the verdict of a run that is looked at after every item.

    The arguments are those of ``SequentialGate``; the last two only after all items.
    """
    if used == 0:
        return f"Undecided: none of {n:,} items seen."
    interval = f"{100.0 * (1.0 - alpha):.3g} % confidence sequence"
    seen = evidence(b, c, used, low, high, interval)
    progress = f"after {used:,} of {n:,} items" if used < n else f"after all {n:,} items"
    caution = (
        " The run stopped early, where a difference looks larger than it is: quote the interval "
        "(wider than the verdict needs), and do not keep the run as a baseline."
        if used < n
        else ""
    )
    if verdict is None:
        return f"Undecided {progress}: {seen}."
    if verdict == "regressed":
        return (
            f"Regressed {progress}: {seen}. If the candidate is no worse than the baseline on the "
            f"population these items come from, this gate says so in at most {rate(alpha)} runs, "
            f"although it looked after every item.{caution}"
        )
    if verdict == "inconclusive":
        return (
            f"Inconclusive {progress}, which is no pass: {seen}. {neither(margin)} "
            f"{outlook(b, c, used, margin, smallest, needed)}"
        )
    name = "Improved" if verdict == "improved" else "Within the margin"
    return (
        f"{name} {progress}: {seen}. If the candidate is {points(margin)} worse or more, this gate "
        f"passes it in at most {rate(alpha)} runs.{caution}"
    )


def _number(fraction: float) -> str:
    text = f"{100.0 * fraction:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
