"""From a completion to a counted result: scored, journalled, and only then counted."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

import msgspec

from pytest_gptoss.run.answering import tasks
from pytest_gptoss.run.grading import grade
from pytest_gptoss.run.group import Result
from pytest_gptoss.run.journal import JournalRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_gptoss.records import Completion
    from pytest_gptoss.run.earlier import Place, Recall
    from pytest_gptoss.run.group import Group, Ticket
    from pytest_gptoss.run.journal import Journal

__all__ = ["Counter"]

# How many earlier completions are scored at once; it matters where scoring runs code.
_SCORERS = 8


class Counter:
    """Counts completions once they are on disk.

    Args:
        journal: Where they go.
        recall: What an earlier session was answered, which is scored and not asked again.
        tell: Is called after a completion was counted that was on disk already.
    """

    def __init__(self, journal: Journal, recall: Recall | None, tell: Callable[[], None]) -> None:
        self._journal = journal
        self._recall = recall
        self._tell = tell
        self._lock = threading.Lock()
        self.closing = False
        """Whether engines are being stopped, so that a missing answer is no error."""

    def recalled(self, ticket: Ticket, repeat: int) -> Place | None:
        """Where the completion of a repeat stands in an earlier session's journal."""
        return None if self._recall is None else self._recall.place(ticket, repeat)

    async def count(
        self, ticket: Ticket, repeat: int, completion: Completion, place: Place | None = None
    ) -> None:
        """Score a completion, journal it, and count it once it is on disk.

        Args:
            ticket: The item.
            repeat: The 0-based number of the repeat.
            completion: What was answered.
            place: Where it stands in the journal already.
        """
        if self.closing and completion.error is not None:
            return  # an engine that stops as it was told to has no answer, and that is no error
        group = ticket.group
        scorer = group.benchmark.scorer
        # That a scorer failed is no part of the answer, which a mended one will score.
        graded = msgspec.structs.replace(completion)
        if getattr(scorer, "blocking", False):
            # Code that runs in a sandbox takes its time; others go on generating meanwhile.
            score = await asyncio.to_thread(grade, ticket.item, graded, scorer)
        else:
            score = grade(ticket.item, graded, scorer)
        earlier = self.recalled(ticket, repeat) is not None

        def counted(offset: int, length: int) -> None:
            # The journal's thread counts what is new, the scheduler's what an earlier one wrote.
            with self._lock:
                group.tally.count(graded, score, time.perf_counter(), earlier=earlier)
                ticket.settle(repeat, Result(score, offset, length, graded.error))

        if place is not None:
            counted(*place)
            self._tell()
            return
        self._journal.append(
            JournalRecord(
                model=group.spec.label,
                benchmark=group.benchmark.name,
                item_id=ticket.item_id,
                item_hash=ticket.item_hash,
                repeat=repeat,
                completion=completion,
            ),
            counted,
        )

    async def count_recalled(self, groups: Sequence[Group]) -> None:
        """Score what an earlier session was answered, while this one generates what is missing."""
        if self._recall is None:
            return
        recall = self._recall
        work = tasks(groups)

        async def run() -> None:
            for ticket, repeat in work:
                place = recall.place(ticket, repeat)
                if place is None:
                    continue
                completion = recall.earlier.completion(place)
                if completion.error is None:
                    ticket.build()
                await self.count(ticket, repeat, completion, place if recall.in_place else None)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as scorers:
            for _ in range(_SCORERS):
                scorers.create_task(run())
