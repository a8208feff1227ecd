"""``--gptoss-endpoint URL``: sessions against a server on this machine."""

import time
from collections.abc import Iterator

import pytest
from adding import PATIENCE_S, adds, adds_together, ask
from scripted_server import ScriptedServer, after, raw, says
from stories import Story, said


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(adds, models=["served"]) as server:
        yield server


def test_a_session_end_to_end(story: Story, server: ScriptedServer) -> None:
    result = ask(story, server)
    result.assert_outcomes(passed=10)
    item = story.items()[3]
    assert item["final"] == "Answer: 7"
    assert item["reasoning"] == "I add them."
    assert item["completion_tokens"] == 200
    assert item["reasoning_tokens"] == 180
    assert item["latency_s"] > 0
    assert item["ttft_s"] is None
    group = story.summary()["groups"][0]
    assert group["completion_tokens"] == 2000
    assert group["tokens_per_s"] > 0
    assert "latency p50" in said(result)
    assert len(server.bodies) == 10


def test_all_items_are_in_flight_at_once(story: Story) -> None:
    story.suite(rows=60)
    with adds_together(60, of=60) as server:
        ask(story, server).assert_outcomes(passed=60)
        assert server.most_in_flight == 60
    with adds_together(8, of=60, then=after(0.01, adds)) as server:
        ask(story, server, "--gptoss-engine-arg", "concurrency=8", "--gptoss-run", "eight")
        assert server.most_in_flight == 8


def test_sampling_is_sent_as_it_was_asked_for(story: Story, server: ScriptedServer) -> None:
    ask(
        story, server, "--gptoss-temperature", "0.5", "--gptoss-max-tokens", "77", "--gptoss-seed=3"
    )
    assert {body["temperature"] for body in server.bodies} == {0.5}
    assert {body["max_tokens"] for body in server.bodies} == {77}
    seeds = {body["seed"] for body in server.bodies}
    assert len(seeds) == 10  # each request draws on its own, whatever else is asked
    again = ScriptedServer(adds, models=["served"])
    with again:
        ask(story, again, "--gptoss-seed=3", "-k", "served-4", "--gptoss-run", "again")
    assert {body["seed"] for body in again.bodies} <= seeds
    settings = story.summary()["settings"]["models"]["served"]["sampling"]
    assert (settings["temperature"], settings["max_tokens"]) == (0.5, 77)


def test_without_a_seed_none_is_sent(story: Story, server: ScriptedServer) -> None:
    ask(story, server)
    assert all("seed" not in body for body in server.bodies)


def test_a_solver_may_take_several_turns(story: Story, server: ScriptedServer) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(
        text.replace(
            "sums = Benchmark(",
            "from pytest_gptoss import Message\n\n"
            "async def twice(item, chat):\n"
            "    first = await chat(item.messages)\n"
            "    again = (*item.messages, Message('assistant', first.final), item.messages[0])\n"
            "    return await chat(again, instructions='Check it.')\n\n"
            "sums = Benchmark(\n    solver=twice,",
        )
    )
    ask(story, server).assert_outcomes(passed=10)
    assert len(server.bodies) == 20
    assert {len(body["messages"]) for body in server.bodies} == {1, 4}


def test_a_solver_that_raises_is_its_items_error(story: Story, server: ScriptedServer) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(
        text.replace(
            "sums = Benchmark(",
            "async def broken(item, chat):\n    raise KeyError('tool')\n\n"
            "sums = Benchmark(\n    solver=broken,",
        )
    )
    result = ask(story, server, "-k", "served-1")
    result.assert_outcomes(errors=1, deselected=9)
    assert "the solver of sums raised KeyError ('tool')" in said(result)


def test_the_item_timeout_is_an_outcome_of_its_own(story: Story) -> None:
    with ScriptedServer(after(PATIENCE_S, adds), models=["served"]) as server:
        started = time.monotonic()
        result = ask(story, server, "--gptoss-timeout", "2", "-k", "served-1")
        assert time.monotonic() - started < PATIENCE_S / 2
    assert result.parseoutcomes()["timeout"] == 1
    assert story.items()[0]["outcome"] == "timeout"
    assert story.items()[0]["correct"] is False


def test_a_truncated_answer_is_told_by_its_finish_reason(story: Story) -> None:
    cut = says("Answer: 1", finish_reason="length")
    with ScriptedServer(cut, models=["served"]) as server:
        result = ask(story, server)
    assert result.parseoutcomes() == {"truncated": 10}


def test_a_bad_request_is_an_error_with_the_servers_words(story: Story) -> None:
    refusal = raw('{"error": {"message": "context too long"}}', 400)
    with ScriptedServer(refusal, models=["served"]) as server:
        result = ask(story, server)
    result.assert_outcomes(errors=3)  # and seven more of the same cause
    assert "7 more errors of the same cause" in said(result)
    assert "context too long" in said(result)
    assert story.summary()["groups"][0]["accuracy"] is None


def test_the_key_stands_in_no_file_and_on_no_screen(
    story: Story, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-very-secret")
    result = story.run(
        *("--model", "served", "--gptoss-run", "run", "--gptoss-api-key-env", "MY_KEY", "-vv"),
        *("--gptoss-endpoint", f"{server.url}?token=sk-very-secret"),
    )
    result.assert_outcomes(passed=10)
    assert server.headers[-1]["Authorization"] == "Bearer sk-very-secret"
    assert "sk-very-secret" not in said(result)
    for file in (story.path / "run").iterdir():
        assert "sk-very-secret" not in file.read_text()


def test_tests_talk_to_the_model_themselves(story: Story, server: ScriptedServer) -> None:
    (story.path / "test_sums.py").unlink()
    (story.path / "test_own.py").write_text(
        "import pytest\n"
        "from pytest_gptoss import Completion, UsageError\n\n"
        "def test_chat(model):\n"
        "    reply = model.chat('2 + 3', max_tokens=9)\n"
        "    assert isinstance(reply, Completion)\n"
        "    assert '5' in reply\n"
        "    assert str(reply) == 'Answer: 5'\n\n"
        "def test_many(model):\n"
        "    replies = model.chat_many([f'{n} + 1' for n in range(20)])\n"
        "    finals = [reply.final for reply in replies]\n"
        "    assert finals == [f'Answer: {n + 1}' for n in range(20)]\n\n"
        "def test_conversation(model):\n"
        "    model.chat([{'role': 'user', 'content': '1'}, {'role': 'assistant', 'content': '1'},\n"
        "                {'role': 'user', 'content': '2'}], instructions='Add.', effort='low')\n\n"
        "def test_wrong_argument(model):\n"
        "    with pytest.raises(UsageError, match='chat.. takes no maximum'):\n"
        "        model.chat('x', maximum=3)\n"
        "    with pytest.raises(UsageError, match='low, medium and high'):\n"
        "        model.chat('x', effort='extreme')\n\n"
        "def test_by_name(gpt_oss_20b):\n"
        "    assert gpt_oss_20b.name == 'gpt-oss-20b'\n"
        "    assert '7' in gpt_oss_20b.chat('3 + 4')\n"
    )
    result = ask(story, server)
    result.assert_outcomes(passed=5)
    assert server.bodies[0]["max_tokens"] == 9
    assert not (story.path / "run").exists()  # nothing was evaluated, so nothing is recorded


def test_a_model_can_be_talked_to_between_its_items(story: Story, server: ScriptedServer) -> None:
    (story.path / "test_a_own.py").write_text(
        "def test_first(model):\n    assert '3' in model.chat('1 + 2')\n"
    )
    (story.path / "test_z_own.py").write_text(
        "def test_last(model):\n    assert '9' in model.chat('4 + 5')\n"
    )
    ask(story, server).assert_outcomes(passed=12)


def test_exit_first_cancels_what_is_still_generating(story: Story) -> None:
    story.suite(rows=40)
    with ScriptedServer(raw("{}", 400), after(PATIENCE_S, adds), models=["served"]) as server:
        started = time.monotonic()
        result = ask(story, server, "-x", "--gptoss-engine-arg", "concurrency=4")
        assert time.monotonic() - started < PATIENCE_S / 2
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    summary = story.summary()
    assert summary["complete"] is False
    group = summary["groups"][0]
    assert group["n"] == sum(group["outcomes"].values()) < group["selected"] == 40
    assert "of the selected answers are missing" in said(result)
