"""Items that share a passage or a document: the clusters are what chance drew, not the items."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_gptoss import stats
from pytest_gptoss.gates.wording import graded_sentence
from pytest_gptoss.stats.wording import points

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_gptoss.gates.compare import Pairs
    from pytest_gptoss.gates.measured import Measured
    from pytest_gptoss.stats.mcnemar import Alternative

__all__ = ["FEWEST", "clusters_of", "compared", "judged"]

ENOUGH = 30
"""From so many clusters on, Student's distribution fits; fewer are permuted (Cameron and Miller
2015, section VI)."""

FEWEST = 6
"""With fewer clusters no two-sided test reaches 5 %: 2 / 2^5 = 0.0625."""


class _Estimate(NamedTuple):
    mean: float
    low: float
    high: float
    standard_error: float | None
    method: str


def clusters_of(
    baseline: Measured, candidate: Measured, ids: Sequence[str]
) -> list[Hashable] | None:
    """The cluster of each paired item, or ``None`` where neither side declares any.

    The candidate's declaration counts where it has one: a baseline file holds none, and an older
    run may hold another.
    """
    for side in (candidate, baseline):
        if any(scored.cluster is not None for scored in side.items.values()):
            # An item without a cluster is one of its own; a tuple is no other item's name.
            return [
                (item_id,) if (cluster := side.items[item_id].cluster) is None else cluster
                for item_id in ids
            ]
    return None


def judged(
    pairs: Pairs, *, margin: float, alpha: float, apart: tuple[float, float]
) -> dict[str, Any]:
    """The gate's fields where items come in clusters, for right-or-wrong and graded scores alike.

    Args:
        pairs: The pairs, with their clusters.
        margin: The tolerated drop.
        alpha: One-sided error rate of each statement.
        apart: The interval of the same items as if they were independent.
    """
    differences, clusters = pairs.differences, _clusters(pairs)
    n, number = len(differences), len(set(clusters))
    estimate = _estimate(differences, clusters, 1.0 - 2.0 * alpha, apart)
    p_value, test = _test(differences, clusters, "regression")
    better, _ = _test(differences, clusters, "improvement")
    mean, low, high = estimate.mean, estimate.low, estimate.high
    if high < margin:
        verdict = "improved" if better <= alpha and mean < 0 else "within-margin"
    else:
        verdict = "regressed" if p_value <= alpha and mean > 0 else "inconclusive"
    smallest = needed = None
    if estimate.standard_error:
        reach = NormalDist().inv_cdf(1.0 - alpha) + NormalDist().inv_cdf(0.8)
        smallest = reach * estimate.standard_error
        # More items of the same kind: in more clusters, of the sizes that these have.
        needed = math.ceil(n * (smallest / margin) ** 2) if margin else None
    lower = sum(d > 0 for d in differences)
    higher = sum(d < 0 for d in differences)
    words = ("lost", "won") if pairs.binary else ("scored lower", "scored higher")
    sentence = graded_sentence(
        verdict,
        mean=mean,
        low=low,
        high=high,
        n=n,
        counted=f"{lower:,} {words[0]} and {higher:,} {words[1]} of {n:,} items in {number:,} "
        + ("clusters" if number != 1 else "cluster"),
        p_value=p_value,
        margin=margin,
        alpha=alpha,
        smallest=smallest,
        needed=needed,
    )
    return {
        "verdict": verdict,
        "difference": mean,
        "interval": [low, high],
        "p_value": p_value,
        "method": f"{test}, one-sided; {estimate.method}",
        "minimum_detectable_drop": smallest,
        "items_needed": needed,
        "clusters": number,
        "sentence": sentence + _too_few(number, margin),
    }


def compared(pairs: Pairs, *, confidence: float, apart: tuple[float, float]) -> dict[str, Any]:
    """The fields of a comparison of two models where items come in clusters.

    Args:
        pairs: The pairs, with their clusters.
        confidence: Two-sided confidence of the interval.
        apart: The interval of the same items as if they were independent.
    """
    differences, clusters = pairs.differences, _clusters(pairs)
    estimate = _estimate(differences, clusters, confidence, apart)
    p_value, test = _test(differences, clusters, "two-sided")
    return {
        "difference": estimate.mean,
        "interval": [estimate.low, estimate.high],
        "p_value": p_value,
        "method": f"{test}, two-sided; {estimate.method}",
        "clusters": len(set(clusters)),
    }


def _clusters(pairs: Pairs) -> Sequence[Hashable]:
    assert pairs.clusters is not None
    return pairs.clusters


def _test(
    differences: Sequence[float], clusters: Sequence[Hashable], alternative: Alternative
) -> tuple[float, str]:
    """The p-value, and what to call its test."""
    number = len(set(clusters))
    if number >= ENOUGH:
        robust = stats.clustered_difference(differences, clusters)
        # Where all clusters are alike there is no spread to divide by; signs can still be flipped.
        if robust.standard_error:
            p_value = robust.p_value
            if alternative != "two-sided":
                as_asked = (robust.mean > 0) == (alternative == "regression")
                p_value = p_value / 2.0 if as_asked else 1.0 - p_value / 2.0
            return p_value, f"cluster-robust t (CR1, {number:,} clusters)"
    flipped = stats.sign_flip(differences, clusters=clusters, alternative=alternative)
    named = f"{number:,} clusters" if number != 1 else "1 cluster"
    return flipped.p_value, f"cluster sign-flip ({named})"


def _estimate(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float,
    apart: tuple[float, float],
) -> _Estimate:
    """The mean and its interval, which is nowhere narrower than that of independent items.

    Both cluster intervals take the spread that was seen for the true one. Where few items differ
    that is far too little (none at all where clusters are alike), and a margin would be ruled out
    that so few items cannot rule out.
    """
    n, number = len(differences), len(set(clusters))
    mean = math.fsum(differences) / n
    if number < FEWEST:
        return _Estimate(mean, -1.0, 1.0, None, f"no interval from fewer than {FEWEST} clusters")
    if not any(differences):
        # As for independent items without a differing one, with as much as is surely independent.
        z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
        limit = z * z / (number + z * z)
        return _Estimate(mean, -limit, limit, None, "limit of identical scores in the clusters")
    robust = stats.clustered_difference(differences, clusters, confidence=confidence)
    low, high, method = robust.low, robust.high, "t interval over clusters"
    if number < ENOUGH:
        drawn = stats.bootstrap_difference(differences, clusters=clusters, confidence=confidence)
        low, high, method = drawn.low, drawn.high, "BCa bootstrap interval over clusters"
    if apart[0] < low or apart[1] > high:
        method += ", widened to that of independent items"
    return _Estimate(mean, min(low, apart[0]), max(high, apart[1]), robust.standard_error, method)


def _too_few(number: int, margin: float) -> str:
    """What so few clusters cannot show, whatever the number of their items."""
    if number >= FEWEST:
        return ""
    smallest = 0.5**number
    named = f"{number} clusters" if number != 1 else "1 cluster"
    return (
        f" {named} cannot reach a two-sided 5 %: the smallest p-value there is, is "
        f"{2 * smallest:.3g} (one-sided {smallest:.3g}), and no drop of {points(margin)} or more "
        f"is ruled out; {FEWEST} clusters are the fewest that can."
    )
