"""``--gptoss-margin`` and ``--gptoss-alpha``, and both by benchmark in the ini file."""

from __future__ import annotations

import pytest
from gate_story import GateStory
from stories import said

INI = "[pytest]\nfilterwarnings = error\n"


def test_a_wider_margin_tolerates_more(sums: GateStory) -> None:
    assert sums.gate(lost=40).ret == pytest.ExitCode.TESTS_FAILED
    result = sums.gate("--gptoss-margin", "0.08", "--gptoss-run", "wide", lost=40)
    assert result.ret == pytest.ExitCode.OK
    fields = sums.fields("wide")
    assert (fields["verdict"], fields["margin"]) == ("within-margin", 0.08)
    assert "a small but real drop within the margin" in said(result)


def test_a_smaller_alpha_needs_more_evidence(sums: GateStory) -> None:
    sums.gate("--gptoss-alpha", "0.0001", lost=40, won=18)
    assert sums.fields()["alpha"] == 0.0001
    assert sums.fields()["verdict"] == "inconclusive"
    assert sums.fields()["confidence"] == pytest.approx(0.9998)


def test_the_ini_file_sets_both_for_single_benchmarks(sums: GateStory) -> None:
    sums.story.pytester.makeini(
        f"{INI}gptoss_margin = 0.03\ngptoss_margins =\n    other=0.5\n    sums=0.08\n"
        "gptoss_alphas =\n    sums = 0.01\n"
    )
    sums.gate(lost=40)
    assert (sums.fields()["margin"], sums.fields()["alpha"]) == (0.08, 0.01)


def test_the_command_line_goes_before_the_ini_file(sums: GateStory) -> None:
    sums.story.pytester.makeini(f"{INI}gptoss_margins =\n    sums=0.08\ngptoss_alpha = 0.01\n")
    sums.gate("--gptoss-margin", "0.01", "--gptoss-alpha", "0.1")
    assert (sums.fields()["margin"], sums.fields()["alpha"]) == (0.01, 0.1)


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("margin", "2", "--gptoss-margin takes a share from 0 to below 1"),
        ("margin", "nan", "--gptoss-margin takes a share from 0 to below 1"),
        ("margin", "two", "--gptoss-margin takes a share from 0 to below 1"),
        ("alpha", "0", "--gptoss-alpha takes a probability between 0 and 0.5"),
        ("alpha", "0.7", "--gptoss-alpha takes a probability between 0 and 0.5"),
    ],
)
def test_senseless_values_are_wrong_usage(
    few: GateStory, flag: str, value: str, sentence: str
) -> None:
    result = few.gate(f"--gptoss-{flag}", value)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"{sentence}, such as" in said(result)
    assert f"not '{value}'" in said(result)


@pytest.mark.parametrize("line", ["sums", "=0.1", "sums=many"])
def test_senseless_lines_in_the_ini_file_are_wrong_usage(few: GateStory, line: str) -> None:
    few.story.pytester.makeini(f"{INI}gptoss_margins =\n    {line}\n")
    result = few.gate()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "gptoss_margins" in said(result)
