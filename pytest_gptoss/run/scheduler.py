"""The scheduler: one background thread, one event loop, every selected item in flight.

Items are submitted model by model, as many at once as the engine takes; each completion is scored
while others generate, journalled, and only then counted and handed to the test that waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_gptoss.engines.base import Request
from pytest_gptoss.errors import EngineError, GptossError, UsageError
from pytest_gptoss.records import Completion
from pytest_gptoss.run.answering import Worker, failed, seeded, tasks
from pytest_gptoss.run.counting import Counter
from pytest_gptoss.run.host import EngineHost
from pytest_gptoss.run.journal import Opened

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from concurrent.futures import Future

    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Effort, Message, Sampling
    from pytest_gptoss.run.earlier import Recall
    from pytest_gptoss.run.group import Group, Ticket
    from pytest_gptoss.run.journal import Journal
    from pytest_gptoss.run.metering import Metering

__all__ = ["Batch", "Scheduler"]

T = TypeVar("T")

# How long the engine may take to give its memory back before the session ends without it.
_CLOSE_SECONDS = 60.0


@dataclass(eq=False)
class Batch:
    """Everything that is asked of one model.

    Args:
        spec: The model.
        groups: Its groups, in the order of their tests.
        hold: Whether to keep the engine open afterwards, for tests that talk to it themselves.
    """

    spec: ModelSpec
    groups: list[Group]
    hold: bool = False


class Scheduler:
    """Runs batches in the background and answers requests of the tests' own.

    Args:
        make_engine: Makes the engine of a model, without starting it.
        journal: Where completions go before they are counted; ``None`` for a session that only
            talks to models and evaluates nothing.
        timeout_s: Wall-clock cap per item, in seconds.
        session_timeout_s: Wall-clock cap of all that is asked together, in seconds.
        seed: Seed for sampling; ``None`` leaves drawing to the engine, which is faster.
        recall: What an earlier session was answered, which is scored and not asked again.
        opened: Is given the label and the facts of each engine that was opened, in the scheduler's
            thread; a `GptossError` that it raises ends the work.
    """

    def __init__(
        self,
        make_engine: Callable[[ModelSpec], Engine],
        journal: Journal | None,
        *,
        timeout_s: float | None = None,
        session_timeout_s: float | None = None,
        seed: int | None = None,
        recall: Recall | None = None,
        opened: Callable[[str, dict[str, Any]], None] = lambda label, facts: None,
    ) -> None:
        self._make_engine = make_engine
        self._journal = journal
        self._timeout_s = timeout_s
        self._session_timeout_s = session_timeout_s
        self._seed = seed
        self._recall = recall
        self._counter = None if journal is None else Counter(journal, recall, self._tell)
        self._tell_opened = opened
        self._batches: Sequence[Batch] = ()
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._released: set[str] = set()
        self._stopped = False
        self._cancelled = False
        self._opened = False
        self.ended = False
        """Whether the background thread does nothing more."""
        self._main: asyncio.Task[None] | None = None
        self._host: EngineHost | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.failure: BaseException | None = None
        """What ended the background thread before its work was done."""
        self.over: str | None = None
        """Why nothing more is asked, though not all was answered; `cancel` gives no reason."""
        if journal is not None:
            journal.on_group(self._tell)

    # --- called from pytest's thread -------------------------------------------------------------

    def start(self, batches: Sequence[Batch] = ()) -> None:
        """Start the thread and submit everything."""
        if self._thread is not None:
            return
        self._batches = batches
        self._thread = threading.Thread(target=self._run, name="gptoss-scheduler", daemon=True)
        self._thread.start()
        self._ready.wait()

    def wait_until_open(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the first engine answers; ``meanwhile`` is called ten times a second.

        Raises:
            GptossError: It cannot run here.
        """
        with self._news:
            while not (self._opened or self.ended or self._broken()):
                self._news.wait(0.1)
                meanwhile()
        broken = self._broken()
        if broken is not None:
            raise broken

    def wait(self, ticket: Ticket, timeout_s: float) -> bool:
        """Wait until a ticket is done, or for so many seconds; tell whether to wait no longer.

        A ticket that is not done then never will be: `over` says why.

        Raises:
            GptossError: Nothing more will come: the engine cannot run here, or the disk is full.
        """

        def settled() -> bool:
            return ticket.done or self.ended or self._broken() is not None

        if not ticket.done:
            with self._news:
                self._news.wait_for(settled, timeout_s)
        broken = self._broken()
        if broken is not None and not ticket.done:
            raise broken
        return settled()

    def ask(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run a coroutine on the scheduler's loop.

        Raises:
            EngineError: Nothing more is asked in this session.
        """
        self.start()
        if self.ended or self.over is not None:
            coroutine.close()
            raise self.no_more()
        assert self._loop is not None
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:  # the loop was closed just now, and that is not told yet
            coroutine.close()
            raise self.no_more() from None

    def no_more(self) -> EngineError:
        """What is raised where nothing more is asked in this session."""
        return EngineError(f"nothing more is asked: {self.over or 'the session ends'}")

    def release(self, label: str) -> None:
        """Tell that no further test will talk to this model itself."""
        self._released.add(label)
        if self._loop is None or self.ended or self.over is not None:
            return  # nobody waits for the engine any more
        with contextlib.suppress(EngineError):  # the session's time may run out just now
            self.ask(self._nudge())

    def cancel(self) -> None:
        """Submit nothing more and give up what is being generated; a signal handler may call it."""
        if not self._cancelled:
            self._cancelled = True
            if self._counter is not None:
                self._counter.closing = True
            if self._loop is not None:
                with contextlib.suppress(RuntimeError):  # it is closed: nothing is left to cancel
                    self._loop.call_soon_threadsafe(self._cancel)

    def stop(self) -> None:
        """Cancel what is still generating, close the engine, and write what arrived."""
        if self._thread is not None and not self._stopped:
            self._stopped = True
            self.cancel()
            self._thread.join(_CLOSE_SECONDS)
        if self._journal is not None:
            self._journal.close()

    @property
    def opening(self) -> str | None:
        """The model whose engine is starting just now."""
        return self._host.opening if self._host is not None else None

    @property
    def facts(self) -> dict[str, dict[str, Any]]:
        """What each engine that was opened says of itself, by model."""
        return self._host.facts if self._host is not None else {}

    @property
    def metering(self) -> Metering | None:
        """What was measured while the engines worked; ``None`` where none was wanted."""
        return self._host.metering if self._host is not None else None

    @property
    def notes(self) -> list[str]:
        """What the reader of the results should know of the engines, a sentence each."""
        return self._host.notes if self._host is not None else []

    # --- called on the loop ----------------------------------------------------------------------

    async def with_host(self, work: Callable[[EngineHost], Coroutine[Any, Any, T]]) -> T:
        """Do something with what opens and closes the engines."""
        assert self._host is not None
        return await work(self._host)

    async def chat(
        self,
        spec: ModelSpec,
        conversations: Sequence[tuple[Message, ...]],
        *,
        sampling: Sampling,
        instructions: str | None,
        effort: Effort | None,
    ) -> list[Completion]:
        """Answer conversations outside any benchmark, all of them in flight at once.

        Raises:
            EngineError: A request failed; the engine's own words.
            UsageError: The engine cannot run here.
        """
        assert self._host is not None
        async with self._host.using(spec) as engine:
            requests = [
                Request(
                    messages=messages,
                    sampling=seeded(sampling, self._seed, "", str(index), 0),
                    instructions=instructions,
                    effort=effort,
                )
                for index, messages in enumerate(conversations)
            ]
            slots = asyncio.Semaphore(engine.concurrency)

            async def one(request: Request) -> Completion:
                async def ask(engine: Engine) -> Completion:
                    async with asyncio.timeout(self._timeout_s):
                        return await engine.generate(request)

                try:
                    async with slots:
                        return await engine.run(ask)
                except TimeoutError:
                    return Completion(finish_reason="timeout")

            return list(await asyncio.gather(*map(one, requests)))

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            pass
        except BaseException as error:  # handed to pytest's thread, which raises it
            self.failure = error
        finally:
            self._ready.set()
            if self._journal is not None:
                self._journal.close()  # so that what arrived is counted before the end is told
            self.ended = True
            self._tell()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._main = asyncio.current_task()
        self._host = EngineHost(self._make_engine)
        self._ready.set()
        try:
            async with asyncio.timeout(self._session_timeout_s):
                await self._work()
        except TimeoutError:
            self.over = f"the session's time of {self._session_timeout_s:g} s ran out"
        finally:
            try:
                await self._host.close()
            finally:
                self._host.metering.stop()

    async def _work(self) -> None:
        """Have everything answered, from an earlier session's journal or by engines."""
        recalling = None
        if self._counter is not None:
            groups = [group for batch in self._batches for group in batch.groups]
            recalling = asyncio.create_task(self._counter.count_recalled(groups))
        if self._recall is None or self._recall.generate:
            for batch in self._batches:
                await self._run_batch(batch)
        if recalling is not None:
            await recalling
        if self._recall is not None and not self._recall.generate:
            self.over = f"{self._recall.earlier.path} holds no completion of it"
            return
        # Stay, for tests that talk to a model themselves, until the session stops us.
        await asyncio.Event().wait()

    async def _run_batch(self, batch: Batch) -> None:
        assert self._host is not None
        assert self._counter is not None
        count, recalled = self._counter.count, self._counter.recalled
        missing = [task for task in tasks(batch.groups) if recalled(*task) is None]
        if not missing:
            self._opened = True
            self._tell()
            return
        work = iter(missing)
        try:
            async with self._host.using(batch.spec) as engine:
                self._note_opened(batch.spec.label)
                worker = Worker(engine, work, count, seed=self._seed, timeout_s=self._timeout_s)
                async with asyncio.TaskGroup() as workers:
                    for _ in range(min(engine.concurrency, len(missing))):
                        workers.create_task(worker.run())
                await self._hold(batch)
        except UsageError:
            raise
        except GptossError as error:
            # The engine never came up: everything that is left ends as an error, at once.
            self._opened = True
            for ticket, repeat in work:
                await count(ticket, repeat, failed(str(error)))

    def _note_opened(self, label: str) -> None:
        assert self._host is not None
        assert self._journal is not None
        facts = self._host.facts[label]
        self._tell_opened(label, facts)
        self._journal.append(Opened(opened=label, facts=facts))
        self._opened = True
        self._tell()

    async def _hold(self, batch: Batch) -> None:
        """Keep the engine for the tests that talk to it, unless somebody waits for another."""
        host = self._host
        assert host is not None
        while (
            batch.hold and batch.spec.label not in self._released and not host.waiting_for_another
        ):
            await host.changed()

    async def _nudge(self) -> None:
        assert self._host is not None
        async with self._host._changed:
            self._host._changed.notify_all()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def _broken(self) -> BaseException | None:
        if self.failure is not None:
            return self.failure
        return self._journal.failure if self._journal is not None else None

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()
