import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from pytest_gptoss import stats


def sample(kind: str) -> np.ndarray:
    rng = np.random.default_rng(6)
    if kind == "binary":
        return rng.choice([-1.0, 0.0, 1.0], p=[0.04, 0.86, 0.1], size=300)
    if kind == "skewed":
        return rng.exponential(size=60) - 0.9
    return rng.normal(0.1, 1, size=120)


@pytest.mark.parametrize("kind", ["binary", "skewed", "normal"])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_agrees_with_scipy(kind, confidence):
    scores = sample(kind)
    oracle = scipy_stats.bootstrap(
        (scores,),
        np.mean,
        confidence_level=confidence,
        n_resamples=49_999,
        method="BCa",
        random_state=1,
    )
    result = stats.bootstrap_difference(scores, confidence=confidence, draws=49_999)
    # Both are random; their limits differ by a few per cent of the standard error, and by one item
    # where the mean moves in such steps.
    noise = 0.08 * oracle.standard_error + (1.001 / scores.size if kind == "binary" else 0.0)
    assert result.mean == pytest.approx(scores.mean())
    assert result.standard_error == pytest.approx(oracle.standard_error, rel=0.04)
    limits = oracle.confidence_interval
    assert (result.low, result.high) == pytest.approx(tuple(limits), abs=noise)


def test_skewness_moves_the_limits():
    scores = sample("skewed")
    result = stats.bootstrap_difference(scores)
    assert result.high - result.mean > result.mean - result.low


def test_clusters_are_drawn_whole():
    scores = sample("normal")
    single = stats.bootstrap_difference(scores)
    copied = stats.bootstrap_difference(np.repeat(scores, 9), clusters=np.repeat(range(120), 9))
    assert copied.standard_error == pytest.approx(single.standard_error, rel=0.04)
    assert (copied.low, copied.high) == pytest.approx(
        (single.low, single.high), abs=0.08 * single.standard_error
    )


def test_unequal_clusters_agree_with_the_robust_standard_error():
    rng = np.random.default_rng(9)
    clusters = rng.integers(0, 60, size=500)
    scores = rng.normal(0, 0.5, size=60)[clusters] + rng.normal(0, 1, size=500)
    robust = stats.clustered_difference(scores, clusters)
    result = stats.bootstrap_difference(scores, clusters=clusters)
    assert result.standard_error == pytest.approx(robust.standard_error, rel=0.06)


def test_intervals_cover_the_truth():
    rng = np.random.default_rng(10)
    covered = 0
    for k in range(400):
        result = stats.bootstrap_difference(rng.exponential(size=50), draws=999, seed=k)
        covered += result.low <= 1.0 <= result.high
    assert covered / 400 == pytest.approx(0.94, abs=0.04)


def test_the_seed_decides():
    scores = sample("normal")
    assert stats.bootstrap_difference(scores) == stats.bootstrap_difference(scores)
    assert stats.bootstrap_difference(scores) != stats.bootstrap_difference(scores, seed=1)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.0])
def test_no_variation_leaves_the_mean_alone(value):
    result = stats.bootstrap_difference([value] * 30)
    assert result.low == result.mean == result.high == pytest.approx(value)


def test_two_items():
    result = stats.bootstrap_difference([0.0, 1.0])
    assert 0.0 <= result.low <= result.mean <= result.high <= 1.0


@pytest.mark.parametrize(
    ("differences", "options", "name"),
    [
        ([1.0], {}, "differences"),
        ([1.0, 2.0], {"clusters": ["a", "a"]}, "clusters"),
        ([1.0, 2.0], {"draws": 0}, "draws"),
        ([1.0, 2.0], {"seed": -1}, "seed"),
        ([1.0, 2.0], {"confidence": 1.0}, "confidence"),
        ([1.0, math.nan], {}, "differences"),
    ],
)
def test_arguments_are_named(differences, options, name):
    with pytest.raises(ValueError, match=name):
        stats.bootstrap_difference(differences, **options)
