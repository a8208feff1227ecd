"""The progress while pytest waits: a line of its own on a terminal, plain lines in a log."""

import re
import time

import pytest

from pytest_gptoss.benchmark import Benchmark, Item
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Completion, Outcome, Sampling, Score
from pytest_gptoss.report.progress import Progress
from pytest_gptoss.run.group import Group
from pytest_gptoss.scorers import number


@pytest.fixture
def group() -> Group:
    benchmark = Benchmark(
        name="sums",
        rows=[{"a": n} for n in range(100)],
        item=lambda row: Item(prompt=str(row["a"]), target=row["a"]),
        scorer=number(),
    )
    table = benchmark.open()
    group = Group(
        ModelSpec(name="m", source="m"), benchmark, table, benchmark.ids(table), Sampling()
    )
    group.tickets = [group.ticket(row) for row in range(100)]
    return group


def answer(group: Group, count: int) -> None:
    group.tally.started = time.perf_counter() - 200.0
    for n in range(count):
        outcome = Outcome.CORRECT if n % 2 else Outcome.INCORRECT
        score = Score(value=float(n % 2), outcome=outcome)
        group.tally.count(Completion(completion_tokens=30), score, time.perf_counter())


def test_before_the_first_answer_it_says_what_it_waits_for(group: Group) -> None:
    progress = Progress([group])
    assert progress.line("gpt-oss-20b").startswith("gptoss: starting the engine of gpt-oss-20b")
    assert "waiting for the first answer" in progress.line(None)


def test_a_log_line_has_done_pace_accuracy_and_time_left(group: Group) -> None:
    progress = Progress([group])
    answer(group, 40)
    line = progress.line(None)
    assert "m sums · 40/100 (40 %)" in line
    assert "tok/s" in line
    assert "accuracy 50.0 %" in line
    assert re.search(r"\b5:0\d left", line), line


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_terminal_line_fits_its_terminal(group: Group, width: int) -> None:
    progress = Progress([group])
    answer(group, 40)
    line = progress.coloured(None, width=width, colour=False)
    assert "\n" not in line
    assert len(line) < width
