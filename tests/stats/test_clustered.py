import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import stats


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("groups", [2, 7, 40])
@pytest.mark.parametrize("binary", [True, False])
def test_agrees_with_cluster_robust_regression(confidence, groups, binary):
    rng = np.random.default_rng(groups)
    clusters = np.concatenate((np.arange(groups), rng.integers(0, groups, size=300)))
    effects = rng.normal(0, 0.4, size=groups)
    scores = rng.normal(0.05 + effects[clusters], 0.5)
    differences = np.sign(np.round(scores)) if binary else scores
    oracle = sm.OLS(differences, np.ones((differences.size, 1))).fit(
        cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True
    )
    result = stats.clustered_difference(differences, clusters, confidence=confidence)
    low, high = oracle.conf_int(1 - confidence)[0]
    assert result.mean == pytest.approx(oracle.params[0])
    assert result.standard_error == pytest.approx(oracle.bse[0])
    assert result.p_value == pytest.approx(oracle.pvalues[0])
    assert (result.low, result.high) == pytest.approx((low, high))
    assert result.degrees_of_freedom == groups - 1


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50))
def test_single_items_as_clusters_are_students_t(differences):
    n = len(differences)
    if np.ptp(differences) < 1e-6:
        return
    result = stats.clustered_difference(differences, range(n))
    assert result.standard_error == pytest.approx(np.std(differences, ddof=1) / math.sqrt(n))


def test_copies_of_an_item_bring_no_information():
    differences, labels = [1, 0, -1, 1, 1, 0], list("abcdef")
    once = stats.clustered_difference(differences, labels)
    often = stats.clustered_difference(differences * 50, labels * 50)
    assert often.standard_error == pytest.approx(once.standard_error)
    assert often.p_value == pytest.approx(once.p_value)


def test_labels_of_any_kind():
    differences = [0.5, -0.25, 0.5, 0.0]
    expected = stats.clustered_difference(differences, [0, 0, 1, 2])
    for labels in (["x", "x", "y", "z"], np.array([7, 7, 3, 5]), [(1,), (1,), (2,), "b"]):
        assert stats.clustered_difference(differences, labels) == expected


def test_one_cluster_shows_no_variation():
    # A standard error of 0 here would make any difference certain.
    with pytest.raises(ValueError, match="clusters"):
        stats.clustered_difference([1, 0, 1], ["a", "a", "a"])


def test_no_variation_between_clusters():
    zero = stats.clustered_difference([0, 0, 0, 0], [1, 1, 2, 2])
    assert (zero.p_value, zero.standard_error, zero.low, zero.high) == (1.0, 0.0, 0.0, 0.0)
    same = stats.clustered_difference([0.1] * 30, list(range(10)) * 3)
    assert (same.standard_error, same.p_value) == (0.0, 0.0)
    assert same.low == same.high == pytest.approx(0.1)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(11)
    labels = np.repeat(np.arange(30), 5)
    covered = 0
    for _ in range(800):
        scores = 0.1 + np.repeat(rng.normal(0, 1, 30), 5) + rng.normal(0, 1, 150)
        result = stats.clustered_difference(scores, labels)
        covered += result.low <= 0.1 <= result.high
    assert covered / 800 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize(
    ("differences", "clusters", "name"),
    [
        ([], [], "differences"),
        ([1, math.nan], [1, 2], "differences"),
        ([1, math.inf], [1, 2], "differences"),
        ([[1, 2], [3, 4]], [1, 2], "differences"),
        (["a", "b"], [1, 2], "differences"),
        ([1, 2, 3], [1, 2], "clusters"),
        ([1, 2], [1, None], "clusters"),
        ([1, 2], [1, math.nan], "clusters"),
    ],
)
def test_arguments_that_do_not_fit(differences, clusters, name):
    with pytest.raises(ValueError, match=name):
        stats.clustered_difference(differences, clusters)
    with pytest.raises(ValueError, match=name):
        stats.sign_flip(differences, clusters=clusters)
    with pytest.raises(ValueError, match=name):
        stats.bootstrap_difference(differences, clusters=clusters)
