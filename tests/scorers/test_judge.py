"""The judge: what it is asked, what its replies mean, and a server that misbehaves."""

from importlib import import_module

import pytest
from chat_server import ChatServer

from pytest_gptoss import Completion, EngineError, Item, Outcome, UsageError, scorers
from pytest_gptoss.scorers import judge as judge_function
from pytest_gptoss.scorers.judge import Judge, JudgeScorer, use_judge

ITEM = Item(prompt="Advise: May I?", target="You may.", metadata={"question": "May I?"})


@pytest.fixture
def grader(monkeypatch):
    monkeypatch.setattr(import_module("pytest_gptoss.scorers.judge"), "_PAUSE_S", 0)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with ChatServer() as server:
        yield server


def scorer_of(url, **settings):
    use_judge(Judge(url=url, model="grader", **settings))
    try:
        return judge_function(otherwise=scorers.rouge())
    finally:
        use_judge(None)


def score(grader, text="You may do it."):
    return scorer_of(grader.url)(ITEM, Completion(final=text))


def test_the_grade_is_the_score_and_rouge_stands_beside_it(grader):
    result = score(grader)
    assert (result.value, result.outcome, result.extracted) == (0.7, Outcome.CORRECT, "grade 7")
    assert result.detail["grade"] == 7
    assert result.detail["judge"] == "grader"
    assert result.detail["rougeL"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("told", ["", '"model": null, ', '"model": 7, ', '"model": "", '])
def test_a_server_that_does_not_say_who_judged_is_unknown(grader, told):
    choices = '[{"message": {"content": "Grade: 4"}}]'
    grader.replies = [f'{{{told}"choices": {choices}}}'.encode()]
    detail = score(grader).detail
    assert (detail["grade"], detail["judge"], detail["judge_served"]) == (4, "grader", None)


def test_the_judge_sees_question_reference_and_answer(grader):
    score(grader, "Surely.")
    body = grader.bodies[0]
    assert grader.paths == ["/v1/chat/completions"]
    assert "Authorization" not in grader.headers[0]
    assert (body["model"], body["temperature"]) == ("grader", 0)
    prompt = body["messages"][0]["content"]
    assert prompt.index("May I?") < prompt.index("You may.") < prompt.index("Surely.")
    assert "Advise" not in prompt


def test_the_key_comes_from_the_environment_and_follows_no_redirect(grader, monkeypatch):
    monkeypatch.setenv("GRADER_KEY", "sesame")
    scorer_of(grader.url, key_env="GRADER_KEY")(ITEM, Completion(final="Yes."))
    assert grader.headers[0]["Authorization"] == "Bearer sesame"
    grader.replies = [302]
    with pytest.raises(EngineError, match="HTTP 302") as caught:
        score(grader)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("Grade: 10", 1.0),
        ("It says half.\n\n**Grade:** 5", 0.5),
        ("Grade: **0**", 0.0),
        ("<think>Grade: 3?</think>Right.\nGrade: 9", 0.9),
        ("The grade 4 was my first thought.\nGrade: 6", 0.6),
    ],
)
def test_the_last_grade_counts(grader, reply, value):
    grader.replies = [reply]
    assert score(grader).value == value


@pytest.mark.parametrize("reply", ["Good.", "Grade: 11", "Grade: 7.5", "", b"{}", b"no json", 503])
def test_a_reply_without_a_grade_is_asked_again_and_then_an_error(grader, reply):
    grader.replies = [reply]
    with pytest.raises(EngineError, match=r"the judge grader at http.* gave no grade"):
        score(grader)
    assert len(grader.bodies) == 3
    grader.bodies.clear()
    grader.replies = [reply, "Grade: 2"]
    assert score(grader).value == 0.2


def test_a_refused_request_is_not_repeated(grader):
    grader.replies = [401]
    with pytest.raises(EngineError, match="HTTP 401"):
        score(grader)
    assert len(grader.bodies) == 1


def test_a_server_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(import_module("pytest_gptoss.scorers.judge"), "_PAUSE_S", 0)
    with pytest.raises(EngineError, match=r"at http://127.0.0.1:9/v1 gave no grade \(.*refused"):
        scorer_of("http://127.0.0.1:9/v1")(ITEM, Completion(final="Yes."))


@pytest.mark.parametrize(
    ("text", "outcome"),
    [("...", Outcome.NO_ANSWER), ("I'm sorry, but I can't help with that.", Outcome.REFUSED)],
)
def test_nobody_is_asked_about_nothing(grader, text, outcome):
    assert score(grader, text).outcome is outcome
    assert grader.bodies == []


def test_without_a_judge_the_other_scorer_stands_in():
    other = scorers.rouge()
    assert judge_function(otherwise=other) is other


def test_the_judge_is_part_of_the_version():
    scorer = scorer_of("http://127.0.0.1:9/v1")
    assert isinstance(scorer, JudgeScorer)
    assert (scorer.name, scorer.version, scorer.graded) == ("judge", "1, grader, rouge 1", True)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("grader:8000", "takes the base URL of a server"),
        ("file:///etc/passwd", "takes the base URL of a server"),
        ("http://me:secret@host/v1", "takes a URL without a key in it"),
        ("http://host/v1?key=secret", "takes a URL without a key in it"),
    ],
)
def test_an_address_that_cannot_be_one(url, sentence):
    with pytest.raises(UsageError, match=sentence) as caught:
        Judge(url=url, model="grader").check()
    assert "secret" not in str(caught.value)
