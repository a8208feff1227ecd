import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_gptoss import stats
from pytest_gptoss.stats.power import noninferiority_items


def enumerated_power(n: int, discordance: float, drop: float, alpha: float) -> float:
    """Add up the trinomial distribution over every table, with the test itself as the judge."""
    total = 0.0
    weights = scipy_stats.binom.pmf(np.arange(n + 1), n, discordance)
    for m in range(n + 1):
        chances = scipy_stats.binom.pmf(np.arange(m + 1), m, (1 + drop / discordance) / 2)
        for b in range(m + 1):
            if stats.mcnemar(b, m - b, alternative="regression").p_value <= alpha:
                total += weights[m] * chances[b:].sum()
                break
    return total


@pytest.mark.parametrize(
    ("n", "discordance", "drop", "alpha"),
    [
        (1, 1.0, 1.0, 0.05),
        (12, 0.5, 0.3, 0.05),
        (60, 0.1, 0.1, 0.05),
        (60, 1.0, 0.2, 0.05),
        (164, 0.1, 0.05, 0.05),
        (164, 0.1, 0.05, 0.01),
        (164, 0.3, 0.0, 0.05),
        (164, 0.2, -0.05, 0.05),
        (40, 0.02, 0.02, 0.6),
    ],
)
def test_exact_power_by_enumeration(n, discordance, drop, alpha):
    expected = enumerated_power(n, discordance, drop, alpha)
    assert stats.paired_power(n, discordance, drop, alpha=alpha) == pytest.approx(
        expected, abs=1e-12
    )


@pytest.mark.parametrize(
    ("n", "discordance", "drop", "expected"),
    [(164, 0.1, 0.05, 0.66), (164, 0.1, 0.03, 0.33), (1319, 0.1, 0.02, 0.743)],
)
def test_power_at_benchmark_sizes(n, discordance, drop, expected):
    assert stats.paired_power(n, discordance, drop) == pytest.approx(expected, abs=0.005)


def test_power_by_simulation():
    rng = np.random.default_rng(3)
    b, c, _ = rng.multinomial(500, [0.065, 0.035, 0.9], size=4000).T
    found = [
        stats.mcnemar(x, y, alternative="regression").p_value <= 0.05
        for x, y in zip(b, c, strict=True)
    ]
    expected = stats.paired_power(500, 0.1, 0.03)
    assert np.mean(found) == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))


# Items needed at one-sided 5 % and 80 % power, by discordance (2, 5, 10, 15 %): Connor 1987.
NEEDED = {
    0.01: (1235, 3090, 6181, 9272),
    0.02: (308, 771, 1544, 2317),
    0.03: (None, 342, 685, 1029),
    0.05: (None, 122, 246, 369),
}


@pytest.mark.parametrize("drop", NEEDED)
def test_items_needed_by_connor(drop):
    for discordance, expected in zip((0.02, 0.05, 0.1, 0.15), NEEDED[drop], strict=True):
        if expected is None:
            with pytest.raises(ValueError, match="drop"):
                stats.required_items(discordance, drop, method="connor")
            continue
        assert stats.required_items(discordance, drop, method="connor") == expected
        exact = stats.required_items(discordance, drop)
        assert 0.88 * expected <= exact <= expected


# Smallest drop found with 80 % power, in points, at one-sided 5 %.
SMALLEST = {
    164: (None, 4.3, 6.1, 7.5),
    500: (1.6, 2.5, 3.5, 4.3),
    1319: (1.0, 1.5, 2.2, 2.6),
    14042: (0.3, 0.5, 0.7, 0.8),
}


@pytest.mark.parametrize("n", SMALLEST)
def test_smallest_drops(n):
    for discordance, expected in zip((0.02, 0.05, 0.1, 0.15), SMALLEST[n], strict=True):
        connor = stats.minimum_detectable_drop(n, discordance, method="connor")
        exact = stats.minimum_detectable_drop(n, discordance)
        if expected is None:
            assert connor is None
            assert exact is None
        else:
            assert 100 * connor == pytest.approx(expected, abs=0.051)
            assert 100 * exact == pytest.approx(expected, abs=0.2)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3000),
    st.floats(0.001, 1.0),
    st.sampled_from([0.01, 0.05, 0.2]),
    st.sampled_from([0.5, 0.8, 0.95]),
    st.sampled_from(["exact", "connor"]),
)
def test_the_smallest_drop_has_the_power_asked_for(n, discordance, alpha, power, method):
    smallest = stats.minimum_detectable_drop(
        n, discordance, alpha=alpha, power=power, method=method
    )
    at_most = stats.paired_power(n, discordance, discordance, alpha=alpha, method=method)
    if smallest is None:
        assert at_most < power
    else:
        reached = stats.paired_power(n, discordance, smallest, alpha=alpha, method=method)
        assert reached == pytest.approx(power, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 1.0),
    st.floats(0.1, 1.0),
    st.sampled_from([0.01, 0.05]),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_items_needed_are_enough_and_one_fewer_is_not(discordance, share, alpha, power):
    drop = discordance * share
    n = stats.required_items(discordance, drop, alpha=alpha, power=power)
    assert stats.paired_power(n, discordance, drop, alpha=alpha) >= power
    if n > 1:
        assert stats.paired_power(n - 1, discordance, drop, alpha=alpha) < power


@pytest.mark.parametrize("drop", [0.3, 0.7, 1.0])
@pytest.mark.parametrize("discordance", [0.9, 1.0])
def test_no_smaller_number_of_items_is_enough_on_the_saw_tooth(discordance, drop):
    if drop > discordance:
        drop = discordance
    n = stats.required_items(discordance, drop)
    powers = [stats.paired_power(k, discordance, drop) for k in range(1, n)]
    assert max(powers, default=0.0) < 0.8


@given(st.integers(1, 5000), st.floats(0.01, 1.0), st.floats(0.0, 1.0))
def test_power_grows_with_the_drop(n, discordance, share):
    drop = share * discordance
    smaller = stats.paired_power(n, discordance, drop / 2)
    larger = stats.paired_power(n, discordance, drop)
    assert 0.0 <= smaller <= larger + 1e-12 <= 1.0 + 2e-12


def test_connor_is_close_where_it_takes_over():
    exact = stats.minimum_detectable_drop(100_000, 0.1)
    connor = stats.minimum_detectable_drop(100_000, 0.1, method="connor")
    assert exact == pytest.approx(connor, abs=1e-6)
    above = stats.paired_power(100_001, 0.1, 0.002)
    assert above == stats.paired_power(100_001, 0.1, 0.002, method="connor")
    assert above == pytest.approx(stats.paired_power(100_000, 0.1, 0.002), abs=1e-3)


def test_huge_runs():
    assert stats.required_items(0.1, 0.0001) == pytest.approx(61_825_571, rel=1e-3)
    assert stats.minimum_detectable_drop(10**12, 0.1) == pytest.approx(7.86e-7, rel=1e-2)


def test_no_discordance_finds_nothing():
    assert stats.paired_power(1000, 0.0, 0.0) == 0.0
    assert stats.minimum_detectable_drop(1000, 0.0) is None


def test_everything_lost():
    assert stats.paired_power(100, 1.0, 1.0) == 1.0
    assert stats.paired_power(100, 1.0, 1.0, method="connor") == 1.0
    assert stats.paired_power(1, 1.0, 1.0, method="connor") == 0.0


def test_power_below_the_false_alarm_rate_needs_no_drop():
    assert stats.minimum_detectable_drop(1319, 0.1, alpha=0.05, power=0.04) == 0.0


def test_the_drop_may_equal_the_discordance_up_to_rounding():
    assert 0.1 + 0.2 > 0.3
    assert stats.paired_power(50, 0.3, 0.1 + 0.2) == stats.paired_power(50, 0.3, 0.3)


def test_planning_a_large_benchmark_takes_no_time():
    stats.minimum_detectable_drop(14042, 0.1)  # imports scipy
    started = time.process_time()
    for discordance in (0.021, 0.051, 0.101, 0.151):
        stats.minimum_detectable_drop(14042, discordance)
        stats.required_items(discordance, 0.0101)
    # Eight answers; about 0.1 s on an idle core.
    assert time.process_time() - started < 2.0


def test_items_to_rule_out_a_drop():
    assert noninferiority_items(0.0, 0.0, 0.03, 0.05, 0.8) == 88
    n = noninferiority_items(0.1, 0.0, 0.02, 0.05, 0.8)
    rng = np.random.default_rng(5)
    b, c, rest = rng.multinomial(n, [0.05, 0.05, 0.9], size=3000).T
    passed = [
        stats.noninferiority(r, x, y, 0, margin=0.02).noninferior
        for x, y, r in zip(b, c, rest, strict=True)
    ]
    assert np.mean(passed) == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize("drop", [0.0, -0.01, 0.2, math.nan])
def test_drops_that_no_number_of_items_finds(drop):
    with pytest.raises(ValueError, match="drop"):
        stats.required_items(0.1, drop)
