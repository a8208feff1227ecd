import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import stats

SAMPLES = st.integers(1, 9).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))
)


@given(SAMPLES)
def test_it_is_the_share_of_choices_with_a_right_sample(case):
    n, c, k = case
    samples = [True] * c + [False] * (n - c)
    choices = [any(chosen) for chosen in itertools.combinations(samples, k)]
    assert stats.pass_at_k(n, c, k) == pytest.approx(sum(choices) / len(choices), abs=1e-15)


def test_one_try_is_the_share_of_right_samples():
    assert stats.pass_at_k(10, 3, 1) == 0.3


def test_more_tries_than_wrong_samples_always_succeed():
    assert stats.pass_at_k(200, 101, 100) == 1.0
    assert stats.pass_at_k(5, 0, 5) == 0.0


def test_many_samples():
    assert stats.pass_at_k(100_000, 10, 1000) == pytest.approx(1 - 0.99**10, rel=1e-3)


@pytest.mark.parametrize(
    ("n", "c", "k", "name"),
    [(0, 0, 1, "n"), (5, 6, 1, "c"), (5, 2, 6, "k"), (5, 2, 0, "k"), (5, 2.5, 1, "c")],
)
def test_arguments_are_named(n, c, k, name):
    with pytest.raises(ValueError, match=rf"^{name} "):
        stats.pass_at_k(n, c, k)
