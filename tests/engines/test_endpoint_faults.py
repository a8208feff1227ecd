"""The endpoint engine and servers that misbehave: each way ends in its class, in bounded time."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_server import (
    Answer,
    Background,
    ScriptedServer,
    after,
    ask,
    free_port,
    options,
    raw,
    resets,
    says,
    spec,
    talks_no_http,
)

from pytest_gptoss.engines import _http
from pytest_gptoss.engines._http import Backoff
from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.errors import EngineError, FatalEngineError, GptossError, UsageError
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of tries as for users, sooner after one another."""
    monkeypatch.setattr(EndpointEngine, "backoff", Backoff(first_s=0.02, cap_s=0.05))


@contextmanager
def soon() -> Iterator[None]:
    """Nothing is waited for; who waits in one of these tests waits for minutes."""
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 45


def generate(
    background: Background, *script: Answer, **more: Any
) -> tuple[Completion | GptossError, ScriptedServer]:
    """Ask once; returns the completion or the error, and the server."""
    with ScriptedServer(*script) as server:
        engine = EndpointEngine(spec(), options(server, **more))
        background.run(engine.open())
        try:
            return background.run(engine.generate(ask()), 30), server
        except GptossError as error:
            return error, server
        finally:
            background.run(engine.close())


GOOD = says("42")
error_body = json.dumps({"error": {"message": "out of\nmemory", "type": "x"}})


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(raw(error_body, 500), id="500"),
        pytest.param(raw("<html><title>Bad gateway</title></html>", 502), id="502"),
        pytest.param(raw("", 503), id="503"),
        pytest.param(raw("", 504), id="504"),
        pytest.param(raw("", 429), id="429"),
        pytest.param(raw("", 408), id="408"),
        pytest.param(raw(b'{"choices": [{"mess'), id="truncated JSON"),
        pytest.param(raw(b""), id="empty body"),
        pytest.param(raw(b'{"choices": []}'), id="no choices"),
        pytest.param(raw(b'{"choices": 5}'), id="choices of a wrong type"),
        pytest.param(raw(b'{"error": {"message": "upstream", "code": 502}}'), id="200 with error"),
        pytest.param(says("x", finish_reason="abort"), id="aborted"),
        pytest.param(says({"a": 1}), id="content of a wrong type"),
        pytest.param(resets(), id="reset"),
        pytest.param(resets(after_bytes=100), id="reset in the body"),
        pytest.param(talks_no_http(), id="no HTTP"),
    ],
)
def test_a_passing_fault_is_tried_again(background: Background, fault: Answer) -> None:
    with soon():
        result, server = generate(background, fault, fault, GOOD)
    assert isinstance(result, Completion)
    assert result.final == "42"
    assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("fault", "tries", "sentence"),
    [
        (raw(error_body, 500), 3, "answered 500: out of memory (tried 3 times)"),
        (raw("<h1>Bad</h1><p>gateway", 502), 8, "answered 502: Bad gateway (tried 8 times)"),
        (raw("", 429), 8, "answered 429 (tried 8 times)"),
        (raw(b'{"choices": [{"mess'), 3, "answered with 19 bytes that are no JSON"),
        (raw(b'{"choices": []}'), 3, "answered with an empty list of choices"),
        (raw(b"[1]"), 3, "answered with JSON that is no chat completion (Expected `object`"),
        (raw(b'{"error": {"message": "upstream"}}'), 3, "answered with an error (upstream)"),
        (says({"a": 1}), 3, "answered with a message content that is no text"),
        (resets(after_bytes=100), 3, "broke off in the middle of its answer"),
        (talks_no_http(), 3, "answered with what is not HTTP"),
    ],
    ids=["500", "502", "429", "cut off", "no choices", "shape", "error", "content", "rst", "ssh"],
)
def test_a_lasting_fault_is_an_error_after_a_bounded_number_of_tries(
    background: Background, fault: Answer, tries: int, sentence: str
) -> None:
    with soon():
        result, server = generate(background, fault)
    assert isinstance(result, EngineError)
    assert not isinstance(result, FatalEngineError)
    assert f"{server.url}/chat/completions {sentence}" in str(result)
    assert len(server.bodies) == tries


def test_a_server_that_resets_every_connection_is_dead(background: Background) -> None:
    with soon():
        result, _ = generate(background, resets())
    assert isinstance(result, FatalEngineError)
    assert "closed the connection without an answer" in str(result)


@pytest.mark.parametrize("status", [400, 413, 422, 418])
def test_a_refusal_is_an_error_at_once(background: Background, status: int) -> None:
    with soon():
        result, server = generate(background, raw('{"message": "too long"}', status))
    assert type(result) is EngineError
    assert f"answered {status}: too long" in str(result)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("status", [401, 402, 403, 404, 405])
def test_nothing_can_succeed_where_the_first_request_is_refused(
    background: Background, status: int
) -> None:
    async def two(engine: EndpointEngine) -> list[Any]:
        first = await asyncio.gather(engine.generate(ask()), return_exceptions=True)
        return first + await asyncio.gather(engine.generate(ask()), return_exceptions=True)

    with ScriptedServer(raw('{"detail": "no"}', status)) as server:
        engine = EndpointEngine(spec(), options(server))
        background.run(engine.open())
        with soon():
            results = background.run(two(engine))
        background.run(engine.close())
    assert [type(result) for result in results] == [FatalEngineError] * 2
    assert len(server.bodies) == 1


def test_a_refusal_later_on_is_that_items_error(background: Background) -> None:
    async def two(engine: EndpointEngine) -> list[Any]:
        first = await engine.generate(ask())
        rest = await asyncio.gather(engine.generate(ask()), return_exceptions=True)
        return [first, *rest, await engine.generate(ask())]

    with ScriptedServer(GOOD, raw("", 404), GOOD) as server:
        engine = EndpointEngine(spec(), options(server))
        background.run(engine.open())
        first, second, third = background.run(two(engine))
        background.run(engine.close())
    assert (first.final, type(second), third.final) == ("42", EngineError, "42")


def test_a_redirection_is_named_and_not_followed(background: Background) -> None:
    there = {"Location": "https://elsewhere/v1/chat/completions?key=s"}
    result, server = generate(background, raw("", 301, there))
    assert isinstance(result, FatalEngineError)
    assert "a redirection to https://elsewhere/v1/chat/completions; name that URL" in str(result)
    assert len(server.bodies) == 1


def test_retry_after_is_honoured_by_every_request(background: Background) -> None:
    async def several(engine: EndpointEngine) -> list[float]:
        first = asyncio.create_task(engine.generate(ask()))
        assert engine._client is not None
        while not engine._client._not_before:
            await asyncio.sleep(0.01)
        await asyncio.gather(first, *(engine.generate(ask()) for _ in range(5)))
        return []

    with ScriptedServer(raw("", 429, {"Retry-After": "1"}), GOOD) as server:
        engine = EndpointEngine(spec(), options(server))
        background.run(engine.open())
        begin = time.monotonic()
        with soon():
            background.run(several(engine))
        assert time.monotonic() - begin >= 1.0
        background.run(engine.close())
    assert len(server.bodies) == 7  # the five did not ask while they were told to wait


@pytest.mark.parametrize("limit", [{"timeout_s": 3.0}, {}])
def test_a_wait_longer_than_an_item_may_take_is_an_error_at_once(
    background: Background, limit: dict[str, float]
) -> None:
    with soon():
        result, _ = generate(background, raw("", 429, {"Retry-After": "900"}), **limit)
    assert type(result) is EngineError
    assert "answered 429" in str(result)


def test_an_items_cap_is_the_models_timeout_while_the_server_is_answering(
    background: Background,
) -> None:
    with soon():
        result, server = generate(background, after(600, GOOD), timeout_s=2.0)
    assert isinstance(result, Completion)
    assert result.finish_reason == "timeout"
    assert result.latency_s is not None
    assert result.latency_s > 0.3
    assert len(server.bodies) == 1


def test_an_items_cap_is_an_error_while_the_server_fails(background: Background) -> None:
    with soon():
        result, _ = generate(background, raw("", 503, {"Retry-After": "0.3"}), timeout_s=3.0)
    assert type(result) is EngineError
    assert "answered 503" in str(result)


def test_a_server_that_falls_silent_is_noticed_without_a_cap(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "STALL_S", 0.6)
    with soon():
        result, _ = generate(background, after(600, GOOD))
    assert isinstance(result, FatalEngineError)
    assert "has answered nothing for 0.6 s" in str(result)


# --- nobody there ------------------------------------------------------------------------------


def test_no_server_at_open_is_one_sentence(background: Background) -> None:
    url = f"http://127.0.0.1:{free_port()}/v1"
    engine = EndpointEngine(spec(), options(url))
    with soon(), pytest.raises(UsageError) as caught:
        background.run(engine.open())
    assert str(caught.value).startswith(f"no server answers at {url} (")
    assert str(caught.value).endswith("; start it or check --gptoss-endpoint")


def test_no_such_host_at_open_is_one_sentence(background: Background) -> None:
    engine = EndpointEngine(spec(), options("http://no-such-host.invalid:1/v1"))
    with soon(), pytest.raises(UsageError, match="no server answers at http://no-such-host"):
        background.run(engine.open())


def test_a_server_that_is_still_loading_is_waited_for(background: Background) -> None:
    with ScriptedServer(models=["gpt-oss-20b"]) as server:
        engine = EndpointEngine(spec(), options(server))
        loading = raw('{"error": {"message": "Loading model"}}', 503)
        server.before = [loading, raw("", 429), loading]
        background.run(engine.open())
        assert not server.before
        background.run(engine.close())


def test_a_server_that_dies_ends_the_rest_fast(background: Background) -> None:
    async def ask_many(engine: EndpointEngine, count: int) -> list[Any]:
        return await asyncio.gather(
            *(engine.generate(ask()) for _ in range(count)), return_exceptions=True
        )

    with ScriptedServer(GOOD) as server:
        engine = EndpointEngine(spec(), options(server, arguments={"concurrency": 64}))
        background.run(engine.open())
        assert all(r.final == "42" for r in background.run(ask_many(engine, 10)))
        server.stop()
        with soon():
            results = background.run(ask_many(engine, 300))
        assert {type(result) for result in results} == {FatalEngineError}
        assert {str(result) for result in results} == {str(results[0])}
        assert "no server answers at" in str(results[0])
        with soon():
            background.run(ask_many(engine, 1000))
        background.run(engine.close())


def test_a_server_that_comes_back_is_used_again(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EndpointEngine, "backoff", Backoff(tries=100, first_s=0.2, cap_s=0.4))

    async def restart(engine: EndpointEngine, server: ScriptedServer) -> Completion:
        task = asyncio.create_task(engine.generate(ask()))
        await asyncio.sleep(0.6)
        await asyncio.to_thread(server._background.run, server._start())
        return await task

    with ScriptedServer(GOOD) as server:
        engine = EndpointEngine(spec(), options(server))
        background.run(engine.open())
        server.stop()
        assert background.run(restart(engine, server)).final == "42"
        background.run(engine.close())


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=40), status=st.integers(200, 599))
def test_any_answer_is_a_completion_or_an_engine_error(
    background: Background, body: bytes, status: int
) -> None:
    result, _ = generate(background, raw(body, status), arguments={"retries": 0})
    assert isinstance(result, EngineError | Completion)


def test_no_proxy_stands_between_this_machine_and_itself(
    background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    result, _ = generate(background, GOOD)
    assert isinstance(result, Completion)
