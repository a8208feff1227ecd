"""The sample of answers: of a fixed size, the same every time, drawn in one pass."""

import json
from pathlib import Path

import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.report.samples import MOST, PER_OUTCOME, draw, shares

KEY = ("model", "sums")


def group(model: str = "model", benchmark: str = "sums", **outcomes: int) -> dict:
    return {"model": model, "benchmark": benchmark, "outcomes": outcomes}


def line(number: int, outcome: str = "incorrect", **more: object) -> str:
    return json.dumps(
        {"model": KEY[0], "benchmark": KEY[1], "item_id": f"{number}", "outcome": outcome, **more}
    )


def written(folder: Path, lines: list[str]) -> Path:
    (folder / "items.jsonl").write_text("".join(f"{text}\n" for text in lines))
    return folder


def drawn(folder: Path, lines: list[str], most: int = 5, *, seed: int = 0) -> list[str]:
    found = draw(written(folder, lines), {(KEY, "incorrect"): most}, seed=seed)
    return [answer.item_id for answer in found.get((KEY, "incorrect"), [])]


def test_the_same_items_whatever_else_is_there(tmp_path: Path) -> None:
    some = [line(number) for number in range(200)]
    first = drawn(tmp_path, some)
    assert len(first) == 5
    assert drawn(tmp_path, some) == first
    assert drawn(tmp_path, [line(n, "correct") for n in range(500, 900)] + some) == first
    assert drawn(tmp_path, some, seed=1) != first
    # One that is wrong again is shown again: only items of a lower rank take its place.
    fewer = [line(number) for number in range(200) if f"{number}" in first or number % 2]
    assert drawn(tmp_path, fewer) == first


def test_they_stand_in_the_order_of_the_file(tmp_path: Path) -> None:
    numbers = [int(item) for item in drawn(tmp_path, [line(number) for number in range(99)], 20)]
    assert numbers == sorted(numbers)
    assert len(numbers) == 20


def test_all_where_there_are_few(tmp_path: Path) -> None:
    assert drawn(tmp_path, [line(3), line(1, "correct"), line(2)]) == ["3", "2"]


def test_shares_bound_the_page() -> None:
    assert shares([group(correct=9, incorrect=3, error=0)]) == {(KEY, "incorrect"): PER_OUTCOME}
    many = [group(f"m{number}", incorrect=1, truncated=1) for number in range(100)]
    assert set(shares(many).values()) == {MOST // 200}
    most = shares([group(f"m{number}", incorrect=1) for number in range(MOST + 60)])
    assert sum(most.values()) == MOST
    assert shares([group(correct=3)]) == {}


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"items\.jsonl, line 2 cannot be read"):
        drawn(tmp_path, [line(0), '{"torn'])
    (tmp_path / "items.jsonl").unlink()
    with pytest.raises(UsageError, match=r"items\.jsonl cannot be read \(No such file"):
        draw(tmp_path, {(KEY, "incorrect"): 1})
