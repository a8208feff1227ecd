"""``--model a --model b``: the models of one session, compared item by item."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_story import GateStory
from stories import Story, said

from pytest_gptoss import stats


def record(path: Path, wrong: set[int], rows: int) -> None:
    lines = (
        {"item_id": n, "completion": f"Answer: {2 * n + 1 + (n in wrong)}"} for n in range(rows)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def both(story: Story) -> pytest.RunResult:
    story.suite(rows=200)
    record(story.path / "answers" / "sums" / "one.jsonl", set(range(20)), 200)
    record(story.path / "answers" / "sums" / "two.jsonl", set(range(10, 60)), 200)
    return story.run(
        *("--model", "one", "--model", "two", "--gptoss-completions", "answers", "-q"),
        *("--gptoss-run", "run"),
    )


def test_the_table_is_in_the_summary(both: pytest.RunResult, story: Story) -> None:
    assert both.ret == pytest.ExitCode.OK
    (compared,) = story.summary()["comparisons"]
    assert compared["models"] == ["one", "two"]
    assert (compared["b"], compared["c"], compared["n"]) == (40, 10, 200)
    assert compared["difference"] == pytest.approx(0.15)
    assert compared["p_value"] == stats.mcnemar(40, 10).p_value == compared["adjusted_p_value"]
    interval = stats.paired_difference(140, 40, 10, 10)
    assert compared["interval"] == pytest.approx([interval.low, interval.high])
    assert compared["odds_ratio"] == 4.0
    assert compared["cohens_g"] == pytest.approx(0.3)


def test_the_table_is_printed(both: pytest.RunResult) -> None:
    text = said(both)
    assert "models compared item by item" in text
    row = next(line for line in both.outlines if line.startswith("  sums  one"))
    assert row.split()[1:6] == ["one", "two", "200", "90.0", "%"]
    assert "+15.0" in row


def test_the_flips_hold_both_answers(both: pytest.RunResult, story: Story) -> None:
    flips = json.loads((story.path / "run" / "flips.json").read_text())["comparisons"]
    (compared,) = flips
    assert (compared["model"], compared["against"]) == ("two", "one")
    assert (len(compared["lost"]), len(compared["won"])) == (40, 10)
    first = compared["lost"][0]
    assert first["node_id"] == "test_sums.py::test_sums[two-20]"
    assert first["baseline"][0]["final"] == "Answer: 41"
    assert first["run"][0]["final"] == "Answer: 42"


def test_one_model_is_compared_with_nobody(few: GateStory) -> None:
    few.gate()
    assert few.story.summary()["comparisons"] == []


def test_three_models_and_two_benchmarks_are_one_family(story: Story) -> None:
    story.suite(rows=100)
    text = (story.path / "test_sums.py").read_text().replace('"sums"', '"totals"')
    (story.path / "test_totals.py").write_text(text.replace("test_sums", "test_totals"))
    wrong = {"one": set(range(5)), "two": set(range(9)), "three": set(range(30))}
    for model, items in wrong.items():
        for benchmark in ("sums", "totals"):
            record(story.path / "answers" / benchmark / f"{model}.jsonl", items, 100)
    story.run(
        *("--model", "one,two,three", "--gptoss-completions", "answers", "-q"),
        *("--gptoss-run", "run"),
    )
    compared = story.summary()["comparisons"]
    assert len(compared) == 6
    adjusted = stats.holm([fields["p_value"] for fields in compared])
    assert [fields["adjusted_p_value"] for fields in compared] == adjusted


def test_gates_over_several_benchmarks_are_pooled_and_corrected(story: Story) -> None:
    names = ["sums", "totals", "counts"]
    story.suite(rows=300)
    for name in names[1:]:
        text = (story.path / "test_sums.py").read_text().replace('"sums"', f'"{name}"')
        (story.path / f"test_{name}.py").write_text(text.replace("test_sums", f"test_{name}"))
    common = ("--model", "one", "--gptoss-completions", "answers", "-q", "--gptoss-run")
    for name in names:
        record(story.path / "answers" / f"{name}.jsonl", set(range(30)), 300)
    story.run(*common, "saved", "--gptoss-save-baseline")
    for name in names:  # five lost, one won: too little for one benchmark, enough for three
        record(story.path / "answers" / f"{name}.jsonl", set(range(1, 35)), 300)
    result = story.run(*common, "run")
    summary = story.summary()
    gates = [group["gate"] for group in summary["groups"]]
    assert [(gate["b"], gate["c"]) for gate in gates] == [(5, 1)] * 3
    assert [gate["adjusted_p_value"] for gate in gates] == stats.holm(
        [gate["p_value"] for gate in gates]
    )
    pooled = summary["pooled"]["one"]
    assert (pooled["b"], pooled["c"], pooled["n"], pooled["benchmarks"]) == (15, 3, 900, 3)
    assert pooled["p_value"] == stats.mcnemar(15, 3, alternative="regression").p_value
    assert pooled["regressed"]
    assert "one, 3 benchmarks pooled: more losses than chance explains" in said(result)
