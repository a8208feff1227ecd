"""``--gptoss-run DIR``: where the results go."""

import pytest
from stories import Story, said


def test_a_fresh_directory_under_runs_is_the_default(story: Story) -> None:
    story.answers()
    arguments = ("--model", "recorded", "--gptoss-completions", "answers.jsonl")
    story.run(*arguments)
    story.run(*arguments)
    runs = sorted((story.path / "runs").iterdir())
    assert len(runs) == 2
    for run in runs:
        assert run.name.endswith(("-recorded", "-recorded-2"))
        names = {file.name for file in run.iterdir()}
        assert names == {"journal.jsonl", "items.jsonl", "summary.json"}


def test_the_directory_is_named_at_the_end(story: Story) -> None:
    story.answers()
    assert "run directory: run" in said(story.replay())


def test_a_run_is_never_overwritten(story: Story) -> None:
    story.answers()
    story.replay()
    before = (story.path / "run" / "items.jsonl").read_bytes()
    story.answers(wrong=range(10))
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "run already holds a run, which is never overwritten" in said(result)
    assert (story.path / "run" / "items.jsonl").read_bytes() == before


def test_a_file_in_its_place_is_wrong_usage(story: Story) -> None:
    (story.path / "run").write_text("mine")
    story.answers()
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot be created" in said(result)
    assert (story.path / "run").read_text() == "mine"


def test_an_engine_that_cannot_start_leaves_no_directory(story: Story) -> None:
    result = story.run(
        "--model", "x", "--gptoss-endpoint", "http://127.0.0.1:9/v1", "--gptoss-run", "run"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no server answers at http://127.0.0.1:9/v1" in said(result)
    assert "Traceback" not in said(result)
    assert not (story.path / "run").exists()
