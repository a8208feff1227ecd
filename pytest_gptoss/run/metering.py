"""Telemetry of a session: a window for each model, each group and the whole.

The engine is wrapped, so that every request that anybody makes is counted in the window of the
benchmark that it is made for, and nobody else needs to know.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.telemetry import Meter, Placement
from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.engines.base import Engine, Request
    from pytest_gptoss.engines.telemetry import Window
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Completion
    from pytest_gptoss.run.group import Group

__all__ = ["MeteredEngine", "Metering"]

_OWN_QUESTIONS = "the tests' own questions"
# Where looking takes long, the counters are read this long after the last answer of many.
_SETTLE_S = 0.1


class Metering:
    """Measures a session.

    Args:
        meter: Reads the counters; by default of this machine.
    """

    def __init__(self, meter: Meter | None = None) -> None:
        self._meter = meter or Meter()
        self._session = self._meter.window("session")
        self._models: dict[str, Window] = {}
        self._groups: dict[tuple[str, str], Window] = {}

    def metered(self, engine: Engine) -> MeteredEngine:
        """The same engine, which tells its requests."""
        return MeteredEngine(engine, self)

    def opening(self, placement: Placement) -> None:
        """An engine is about to start; until then a GPU is idle."""
        self._meter.start()
        if placement.elsewhere is None:
            self._meter.watch_devices()
        self._session.start()

    def opened(self, label: str, placement: Placement, load_s: float) -> None:
        """An engine has started; one that is started again took the time of both."""
        window = self._models.get(label)
        if window is None:
            window = self._meter.window(label, parent=self._session)
            self._models[label] = window
        window.placement = placement
        window.load_s = (window.load_s or 0.0) + load_s
        self._session.load_s = (self._session.load_s or 0.0) + load_s

    def group(self, label: str, benchmark: str) -> Window:
        """The window of a benchmark's requests to a model, open from its first request on."""
        window = self._groups.get((label, benchmark))
        if window is None:
            model = self._models[label]
            model.start()
            window = self._meter.window(
                benchmark or _OWN_QUESTIONS, placement=model.placement, parent=model
            )
            self._groups[label, benchmark] = window
            window.start()
        return window

    def window(self, label: str, name: str) -> Window:
        """A window for a part of what a model is asked, to be started and told by who opens it."""
        return self._meter.window(name, placement=self._models[label].placement)

    def settle(self, label: str, *, now: bool = False) -> bool:
        """Read the counters where nothing is in flight; returns whether that is done.

        Args:
            label: The model.
            now: Whether to read them also where looking takes long.
        """
        idle = [window for window in self._windows(label) if not window.requests.in_flight]
        idle = [window for window in idle if not window.marked]
        if idle and not (now or self._meter.rested):
            return False
        for window in idle:
            window.mark()
        return True

    def closing(self, label: str) -> None:
        """An engine is about to stop."""
        self.settle(label, now=True)
        for window in self._windows(label):
            window.close()
        self._session.mark()

    def _windows(self, label: str) -> list[Window]:
        groups = [window for (model, _), window in self._groups.items() if model == label]
        return [*groups, *([self._models[label]] if label in self._models else [])]

    def stop(self) -> None:
        """Stop measuring; the figures stay."""
        self._session.close()
        self._meter.stop()
        for label in self._models:
            windows = [window for (model, _), window in self._groups.items() if model == label]
            for window in windows:
                window.shared_with = [
                    other.name for other in windows if other is not window and _met(window, other)
                ]
        placements = [window.placement for window in self._models.values()]
        if placements:
            self._session.placement = max(placements, key=lambda placement: placement.gpus)

    def figures_of(self, group: Group) -> dict[str, Any]:
        """What is known of a group; all of it unknown where nothing was asked for it."""
        label, benchmark = group.key
        window = self._groups.get((label, benchmark))
        if window is None:
            nothing = Placement(elsewhere="nothing was asked in this session", generates=False)
            window = self._meter.window(benchmark, placement=nothing)
        else:
            window.load_s = self._models[label].load_s
        return window.figures(correct=_correct([group]))

    def figures(self, groups: Sequence[Group]) -> dict[str, Any]:
        """What is known of the session and of each model, and what knowing it took."""
        wall_s = self._meter.wall_s
        return {
            "session": self._session.figures(correct=_correct(groups)),
            "models": {
                label: window.figures(
                    correct=_correct([group for group in groups if group.spec.label == label])
                )
                for label, window in self._models.items()
            },
            "meter": {
                "looks": self._meter.samples,
                "cpu_s": self._meter.cpu_s,
                "share_of_a_core": self._meter.cpu_s / wall_s if wall_s else None,
            },
        }


def _correct(groups: Sequence[Group]) -> int | None:
    """Number of right answers.

    ``None`` where they are not right or wrong but graded, and where an earlier session gave some of
    them: its energy was not measured in this one.
    """
    if any(
        getattr(group.benchmark.scorer, "graded", False) or group.tally.kept for group in groups
    ):
        return None
    return sum(group.tally.outcomes[Outcome.CORRECT] for group in groups)


def _met(one: Window, other: Window) -> bool:
    """Whether any of their requests were in flight at the same time."""
    a, b = one.requests, other.requests
    if a.began is None or b.began is None or a.ended is None or b.ended is None:
        return False
    return a.began < b.ended and b.began < a.ended


class MeteredEngine:
    """An engine whose requests are counted; for the rest it is the one that it is made of."""

    def __init__(self, engine: Engine, metering: Metering) -> None:
        self._engine = engine
        self._metering = metering
        self._settling: asyncio.TimerHandle | None = None

    @property
    def spec(self) -> ModelSpec:
        """The model."""
        return self._engine.spec

    @property
    def concurrency(self) -> int:
        """How many requests it wants in flight at once."""
        return self._engine.concurrency

    @property
    def placement(self) -> Placement:
        """Where the model runs."""
        return self._engine.placement

    def facts(self) -> dict[str, Any]:
        """JSON values for the settings record."""
        return self._engine.facts()

    async def open(self) -> None:
        """Start it, and note how long that takes."""
        self._metering.opening(self._engine.placement)
        begin = time.perf_counter()
        await self._engine.open()
        self._metering.opened(self.spec.label, self._engine.placement, time.perf_counter() - begin)

    async def generate(self, request: Request) -> Completion:
        """Answer one request, and count it."""
        window = self._metering.group(self.spec.label, request.benchmark)
        completion = None
        began = window.begin()
        try:
            completion = await self._engine.generate(request)
        finally:
            window.end(began, completion)
            if not window.requests.in_flight:
                self._settle()
        return completion

    def _settle(self, *, now: bool = False) -> None:
        self._cancel_settling()
        if not self._metering.settle(self.spec.label, now=now):
            loop = asyncio.get_running_loop()
            self._settling = loop.call_later(_SETTLE_S, lambda: self._settle(now=True))

    def _cancel_settling(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None

    async def close(self) -> None:
        """Stop it, when the counters have been read."""
        self._cancel_settling()
        self._metering.closing(self.spec.label)
        await self._engine.close()
