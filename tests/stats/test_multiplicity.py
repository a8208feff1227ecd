import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from pytest_gptoss import stats

P_VALUES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40)
BOTH = pytest.mark.parametrize("adjust", [stats.holm, stats.benjamini_hochberg])


@settings(max_examples=10)  # the oracle collects garbage at every call
@given(P_VALUES)
def test_holm_agrees_with_statsmodels(p_values):
    assert stats.holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@given(P_VALUES)
def test_benjamini_hochberg_agrees_with_scipy(p_values):
    expected = scipy_stats.false_discovery_control(p_values)
    assert stats.benjamini_hochberg(p_values) == pytest.approx(expected)


def test_worked_example():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.benjamini_hochberg([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.02, 0.04, 0.04, 0.02]
    )


@BOTH
@given(P_VALUES, st.data())
def test_nan_is_kept_and_does_not_count_as_a_test(adjust, p_values, data):
    # Elsewhere Holm counts a NaN as a test, and Benjamini-Hochberg turns everything into NaN.
    position = data.draw(st.integers(0, len(p_values)))
    with_nan = [*p_values[:position], math.nan, *p_values[position:]]
    adjusted = adjust(with_nan)
    assert math.isnan(adjusted.pop(position))
    assert adjusted == adjust(p_values)


@BOTH
@given(P_VALUES)
def test_adjusted_values_keep_the_order_and_never_fall(adjust, p_values):
    adjusted = adjust(p_values)
    assert all(1.0 >= after >= before for before, after in zip(p_values, adjusted, strict=True))
    ranked = [after for _, after in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


@BOTH
def test_nothing_to_adjust(adjust):
    assert adjust([]) == []
    assert adjust([0.03]) == [0.03]
    assert all(math.isnan(value) for value in adjust([math.nan, np.float32("nan")]))


@BOTH
def test_numpy_arrays_are_taken(adjust):
    assert adjust(np.array([0.01, 0.5])) == pytest.approx([0.02, 0.5])


@BOTH
@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf, "small", None])
def test_values_that_are_no_p_values(adjust, value):
    with pytest.raises(ValueError, match=r"p_values\[1\]"):
        adjust([0.5, value])


def test_holm_is_never_weaker_than_bonferroni():
    p_values = [0.004, 0.012, 0.02, 0.4]
    assert all(h <= 4 * p for h, p in zip(stats.holm(p_values), p_values, strict=True))
