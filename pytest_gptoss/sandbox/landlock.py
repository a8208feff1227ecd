"""The third rung on Linux: no namespaces, but Landlock, a system call filter and a supervisor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.sandbox import _border, base, cgroups, privileges, seccomp
from pytest_gptoss.sandbox.view import view

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Landlock"]


class Landlock:
    """The program sees the machine and may open nothing of it but the interpreter's files.

    It can write no file at all and start no program, so temporary files and ``multiprocessing``
    are refused.

    Raises:
        OSError: If the kernel has no Landlock, or there is no filter for this processor.
    """

    name = "landlock"

    def __init__(self) -> None:
        self._root = privileges.is_root()
        self._version = _border.landlock_version()
        if self._version < 1:
            raise OSError("this kernel has no Landlock (Linux 5.13), or it is switched off")
        read, listed = view().leaves()
        self._config: dict[str, Any] = {
            "supervised": True,
            # Since its sixth version Landlock keeps signals within.
            "filter": seccomp.load("beside" if self._version >= 6 else "silent"),
            "landlock": {"read": read, "listed": listed},
            "read_all": self._root and privileges.only_root_reads(),
        }

    def describe(self) -> str:
        """Name the version and the layers in force."""
        user = "uid " if self._root else ""
        return f"landlock {self._version} [{user}landlock seccomp rlimits; {cgroups.bound()}]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` under Landlock."""
        identity = privileges.identity(namespaces=False)
        return base.start(source, limits, self._config, end=base.tell, identity=identity)
