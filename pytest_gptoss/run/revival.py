"""An engine whose process dies is started once more, and what it was asked is asked again.

The first death may be chance: memory that another program took for a moment, a fault of a GPU, a
hand that killed the wrong process. A second one is not, so it is told as what it is.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from pytest_gptoss.errors import EngineDiedError, EngineError, FatalEngineError, GptossError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_gptoss.engines.base import Engine

__all__ = ["RevivingEngine"]

T = TypeVar("T")


class RevivingEngine:
    """An open engine that is replaced by a fresh one, once, when its process dies.

    Args:
        engine: The engine.
        start: Makes and opens another one for the same model.
        note: Is told, in a sentence, of a death that was survived.
    """

    def __init__(
        self, engine: Engine, start: Callable[[], Awaitable[Engine]], note: Callable[[str], None]
    ) -> None:
        self._engine = engine
        self._start = start
        self._note = note
        self._replacing = asyncio.Lock()
        self._in_flight = 0
        self._dead: list[Engine] = []
        self._revived = False
        self._lost: str | None = None

    @property
    def concurrency(self) -> int:
        """How many requests the engine wants in flight at once."""
        return self._engine.concurrency

    async def run(self, work: Callable[[Engine], Awaitable[T]]) -> T:
        """Do something with the engine, and do it again with a fresh one if it dies meanwhile.

        Raises:
            FatalEngineError: It died a second time or could not be started again; its last words.
        """
        while True:
            if self._replacing.locked():
                async with self._replacing:  # what is asked now is asked of the fresh one
                    pass
            if self._lost is not None:
                raise FatalEngineError(self._lost)
            engine = self._engine
            self._in_flight += 1
            try:
                return await work(engine)
            except EngineDiedError as death:
                await self._replace(engine, str(death))
            except EngineError as error:
                # The first to be interrupted has the dead engine closed, which the others meet.
                if engine not in self._dead:
                    raise
                await self._replace(engine, str(error))
            finally:
                self._in_flight -= 1

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    async def _replace(self, dead: Engine, last_words: str) -> None:
        if dead not in self._dead:
            self._dead.append(dead)
        async with self._replacing:
            if dead is not self._engine or self._lost is not None:
                return  # somebody else who was interrupted has seen to it
            interrupted = self._in_flight
            begin = time.monotonic()
            await dead.close()  # its memory is needed, and who still waits for it is let go
            if self._revived:
                self._lost = f"{last_words}; it had died before and was not started a third time"
                return
            try:
                self._engine = await self._start()
            except GptossError as error:
                self._lost = f"{last_words}; it could not be started again: {error}"
                return
            self._revived = True
            self._note(
                f"{last_words}; it was started again, which took {time.monotonic() - begin:.0f} s, "
                f"and asked again what was in flight ({interrupted:,})"
            )
