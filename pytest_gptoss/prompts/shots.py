"""`Shots`: worked examples before a question, as earlier turns of the conversation.

Each example is a user's turn, worded as the benchmark words its questions, and an assistant's turn
with the answer in the form that the prompt asks for (Brown et al., 2020, arXiv:2005.14165, in the
chat form in which instruction-tuned models are asked).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Message

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.benchmark import Item, Row, Rows

__all__ = ["Shots"]


def _state_the_target(row: Row, item: Item) -> str:
    return f"Answer: {item.target}"


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Where a benchmark's examples come from, and how they are answered.

    Args:
        rows: A split that is not the one that is asked, such as ``hub(..., split="dev")``.
        by: The column whose value an example shares with the question (the subject). Without it
            every question is shown the same examples.
        answer: The assistant's turn for an example, from its row and its item; by default
            ``Answer: `` and the target.
        count: How many examples are shown, the first of the split; ``--gptoss-shots`` sets it.
    """

    rows: Rows
    by: str | None = None
    answer: Callable[[Row, Item], str] = _state_the_target
    count: int = 0
    _held: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def with_count(self, count: int) -> Shots:
        """The same examples, another number of them."""
        return replace(self, count=count, _held={})

    def check(self, benchmark: str) -> None:
        """Find out whether there are enough.

        Raises:
            DataError: They cannot be read, or some subject has fewer.
        """
        if not self.count:
            return
        try:
            groups = self._groups()
        except DataError as error:
            raise DataError(
                f"benchmark {benchmark}: its examples cannot be read, so --gptoss-shots "
                f"{self.count} cannot be shown: {error}"
            ) from error
        least, key = min((len(rows), key) for key, rows in groups.items())
        if least < self.count:
            of = f" for {key}" if key else ""
            raise DataError(
                f"benchmark {benchmark}: --gptoss-shots {self.count} asks for more examples than "
                f"there are{of}; ask for {least} or fewer"
            )

    def before(self, row: Row, item: Callable[[Row], Item]) -> tuple[Message, ...]:
        """The turns that go before a row's question.

        Raises:
            DataError: There is no example for it.
        """
        key = "" if self.by is None else str(row[self.by])
        turns: dict[str, tuple[Message, ...]] = self._held.setdefault("turns", {})
        if key not in turns:
            examples = self._groups().get(key)
            if examples is None:
                raise DataError(f"there is no example for {key!r}; leave --gptoss-shots out")
            turns[key] = tuple(
                turn for example in examples[: self.count] for turn in self._turns(example, item)
            )
        return turns[key]

    def describe(self) -> dict[str, Any]:
        """How many, and what identifies the split they come from."""
        describe = getattr(self.rows, "describe", None)
        return {"count": self.count, **(describe() if describe is not None else {})}

    def _turns(self, row: Row, item: Callable[[Row], Item]) -> tuple[Message, ...]:
        example = item(row)
        return (*example.messages, Message("assistant", self.answer(row, example)))

    def _groups(self) -> dict[str, list[Row]]:
        groups: dict[str, list[Row]] | None = self._held.get("groups")
        if groups is None:
            table = self.rows.open()
            keys = [""] * len(table) if self.by is None else table.column(self.by)
            groups = {}
            for position, key in enumerate(keys):
                examples = groups.setdefault(str(key), [])
                if len(examples) < self.count:
                    examples.append(table[position])
            self._held["groups"] = groups
        return groups
