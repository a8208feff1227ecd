"""Intervals for mean scores: over items and over groups."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import stats

SHARES = st.floats(0.0, 1.0, allow_nan=False)
GROUPS = st.lists(st.lists(SHARES, min_size=1, max_size=8), min_size=1, max_size=8)


def test_items_that_are_right_or_wrong_are_a_proportion() -> None:
    found = stats.mean_score([1, 0, 1, 1])
    assert found == stats.proportion(3, 4)
    assert found.figures() == {"interval": [found.low, found.high], "interval_method": "wilson"}


def test_all_right_is_not_certain() -> None:
    """Nor where each is the mean of several answers, whose spread is then nothing."""
    assert stats.mean_score([1.0] * 20).low == pytest.approx(0.839, abs=1e-3)


def test_scores_in_between_have_students_interval() -> None:
    scores = [0.2, 0.4, 0.9]
    found = stats.mean_score(scores)
    plain = stats.clustered_difference(scores, range(3))
    assert found.estimate == plain.mean
    assert (found.low, found.high) == (max(0.0, plain.low), min(1.0, plain.high))
    assert found.method == "t over items"


@pytest.mark.parametrize("scores", [[0.5], [0.5, 0.5, 0.5]])
def test_what_shows_no_spread_has_no_limits(scores: list[float]) -> None:
    found = stats.mean_score(scores)
    assert found.estimate == 0.5
    assert found.figures() == {"interval": None, "interval_method": None}


def test_one_group_with_the_plus_four_variance() -> None:
    """By hand: 8 of 10, so that the variance is that of 9 of 12 over 10 items."""
    found = stats.mean_of_means([[1] * 8 + [0] * 2])
    half = 1.959963984540054 * math.sqrt(0.75 * 0.25 / 10)
    assert found.estimate == 0.8
    assert found.low == pytest.approx(0.8 - half)
    assert found.high == 1.0  # clipped


def test_weights_count_as_shares_of_their_sum() -> None:
    groups = [[1, 1, 0, 0], [1, 1, 1, 0]]
    assert stats.mean_of_means(groups, weights=[2, 6]) == stats.mean_of_means(
        groups, weights=[0.25, 0.75]
    )
    assert stats.mean_of_means(groups, weights=[1, 3]).estimate == pytest.approx(0.6875)
    assert stats.mean_of_means(groups) == stats.mean_of_means(groups, weights=[7, 7])
    assert stats.mean_of_means(groups, weights=[1, 0]) == stats.mean_of_means(groups[:1])


@given(GROUPS)
def test_limits_hold_the_mean_of_the_means(groups: list[list[float]]) -> None:
    found = stats.mean_of_means(groups)
    assert found.estimate == pytest.approx(np.mean([np.mean(group) for group in groups]))
    assert 0.0 <= found.low <= found.estimate + 1e-12
    assert found.estimate - 1e-12 <= found.high <= 1.0
    assert found.high > found.low


@given(st.lists(SHARES, min_size=1, max_size=30))
def test_the_mean_of_scores_lies_in_its_limits(scores: list[float]) -> None:
    found = stats.mean_score(scores)
    assert found.estimate == pytest.approx(np.mean(scores))
    if found.figures()["interval"] is not None:
        assert found.low - 1e-12 <= found.estimate <= found.high + 1e-12


@pytest.mark.parametrize(
    ("sizes", "low", "high"),
    [([20, 100, 400, 50], 0.3, 0.9), ([1, 2, 3, 1, 5, 2] * 10, 0.5, 1.0), ([3] * 40, 0.9, 1.0)],
    ids=["subjects", "tiny groups", "nearly all right"],
)
def test_they_cover_the_truth_as_often_as_they_say(
    sizes: list[int], low: float, high: float
) -> None:
    draw = np.random.default_rng(7)
    truths = draw.uniform(low, high, len(sizes))
    rounds = 400
    covered = 0
    for _ in range(rounds):
        found = stats.mean_of_means(
            [draw.random(size) < truth for size, truth in zip(sizes, truths, strict=True)]
        )
        covered += found.low <= truths.mean() <= found.high
    assert covered / rounds >= 0.925  # 95 % but for what chance does in 400 rounds (p = 0.01)


@pytest.mark.parametrize("scores", [[], [1.5], [-0.1], [math.nan], ["x"], [[1.0]]])
def test_what_are_no_scores_is_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        stats.mean_score(scores)
    with pytest.raises(ValueError, match="groups"):
        stats.mean_of_means([scores])


@pytest.mark.parametrize("weights", [[1.0], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0]])
def test_weights_must_be_shares(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        stats.mean_of_means([[1.0], [0.0]], weights=weights)


def test_groups_must_be_there() -> None:
    with pytest.raises(ValueError, match="groups must name at least one group"):
        stats.mean_of_means([])
