"""No sandbox: limits alone, for those who asked for just that on the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import base

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Unconfined"]


class Unconfined:
    """A plain process: it may read, write and send all that its user may."""

    name = "none"

    def describe(self) -> str:
        """Name what is in force."""
        return "none [rlimits; memory: watchdog]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` under its limits, and on Linux under a supervisor that ends it."""
        if sys.platform == "linux":
            return base.start(source, limits, {"supervised": True}, end=base.tell)
        return base.start(source, limits, {}, end=base.kill_group)
