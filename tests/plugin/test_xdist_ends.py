"""The ends of a session under ``-n``: Ctrl-C, a worker that dies, a controller that dies, -x."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import psutil
import pytest
from adding import PATIENCE_S, Session, adds, six_sums
from distributed import ran, replayed, separately, units
from scripted_server import ScriptedServer
from stories import Story, adds_up, said

from pytest_gptoss.plugin.workers import Controller

pytest.importorskip("xdist")
pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

FAILED, INTERRUPTED = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED
ROWS = 40

# The worker that evaluates says who it is.
WHO = """
import os
from pathlib import Path

if os.environ.get("PYTEST_XDIST_WORKER") == "gw0":
    Path("home").write_text(str(os.getpid()))
"""


# The worker that evaluates begins when the other has.
AFTER_THE_OTHERS = """
import time

def pytest_runtest_setup(item):
    while item.name == "test_sums[recorded-5]" and not Path(__file__).with_name("gw1.ran").exists():
        time.sleep(0.01)
"""


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with six_sums() as server:
        yield server


class Distributed(Session):
    """A distributed session."""

    def __init__(self, story: Story, server: ScriptedServer, conftest: str = "") -> None:
        self.story = story
        story.suite(rows=ROWS)
        (story.path / "conftest.py").write_text(WHO + conftest)
        super().__init__(story, server, "-n2")

    def __enter__(self) -> Distributed:
        return self

    @property
    def home(self) -> int:
        """The process that evaluates."""
        return int((self.story.path / "home").read_text())

    def resume(self) -> pytest.RunResult:
        """The same command, continued with a server that answers."""
        (self.story.path / "conftest.py").unlink()
        return separately(self.story, *self.arguments, "--gptoss-resume", "-n2")


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["the-controller", "all"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_keeps_what_arrived(
    story: Story,
    server: ScriptedServer,
    number: signal.Signals,
    send: Callable[[int, int], None],
) -> None:
    with Distributed(story, server) as session:
        session.until(lambda: session.journalled() == 6)
        send(session.process.pid, number)
        screen = session.end()
    assert session.process.returncode == INTERRUPTED, screen
    assert "stopping; once more stops at once" in screen
    assert "continue it: the same command with --gptoss-run run --gptoss-resume" in screen
    assert "Traceback" not in screen
    summary = story.summary()
    assert (summary["interrupted"], summary["complete"]) == (True, False)
    assert summary["groups"][0]["n"] == len(story.items()) == 6
    adds_up(story.path / "run")


def test_the_second_interrupt_ends_it_at_once_with_the_journal_intact(
    story: Story, server: ScriptedServer
) -> None:
    slow = (
        "\nimport time\n\n\ndef pytest_keyboard_interrupt():\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw0':\n"
        f"        Path('ending').touch()\n        time.sleep({PATIENCE_S})\n"
    )
    with Distributed(story, server, slow) as session:
        session.until(lambda: session.journalled() == 6)
        session.process.send_signal(signal.SIGINT)
        session.until((story.path / "ending").exists)
        session.process.send_signal(signal.SIGINT)
        screen = session.end()
    assert session.process.returncode == INTERRUPTED
    assert f"stopped at once; what arrived is in {session.journal}" in screen
    assert "Traceback" not in screen
    assert session.journalled() == 6
    assert not (story.path / "run" / "items.jsonl").exists()


def test_a_home_that_is_killed_says_how_to_continue(story: Story, server: ScriptedServer) -> None:
    with Distributed(story, server) as session:
        session.until(lambda: session.journalled() == 6)
        os.kill(session.home, signal.SIGKILL)
        screen = session.end()
        assert session.process.returncode == FAILED, screen
        assert "ERROR: the worker that evaluates, gw0, died; its answers are in run" in screen
        assert "continue it: the same command with --gptoss-run run --gptoss-resume" in screen
        assert "INTERNALERROR" not in screen
        server.script[:] = [adds]
        resumed = session.resume()
    assert resumed.ret == pytest.ExitCode.OK, said(resumed)
    assert story.summary()["complete"] is True
    adds_up(story.path / "run")


def test_a_home_that_dies_before_it_asks_fails_the_session(story: Story) -> None:
    story.answers()
    units(story)
    with (story.path / "conftest.py").open("a") as out:
        out.write("\nif os.environ.get('PYTEST_XDIST_WORKER') == 'gw0':\n    os._exit(1)\n")
    result = replayed(story, "-n2")
    assert result.ret == FAILED, said(result)
    assert "ERROR: the worker that evaluates, gw0, died before it asked anything" in said(result)
    assert not [test for test in ran(story) if test.startswith("test_sums")]


def test_a_home_ends_soon_after_its_controller_was_killed(
    story: Story, server: ScriptedServer
) -> None:
    with Distributed(story, server) as session:
        session.until(lambda: session.journalled() == 6)
        home = session.home
        session.process.kill()
        session.process.wait(PATIENCE_S)
        limit = time.monotonic() + PATIENCE_S / 2
        while alive(home):
            assert time.monotonic() < limit
            time.sleep(0.1)
        assert session.journalled() == 6
        server.script[:] = [adds]
        resumed = session.resume()
    assert resumed.ret == pytest.ExitCode.OK, said(resumed)
    assert len(story.items()) == ROWS


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_failure_elsewhere_ends_it_early_where_the_first_is_to_be_the_last(story: Story) -> None:
    story.suite(rows=300)
    story.answers(rows=300)
    units(story, failing=(0,))
    with (story.path / "conftest.py").open("a") as out:
        out.write(AFTER_THE_OTHERS)
    result = replayed(story, "-n2", "-x")
    assert result.ret == INTERRUPTED, said(result)  # so says pytest-xdist of -x
    assert "stopping after 1 failures" in said(result)
    assert "fault of pytest-gptoss" not in said(result)
    summary = story.summary("spread")
    assert summary["stopped"] == "the session ended early, in another worker"
    assert summary["interrupted"] is False
    adds_up(story.path / "spread")


def test_an_error_of_its_own_ends_it_early_too(story: Story) -> None:
    story.answers(leave_out=[2])
    units(story)
    result = replayed(story, "-n2", "-x")
    assert result.ret == INTERRUPTED, said(result)
    assert story.summary("spread")["stopped"] == (
        "the session ended early (stopping after 1 failures)"
    )
    assert ran(story, "gw0")[-1] == "test_sums.py::test_sums[recorded-2]"


class Busy:
    """A home that is told to end, and whose controller is interrupted while it tells it."""

    def __init__(self, controller: Callable[[], Controller]) -> None:
        self._controller = controller
        self.told = 0

    def send(self, _: str) -> None:
        self.told += 1
        if self.told == 1:
            os.kill(os.getpid(), signal.SIGINT)
        else:
            self._controller()._hear(None)

    def shutdown(self) -> None:
        if self.told == 1:
            os.kill(os.getpid(), signal.SIGTERM)


def test_an_interrupt_that_comes_while_the_home_is_told_is_passed_on() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    controller: Controller = Controller(SimpleNamespace(), SimpleNamespace(say=print))  # type: ignore[arg-type]
    home = Busy(lambda: controller)
    controller._home = controller._link = home
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        controller.pytest_sessionstart()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        controller.pytest_keyboard_interrupt()
        controller.pytest_sessionfinish()
        assert home.told == 2
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
