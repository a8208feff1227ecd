"""`BenchmarkItem`: pytest's test of one benchmark item on one model."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.records import Outcome
    from pytest_gptoss.run.group import Group, Ticket

__all__ = ["BenchmarkItem", "items_of", "skipped"]

_ASKED_FOR = ("response", "request")

SKIP_REASON = "no model was named: pass --model NAME to evaluate one (for example gpt-oss-20b)"


class BenchmarkItem(pytest.Function):
    """One item of a benchmark on one model, as a test.

    It is a `pytest.Function` whose ``response`` is at hand already: where the test asks for nothing
    else, pytest's fixture machinery, which costs more than all the rest of a test, is left out.
    """

    # One attribute more than pytest sets would give each item a dictionary layout of its own.
    __slots__ = ("_plain", "evaluation", "folded", "outcome", "submitted", "ticket")

    ticket: Ticket
    evaluation: Evaluation
    submitted: bool
    outcome: Outcome | None
    folded: bool
    """Whether others of its group ended as errors for the same reason, and were shown."""
    _plain: bool

    @property
    def group(self) -> Group:
        """The (model, benchmark) pair that it belongs to."""
        return self.ticket.group

    def setup(self) -> None:
        """Provide the fixtures, or just the response where that is all that is asked for."""
        if self._plain:
            self.funcargs["response"] = self.evaluation.response(self)
        else:
            super().setup()

    def reportinfo(self) -> tuple[Any, int | None, str]:
        """Where the test stands; asked for every item, so found out once for all."""
        place = self.evaluation.collection.place(self)
        return place.path, place.line, self.name

    @property
    def location(self) -> tuple[str, int | None, str]:
        """The same, as reports show it; pytest would keep it in each item, at 0.8 KB apiece."""
        place = self.evaluation.collection.place(self)
        return place.shown, place.line, self.name


class _Asked:
    """What stands in a test's brackets, in the shape in which pytest keeps parametrisations.

    pytest's own class for it carries dictionaries that would be empty here, for each item.
    """

    __slots__ = ("_idlist", "id")

    marks: tuple[pytest.Mark, ...] = ()
    params: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    indices: ClassVar[Mapping[str, int]] = MappingProxyType({})
    _arg2scope: ClassVar[Mapping[str, Any]] = MappingProxyType({})

    def __init__(self, text: str) -> None:
        self.id = text
        self._idlist = (text,)


def items_of(
    collector: pytest.Collector,
    name: str,
    function: Callable[..., Any],
    evaluation: Evaluation,
    groups: Iterator[tuple[Group, list[int]]],
) -> list[BenchmarkItem]:
    """One test for each model and selected row; what they share is computed once."""
    items: list[BenchmarkItem] = []
    fixtures: Any = None
    plain = False
    for group, rows in groups:
        label = group.spec.label
        for row in rows:
            ticket = group.ticket(row)
            asked = _Asked(f"{label}-{ticket.item_id}")
            item: BenchmarkItem = BenchmarkItem.from_parent(
                collector,
                name=f"{name}[{asked.id}]",
                callspec=asked,
                callobj=_bound(collector, function),
                originalname=name,
                **({} if fixtures is None else {"fixtureinfo": fixtures}),
            )
            if fixtures is None:
                fixtures = item._fixtureinfo
                plain = _is_plain(fixtures, evaluation)
            item.ticket = ticket
            item.evaluation = evaluation
            item.submitted = item.folded = False
            item.outcome = None
            item._plain = plain
            items.append(item)
    return items


def skipped(
    collector: pytest.Collector, name: str, function: Callable[..., Any]
) -> list[pytest.Function]:
    """The one test that stands for a benchmark in a session without a model."""
    item: pytest.Function = pytest.Function.from_parent(collector, name=name, callobj=function)
    item.add_marker(pytest.mark.skip(reason=SKIP_REASON))
    return [item]


def _bound(collector: pytest.Collector, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or the method of a fresh instance where it stands in a class."""
    if isinstance(collector, pytest.Class):
        method: Callable[..., Any] = function.__get__(collector.newinstance())  # type: ignore[no-untyped-call]
        return method
    return function


def _is_plain(fixtures: Any, evaluation: Evaluation) -> bool:
    """Whether the test needs our own ``response`` and nothing else."""
    defined = fixtures.name2fixturedefs.get("response", ())
    return (
        tuple(fixtures.argnames) == ("response",)
        and set(fixtures.names_closure) <= set(_ASKED_FOR)
        and len(defined) == 1
        and defined[0].func is evaluation.response_fixture
    )
