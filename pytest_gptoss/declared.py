"""What a suite declares, checked where it is declared: a mistake is a sentence and not a fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["check_benchmark", "check_item", "is_rows"]


def _or_none(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _is_key(value: Any) -> bool:
    return isinstance(value, str) or callable(value)


def _is_scorer(value: Any) -> bool:
    named = (getattr(value, part, None) for part in ("name", "version"))
    if not callable(value) or isinstance(value, type):
        return False
    return all(isinstance(part, str) for part in named)


def is_rows(value: Any) -> bool:
    """Whether these are rows that can be reached by position, or can be opened as such."""
    return hasattr(value, "open") or (isinstance(value, Sequence) and not isinstance(value, str))


def _is_chance(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


_KEY = "a column's name or a function of a row"
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "rows": (
        lambda value: callable(value) or is_rows(value),
        "hub(...), release(...), a list of mappings or a function that returns one",
    ),
    "item": (callable, "a function that turns a row into an Item"),
    "scorer": (
        _is_scorer,
        "one of pytest_gptoss.scorers, called, or an object with a name, a version and a call",
    ),
    "id": (_or_none(_is_key), _KEY),
    "strata": (_or_none(_is_key), _KEY),
    "cluster": (_or_none(_is_key), _KEY),
    "aggregate": (_or_none(callable), "a function of the scored items"),
    "solver": (callable, "an async function of an item and a chat"),
    "chance": (_or_none(_is_chance), "a number from 0 to 1"),
}


def check_benchmark(benchmark: Any) -> None:
    """Check the fields of a declaration.

    Raises:
        UsageError: One is of another kind than it must be.
    """
    for field, (fits, what) in _FIELDS.items():
        value = getattr(benchmark, field)
        if not fits(value):
            raise UsageError(
                f"benchmark {benchmark.name}: its {field} is {_shown(value)}; declare {what}"
            )


def check_item(benchmark: str, item: Any) -> None:
    """Check what an item function made of a row.

    Raises:
        DataError: Its prompt is no conversation, or its target or a choice cannot be recorded.
    """
    try:
        messages = item.messages
        if not all(isinstance(message.content, str) for message in messages):
            raise TypeError
    except (AttributeError, TypeError, UsageError):
        raise DataError(
            f"benchmark {benchmark}: the prompt of an item is {_shown(item.prompt)}; give text, or "
            "a list of messages"
        ) from None
    if item.target is None or item.target == "":
        raise DataError(f"benchmark {benchmark}: a row has no target, so it cannot be scored")
    try:
        msgspec.json.encode((item.target, item.instructions, item.choices))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"benchmark {benchmark}: the target, instructions or choices of an item are no JSON "
            f"values ({error}); give text, numbers, lists or dictionaries"
        ) from None


def _shown(value: Any) -> str:
    return type(value).__name__ if not isinstance(value, str | int | float) else f"{value!r:.60}"
