"""The second rung on Linux: what bubblewrap does, done by ourselves; nothing need be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.sandbox import base, cgroups, privileges, seccomp
from pytest_gptoss.sandbox.view import view

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Namespaces"]


class Namespaces:
    """Namespaces made by the new process itself, before it becomes the program.

    Raises:
        OSError: If there is no filter for this processor.
    """

    name = "namespaces"

    def __init__(self) -> None:
        self._root = privileges.may_mount()
        seen = view()
        self._config: dict[str, Any] = {
            "supervised": True,
            "filter": seccomp.load("alone"),
            "namespaces": {
                "own": not self._root,
                "shown": seen.shown,
                "links": seen.links,
                "hidden": seen.hidden,
                "tmp_mb": base.SCRATCH_MB,
                "shm_mb": base.SHARED_MB,
            },
        }

    def describe(self) -> str:
        """Name the layers in force."""
        user = "uid" if self._root else "user"
        return f"namespaces [{user} pid net mount ipc uts seccomp rlimits; {cgroups.bound()}]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` in namespaces of its own."""
        identity = privileges.identity(namespaces=True)
        return base.start(source, limits, self._config, end=base.tell, identity=identity)
