import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_gptoss import stats

SIDES = ("two-sided", "regression", "improvement")


def by_hand(differences, alternative):
    observed = math.fsum(differences)
    hits = total = 0
    for signs in itertools.product((1, -1), repeat=len(differences)):
        flipped = math.fsum(sign * value for sign, value in zip(signs, differences, strict=True))
        total += 1
        if alternative == "two-sided":
            hits += abs(flipped) >= abs(observed) - 1e-9
        elif alternative == "regression":
            hits += flipped >= observed - 1e-9
        else:
            hits += flipped <= observed + 1e-9
    return hits / total


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 2)), min_size=1, max_size=9))
@pytest.mark.parametrize("alternative", SIDES)
def test_all_patterns_are_tried(alternative, differences):
    result = stats.sign_flip(differences, alternative=alternative)
    assert result.exact
    assert result.p_value == pytest.approx(by_hand(differences, alternative))
    assert result.mean == pytest.approx(math.fsum(differences) / len(differences))


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 1000))
@pytest.mark.parametrize("alternative", SIDES)
def test_right_or_wrong_items_give_the_exact_mcnemar_test(alternative, b, c, ties):
    differences = [1] * b + [-1] * c + [0] * ties or [0]
    expected = stats.mcnemar(b, c, method="exact", alternative=alternative).p_value
    result = stats.sign_flip(differences, alternative=alternative)
    assert result.exact
    assert result.p_value == pytest.approx(expected)


@pytest.mark.parametrize("alternative", SIDES)
def test_random_patterns_come_close_to_all(alternative):
    rng = np.random.default_rng(2)
    scores = rng.normal(0.1, 0.3, size=40)
    result = stats.sign_flip(scores, alternative=alternative)
    side = {"two-sided": "two-sided", "regression": "greater", "improvement": "less"}[alternative]
    student = scipy_stats.ttest_1samp(scores, 0, alternative=side).pvalue
    assert not result.exact
    assert result.p_value == pytest.approx(student, abs=0.02)


@pytest.mark.parametrize(("b", "c"), [(30, 12), (400, 320), (21, 0)])
def test_random_patterns_of_equal_items(b, c):
    result = stats.sign_flip([1] * b + [-1] * c, alternative="regression")
    expected = stats.mcnemar(b, c, method="exact", alternative="regression").p_value
    assert not result.exact
    noise = 4 * math.sqrt(expected * (1 - expected) / 9999) + 2 / 9999
    assert result.p_value == pytest.approx(expected, abs=noise)


def test_random_p_values_are_never_zero():
    result = stats.sign_flip(np.linspace(0.5, 1, 200))
    assert result.p_value == result.smallest_p_value == 1 / 10_000


def test_the_seed_decides():
    scores = np.random.default_rng(1).normal(0.05, 0.3, size=60)
    assert stats.sign_flip(scores, seed=4) == stats.sign_flip(scores, seed=4)
    assert stats.sign_flip(scores, seed=4) != stats.sign_flip(scores, seed=5)


def test_clusters_flip_as_one():
    differences = [0.2, 0.1, -0.3, 0.4, 0.5, 0.25]
    clusters = ["a", "a", "b", "b", "c", "c"]
    result = stats.sign_flip(differences, clusters=clusters)
    assert result.p_value == pytest.approx(by_hand([0.3, 0.1, 0.75], "two-sided"))
    assert result.units == 3


def test_five_clusters_cannot_reach_five_percent():
    result = stats.sign_flip([1.0, 2.0, 3.0, 4.0, 5.0])
    assert result.p_value == result.smallest_p_value == 0.0625


@pytest.mark.parametrize("n", [1, 5, 100])
def test_no_difference_at_all(n):
    result = stats.sign_flip([0.0] * n)
    assert (result.p_value, result.mean, result.exact) == (1.0, 0.0, True)


def test_ties_survive_rounding():
    # 0.1 + 0.2 - 0.3 is not 0 in floats; the pattern must still count as a tie with its mirror.
    assert stats.sign_flip([0.1, 0.2, -0.3], alternative="regression").p_value == by_hand(
        [0.1, 0.2, -0.3], "regression"
    )


def test_the_level_is_kept():
    rng = np.random.default_rng(8)
    p_values = [
        stats.sign_flip(rng.choice([-0.7, -0.2, 0.2, 0.7], size=25), draws=199, seed=k).p_value
        for k in range(1500)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 1500)


def test_a_whole_benchmark_is_quick():
    rng = np.random.default_rng(0)
    started = time.process_time()
    stats.sign_flip(rng.choice([-1.0, 0.0, 1.0], size=14042))
    stats.sign_flip(rng.normal(size=2000))
    assert time.process_time() - started < 5.0


@pytest.mark.parametrize("argument", [{"draws": 0}, {"draws": 2.5}, {"seed": -1}])
def test_arguments_are_named(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        stats.sign_flip([1.0, 2.0], **argument)
