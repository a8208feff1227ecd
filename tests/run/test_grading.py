"""What is decided before a scorer is asked."""

import math
from typing import Any

import pytest

from pytest_gptoss import Completion, Item, Outcome, Score, scorers
from pytest_gptoss.run.grading import grade

ITEM = Item("2 + 2", 4)


class NeverAsked:
    name, version = "never", "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        raise AssertionError("the scorer must not see this completion")


@pytest.mark.parametrize(
    ("completion", "outcome"),
    [
        (Completion(final="Answer: 4", finish_reason="length"), Outcome.TRUNCATED),
        (Completion(final="Answer: 4", malformed="two finals"), Outcome.MALFORMED),
        (Completion(final="Answer: 4", finish_reason="timeout"), Outcome.TIMEOUT),
        (Completion(final="Answer: 4", error="connection reset"), Outcome.ERROR),
        (Completion(final=""), Outcome.NO_ANSWER),
        (Completion(final=" \n ", reasoning="4"), Outcome.NO_ANSWER),
    ],
)
def test_only_whole_completions_are_scored(completion: Completion, outcome: Outcome) -> None:
    score = grade(ITEM, completion, NeverAsked())
    assert score.outcome is outcome
    assert score.value == 0.0
    assert score.extracted is None


def test_whole_completions_are_scored() -> None:
    assert grade(ITEM, Completion(final="Answer: 4"), scorers.number()).correct
    assert not grade(ITEM, Completion(final="Answer: 5"), scorers.number()).correct


def test_an_item_that_could_not_be_built_is_an_error() -> None:
    score = grade(None, Completion(error="no target"), scorers.number())
    assert score.outcome is Outcome.ERROR


def of(score: Any) -> Any:
    """A scorer that makes the same of everything."""
    return lambda item, completion: score


@pytest.mark.parametrize(
    ("score", "words"),
    [
        (True, "returned bool and no Score"),
        (None, "returned NoneType and no Score"),
        (0.5, "returned float and no Score"),
        (Score(value=5.0, outcome=Outcome.CORRECT), "gave 5.0, which is no score in [0, 1]"),
        (Score(value=math.nan, outcome=Outcome.CORRECT), "gave nan, which is no score in [0, 1]"),
        (Score(value=None, outcome=Outcome.CORRECT), "gave None, which is no score in [0, 1]"),  # type: ignore[arg-type]
        (Score(value=1.0, outcome="right"), "gave 'right' for an Outcome"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_score_is_an_error_that_says_so(score: Any, words: str) -> None:
    completion = Completion(final="Answer: 4")
    assert grade(ITEM, completion, of(score)) == Score(value=0.0, outcome=Outcome.ERROR)
    assert completion.error is not None
    assert completion.error.startswith(f"the scorer function {words}; ")
    assert "\n" not in completion.error


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.3, 1.0000000000000002])
def test_a_score_is_any_number_from_0_to_1(value: float) -> None:
    score = Score(value=value, outcome=Outcome.CORRECT)
    assert grade(ITEM, Completion(final="Answer: 4"), of(score)) is score
