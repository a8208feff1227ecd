"""Repeated rounds of two measurements: the interval of their ratio, and the verdict."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_gptoss import stats

ROUNDS = st.lists(st.floats(50, 200), min_size=5, max_size=9)
STEADY = [100.0, 101.0, 99.0, 100.0, 102.0, 98.0]


def times(rounds: list[float], factor: float) -> list[float]:
    return [factor * value for value in rounds]


# --- the interval ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [5, 8, 20])
def test_agrees_with_student_where_noise_is_small(n):
    """Of logarithms, for which the ratio is a difference and Welch's interval is at hand."""
    rng = np.random.default_rng(n)
    before, after = np.exp(rng.normal(0, 0.01, n)), 1.1 * np.exp(rng.normal(0, 0.01, n))
    found = stats.ratio_of_rounds(before, after)
    student = scipy_stats.ttest_ind(np.log(after), np.log(before), equal_var=False)
    low, high = np.exp(student.confidence_interval(0.9))
    assert found.ratio == pytest.approx(1.1, rel=0.02)
    # The bootstrap takes the degrees of freedom of one side, and so is the wider one.
    assert found.high - found.low == pytest.approx(high - low, rel=0.35)
    assert found.high - found.low > 0.9 * (high - low)


@pytest.mark.parametrize("outliers", [0.0, 0.15], ids=["normal", "with outliers"])
def test_five_rounds_miss_no_more_often_than_promised(outliers):
    """Each limit of a 90 % interval may miss in 5 % of sessions; a plain percentile does in 9 %."""
    rng = np.random.default_rng(3)
    sessions = 400

    def rounds():
        slow = (rng.random(5) < outliers) * rng.exponential(0.15, 5)
        return np.exp(rng.normal(0, 0.03, 5) - slow)

    misses = np.zeros(2)
    for _ in range(sessions):
        found = stats.ratio_of_rounds(rounds(), rounds(), draws=499)
        misses += found.low > 1.0, found.high < 1.0
    # 5 % and three standard errors of 400 sessions.
    assert (misses / sessions < 0.05 + 3 * math.sqrt(0.05 * 0.95 / sessions)).all()


def test_noise_is_the_coefficient_of_variation_of_each_side():
    found = stats.ratio_of_rounds([90, 100, 110, 100, 100], [7, 7, 7, 7, 7, 7])
    assert found.noise == (pytest.approx(0.0707, abs=1e-4), 0.0)
    assert found.rounds == (5, 6)


def test_equal_rounds_have_no_width():
    found = stats.ratio_of_rounds([4.0] * 5, [5.0] * 5)
    assert (found.ratio, found.low, found.high) == (1.25, 1.25, 1.25)


@settings(max_examples=40, deadline=None)
@given(ROUNDS, ROUNDS, st.floats(1e-6, 1e9))
def test_units_do_not_matter(before, after, unit):
    plain = stats.ratio_of_rounds(before, after, draws=199)
    other = stats.ratio_of_rounds(times(before, unit), times(after, unit), draws=199)
    assert (other.ratio, other.low, other.high) == pytest.approx(
        (plain.ratio, plain.low, plain.high)
    )
    assert plain.low <= plain.ratio <= plain.high


# --- the verdict ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "more_is_better", "verdict"),
    [
        (1.0, True, "within-margin"),
        (0.98, True, "within-margin"),
        (0.9, True, "regressed"),
        (1.1, True, "improved"),
        (1.0, False, "within-margin"),
        (1.1, False, "regressed"),
        (0.9, False, "improved"),
        (0.95, True, "inconclusive"),  # at the margin
        (1.05, False, "inconclusive"),
        (1.03, True, "within-margin"),  # a gain that is no more than the margin
    ],
)
def test_verdict(factor, more_is_better, verdict):
    found = stats.speed_gate(STEADY, times(STEADY, factor), more_is_better=more_is_better)
    assert found.verdict == verdict
    assert found.loss == pytest.approx(1 - factor if more_is_better else factor - 1)
    assert found.low <= found.loss <= found.high


def test_a_noisy_machine_is_inconclusive_and_says_how_many_rounds_it_needs():
    noisy = [80.0, 120.0, 95.0, 70.0, 135.0]
    found = stats.speed_gate(noisy, noisy, more_is_better=True)
    assert found.verdict == "inconclusive"
    assert found.estimate.noise == (pytest.approx(0.271, abs=1e-3),) * 2
    assert found.rounds_needed is not None
    assert found.rounds_needed > 100
    # So many rounds, as noisy and as equal in the mean, do settle it.
    many = noisy * math.ceil(found.rounds_needed / 5)
    assert stats.speed_gate(many, many, more_is_better=True).verdict == "within-margin"


def test_what_two_sessions_are_known_to_differ_by_is_allowed_for():
    slower = times(STEADY, 0.92)
    assert stats.speed_gate(STEADY, slower, more_is_better=True).verdict == "regressed"
    allowed = stats.speed_gate(STEADY, slower, more_is_better=True, allowance=0.04)
    assert allowed.verdict == "inconclusive"
    # 8 % lost, 5 % tolerated, 4 % unknown: a thousand rounds would not tell.
    assert allowed.rounds_needed is None


def test_a_margin_of_nothing_takes_what_is_exactly_equal():
    same = stats.speed_gate([3.0] * 5, [3.0] * 5, more_is_better=False, margin=0.0)
    assert same.verdict == "within-margin"


@settings(max_examples=30, deadline=None)
@given(ROUNDS, ROUNDS, st.booleans(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_wider_margin_never_turns_a_pass_into_a_failure(before, after, more, one, other):
    narrow, wide = (
        stats.speed_gate(before, after, more_is_better=more, margin=margin).verdict
        for margin in sorted((one, other))
    )
    order = ["regressed", "inconclusive", "within-margin"]
    ranks = [order.index("within-margin" if v == "improved" else v) for v in (narrow, wide)]
    assert ranks[1] >= ranks[0]


@settings(max_examples=40, deadline=None)
@given(ROUNDS, ROUNDS, st.floats(0, 0.2))
def test_a_regression_is_never_an_improvement_the_other_way_up(before, after, margin):
    up = stats.speed_gate(before, after, more_is_better=True, margin=margin)
    down = stats.speed_gate(before, after, more_is_better=False, margin=margin)
    assert not (up.verdict == down.verdict == "regressed")
    assert not (up.verdict == down.verdict == "improved")


WRONG = {
    "baseline": [lambda: stats.ratio_of_rounds([1, 2, 3, 4], STEADY)],
    "candidate": [
        lambda: stats.ratio_of_rounds(STEADY, []),
        lambda: stats.ratio_of_rounds(STEADY, [1, 2, 3, 4, 0]),
        lambda: stats.ratio_of_rounds(STEADY, [1, 2, 3, 4, math.inf]),
    ],
    "draws": [lambda: stats.ratio_of_rounds(STEADY, STEADY, draws=0)],
    "seed": [lambda: stats.ratio_of_rounds(STEADY, STEADY, seed=-1)],
    "confidence": [lambda: stats.ratio_of_rounds(STEADY, STEADY, confidence=1.0)],
    "margin": [lambda: stats.speed_gate(STEADY, STEADY, more_is_better=True, margin=1.0)],
    "alpha": [lambda: stats.speed_gate(STEADY, STEADY, more_is_better=True, alpha=0.5)],
    "allowance": [lambda: stats.speed_gate(STEADY, STEADY, more_is_better=True, allowance=-0.1)],
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_by_name(name):
    for call in WRONG[name]:
        with pytest.raises(ValueError, match=name):
            call()
