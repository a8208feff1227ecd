"""``-n``: one worker of pytest-xdist evaluates, the home; its controller shows what came of it.

A model behind an endpoint or in recordings is loaded by nobody, so its benchmarks may share a
session with unit tests that are distributed. Every worker collects, as pytest-xdist wants it, but a
gate needs all its items, the run directory has one owner, and one event loop keeps all items in
flight: so whatever has to do with a model is run by one worker.

The two talk over a channel of their own between the processes: pytest-xdist's carries the tests'
reports, and no word of which tests belong together.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.plugin.gate_items import GateItem, SpeedGateItem
from pytest_gptoss.plugin.interrupts import DEFAULTS
from pytest_gptoss.plugin.items import BenchmarkItem

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.settings import Settings
    from pytest_gptoss.plugin.terminal import Display

__all__ = [
    "ASKED_ELSEWHERE",
    "Role",
    "Worker",
    "evaluates",
    "refuse_workers",
    "role_of",
    "share_out",
]

_LINK = "gptoss_link"

ASKED_ELSEWHERE = (
    "a test may talk to a model in one worker only, and is sent there by its arguments: name the "
    "model's fixture among them instead of asking for it by name"
)

# What the controller's evaluation is told of the home's.
_TAKEN_OVER = ("summary", "notes", "problems", "reported", "faults")

# Where nothing is loaded that a second process would load again.
_ELSEWHERE = ("endpoint", "replay")


class Role(Enum):
    """What a process does for the session."""

    ALONE = auto()
    """Everything: nothing is distributed."""
    CONTROLLER = auto()
    """Distributes the tests and shows what came of them."""
    HOME = auto()
    """The worker that evaluates."""
    BYSTANDER = auto()
    """A worker that collects the evaluation's tests and runs others."""
    STRANGER = auto()
    """A worker of a session in whose controller nothing is evaluated."""


def role_of(config: pytest.Config) -> Role:
    """The role of this process."""
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    if given is not None:
        if _LINK not in given:
            return Role.STRANGER
        return Role.BYSTANDER if given[_LINK] is None else Role.HOME
    # With --collect-only pytest-xdist distributes nothing.
    distributes = config.getoption("dist", "no") != "no" and config.getoption("tx", None)
    return Role.CONTROLLER if distributes and not config.option.collectonly else Role.ALONE


def refuse_workers(config: pytest.Config, settings: Settings) -> None:
    """Refuse several processes where they would load the model several times and batch nothing.

    Raises:
        UsageError: They would.
    """
    role = role_of(config)
    if role is Role.ALONE and not getattr(config.option, "numprocesses", None):
        return
    loads = settings.rescore is None and settings.engine not in _ELSEWHERE
    if loads or role is Role.STRANGER:
        raise UsageError(
            "-n starts one engine per process, and a model is answered fastest by one engine that "
            "sees every item: leave -n out (the engine batches by itself), or run the "
            "benchmarks in a session of their own"
        )
    if role is not Role.CONTROLLER:
        return
    if config.getoption("dist") == "each":
        raise UsageError(
            "--dist each runs every test in every worker, and a benchmark's items are asked once: "
            "take another --dist, or leave it out"
        )
    # Now, as a process that has begun to start workers does not end without a word on them.
    if elsewhere := _elsewhere(config.getoption("tx")[0]):
        raise UsageError(
            f"--tx {elsewhere} would evaluate in another place than this one, where the results "
            "are to be: name popen as the first --tx"
        )


def _elsewhere(asked: str) -> str | None:
    """The first worker's specification, where it runs in another place than this process."""
    from execnet import XSpec

    number, _, kind = asked.partition("*")
    first = kind if number.strip().isdigit() else asked
    spec: Any = XSpec(first)
    return None if spec.popen and not spec.chdir else first


def evaluates(config: pytest.Config) -> bool:
    """Whether this process is the one that submits, writes and judges."""
    return role_of(config) in (Role.ALONE, Role.HOME)


def share_out(config: pytest.Config, evaluation: Evaluation, display: Display) -> None:
    """Register what this process does for the others, where tests are distributed."""
    role = role_of(config)
    if role is Role.CONTROLLER:
        controller = Controller(evaluation, display)
        config.pluginmanager.register(controller, "gptoss-controller")
    elif role is not Role.ALONE:
        config.pluginmanager.register(Worker(config, evaluation), "gptoss-worker")


class Worker:
    """What a worker does about the evaluation; a plugin in the workers.

    Args:
        config: pytest's.
        evaluation: The session's.
    """

    def __init__(self, config: pytest.Config, evaluation: Evaluation) -> None:
        self._config = config
        self._evaluation = evaluation
        self._link: Any = config.workerinput[_LINK]  # type: ignore[attr-defined]
        self._due: set[pytest.Item] = set()
        self._refused = False
        if self._link is not None:
            evaluation.interrupts.obey()
            self._link.setcallback(lambda _: evaluation.interrupts.tell())

    @property
    def ended_early(self) -> bool:
        """Whether tests of the evaluation were not begun."""
        return bool(self._due)

    def refuse(self, error: Exception) -> None:
        """Say in the controller that nothing is evaluated, and why; this worker runs no test."""
        self._refused = True
        self._say(error=str(error))

    def keeps_answers_in(self, place: Path) -> None:
        """Say where the answers are kept, lest this process dies."""
        self._say(place=str(place))

    def done(self, display: Display) -> None:
        """Say what came of the evaluation."""
        evaluation = self._evaluation
        self._say(
            done={name: getattr(evaluation, name) for name in _TAKEN_OVER},
            problem=display.problem,
            place=evaluation.directory and str(evaluation.directory.path),
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Say which tests are the evaluation's, before pytest-xdist says what was collected."""
        if self._link is None or self._refused:
            return
        from pytest_gptoss.plugin.session import announce

        asks = {"model", "speed"}
        asks |= vars(self._config.pluginmanager.getplugin("gptoss-model-fixtures")).keys()
        places = [n for n, item in enumerate(session.items) if _belongs(item, asks)]
        self._due = {session.items[place] for place in places}
        self._say(ours=places, lines=announce(self._evaluation, session.items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool | None:
        """Run nothing where the evaluation was refused; as a hook's, a value ends the loop."""
        return True if self._refused else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Take note of what was begun."""
        self._due.discard(item)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Let the controller exit as this worker does."""
        if isinstance(excinfo.value, pytest.exit.Exception):
            self._say(exit=(excinfo.value.msg, excinfo.value.returncode))

    def _say(self, **words: Any) -> None:
        if self._link is not None:
            with contextlib.suppress(OSError):  # the controller is gone: nobody reads it
                self._link.send(msgspec.json.encode(words).decode())


def _belongs(item: pytest.Item, asks: set[str]) -> bool:
    if isinstance(item, BenchmarkItem | GateItem | SpeedGateItem):
        return True
    return not asks.isdisjoint(getattr(item, "fixturenames", ()))


class Controller:
    """What the controller does about the evaluation; a plugin there.

    Args:
        evaluation: The session's, which takes over what the home's came to.
        display: Shows it.
    """

    def __init__(self, evaluation: Evaluation, display: Display) -> None:
        self._evaluation = evaluation
        self._display = display
        self._home: Any = None
        self._link: Any = None
        self._said: dict[str, Any] = {}
        self._over = threading.Event()
        self._replaced: dict[signal.Signals, Any] = {}
        self._ending = False
        self._asked = 0

    # --- the workers -----------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Take SIGTERM for Ctrl-C, as a session in one process does, and count what comes late."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number, default in DEFAULTS.items():
            if signal.getsignal(number) is default:
                self._replaced[number] = signal.signal(number, self._take)

    def _take(self, number: int, frame: FrameType | None) -> None:
        # Raised in the middle of telling the home, it would end this process and not the home.
        if not self._ending:
            signal.default_int_handler(number, frame)
        self._asked += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """From now on a signal is for the home, which is in the midst of it."""
        self._ending = True

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Make the first worker the home."""
        node.workerinput[_LINK] = None
        if self._home is not None:
            return
        self._home, self._link = node, node.gateway.newchannel()
        self._link.setcallback(self._hear, endmarker=None)
        node.workerinput[_LINK] = self._link

    def _hear(self, words: str | None) -> None:
        """Take over what the home says; called in another thread, and with ``None`` at its end."""
        if words is not None:
            self._said.update(msgspec.json.decode(words))
        if words is None or "done" in self._said:
            self._over.set()

    @pytest.hookimpl(wrapper=True, optionalhook=True)
    def pytest_xdist_make_scheduler(self) -> Generator[None, Any, Any]:
        """Keep the evaluation's tests together, whatever becomes of the others."""
        from pytest_gptoss.plugin.together import Together

        others = yield
        return Together(others, lambda node: node is self._home, lambda: self._said.get("ours", ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any) -> None:
        """Say what each gate will be able to see."""
        if node is self._home:
            self._display.lines(self._said.get("lines", ()))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """End as the home does.

        Raises:
            pytest.UsageError: It refused to evaluate.
            pytest.exit.Exception: A test of it ended the session.
        """
        if node is not self._home:
            return
        if "error" in self._said:
            raise pytest.UsageError(self._said["error"])
        message, returncode = self._said.get("exit", (None, None))
        if message is not None:
            pytest.exit(message, returncode=returncode)
        if error and "done" not in self._said:
            self._display.lost = f"the worker that evaluates, {node.gateway.id}, died"

    # --- the end ---------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Wait for what the home came to, and take it over."""
        self._ending = True
        if self._link is not None and not self._over.is_set():
            self._stop()
        self.pytest_unconfigure()
        for name, value in self._said.get("done", {}).items():
            setattr(self._evaluation, name, value)
        self._display.problem = self._said.get("problem")
        place = self._said.get("place")
        self._display.place = Path(place) if place is not None else None

    def pytest_unconfigure(self) -> None:
        """Give the signals back."""
        while self._replaced:
            number, before = self._replaced.popitem()
            signal.signal(number, before)

    def _stop(self) -> None:
        """Tell the home to end, which is in the midst of it; once more, and it ends at once."""
        self._display.say("stopping; once more stops at once, without the summary and its files")
        told = 0
        while not self._over.wait(0.1):
            if told <= self._asked:
                told += 1
                with contextlib.suppress(OSError):  # it is gone
                    self._link.send("stop")
                self._home.shutdown()  # it may also wait for its next test
