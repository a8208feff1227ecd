"""The baseline file of speed: read back as it was, reviewed line by line, refused when broken."""

from __future__ import annotations

import difflib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates import speed_file
from pytest_gptoss.gates.speed import FIGURES, LoadSpeed, Speed
from pytest_gptoss.load import Load

LOADS = [Load(prompt_tokens=64, output_tokens=16, concurrency=c) for c in (1, 8)]


def load_of(load: Load, *, rounds: int = 5, factor: float = 1.0) -> LoadSpeed:
    values = [factor * (100 + n) for n in range(rounds)]
    return LoadSpeed(
        load.describe(),
        {"throughput": values, "latency": values, "memory": values},
        {"energy": "this machine shows no energy counters of its CPUs"},
        [16.0] * rounds,
        {"latency": 0.012},
    )


SPEED = Speed(
    model="tiny",
    origin="tiny.json",
    date="2026-11-22T12:00:00+00:00",
    hardware={"cpu": "a CPU", "cpus": 2, "gpus": ["H200"]},
    engine={"engine": "vllm", "arguments": {"max_num_seqs": 8}},
    software={"version": "1", "torch": "2"},
    loads={load.name: load_of(load) for load in LOADS},
)


def test_it_is_read_as_it_was_written() -> None:
    assert speed_file.decode(speed_file.encode(SPEED), "tiny.json") == SPEED


ROUNDS = st.lists(st.floats(1e-6, 1e12), min_size=1, max_size=6)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.sampled_from(list(FIGURES)), ROUNDS),
    st.dictionaries(st.sampled_from(list(FIGURES)), st.text(max_size=20)),
    st.dictionaries(st.text(max_size=9), st.integers() | st.text(max_size=9) | st.none()),
)
def test_whatever_was_measured_is_read_as_it_was_written(
    rounds: dict[str, list[float]], unknown: dict[str, str], engine: dict[str, Any]
) -> None:
    whole = replace(
        SPEED, engine=engine, loads={"a": LoadSpeed(LOADS[0].describe(), rounds, unknown, [16.0])}
    )
    assert speed_file.decode(speed_file.encode(whole), "tiny.json") == whole


def test_a_review_sees_one_line_for_each_figure_that_moved() -> None:
    slower = {**SPEED.loads, LOADS[1].name: load_of(LOADS[1], factor=2)}
    before, after = (
        speed_file.encode(each).decode().splitlines()
        for each in (SPEED, replace(SPEED, loads=slower))
    )
    added = [line for line in difflib.ndiff(before, after) if line.startswith("+ ")]
    assert len(added) == 1 + 3  # the digest, and three figures of one load
    assert added[1].strip("+ ").startswith('"throughput": {"unit": "output tokens/s", "mean": 204')


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda text: text[:-30], "is no whole JSON"),
        (lambda text: text.replace("102.0", "105.0"), "changed by hand or by a merge"),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), "has schema 2"),
        (lambda text: text.replace('"throughput",', '"scores",', 1), "no baseline of throughput"),
        (lambda text: text.replace('"rounds": [', '"rounds": 5, "was": [', 1), "not as this"),
        (lambda _: "[]", "no baseline of throughput"),
    ],
    ids=["torn", "edited", "newer", "another kind", "another shape", "a list"],
)
def test_a_broken_file_is_told_in_a_sentence(damage: Any, said: str) -> None:
    text = damage(speed_file.encode(SPEED).decode())
    with pytest.raises(UsageError, match=said) as caught:
        speed_file.decode(text.encode(), "tiny.json")
    assert "\n" not in str(caught.value)
    assert "tiny.json" in str(caught.value)


def test_a_formatter_of_json_breaks_nothing() -> None:
    text = json.dumps(json.loads(speed_file.encode(SPEED)), indent=4, sort_keys=True)
    assert speed_file.decode(text.encode(), "tiny.json").loads == SPEED.loads


def test_it_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "tiny" / "throughput.json"
    speed_file.save(file, SPEED)
    assert speed_file.read(file, "tiny.json") == SPEED
    assert [path.name for path in file.parent.iterdir()] == ["throughput.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written"):
        speed_file.save(tmp_path / "file" / "throughput.json", SPEED)
    with pytest.raises(UsageError, match="cannot be read"):
        speed_file.read(tmp_path / "nothing.json")


# --- what may be saved ----------------------------------------------------------------------------


def test_too_few_rounds_are_no_baseline() -> None:
    few = replace(SPEED, loads={"a": load_of(LOADS[0], rounds=4)})
    assert "a has 4 rounds" in (speed_file.refusal(few, None) or "")
    assert speed_file.refusal(SPEED, None) is None


def test_loads_that_were_not_measured_stay_where_nothing_else_changed() -> None:
    part = replace(SPEED, date="2026-11-23", loads={LOADS[0].name: load_of(LOADS[0], factor=2)})
    assert speed_file.refusal(part, SPEED) is None
    whole = speed_file.joined(part, SPEED)
    assert whole.loads == {**SPEED.loads, **part.loads}
    assert whole.date == "2026-11-23"


@pytest.mark.parametrize("what", ["hardware", "engine", "software"])
def test_loads_of_two_machines_or_versions_are_never_in_one_file(what: str) -> None:
    part = replace(SPEED, loads={LOADS[0].name: load_of(LOADS[0])}, **{what: {"version": "9"}})
    assert "would stay" in (speed_file.refusal(part, SPEED) or "")
    whole = replace(SPEED, **{what: {"version": "9"}})
    assert speed_file.refusal(whole, SPEED) is None
