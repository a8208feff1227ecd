"""An endpoint that answers under another name than it was asked: told, and never a wrong answer."""

import json
import re

import pytest
from aiohttp import web
from scripted_server import ScriptedServer, says
from stories import Story, said

from pytest_gptoss.__main__ import main

SESSION = ("--model", "gpt-oss-20b", "--gptoss-endpoint")
HUB = "openai/gpt-oss-20b"


def adds_as(*names: str):
    """A server that can add and answers under these names by turns."""
    turn = iter(range(10**6))

    async def answer(request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        numbers = re.findall(r"\d+", body["messages"][-1]["content"])
        name = names[next(turn) % len(names)]
        return await says(f"Answer: {sum(map(int, numbers))}", model=name)(request)

    return answer


def notes(story: Story, server: ScriptedServer, *arguments: str, run: str = "run") -> list[str]:
    """Evaluate; every answer is right, the screen and the summary say the same."""
    result = story.run(*SESSION, server.url, "--gptoss-run", run, *arguments)
    result.assert_outcomes(passed=10)
    assert result.ret == pytest.ExitCode.OK
    summary = story.summary(run)
    assert summary["groups"][0]["outcomes"]["correct"] == 10
    assert all(f"note: {note}" in said(result) for note in summary["notes"])
    return summary["notes"]


@pytest.mark.parametrize("name", [HUB, "gpt-oss-20b", "/models/gpt-oss-20b.gguf"])
def test_nothing_is_said_of_the_model_that_was_asked_for(story: Story, name: str) -> None:
    with ScriptedServer(adds_as(name), models=[HUB, "llama"]) as server:
        assert notes(story, server) == []
    assert story.summary()["groups"][0]["served_models"] == {name: 10}


def test_another_name_is_told(story: Story) -> None:
    with ScriptedServer(adds_as("llama"), models=[HUB]) as server:
        (note,) = notes(story, server)
    assert note.startswith(f"asked for {HUB}, 10 of 10 answers came as llama")
    assert "--gptoss-engine-arg model=llama" in note


def test_models_that_answer_by_turns_are_told_and_void_the_comparison(story: Story) -> None:
    with ScriptedServer(adds_as(HUB, "llama"), models=[HUB]) as server:
        (note,) = notes(story, server)
    assert "came from different models" in note
    assert "5 as openai/gpt-oss-20b" in note
    assert "5 as llama" in note
    assert story.summary()["groups"][0]["served_models"] == {HUB: 5, "llama": 5}


def test_answers_of_several_models_are_no_baseline(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer(adds_as(HUB, "llama"), models=[HUB]) as server:
        result = story.run(*SESSION, server.url, "--gptoss-run", "run", "--gptoss-save-baseline")
    assert "was saved: its answers came from different models (" in said(result)
    assert not (story.path / "baselines").exists()
    assert main(["baseline", str(story.path / "run")]) == 2
    assert "came from different models" in capsys.readouterr().err
    assert not (story.path / "baselines").exists()


def test_another_name_alone_may_be_saved(story: Story) -> None:
    """It may be the server's name of that model; the baseline would be of it all the same."""
    with ScriptedServer(adds_as("llama"), models=[HUB]) as server:
        story.run(*SESSION, server.url, "--gptoss-run", "run", "--gptoss-save-baseline")
    assert [*(story.path / "baselines").rglob("*.json")]


def test_an_earlier_sessions_other_model_is_told_when_the_run_goes_on(story: Story) -> None:
    with ScriptedServer(adds_as("llama"), models=[HUB]) as server:
        notes(story, server)
    journal = story.path / "run" / "journal.jsonl"
    kept = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(kept[:-4]))
    with ScriptedServer(adds_as(HUB), models=[HUB]) as server:
        told = notes(story, server, "--gptoss-resume")
    assert any("of 10 came 6 as llama, 4 as openai/gpt-oss-20b" in note for note in told)


def test_the_only_model_of_a_server_is_told_unless_it_is_known_to_be_the_one(story: Story) -> None:
    with ScriptedServer(adds_as("prod"), models=["prod"]) as server:
        (note,) = notes(story, server)
        assert note.startswith("the server lists prod and no gpt-oss-20b, so prod was asked")
        assert notes(story, server, "--gptoss-engine-arg", "model=prod", run="b") == []
    vllm = [{"id": name, "root": "/weights/gpt-oss-20b"} for name in ("prod", HUB)]
    with ScriptedServer(adds_as("prod"), models=vllm) as server:
        assert notes(story, server, run="c") == []
    assert story.summary("c")["settings"]["models"]["gpt-oss-20b"]["engine"]["aliases"] == [
        "/weights/gpt-oss-20b",
        "prod",
    ]


def test_a_server_that_names_no_model_is_unknown_and_nothing_is_said(story: Story) -> None:
    with ScriptedServer(adds_as(None), models=[HUB]) as server:  # type: ignore[arg-type]
        assert notes(story, server) == []
    assert story.summary()["groups"][0]["served_models"] is None
