"""What is asked and what came of it: tickets, results and the tally of a group."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.benchmark import Benchmark, Item, Table
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Completion, Sampling, Score

__all__ = ["Group", "Result", "Tally", "Ticket"]


@dataclass(slots=True)
class Result:
    """One scored completion and its place in the journal, which alone holds its text.

    A fast engine is far ahead of the tests: texts kept for them would pile up in memory.
    """

    score: Score
    offset: int
    length: int
    error: str | None = None
    """Why there is no answer, or why it could not be scored."""


class Ticket:
    """One item that was selected, and its results, one for each repeat."""

    __slots__ = ("group", "item", "item_hash", "item_id", "missing", "results", "row")

    def __init__(self, group: Group, row: int, item_id: str) -> None:
        self.group = group
        self.row = row
        self.item_id = item_id
        self.item: Item | None = None
        self.item_hash = ""
        self.results: list[Result | None] = [None] * group.repeats
        self.missing = group.repeats

    @property
    def done(self) -> bool:
        """Whether every repeat was journalled and scored."""
        return self.missing == 0

    def build(self) -> Item:
        """The item, built from its row when it is first needed."""
        if self.item is None:
            item = self.group.benchmark.build(self.group.table[self.row])
            self.item_hash = item.content_hash
            self.item = item
        return self.item

    def fingerprint(self) -> str:
        """The content hash of the item, whose texts are not kept; empty where it has no target."""
        try:
            self.build()
        except DataError:
            return ""
        self.item = None
        return self.item_hash

    def settle(self, repeat: int, result: Result) -> None:
        """Take the result of one repeat; with the last one, let go of the item's texts."""
        self.results[repeat] = result
        if self.missing == 1:
            self.item = None
        self.missing -= 1


class Tally:
    """Counts over a group that are kept while it runs, a constant cost per completion."""

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.score_sum = 0.0
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.reasoning_tokens = 0
        self.unknown_tokens = 0
        self.latencies = array("d")
        self.served: Counter[str] = Counter()
        self.judges: Counter[str] = Counter()
        self.kept = 0
        self.generated_tokens = 0
        self.started: float | None = None
        self.ended: float | None = None

    @property
    def done(self) -> int:
        """Number of completions counted, errors included."""
        return self.outcomes.total()

    @property
    def scored(self) -> int:
        """Number of completions that say something about the model."""
        return self.done - self.outcomes[Outcome.ERROR]

    @property
    def wall_s(self) -> float | None:
        """Seconds from the first submission to the last completion."""
        if self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    def count(
        self, completion: Completion, score: Score, now: float, *, earlier: bool = False
    ) -> None:
        """Count one completion that is on disk.

        Args:
            completion: What was answered.
            score: What it is worth.
            now: When it was counted, on the clock of `started`.
            earlier: Whether an earlier session generated it, so that it took no time of this one.
        """
        self.outcomes[score.outcome] += 1
        if earlier:
            self.kept += 1
        else:
            self.ended = now
            self.generated_tokens += completion.completion_tokens or 0
        if score.outcome is Outcome.ERROR:
            return
        self.score_sum += score.value
        self.prompt_tokens += completion.prompt_tokens or 0
        self.reasoning_tokens += completion.reasoning_tokens or 0
        if completion.served_model:
            self.served[completion.served_model] += 1
        if isinstance(judge := score.detail.get("judge_served"), str):
            self.judges[judge] += 1
        if completion.completion_tokens is None:
            self.unknown_tokens += 1
        else:
            self.completion_tokens += completion.completion_tokens
        if completion.latency_s is not None:
            self.latencies.append(completion.latency_s)


@dataclass(eq=False)
class Group:
    """One (model, benchmark) pair of a session: what is asked, and the tally of what came."""

    spec: ModelSpec
    benchmark: Benchmark
    table: Table
    ids: Sequence[str]
    sampling: Sampling
    repeats: int = 1
    strata: Sequence[str] | None = None
    clusters: Sequence[str | None] | None = None
    tickets: list[Ticket] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    @property
    def key(self) -> tuple[str, str]:
        """Model label and benchmark name."""
        return self.spec.label, self.benchmark.name

    @property
    def clustered(self) -> bool:
        """Whether any two rows share a cluster."""
        named = [name for name in self.clusters or () if name is not None]
        return len(set(named)) < len(named)

    def ticket(self, row: int) -> Ticket:
        """A ticket for the item in this row; it is not selected by being made."""
        return Ticket(self, row, self.ids[row])
