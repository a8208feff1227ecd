"""Options that change how tokens are drawn: effort, profile, max-tokens, temperature, timeout."""

import pytest
from stories import Story, said


def sampling(story: Story) -> dict[str, object]:
    """What reached the engine: a recording says nothing of it, so ask an endpoint's records."""
    models = story.summary()["settings"]["models"]
    record: dict[str, object] = next(iter(models.values()))
    return record


@pytest.mark.parametrize(
    ("flag", "value", "sentence"),
    [
        ("effort", "extreme", "--gptoss-effort is one of low, medium and high, not 'extreme'"),
        ("max-tokens", "0", "--gptoss-max-tokens takes a whole number, 1 or more, not '0'"),
        ("temperature", "hot", "--gptoss-temperature takes a number, 0 or more, not 'hot'"),
        ("temperature", "nan", "--gptoss-temperature takes a number, 0 or more, not 'nan'"),
        ("timeout", "0", "--gptoss-timeout takes a number of seconds over 0, not '0'"),
        ("seed", "-1", "--gptoss-seed takes a whole number, 0 or more, not '-1'"),
        ("repeats", "0", "--gptoss-repeats takes a whole number, 1 or more, not '0'"),
        ("registry", "nosuch.toml", "nosuch.toml cannot be read (No such file or directory)"),
        ("completions", "nosuch", "--gptoss-completions names 'nosuch', which does not exist"),
        ("profile", "nosuch", "nosuch"),
    ],
)
def test_senseless_values_are_wrong_usage(
    story: Story, flag: str, value: str, sentence: str
) -> None:
    story.answers()
    result = story.run("--model", "gpt-oss-20b", f"--gptoss-{flag}={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in said(result)
    assert "Traceback" not in said(result)


def test_effort_of_a_model_that_has_it(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-effort", "low", model="gpt-oss-20b")
    assert "gpt-oss-20b (effort low)" in said(result)
    assert sampling(story)["effort"] == "low"
    assert [item["model"] for item in story.items()][0] == "gpt-oss-20b"


def test_effort_of_a_model_without_it_is_wrong_usage(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-effort", "low", model="llama-3.3-70b")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "has no reasoning effort 'low'" in said(result)


def test_the_paper_profile_samples_and_caps(story: Story) -> None:
    story.suite(rows=150)
    story.answers(rows=150)
    result = story.replay("--gptoss-profile", "paper", model="gpt-oss-20b")
    result.assert_outcomes(passed=100)
    assert story.summary()["settings"]["profile"] == "paper"


def test_what_a_recording_was_drawn_with_is_not_invented(story: Story) -> None:
    story.answers()
    story.replay(model="gpt-oss-20b")
    assert sampling(story)["sampling"] is None
