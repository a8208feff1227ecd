"""``--gptoss-baseline published:ID``: an aggregate against an interval, never paired."""

from __future__ import annotations

import json

import pytest
from gate_story import GateStory
from stories import Story, said

from pytest_gptoss import stats
from pytest_gptoss.gates.locate import packaged
from pytest_gptoss.gates.published import read_published

PAPER = "published:2508.12461"


def evaluate(story: Story, right: int, *arguments: str, rows: int = 400) -> pytest.RunResult:
    """A benchmark that is called gsm8k, of which so many answers are right."""
    story.suite(rows=rows)
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(text.replace('name="sums"', 'name="gsm8k"'))
    story.answers(rows=rows, wrong=range(right, rows))
    return story.replay("-q", "--gptoss-baseline", PAPER, *arguments, model="gpt-oss-20b")


@pytest.mark.parametrize(
    ("right", "verdict", "status"),
    [
        (380, "improved", 0),
        (340, "within-margin", 0),
        (330, "inconclusive", 0),
        (280, "regressed", 1),
    ],
)
def test_verdicts_against_a_printed_82_percent(
    story: Story, right: int, verdict: str, status: int
) -> None:
    result = evaluate(story, right)
    gate = story.summary()["groups"][0]["gate"]
    assert (gate["verdict"], result.ret) == (verdict, status)
    interval = stats.proportion(right, 400, confidence=0.9)
    assert gate["interval"] == pytest.approx([0.82 - interval.high, 0.82 - interval.low])
    assert gate["difference"] == pytest.approx(0.82 - right / 400)
    assert gate["paired"] is False
    assert gate["b"] is gate["c"] is None
    assert "McNemar" not in gate["method"]
    assert "unpaired" in said(result)


def test_a_score_that_is_not_published_skips_its_gate(few: GateStory) -> None:
    result = few.gate("--gptoss-baseline", PAPER)
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=18, skipped=1)


def test_strict_fails_where_nothing_is_published(few: GateStory) -> None:
    result = few.gate("--gptoss-baseline", PAPER, "--gptoss-gate", "strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "states no score of recorded on sums" in said(result)


def test_errors_are_no_score(story: Story) -> None:
    story.suite(rows=10)
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(text.replace('name="sums"', 'name="gsm8k"'))
    story.answers(leave_out=[1])
    result = story.replay("-q", "--gptoss-baseline", PAPER, model="gpt-oss-20b")
    assert "1 of the 10 selected items have no result" in said(result)


def test_an_unknown_publication_is_wrong_usage(few: GateStory) -> None:
    result = few.gate("--gptoss-baseline", "published:1234.5678")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "there are 2508.10925, 2508.12461" in said(result)


def test_a_path_is_no_publication(few: GateStory) -> None:
    result = few.gate("--gptoss-baseline", "published:../secret")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "names no publication" in said(result)


def test_a_project_may_keep_publications_of_its_own(few: GateStory) -> None:
    folder = few.path / "baselines" / "published"
    folder.mkdir(parents=True)
    own = {"id": "ours", "title": "t", "source": "s", "rounding": 0.01, "n": None, "notes": []}
    (folder / "ours.json").write_text(json.dumps({**own, "scores": {"recorded": {"sums": 0.5}}}))
    few.gate("--gptoss-baseline", "published:ours")
    assert few.fields()["verdict"] == "improved"


def test_a_publication_that_cannot_be_read_is_named(few: GateStory) -> None:
    folder = few.path / "baselines" / "published"
    folder.mkdir(parents=True)
    (folder / "ours.json").write_text("{}")
    result = few.gate("--gptoss-baseline", "published:ours")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ours.json cannot be read" in said(result)


def test_the_efforts_of_the_card_are_told_apart() -> None:
    card = read_published("2508.10925", packaged())
    assert card.score("gpt-oss-20b", "mmlu", "low") == 0.804
    assert card.score("openai/gpt-oss-20b:high", "mmlu", None) == 0.853
    assert card.score("gpt-oss-120b", "gpqa_diamond", "medium") == 0.731
    assert card.score("gpt-oss-20b", "nosuch", "low") is None


@pytest.mark.parametrize("name", ["2508.12461", "2508.10925"])
def test_every_printed_score_is_a_share(name: str) -> None:
    published = read_published(name, packaged())
    assert published.source.startswith(f"https://arxiv.org/abs/{name}")
    for benchmarks in published.scores.values():
        for value in benchmarks.values():
            shares = value.values() if isinstance(value, dict) else [value]
            assert all(0 < share < 1 for share in shares)


def test_the_means_of_the_heat_map_are_those_it_prints() -> None:
    paper = read_published("2508.12461", packaged())
    printed = {"qwen3-235b": 90.8, "deepseek-r1-70b": 89.8, "gpt-oss-120b": 77.0}
    printed |= {"gpt-oss-20b": 69.5, "gemma-3-27b": 73.4, "phi-4-reasoning": 86.4}
    for model, mean in printed.items():
        shares = [share for share in paper.scores[model].values() if isinstance(share, float)]
        assert 100 * sum(shares) / len(shares) == pytest.approx(mean, abs=0.051)


def test_the_files_come_with_the_checkout_and_with_the_package() -> None:
    for folder in packaged():
        assert (folder / "published" / "2508.12461.json").is_file()
