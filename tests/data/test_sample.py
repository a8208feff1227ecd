"""The sample that a limit draws."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.data import sample


def test_it_is_the_same_everywhere() -> None:
    # Written down once: another machine, another Python, another day must draw these.
    assert sample([str(n) for n in range(1319)], 8, seed=0, name="gsm8k") == EIGHT_OF_GSM8K


EIGHT_OF_GSM8K = [111, 184, 511, 741, 840, 986, 1151, 1200]


@given(st.integers(1, 60), st.integers(1, 80), st.integers(0, 5))
def test_it_draws_without_replacement_in_row_order(total: int, limit: int, seed: int) -> None:
    drawn = sample([f"i{n}" for n in range(total)], limit, seed=seed, name="b")
    assert len(drawn) == min(total, limit)
    assert drawn == sorted(set(drawn))
    assert all(0 <= row < total for row in drawn)


@given(st.integers(2, 60), st.integers(0, 5))
def test_a_larger_limit_contains_a_smaller_ones_items(total: int, seed: int) -> None:
    ids = [f"i{n}" for n in range(total)]
    previous: set[int] = set()
    for limit in range(1, total + 1):
        drawn = set(sample(ids, limit, seed=seed, name="b"))
        assert previous <= drawn
        previous = drawn


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rng: random.Random) -> None:
    ids = [f"i{n}" for n in range(40)]
    shuffled = ids.copy()
    rng.shuffle(shuffled)
    one = {ids[row] for row in sample(ids, 10, seed=3, name="b")}
    other = {shuffled[row] for row in sample(shuffled, 10, seed=3, name="b")}
    assert one == other


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(1, 60))
def test_strata_get_their_shares_within_one(strata: list[str], limit: int) -> None:
    total = len(strata)
    drawn = sample([f"i{n}" for n in range(total)], limit, seed=0, name="b", strata=strata)
    assert len(drawn) == min(total, limit)
    for stratum in set(strata):
        share = strata.count(stratum) * min(limit, total) / total
        assert abs(sum(strata[row] == stratum for row in drawn) - share) < 1


def test_a_limit_under_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit must be at least 1"):
        sample(["a"], 0, seed=0, name="b")
