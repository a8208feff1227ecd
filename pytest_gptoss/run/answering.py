"""Answering items: the shared work, the solver's chat, and what becomes of a failure."""

from __future__ import annotations

import asyncio
import time
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from pytest_gptoss.engines.base import Request
from pytest_gptoss.errors import FatalEngineError, GptossError
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.records import Message, Sampling
    from pytest_gptoss.run.group import Group, Ticket
    from pytest_gptoss.run.revival import RevivingEngine

    Count = Callable[[Ticket, int, Completion], Awaitable[None]]

__all__ = ["Worker", "failed", "seeded", "tasks"]


class Worker:
    """Takes one request after the other off the shared work; `run` it as often as may be in flight.

    Args:
        engine: Answers; where it dies, a fresh one is asked again and the item's time begins anew.
        work: What is left to ask; shared by all who run.
        count: Is given each completion.
        seed: The session's seed, or ``None``.
        timeout_s: Wall-clock cap per item, in seconds.
    """

    def __init__(
        self,
        engine: RevivingEngine,
        work: Iterator[tuple[Ticket, int]],
        count: Count,
        *,
        seed: int | None,
        timeout_s: float | None,
    ) -> None:
        self._engine = engine
        self._work = work
        self._count = count
        self._seed = seed
        self._timeout_s = timeout_s
        self._dead: str | None = None

    async def run(self) -> None:
        """Answer and count until there is nothing left."""
        for ticket, repeat in self._work:
            tally = ticket.group.tally
            if tally.started is None:
                tally.started = time.perf_counter()
            await self._count(ticket, repeat, await self._answer(ticket, repeat))

    async def _answer(self, ticket: Ticket, repeat: int) -> Completion:
        """One completion, whatever happens: a failure is a completion that says why."""
        if self._dead is not None:
            return failed(self._dead)

        async def solve(engine: Engine) -> Completion:
            chat = _Chat(engine, ticket, repeat, self._seed)
            solver = ticket.group.benchmark.solver
            if self._timeout_s is None:
                return await solver(item, chat)
            started = time.perf_counter()
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await solver(item, chat)
            except TimeoutError:
                return Completion(
                    finish_reason="timeout", latency_s=round(time.perf_counter() - started, 6)
                )

        try:
            item = ticket.build()
            answer = await self._engine.run(solve)
            if not isinstance(answer, Completion):
                name, kind = ticket.group.benchmark.name, type(answer).__name__
                return failed(f"the solver of {name} returned {kind} and no Completion")
            return answer
        except FatalEngineError as error:
            self._dead = str(error)
            return failed(str(error))
        except GptossError as error:
            return failed(str(error))
        except Exception as error:  # a solver's own fault: its item's, not the session's
            name = ticket.group.benchmark.name
            return failed(f"the solver of {name} raised {type(error).__name__} ({error})")


class _Chat:
    """One chat turn of an item with its model."""

    __slots__ = ("_engine", "_repeat", "_sampling", "_ticket")

    def __init__(self, engine: Engine, ticket: Ticket, repeat: int, seed: int | None) -> None:
        self._engine = engine
        self._ticket = ticket
        self._repeat = repeat
        group = ticket.group
        self._sampling = seeded(group.sampling, seed, group.benchmark.name, ticket.item_id, repeat)

    async def __call__(
        self, messages: Sequence[Message], *, instructions: str | None = None
    ) -> Completion:
        ticket = self._ticket
        request = Request(
            messages=tuple(messages),
            sampling=self._sampling,
            instructions=instructions,
            effort=ticket.group.spec.effort,
            benchmark=ticket.group.benchmark.name,
            item_id=ticket.item_id,
            row=ticket.row,
            repeat=self._repeat,
        )
        return await self._engine.generate(request)


def tasks(groups: Sequence[Group]) -> Iterator[tuple[Ticket, int]]:
    """Every repeat of every ticket, in the order of the tests."""
    for group in groups:
        for ticket in group.tickets:
            for repeat in range(group.repeats):
                yield ticket, repeat


def failed(reason: str) -> Completion:
    """The completion of an item that the infrastructure could not answer."""
    return Completion(finish_reason="error", error=reason)


def seeded(
    sampling: Sampling, seed: int | None, benchmark: str, item_id: str, repeat: int
) -> Sampling:
    """Give each request a seed of its own, which does not depend on what else is asked."""
    if seed is None:
        return sampling
    digest = blake2b(f"{seed}\0{benchmark}\0{item_id}\0{repeat}".encode(), digest_size=4).digest()
    return msgspec.structs.replace(sampling, seed=int.from_bytes(digest, "big") & 0x7FFFFFFF)
