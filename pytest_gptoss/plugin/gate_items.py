"""`GateItem`: pytest's test of a whole (model, benchmark) group against its baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_gptoss.plugin.gates import Gates
    from pytest_gptoss.run.group import Group

__all__ = ["GateItem"]


class GateItem(pytest.Item):
    """The gate of one group: it runs after the group's items and fails where they regressed."""

    gates: Gates
    group: Group
    outcome: str | None = None
    """The category of its own that an inconclusive gate is reported in."""
    folded: bool = False
    place: tuple[Path, int | None]

    @classmethod
    def of(
        cls,
        collector: pytest.Collector,
        name: str,
        function: Callable[..., Any],
        gates: Gates,
        group: Group,
    ) -> GateItem:
        """The gate of a group, with the marks of the test function of its items."""
        asked = f"{group.spec.label}-gate"
        more: dict[str, Any] = {}
        identity = getattr(collector, "id", None)
        if identity is not None:
            # From 9.2 on pytest keeps what stands in the brackets apart, and --lf looks it up so.
            more["nodeid"] = identity.child(name).with_params(asked)
        item: GateItem = cls.from_parent(collector, name=f"{name}[{asked}]", **more)
        item.gates = gates
        item.group = group
        for mark in getattr(function, "pytestmark", ()):
            item.own_markers.append(mark)
            item.keywords[mark.name] = mark
        return item

    def runtest(self) -> None:
        """Compare, and fail or pass as the mode says."""
        __tracebackhide__ = True
        result = self.gates.run(self.group)
        self.outcome = "inconclusive" if result.verdict == "inconclusive" else None
        self.user_properties += result.properties
        if result.skip is not None:
            pytest.skip(result.skip)
        if result.failure is not None:
            pytest.fail(result.failure, pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the test of its items stands."""
        path, line = self.place
        return path, line, self.name
