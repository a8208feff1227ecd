"""No sandbox: limits alone, for those who asked for just that on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import base, cgroups, privileges

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Unconfined"]


class Unconfined:
    """A plain process: it may read, write and send all that its user may."""

    name = "none"

    def describe(self) -> str:
        """Name what is in force."""
        return f"none [rlimits; {cgroups.bound()}]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` under its limits, and on Linux under a supervisor that ends it."""
        tasks = privileges.identity(namespaces=False).tasks
        linux = sys.platform == "linux"
        return base.start(
            source,
            limits,
            {"supervised": linux},
            end=base.tell if linux else base.kill_group,
            identity=privileges.Identity(None, None, tasks),
        )
