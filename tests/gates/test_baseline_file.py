"""The baseline file by itself: what goes in comes out, small and fast."""

from __future__ import annotations

import contextlib
import hashlib
import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates import baseline
from pytest_gptoss.gates.measured import DIGITS, LETTERS, Measured, Scored
from pytest_gptoss.gates.settings import Conditions

hashes = st.integers(0, 16**DIGITS - 1).map(lambda n: f"{n:0{DIGITS}x}")
ids = st.one_of(st.integers(0, 10**6).map(str), st.text(min_size=1, max_size=12))
strata = st.one_of(st.none(), st.text(min_size=1, max_size=8))
letters = st.builds(
    lambda digest, outcome, stratum: Scored(digest, float(outcome == "correct"), outcome, stratum),
    hashes,
    st.sampled_from(sorted(LETTERS)),
    strata,
)
numbers = st.builds(
    lambda digest, score, stratum: Scored(digest, round(score, 5), None, stratum),
    hashes,
    st.floats(0, 1),
    strata,
)


def measured(items: dict[str, Scored], *, repeats: int = 1, graded: bool = False) -> Measured:
    return Measured(
        model="a model",
        benchmark="b",
        origin="o",
        graded=graded,
        repeats=repeats,
        conditions=Conditions({"scorer": "number"}, {"engine.name": "replay"}, "2026-01-01"),
        items=items,
        figures={"n": len(items)},
    )


@given(st.dictionaries(ids, letters, min_size=1, max_size=60))
def test_right_and_wrong_come_back(items: dict[str, Scored]) -> None:
    read = baseline.decode(baseline.encode(measured(items)), "o")
    assert dict(read.items) == items
    assert read == measured(dict(read.items))


@given(st.dictionaries(ids, numbers, min_size=1, max_size=60))
def test_degrees_come_back(items: dict[str, Scored]) -> None:
    read = baseline.decode(baseline.encode(measured(items, repeats=3)), "o")
    assert dict(read.items) == items
    assert read.repeats == 3


@given(st.dictionaries(ids, letters, min_size=1, max_size=10), st.data())
def test_any_change_of_a_byte_that_changes_the_content_is_noticed(
    items: dict[str, Scored], data: st.DataObject
) -> None:
    text = baseline.encode(measured(items))
    place = data.draw(st.integers(0, len(text) - 1))
    byte = data.draw(st.integers(33, 126))
    changed = text[:place] + bytes([byte]) + text[place + 1 :]
    read = None
    with contextlib.suppress(UsageError):
        read = baseline.decode(changed, "o")
    # Refused with a sentence and by no other exception, or a change that changed nothing.
    assert read is None or dict(read.items) == items


def large(items: int = 14_042, subjects: int = 57) -> Measured:
    """As large as MMLU."""
    draw = random.Random(0)
    made = {}
    for n in range(items):
        right = draw.random() < 0.8
        made[str(n)] = Scored(
            hashlib.sha256(str(n).encode()).hexdigest()[:DIGITS],
            float(right),
            "correct" if right else "incorrect",
            f"subject_{n * subjects // items}",
        )
    return measured(made)


def test_mmlu_fits_in_300_kb_and_loads_in_50_ms() -> None:
    data = baseline.encode(large())
    assert len(data) < 300_000
    seconds = []
    for _ in range(5):
        # Processor time: the machine may do other things meanwhile.
        start = time.process_time()
        read = baseline.decode(data, "o")
        seconds.append(time.process_time() - start)
    assert len(read.items) == 14_042
    assert min(seconds) < 0.05


def test_one_changed_item_changes_three_lines() -> None:
    before = large()
    items = dict(before.items)
    items["7000"] = items["7000"]._replace(score=0.0, outcome="truncated")
    assert before.items["7000"].score == 1.0
    old = baseline.encode(before).decode().splitlines()
    new = baseline.encode(measured(items)).decode().splitlines()
    differ = [b for a, b in zip(old, new, strict=True) if a != b]
    assert len(differ) == 3  # the digest, the stratum's score, and the line of the item
    assert any("t" in line for line in differ)
    assert max(map(len, old)) < 120


def test_a_file_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.json"
    baseline.save(file, large(20, 2))
    before = file.read_bytes()

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(UsageError, match=r"cannot be written .No space left on device."):
        baseline.save(file, large(30, 2))
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
