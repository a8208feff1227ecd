"""The books of a session add up, or it says that they do not."""

from __future__ import annotations

import pytest

from pytest_gptoss import Benchmark, Item, scorers
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Completion, Outcome, Sampling, Score
from pytest_gptoss.run.audit import audit
from pytest_gptoss.run.group import Group, Result

SUMS = Benchmark(
    name="sums",
    rows=[{"n": n} for n in range(4)],
    item=lambda row: Item(prompt=f"{row['n']} + 1", target=row["n"] + 1),
    scorer=scorers.number(),
)


@pytest.fixture
def group() -> Group:
    """Four items, all answered rightly and counted."""
    group = Group(
        spec=ModelSpec(name="m", source="m"),
        benchmark=SUMS,
        table=SUMS.open(),
        ids=["0", "1", "2", "3"],
        sampling=Sampling(),
    )
    for row in range(4):
        ticket = group.ticket(row)
        score = Score(value=1.0, outcome=Outcome.CORRECT)
        group.tally.count(Completion(final="x"), score, 0.0)
        ticket.settle(0, Result(score, 0, 1))
        group.tickets.append(ticket)
    return group


def test_books_that_add_up(group: Group) -> None:
    assert audit([group], stopped=False) == []


def test_a_missing_answer_is_a_fault_unless_the_session_was_stopped(group: Group) -> None:
    ticket = group.ticket(0)
    group.tickets.append(ticket)
    assert audit([group], stopped=True) == []
    (fault,) = audit([group], stopped=False)
    assert fault.startswith("sums on m: 1 of the 5 selected answers are missing")


def test_an_answer_that_was_counted_twice(group: Group) -> None:
    group.tally.count(Completion(final="x"), Score(value=1.0, outcome=Outcome.CORRECT), 0.0)
    (fault,) = audit([group], stopped=False)
    assert fault.startswith("sums on m: 4 answers have a result and 5 were counted")


def test_an_error_that_was_counted_as_an_answer(group: Group) -> None:
    group.tickets[0].results[0].error = "no server"  # type: ignore[union-attr]
    assert audit([group], stopped=False) == ["sums on m: an error was counted as an answer"]
