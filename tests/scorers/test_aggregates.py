"""Figures beside the accuracy: categories, macro average, balanced accuracy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import UsageError, scorers, stats
from pytest_gptoss.benchmark import Benchmark, Item, ScoredItem


def scored(*rows):
    """Items from (stratum, label, score)."""
    table = Benchmark(
        name="x",
        rows=[{"label": label} for _, label, _ in rows],
        item=lambda row: Item(prompt="", target=row["label"]),
        scorer=scorers.number(),
    ).open()
    return [ScoredItem(rows[i][0], float(rows[i][2]), table, i) for i in range(len(rows))]


def test_a_category_is_over_items_and_the_macro_average_over_strata():
    items = scored(*[("a", "", 1)] * 8, *[("b", "", 0)] * 2, *[("c", "", 0.5)] * 4)
    figures = scorers.by_category({"one": ["a", "b"], "two": ["c"], "none": ["d"]})(items)
    assert figures == {
        "one": {"accuracy": 0.8, "n": 10, **stats.proportion(8, 10).figures()},
        # Four scores that are all alike say nothing of how others would be.
        "two": {"accuracy": 0.5, "n": 4, "interval": None, "interval_method": None},
        "macro average": {
            "accuracy": 0.5,
            "n": 14,
            "strata": 3,
            **stats.mean_of_means([[1] * 8, [0] * 2, [0.5] * 4]).figures(),
        },
    }


def test_a_stratum_belongs_to_one_category():
    with pytest.raises(UsageError, match="'a' is named twice among the categories"):
        scorers.by_category({"one": ["a"], "two": ["a"]})


def test_balanced_accuracy_by_hand():
    # Stratum a: 3 of 4 Yes right, 0 of 1 No: (0.75 + 0) / 2. Stratum b: one label alone.
    items = scored(
        *[("a", "Yes", 1)] * 3, ("a", "Yes", 0), ("a", "No", 0), *[("b", "No", 1)], ("b", "No", 0)
    )
    (figure,) = scorers.balanced("label")(items).values()
    cells = [[1, 1, 1, 0], [0], [1, 0]]
    assert figure == {
        "accuracy": 0.4375,
        "n": 7,
        "strata": 2,
        **stats.mean_of_means(cells, weights=[0.25, 0.25, 0.5]).figures(),
        "each": {
            "a": {"accuracy": 0.375, "n": 5, **stats.mean_of_means(cells[:2]).figures()},
            "b": {"accuracy": 0.5, "n": 2, **stats.proportion(1, 2).figures()},
        },
    }


def test_a_stratum_of_another_rule_has_its_mean():
    items = scored(("a", "1", 1), ("a", "1", 1), ("a", "2", 0), ("a", "2", 0.2))
    (figure,) = scorers.balanced(lambda _row: None)(items).values()
    assert figure["each"]["a"]["accuracy"] == pytest.approx(0.55)
    assert figure["each"]["a"]["interval_method"] == "t over items"


@given(st.lists(st.tuples(st.sampled_from("YN"), st.sampled_from("YN")), min_size=1, max_size=40))
def test_balanced_accuracy_is_the_mean_recall(pairs):
    items = scored(*(("t", gold, gold == said) for gold, said in pairs))
    (figure,) = scorers.balanced("label")(items).values()
    recalls = []
    for gold in {gold for gold, _ in pairs}:
        of = [said == gold for wanted, said in pairs if wanted == gold]
        recalls.append(sum(of) / len(of))
    assert figure["accuracy"] == pytest.approx(sum(recalls) / len(recalls))
