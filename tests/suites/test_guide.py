"""The files that docs/adding-a-benchmark.md shows are run as they stand."""

import re
from pathlib import Path

import pytest
from chat_server import ChatServer
from stories import Story, said

from pytest_gptoss import stats

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "adding-a-benchmark.md"
FILES = dict(re.findall(r"\*\*`([\w.]+)`\*\*\n\n```\w+\n(.*?)```", GUIDE.read_text(), re.DOTALL))


@pytest.fixture
def copied(story: Story) -> Story:
    """The guide's files, and nothing else."""
    for file in story.path.glob("test_*.py"):
        file.unlink()
    for name, text in FILES.items():
        (story.path / name).write_text(text)
    return story


def console(story: Story, line: str) -> pytest.RunResult:
    """Run a command of the guide."""
    assert f"$ pytest {line}\n" in GUIDE.read_text()
    return story.run(*line.split(), "--gptoss-run", "run")


def test_the_guide_shows_these_files() -> None:
    assert sorted(FILES) == [
        "answers.jsonl",
        "capitals.jsonl",
        "test_capitals.py",
        "test_sums.py",
        "test_years.py",
    ]


def test_rows_from_a_file_with_answers_that_were_written_down(copied: Story) -> None:
    result = console(copied, "test_capitals.py --model written --gptoss-completions answers.jsonl")
    assert result.parseoutcomes() == {"passed": 2, "incorrect": 1, "no_answer": 1}
    outcomes = {item["item_id"]: item["outcome"] for item in copied.items()}
    assert outcomes == {
        "fr": "correct",
        "jp": "correct",
        "au": "incorrect",
        "ca": "no_answer",
    }
    assert "warning: 25.0 % no answer found" in said(result)
    strata = copied.summary()["groups"][0]["strata"]
    assert strata["Oceania"] == {"n": 1, "accuracy": 0.0, **stats.proportion(0, 1).figures()}


def test_a_scorer_of_ones_own(copied: Story) -> None:
    (copied.path / "answers.jsonl").write_text(
        '{"item_id": 0, "completion": "Not 1961 but 1989."}\n'
        '{"item_id": 1, "completion": "About 1972."}\n'
    )
    copied.run(
        *("test_years.py", "--model", "written", "--gptoss-completions", "answers.jsonl"),
        *("--gptoss-run", "run"),
    ).assert_outcomes(passed=2)
    assert [item["score"] for item in copied.items()] == [1.0, 0.5]
    assert copied.summary()["groups"][0]["accuracy"] == 0.75


def test_several_turns_with_a_tool(copied: Story) -> None:
    replies = ("CALCULATE: 7919 * 104729", "So it is.\nAnswer: 829348951")
    with ChatServer(*replies, model="served") as server:
        result = copied.run(
            *("test_sums.py", "--model", "served", "--gptoss-endpoint", server.url),
            *("--gptoss-run", "run", "-k", "served-0"),
        )
    result.assert_outcomes(passed=1, deselected=1)
    assert copied.items()[0]["outcome"] == "correct"
    first, second = ([m["content"] for m in body["messages"]] for body in server.bodies)
    assert second[: len(first)] == first
    assert second[len(first) :] == ["CALCULATE: 7919 * 104729", "RESULT: 829348951"]
