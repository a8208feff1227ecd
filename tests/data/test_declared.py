"""What a suite declares wrongly is told in a sentence, where it is declared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_gptoss import Benchmark, Item, Message, UsageError, scorers
from pytest_gptoss.errors import DataError

RIGHT = Benchmark(
    name="sums",
    rows=[{"n": 1}],
    item=lambda row: Item(prompt="?", target=row["n"]),
    scorer=scorers.number(),
)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", 3, "the benchmark name 3 cannot be part of a node id"),
        ("rows", None, "its rows is NoneType; declare hub"),
        ("rows", 5, "its rows is 5; declare hub"),
        ("rows", "rows.jsonl", "its rows is 'rows.jsonl'; declare hub"),
        ("rows", {"n": [1]}, "its rows is dict; declare hub"),
        ("rows", ({"n": n} for n in range(3)), "its rows is generator; declare hub"),
        ("item", None, "its item is NoneType; declare a function"),
        ("scorer", None, "its scorer is NoneType; declare one of pytest_gptoss.scorers"),
        ("scorer", "number", "its scorer is 'number'; declare one of"),
        ("scorer", scorers.number, "its scorer is function; declare one of"),
        ("scorer", type(scorers.number()), "its scorer is type; declare one of"),
        ("scorer", lambda item, completion: None, "its scorer is function; declare one of"),
        ("id", 3, "its id is 3; declare a column's name or a function of a row"),
        ("strata", ["kind"], "its strata is list; declare a column's name"),
        ("cluster", 0.5, "its cluster is 0.5; declare a column's name"),
        ("aggregate", {}, "its aggregate is dict; declare a function of the scored items"),
        ("solver", None, "its solver is NoneType; declare an async function"),
        ("chance", "1/4", "its chance is '1/4'; declare a number from 0 to 1"),
        ("chance", 25, "its chance is 25; declare a number from 0 to 1"),
        ("chance", float("nan"), "its chance is nan; declare a number from 0 to 1"),
    ],
)
def test_a_field_of_another_kind_is_refused(field: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(RIGHT, **{field: value})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rows", ({"n": 1},)),
        ("rows", lambda: [{"n": 1}]),
        ("id", "n"),
        ("strata", lambda row: str(row["n"])),
        ("chance", 0),
        ("chance", 0.25),
        ("chance", None),
        ("aggregate", None),
    ],
)
def test_every_kind_that_is_meant_is_taken(field: str, value: Any) -> None:
    assert getattr(replace(RIGHT, **{field: value}), field) is value


def test_a_function_that_returns_no_rows() -> None:
    with pytest.raises(DataError, match="the function of its rows returned NoneType; return a"):
        replace(RIGHT, rows=lambda: None).open()


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (lambda row: None, "its item function returned NoneType and no Item"),
        (lambda row: {"prompt": "?"}, "its item function returned dict and no Item"),
        (lambda row: 1 / 0, "its item function raised ZeroDivisionError (division by zero)"),
        (lambda row: Item(prompt=3, target=1), "the prompt of an item is 3; give text"),  # type: ignore[arg-type]
        (lambda row: Item(prompt=None, target=1), "the prompt of an item is NoneType"),  # type: ignore[arg-type]
        (lambda row: Item(prompt=[{"role": "user"}], target=1), "prompt of an item is list; give"),  # type: ignore[list-item]
        (lambda row: Item(prompt=[Message("user", 3)], target=1), "the prompt of an item is list"),  # type: ignore[arg-type]
        (lambda row: Item(prompt="?", target=None), "a row has no target"),
        (lambda row: Item(prompt="?", target=object()), "are no JSON values (Encoding objects"),
        (lambda row: Item(prompt="?", target=1, choices=(object(),)), "are no JSON values"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_item_is_told(item: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        replace(RIGHT, item=item).build({"n": 1})
    assert str(caught.value).startswith("benchmark sums: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_messages_may_be_plain_dictionaries() -> None:
    plain = Item(prompt=[{"role": "user", "content": "?"}], target=1)  # type: ignore[list-item]
    assert replace(RIGHT, item=lambda row: plain).build({"n": 1}).messages == (
        Message("user", "?"),
    )
    assert plain.content_hash == Item(prompt="?", target=1).content_hash
