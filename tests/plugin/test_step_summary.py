"""``GITHUB_STEP_SUMMARY``: the run in short, where GitHub shows it."""

import pytest
from gate_story import GateStory
from stories import Story, said


@pytest.fixture
def step(story: Story, monkeypatch: pytest.MonkeyPatch):
    file = story.path / "step.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    return file


def test_the_figures_and_the_verdict_are_appended(story: Story, step) -> None:
    gates = GateStory(story, rows=200)
    gates.have()
    step.write_text("what another step wrote\n")
    gates.gate(lost=60)
    text = step.read_text()
    assert text.startswith("what another step wrote\n")
    assert text.count("## Evaluation of recorded") == 1
    assert "✗ **regressed** recorded on sums" in text
    assert "#### Lost: recorded on sums" in text
    assert "and 55 more in flips.json" in text
    assert "report.html</code>" in text


def test_nothing_is_written_where_nothing_is_evaluated(story: Story, step) -> None:
    story.run()
    assert not step.exists()


@pytest.mark.parametrize("place", ["nowhere/step.md", "folder"])
def test_a_failure_is_a_note(story: Story, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (story.path / "folder").mkdir()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(story.path / place))
    story.answers()
    result = story.replay()
    assert result.ret == 0
    assert "note: the step's summary cannot be written to" in said(result)
    assert (story.path / "run" / "report.html").is_file()
