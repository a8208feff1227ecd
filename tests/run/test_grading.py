"""What is decided before a scorer is asked."""

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
