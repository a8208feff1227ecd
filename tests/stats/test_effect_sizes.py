import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_effectsize

from pytest_gptoss import stats

COUNTS = st.integers(0, 10**6)
SHARES = st.floats(0.0, 1.0)


@pytest.mark.parametrize(
    ("b", "c", "expected"), [(4, 0, 0.5), (0, 4, -0.5), (65, 35, 0.15), (3, 3, 0.0)]
)
def test_cohens_g(b, c, expected):
    assert stats.cohens_g(b, c) == pytest.approx(expected)


def test_cohens_g_without_discordant_items_is_undefined():
    assert math.isnan(stats.cohens_g(0, 0))


@given(COUNTS, COUNTS)
def test_cohens_g_is_odd_and_bounded(b, c):
    if b + c:
        assert stats.cohens_g(b, c) == -stats.cohens_g(c, b)
        assert -0.5 <= stats.cohens_g(b, c) <= 0.5


@pytest.mark.parametrize(("g", "odds"), [(0.05, 1.22), (0.15, 1.86), (0.25, 3.0)])
def test_thresholds_of_g_as_odds_ratios(g, odds):
    b, c = round(1000 * (0.5 + g)), round(1000 * (0.5 - g))
    assert stats.odds_ratio(b, c).estimate == pytest.approx(odds, abs=0.005)


@given(SHARES, SHARES)
def test_cohens_h_agrees_with_statsmodels(p1, p2):
    expected = proportion_effectsize(p1, p2)
    assert stats.cohens_h(p1, p2) == pytest.approx(expected, abs=1e-12)


def test_cohens_h_spans_pi():
    assert stats.cohens_h(1, 0) == pytest.approx(math.pi)
    assert stats.cohens_h(0.3, 0.3) == 0.0


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_cohens_h_takes_proportions(value):
    with pytest.raises(ValueError, match="p1"):
        stats.cohens_h(value, 0.5)
    with pytest.raises(ValueError, match="p2"):
        stats.cohens_h(0.5, value)
