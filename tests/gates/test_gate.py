"""``--gptoss-gate`` and the gate tests themselves: verdicts, categories, exit statuses."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from gate_story import GateStory
from stories import said

from pytest_gptoss import stats

GATE = "test_sums.py::test_sums[recorded-gate]"


def collected_tests(result: pytest.RunResult) -> list[str]:
    return [line for line in result.outlines if line.startswith("test_sums.py::")]


def test_the_same_answers_are_within_the_margin(sums: GateStory) -> None:
    result = sums.gate()
    assert result.ret == pytest.ExitCode.OK
    fields = sums.fields()
    assert (fields["verdict"], fields["p_value"]) == ("within-margin", 1.0)
    assert (fields["b"], fields["c"], fields["n"]) == (0, 0, 1000)
    assert fields["changed"] == []
    assert fields["odds_ratio"] is fields["cohens_g"] is None
    assert not (sums.path / "run" / "flips.json").read_text().count("node_id")
    assert "Within the margin: no change in accuracy" in said(result)


def test_a_regression_fails_the_session_with_a_readable_block(sums: GateStory) -> None:
    result = sums.gate(lost=60, won=10)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = said(result)
    assert "Regressed: a drop of 5 points" in text
    assert "Traceback" not in text
    assert ">   " not in text
    expected = stats.gate(840, 60, 10, 90)
    fields = sums.fields()
    assert fields["verdict"] == "regressed"
    assert fields["difference"] == pytest.approx(0.05)
    assert fields["interval"] == pytest.approx([expected.low, expected.high])
    assert fields["p_value"] == expected.p_value
    assert fields["odds_ratio"] == 6.0
    assert fields["cohens_g"] == pytest.approx(60 / 70 - 0.5)
    assert fields["minimum_detectable_drop"] == expected.minimum_detectable_drop
    assert fields["items_needed"] == expected.items_needed
    assert fields["baseline"] == "baselines/recorded/sums.json"


def test_the_contract_names_every_field(sums: GateStory) -> None:
    sums.gate()
    contract = (
        "verdict difference interval p_value method b c n odds_ratio cohens_g adjusted_p_value "
        "minimum_detectable_drop baseline"
    )
    assert set(contract.split()) <= sums.fields().keys()


def test_an_improvement_passes(sums: GateStory) -> None:
    result = sums.gate(won=40)
    assert result.ret == pytest.ExitCode.OK
    assert sums.fields()["verdict"] == "improved"
    assert "Improved: a gain of 4 points" in said(result)


def test_inconclusive_is_a_category_of_its_own(sums: GateStory) -> None:
    result = sums.gate("-v", lost=50, won=45)
    assert result.ret == pytest.ExitCode.OK
    assert sums.fields()["verdict"] == "inconclusive"
    assert sums.fields()["items_needed"] > 1000
    text = said(result)
    assert "test_sums[recorded-gate] INCONCLUSIVE" in text or "1 inconclusive" in text
    assert "Inconclusive, which is no pass" in text


def test_strict_fails_on_inconclusive(sums: GateStory) -> None:
    result = sums.gate("--gptoss-gate", "strict", lost=50, won=45)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"FAILED {GATE}" in said(result)


def test_strict_fails_without_a_baseline(few: GateStory) -> None:
    result = few.gate("--gptoss-gate", "strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "there is no baseline baselines/recorded/sums.json" in said(result)
    assert few.fields() is None


def test_off_collects_no_gate(sums: GateStory) -> None:
    result = sums.gate("--gptoss-gate", "off", lost=100)
    assert result.ret == pytest.ExitCode.OK
    assert "gate" not in said(result)
    assert sums.fields() is None


def test_without_a_baseline_there_is_no_gate(few: GateStory) -> None:
    result = few.gate()
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=18)


def test_an_unknown_mode_is_wrong_usage(few: GateStory) -> None:
    result = few.gate("--gptoss-gate", "lenient")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-gate is one of regressed, strict and off, not 'lenient'" in said(result)


def test_the_mode_may_stand_in_the_ini_file(few: GateStory) -> None:
    few.story.pytester.makeini("[pytest]\nfilterwarnings = error\ngptoss_gate = strict\n")
    assert few.gate().ret == pytest.ExitCode.TESTS_FAILED


def test_the_gate_stands_behind_the_items_of_its_model(sums: GateStory) -> None:
    sums.story.answers(rows=1000)
    result = sums.story.replay("--collect-only", "-q", "--gptoss-limit", "2")
    assert collected_tests(result)[2] == GATE


def test_the_gates_of_two_models_stand_behind_their_own_items(few: GateStory) -> None:
    few.save()
    few.save("--gptoss-run", "other", "--model", "second")
    few.story.answers(rows=20)
    result = few.story.replay("--collect-only", "-q", "--gptoss-limit", "1", "--model", "second")
    names = [line.partition("[")[2] for line in collected_tests(result)]
    assert [name.partition("-")[0] for name in names] == ["recorded"] * 2 + ["second"] * 2
    assert [name.endswith("-gate]") for name in names] == [False, True, False, True]


def test_a_gate_can_be_deselected(sums: GateStory) -> None:
    result = sums.gate("--deselect", GATE, lost=100)
    assert result.ret == pytest.ExitCode.OK
    assert sums.fields() is None


def test_a_gate_without_its_items_fails_with_the_reason(sums: GateStory) -> None:
    # A gate that compared nothing must not look like one that passed.
    result = sums.gate(GATE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "none of the items of sums on recorded is selected" in said(result)


def test_filtered_items_are_compared_and_the_overlap_is_said(sums: GateStory) -> None:
    result = sums.gate("-k", "recorded-1 or gate")
    assert result.ret == pytest.ExitCode.OK
    assert sums.fields()["n"] == 111
    assert "compared on 111 of the baseline's 1,000 items" in said(result)


def test_a_limited_run_is_compared_on_its_sample(sums: GateStory) -> None:
    sums.gate("--gptoss-limit", "200")
    assert sums.fields()["n"] == 200
    assert {"setting": "limit", "before": None, "after": 200} in sums.fields()["changed"]


def test_items_that_errored_fail_the_gate_and_are_counted(sums: GateStory) -> None:
    result = sums.gate(leave_out=[3, 4])
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "2 of the 1,000 selected items have no result" in said(result)
    assert sums.fields()["verdict"] is None


def test_marks_of_the_test_function_select_its_gate(sums: GateStory) -> None:
    file = sums.path / "test_sums.py"
    text = file.read_text().replace("@sums.test", "@pytest.mark.nightly\n@sums.test")
    file.write_text(f"import pytest\n{text}")
    sums.story.pytester.makeini("[pytest]\nmarkers = nightly\n")
    sums.gate("-m", "nightly", lost=100)
    assert sums.fields()["verdict"] == "regressed"


def test_junit_shows_the_gate_as_a_test_case(sums: GateStory) -> None:
    sums.gate("--junitxml", "junit.xml", lost=100)
    cases = ET.parse(sums.path / "junit.xml").getroot().iter("testcase")
    case = next(case for case in cases if case.get("name") == "test_sums[recorded-gate]")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["gptoss_verdict"] == "regressed"
    assert properties["gptoss_b"] == "100"
    failure = case.find("failure")
    assert failure is not None
    assert (failure.text or "").startswith("Regressed: a drop of 10 points")


def test_what_a_gate_can_see_is_said_before_anything_is_generated(sums: GateStory) -> None:
    result = sums.gate()
    smallest = stats.minimum_detectable_drop(1000, 0.1)
    assert smallest is not None
    lines = result.outlines
    place = next(n for n, line in enumerate(lines) if "with 80 % power" in line)
    assert lines[place] == (
        f"gptoss: sums: 1,000 items: a drop of {100 * smallest:.1f} points or more is found with "
        "80 % power (if 10 % of items differ, an assumption)"
    )
    assert not any(line.startswith(".") or "%]" in line for line in lines[:place])


def test_last_failed_repeats_the_gate_and_says_what_it_lacks(sums: GateStory) -> None:
    sums.story.answers(rows=1000, wrong=range(500))
    arguments = ("--model", "recorded", "--gptoss-completions", "answers.jsonl", "-q")
    run = sums.story.pytester.runpytest_subprocess
    assert run(*arguments, "--gptoss-run", "first").ret == pytest.ExitCode.TESTS_FAILED
    again = run(*arguments, "--gptoss-run", "again", "--lf")
    assert again.ret == pytest.ExitCode.TESTS_FAILED
    assert "select its items too" in said(again)
