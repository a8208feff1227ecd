"""This process and all that it has started: who they are, and how much memory they hold."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ProcessTree"]

# Finding the children means a look at every process of the machine.
_REFRESH_S = 2.0


class ProcessTree:
    """This process and its descendants."""

    def __init__(self) -> None:
        self._family: list[Any] = []
        self._ours: set[int] = set()
        self._strangers: set[int] = set()
        self._found_at = 0.0
        self._hidden = False

    def rss(self) -> int | None:
        """Bytes of physical memory that the processes hold now; ``None`` where they are hidden.

        Pages that several of them share are counted in each.
        """
        import psutil

        if not self._family or time.perf_counter() - self._found_at > _REFRESH_S:
            self._find()
        if self._hidden:
            return None
        total = 0
        for process in list(self._family):
            try:
                total += process.memory_info().rss
            except psutil.Error:  # it has ended
                self._family.remove(process)
        return total

    def ours(self, pids: Iterable[int]) -> set[int]:
        """Which of these processes belong, or once belonged, to the tree."""
        asked = set(pids)
        if asked - self._ours - self._strangers:
            self._find()
            self._strangers |= asked - self._ours
        return asked & self._ours

    def _find(self) -> None:
        import psutil

        this = psutil.Process()
        try:
            self._family = [this, *this.children(recursive=True)]
        except (psutil.Error, OSError):  # /proc mounted so that others' processes are hidden
            self._family, self._hidden = [this], True
        self._ours.update(process.pid for process in self._family)
        self._found_at = time.perf_counter()


def name_of(pid: int) -> str | None:
    """What a process is called, where the system says."""
    import psutil

    try:
        name: str = psutil.Process(pid).name()
    except psutil.Error:
        return None
    return name
