"""``--gptoss-loads``, and its ini key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from speed_story import SpeedStory
from stories import said


@pytest.fixture
def story(pytester: pytest.Pytester) -> Iterator[SpeedStory]:
    story = SpeedStory(pytester)
    story.suite(
        "Load(prompt_tokens=40, output_tokens=8, concurrency=1, scale='small')",
        "Load(prompt_tokens=40, output_tokens=8, concurrency=2, scale='standard')",
        "Load(prompt_tokens=40, output_tokens=8, concurrency=3)",
    )
    with story.server:
        yield story


def asked(story: SpeedStory) -> list[str]:
    return [load["name"][-2:] for load in story.summary()["throughput"][0]["loads"]]


@pytest.mark.parametrize(
    ("scale", "loads"),
    [
        ("auto", ["c2", "c3"]),  # a server is taken to be a large machine
        ("standard", ["c2", "c3"]),
        ("small", ["c1", "c3"]),
        ("all", ["c1", "c2", "c3"]),
    ],
)
def test_it_chooses_by_scale(story: SpeedStory, scale: str, loads: list[str]) -> None:
    story.run("--gptoss-loads", scale, "--benchmark-min-rounds", "1")
    assert asked(story) == loads


def test_it_asks_loads_also_of_files_that_are_not_named(story: SpeedStory) -> None:
    result = story.pytester.runpytest(
        *("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "--gptoss-run", "run"),
        *("--model", "served", "--gptoss-endpoint", story.server.url),
        *("--gptoss-loads", "auto", "--benchmark-min-rounds", "1"),
    )
    result.assert_outcomes(passed=2, skipped=1)


def test_the_ini_file_may_say_it(story: SpeedStory) -> None:
    story.pytester.makeini("[pytest]\nfilterwarnings = error\ngptoss_loads = small\n")
    story.run("--benchmark-min-rounds", "1")
    assert asked(story) == ["c1", "c3"]


def test_what_is_no_scale_is_refused(story: SpeedStory) -> None:
    result = story.run("--gptoss-loads", "huge")
    assert result.ret == 4
    assert "--gptoss-loads is one of auto, small, standard and all, not 'huge'" in said(result)
