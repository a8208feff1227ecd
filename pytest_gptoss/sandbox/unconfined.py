"""No sandbox: limits alone, for those who asked for just that on the command line."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import base

if TYPE_CHECKING:
    import socket
    import subprocess

    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Unconfined"]


class Unconfined:
    """A plain process: it may read, write and send all that its user may."""

    name = "none"

    def describe(self) -> str:
        """Name what is in force."""
        return "none [rlimits; memory: watchdog]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` in a process group of its own."""
        return base.start(source, limits, {}, end=_end)


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    os.killpg(process.pid, signal.SIGKILL)
