import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from pytest_gptoss.stats.spending import ExactBoundary, critical_values, spent


def test_little_is_spent_early():
    assert spent(0.0, 0.05) == 0.0
    assert spent(1.0, 0.05) == pytest.approx(0.05)
    assert spent(0.5, 0.05) == pytest.approx(0.05 * (1 - math.e) / (1 - math.e**2))
    assert spent(0.2, 0.05) == pytest.approx(0.05 * (1 - math.exp(0.4)) / (1 - math.exp(2)))


def stopped_by(positions, n, alpha):
    """Chance of having stopped after each item, by playing all sequences of coin flips."""
    boundary = ExactBoundary(n, alpha)
    limits, reported = [], []
    for item in range(n):
        boundary.advance(discordant=item in positions)
        limits.append(boundary.stopping_losses)
        reported.append(boundary.error_spent)
    stopped = np.zeros(n)
    for flips in itertools.product((0, 1), repeat=len(positions)):
        outcome = dict(zip(sorted(positions), flips, strict=True))
        losses = 0
        for item in range(n):
            losses += outcome.get(item, 0)
            if losses >= limits[item]:
                stopped[item:] += 0.5 ** len(positions)
                break
    return stopped, reported


@given(st.sets(st.integers(0, 29), max_size=9), st.sampled_from([0.05, 0.2, 0.6]))
def test_the_error_spent_is_exact_and_within_the_budget(positions, alpha):
    stopped, reported = stopped_by(positions, 30, alpha)
    assert reported == pytest.approx(stopped, abs=1e-12)
    budget = [spent((item + 1) / 30, alpha) for item in range(30)]
    assert np.all(stopped <= np.array(budget) + 1e-12)


def test_the_boundary_is_the_smallest_that_the_budget_allows():
    n, alpha = 40, 0.05
    boundary = ExactBoundary(n, alpha)
    for item in range(n):
        before = boundary.error_spent
        boundary.advance(discordant=True)
        allowed = spent((item + 1) / n, alpha)
        # Stopping at one loss fewer would spend that count's chance too.
        one_fewer = float(boundary._live[boundary.stopping_losses - 1])
        assert before <= boundary.error_spent <= allowed
        assert boundary.error_spent + one_fewer > allowed


def test_discordance_in_every_item_of_a_long_run():
    boundary = ExactBoundary(3000, 0.05)
    for _ in range(3000):
        boundary.advance(discordant=True)
    assert 0.04 < boundary.error_spent <= 0.05
    fixed = scipy_stats.binom.isf(0.05, 3000, 0.5) + 1
    assert fixed < boundary.stopping_losses < fixed + 60


def test_published_bounds():
    # Three equal looks at one-sided 2.5 % with gamma = -4: the default design of the R package
    # gsDesign prints 3.01, 2.55 and 2.00.
    assert critical_values((1 / 3, 2 / 3, 1.0), 0.025, -4.0) == pytest.approx(
        (3.0107, 2.5465, 1.9992), abs=1e-4
    )


def test_one_look_is_the_fixed_test():
    assert critical_values((1.0,), 0.05) == pytest.approx((scipy_stats.norm.isf(0.05),))


@pytest.mark.parametrize("shares", [(0.5, 1.0), (0.2, 0.9, 1.0)])
def test_bounds_spend_what_they_should(shares):
    alpha = 0.04
    values = critical_values(shares, alpha)
    covariance = [[math.sqrt(min(s, t) / max(s, t)) for s in shares] for t in shares]
    for looks in range(1, len(shares) + 1):
        part = [row[:looks] for row in covariance[:looks]]
        inside = scipy_stats.multivariate_normal.cdf(values[:looks], cov=part, abseps=1e-8)
        assert 1 - inside == pytest.approx(spent(shares[looks - 1], alpha), abs=1e-5)


def test_twenty_looks_by_simulation():
    shares = tuple(k / 20 for k in range(1, 21))
    values = np.array(critical_values(shares, 0.04))
    steps = np.random.default_rng(1).normal(scale=math.sqrt(0.05), size=(100_000, 20))
    z = steps.cumsum(axis=1) / np.sqrt(shares)
    crossed = (z >= values).any(axis=1).mean()
    assert crossed == pytest.approx(0.04, abs=4 * math.sqrt(0.04 * 0.96 / 100_000))
    assert np.all(np.diff(values) < 0)
