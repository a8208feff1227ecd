"""Which energy is whose: groups that ran alone, groups that ran among others, the model, all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_nvml import MIB, Gpu, ScriptedNvml

from pytest_gptoss import Benchmark, Item, scorers
from pytest_gptoss.engines import Request
from pytest_gptoss.engines.telemetry import Meter, Placement
from pytest_gptoss.engines.telemetry.nvml import Nvml
from pytest_gptoss.errors import EngineError
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Completion, Outcome, Sampling
from pytest_gptoss.run.group import Group
from pytest_gptoss.run.metering import MeteredEngine, Metering

SPEC = ModelSpec(name="scripted", source="scripted")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """An engine on one GPU; a request takes one second and 100 J, and several share neither.

    It ends a request when a test says so, and then time has passed.
    """

    spec = SPEC
    concurrency = 4

    def __init__(self, gpu: Gpu, clock: Clock) -> None:
        self.gpu = gpu
        self.clock = clock
        self.placement = Placement()
        self.waiting: list[asyncio.Future[Completion]] = []

    async def open(self) -> None:
        self.gpu.computing = {os.getpid(): 1000 * MIB}
        self.placement = Placement(gpus=1)
        self.spend(10.0)

    def spend(self, seconds: float) -> None:
        self.clock.now += seconds
        self.gpu.millijoules += round(100_000 * seconds)

    async def generate(self, request: Request) -> Completion:
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        return await future

    async def answer(self, error: Exception | None = None) -> None:
        """End the oldest request."""
        self.spend(1.0)
        future = self.waiting.pop(0)
        if error is None:
            future.set_result(Completion(final="4", completion_tokens=10, latency_s=1.0))
        else:
            future.set_exception(error)
        for _ in range(5):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.gpu.computing = {}

    def facts(self) -> dict[str, Any]:
        return {}


def group(name: str, correct: int = 1) -> Group:
    benchmark = Benchmark(
        name=name,
        rows=[{"n": 1}],
        item=lambda row: Item(prompt="1 + 1", target=2),
        scorer=scorers.number(),
    )
    one = Group(spec=SPEC, benchmark=benchmark, table=(), ids=(), sampling=Sampling())
    one.tally.outcomes[Outcome.CORRECT] = correct
    return one


class Session:
    """A metered engine, and how a test asks it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.gpu = Gpu()
        meter = Meter([Nvml(ScriptedNvml(self.gpu))], clock=self.clock, interval_s=3600.0)
        self.metering = Metering(meter)
        self.scripted = Scripted(self.gpu, self.clock)
        self.engine: MeteredEngine = self.metering.metered(self.scripted)

    async def ask(self, benchmark: str) -> asyncio.Task[Completion]:
        request = Request((), Sampling(), benchmark=benchmark)
        task = asyncio.ensure_future(self.engine.generate(request))
        await asyncio.sleep(0)
        return task

    def run(self, story: Callable[[Session], Awaitable[None]]) -> Session:
        async def whole() -> None:
            await self.engine.open()
            await story(self)
            await self.engine.close()

        asyncio.run(whole())
        self.metering.stop()
        return self

    def energy(self, name: str) -> float | None:
        figure: float | None = self.metering.figures_of(group(name))["energy_j"]
        return figure

    def of_model(self, *names: str) -> dict[str, Any]:
        figures: dict[str, Any] = self.metering.figures([group(name) for name in names])["models"]
        return figures[SPEC.label]


async def one_after_the_other(session: Session) -> None:
    for name in ("sums", "sums", "words"):
        task = await session.ask(name)
        await session.scripted.answer()
        await task


async def among_each_other(session: Session) -> None:
    tasks = [await session.ask(name) for name in ("sums", "words", "sums")]
    for task in tasks:
        await session.scripted.answer()
        await task


def test_groups_that_ran_alone_have_their_own_energy() -> None:
    session = Session().run(one_after_the_other)
    assert session.energy("sums") == pytest.approx(200.0)
    assert session.energy("words") == pytest.approx(100.0)
    assert session.of_model("sums", "words")["energy_j"] == pytest.approx(300.0)
    figures = session.metering.figures_of(group("sums"))
    assert figures["energy_per_response_j"] == pytest.approx(100.0)
    assert figures["energy_per_correct_j"] == pytest.approx(200.0)
    assert figures["shared_with"] == []
    assert figures["peak_memory_bytes"] == 1000 * MIB


def test_groups_that_ran_among_each_other_have_only_their_models() -> None:
    session = Session().run(among_each_other)
    figures = session.metering.figures_of(group("sums"))
    assert figures["energy_j"] is None
    assert figures["gpus"][0]["energy_j"] is None
    assert figures["shared_with"] == ["words"]
    assert figures["unknown"]["energy_per_response_j"] == (
        "its requests ran among those of words, and no counter tells them apart"
    )
    # What is not of the counters is known all the same.
    assert figures["peak_memory_bytes"] == 1000 * MIB
    assert figures["output_tokens_per_s"] == pytest.approx(20 / 3)
    model = session.of_model("sums", "words")
    assert model["energy_j"] == pytest.approx(300.0)
    assert model["energy_per_response_j"] == pytest.approx(100.0)
    assert model["in_flight"] == {"mean": pytest.approx(2.0), "max": 3}


def test_time_between_the_last_answer_and_the_end_is_nobodys() -> None:
    async def story(session: Session) -> None:
        await one_after_the_other(session)
        session.scripted.spend(500.0)  # a test holds the engine and asks nothing

    session = Session().run(story)
    assert session.energy("words") == pytest.approx(100.0)
    assert session.of_model("sums", "words")["energy_j"] == pytest.approx(300.0)
    whole = session.metering.figures([group("sums"), group("words")])["session"]
    assert whole["energy_j"] == pytest.approx(1000.0 + 300.0 + 50_000.0)
    assert whole["requests"] == 3


def test_questions_of_the_tests_own_are_told_apart() -> None:
    async def story(session: Session) -> None:
        tasks = [await session.ask(name) for name in ("sums", "")]
        for task in tasks:
            await session.scripted.answer()
            await task

    session = Session().run(story)
    assert session.metering.figures_of(group("sums"))["shared_with"] == ["the tests' own questions"]


def test_failed_and_cancelled_requests_are_not_answers() -> None:
    async def story(session: Session) -> None:
        failing, cancelled, answered = [await session.ask("sums") for _ in range(3)]
        await session.scripted.answer(EngineError("lost"))
        with pytest.raises(EngineError):
            await failing
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        session.scripted.waiting.pop(0)
        await session.scripted.answer()
        await answered

    figures = Session().run(story).metering.figures_of(group("sums"))
    assert (figures["requests"], figures["unanswered"]) == (1, 2)
    assert figures["energy_per_response_j"] == pytest.approx(200.0)


def test_the_time_of_loading_is_that_of_all_starts() -> None:
    async def story(session: Session) -> None:
        await one_after_the_other(session)
        again = session.metering.metered(session.scripted)
        await again.open()
        await again.close()

    session = Session()
    session.run(story)
    figures = session.metering.figures_of(group("sums"))
    assert figures["load_s"] > 0
    assert session.of_model("sums")["load_s"] == figures["load_s"]


def test_a_group_that_nothing_was_asked_for_has_every_figure_unknown() -> None:
    session = Session().run(one_after_the_other)
    known = session.metering.figures_of(group("sums"))
    nothing = session.metering.figures_of(group("more"))
    assert known.keys() == nothing.keys()
    assert nothing["requests"] == 0
    assert nothing["unknown"]["energy_j"] == "nothing was asked in this session"


def test_answers_that_are_graded_or_of_an_earlier_session_are_no_right_ones_of_this() -> None:
    session = Session().run(one_after_the_other)
    graded = group("sums")
    graded.benchmark = Benchmark(
        name="sums",
        rows=[{"n": 1}],
        item=lambda row: Item(prompt="1 + 1", target="2"),
        scorer=scorers.rouge(),
    )
    continued = group("sums", correct=5)
    continued.tally.kept = 4
    for unclear in (graded, continued):
        figures = session.metering.figures_of(unclear)
        assert figures["energy_per_response_j"] == pytest.approx(100.0)
        assert figures["energy_per_correct_j"] is None
