"""``--gptoss-speed-margin``, and its ini key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from speed_story import SpeedStory
from stories import said


@pytest.fixture
def story(pytester: pytest.Pytester) -> Iterator[SpeedStory]:
    story = SpeedStory(pytester)
    with story.server:
        # A throughput twenty times as high: a loss of about 95 %.
        story.have_baseline(
            lambda figure, rounds: (
                [20 * value for value in rounds] if figure == "throughput" else rounds
            )
        )
        yield story


def test_five_per_cent_unless_it_is_said(story: SpeedStory) -> None:
    story.run()
    gate = story.gate("throughput")
    assert (gate["margin"], gate["verdict"]) == (0.05, "regressed")


def test_a_wider_margin_tolerates_more(story: SpeedStory) -> None:
    result = story.run("--gptoss-speed-margin", "0.999", "-k", "not latency")
    result.assert_outcomes(passed=2, deselected=1)
    gate = story.gate("throughput")
    assert (gate["margin"], gate["verdict"]) == (0.999, "within-margin")


def test_the_ini_file_may_say_it_and_the_command_line_goes_before(story: SpeedStory) -> None:
    story.pytester.makeini("[pytest]\nfilterwarnings = error\ngptoss_speed_margin = 0.999\n")
    story.run("--gptoss-run", "by-ini", "-k", "not latency")
    assert story.gate("throughput", "by-ini")["margin"] == 0.999
    story.run("--gptoss-speed-margin", "0.1", "-k", "not latency")
    assert story.gate("throughput")["margin"] == 0.1


@pytest.mark.parametrize("value", ["-0.1", "1", "five", "nan"])
def test_what_is_no_share_is_refused(story: SpeedStory, value: str) -> None:
    result = story.run(f"--gptoss-speed-margin={value}")
    assert result.ret == 4
    assert "--gptoss-speed-margin takes a share from 0 to below 1" in said(result)
