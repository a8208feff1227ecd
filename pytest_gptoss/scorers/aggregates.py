"""Figures of a whole group beside its accuracy: means over subjects, categories, balanced accuracy.

Each is made in a declaration (``Benchmark(aggregate=scorers.by_category(...))``) and called once,
with every item's mean score; errors of the infrastructure are left out before.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_gptoss.benchmark import Row, ScoredItem

__all__ = ["Balanced", "ByCategory", "balanced", "by_category"]


@dataclass(frozen=True)
class ByCategory:
    """The accuracy of each category of strata, and the plain mean over the strata.

    Args:
        categories: The strata of each category.
    """

    categories: Mapping[str, tuple[str, ...]]

    def __call__(self, items: Sequence[ScoredItem]) -> dict[str, dict[str, Any]]:
        """A category's accuracy is over its items, as in MMLU's own evaluation."""
        from pytest_gptoss import stats

        by_stratum = _by_stratum(items)
        figures = {}
        for name, strata in self.categories.items():
            scores = [item.score for stratum in strata for item in by_stratum.get(stratum, ())]
            if scores:
                figures[name] = {
                    "accuracy": fmean(scores),
                    "n": len(scores),
                    **stats.mean_score(scores).figures(),
                }
        groups = [[item.score for item in group] for group in by_stratum.values()]
        figures["macro average"] = {
            "accuracy": fmean(map(fmean, groups)),
            "n": len(items),
            "strata": len(groups),
            **stats.mean_of_means(groups).figures(),
        }
        return figures


@dataclass(frozen=True)
class Balanced:
    """Balanced accuracy of each stratum: the mean of the accuracies on each gold label's items.

    Args:
        label: The gold label of a row, or ``None`` where the stratum is evaluated by another rule;
            its plain mean score then stands for it.
    """

    label: Callable[[Row], str | None]

    def __call__(self, items: Sequence[ScoredItem]) -> dict[str, dict[str, Any]]:
        """The mean over the strata, with each stratum's own."""
        from pytest_gptoss import stats

        by_label = {name: self._by_label(group) for name, group in _by_stratum(items).items()}
        each = {name: _of_labels(labels) for name, labels in by_label.items()}
        # A stratum's labels share its weight, which is that of every other stratum.
        weights = [1.0 / len(labels) for labels in by_label.values() for _ in labels]
        groups = [scores for labels in by_label.values() for scores in labels]
        return {
            "mean balanced accuracy": {
                "accuracy": fmean(figure["accuracy"] for figure in each.values()),
                "n": len(items),
                "strata": len(each),
                **stats.mean_of_means(groups, weights=weights).figures(),
                "each": each,
            }
        }

    def _by_label(self, items: Sequence[ScoredItem]) -> list[list[float]]:
        by_label: dict[str | None, list[float]] = {}
        for item in items:
            by_label.setdefault(self.label(item.row), []).append(item.score)
        return list(by_label.values())


def by_category(categories: Mapping[str, Sequence[str]]) -> ByCategory:
    """Accuracy per category of strata, and the macro average over the strata.

    Args:
        categories: The strata of each category; a stratum belongs to one.

    Raises:
        UsageError: A stratum is in two categories.
    """
    named = [stratum for strata in categories.values() for stratum in strata]
    if twice := next((stratum for stratum in named if named.count(stratum) > 1), None):
        raise UsageError(f"{twice!r} is named twice among the categories; name each stratum once")
    return ByCategory({name: tuple(strata) for name, strata in categories.items()})


def balanced(label: str | Callable[[Row], str | None]) -> Balanced:
    """Balanced accuracy per stratum and its mean, as LegalBench and others report it.

    Args:
        label: The column of the gold label, or a function of the row that returns it, or ``None``
            for a row whose stratum is evaluated by another rule.
    """
    if isinstance(label, str):
        column = label
        return Balanced(lambda row: str(row[column]))
    return Balanced(label)


def _of_labels(labels: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Balanced accuracy of one stratum; a single label's is the plain mean score."""
    from pytest_gptoss import stats

    estimate = stats.mean_of_means(labels) if len(labels) > 1 else stats.mean_score(labels[0])
    return {
        "accuracy": fmean(map(fmean, labels)),
        "n": sum(map(len, labels)),
        **estimate.figures(),
    }


def _by_stratum(items: Sequence[ScoredItem]) -> dict[str, list[ScoredItem]]:
    groups: dict[str, list[ScoredItem]] = {}
    for item in items:
        groups.setdefault(item.stratum or "", []).append(item)
    return dict(sorted(groups.items()))
