"""`Evaluation`: what one pytest session evaluates, from what is submitted to what is written."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.data import use_mirror
from pytest_gptoss.engines.select import make
from pytest_gptoss.errors import GptossError, UsageError
from pytest_gptoss.plugin.answered import Response
from pytest_gptoss.plugin.collection import Collection
from pytest_gptoss.plugin.continuing import check_opened, check_same, header_of, rescored_record
from pytest_gptoss.plugin.finishing import record_of, write_run
from pytest_gptoss.plugin.gate_settings import read_gate_settings
from pytest_gptoss.plugin.gates import Gates
from pytest_gptoss.plugin.interrupts import Interrupts
from pytest_gptoss.plugin.items import BenchmarkItem
from pytest_gptoss.plugin.reports import write_reports
from pytest_gptoss.plugin.speed_gates import SpeedGates
from pytest_gptoss.plugin.workers import ASKED_ELSEWHERE, evaluates
from pytest_gptoss.records import Outcome
from pytest_gptoss.run.audit import audit
from pytest_gptoss.run.directory import RunDirectory
from pytest_gptoss.run.earlier import Earlier, Recall
from pytest_gptoss.run.handle import Model
from pytest_gptoss.run.journal import Journal
from pytest_gptoss.run.scheduler import Batch, Scheduler
from pytest_gptoss.scorers.code import Sandbox, use_sandbox
from pytest_gptoss.scorers.judge import use_judge

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.plugin.settings import Settings
    from pytest_gptoss.run.group import Group, Ticket
    from pytest_gptoss.run.metering import Metering

__all__ = ["Evaluation"]

# A dead server ends every item for one reason; it is printed for so many of them.
_ERRORS_SHOWN = 3


class Evaluation:
    """The state of a session.

    Args:
        config: pytest's.
        settings: What was asked for.
        response_fixture: The function of the plugin's own ``response`` fixture.
        earlier: The run whose completions are scored again, instead of generating any.
    """

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        response_fixture: Callable[..., Any],
        earlier: Earlier | None = None,
    ) -> None:
        self.config = config
        self.settings = settings
        self.response_fixture = response_fixture
        self.groups: list[Group] = []
        self.earlier = earlier
        self.directory: RunDirectory | None = None
        self.summary: dict[str, Any] | None = None
        self.interrupted = False
        self._journal: Journal | None = None
        self._recall: Recall | None = None
        self._scheduler: Scheduler | None = None
        self._models: dict[str, Model] = {}
        self._reasons: Counter[str] = Counter()
        self._started = time.time()
        self.announced: list[str] = []
        self.notes: list[str] = []
        self.problems: list[str] = []
        self.reported: list[str] = []
        self.faults: list[str] = []
        self.stopped: str | None = None
        use_mirror(settings.data)
        use_judge(settings.judge)
        self.sandbox = Sandbox(
            settings.sandbox,
            settings.sandbox_min,
            allow_unsandboxed=settings.allow_unsandboxed,
        )
        use_sandbox(self.sandbox)
        self.gates = Gates(self, read_gate_settings(config))
        self.speed = SpeedGates(self)
        self.collection = Collection(self)
        self.interrupts = Interrupts(config, self._cancel, self._farewell)

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
        self._open_journal()
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

    def _open_journal(self) -> None:
        """Take the run directory, with what an earlier session left in it.

        Raises:
            UsageError: It cannot be used, or what it holds was asked under other settings.
        """
        directory = self._make_directory()
        record = self.record(self.groups)
        try:
            if self.settings.resume:
                earlier = Earlier(directory.path)
                check_same(earlier, self.groups, record)
                self._recall = Recall(earlier, in_place=True, generate=True)
            elif self.earlier is not None:
                self.earlier.check_items(self.groups)
                self._recall = Recall(self.earlier, in_place=False, generate=False)
            record = self.record(self.groups)
            keep = self._recall.earlier.whole if self._recall and self._recall.in_place else 0
            self._journal = Journal(directory.journal, header_of(self.groups, record), keep=keep)
        except OSError as error:
            directory.discard()
            raise UsageError(
                f"the journal in {directory.path} cannot be written ({error.strerror}); free that "
                "place, or name another with --gptoss-run"
            ) from error
        except UsageError:
            directory.discard()
            raise
        self.directory = directory

    def keep_results(self) -> None:
        """Take the run directory in a session that evaluates nothing but has something to write.

        Raises:
            pytest.exit.Exception: It cannot be used; status 4, with one sentence.
        """
        if self.directory is None:
            try:
                self.directory = self._make_directory()
            except UsageError as error:
                pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def wait_until_open(self, meanwhile: Callable[[], None]) -> None:
        """Wait for the first engine, so that what keeps it from running is said at once.

        Raises:
            UsageError: It cannot run here; the run directory, still empty, is taken away.
        """
        if self._scheduler is None:
            return

        def in_between() -> None:
            self.interrupts.check()
            meanwhile()

        try:
            self._scheduler.wait_until_open(in_between)
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
            KeyboardInterrupt: The user wants no more.
        """
        self._await(item.ticket, meanwhile)

    def settle(self, group: Group) -> None:
        """Wait until every selected item of a group is answered, or never will be."""
        for ticket in group.tickets:
            self._await(ticket, lambda: None)

    def _await(self, ticket: Ticket, meanwhile: Callable[[], None]) -> None:
        assert self._scheduler is not None
        try:
            while not self._scheduler.wait(ticket, 0.1):
                self.interrupts.check()
                meanwhile()
        except GptossError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)

    def response(self, item: BenchmarkItem) -> Response:
        """An item's scored completions; an infrastructure error ends its test as an error.

        An item that was not answered, because the session's time ran out, is skipped.
        """
        __tracebackhide__ = True
        self.wait(item, lambda: None)
        assert self._journal is not None
        assert self._scheduler is not None
        if not item.ticket.done:
            pytest.skip(f"not answered: {self._scheduler.over or 'the session ends'}")
        response = Response(item.ticket, self._journal.read, strict=self.settings.strict_items)
        item.outcome = response.outcome
        if item.outcome is Outcome.ERROR:
            reason = next(
                (result.error for result in item.ticket.results if result and result.error),
                "its scorer calls it an error",
            )
            self._reasons[reason] += 1
            item.folded = self._reasons[reason] > _ERRORS_SHOWN
            answered = not any(completion.error for completion in response.completions)
            what = "the answer cannot be scored" if answered else "no answer"
            pytest.fail(
                f"{what} ({response.benchmark} item {response.item_id}): {reason}", pytrace=False
            )
        return response

    def model(self, spec: ModelSpec) -> Model:
        """The handle by which a test talks to a model itself; a skip where no engine may run."""
        if self.earlier is not None:
            pytest.skip("--gptoss-rescore has no engine to talk to")
        if not evaluates(self.config):
            pytest.fail(ASKED_ELSEWHERE, pytrace=False)
        model = self._models.get(spec.label)
        if model is None:
            model = Model(
                spec, self._make_scheduler(), self.settings.sampling(spec), self.interrupts.check
            )
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

    @property
    def remarks(self) -> list[str]:
        """What the reader of the results must know of how they came about, a sentence each."""
        notes = list(self._scheduler.notes) if self._scheduler is not None else []
        return notes if self._recall is None else [*self._recall.notes(self.groups), *notes]

    @property
    def metering(self) -> Metering | None:
        """What was measured while the engines worked; ``None`` where none was wanted."""
        return self._scheduler.metering if self._scheduler is not None else None

    def record(self, groups: Sequence[Group]) -> dict[str, Any]:
        """The settings record of some groups."""
        facts = self._scheduler.facts if self._scheduler is not None else {}
        record = record_of(groups, self.settings, facts=facts, started=self._started)
        if self.earlier is not None:
            return rescored_record(self.earlier, record, groups)
        if self._recall is not None:
            record["resumed"] = record["started"]
            record["started"] = self._recall.earlier.header.settings["started"]
        return record

    def finish(self) -> None:
        """Stop what is still generating and write the run directory.

        Raises:
            UsageError: The files cannot be written.
        """
        if self._scheduler is not None:
            self._scheduler.stop()
            if any(not ticket.done for group in self.groups for ticket in group.tickets):
                self.stopped = self.stopped or self._scheduler.over
        self.faults = audit(self.groups, stopped=self.stopped is not None)
        if self.directory is None:
            return
        try:
            self.summary = write_run(self, self.directory, self._journal)
        finally:
            if self._journal is not None:
                self._journal.release()
            self.directory.release()
            if self._recall is not None:
                self._recall.earlier.close()
        self.notes, self.problems = self.gates.save(self.summary, self.stopped)
        notes, problems = self.speed.save(self.stopped)
        self.notes, self.problems = self.notes + notes, self.problems + problems
        self.reported = write_reports(self)

    def _cancel(self) -> None:
        if self._scheduler is not None:
            self._scheduler.cancel()

    def _check_opened(self, label: str, facts: Mapping[str, Any]) -> None:
        if self._recall is not None:
            self._recall.earlier.notes += check_opened(self._recall.earlier, label, facts)

    def _farewell(self) -> str:
        if self.directory is None:
            return "stopped at once"
        return f"stopped at once; what arrived is in {self.directory.journal}"

    def _make_directory(self) -> RunDirectory:
        if self.settings.run is not None:
            return RunDirectory(self.settings.run, resume=self.settings.resume)
        label = "+".join(spec.slug for spec in self.settings.specs)
        return RunDirectory.fresh(self.config.invocation_params.dir / "runs", label)

    def _make_scheduler(self) -> Scheduler:
        if self._scheduler is None:
            self._scheduler = Scheduler(
                self._make_engine,
                self._journal,
                timeout_s=self.settings.timeout_s,
                session_timeout_s=self.settings.session_timeout_s,
                seed=self.settings.seed,
                recall=self._recall,
                opened=self._check_opened,
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
