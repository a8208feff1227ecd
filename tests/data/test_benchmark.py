"""Declarations: ids, hashes, rows, and what is wrong with them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import Benchmark, DataError, Item, Message, UsageError, scorers
from pytest_gptoss.benchmark import as_messages


def declare(rows: object, **more: object) -> Benchmark:
    return Benchmark(
        name="b",
        rows=rows,  # type: ignore[arg-type]
        item=lambda row: Item(prompt=row["q"], target=row["a"]),
        scorer=scorers.number(),
        **more,  # type: ignore[arg-type]
    )


def test_ids_are_row_numbers_by_default() -> None:
    benchmark = declare([{"q": "x", "a": 1}, {"q": "y", "a": 2}])
    assert benchmark.ids(benchmark.open()) == ["0", "1"]


def test_ids_are_read_from_a_column_or_a_function() -> None:
    rows = [{"q": "x", "a": 1, "k": 7}, {"q": "y", "a": 2, "k": 8}]
    by_column = declare(rows, id="k")
    assert by_column.ids(by_column.open()) == ["7", "8"]
    by_function = declare(rows, id=lambda row: f"{row['q']}/{row['k']}")
    assert by_function.ids(by_function.open()) == ["x/7", "y/8"]


def test_an_id_that_occurs_twice_is_named() -> None:
    benchmark = declare([{"q": "x", "a": 1}, {"q": "x", "a": 2}], id="q")
    with pytest.raises(DataError, match="two rows have the id 'x'"):
        benchmark.ids(benchmark.open())


def test_a_missing_id_column_names_the_columns() -> None:
    benchmark = declare([{"q": "x", "a": 1}], id="nosuch")
    with pytest.raises(DataError, match="no column 'nosuch'; the columns are a, q"):
        benchmark.ids(benchmark.open())


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a[1]", "-a", "a::b"])
def test_a_name_must_fit_node_ids_and_file_names(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of a node id"):
        Benchmark(name=name, rows=[], item=lambda row: Item("", 1), scorer=scorers.number())


def test_rows_may_come_from_a_function() -> None:
    benchmark = declare(lambda: [{"q": "x", "a": 1}])
    assert len(benchmark.open()) == 1


@pytest.mark.parametrize("target", [None, ""])
def test_a_row_without_target_cannot_be_scored(target: object) -> None:
    with pytest.raises(DataError, match="a row has no target"):
        declare([]).build({"q": "x", "a": target})


def test_zero_and_false_are_targets() -> None:
    assert declare([]).build({"q": "x", "a": 0}).target == 0
    assert declare([]).build({"q": "x", "a": False}).target is False


CHANGES = [
    Item("q", 2),
    Item("q ", 1),
    Item("q", 1, instructions="be brief"),
    Item("q", 1, choices=("x", "y")),
    Item("q", "1"),
    Item((Message("user", "p"), Message("user", "q")), 1),
]


@pytest.mark.parametrize("changed", CHANGES, ids=range(len(CHANGES)))
def test_the_hash_is_over_everything_asked_and_expected(changed: Item) -> None:
    assert Item("q", 1).content_hash != changed.content_hash


def test_the_hash_leaves_out_what_is_only_kept() -> None:
    assert Item("q", 1).content_hash == Item("q", 1, metadata={"subject": "x"}).content_hash
    assert Item("q", 1).content_hash == Item((Message("user", "q"),), 1).content_hash


def test_the_hash_is_the_same_everywhere() -> None:
    assert Item("What is 2 + 2?", "4", choices=("3", "4")).content_hash == HASH


HASH = "abae1b2aceb544ae"


@given(st.text(), st.text(), st.text())
def test_texts_do_not_run_together(a: str, b: str, c: str) -> None:
    one = Item((Message("user", a), Message("user", b)), c)
    other = Item((Message("user", a + b),), c)
    assert one.content_hash != other.content_hash


@pytest.mark.parametrize("message", [{"role": "user"}, {"content": "x"}, 5, "text"])
def test_a_message_needs_role_and_content(message: object) -> None:
    with pytest.raises(UsageError, match="needs 'role' and 'content'"):
        as_messages([message])  # type: ignore[list-item]
