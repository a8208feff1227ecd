import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from pytest_gptoss import stats
from pytest_gptoss.stats.proportion import ODDS_METHODS

SHARES = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(SHARES, st.sampled_from([0.8, 0.95, 0.999]))
@pytest.mark.parametrize(("method", "name"), [("wilson", "wilson"), ("clopper-pearson", "beta")])
def test_limits_agree_with_statsmodels(method, name, share, confidence):
    successes, n = share
    low, high = proportion_confint(successes, n, alpha=1 - confidence, method=name)
    result = stats.proportion(successes, n, method=method, confidence=confidence)
    assert result.estimate == successes / n
    assert (result.low, result.high) == pytest.approx((low, high), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("method", ["wilson", "clopper-pearson"])
@pytest.mark.parametrize("n", [1, 3, 7, 164, 1319, 14042, 10**9])
def test_the_ends_are_exact(method, n):
    # Rounding puts Wilson's lower limit at 0 of n a hair above or below 0.
    assert stats.proportion(0, n, method=method).low == 0.0
    assert stats.proportion(n, n, method=method).high == 1.0
    assert 0.0 < stats.proportion(0, n, method=method).high < 1.0


@given(SHARES)
def test_wilson_lies_inside_clopper_pearson_on_the_far_side_of_the_ends(share):
    successes, n = share
    wilson = stats.proportion(successes, n)
    exact = stats.proportion(successes, n, method="clopper-pearson")
    assert exact.low <= wilson.estimate <= exact.high
    assert wilson.low <= wilson.estimate <= wilson.high


def test_more_successes_than_items():
    with pytest.raises(ValueError, match="successes"):
        stats.proportion(5, 4)


@given(st.integers(0, 200), st.integers(0, 200), st.sampled_from([0.9, 0.95]))
def test_odds_ratio_is_the_share_carried_over(b, c, confidence):
    result = stats.odds_ratio(b, c, confidence=confidence)
    if b + c == 0:
        assert math.isnan(result.estimate)
        assert (result.low, result.high) == (0.0, math.inf)
        return
    limits = scipy_stats.binomtest(b, b + c).proportion_ci(confidence, method="exact")
    assert result.low == pytest.approx(limits.low / (1 - limits.low), rel=1e-8)
    if c:
        assert result.estimate == pytest.approx(b / c)
        assert result.high == pytest.approx(limits.high / (1 - limits.high), rel=1e-8)
    else:
        assert (result.estimate, result.high) == (math.inf, math.inf)
        assert math.isfinite(result.low)


@pytest.mark.parametrize("method", ODDS_METHODS)
def test_odds_ratio_at_the_ends(method):
    no_win = stats.odds_ratio(12, 0, method=method)
    assert (no_win.estimate, no_win.high) == (math.inf, math.inf)
    assert 1.0 < no_win.low < 12.0
    no_loss = stats.odds_ratio(0, 12, method=method)
    assert (no_loss.estimate, no_loss.low) == (0.0, 0.0)
    assert no_loss.high == pytest.approx(1 / no_win.low)


@given(st.integers(0, 100), st.integers(0, 100))
@pytest.mark.parametrize("method", ODDS_METHODS)
def test_exchanging_the_models_inverts_the_odds(method, b, c):
    one, other = stats.odds_ratio(b, c, method=method), stats.odds_ratio(c, b, method=method)
    if c and b:
        assert one.low == pytest.approx(1 / other.high, rel=1e-7)
        assert one.low <= one.estimate <= one.high


@given(st.integers(1, 100), st.integers(1, 100))
def test_mid_p_limits_solve_their_equation(b, c):
    result = stats.odds_ratio(b, c, method="midp")
    for limit, more, fewer in ((result.low, b, c), (1 / result.high, c, b)):
        p = limit / (1 + limit)
        m = more + fewer
        tail = scipy_stats.binom.sf(more, m, p) + scipy_stats.binom.pmf(more, m, p) / 2
        assert tail == pytest.approx(0.025, rel=1e-7)


@given(st.integers(0, 100), st.integers(1, 100))
def test_mid_p_limits_lie_inside_clopper_pearson(b, c):
    exact, midp = stats.odds_ratio(b, c), stats.odds_ratio(b, c, method="midp")
    assert exact.low <= midp.low * (1 + 1e-9)
    assert midp.high <= exact.high * (1 + 1e-9)


@given(st.integers(0, 200), st.integers(0, 200))
def test_odds_ratio_and_exact_test_agree(b, c):
    # Clopper-Pearson's interval and the doubled exact test are inverses of each other.
    p_value = stats.mcnemar(b, c, method="exact").p_value
    result = stats.odds_ratio(b, c)
    if abs(p_value - 0.05) > 1e-9:
        assert (p_value < 0.05) == (not result.low <= 1.0 <= result.high)
