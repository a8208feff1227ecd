import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.stats.betting import STAKES, confidence_limits, log_wealth, upper_limit

COUNTS = st.integers(0, 3000)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.floats(-0.9, 0.9))
def test_wealth_is_the_mean_of_products(b, c, ties, drop):
    stakes = STAKES / (1 - drop)
    product = (
        (1 - stakes * (1 - drop)) ** b
        * (1 + stakes * (1 + drop)) ** c
        * (1 + stakes * drop) ** ties
    )
    expected = math.log(product.mean())
    assert log_wealth(b, c, ties, drop) == pytest.approx(expected, rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("drop", [-0.3, 0.0, 0.02, 0.4])
def test_the_bet_is_fair_at_the_hypothesis(drop):
    # One item: the mean wealth over its three outcomes is 1 whatever the discordance.
    for discordance in (abs(drop), 0.5, 1.0):
        p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
        outcomes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        mean = sum(
            weight * math.exp(log_wealth(*outcome, drop))
            for weight, outcome in zip(p, outcomes, strict=True)
        )
        assert mean == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("margin", "alpha", "items"),
    [(0.03, 0.05, 149), (0.03, 0.01, 214), (0.01, 0.05, 453), (0.01, 0.01, 650)],
)
def test_items_until_identical_answers_rule_out_a_drop(margin, alpha, items):
    assert log_wealth(0, 0, items, margin) >= -math.log(alpha)
    assert log_wealth(0, 0, items - 1, margin) < -math.log(alpha)


@given(COUNTS, COUNTS, COUNTS, st.sampled_from([0.01, 0.05, 0.5]))
def test_limits_enclose_the_drop_and_mirror(b, c, ties, alpha):
    n = b + c + ties
    low, high = confidence_limits(b, c, ties, alpha)
    assert -1.0 <= low <= high <= 1.0
    if n:
        assert low <= (b - c) / n <= high
    assert confidence_limits(c, b, ties, alpha) == (-high, -low)


@given(COUNTS, COUNTS, COUNTS)
def test_the_limit_is_where_the_wealth_is_enough(b, c, ties):
    limit = upper_limit(b, c, ties, 0.05)
    if limit < 1.0:
        assert log_wealth(b, c, ties, limit) >= -math.log(0.05)
        assert log_wealth(b, c, ties, limit - 1e-9) < -math.log(0.05) + 1e-4
    else:
        assert c + ties == 0 or log_wealth(b, c, ties, 1 - 1e-9) < -math.log(0.05) + 1.0


def test_nothing_seen_says_nothing():
    assert confidence_limits(0, 0, 0, 0.05) == (-1.0, 1.0)


def test_huge_counts_do_not_overflow():
    low, high = confidence_limits(10**9, 2 * 10**9, 10**10, 0.05)
    assert low < -1 / 13 < high
    assert high - low < 0.01


@pytest.mark.parametrize(("discordance", "drop"), [(0.1, 0.0), (0.1, 0.05), (0.3, 0.02)])
def test_the_truth_is_inside_at_every_item_at_once(discordance, drop):
    rng = np.random.default_rng(4)
    runs, n, step = 300, 600, 10
    missed = 0
    p = [(discordance + drop) / 2, (discordance - drop) / 2, 1 - discordance]
    for _ in range(runs):
        counts = rng.multinomial(1, p, size=n).cumsum(axis=0)[step - 1 :: step]
        against_high = [log_wealth(b, c, ties, drop) for b, c, ties in counts]
        against_low = [log_wealth(c, b, ties, -drop) for b, c, ties in counts]
        missed += max(*against_high, *against_low) >= math.log(1 / 0.025)
    assert missed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
