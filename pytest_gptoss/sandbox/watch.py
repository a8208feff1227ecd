"""What no limit of the kernel's bounds: the memory of a whole tree, and its output."""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["TICK_S", "Watched", "add", "descendants", "resident_bytes"]

# Memory is looked at this often. In 50 ms a machine fills some 100 MB per core.
TICK_S = 0.05 if sys.platform == "linux" else 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Watched:
    """One tree of processes under watch.

    Attributes:
        exceeded: The bound for which it was ended: "memory", "output", or None.
        said: Its output so far, up to the limit.
    """

    def __init__(
        self,
        pid: int,
        output: int,
        limits: Limits,
        end: Callable[[], None],
        struck: Callable[[], bool],
    ) -> None:
        self.exceeded: str | None = None
        self.said = b""
        self.pid = pid
        self._printed = 0
        self._output = output
        self._most = limits.output_kb << 10
        self._memory = limits.tree_bytes
        self._struck = struck
        self._end = end
        os.set_blocking(output, False)

    def read(self) -> bool:
        """Take what was printed; False at the end of it, or where it is too much."""
        try:
            data = os.read(self._output, 1 << 16)
        except BlockingIOError:
            return True
        self.said += data[: self._most - len(self.said)]
        self._printed += len(data)
        if self._printed > self._most:
            self._trip("output")
        return bool(data) and self.exceeded is None

    def weigh(self) -> None:
        """End the tree if it holds too much memory, or the kernel has already struck at it."""
        if self.exceeded is None and (self._struck() or resident_bytes(self.pid) > self._memory):
            self._trip("memory")

    def _trip(self, bound: str) -> None:
        # Before the end, so that whoever sees the end finds its cause.
        if self.exceeded is None:
            self.exceeded = bound
            self._end()

    def stop(self) -> None:
        """Watch no more; the tree is gone, so what it left in the pipe is all there will be."""
        _watcher.remove(self)
        with contextlib.suppress(BlockingIOError):
            while len(self.said) < self._most and (data := os.read(self._output, self._most)):
                self.said += data[: self._most - len(self.said)]
        os.close(self._output)

    def fileno(self) -> int:
        """Return the descriptor of the output."""
        return self._output


class _Watcher:
    """One thread for all trees; it sleeps while there is none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._some = threading.Condition(self._lock)
        self._trees: set[Watched] = set()
        self._readable = selectors.DefaultSelector()
        self._thread: threading.Thread | None = None

    def add(self, tree: Watched) -> None:
        with self._lock:
            self._trees.add(tree)
            self._readable.register(tree, selectors.EVENT_READ)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sandbox-watch", daemon=True)
                self._thread.start()
            self._some.notify()

    def remove(self, tree: Watched) -> None:
        with self._lock:
            self._trees.discard(tree)
            if tree.fileno() in self._readable.get_map():
                self._readable.unregister(tree)

    def _run(self) -> None:
        due = 0.0
        while True:
            with self._lock:
                while not self._trees:
                    self._some.wait()
            events = self._readable.select(max(0.0, due - time.monotonic()))
            with self._lock:
                for key, _ in events:
                    tree = key.fileobj
                    assert isinstance(tree, Watched)
                    # It may have been removed, and its descriptor closed, since the select.
                    if tree in self._trees and not tree.read():
                        self._readable.unregister(tree)
                if time.monotonic() < due:
                    continue
                for tree in self._trees:
                    tree.weigh()
                due = time.monotonic() + TICK_S


def add(
    pid: int,
    output: int,
    limits: Limits,
    end: Callable[[], None],
    struck: Callable[[], bool] = lambda: False,
) -> Watched:
    """Watch the tree below process ``pid``, which prints to the pipe ``output``.

    Both are called from another thread: ``end`` has the tree killed, without waiting for it, and
    ``struck`` tells whether the kernel has ended part of it for its memory.
    """
    tree = Watched(pid, output, limits, end, struck)
    _watcher.add(tree)
    return tree


def resident_bytes(pid: int) -> int:
    """Return the resident memory of all that descends from process ``pid``, itself left out."""
    if sys.platform != "linux":
        return _resident_by_ps(pid)
    total = 0
    for below in descendants(pid):
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{below}/statm").read_text().split()[1]) * _PAGE
    return total


def descendants(pid: int) -> list[int]:
    """Return the processes below ``pid``, parents first (Linux)."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            # Each thread lists the children that it started.
            for thread in Path(f"/proc/{parent}/task").iterdir():
                text = (thread / "children").read_text()
                found += map(int, text.split())
    return found[1:]


def _resident_by_ps(pid: int) -> int:
    listed = subprocess.run(
        ["/bin/ps", "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=False
    ).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    inside, total = {pid}, 0
    for process, parent, kilobytes in sorted(rows):
        if parent in inside:
            inside.add(process)
            total += kilobytes << 10
    return total


def _new_watcher() -> None:
    global _watcher
    _watcher = _Watcher()


_watcher: _Watcher
_new_watcher()
# Threads do not survive a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_watcher)
