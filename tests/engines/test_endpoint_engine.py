"""The endpoint engine against a server that behaves: what it asks and what it makes of answers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from adding import adds_together
from scripted_server import Background, ScriptedServer, after, ask, opened, options, says, spec

from pytest_gptoss.engines._url import Endpoint
from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.errors import EngineError, UsageError
from pytest_gptoss.records import Completion, Message

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


# --- what is asked -----------------------------------------------------------------------------


def test_the_body_says_what_was_asked(background: Background) -> None:
    arguments = {"chat_template_kwargs": {"enable_thinking": True}, "seed": 5}
    with ScriptedServer() as server, opened(background, server, arguments=arguments) as engine:
        background.run(
            engine.generate(
                ask(
                    "2 + 2 = “?”",
                    instructions="Be brief.",
                    effort="high",
                    temperature=0.7,
                    top_p=0.9,
                    max_tokens=99,
                    stop=("Q:",),
                )
            )
        )
    assert server.bodies == [
        {
            "model": "gpt-oss-20b",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "2 + 2 = “?”"},
            ],
            "temperature": 0.7,
            "top_p": 0.9,
            "max_tokens": 99,
            "stop": ["Q:"],
            "reasoning_effort": "high",
            "stream": False,
            "chat_template_kwargs": {"enable_thinking": True},
            "seed": 5,
        }
    ]


def test_only_what_is_set_is_sent_and_null_leaves_a_field_out(background: Background) -> None:
    arguments = {"temperature": None}
    with ScriptedServer() as server, opened(background, server, arguments=arguments) as engine:
        background.run(engine.generate(ask("a", top_k=5, min_p=0.1, seed=7)))
        background.run(engine.generate(ask("b", top_k=5, min_p=0.1, seed=8)))
    first, second = server.bodies
    assert first.keys() == {"model", "messages", "stream", "top_k", "min_p", "seed"}
    assert (first["top_k"], first["min_p"], first["seed"], second["seed"]) == (5, 0.1, 7, 8)


@pytest.mark.parametrize(
    ("server_name", "forced"),
    [("vllm", True), ("sglang", True), ("llamacpp", True), ("openai", False), (None, False)],
)
def test_an_answer_of_a_known_length_is_asked_of_servers_that_can(
    background: Background, server_name: str | None, forced: bool
) -> None:
    """Others may refuse a request that has fields which they do not know."""
    cards = [{"id": "gpt-oss-20b", "owned_by": server_name}]
    request = ask("a", max_tokens=9)
    with ScriptedServer(models=cards) as server, opened(background, server) as engine:
        background.run(engine.generate(replace(request, to_the_cap=True)))
        background.run(engine.generate(request))
    first, second = server.bodies
    wanted = {"ignore_eos": True, "min_tokens": 9} if forced else {}
    assert {k: v for k, v in first.items() if k in ("ignore_eos", "min_tokens")} == wanted
    assert second.keys() == first.keys() - wanted.keys()


def test_instructions_join_the_users_message_where_the_model_wants_it(
    background: Background,
) -> None:
    model = spec(instructions="user")
    with ScriptedServer() as server, opened(background, server, model) as engine:
        background.run(engine.generate(ask("Why?", instructions="Be brief.")))
    assert server.bodies[0]["messages"] == [{"role": "user", "content": "Be brief.\n\nWhy?"}]


@pytest.mark.parametrize(
    ("pasted", "base"),
    [
        ("http://h:8000", "http://h:8000/v1"),
        ("h:8000/", "http://h:8000/v1"),
        ("localhost:8000/v1/", "http://localhost:8000/v1"),
        ("https://h/v1/chat/completions", "https://h/v1"),
        ("https://h/chat/completions/", "https://h"),
        ("https://h/api/v1", "https://h/api/v1"),
        ("https://h/v1beta/openai/", "https://h/v1beta/openai"),
        (" http://[::1]:8000/v1/models ", "http://[::1]:8000/v1"),
        ("http://h/proxy/7", "http://h/proxy/7/v1"),
    ],
)
def test_a_url_is_read_as_users_paste_it(pasted: str, base: str) -> None:
    endpoint = Endpoint.parse(pasted)
    endpoint = endpoint if endpoint.versioned else endpoint.with_version()
    assert endpoint.url("/chat/completions") == f"{base}/chat/completions"


@pytest.mark.parametrize("pasted", ["", "http://", "ftp://h/v1", "http://h:99999999", "a b"])
def test_what_is_no_url_is_refused(pasted: str) -> None:
    with pytest.raises(UsageError, match="no URL of a server"):
        Endpoint.parse(pasted)


def test_a_query_goes_with_every_request_and_is_never_shown() -> None:
    endpoint = Endpoint.parse("https://h/openai/deployments/x/chat/completions?api-version=1&k=s")
    assert endpoint.url("/models") == "https://h/openai/deployments/x/models?api-version=1&k=s"
    assert "k=s" not in endpoint.shown("/models") + str(endpoint)


@pytest.mark.parametrize(
    ("suffix", "prefix"), [("", "/v1"), ("/", "/v1"), ("/v1/chat/completions", "/v1"), ("", "")]
)
def test_routes_are_found_with_and_without_v1(
    background: Background, suffix: str, prefix: str
) -> None:
    with ScriptedServer(models=["gpt-oss-20b"], prefix=prefix) as server:
        url = f"http://127.0.0.1:{server.port}{suffix}"
        with opened(background, url) as engine:
            background.run(engine.generate(ask()))
            assert engine.facts()["endpoint"] == f"http://127.0.0.1:{server.port}{prefix}"


@pytest.mark.parametrize(
    ("served", "asked"),
    [
        (["a", "openai/gpt-oss-20b"], "openai/gpt-oss-20b"),
        (["a", "gpt-oss-20b"], "gpt-oss-20b"),
        (["llama3:8b", "gpt-oss:20b"], "gpt-oss:20b"),  # Ollama
        (["a", "/models/GPT-OSS-20B.gguf"], "/models/GPT-OSS-20B.gguf"),  # llama.cpp
        (["whatever"], "whatever"),
        ([], "openai/gpt-oss-20b"),
        (None, "openai/gpt-oss-20b"),
    ],
    ids=repr,
)
def test_the_name_asked_for_is_the_servers(
    background: Background, served: list[Any] | None, asked: str
) -> None:
    with ScriptedServer(models=served) as server:
        with opened(background, server, spec(source="openai/gpt-oss-20b")) as engine:
            background.run(engine.generate(ask()))
            assert engine.facts()["served_model"] == asked
        assert server.bodies[0]["model"] == asked


def test_other_models_are_named_and_the_argument_decides(background: Background) -> None:
    with ScriptedServer(models=["llama", "qwen"]) as server:
        engine = EndpointEngine(spec(), options(server))
        with pytest.raises(UsageError, match="serves llama, qwen, but not gpt-oss-20b; name one"):
            background.run(engine.open())
        with opened(background, server, arguments={"model": "qwen"}) as engine:
            background.run(engine.generate(ask()))
        assert server.bodies[0]["model"] == "qwen"


def test_facts_tell_what_the_list_of_models_tells(background: Background) -> None:
    card = {"id": "gpt-oss-20b", "owned_by": "sglang", "max_model_len": 4096}
    with ScriptedServer(models=[card]) as server, opened(background, server) as engine:
        facts = engine.facts()
    assert facts["server"] == "sglang"
    assert facts["max_model_len"] == 4096
    assert msgspec.json.encode(facts)


@pytest.mark.parametrize(
    "arguments",
    [
        {"concurrency": 0},
        {"concurrency": "many"},
        {"retries": -1},
        {"stream": True},
        {"n": 2},
        {"messages": []},
    ],
    ids=repr,
)
def test_arguments_that_cannot_be_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--gptoss-engine-arg"):
        EndpointEngine(spec(), options("http://h", arguments=arguments))


# --- many at once ------------------------------------------------------------------------------


def test_hundreds_are_in_flight_over_connections_that_are_kept(background: Background) -> None:
    async def storm(engine: EndpointEngine) -> int:
        return len(await asyncio.gather(*(engine.generate(ask()) for _ in range(600))))

    many = {"concurrency": 200}
    with (
        adds_together(200, of=600, then=says("42")) as server,
        opened(background, server, arguments=many) as engine,
    ):
        assert engine.concurrency == 200
        assert background.run(storm(engine)) == 600
    assert server.most_in_flight == 200
    assert len(server.peers) <= 201


async def heard(server: ScriptedServer) -> None:
    """Wait until the server was asked."""
    while not server.bodies:
        await asyncio.sleep(0.01)


def test_a_cancelled_request_is_dropped_and_the_engine_goes_on(background: Background) -> None:
    async def cancel(engine: EndpointEngine, server: ScriptedServer) -> Completion:
        task = asyncio.create_task(engine.generate(ask()))
        await heard(server)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return await engine.generate(ask())

    script = (after(600, says("late")), says("42"))
    with ScriptedServer(*script) as server, opened(background, server) as engine:
        assert background.run(cancel(engine, server), 10).final == "42"


def test_close_may_be_called_at_any_time(background: Background) -> None:
    async def close_in_flight(engine: EndpointEngine, server: ScriptedServer) -> BaseException:
        task = asyncio.create_task(engine.generate(ask()))
        await heard(server)
        await engine.close()
        with pytest.raises(EngineError, match="closed") as caught:
            await task
        return caught.value

    with ScriptedServer(after(600, says("late"))) as server:
        engine = EndpointEngine(spec(), options(server))
        background.run(engine.close())
        with pytest.raises(EngineError, match="not open"):
            background.run(engine.generate(ask()))
        background.run(engine.open())
        background.run(close_in_flight(engine, server), 10)
        background.run(engine.close())


@pytest.fixture(scope="module")
def instant() -> Iterator[str]:
    script = Path(__file__).with_name("instant_server.py")
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.terminate()


def test_a_request_costs_little_cpu(background: Background, instant: str) -> None:
    """The budget is 0.6 ms; the thread's own CPU time does not depend on what else is running."""

    async def cost(engine: EndpointEngine, count: int) -> float:
        requests = iter([ask("A question of some length. " * 15)] * count)

        async def worker() -> None:
            for request in requests:
                await engine.generate(request)

        begin = time.thread_time()
        await asyncio.gather(*(worker() for _ in range(engine.concurrency)))
        return (time.thread_time() - begin) / count

    with opened(background, instant) as engine:
        background.run(cost(engine, 512))
        assert min(background.run(cost(engine, 1500)) for _ in range(3)) < 0.6e-3


def test_messages_keep_their_roles(background: Background) -> None:
    conversation = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    with ScriptedServer() as server, opened(background, server) as engine:
        background.run(engine.generate(replace(ask(), messages=conversation)))
    assert [m["role"] for m in server.bodies[0]["messages"]] == ["user", "assistant", "user"]
