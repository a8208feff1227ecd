"""What ends an engine's processes when the session that started them is killed.

vLLM's core process does not notice that its parent is gone: it would hold the GPU's memory until
somebody finds it. So a small process of its own waits for the session's end, and where that comes
without a farewell it kills every process that inherited the engine's mark in its environment.

The session imports this file; the small process runs it as a script, with nothing but the standard
library and psutil, which vLLM depends on.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import time
import uuid

__all__ = ["Watchdog"]

_MARK = "PYTEST_GPTOSS_ENGINE"
_FAREWELL = b"."
_SWEEPS_S = 30.0


class Watchdog:
    """A process that outlives this one for as long as it takes to clear up after it.

    Args:
        folder: A folder that shall not be left behind.
    """

    def __init__(self, folder: str | None = None) -> None:
        mark = uuid.uuid4().hex
        # The second keeps `setproctitle`, by which vLLM names its processes, from writing the name
        # over the environment that others can read.
        self.variables = {_MARK: mark, "SPT_NOENV": "1"}
        """What the engine's processes must inherit."""
        # Away from the terminal's interrupts, and (-P) with this folder's `select` out of the way.
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, mark, *([folder] if folder else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def dismiss(self) -> None:
        """Let it go: the engine's processes have ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # somebody has ended it already
            self._process.stdin.write(_FAREWELL)
            self._process.stdin.flush()
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()


def _watch(mark: str, folder: str | None) -> None:
    session = os.getppid()
    # The pipe alone would do, but for a copy of its other end in some process that was forked.
    while not select.select([0], [], [], 1.0)[0]:
        if os.getppid() != session:
            break
    else:
        if os.read(0, 1) == _FAREWELL:
            return
    until = time.monotonic() + _SWEEPS_S
    clean = 0
    while clean < 3 and time.monotonic() < until:  # a process that was just starting comes late
        clean = 0 if _sweep(mark) else clean + 1
        time.sleep(0.2)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(mark: str) -> bool:
    """Kill what bears the mark; tell whether there was anything."""
    import psutil

    found = False
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):  # another user's, or just gone
            if process.environ().get(_MARK) == mark:
                found = True
                process.kill()
    return found


if __name__ == "__main__":
    _watch(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
