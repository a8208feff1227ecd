"""``--gptoss-limit N``: the same N items for every model and every day."""

import pytest
from stories import Story, said


def chosen(story: Story, run: str = "run") -> list[str]:
    return [item["item_id"] for item in story.items(run)]


def test_so_many_items_are_asked(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-limit", "4")
    result.assert_outcomes(passed=4)
    assert "at most 4 items per benchmark" in said(result)
    assert len(chosen(story)) == 4


def test_every_model_gets_the_same_items(story: Story) -> None:
    story.answers()
    story.replay("--gptoss-limit", "4")
    story.replay("--gptoss-limit", "4", "--gptoss-run", "other", model="another")
    assert chosen(story) == chosen(story, "other")


def test_another_seed_draws_others(story: Story) -> None:
    story.suite(rows=200)
    story.answers(rows=200)
    story.replay("--gptoss-limit", "20")
    story.replay("--gptoss-limit", "20", "--gptoss-seed", "1", "--gptoss-run", "other")
    assert chosen(story) != chosen(story, "other")


def test_strata_get_their_shares(story: Story) -> None:
    story.suite(extra='strata="kind",')
    story.answers()
    story.replay("--gptoss-limit", "4")
    strata = story.summary()["groups"][0]["strata"]
    assert {name: figures["n"] for name, figures in strata.items()} == {"even": 2, "odd": 2}


def test_a_limit_over_the_size_asks_everything(story: Story) -> None:
    story.answers()
    story.replay("--gptoss-limit", "1000").assert_outcomes(passed=10)


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5"])
def test_a_senseless_limit_is_wrong_usage(story: Story, value: str) -> None:
    story.answers()
    result = story.replay(f"--gptoss-limit={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--gptoss-limit takes a whole number, 1 or more, not {value!r}" in said(result)


def test_the_ini_key_does_the_same_and_the_command_line_wins(story: Story) -> None:
    story.pytester.makeini("[pytest]\ngptoss_limit = 4\n")
    story.answers()
    story.replay().assert_outcomes(passed=4)
    story.replay("--gptoss-limit", "2", "--gptoss-run", "other").assert_outcomes(passed=2)
