"""``--gptoss-session-timeout S``: what is not answered in time is missing, and is said to be."""

from __future__ import annotations

import time

import pytest
from adding import adds, ask
from scripted_server import ScriptedServer, after, says
from stories import Story, said

FOREVER_S = 300


def test_what_is_missing_is_skipped_and_counted_nowhere(story: Story) -> None:
    with ScriptedServer(*[adds] * 6, after(FOREVER_S, adds), models=["served"]) as server:
        started = time.monotonic()
        result = ask(story, server, "--gptoss-session-timeout", "4", "-rs")
        assert time.monotonic() - started < FOREVER_S / 3
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=6, skipped=4)
    why = "the session's time of 4 s ran out"
    assert f"not answered: {why}" in said(result)
    assert f"incomplete: 4 of the selected answers are missing ({why})" in said(result)
    assert "continue it: the same command with --gptoss-run run --gptoss-resume" in said(result)
    summary = story.summary()
    assert (summary["complete"], summary["interrupted"]) == (False, False)
    assert summary["stopped"] == why
    group = summary["groups"][0]
    assert (group["n"], group["cancelled"], group["outcomes"]["error"]) == (6, 4, 0)
    assert len(story.items()) == 6


def test_a_session_that_ends_in_time_is_not_disturbed(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        ask(story, server, "--gptoss-session-timeout", "250").assert_outcomes(passed=10)
    assert story.summary()["complete"] is True
    assert story.summary()["stopped"] is None


def test_it_is_continued_where_it_stopped(story: Story) -> None:
    with ScriptedServer(*[adds] * 6, after(FOREVER_S, adds), models=["served"]) as server:
        ask(story, server, "--gptoss-session-timeout", "4")
        server.script = [adds]
        server.bodies.clear()
        ask(story, server, "--gptoss-resume").assert_outcomes(passed=10)
        assert len(server.bodies) == 4


def test_gates_fail_and_say_how_many_items_are_missing(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        ask(story, server, "--gptoss-save-baseline", "--gptoss-run", "saved")
        server.script = [*[adds] * 6, after(FOREVER_S, adds)]
        result = ask(story, server, "--gptoss-session-timeout", "4")
    result.assert_outcomes(passed=6, skipped=4, failed=1)
    assert "4 of the 10 selected items have no result" in said(result)
    gate = story.summary()["groups"][0]["gate"]
    assert gate["verdict"] is None
    assert gate["overlap"]["errors"] == 4


def test_no_baseline_is_saved(story: Story) -> None:
    with ScriptedServer(*[adds] * 6, after(FOREVER_S, adds), models=["served"]) as server:
        result = ask(story, server, "--gptoss-session-timeout", "4", "--gptoss-save-baseline")
    assert "was saved: the session's time of 4 s ran out" in said(result)
    assert not (story.path / "baselines").exists()


def test_an_engine_that_starts_too_slowly(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        server.before = [after(FOREVER_S, says("late"))]  # the list of models is waited for
        started = time.monotonic()
        result = ask(story, server, "--gptoss-session-timeout", "1")
        assert time.monotonic() - started < FOREVER_S / 3
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(skipped=10)


def test_tests_of_the_users_own_are_told(story: Story) -> None:
    (story.path / "test_sums.py").unlink()
    (story.path / "test_own.py").write_text(
        "import pytest\nfrom pytest_gptoss import EngineError\n\n\n"
        "def test_while_it_runs_out(model):\n"
        "    with pytest.raises(EngineError, match='time of 1 s ran out'):\n"
        "        model.chat('1 + 1')\n\n\n"
        "def test_afterwards(model):\n"
        "    with pytest.raises(EngineError, match='time of 1 s ran out'):\n"
        "        model.chat('1 + 1')\n"
    )
    with ScriptedServer(after(FOREVER_S, adds), models=["served"]) as server:
        ask(story, server, "--gptoss-session-timeout", "1").assert_outcomes(passed=2)


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "inf"])
def test_it_is_a_number_of_seconds(story: Story, value: str) -> None:
    story.answers()
    result = story.replay(f"--gptoss-session-timeout={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-session-timeout takes a number of seconds over 0" in said(result)
