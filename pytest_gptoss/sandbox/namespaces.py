"""The second rung on Linux: what bubblewrap does, done by ourselves; nothing need be installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.sandbox import base, privileges, seccomp
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
        self._root = privileges.is_root()
        seen = view()
        self._config: dict[str, Any] = {
            "supervised": True,
            "filter": seccomp.load("alone"),
            "namespaces": {
                # In a user namespace root would stay root on the machine.
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
        return f"namespaces [{user} pid net mount ipc uts seccomp rlimits; memory: watchdog]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` in namespaces of its own."""
        config = {**self._config, **privileges.identity(own_namespace=True)}
        return base.start(source, limits, config, end=base.tell)
