"""What a gate says of its own reach before it runs."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_gptoss import stats
from pytest_gptoss.gates.measured import Measured, Scored
from pytest_gptoss.gates.plan import SIZES, items_of, reach
from pytest_gptoss.gates.settings import Conditions


def held(noise: float | None, **changes: Any) -> Measured:
    fields: dict[str, Any] = {
        "model": "m",
        "benchmark": "b",
        "origin": "o",
        "graded": False,
        "repeats": 1,
        "conditions": Conditions({}, {}),
        "items": {"0": Scored("0", 1.0, "correct", None)},
        "noise": None if noise is None else {"discordance": noise, "differ": 1, "n": 1},
    }
    return Measured(**{**fields, **changes})


def test_without_a_noise_floor_it_is_said_what_is_assumed() -> None:
    assert reach(held(None), "gsm8k", 1319, alpha=0.05) == (
        "gsm8k: 1,319 items: a drop of 2.2 points or more is found with 80 % power (if 10 % of "
        "items differ, an assumption)"
    )


def test_the_noise_floor_is_used_where_it_is_known() -> None:
    smallest = stats.minimum_detectable_drop(1319, 0.03)
    assert smallest is not None
    assert f"a drop of {100 * smallest:.1f} points" in reach(held(0.03), "b", 1319, alpha=0.05)
    assert "3 % of items differ between two runs" in reach(held(0.03), "b", 1319, alpha=0.05)


def test_a_model_that_repeats_itself_is_limited_by_the_drop_alone() -> None:
    # Four losses and no win have mid-p 1/32; 5.5 expected losses give four or more in 80 %.
    line = reach(held(0.0), "b", 1319, alpha=0.05)
    assert "a drop of 0.4 points or more is found with 80 % power (0 % of items differ" in line
    assert stats.paired_power(1319, 0.0043, 0.0043) > 0.8 > stats.paired_power(1319, 0.004, 0.004)


def test_too_few_items_find_nothing() -> None:
    assert "no drop is found with 80 % power" in reach(held(0.0), "b", 3, alpha=0.05)
    assert "no drop is found with 80 % power" in reach(held(None), "b", 0, alpha=0.05)


def test_scores_by_degrees_have_no_such_figure() -> None:
    line = reach(held(None, graded=True), "dialogsum", 500, alpha=0.05)
    assert line == "dialogsum: 500 items: compared by their mean score"


@pytest.mark.parametrize(("name", "items"), [("gsm8k", 1319), ("mmlu", 14_042)])
def test_sizes_of_benchmarks(name: str, items: int) -> None:
    assert items_of(name) == SIZES[name] == items


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["gsm8k", "mmlu", "piqa", "sciq", "medqa"])
def test_sizes_are_those_of_the_data(name: str, data_folder: object) -> None:
    import importlib.util
    from pathlib import Path

    from pytest_gptoss import Benchmark

    file = Path(__file__).parents[2] / "suites" / f"test_{name}.py"
    found = importlib.util.spec_from_file_location(f"suite_of_{name}", file)
    assert found is not None
    assert found.loader is not None
    suite = importlib.util.module_from_spec(found)
    found.loader.exec_module(suite)
    declared = next(each for each in vars(suite).values() if isinstance(each, Benchmark))
    assert len(declared.open()) == SIZES[name]
