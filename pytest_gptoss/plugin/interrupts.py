"""Ctrl-C and SIGTERM while an evaluation runs: where they take effect, and what a second one does.

Python raises `KeyboardInterrupt` between any two steps of the main thread. Within pytest's own
machinery that can lose a half-entered generator, which complains later and turns the exit status
into another one. So the first signal stops the generation and is remembered; it is raised where
that is safe: at once in the code of a test or a fixture, else when `Interrupts.check` is next
called, which is a tenth of a second later while a test waits for its answer. The second signal
ends the process on the spot. Completions are in the journal before they count, so both keep them.

In a worker of pytest-xdist the controller's word counts, as it decides when a session ends: a
terminal sends Ctrl-C to every process of a session, which would otherwise arrive twice.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["DEFAULTS", "Interrupts"]

# Who takes these signals otherwise; a handler of somebody else's stays, and so does being ignored,
# as a shell ignores Ctrl-C for what it runs in the background.
DEFAULTS: Final = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}

# Frames that call a test's or a fixture's own code.
_CALLERS = frozenset(
    {"runtest", "pytest_pyfunc_call", "call_fixture_func", "_teardown_yield_fixture"}
)

# What must not be left in the middle, though a test's own code may have called it.
_MACHINERY = ("pluggy", "pytest_gptoss.plugin", "pytest_gptoss.run")


class Interrupts:
    """Takes SIGINT and SIGTERM from `start` to `stop`.

    Args:
        config: pytest's.
        cancel: Is called at the first signal, in the signal's handler: stops the generation.
        farewell: What to print before a second signal ends the process.
    """

    def __init__(
        self, config: pytest.Config, cancel: Callable[[], None], farewell: Callable[[], str]
    ) -> None:
        self._config = config
        self._cancel = cancel
        self._farewell = farewell
        self._replaced: dict[signal.Signals, Any] = {}
        self._raised = False
        self._controller: int | None = None
        self._told = 0
        self._over = False
        self.pending: signal.Signals | None = None
        """The signal that came, whether or not it was raised already."""

    def start(self) -> None:
        """Take the signals, where they are nobody else's."""
        if threading.current_thread() is not threading.main_thread() or self._replaced:
            return
        if self._config.getoption("usepdb", False):  # a debugger's prompt has its own Ctrl-C
            return
        for number, default in DEFAULTS.items():
            if signal.getsignal(number) is default:
                self._replaced[number] = signal.signal(number, self._take)

    def stop(self) -> None:
        """Give the signals back."""
        self._over = True
        while self._replaced:
            number, before = self._replaced.popitem()
            signal.signal(number, before)

    def obey(self) -> None:
        """Leave it to the process that started this one when to end."""
        self._controller = os.getppid()

    def tell(self) -> None:
        """Pass on the controller's word; called in another thread.

        A session that does not evaluate yet has nothing to keep: the signal ends it. One that has
        written its files already just ends.
        """
        if self._over:
            return
        self._told += 1
        if self._told > 1:
            self._leave()
        if hasattr(signal, "pthread_kill"):  # unlike the other, it wakes a thread that sleeps
            main = threading.main_thread().ident
            assert main is not None
            signal.pthread_kill(main, signal.SIGTERM)
        else:
            _thread.interrupt_main(signal.SIGTERM)

    def check(self) -> None:
        """Raise the interrupt that is due.

        Raises:
            KeyboardInterrupt: A signal came since the session began to evaluate.
        """
        if self.pending is not None and not self._raised:
            self._raised = True
            raise KeyboardInterrupt(self.pending.name)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._controller == os.getppid():  # else it is gone, and nobody will tell
            if number == signal.SIGINT or self.pending is not None:
                return
        elif self.pending is not None:
            self._leave()
        self.pending = signal.Signals(number)
        self._cancel()
        if _in_a_tests_own_code(frame):
            self.check()

    def _leave(self) -> None:
        with contextlib.suppress(Exception):  # what pytest captures would not be seen
            self._config.pluginmanager.getplugin("capturemanager").suspend_global_capture(in_=True)
        with contextlib.suppress(OSError):
            os.write(2, f"\n{self._farewell()}\n".encode(errors="replace"))
        os._exit(pytest.ExitCode.INTERRUPTED)


def _in_a_tests_own_code(frame: FrameType | None) -> bool:
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if module.startswith(_MACHINERY):
            return False
        if frame.f_code.co_name in _CALLERS:
            return True
        frame = frame.f_back
    return False
