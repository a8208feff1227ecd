"""Warnings and further figures: in the summary file and on the screen."""

import pytest
from stories import Story, said

from pytest_gptoss import stats

BY_KIND = """strata="kind",
    aggregate=scorers.by_category({"odd ones": ["odd"], "even ones": ["even"]}),
    chance=0.25,"""


def lines(result: pytest.RunResult, word: str) -> list[str]:
    """The lines that hold a word."""
    return [line.strip() for line in result.outlines if word in line]


def test_a_good_run_has_no_warning(story: Story) -> None:
    story.suite(extra="chance=0.25,")
    story.answers(wrong=[1])
    result = story.replay()
    assert story.summary()["groups"][0]["warnings"] == []
    assert "warning:" not in said(result)


def test_answers_that_were_cut_off_are_warned_about(story: Story) -> None:
    story.answers(changed={n: {"finish_reason": "length"} for n in range(3)})
    result = story.replay()
    (warning,) = story.summary()["groups"][0]["warnings"]
    assert warning["kind"] == "truncated"
    assert lines(result, "warning:") == [f"warning: {warning['text']}"]
    assert warning["text"].startswith("30.0 % truncated: the token cap")


def test_answers_of_another_form_are_warned_about(story: Story) -> None:
    story.answers(changed={n: {"completion": "I wonder."} for n in range(10)})
    story.replay()
    kinds = [warning["kind"] for warning in story.summary()["groups"][0]["warnings"]]
    assert kinds == ["no_answer", "zero"]


def test_a_score_at_chance_is_warned_about(story: Story) -> None:
    story.suite(rows=40, extra="chance=0.25,")
    story.answers(rows=40, wrong=range(30))
    result = story.replay()
    (line,) = lines(result, "warning:")
    assert line.startswith("warning: 25.0 % cannot be told from chance (25.0 %)")


def test_few_answers_raise_no_word_about_chance(story: Story) -> None:
    story.suite(rows=3, extra="chance=0.25,")
    story.answers(rows=3, wrong=[0, 1, 2])
    story.replay()
    assert story.summary()["groups"][0]["warnings"] == []


def test_categories_and_the_macro_average(story: Story) -> None:
    story.suite(extra=BY_KIND)
    story.answers(wrong=[1, 3])
    result = story.replay()
    assert story.summary()["groups"][0]["aggregates"] == {
        "odd ones": {"accuracy": 0.6, "n": 5, **stats.proportion(3, 5).figures()},
        "even ones": {"accuracy": 1.0, "n": 5, **stats.proportion(5, 5).figures()},
        "macro average": {
            "accuracy": 0.8,
            "n": 10,
            "strata": 2,
            **stats.mean_of_means([[1] * 5, [1, 1, 1, 0, 0]]).figures(),
        },
    }
    (line,) = lines(result, "macro average")
    assert line == (
        "odd ones 60.0 % [23.1, 88.2]  even ones 100.0 % [56.6, 100.0]  "
        "macro average 80.0 % [53.4, 100.0] over 2 strata"
    )


def test_a_stratum_has_its_own_interval(story: Story) -> None:
    story.suite(extra="strata='kind',")
    story.answers(wrong=[1, 3])
    story.replay()
    assert story.summary()["groups"][0]["strata"] == {
        "even": {"n": 5, "accuracy": 1.0, **stats.proportion(5, 5).figures()},
        "odd": {"n": 5, "accuracy": 0.6, **stats.proportion(3, 5).figures()},
    }


def test_a_category_that_was_not_asked_is_left_out(story: Story) -> None:
    story.suite(extra=BY_KIND)
    story.answers()
    story.replay("-k", "recorded-2 or recorded-4")
    figures = story.summary()["groups"][0]["aggregates"]
    assert set(figures) == {"even ones", "macro average"}


def test_balanced_accuracy(story: Story) -> None:
    story.suite(extra="aggregate=scorers.balanced('kind'),")
    story.answers(wrong=[1, 3, 5, 7, 9])
    story.replay("--deselect", "test_sums.py::test_sums[recorded-0]")
    figure = story.summary()["groups"][0]["aggregates"]["mean balanced accuracy"]
    assert (figure["accuracy"], figure["n"]) == (0.5, 9)


def test_without_a_declaration_there_is_none(story: Story) -> None:
    story.answers()
    story.replay()
    assert story.summary()["groups"][0]["aggregates"] is None
