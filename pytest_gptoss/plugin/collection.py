"""`Collection`: from the benchmarks of a session's suites to groups and their tests."""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_gptoss.data import sample
from pytest_gptoss.errors import DataError, UsageError
from pytest_gptoss.plugin.items import BenchmarkItem, items_of
from pytest_gptoss.run.group import Group

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.benchmark import Benchmark, Table
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.plugin.evaluation import Evaluation

    # A benchmark's rows, with the id, stratum and cluster of each.
    _Opened = tuple[Benchmark, Table, list[str], list[str] | None, list[str | None] | None]

__all__ = ["Collection"]


class Place(NamedTuple):
    """Where a test function stands: its file, its 0-based line, and the file as reports show it."""

    path: Path
    line: int | None
    shown: str


class Collection:
    """What a session collects.

    Args:
        evaluation: The session's evaluation, which the tests belong to.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._settings = evaluation.settings
        self._tables: dict[str, _Opened] = {}
        self._asked: dict[str, Benchmark] = {}
        self._groups: dict[tuple[str, str], Group] = {}
        self._places: dict[Any, Place] = {}
        self.errors: list[str] = []
        """What could not be collected, in sentences."""

    @property
    def groups(self) -> list[Group]:
        """Every group that has tests, selected or not."""
        return list(self._groups.values())

    def collect(
        self,
        collector: pytest.Collector,
        name: str,
        function: Callable[..., Any],
        benchmark: Benchmark,
    ) -> list[pytest.Item]:
        """The tests of one benchmark; none, and an error to report, where its data are missing."""
        try:
            _, _, ids, strata, _ = self._open(benchmark)
        except DataError as error:
            self.errors.append(str(error))
            return []
        rows = list(range(len(ids)))
        if self._settings.limit is not None:
            rows = sample(
                ids,
                self._settings.limit,
                seed=self._settings.seed or 0,
                name=benchmark.name,
                strata=strata,
            )
        groups = [(self._group(spec, benchmark), rows) for spec in self._settings.specs]
        items = items_of(collector, name, function, self._evaluation, iter(groups))
        return self._with_gates(collector, name, function, items)

    def place(self, item: BenchmarkItem) -> Place:
        """Where a test function stands, found once for all of its items."""
        # Not by `item.obj`: a method is bound to an instance of its own for each item.
        place = self._places.get(item.function)
        if place is None:
            path, line, _ = pytest.Function.reportinfo(item)
            shown = os.path.relpath(path, item.config.rootpath)
            place = self._places[item.function] = Place(Path(path), line, shown)
        return place

    def _with_gates(
        self,
        collector: pytest.Collector,
        name: str,
        function: Callable[..., Any],
        items: list[BenchmarkItem],
    ) -> list[pytest.Item]:
        """The items of each group, and after them its gate where it has one."""
        gates = self._evaluation.gates
        tests: list[pytest.Item] = []
        for _, members in groupby(items, lambda item: item.ticket.group.key):
            of_group = list(members)
            tests += of_group
            group = of_group[0].ticket.group
            try:
                gate = gates.collect(collector, name, function, group, len(of_group))
            except UsageError as error:
                self.errors.append(str(error))
                continue
            if gate is not None:
                gate.place = self.place(of_group[0])[:2]
                tests.append(gate)
        return tests

    def _open(self, benchmark: Benchmark) -> _Opened:
        held = self._tables.get(benchmark.name)
        if held is None:
            table = benchmark.open()
            if len(table) == 0:
                raise DataError(
                    f"benchmark {benchmark.name}: its dataset has no rows; check the split"
                )
            ids, strata = benchmark.ids(table), benchmark.strata_of(table)
            held = (benchmark, table, ids, strata, benchmark.clusters_of(table))
            self._tables[benchmark.name] = held
            shots = self._settings.shots
            self._asked[benchmark.name] = (
                benchmark if shots is None else benchmark.with_shots(shots)
            )
        elif held[0] is not benchmark:
            raise DataError(
                f"two benchmarks are called {benchmark.name!r}; a name must be unique in a session"
            )
        return held

    def _group(self, spec: ModelSpec, benchmark: Benchmark) -> Group:
        key = (spec.label, benchmark.name)
        group = self._groups.get(key)
        if group is None:
            _, table, ids, strata, clusters = self._open(benchmark)
            group = self._groups[key] = Group(
                spec=spec,
                benchmark=self._asked[benchmark.name],
                table=table,
                ids=ids,
                strata=strata,
                clusters=clusters,
                sampling=self._settings.sampling(spec),
                repeats=self._settings.repeats,
            )
        return group
