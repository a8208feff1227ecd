"""The pytest plugin: hooks that delegate, and nothing heavy imported before a model is named."""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.plugin.options import add_options

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from pytest_gptoss.plugin.answered import Response
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.speedometer import Speedometer
    from pytest_gptoss.plugin.terminal import Display
    from pytest_gptoss.run.handle import Model

# Written out, because reading it from `pytest_gptoss.benchmark` would import that in every session.
MARKER = "__gptoss_benchmark__"

EVALUATION: pytest.StashKey[Evaluation] = pytest.StashKey()
DISPLAY: pytest.StashKey[Display] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """See `pytest_gptoss.plugin.options`."""
    add_options(parser)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings where a model is named; define the fixtures of the registry's models."""
    from pytest_gptoss.plugin.session import configure

    configure(config, response)


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    """Say what is evaluated, with what and where the results go."""
    display = config.stash.get(DISPLAY, None)
    return display.header() if display is not None else None


def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> list[pytest.Item] | None:
    """Turn a benchmark's test function into its tests."""
    # Only functions are asked: other objects in a module may answer to any attribute.
    if not isinstance(obj, FunctionType) or MARKER not in obj.__dict__:
        return None
    from pytest_gptoss.plugin.session import collect

    return collect(collector, name, obj)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Report unreadable data; bring the tests of one model together."""
    if EVALUATION in config.stash:
        from pytest_gptoss.plugin.session import arrange

        arrange(config.stash[EVALUATION], items)


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Say before anything is generated what each gate will be able to see."""
    # A worker's terminal is seen by nobody: what it would say goes to the controller.
    if EVALUATION not in config.stash or hasattr(config, "workerinput"):
        return []
    from pytest_gptoss.plugin.session import announce

    return announce(config.stash[EVALUATION], items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Submit what is selected, all of it at once."""
    if EVALUATION in session.config.stash and not session.config.option.collectonly:
        from pytest_gptoss.plugin.session import begin

        begin(session, session.config.stash[EVALUATION])


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Wait for an item's answer before its test starts, showing the progress meanwhile."""
    if EVALUATION in item.config.stash:
        from pytest_gptoss.plugin.session import before_test

        before_test(item, item.config.stash[EVALUATION])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Start no test's own code once the user wants no more."""
    if EVALUATION in pyfuncitem.config.stash:
        pyfuncitem.config.stash[EVALUATION].interrupts.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put the outcome class on the report of a benchmark item or a gate."""
    report = yield
    outcome = getattr(item, "outcome", None)
    if outcome is not None and report.when != "teardown":
        report.gptoss_outcome = str(outcome)  # type: ignore[attr-defined]
        report.gptoss_folded = item.folded  # type: ignore[attr-defined]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, Any] | None:
    """Give an answer that is not correct its own category, letter and colour."""
    outcome = getattr(report, "gptoss_outcome", None)
    if outcome == "error" and report.failed and report.gptoss_folded:
        return "more errors of the same cause", "E", ("ERROR", {"red": True})
    if report.when != "call" or report.outcome != "passed":
        return None
    letter = _letter(outcome or "")
    return (outcome, letter, (outcome.upper(), {"yellow": True})) if outcome and letter else None


def _letter(outcome: str) -> str | None:
    """What a test shows that passed, where that alone would say too much of it."""
    from pytest_gptoss.records import LETTERS

    if outcome in ("correct", "error"):
        return None
    return {**LETTERS, "inconclusive": "?", "not comparable": "~"}.get(outcome)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Stop what is still generating and write the run directory."""
    if EVALUATION in session.config.stash:
        from pytest_gptoss.plugin.session import finish

        finish(session, session.config.stash[EVALUATION], exitstatus)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures of every group."""
    display = terminalreporter.config.stash.get(DISPLAY, None)
    if display is not None:
        display.summary(terminalreporter)


@pytest.fixture
def response(request: pytest.FixtureRequest) -> Response:
    """The item's scored completion: its outcome, score, final text and reasoning."""
    from pytest_gptoss.plugin.session import response_of

    return response_of(request)


@pytest.fixture
def speed(request: pytest.FixtureRequest) -> Speedometer:
    """Asks loads of a model within pytest-benchmark's rounds: throughput, latency, memory, energy.

    ``speed.measure(benchmark, model, load)``; see docs/throughput.md.
    """
    from pytest_gptoss.plugin.session import speedometer

    return speedometer(request)


@pytest.fixture(scope="session")
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """The model under test, one after the other where ``--model`` names several.

    ``model.chat("...")`` asks one question, ``model.chat_many([...])`` a batch.
    """
    from pytest_gptoss.plugin.session import model_under_test

    yield from model_under_test(request)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for the ``model`` fixture once for each model."""
    if "model" in metafunc.fixturenames and EVALUATION in metafunc.config.stash:
        from pytest_gptoss.plugin.session import parametrize

        parametrize(metafunc, metafunc.config.stash[EVALUATION])
