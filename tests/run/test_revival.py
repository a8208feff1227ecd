"""An engine whose process dies: replaced once, its requests asked again, then the end."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_gptoss import Benchmark, Item, scorers
from pytest_gptoss.engines import Request
from pytest_gptoss.engines.telemetry import Placement
from pytest_gptoss.errors import EngineDiedError, EngineError, GptossError
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Completion, Outcome, Sampling
from pytest_gptoss.run.group import Group
from pytest_gptoss.run.journal import Journal, JournalRecord, read_journal
from pytest_gptoss.run.scheduler import Batch, Scheduler

SPEC = ModelSpec(name="mortal", source="mortal")
ROWS = 40
SUMS = Benchmark(
    name="sums",
    rows=[{"n": n} for n in range(ROWS)],
    item=lambda row: Item(prompt=f"{row['n']} + 1", target=row["n"] + 1),
    scorer=scorers.number(),
)


class Mortal:
    """An engine that adds, and dies when it has answered so many requests.

    As with a real one, those in flight learn of the death one after another, and who has not when
    it is closed learns of the closing instead, for which the closing waits. What it is asked is
    remembered.
    """

    spec = SPEC
    concurrency = 8
    placement = Placement(elsewhere="it is scripted", generates=False)

    def __init__(self, life: int | None, open_s: float = 0.0) -> None:
        self.life = life
        self.open_s = open_s
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.closed = asyncio.Event()
        self.inside = 0

    async def open(self) -> None:
        await asyncio.sleep(self.open_s)

    async def generate(self, request: Request) -> Completion:
        self.inside += 1
        try:
            return await self._answer(request)
        finally:
            self.inside -= 1

    async def _answer(self, request: Request) -> Completion:
        place = len(self.asked)
        self.asked.append(request.item_id)
        await asyncio.sleep(0.002)
        if self.life is not None and place >= self.life:
            if place == self.life:
                raise EngineDiedError("the engine has died: out of memory")
            await self.closed.wait()
            raise EngineError("the engine is closed")
        self.answered.append(request.item_id)
        left, _, right = request.messages[-1].content.partition(" + ")
        return Completion(final=str(int(left) + int(right)), finish_reason="stop")

    async def close(self) -> None:
        self.closed.set()
        while self.inside:
            await asyncio.sleep(0)

    def facts(self) -> dict[str, Any]:
        return {"engine": "mortal", "version": None}


class Unborn(Mortal):
    """An engine that cannot be started."""

    async def open(self) -> None:
        raise EngineError("no memory is left")


def run(
    folder: Path, *engines: Callable[[], Mortal], timeout_s: float | None = None, rows: int = ROWS
) -> tuple[Group, list[Mortal], Scheduler]:
    """Run the sums on one engine after another; returns when every item has ended."""
    made: list[Mortal] = []

    def make(_: ModelSpec) -> Any:
        made.append(engines[len(made)]())
        return made[-1]

    table = SUMS.open()
    group = Group(spec=SPEC, benchmark=SUMS, table=table, ids=SUMS.ids(table), sampling=Sampling())
    group.tickets = [group.ticket(row) for row in range(rows)]
    journal = Journal(folder / "journal.jsonl")
    scheduler = Scheduler(make, journal, timeout_s=timeout_s)
    scheduler.start([Batch(SPEC, [group])])
    limit = time.monotonic() + 60
    for ticket in group.tickets:
        assert scheduler.wait(ticket, max(0.0, limit - time.monotonic())), "an item never ended"
    scheduler.stop()
    journal.release()
    return group, made, scheduler


def journalled(folder: Path) -> list[str]:
    lines = (folder / "journal.jsonl").read_text().splitlines()[1:]
    return [record["item_id"] for record in map(json.loads, lines) if "item_id" in record]


def errors(folder: Path) -> dict[str, str]:
    """The errors that the journal holds, by item."""
    return {
        record.item_id: record.completion.error
        for record, *_ in read_journal(folder / "journal.jsonl")
        if isinstance(record, JournalRecord) and record.completion.error is not None
    }


@pytest.mark.parametrize("life", [0, 1, 7, 20, ROWS - 1])
def test_a_dead_engine_is_replaced_and_nothing_is_lost_or_done_twice(
    tmp_path: Path, life: int
) -> None:
    group, (first, second), scheduler = run(tmp_path, lambda: Mortal(life), lambda: Mortal(None))
    assert group.tally.outcomes == {Outcome.CORRECT: ROWS}
    assert sorted(journalled(tmp_path), key=int) == [str(n) for n in range(ROWS)]
    assert first.closed.is_set()
    assert not set(first.answered) & set(second.asked)
    interrupted = len(first.asked) - len(first.answered)
    assert sorted([*first.answered, *second.answered], key=int) == [str(n) for n in range(ROWS)]
    (note,) = scheduler.notes
    assert note.startswith("the engine has died: out of memory; it was started again, which took")
    assert note.endswith(f"and asked again what was in flight ({interrupted})")


def test_a_second_death_ends_the_rest_with_its_last_words(tmp_path: Path) -> None:
    group, engines, scheduler = run(tmp_path, lambda: Mortal(10), lambda: Mortal(10))
    assert len(engines) == 2
    assert group.tally.outcomes == {Outcome.CORRECT: 20, Outcome.ERROR: ROWS - 20}
    assert group.tally.done == ROWS
    assert set(errors(tmp_path).values()) == {
        "the engine has died: out of memory; it had died before and was not started a third time"
    }
    assert len(scheduler.notes) == 1
    # Nothing was asked of it once it was known to be dead for good.
    assert len(engines[1].asked) <= 10 + Mortal.concurrency


def test_an_engine_that_cannot_start_again_ends_the_rest(tmp_path: Path) -> None:
    group, _, scheduler = run(tmp_path, lambda: Mortal(10), lambda: Unborn(None))
    assert group.tally.outcomes == {Outcome.CORRECT: 10, Outcome.ERROR: ROWS - 10}
    assert errors(tmp_path)[str(ROWS - 1)] == (
        "the engine has died: out of memory; it could not be started again: no memory is left"
    )
    assert scheduler.notes == []


def test_the_time_of_an_item_does_not_run_while_the_engine_starts(tmp_path: Path) -> None:
    group, _, _ = run(tmp_path, lambda: Mortal(10), lambda: Mortal(None, open_s=4.0), timeout_s=3.0)
    assert group.tally.outcomes == {Outcome.CORRECT: ROWS}


def test_a_test_that_talks_to_the_model_survives_its_engines_death_too(tmp_path: Path) -> None:
    engines = iter([Mortal(3), Mortal(None)])
    scheduler = Scheduler(lambda _: next(engines), None)  # type: ignore[arg-type]
    scheduler.start()
    from pytest_gptoss.records import Message

    conversations = [(Message("user", f"{n} + 1"),) for n in range(12)]
    ask = scheduler.chat(SPEC, conversations, sampling=Sampling(), instructions=None, effort=None)
    replies = scheduler.ask(ask).result(30)
    assert [reply.final for reply in replies] == [str(n + 1) for n in range(12)]
    assert len(scheduler.notes) == 1
    scheduler.stop()


def test_stopping_while_the_engine_starts_again_ends_at_once(tmp_path: Path) -> None:
    engines = iter([Mortal(3), Mortal(None, open_s=600)])
    made: list[Mortal] = []

    def make(_: ModelSpec) -> Any:
        made.append(next(engines))
        return made[-1]

    table = SUMS.open()
    group = Group(spec=SPEC, benchmark=SUMS, table=table, ids=SUMS.ids(table), sampling=Sampling())
    group.tickets = [group.ticket(row) for row in range(ROWS)]
    journal = Journal(tmp_path / "journal.jsonl")
    scheduler = Scheduler(make, journal)
    scheduler.start([Batch(SPEC, [group])])
    limit = time.monotonic() + 30
    while len(made) < 2 and time.monotonic() < limit:
        time.sleep(0.01)
    assert scheduler.opening == "mortal"
    begin = time.monotonic()
    scheduler.stop()
    assert time.monotonic() - begin < 20
    journal.release()
    assert made[1].closed.is_set()
    assert group.tally.outcomes == {Outcome.CORRECT: 3}
    with pytest.raises((GptossError, StopIteration)):
        make(SPEC)
