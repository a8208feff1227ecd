"""``python -m pytest_gptoss``: compare, plan and baseline, their JSON and their exit statuses."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from gate_story import GateStory

from pytest_gptoss import stats
from pytest_gptoss.__main__ import main


@pytest.fixture
def runs(few: GateStory, monkeypatch: pytest.MonkeyPatch) -> GateStory:
    """Two runs in the working folder: ``saved``, and ``run`` with ten more wrong."""
    few.save()
    few.gate("--gptoss-gate", "off", lost=10)
    monkeypatch.chdir(few.path)
    return few


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_regression_is_status_1(runs: GateStory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "saved", "run"]) == 1
    text = capsys.readouterr().out
    assert "recorded sums\n  Regressed: a drop of 50 points" in text
    assert "right → wrong: 1 2 3" in text


def test_compare_as_json(runs: GateStory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "saved", "run", "--json"]) == 1
    (gate,) = printed(capsys)["gates"]
    expected = stats.gate(8, 10, 0, 2)
    assert (gate["verdict"], gate["b"], gate["c"], gate["n"]) == ("regressed", 10, 0, 20)
    assert gate["p_value"] == expected.p_value
    assert gate["flips"]["lost"]["n"] == len(gate["flips"]["lost"]["first"]) == 10


def test_the_same_run_is_status_0_with_a_margin_that_it_can_show(
    runs: GateStory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "saved", "saved", "--margin", "0.2"]) == 0
    assert "Within the margin: no change" in capsys.readouterr().out


def test_a_baseline_file_may_stand_for_a_run(runs: GateStory) -> None:
    assert main(["compare", "baselines/recorded/sums.json", "run"]) == 1


def test_what_is_measured_differs(runs: GateStory, capsys: pytest.CaptureFixture[str]) -> None:
    runs.story.replay(
        "-q", "--gptoss-gate", "off", "--gptoss-run", "b", "--gptoss-profile", "paper"
    )
    assert main(["compare", "saved", "b"]) == 2
    assert "what is measured differs: profile card → paper" in capsys.readouterr().out
    assert main(["compare", "saved", "b", "--across", "profile"]) == 1
    assert "changed: profile card → paper" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compare", "saved", "nosuch"], "the baseline nosuch cannot be read"),
        (["compare", "saved", "baselines"], "baselines is no run directory"),
        (["baseline", "nosuch"], "nosuch is no run directory"),
        (["plan"], "name --benchmark or give --items"),
        (["plan", "--benchmark", "nosuch"], "the number of items of 'nosuch' is not known"),
        (
            ["plan", "--items", "100", "--discordance", "0.01", "--drop", "0.02"],
            "drop must not exceed the discordance",
        ),
    ],
)
def test_bad_usage_is_status_2_and_one_sentence(
    runs: GateStory, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert sentence in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nosuch"],
        ["plan", "--items", "0"],
        ["plan", "--drop", "2"],
        ["plan", "--power", "1"],
        ["plan", "--power", "much"],
        ["compare", "a", "b", "--margin", "1"],
    ],
)
def test_senseless_arguments_are_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2


def test_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["plan", "--benchmark", "gsm8k", "--discordance", "0.1", "--drop", "0.02"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == (
        "gsm8k: 1,319 items, 10 % of them differing, one-sided alpha 0.05 (McNemar mid-p, exact)\n"
        "  a drop of 2 points is found with 74.4 % power\n"
        "  1,538 items find it with 80 % power\n"
        "  these items find a drop of 2.16 points or more with 80 % power\n"
    )
    assert main([*arguments, "--json"]) == 0
    plan = printed(capsys)
    assert plan["power"] == stats.paired_power(1319, 0.1, 0.02)
    assert plan["items_needed"] == stats.required_items(0.1, 0.02)
    assert plan["minimum_detectable_drop"] == stats.minimum_detectable_drop(1319, 0.1)


def test_a_plan_of_what_is_out_of_reach(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--items", "164", "--discordance", "0.02", "--drop", "0"]) == 0
    text = capsys.readouterr().out
    assert "no number of items finds a drop of nothing" in text
    assert "these items find no drop with 80 % power" in text


def test_a_run_is_saved_as_a_baseline(runs: GateStory, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["baseline", "run", "--into", "kept", "--json"]) == 0
    (saved,) = printed(capsys)["saved"]
    assert saved["items"] == 20
    assert json.loads((runs.path / saved["file"]).read_text())["figures"]["correct"] == 8
    assert main(["compare", "kept/recorded/sums.json", "run", "--margin", "0.2"]) == 0


@pytest.mark.parametrize(
    ("arguments", "answers", "sentence"),
    [
        (["-k", "recorded-1"], {}, "only 11 of its 20 items were selected"),
        ([], {"leave_out": [3]}, "1 of its items ended as errors"),
    ],
)
def test_a_run_that_is_no_fair_sample_is_not_saved(
    runs: GateStory,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    answers: dict[str, Any],
    sentence: str,
) -> None:
    runs.gate("--gptoss-gate", "off", "--gptoss-run", "part", *arguments, **answers)
    capsys.readouterr()
    assert main(["baseline", "part", "--into", "kept"]) == 2
    assert sentence in capsys.readouterr().err
    assert not (runs.path / "kept").exists()


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest_gptoss", "plan", "--benchmark", "mmlu"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("mmlu: 14,042 items")
