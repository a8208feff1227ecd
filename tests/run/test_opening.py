"""An engine that cannot open ends the work, and whoever looks while it ends is told so."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from pytest_gptoss import Benchmark, Item, scorers
from pytest_gptoss.engines.telemetry import Placement
from pytest_gptoss.errors import EngineError, UsageError
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Sampling
from pytest_gptoss.run.group import Group
from pytest_gptoss.run.host import EngineHost
from pytest_gptoss.run.journal import Journal
from pytest_gptoss.run.scheduler import Batch, Scheduler

SPEC = ModelSpec(name="absent", source="absent")
SUMS = Benchmark(
    name="sums",
    rows=[{"n": 1}],
    item=lambda row: Item(prompt=f"{row['n']} + 1", target=row["n"] + 1),
    scorer=scorers.number(),
)


class Absent:
    """An engine behind which nobody is; ``open_s`` is how long it takes to find that out."""

    spec = SPEC
    concurrency = 1
    placement = Placement(elsewhere="it is scripted", generates=False)

    def __init__(self, open_s: float) -> None:
        self.open_s = open_s

    async def open(self) -> None:
        await asyncio.sleep(self.open_s)
        raise UsageError("nobody answers")

    async def close(self) -> None:
        pass


def started(folder: Path, open_s: float, session_timeout_s: float | None = None) -> Scheduler:
    def make(_: ModelSpec) -> Any:
        return Absent(open_s)

    table = SUMS.open()
    group = Group(spec=SPEC, benchmark=SUMS, table=table, ids=SUMS.ids(table), sampling=Sampling())
    group.tickets = [group.ticket(0)]
    scheduler = Scheduler(
        make, Journal(folder / "journal.jsonl"), session_timeout_s=session_timeout_s
    )
    scheduler.start([Batch(SPEC, [group])])
    return scheduler


@pytest.mark.parametrize("open_s", [0.0, 0.25])
@pytest.mark.parametrize("close_s", [0.0, 0.5])
def test_an_engine_that_cannot_open_is_never_taken_for_an_open_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_s: float, close_s: float
) -> None:
    # Between the failure and its being told much can happen: here the waiting thread looks again.
    async def slowly(host: EngineHost) -> None:
        await asyncio.sleep(close_s)

    monkeypatch.setattr(EngineHost, "close", slowly)
    scheduler = started(tmp_path, open_s)
    try:
        with pytest.raises(UsageError, match="nobody answers"):
            scheduler.wait_until_open(lambda: None)
    finally:
        scheduler.stop()


def test_who_asks_while_it_ends_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal_closes, told = threading.Event(), threading.Event()
    close = Journal.close

    def slowly(journal: Journal) -> None:
        if threading.current_thread() is not threading.main_thread():
            journal_closes.set()
            told.wait(60)
        close(journal)

    monkeypatch.setattr(Journal, "close", slowly)
    scheduler = started(tmp_path, open_s=0.0)
    try:
        assert journal_closes.wait(60)
        assert not scheduler.ended
        with pytest.raises(EngineError, match="nothing more is asked"):
            scheduler.ask(asyncio.sleep(0))
        scheduler.release(SPEC.label)
    finally:
        told.set()
        scheduler.stop()


def test_time_that_runs_out_meanwhile_is_not_waited_for_any_longer(tmp_path: Path) -> None:
    scheduler = started(tmp_path, open_s=3600, session_timeout_s=0.1)
    try:
        scheduler.wait_until_open(lambda: None)
        assert scheduler.over is not None
    finally:
        scheduler.stop()
