"""Figures of a group."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.run.group import Tally
from pytest_gptoss.run.results import percentiles

np = pytest.importorskip("numpy")


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_percentiles_are_numpys(latencies: list[float]) -> None:
    tally = Tally()
    tally.latencies.extend(latencies)
    ours = percentiles(tally)
    for name, q in (("p50", 50), ("p90", 90), ("p99", 99)):
        assert ours[name] == pytest.approx(float(np.percentile(latencies, q)))


def test_percentiles_of_nothing_are_unknown() -> None:
    assert percentiles(Tally()) == {"p50": None, "p90": None, "p99": None}


@given(st.lists(st.sampled_from(list(Outcome)), max_size=60))
def test_the_outcomes_always_add_up(outcomes: list[Outcome]) -> None:
    tally = Tally()
    for outcome in outcomes:
        value = 1.0 if outcome is Outcome.CORRECT else 0.0
        tally.count(Completion(completion_tokens=3), Score(value=value, outcome=outcome), 0.0)
    assert tally.done == len(outcomes)
    assert tally.scored == len(outcomes) - outcomes.count(Outcome.ERROR)
    assert tally.score_sum == outcomes.count(Outcome.CORRECT)
    assert tally.completion_tokens == 3 * tally.scored
