"""`Response`: one item's scored completions, as its test sees them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import pytest

from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.benchmark import Item
    from pytest_gptoss.records import Completion, Score
    from pytest_gptoss.run.group import Ticket
    from pytest_gptoss.run.journal import JournalRecord

__all__ = ["Response"]

# With repeats, an item is shown as the worst of what happened to it.
_WORST_FIRST = (
    Outcome.ERROR,
    Outcome.TIMEOUT,
    Outcome.MALFORMED,
    Outcome.TRUNCATED,
    Outcome.NO_ANSWER,
    Outcome.REFUSED,
    Outcome.INCORRECT,
    Outcome.CORRECT,
)


class Response:
    """One item's completions and scores.

    Args:
        ticket: The item, all of its repeats answered.
        read: Reads the record at an offset of the journal, of a length; called when a test asks
            for a text.
        strict: Whether `check` fails on anything that is not correct.
    """

    def __init__(
        self, ticket: Ticket, read: Callable[[int, int], JournalRecord], *, strict: bool
    ) -> None:
        self._ticket = ticket
        self._results = [result for result in ticket.results if result is not None]
        self._read = read
        self.model: str = ticket.group.spec.label
        self.benchmark: str = ticket.group.benchmark.name
        self.item_id: str = ticket.item_id
        self.scores: list[Score] = [result.score for result in self._results]
        self._strict = strict

    def __repr__(self) -> str:
        return f"<Response {self.model} {self.benchmark} {self.item_id}: {self.outcome.value}>"

    @cached_property
    def item(self) -> Item:
        """What was asked, built from its row."""
        return self._ticket.group.benchmark.build(self._ticket.group.table[self._ticket.row])

    @cached_property
    def completions(self) -> list[Completion]:
        """One completion for each repeat."""
        return [self._read(result.offset, result.length).completion for result in self._results]

    @property
    def completion(self) -> Completion:
        """The first completion; the only one without ``--gptoss-repeats``."""
        return self.completions[0]

    @property
    def final(self) -> str:
        """The text of the first completion's final channel."""
        return self.completion.final

    @property
    def reasoning(self) -> str | None:
        """The text of the first completion's reasoning channel."""
        return self.completion.reasoning

    @property
    def score(self) -> float:
        """The mean score over the repeats, in 0..1."""
        return sum(score.value for score in self.scores) / len(self.scores)

    @property
    def outcome(self) -> Outcome:
        """The class of the item; the worst one over the repeats."""
        seen = {score.outcome for score in self.scores}
        return next(outcome for outcome in _WORST_FIRST if outcome in seen)

    @property
    def correct(self) -> bool:
        """Whether every repeat is right."""
        return self.outcome is Outcome.CORRECT

    def check(self) -> None:
        """Settle the test: nothing happens for a wrong answer, unless ``--gptoss-strict-items``.

        A benchmark is expected to contain wrong answers, so they are an outcome class of their own
        and not failures; what fails a session is a regression as a whole.
        """
        __tracebackhide__ = True
        if self._strict and not self.correct:
            pytest.fail(self._why(), pytrace=False)

    def _why(self) -> str:
        worst = next(score for score in self.scores if score.outcome is self.outcome)
        if reason := worst.detail.get("reason"):
            # A program and its test would fill the screen; how it ended says more.
            return f"{self.outcome.value}: {reason} ({self.model}, {self.benchmark} {self.item_id})"
        return (
            f"{self.outcome.value}: {self.model} answered {worst.extracted!r}, "
            f"expected {self.item.target!r} ({self.benchmark} item {self.item_id})"
        )
