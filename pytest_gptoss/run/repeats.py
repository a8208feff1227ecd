"""pass@k: what several answers to each item say together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from pytest_gptoss.run.group import Group

__all__ = ["pass_at_k"]


def pass_at_k(group: Group) -> dict[str, dict[str, Any]]:
    """The chance that one of k answers is right, for each k up to the number of repeats.

    The mean of the unbiased estimator of Chen et al. (2021, equation 1) over the items that have at
    least k answers; an error of the infrastructure is no answer. Nothing where each item was asked
    once, or is scored by degrees.

    Returns:
        By name, such as ``pass@2``: the chance as ``accuracy``, its interval over the items, and
        ``n``, the items it is of.
    """
    if group.repeats < 2 or getattr(group.benchmark.scorer, "graded", False):
        return {}
    from pytest_gptoss import stats

    counts = []
    for ticket in group.tickets:
        scores = [result.score for result in ticket.results if result is not None]
        answers = [score for score in scores if score.outcome is not Outcome.ERROR]
        counts.append((len(answers), sum(score.correct for score in answers)))
    figures = {}
    for k in range(1, group.repeats + 1):
        chances = [stats.pass_at_k(n, right, k) for n, right in counts if n >= k]
        if chances:
            figures[f"pass@{k}"] = {
                "accuracy": sum(chances) / len(chances),
                "n": len(chances),
                **stats.mean_score(chances).figures(),
            }
    return figures
