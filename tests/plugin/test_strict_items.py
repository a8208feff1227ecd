"""``--gptoss-strict-items``: an incorrect item fails its test."""

import pytest
from stories import Story, said


def test_incorrect_items_fail(story: Story) -> None:
    story.answers(wrong=[0, 3])
    result = story.replay("--gptoss-strict-items")
    result.assert_outcomes(passed=8, failed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "incorrect: recorded answered '2', expected 1 (sums item 0)" in said(result)


def test_the_ini_key_does_the_same(story: Story) -> None:
    story.pytester.makeini("[pytest]\ngptoss_strict_items = true\n")
    story.answers(wrong=[0])
    story.replay().assert_outcomes(passed=9, failed=1)


def test_figures_do_not_depend_on_it(story: Story) -> None:
    story.answers(wrong=[0, 3])
    story.replay("--gptoss-strict-items")
    story.replay("--gptoss-run", "lenient")
    assert (
        story.summary()["groups"][0]["accuracy"]
        == story.summary("lenient")["groups"][0]["accuracy"]
    )
