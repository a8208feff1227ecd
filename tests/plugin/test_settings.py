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
    assert next(item["model"] for item in story.items()) == "gpt-oss-20b"


@pytest.mark.parametrize("model", ["llama-3.3-70b", "llama-3.3-70b,gemma-3-27b"])
def test_an_effort_that_no_model_has_is_wrong_usage(story: Story, model: str) -> None:
    story.answers()
    result = story.replay("--gptoss-effort", "low", model=model)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-effort low is for models that have that reasoning effort" in said(result)


def test_an_effort_in_the_name_of_a_model_without_efforts_is_wrong_usage(story: Story) -> None:
    story.answers()
    result = story.replay(model="gpt-oss-20b,llama-3.3-70b:low")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "the model llama-3.3-70b has no reasoning effort 'low'" in said(result)


def test_an_effort_goes_to_the_models_that_have_it_and_leaves_the_others(story: Story) -> None:
    file = story.answers()
    for model in ("gpt-oss-20b", "llama-3.3-70b"):
        target = story.path / "answers" / "sums" / f"{model}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    result = story.run(
        *("--model", "gpt-oss-20b,llama-3.3-70b", "--gptoss-effort", "low"),
        *("--gptoss-completions", "answers", "--gptoss-run", "run"),
    )
    result.assert_outcomes(passed=20)
    assert "effort low does not apply to llama-3.3-70b, without such a level" in said(result)
    models = story.summary()["settings"]["models"]
    assert {name: model["effort"] for name, model in models.items()} == {
        "gpt-oss-20b": "low",
        "llama-3.3-70b": None,
    }


def test_an_effort_that_fits_every_model_needs_no_word(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-effort", "low", model="gpt-oss-20b")
    assert "does not apply" not in said(result)


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
