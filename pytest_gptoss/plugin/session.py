"""What the hooks do once a model is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.errors import GptossError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_gptoss.plugin.answered import Response
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.speedometer import Speedometer
    from pytest_gptoss.plugin.terminal import Display
    from pytest_gptoss.plugin.workers import Worker
    from pytest_gptoss.run.handle import Model

__all__ = [
    "announce",
    "arrange",
    "before_test",
    "begin",
    "collect",
    "configure",
    "finish",
    "model_under_test",
    "parametrize",
    "response_of",
    "speedometer",
]


def configure(config: pytest.Config, response_fixture: Callable[..., Any]) -> None:
    """Set up an evaluation where ``--model`` is given; else only the models' fixtures."""
    from pytest_gptoss.plugin.model_fixtures import model_fixtures

    config.pluginmanager.register(model_fixtures(config), "gptoss-model-fixtures")
    rescore = config.getoption("gptoss_rescore") or config.getini("gptoss_rescore")
    if config.getoption("model") or rescore:
        set_up(config, response_fixture)


def set_up(config: pytest.Config, response_fixture: Callable[..., Any]) -> Evaluation:
    """Read the settings and make the session's evaluation, once."""
    from pytest_gptoss.plugin import DISPLAY, EVALUATION
    from pytest_gptoss.plugin.continuing import settings_of
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.settings import read_settings
    from pytest_gptoss.plugin.terminal import Display
    from pytest_gptoss.plugin.workers import refuse_workers, share_out

    if EVALUATION not in config.stash:
        try:
            settings, earlier = read_settings(config), None
            if settings.rescore is not None:
                settings, earlier = settings_of(config, settings)
            refuse_workers(config, settings)
            evaluation = Evaluation(config, settings, _function_of(response_fixture), earlier)
        except UsageError as error:
            raise pytest.UsageError(str(error)) from None
        config.stash[EVALUATION] = evaluation
        config.pluginmanager.register(evaluation.speed, "gptoss-speed")
        config.stash[DISPLAY] = Display(config, evaluation)
        config.pluginmanager.register(config.stash[DISPLAY], "gptoss-display")
        share_out(config, evaluation, config.stash[DISPLAY])
    return config.stash[EVALUATION]


def _function_of(fixture: Any) -> Callable[..., Any]:
    function: Callable[..., Any] = fixture._get_wrapped_function()
    return function


def _worker(config: pytest.Config) -> Worker | None:
    """What a worker of pytest-xdist does about the evaluation; ``None`` elsewhere."""
    worker: Worker | None = config.pluginmanager.getplugin("gptoss-worker")
    return worker


def collect(
    collector: pytest.Collector, name: str, function: Callable[..., Any]
) -> list[pytest.Item] | None:
    """The tests of a benchmark's test function."""
    from pytest_gptoss.plugin import EVALUATION, MARKER
    from pytest_gptoss.plugin.items import skipped

    assert isinstance(collector, pytest.Module | pytest.Class)
    if not collector.funcnamefilter(name):
        return None
    evaluation = collector.config.stash.get(EVALUATION, None)
    if evaluation is None:
        return list(skipped(collector, name, function))
    return list(evaluation.collection.collect(collector, name, function, function.__dict__[MARKER]))


def arrange(evaluation: Evaluation, items: list[pytest.Item]) -> None:
    """Order benchmark items by model, each other test keeping its place.

    One engine is open at a time, so all that is asked of a model comes before the next model; a
    gate stays behind its items.
    """
    from pytest_gptoss.plugin.continuing import keep_recorded
    from pytest_gptoss.plugin.flips import keep_flips
    from pytest_gptoss.plugin.gate_items import GateItem
    from pytest_gptoss.plugin.items import BenchmarkItem

    mismatch = evaluation.gates.check()
    errors = [*evaluation.collection.errors, *([mismatch] if mismatch else [])]
    try:
        if errors:
            raise pytest.UsageError("\n".join(dict.fromkeys(errors)))
        if evaluation.earlier is not None:
            keep_recorded(evaluation.config, evaluation.earlier, items)
        keep_flips(evaluation, items)
        evaluation.speed.arrange(items)
    except pytest.UsageError as error:
        items.clear()  # pytest goes on to finish the collection: nothing may be generated
        worker = _worker(evaluation.config)
        if worker is None:
            raise
        worker.refuse(error)
    if len(evaluation.settings.specs) < 2:
        return
    order = {spec.label: place for place, spec in enumerate(evaluation.settings.specs)}
    kinds = (BenchmarkItem, GateItem)
    places = [place for place, item in enumerate(items) if isinstance(item, kinds)]
    ours = [items[place] for place in places]
    ours.sort(key=lambda item: order[item.group.spec.label])  # type: ignore[attr-defined]
    for place, item in zip(places, ours, strict=True):
        items[place] = item


def announce(evaluation: Evaluation, items: Sequence[pytest.Item]) -> list[str]:
    """What confines code that models write, and what the session's gates will be able to see."""
    from pytest_gptoss.plugin.gates import by_group
    from pytest_gptoss.plugin.sandboxing import sandbox_lines

    groups = [ticket.group for item in items if (ticket := getattr(item, "ticket", None))]
    gates = evaluation.gates.announce(by_group(items))
    return [*evaluation.announced, *sandbox_lines(groups), *gates]


def begin(session: pytest.Session, evaluation: Evaluation) -> None:
    """Submit what is selected."""
    from pytest_gptoss.plugin import DISPLAY
    from pytest_gptoss.plugin.gates import by_group
    from pytest_gptoss.plugin.workers import evaluates

    if not evaluates(session.config):
        return
    worker = _worker(session.config)
    display = session.config.stash[DISPLAY]
    evaluation.interrupts.start()
    try:
        evaluation.gates.refuse_save(by_group(session.items))
        evaluation.begin(session.items)
        if worker is not None and evaluation.directory is not None:
            worker.keeps_answers_in(evaluation.directory.path)
        display.start()
        evaluation.wait_until_open(display.tick)
    except UsageError as error:
        if worker is None:
            raise pytest.UsageError(str(error)) from None
        worker.refuse(error)
    finally:
        display.clear()


def before_test(item: pytest.Item, evaluation: Evaluation) -> None:
    """Wait for the answer that a test is about.

    Raises:
        KeyboardInterrupt: The user wants no more.
    """
    from pytest_gptoss.plugin import DISPLAY
    from pytest_gptoss.plugin.items import BenchmarkItem

    evaluation.interrupts.check()
    if isinstance(item, BenchmarkItem) and item.submitted:
        display = item.config.stash[DISPLAY]
        try:
            evaluation.wait(item, display.tick)
        finally:
            display.clear()


def finish(session: pytest.Session, evaluation: Evaluation, exitstatus: int) -> None:
    """Write what there is; a failure to write it is the session's own."""
    from pytest_gptoss.plugin import DISPLAY
    from pytest_gptoss.plugin.workers import evaluates

    display = session.config.stash[DISPLAY]
    if evaluates(session.config):
        _conclude(session, evaluation, display, exitstatus)
        if (worker := _worker(session.config)) is not None:
            worker.done(display)
    if display.problem is not None:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    if display.lost is not None:
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    if evaluation.problems and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
    if evaluation.summary is not None and not evaluation.summary["complete"]:
        session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED
    if evaluation.faults:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def _conclude(
    session: pytest.Session, evaluation: Evaluation, display: Display, exitstatus: int
) -> None:
    """Write what there is, with the reason where it is not all."""
    display.clear()
    if evaluation.interrupts.pending is not None:  # also where it came after the last test
        session.exitstatus = exitstatus = pytest.ExitCode.INTERRUPTED
        display.say("stopping; once more stops at once, without the summary and its files")
    evaluation.interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    if evaluation.interrupted:
        evaluation.stopped = "the session was interrupted"
    elif session.shouldfail or session.shouldstop:
        evaluation.stopped = f"the session ended early ({session.shouldfail or session.shouldstop})"
    elif exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        evaluation.stopped = "the session ended early"
    elif (worker := _worker(session.config)) is not None and worker.ended_early:
        evaluation.stopped = "the session ended early, in another worker"
    try:
        evaluation.finish()
    except GptossError as error:
        display.problem = str(error)
    finally:
        evaluation.interrupts.stop()
        evaluation.sandbox.close()


def response_of(request: pytest.FixtureRequest) -> Response:
    """The response of the item that asks."""
    from pytest_gptoss.plugin.items import BenchmarkItem

    item = request.node
    if not isinstance(item, BenchmarkItem):
        pytest.fail(
            "the fixture 'response' holds a benchmark item's answer: decorate the test with "
            "@<benchmark>.test, or ask for the fixture 'model' to talk to a model",
            pytrace=False,
        )
    return item.evaluation.response(item)


def model_under_test(request: pytest.FixtureRequest) -> Iterator[Model]:
    """The model that a test was parametrised with, or a skip where none was named."""
    from pytest_gptoss.plugin import EVALUATION
    from pytest_gptoss.plugin.items import SKIP_REASON

    evaluation = request.config.stash.get(EVALUATION, None)
    if evaluation is None:
        pytest.skip(SKIP_REASON)
    label = getattr(request, "param", None)
    spec = next((s for s in evaluation.settings.specs if s.label == label), None)
    if spec is None:
        if len(evaluation.settings.specs) > 1:
            pytest.fail(
                "the fixture 'model' is asked for in a way that --model's models cannot be told "
                "apart: name it among the test's own arguments",
                pytrace=False,
            )
        spec = evaluation.settings.specs[0]
    yield evaluation.model(spec)
    evaluation.release(spec)


def speedometer(request: pytest.FixtureRequest) -> Speedometer:
    """What measures a model's speed, or a skip where nothing is to be measured."""
    from pytest_gptoss.plugin import EVALUATION
    from pytest_gptoss.plugin.items import SKIP_REASON

    evaluation = request.config.stash.get(EVALUATION, None)
    if evaluation is None:
        pytest.skip(SKIP_REASON)
    from pytest_gptoss.plugin.speedometer import NEEDS_BENCHMARK, Speedometer

    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.skip(NEEDS_BENCHMARK)
    return Speedometer(request, evaluation)


def parametrize(metafunc: pytest.Metafunc, evaluation: Evaluation) -> None:
    """One test per model under test."""
    labels = [spec.label for spec in evaluation.settings.specs]
    metafunc.parametrize("model", labels, ids=labels, indirect=True, scope="session")
