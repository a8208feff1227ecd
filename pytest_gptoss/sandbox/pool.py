"""Interpreters that wait for work: started ahead, used once, never used again."""

from __future__ import annotations

import ast
import functools
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pytest_gptoss.sandbox.base import Confined, Rung
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Pool", "source_of"]


class Pool:
    """Sandboxes of one kind, started in the background as others are taken.

    Args:
        rung: How they are confined.
        source: What each of them runs.
        limits: The bounds of those that wait.
        idle: How many wait. None are started before the first is taken.
    """

    def __init__(self, rung: Rung, source: str, limits: Limits, *, idle: int) -> None:
        self._rung = rung
        self._source = source
        self._limits = limits
        self._wanted = idle
        self._idle: deque[Future[Confined]] = deque()
        self._lock = threading.Lock()
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-pool")

    def take(self, limits: Limits) -> Confined:
        """Give one that nobody has used, for the taker to kill; with other bounds, a cold one.

        Raises:
            OSError: No process could be started.
        """
        if limits != self._limits:
            return self._rung.start(self._source, limits)
        with self._lock:
            while len(self._idle) <= self._wanted:
                self._idle.append(self._starter.submit(self._start))
            first = self._idle.popleft()
        return first.result()

    def _start(self) -> Confined:
        return self._rung.start(self._source, self._limits)

    def close(self) -> None:
        """Kill those that wait."""
        with self._lock:
            self._starter.shutdown(cancel_futures=True)
            for future in self._idle:
                with suppress(OSError):
                    if not future.cancelled():
                        future.result().kill()
            self._idle.clear()


@functools.cache
def source_of(side: str) -> str:
    """Join the channel and one side of it, ``"runner"`` or ``"judge"``, into one program.

    The interpreter that runs it has no package to import the channel from.
    """
    folder = Path(__file__).parent
    body: list[ast.stmt] = []
    for name in ("channel", f"_{side}"):
        tree = ast.parse((folder / f"{name}.py").read_text("utf-8"))
        body += [node for node in tree.body if not _is_absent(node)]
    return "from __future__ import annotations\n" + ast.unparse(ast.Module(body, []))


def _is_absent(node: ast.stmt) -> bool:
    # The package is not there; typing serves annotations alone, and takes a fifth of the start.
    module = node.module if isinstance(node, ast.ImportFrom) else None
    return module is not None and module.split(".")[0] in ("__future__", "pytest_gptoss", "typing")
