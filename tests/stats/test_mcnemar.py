import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from pytest_gptoss import stats

COUNTS = st.integers(0, 400)
METHODS = ("midp", "exact", "asymptotic")


def enumerated(b: int, c: int, *, mid: bool) -> float:
    """One-sided p-value of "losses exceed wins" by adding up the binomial distribution."""
    m = b + c
    ways = [math.comb(m, k) for k in range(m + 1)]
    tail = sum(ways[b:]) - (ways[b] / 2 if mid else 0)
    return tail / 2**m


@pytest.mark.parametrize(("b", "c"), [(1, 0), (4, 0), (0, 4), (7, 7), (12, 3), (3, 12), (40, 22)])
@pytest.mark.parametrize("mid", [True, False])
def test_one_sided_p_values_are_sums_over_the_binomial_distribution(b, c, mid):
    method = "midp" if mid else "exact"
    regression = stats.mcnemar(b, c, method=method, alternative="regression")
    improvement = stats.mcnemar(b, c, method=method, alternative="improvement")
    assert regression.p_value == pytest.approx(enumerated(b, c, mid=mid), rel=1e-13)
    assert improvement.p_value == pytest.approx(enumerated(c, b, mid=mid), rel=1e-13)


def test_four_losses_and_no_win():
    assert stats.mcnemar(4, 0, alternative="regression").p_value == pytest.approx(0.03125)
    exact = stats.mcnemar(4, 0, method="exact", alternative="regression")
    assert exact.p_value == pytest.approx(0.0625)


@given(COUNTS, COUNTS)
def test_exact_agrees_with_statsmodels(b, c):
    oracle = statsmodels_mcnemar([[3, b], [c, 4]], exact=True).pvalue
    assert stats.mcnemar(b, c, method="exact").p_value == pytest.approx(oracle, rel=1e-9)


@given(COUNTS, COUNTS)
def test_asymptotic_agrees_with_uncorrected_chi_square(b, c):
    expected = scipy_stats.chi2.sf((b - c) ** 2 / (b + c), 1) if b + c else 1.0
    assert stats.mcnemar(b, c, method="asymptotic").p_value == pytest.approx(expected, rel=1e-9)


@given(COUNTS, COUNTS)
def test_midp_is_exact_less_half_the_observed_probability(b, c):
    if b + c == 0:
        return
    observed = scipy_stats.binom.pmf(b, b + c, 0.5)
    exact = stats.mcnemar(b, c, method="exact", alternative="regression").p_value
    midp = stats.mcnemar(b, c, alternative="regression").p_value
    assert midp == pytest.approx(exact - observed / 2, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("alternative", ["two-sided", "regression", "improvement"])
def test_identical_models_do_not_differ(method, alternative):
    # Widely used corrected tests answer 0.0 here.
    assert stats.mcnemar(0, 0, method=method, alternative=alternative).p_value == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("b", [1, 2, 25, 26, 1000])
def test_as_many_losses_as_wins_is_no_difference(method, b):
    # Corrected chi-square answers below 1 here.
    assert stats.mcnemar(b, b, method=method).p_value == pytest.approx(1.0, abs=1e-12)


@given(COUNTS, COUNTS, st.sampled_from(METHODS))
def test_exchanging_the_models_exchanges_the_sides(b, c, method):
    two = stats.mcnemar(b, c, method=method)
    assert two.p_value == stats.mcnemar(c, b, method=method).p_value
    regression = stats.mcnemar(b, c, method=method, alternative="regression")
    improvement = stats.mcnemar(c, b, method=method, alternative="improvement")
    assert regression.p_value == improvement.p_value


@given(COUNTS, COUNTS, st.sampled_from(METHODS))
def test_two_sided_is_the_doubled_smaller_side(b, c, method):
    sides = [
        stats.mcnemar(b, c, method=method, alternative=side).p_value
        for side in ("regression", "improvement")
    ]
    two_sided = stats.mcnemar(b, c, method=method).p_value
    assert two_sided == pytest.approx(min(1.0, 2 * min(sides)), rel=1e-12)
    assert 0.0 <= two_sided <= 1.0


@given(COUNTS, COUNTS, st.sampled_from(METHODS))
def test_one_more_loss_is_more_evidence_of_regression(b, c, method):
    fewer = stats.mcnemar(b, c, method=method, alternative="regression").p_value
    more = stats.mcnemar(b + 1, c, method=method, alternative="regression").p_value
    assert more <= fewer


@given(COUNTS, COUNTS)
def test_midp_lies_between_zero_and_exact(b, c):
    assert stats.mcnemar(b, c).p_value <= stats.mcnemar(b, c, method="exact").p_value


def test_far_tails_stay_positive_and_precise():
    result = stats.mcnemar(1000, 0, method="exact", alternative="regression")
    assert result.p_value == pytest.approx(2.0**-1000, rel=1e-10)
    assert 0.0 < stats.mcnemar(700, 100).p_value < 1e-100


def test_huge_counts_agree_with_the_normal_distribution():
    half, z = 10**12, 2.0
    more = half + round(z * math.sqrt(2 * half) / 2)
    result = stats.mcnemar(more, 2 * half - more, alternative="regression")
    assert result.p_value == pytest.approx(scipy_stats.norm.sf(z), rel=1e-5)


def test_the_result_says_what_was_computed():
    result = stats.mcnemar(np.int64(5), np.int8(2), method="exact", alternative="regression")
    assert (result.b, result.c, result.method, result.alternative) == (5, 2, "exact", "regression")
    assert type(result.b) is int
    with pytest.raises(AttributeError):
        result.p_value = 0.5


def test_mid_p_keeps_its_size():
    # The false-alarm rate over all tables, for the sizes and discordances a benchmark has.
    for n in (164, 1319):
        for discordance in (0.02, 0.05, 0.1, 0.2, 0.3):
            assert stats.paired_power(n, discordance, 0.0, alpha=0.05) <= 0.0502


def test_pooling_finds_what_no_benchmark_shows_alone():
    tables = [(430, 30, 25, 15)] * 10
    alone = stats.mcnemar(30, 25, alternative="regression").p_value
    pooled = stats.pooled_mcnemar(tables, alternative="regression")
    assert alone > 0.2
    assert pooled.p_value < 0.05
    assert pooled == stats.mcnemar(300, 250, alternative="regression")


def test_pooling_takes_pairs_and_tables():
    assert stats.pooled_mcnemar([(4, 1), (90, 3, 2, 5)]) == stats.mcnemar(7, 3)


@pytest.mark.parametrize("tables", [[], [(1, 2, 3)], [(1, 2), (-1, 2)], [(1, 2.5)]])
def test_pooling_refuses_what_is_no_table(tables):
    with pytest.raises(ValueError, match="tables"):
        stats.pooled_mcnemar(tables)
