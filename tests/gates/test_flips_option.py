"""``--gptoss-flips``: the items whose outcome changed, and only those."""

from __future__ import annotations

import json

import pytest
from gate_story import GateStory
from stories import said


def ids(few: GateStory, run: str) -> list[str]:
    return [item["item_id"] for item in few.story.items(run)]


def test_the_flips_of_a_run_are_run_again(few: GateStory) -> None:
    few.save()
    few.gate("--gptoss-run", "first", lost=2, won=1)
    result = few.story.replay("--gptoss-flips", "first")
    assert ids(few, "run") == ["0", "1", "2"]
    result.assert_outcomes(passed=1, deselected=18)
    assert "3 items flipped against first; gates are left out" in said(result)
    assert few.fields() is None


def test_a_run_that_compared_nothing_is_compared_with_the_baseline(few: GateStory) -> None:
    few.save()
    few.gate("--gptoss-run", "first", "--gptoss-gate", "off", lost=2)
    few.story.replay("--gptoss-flips", "first")
    assert ids(few, "run") == ["1", "2"]


def test_a_baseline_is_compared_with_the_newest_run(few: GateStory) -> None:
    few.save()
    few.gate("--gptoss-run", "runs/20260101-000000-recorded", lost=5)
    few.gate("--gptoss-run", "runs/20260102-000000-recorded", lost=1)
    few.story.replay("--gptoss-flips", "baselines/recorded/sums.json")
    assert ids(few, "run") == ["1"]


def test_no_flips_select_nothing(few: GateStory) -> None:
    few.save()
    few.gate("--gptoss-run", "first")
    result = few.story.replay("--gptoss-flips", "first")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "0 items flipped against first" in said(result)
    assert not (few.path / "run").exists()


def test_the_ids_can_be_pasted(few: GateStory) -> None:
    few.save()
    few.gate("--gptoss-run", "first", lost=7)
    (comparison,) = json.loads((few.path / "first" / "flips.json").read_text())["comparisons"]
    few.story.replay(*(flip["node_id"] for flip in comparison["lost"]))
    assert len(ids(few, "run")) == 7


def test_the_first_few_are_printed(few: GateStory) -> None:
    few.save()
    result = few.gate(lost=7)
    assert (
        "right → wrong: 'test_sums.py::test_sums[recorded-1]' 'test_sums.py::test_sums[recorded-2]'"
        in said(result)
    )
    assert "(and 2 more in flips.json)" in said(result)


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ("nosuch", "--gptoss-flips names 'nosuch', which does not exist"),
        ("baselines", "no run in"),
        ("first", "recorded no flips, and there is no baseline to compare it with"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(few: GateStory, named: str, sentence: str) -> None:
    if named == "baselines":
        few.save()
    few.gate("--gptoss-run", "first", "--gptoss-gate", "off")
    result = few.story.replay("--gptoss-flips", named)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(result)
    assert not (few.path / "run").exists()


def test_flips_and_saving_contradict_each_other(few: GateStory) -> None:
    few.save()
    result = few.story.replay("--gptoss-flips", "saved", "--gptoss-save-baseline")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave one of them out" in said(result)
