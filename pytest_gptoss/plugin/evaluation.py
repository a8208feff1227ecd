"""`Evaluation`: what one pytest session evaluates, from collection to the summary."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pytest_gptoss.data import sample, use_mirror
from pytest_gptoss.engines.select import make
from pytest_gptoss.errors import DataError, GptossError, UsageError
from pytest_gptoss.plugin.answered import Response
from pytest_gptoss.plugin.gate_settings import read_gate_settings
from pytest_gptoss.plugin.gates import Gates
from pytest_gptoss.plugin.items import BenchmarkItem, items_of
from pytest_gptoss.records import Outcome
from pytest_gptoss.report.warnings import warnings_of
from pytest_gptoss.run.directory import RunDirectory
from pytest_gptoss.run.group import Group
from pytest_gptoss.run.handle import Model
from pytest_gptoss.run.journal import Journal
from pytest_gptoss.run.results import item_records, summarise
from pytest_gptoss.run.scheduler import Batch, Scheduler
from pytest_gptoss.run.settings import public_url, settings_record
from pytest_gptoss.scorers.judge import use_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_gptoss.benchmark import Benchmark, Table
    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.plugin.settings import Settings
    from pytest_gptoss.run.group import Ticket

    # A benchmark's rows, with the id, stratum and cluster of each.
    _Opened = tuple[Benchmark, Table, list[str], list[str] | None, list[str | None] | None]

__all__ = ["Evaluation"]

# A dead server ends every item for one reason; it is printed for so many of them.
_ERRORS_SHOWN = 3


class Evaluation:
    """The state of a session.

    Args:
        config: pytest's.
        settings: What was asked for.
        response_fixture: The function of the plugin's own ``response`` fixture.
    """

    def __init__(
        self, config: pytest.Config, settings: Settings, response_fixture: Callable[..., Any]
    ) -> None:
        self.config = config
        self.settings = settings
        self.response_fixture = response_fixture
        self.groups: list[Group] = []
        self.errors: list[str] = []
        self.directory: RunDirectory | None = None
        self.summary: dict[str, Any] | None = None
        self.interrupted = False
        self._tables: dict[str, _Opened] = {}
        self._asked: dict[str, Benchmark] = {}
        self._collected: dict[tuple[str, str], Group] = {}
        self._places: dict[Any, tuple[Path, int | None]] = {}
        self._journal: Journal | None = None
        self._scheduler: Scheduler | None = None
        self._models: dict[str, Model] = {}
        self._reasons: Counter[str] = Counter()
        self._started = time.time()
        self.announced: list[str] = []
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.stopped: str | None = None
        use_mirror(settings.data)
        use_judge(settings.judge)
        self.gates = Gates(self, read_gate_settings(config))

    # --- collection ------------------------------------------------------------------------------

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
        if self.settings.limit is not None:
            rows = sample(
                ids,
                self.settings.limit,
                seed=self.settings.seed or 0,
                name=benchmark.name,
                strata=strata,
            )
        groups = [(self._group(spec, benchmark), rows) for spec in self.settings.specs]
        items = items_of(collector, name, function, self, iter(groups))
        return self._with_gates(collector, name, function, items)

    def _with_gates(
        self,
        collector: pytest.Collector,
        name: str,
        function: Callable[..., Any],
        items: list[BenchmarkItem],
    ) -> list[pytest.Item]:
        """The items of each group, and after them its gate where it has one."""
        tests: list[pytest.Item] = []
        for _, members in groupby(items, lambda item: item.ticket.group.key):
            of_group = list(members)
            tests += of_group
            try:
                gate = self.gates.collect(
                    collector, name, function, of_group[0].ticket.group, len(of_group)
                )
            except UsageError as error:
                self.errors.append(str(error))
                continue
            if gate is not None:
                gate.place = self.place(of_group[0])
                tests.append(gate)
        return tests

    def collected(self) -> list[Group]:
        """Every group that has tests, selected or not."""
        return list(self._collected.values())

    def place(self, item: BenchmarkItem) -> tuple[Path, int | None]:
        """File and line of a test function, found once for all of its items."""
        place = self._places.get(item.obj)
        if place is None:
            path, line, _ = pytest.Function.reportinfo(item)
            place = self._places[item.obj] = (Path(path), line)
        return place

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
            shots = self.settings.shots
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
        group = self._collected.get(key)
        if group is None:
            _, table, ids, strata, clusters = self._open(benchmark)
            group = self._collected[key] = Group(
                spec=spec,
                benchmark=self._asked[benchmark.name],
                table=table,
                ids=ids,
                strata=strata,
                clusters=clusters,
                sampling=self.settings.sampling(spec),
                repeats=self.settings.repeats,
            )
        return group

    # --- running ---------------------------------------------------------------------------------

    def begin(self, items: Sequence[pytest.Item]) -> None:
        """Submit everything that is still selected.

        Raises:
            UsageError: The run directory cannot be used, or the first engine cannot run here.
        """
        for item in items:
            if isinstance(item, BenchmarkItem) and not any(item.iter_markers("skip")):
                group = item.ticket.group
                if not group.tickets:
                    self.groups.append(group)
                group.tickets.append(item.ticket)
                item.submitted = True
        if not self.groups:
            return
        if self.settings.shots and not any(group.benchmark.shots for group in self.groups):
            names = dict.fromkeys(group.benchmark.name for group in self.groups)
            raise UsageError(
                f"--gptoss-shots {self.settings.shots} can show nothing: {', '.join(names)} "
                "declares no examples; leave it out, or declare Benchmark(shots=...)"
            )
        talked_to = {
            callspec.params["model"]
            for item in items
            if (callspec := getattr(item, "callspec", None)) and "model" in callspec.params
        }
        self.directory = self._make_directory()
        self._journal = Journal(self.directory.journal)
        batches = [
            Batch(
                spec,
                [group for group in self.groups if group.spec.label == spec.label],
                hold=spec.label in talked_to,
            )
            for spec in self.settings.specs
        ]
        scheduler = self._make_scheduler()
        scheduler.start([batch for batch in batches if batch.groups])

    def wait_until_open(self, meanwhile: Callable[[], None]) -> None:
        """Wait for the first engine, so that what keeps it from running is said at once.

        Raises:
            UsageError: It cannot run here; the run directory, still empty, is taken away.
        """
        if self._scheduler is None:
            return
        try:
            self._scheduler.wait_until_open(meanwhile)
        except GptossError as error:
            self._scheduler.stop()
            assert self._journal is not None
            assert self.directory is not None
            self._journal.release()
            self.directory.discard()
            self.groups, self._scheduler, self.directory = [], None, None
            raise UsageError(str(error)) from error

    def wait(self, item: BenchmarkItem, meanwhile: Callable[[], None]) -> None:
        """Wait until an item is answered; ``meanwhile`` is called about ten times a second.

        Raises:
            pytest.exit.Exception: Nothing more will come; status 4, with one sentence.
        """
        self._await(item.ticket, meanwhile)

    def settle(self, group: Group) -> None:
        """Wait until every selected item of a group is answered."""
        for ticket in group.tickets:
            self._await(ticket, lambda: None)

    def _await(self, ticket: Ticket, meanwhile: Callable[[], None]) -> None:
        assert self._scheduler is not None
        try:
            while not self._scheduler.wait(ticket, 0.1):
                meanwhile()
        except GptossError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def response(self, item: BenchmarkItem) -> Response:
        """An item's scored completions; an infrastructure error ends its test as an error."""
        __tracebackhide__ = True
        self.wait(item, lambda: None)
        response = Response(item.ticket, strict=self.settings.strict_items)
        item.outcome = response.outcome
        if item.outcome is Outcome.ERROR:
            reason = next((c.error for c in response.completions if c.error), "no completion")
            self._reasons[reason] += 1
            item.folded = self._reasons[reason] > _ERRORS_SHOWN
            pytest.fail(
                f"no answer to {response.benchmark} item {response.item_id}: {reason}",
                pytrace=False,
            )
        return response

    def model(self, spec: ModelSpec) -> Model:
        """The handle by which a test talks to a model itself."""
        model = self._models.get(spec.label)
        if model is None:
            model = Model(spec, self._make_scheduler(), self.settings.sampling(spec))
            self._models[spec.label] = model
        return model

    def release(self, spec: ModelSpec) -> None:
        """Say that no further test talks to this model."""
        if self._scheduler is not None:
            self._scheduler.release(spec.label)

    @property
    def opening(self) -> str | None:
        """The model whose engine is starting just now."""
        return self._scheduler.opening if self._scheduler is not None else None

    # --- finish ----------------------------------------------------------------------------------

    def finish(self) -> None:
        """Stop what is still generating and write the run directory.

        Raises:
            UsageError: The files cannot be written.
        """
        if self._scheduler is not None:
            self._scheduler.stop()
        if self.directory is None or self._journal is None:
            return
        try:
            self.directory.write_items(item_records(self.groups, self._journal))
            figures = [summarise(group) for group in self.groups]
            self.summary = {
                "schema": 1,
                "complete": all(group["n"] == group["selected"] for group in figures),
                "interrupted": self.interrupted,
                "settings": self.record(self.groups),
                "groups": figures,
            }
            self.gates.complete(self.summary)
            models = self.summary["settings"]["models"]
            for group in figures:
                group["warnings"] = warnings_of(group, models[group["model"]])
            self.directory.write_summary(self.summary)
            self.gates.write_flips(self.directory.path)
        except OSError as error:
            raise UsageError(
                f"the results cannot be written to {self.directory.path} ({error.strerror}); "
                "every completion is in its journal"
            ) from error
        finally:
            self._journal.release()
        self.notes, self.problems = self.gates.save(self.summary, self.stopped)

    def record(self, groups: Sequence[Group]) -> dict[str, Any]:
        """The settings record of some groups."""
        facts = self._scheduler.facts if self._scheduler is not None else {}
        return settings_record(
            groups,
            engine=self.settings.engine,
            facts=facts,
            asked={
                "profile": self.settings.profile.name,
                "limit": self.settings.limit,
                "shots": self.settings.shots,
                "judge": msgspec.to_builtins(self.settings.judge),
                "seed": self.settings.seed,
                "repeats": self.settings.repeats,
                "max_tokens": self.settings.max_tokens,
                "temperature": self.settings.temperature,
                "timeout_s": self.settings.timeout_s,
                "engine_arguments": {
                    # Headers may carry a key.
                    name: "not recorded" if name == "headers" else value
                    for name, value in self.settings.engine_options.arguments.items()
                },
                "endpoint": public_url(self.settings.engine_options.endpoint),
                "completions": self.settings.engine_options.completions,
            },
            started=self._started,
        )

    def _make_directory(self) -> RunDirectory:
        if self.settings.run is not None:
            return RunDirectory(self.settings.run)
        label = "+".join(spec.slug for spec in self.settings.specs)
        return RunDirectory.fresh(self.config.invocation_params.dir / "runs", label)

    def _make_scheduler(self) -> Scheduler:
        if self._scheduler is None:
            self._scheduler = Scheduler(
                self._make_engine,
                self._journal,
                timeout_s=self.settings.timeout_s,
                seed=self.settings.seed,
            )
        return self._scheduler

    def _make_engine(self, spec: ModelSpec) -> Engine:
        if self.settings.engine is None:
            raise UsageError(
                "no engine is installed: install pytest-gptoss[embedded] or pytest-gptoss[vllm]"
            )
        benchmarks = tuple(
            group.benchmark.name for group in self.groups if group.spec.label == spec.label
        )
        options = replace(self.settings.engine_options, benchmarks=benchmarks)
        return make(self.settings.engine, spec, options)
