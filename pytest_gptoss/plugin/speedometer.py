"""`Speedometer`, the fixture ``speed``: asks loads of a model within pytest-benchmark's rounds."""

from __future__ import annotations

import contextlib
import itertools
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_gptoss.errors import GptossError, UsageError
from pytest_gptoss.run.loads import (
    Vocabulary,
    ask_round,
    notes_of,
    open_engine,
    over_rounds,
    start_anew,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.load import Load
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.gate_settings import Scale
    from pytest_gptoss.prompts import Renderer
    from pytest_gptoss.run.handle import Model
    from pytest_gptoss.run.loads import Opened, Round

__all__ = ["NEEDS_BENCHMARK", "Speedometer"]

NEEDS_BENCHMARK = (
    "measuring speed needs pytest-benchmark, which is not installed or not loaded; run: "
    "pip install 'pytest-gptoss[bench]'"
)
_NOT_ASKED = (
    "measuring speed takes minutes and the machine for itself: name this file on the command line, "
    "or pass --benchmark-only or --gptoss-loads"
)
_OTHER_SCALE = {
    "small": "a small load, for models on CPUs; --gptoss-loads small or all asks it",
    "standard": "a standard load, for GPUs and servers; --gptoss-loads standard or all asks it",
}


class Speedometer:
    """Measures how fast a model is, and what it takes; the fixture ``speed``.

    Args:
        request: The test that asks for it.
        evaluation: The session.
    """

    def __init__(self, request: pytest.FixtureRequest, evaluation: Evaluation) -> None:
        self._node = request.node
        self._config = request.config
        self._evaluation = evaluation
        scale = evaluation.gates.settings.loads
        self._scale: Scale = scale or "auto"
        only = request.config.getoption("benchmark_only")
        if not (scale or only or request.session.isinitpath(request.path)):
            self._leave_out(_NOT_ASKED)

    def measure(self, benchmark: Any, model: Model, load: Load) -> None:
        """Ask a load of a model in rounds, after one that warms up and does not count.

        The rounds are as many as ``--benchmark-min-rounds`` says, 5 by default. Tokens per second
        and all that was measured are in ``benchmark.extra_info``; the baseline and the gates take
        over the rounds. The test is skipped, with the reason, where the load does not fit.

        Args:
            benchmark: The fixture ``benchmark`` of pytest-benchmark.
            model: The fixture ``model``, or one of the models' own.
            load: What to ask.
        """
        __tracebackhide__ = True
        with _told(benchmark):
            opened = self._open(model)
            self._leave_out_unfit(model, load, opened)
            vocabulary = self._vocabulary(model)
            if (refusal := vocabulary.refusal(load)) is not None:
                self._leave_out(refusal)
            self._evaluation.keep_results()
            numbers = itertools.count()
            rounds: list[Round] = []

            def prepare() -> tuple[tuple[Any, ...], dict[str, Any]]:
                return (vocabulary.requests(load, next(numbers), model.spec),), {}

            def ask(requests: Any) -> None:
                work = partial(ask_round, spec=model.spec, load=load, requests=requests)
                rounds.append(model.with_host(work))

            benchmark.pedantic(ask, setup=prepare, rounds=self._rounds(), warmup_rounds=1)
        if benchmark.enabled:
            self._evaluation.speed.record(model.spec, load, rounds[1:], opened)
        else:
            self._evaluation.speed.left_out[self._node.nodeid] = (
                "pytest-benchmark measures nothing beside other workers: leave -n out"
                if hasattr(self._config, "workerinput")
                else "--benchmark-disable asks a load once, which measures nothing"
            )
        benchmark.extra_info |= _extra_info(model, load, rounds[1:] or rounds, opened)

    def measure_start(self, benchmark: Any, model: Model) -> None:
        """Measure how long a model's engine takes to start, the model's loading included.

        Args:
            benchmark: The fixture ``benchmark`` of pytest-benchmark.
            model: The fixture ``model``.
        """
        __tracebackhide__ = True
        with _told(benchmark):
            opened = self._open(model)
            if opened.placement.elsewhere is not None:
                self._leave_out(f"nothing is loaded: {opened.placement.elsewhere}")
            benchmark.pedantic(
                self._open,
                args=(model,),
                setup=lambda: model.with_host(partial(start_anew, spec=model.spec)),
                rounds=self._rounds(),
            )
        benchmark.extra_info |= {"model": model.name, "engine": opened.facts}

    def renderer(self, model: Model) -> Renderer:
        """What renders a model's prompts; the test is skipped where it cannot be loaded here."""
        from pytest_gptoss.prompts import renderer_for

        try:
            return renderer_for(model.spec)
        except UsageError as error:
            self._leave_out(str(error))

    def _rounds(self) -> int:
        rounds: int = self._config.getoption("benchmark_min_rounds")
        return max(1, rounds)

    @staticmethod
    def _open(model: Model) -> Opened:
        return model.with_host(partial(open_engine, spec=model.spec))

    def _vocabulary(self, model: Model) -> Vocabulary:
        known = self._evaluation.speed.vocabularies
        if model.name not in known:
            known[model.name] = model.with_host(partial(Vocabulary.of, spec=model.spec))
        return known[model.name]

    def _leave_out_unfit(self, model: Model, load: Load, opened: Opened) -> None:
        """Skip a load of the other scale, and one that the engine cannot take."""
        __tracebackhide__ = True
        local = not opened.placement.gpus and opened.placement.elsewhere is None
        fits = "small" if local else "standard"
        wanted = fits if self._scale == "auto" else self._scale
        if load.scale is not None and wanted not in ("all", load.scale):
            self._leave_out(_OTHER_SCALE[load.scale])
        if (refusal := opened.refusal(load)) is not None:
            self._leave_out(refusal)

    def _leave_out(self, reason: str) -> NoReturn:
        __tracebackhide__ = True
        self._evaluation.speed.left_out[self._node.nodeid] = reason
        pytest.skip(reason)


@contextlib.contextmanager
def _told(benchmark: Any) -> Iterator[None]:
    """Tell in a sentence why an engine did not do it; one that cannot run here ends the session."""
    __tracebackhide__ = True
    failure: GptossError | None = None
    try:
        yield
    except GptossError as error:
        failure = error
    if failure is None:
        return
    if benchmark.stats is None:
        # Fails a first time within it: it would warn, on top, that it was not used.
        with contextlib.suppress(GptossError):
            benchmark.pedantic(_raise, args=(failure,))
    if isinstance(failure, UsageError):
        pytest.exit(str(failure), returncode=pytest.ExitCode.USAGE_ERROR)
    pytest.fail(str(failure), pytrace=False)


def _raise(error: GptossError) -> None:
    raise error


def _extra_info(model: Model, load: Load, rounds: list[Round], opened: Opened) -> dict[str, Any]:
    """What pytest-benchmark saves beside the times."""
    figures = over_rounds(rounds)
    return {
        "model": model.name,
        "load": load.describe(),
        "output_tokens_per_s": figures["output_tokens_per_s"],
        "total_tokens_per_s": figures["total_tokens_per_s"],
        "requests_per_s": figures["requests_per_s"],
        "notes": notes_of(load, rounds),
        "telemetry": figures,
        "engine": opened.facts,
    }
