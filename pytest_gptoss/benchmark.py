"""`Benchmark` and `Item`: the declaration that users write.

A benchmark is a named dataset, a way to turn a row into an item, and a scorer. A declaration loads
nothing and imports nothing heavy: rows are read when items are collected, an item is built when it
is submitted.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from pytest_gptoss.declared import check_benchmark, check_item, is_rows
from pytest_gptoss.errors import DataError, GptossError, UsageError
from pytest_gptoss.records import Completion, Message, Score

__all__ = [
    "MARKER",
    "Aggregate",
    "Benchmark",
    "Chat",
    "Examples",
    "Item",
    "Row",
    "Rows",
    "ScoredItem",
    "Scorer",
    "Solver",
    "Table",
    "answer_in_one_turn",
]

Row = Mapping[str, Any]
_Function = TypeVar("_Function", bound=Callable[..., Any])

MARKER = "__gptoss_benchmark__"
"""The attribute by which a test function names its benchmark."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True, slots=True)
class Item:
    """One question put to a model, with the answer that is expected.

    Args:
        prompt: The user's message, or a whole conversation as messages or dictionaries of them.
        target: The expected answer in the form that the benchmark's scorer reads: any JSON value.
        instructions: What the model is told about its task beside the question: a developer
            message in harmony, a system message elsewhere.
        choices: The texts of the options, for multiple choice.
        metadata: Further JSON values that the scorer or the report needs (subject, entry point).
    """

    prompt: str | Sequence[Message | Mapping[str, str]]
    target: Any
    instructions: str | None = None
    choices: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation to send, without the instructions."""
        return as_messages(self.prompt)

    @property
    def content_hash(self) -> str:
        """Sixteen hex digits over everything that is asked and expected.

        Two runs are compared on an item only where this agrees: the same id with another wording,
        another order of options or another target is another item.
        """
        parts = (
            [[m.role, m.content] for m in self.messages],
            self.instructions,
            self.target,
            list(self.choices),
        )
        return hashlib.sha256(msgspec.json.encode(parts, order="sorted")).hexdigest()[:16]


@runtime_checkable
class Table(Protocol):
    """Rows that can be reached by position without reading the others."""

    def __len__(self) -> int:
        """The number of rows."""

    def __getitem__(self, index: int, /) -> Row:
        """The row at a 0-based position."""

    def column(self, name: str) -> Sequence[Any]:
        """One column, in row order; raises `DataError` naming the columns there are."""


class Rows(Protocol):
    """A source of rows that is opened only when it is needed."""

    def open(self) -> Table:
        """Open the table; raises `DataError` with a sentence where that fails."""

    def describe(self) -> dict[str, Any]:
        """What identifies the rows, as JSON values for the settings record."""


class Chat(Protocol):
    """One chat turn with the model under test, as a solver sees it."""

    async def __call__(
        self, messages: Sequence[Message], *, instructions: str | None = None
    ) -> Completion:
        """Return the model's answer; an infrastructure error raises `EngineError`."""


Solver = Callable[[Item, Chat], Awaitable[Completion]]
"""How an item is answered: any number of chat turns, with tools between them where needed."""


class Scorer(Protocol):
    """Reads a whole, well-formed completion and scores it. Pure, total on any text, linear."""

    @property
    def name(self) -> str:
        """What the settings record calls it."""

    @property
    def version(self) -> str:
        """Raised when the same completion may score otherwise than before."""

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion."""


class Examples(Protocol):
    """Worked examples that are shown before a question; see `pytest_gptoss.prompts.Shots`."""

    @property
    def count(self) -> int:
        """How many are shown."""

    def with_count(self, count: int) -> Examples:
        """The same examples, another number of them."""

    def check(self, benchmark: str) -> None:
        """Raise `DataError` with a sentence where there are fewer than are to be shown."""

    def before(self, row: Row, item: Callable[[Row], Item]) -> tuple[Message, ...]:
        """The turns that go before this row's question."""

    def describe(self) -> dict[str, Any]:
        """What identifies them, as JSON values for the settings record."""


@dataclass(frozen=True, slots=True)
class ScoredItem:
    """One item's mean score over its repeats, as an `Aggregate` sees it."""

    stratum: str | None
    score: float
    table: Table
    position: int

    @property
    def row(self) -> Row:
        """Its row; read only where it is asked for."""
        return self.table[self.position]


Aggregate = Callable[[Sequence[ScoredItem]], Mapping[str, Mapping[str, Any]]]
"""Figures of a whole group beside its accuracy, by name; each has an ``accuracy`` and an ``n``."""


async def answer_in_one_turn(item: Item, chat: Chat) -> Completion:
    """The default solver: one chat turn."""
    return await chat(item.messages, instructions=item.instructions)


class _ListTable:
    """Rows that are at hand as a sequence of mappings."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Row:
        return self._rows[index]

    def column(self, name: str) -> list[Any]:
        try:
            return [row[name] for row in self._rows]
        except KeyError:
            present = sorted({key for row in self._rows for key in row})
            raise DataError(
                f"a row has no column {name!r}; the columns are {', '.join(present)}"
            ) from None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A named dataset, a way to turn a row into an item, and a scorer.

    Args:
        name: Unique in a session; the name in records, baselines and reports.
        rows: `hub(...)`, any other `Rows`, a sequence of mappings, or a function returning one.
        item: Turns one row into an `Item`. Called only for rows that are asked.
        scorer: Turns a completion into a `Score` (see `pytest_gptoss.scorers`).
        id: The column, or a function of the row, that identifies an item. By default the row's
            0-based position in the pinned dataset, which is as stable as the pin.
        strata: The column, or a function of the row, by which ``--gptoss-limit`` stratifies and
            results are broken down (subjects, tasks).
        cluster: The column, or a function of the row, that names what items share: a passage, a
            template, a conversation, a document. Such items rise and fall together, so gates take
            the clusters, not the items, for what chance drew. ``None``, for the whole benchmark or
            as the value of a row, where items are independent.
        shots: Worked examples that may be shown before each question; ``--gptoss-shots`` says how
            many.
        aggregate: Further figures of the whole, such as a mean over subjects (see
            `scorers.by_category` and `scorers.balanced`).
        solver: How an item is answered; one chat turn by default.
        title: The name as its authors write it.
        task: What is asked, in a few words.
        chance: The expected accuracy of guessing at random, where that is defined.
        licence: SPDX name or words.
        citation: The paper to cite.
        prompt_source: Where the prompt's wording comes from.
        version: Raised by hand when the meaning of the numbers changes.

    Raises:
        UsageError: ``name`` cannot be part of a node id and a file name, or a field is of another
            kind than it must be.
    """

    name: str
    rows: Rows | Sequence[Row] | Callable[[], Sequence[Row]]
    item: Callable[[Row], Item]
    scorer: Scorer
    id: str | Callable[[Row], str] | None = None
    strata: str | Callable[[Row], str] | None = None
    cluster: str | Callable[[Row], str | None] | None = None
    shots: Examples | None = None
    aggregate: Aggregate | None = None
    solver: Solver = answer_in_one_turn
    title: str | None = None
    task: str | None = None
    chance: float | None = None
    licence: str | None = None
    citation: str | None = None
    prompt_source: str | None = None
    version: str = "1"

    def __post_init__(self) -> None:
        name: Any = self.name
        if not isinstance(name, str) or not _NAME.match(name):
            raise UsageError(
                f"the benchmark name {name!r} cannot be part of a node id and a file name; "
                "use letters, digits, '.', '_' and '-'"
            )
        check_benchmark(self)

    def test(self, function: _Function) -> _Function:
        """Mark a test function as this benchmark's: it becomes one test per (model, item)."""
        setattr(function, MARKER, self)
        return function

    def open(self) -> Table:
        """Open the rows.

        Raises:
            DataError: They cannot be read.
        """
        rows = self.rows() if callable(self.rows) else self.rows
        if isinstance(rows, Sequence) and not isinstance(rows, str):
            return _ListTable(rows)
        if not is_rows(rows):
            raise DataError(
                f"benchmark {self.name}: the function of its rows returned {type(rows).__name__}; "
                "return a list of mappings"
            )
        return rows.open()

    def describe_rows(self) -> dict[str, Any]:
        """What identifies the rows, for the settings record."""
        describe = getattr(self.rows, "describe", None)
        return describe() if describe is not None else {"source": "declared in the suite"}

    def ids(self, table: Table) -> list[str]:
        """The id of every row, in row order.

        Raises:
            DataError: The id column is missing, or two rows share an id.
        """
        if self.id is None:
            return [str(index) for index in range(len(table))]
        ids = _per_row(table, self.id)
        if len(set(ids)) != len(ids):
            seen: set[str] = set()
            twice = next(i for i in ids if i in seen or seen.add(i))  # type: ignore[func-returns-value]
            raise DataError(
                f"benchmark {self.name}: two rows have the id {twice!r}; "
                "declare an id that is unique in the dataset"
            )
        return ids

    def strata_of(self, table: Table) -> list[str] | None:
        """The stratum of every row, in row order, or ``None`` where none is declared."""
        return None if self.strata is None else _per_row(table, self.strata)

    def clusters_of(self, table: Table) -> list[str | None] | None:
        """What each row shares with others, in row order, or ``None`` where none is declared."""
        if self.cluster is None:
            return None
        return [None if value is None else str(value) for value in _values(table, self.cluster)]

    def build(self, row: Row) -> Item:
        """Turn a row into its item.

        Raises:
            DataError: The row lacks a column or a target, or no item can be made of it.
        """
        try:
            item = self.item(row)
            if not isinstance(item, Item):
                raise DataError(
                    f"benchmark {self.name}: its item function returned {type(item).__name__} and "
                    "no Item"
                )
            if self.shots is not None and self.shots.count:
                before = self.shots.before(row, self.item)
                item = replace(item, prompt=(*before, *item.messages))
        except KeyError as error:
            raise DataError(
                f"benchmark {self.name}: a row has no column {error.args[0]!r} (it has "
                f"{', '.join(map(str, row))}); the dataset may have changed since revision "
                f"{self.describe_rows().get('revision')!r} was pinned"
            ) from error
        except GptossError:
            raise
        except Exception as error:
            raise DataError(
                f"benchmark {self.name}: its item function raised {type(error).__name__} ({error})"
            ) from error
        check_item(self.name, item)
        return item

    def with_shots(self, count: int) -> Benchmark:
        """A copy that shows so many worked examples; itself where it has none to show.

        Raises:
            DataError: There are fewer examples than that, or they cannot be read.
        """
        if self.shots is None:
            return self
        shots = self.shots.with_count(count)
        shots.check(self.name)
        return replace(self, shots=shots)

    def with_options(self, **changes: Any) -> Benchmark:
        """A copy with some fields replaced, as `dataclasses.replace` does."""
        return replace(self, **changes)


def _per_row(table: Table, key: str | Callable[[Row], str]) -> list[str]:
    return [str(value) for value in _values(table, key)]


def _values(table: Table, key: str | Callable[[Row], Any]) -> Sequence[Any]:
    if isinstance(key, str):
        return table.column(key)
    return [key(table[index]) for index in range(len(table))]


def as_messages(prompt: str | Iterable[Message | Mapping[str, str]]) -> tuple[Message, ...]:
    """Read a prompt given as text, as `Message` objects or as OpenAI-style dictionaries.

    Raises:
        UsageError: A message has no role or no content.
    """
    if isinstance(prompt, str):
        return (Message("user", prompt),)
    messages = []
    for message in prompt:
        if isinstance(message, Message):
            messages.append(message)
            continue
        try:
            messages.append(Message(message["role"], message["content"]))
        except (KeyError, TypeError):
            raise UsageError(
                f"a chat message needs 'role' and 'content'; this one is {message!r}"
            ) from None
    return tuple(messages)
