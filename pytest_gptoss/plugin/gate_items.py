"""The tests that compare with a baseline: a (model, benchmark) group, or a figure of a load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_gptoss.plugin.gates import Gates, Result
    from pytest_gptoss.plugin.speed_gates import SpeedGates
    from pytest_gptoss.run.group import Group

__all__ = ["GateItem", "SpeedGateItem"]

_NEITHER = ("inconclusive", "not comparable")


class _Gate(pytest.Item):
    """A test that runs after the tests that it is about, and fails where they regressed."""

    outcome: str | None = None
    """The category of its own that a gate without a yes or no is reported in."""
    folded: bool = False
    place: tuple[Path, int | None]

    @classmethod
    def named(
        cls, collector: pytest.Collector, name: str, asked: str, function: Callable[..., Any]
    ) -> Self:
        """The gate that stands beside a test function's tests, with the function's marks."""
        more: dict[str, Any] = {}
        identity = getattr(collector, "id", None)
        if identity is not None:
            # From 9.2 on pytest keeps what stands in the brackets apart, and --lf looks it up so.
            more["nodeid"] = identity.child(name).with_params(asked)
        item: Self = cls.from_parent(collector, name=f"{name}[{asked}]", **more)
        for mark in getattr(function, "pytestmark", ()):
            item.own_markers.append(mark)
            item.keywords[mark.name] = mark
        return item

    def judge(self) -> Result:
        """Compare."""
        raise NotImplementedError

    def runtest(self) -> None:
        """Compare, and fail or pass as the mode says."""
        __tracebackhide__ = True
        result = self.judge()
        self.outcome = result.verdict if result.verdict in _NEITHER else None
        self.user_properties += result.properties
        if result.skip is not None:
            pytest.skip(result.skip)
        if result.failure is not None:
            pytest.fail(result.failure, pytrace=False)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the tests that it is about stand."""
        path, line = self.place
        return path, line, self.name


class GateItem(_Gate):
    """The gate of one group."""

    gates: Gates
    group: Group

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
        item = cls.named(collector, name, f"{group.spec.label}-gate", function)
        item.gates = gates
        item.group = group
        return item

    def judge(self) -> Result:
        """Compare the group with its baseline."""
        return self.gates.run(self.group)


class SpeedGateItem(_Gate):
    """The gate of one figure of one load."""

    # By this pytest-benchmark knows it as belonging to a benchmark, for --benchmark-only and -skip.
    fixturenames = ("benchmark",)

    gates: SpeedGates
    owner: pytest.Function
    label: str
    load: str
    figure: str

    @classmethod
    def of(
        cls, owner: pytest.Function, gates: SpeedGates, label: str, load: str, figure: str
    ) -> SpeedGateItem:
        """The gate of a figure of the load that a test asks."""
        assert owner.parent is not None
        asked = f"{owner.callspec.id}-{figure}-gate"
        item = cls.named(owner.parent, owner.originalname, asked, owner.obj)
        item.gates, item.owner = gates, owner
        item.label, item.load, item.figure = label, load, figure
        path, line, _ = owner.reportinfo()
        item.place = path, line  # type: ignore[assignment]
        return item

    def judge(self) -> Result:
        """Compare the figure with the baseline's."""
        return self.gates.run(self)
