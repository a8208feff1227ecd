"""Which engine is open: one model at a time in this process, others wait their turn."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import GptossError, UsageError
from pytest_gptoss.run.metering import Metering
from pytest_gptoss.run.revival import RevivingEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.models import ModelSpec

__all__ = ["EngineHost"]


class EngineHost:
    """Opens engines on demand and closes one before it opens the next.

    Two models rarely fit one machine, so an engine is kept open while the same model is asked, and
    closed, its memory given back, as soon as another model is wanted and nobody uses the first. One
    whose process dies is started once more.

    Args:
        make: Makes the engine of a model, without starting it.
    """

    def __init__(self, make: Callable[[ModelSpec], Engine]) -> None:
        self._make = make
        self.metering = Metering()
        self._engine: RevivingEngine | None = None
        self._label: str | None = None
        self._users = 0
        self._changed = asyncio.Condition()
        self.waiting_for_another = 0
        self.facts: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        """What the reader of the results should know of the engines, a sentence each."""
        self.opening: str | None = None

    @asynccontextmanager
    async def using(self, spec: ModelSpec) -> AsyncIterator[RevivingEngine]:
        """The open engine of a model, for the length of the block.

        Raises:
            UsageError: The engine cannot run here.
            EngineError: It failed to start.
        """
        engine = await self._acquire(spec)
        try:
            yield engine
        finally:
            async with self._changed:
                self._users -= 1
                self._changed.notify_all()

    @asynccontextmanager
    async def alone(self, spec: ModelSpec) -> AsyncIterator[RevivingEngine]:
        """The same, from when nobody else uses it: for measurements.

        Raises:
            UsageError: The engine cannot run here.
            EngineError: It failed to start.
        """
        async with self.using(spec) as engine:
            async with self._changed:
                self.waiting_for_another += 1  # who merely keeps it for tests to come lets go
                self._changed.notify_all()
                try:
                    await self._changed.wait_for(lambda: self._users == 1)
                finally:
                    self.waiting_for_another -= 1
            yield engine

    async def changed(self) -> None:
        """Wait until somebody takes, waits for or leaves an engine."""
        async with self._changed:
            await self._changed.wait()

    async def close(self) -> None:
        """Close the engine that is open, if one is."""
        engine, self._engine, self._label = self._engine, None, None
        if engine is not None:
            await engine.close()

    async def _acquire(self, spec: ModelSpec) -> RevivingEngine:
        async with self._changed:
            if self._label != spec.label and self._users:
                self.waiting_for_another += 1
                self._changed.notify_all()
                try:
                    await self._changed.wait_for(lambda: self._mine_or_free(spec.label))
                finally:
                    self.waiting_for_another -= 1
            if self._engine is None or self._label != spec.label:
                await self.close()
                start = partial(self._start, spec)
                self._engine = RevivingEngine(await start(), start, self.notes.append)
                self._label = spec.label
            self._users += 1
            return self._engine

    async def _start(self, spec: ModelSpec) -> Engine:
        engine = self.metering.metered(self._make(spec))
        self.opening = spec.label
        try:
            await _open(engine)
        except BaseException:
            await engine.close()
            raise
        finally:
            self.opening = None
        self.facts[spec.label] = engine.facts()
        return engine

    def _mine_or_free(self, label: str) -> bool:
        return self._users == 0 or self._label == label


async def _open(engine: Engine) -> None:
    """Open an engine; whatever keeps it from opening becomes one sentence."""
    try:
        await engine.open()
    except GptossError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise UsageError(
            f"the engine of {engine.spec.label} did not start ({type(error).__name__}: "
            f"{lines[0][:300]}); run with --log-level=DEBUG -s for its own words"
        ) from error
