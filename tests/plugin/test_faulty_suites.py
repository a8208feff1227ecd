"""Suites whose own code fails: a sentence each, and every file is written."""

from __future__ import annotations

import pytest
from stories import Story, said

FILES = {"journal.jsonl", "items.jsonl", "summary.json", "report.html"}

ODD = """
class Odd:
    name, version = "odd", "1"

    def __call__(self, item, completion):
        return {score}


async def solver(item, chat):
    return "hello"


"""


def faulty(story: Story, score: str = "None", **fields: str) -> pytest.RunResult:
    """A session of the sums with fields replaced."""
    file = story.path / "test_sums.py"
    text = file.read_text()
    for name, value in fields.items():
        lines = [line for line in text.splitlines() if not line.startswith(f"    {name}=")]
        text = "\n".join(lines).replace(
            "sums = Benchmark(", f"sums = Benchmark(\n    {name}={value},"
        )
    scores = "from pytest_gptoss import Outcome, Score\n" + ODD.format(score=score)
    file.write_text(text.replace("sums = Benchmark", scores + "sums = Benchmark") + "\n")
    story.answers()
    result = story.replay("-v")
    assert "INTERNALERROR" not in said(result)
    assert "Traceback" not in said(result)
    assert {path.name for path in (story.path / "run").iterdir()} == FILES
    return result


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"item": "lambda row: None"}, "its item function returned NoneType and no Item"),
        ({"item": "lambda row: 1 / 0"}, "its item function raised ZeroDivisionError"),
        ({"item": "lambda row: Item(prompt='?', target=object())"}, "are no JSON values"),
        ({"solver": "solver"}, "the solver of sums returned str and no Completion"),
        ({"scorer": "Odd()"}, "the scorer odd returned NoneType and no Score"),
    ],
    ids=["no item", "raises", "no JSON", "solver", "scorer"],
)
def test_each_item_is_an_error_that_says_why(
    story: Story, fields: dict[str, str], words: str
) -> None:
    result = faulty(story, **fields)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert words in said(result)
    (group,) = story.summary()["groups"]
    assert group["outcomes"]["error"] == group["n"] == 10
    assert group["accuracy"] is None


@pytest.mark.parametrize(
    ("score", "words"),
    [
        ("Score(value=7.0, outcome=Outcome.CORRECT)", "gave 7.0, which is no score in [0, 1]"),
        ("Score(value=1.0, outcome=Outcome.CORRECT, extracted=5)", "extracted 5, which is no text"),
        (
            "Score(value=1.0, outcome=Outcome.CORRECT, detail={'x': object()})",
            "gave details that are no JSON values",
        ),
        (
            "Score(value=1.0, outcome=Outcome.CORRECT, detail=None)",
            "gave None for a dict of details",
        ),
    ],
    ids=["value", "extracted", "detail", "no detail"],
)
def test_a_score_that_cannot_be_recorded_is_an_error(story: Story, score: str, words: str) -> None:
    result = faulty(story, score, scorer="Odd()")
    assert f"the scorer odd {words}" in said(result)
    assert story.summary()["groups"][0]["outcomes"]["error"] == 10


@pytest.mark.parametrize(
    ("aggregate", "words"),
    [
        ("lambda items: 1 / 0", "the aggregate of sums raised ZeroDivisionError"),
        ("lambda items: None", "the aggregate of sums returned no figures by name"),
        ("lambda items: {'x': 0.5}", "the aggregate of sums returned no figures by name"),
        ("lambda items: {'x': {}}", "(Object missing required field `accuracy`"),
        ("lambda items: {'x': {'accuracy': 0.5, 'interval': 3}}", "(Expected `array | null`"),
        ("lambda items: {'x': {'accuracy': 0.5, 'n': 'all'}}", "(Expected `int | null`"),
        ("lambda items: {'x': {'accuracy': object()}}", "returned no figures by name"),
    ],
)
def test_figures_that_cannot_be_had_are_a_warning(story: Story, aggregate: str, words: str) -> None:
    result = faulty(story, aggregate=aggregate)
    assert result.ret == pytest.ExitCode.OK
    assert words in said(result)
    (group,) = story.summary()["groups"]
    assert group["accuracy"] == 1.0
    assert group["aggregates"] is None
    assert [warning["kind"] for warning in group["warnings"]] == ["aggregates"]


def test_a_figure_with_nulls_is_shown(story: Story) -> None:
    null = "{'accuracy': None, 'n': None, 'strata': None, 'interval': None}"
    result = faulty(story, aggregate=f"lambda items: {{'nothing known': {null}}}")
    assert result.ret == pytest.ExitCode.OK
    assert "nothing known –" in said(result)
    assert story.summary()["groups"][0]["warnings"] == []
