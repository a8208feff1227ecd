"""``--gptoss-judge URL`` and ``--gptoss-judge-model NAME``: free texts graded by another model."""

import pytest
from chat_server import ChatServer
from stories import Story, said

SUITE = """
from pytest_gptoss import Benchmark, Item, scorers

advice = Benchmark(
    name="advice",
    rows=[{"question": f"May I do {n}?", "answer": f"You may do {n}."} for n in range(6)],
    item=lambda row: Item(prompt=row["question"], target=row["answer"]),
    scorer=scorers.judge(otherwise=scorers.rouge()),
)

@advice.test
def test_advice(response):
    response.check()
"""


@pytest.fixture
def advice(story: Story) -> Story:
    """A suite of free texts, and answers to it."""
    (story.path / "test_sums.py").unlink()
    (story.path / "test_advice.py").write_text(SUITE)
    story.answers(rows=6, changed={n: {"completion": f"You may do {n}."} for n in range(6)})
    return story


def test_every_answer_is_graded(advice: Story) -> None:
    with ChatServer("Fine.\nGrade: 8") as server:
        result = advice.replay("--gptoss-judge", server.url, "--gptoss-judge-model", "grader")
    result.assert_outcomes(passed=6)
    assert len(server.bodies) == 6
    group = advice.summary()["groups"][0]
    assert (group["accuracy"], group["correct"]) == (pytest.approx(0.8), None)
    item = advice.items()[0]
    assert (item["score"], item["correct"], item["extracted"]) == (0.8, None, "grade 8")
    assert item["detail"]["judge"] == item["detail"]["judge_served"] == "grader"
    assert group["judges"] == {"grader": 6}
    assert "judge" not in said(result).partition("advice")[2]
    settings = advice.summary()["settings"]
    assert settings["judge"] == {
        "url": server.url,
        "model": "grader",
        "key_env": "OPENAI_API_KEY",
    }
    assert settings["benchmarks"]["advice"]["scorer"] == "judge"


def test_another_judge_than_was_asked_is_told(advice: Story) -> None:
    with ChatServer("Grade: 8", model="a-small-one") as server:
        result = advice.replay("--gptoss-judge", server.url, "--gptoss-judge-model", "grader")
    text = " ".join(said(result).split())
    assert "asked grader to judge, 6 grades came from a-small-one: unless" in text
    (note,) = advice.summary()["notes"]
    assert note.endswith("or name that judge with --gptoss-judge-model a-small-one")
    assert advice.summary()["groups"][0]["judges"] == {"a-small-one": 6}


def test_several_judges_are_told(advice: Story) -> None:
    with ChatServer("Grade: 8", model=["grader", "grader", "other"]) as server:
        advice.replay("--gptoss-judge", server.url, "--gptoss-judge-model", "grader")
    (note,) = advice.summary()["notes"]
    assert "asked for grader, of 6 came 4 as grader, 2 as other; these scores have no" in note


def test_without_a_judge_the_overlap_counts(advice: Story) -> None:
    advice.replay().assert_outcomes(passed=6)
    assert advice.summary()["groups"][0]["accuracy"] == 1.0
    assert advice.summary()["settings"]["judge"] is None
    assert advice.summary()["groups"][0]["judges"] is None
    assert advice.summary()["settings"]["benchmarks"]["advice"]["scorer"] == "rouge"


def test_a_judge_that_fails_is_an_error_and_no_low_score(advice: Story) -> None:
    with ChatServer(401) as server:
        result = advice.replay("--gptoss-judge", server.url, "--gptoss-judge-model", "grader")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert advice.summary()["groups"][0]["outcomes"]["error"] == 6
    assert "HTTP 401" in said(result)
    assert "Traceback" not in said(result)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--gptoss-judge", "http://host/v1"), "give both --gptoss-judge URL and"),
        (("--gptoss-judge-model", "grader"), "give both --gptoss-judge URL and"),
        (
            ("--gptoss-judge", "host", "--gptoss-judge-model", "grader"),
            "--gptoss-judge takes the base URL of a server",
        ),
    ],
)
def test_half_a_judge_is_wrong_usage(
    advice: Story, arguments: tuple[str, ...], sentence: str
) -> None:
    result = advice.replay(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(result)
