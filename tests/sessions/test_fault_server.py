"""Whole sessions against a server that misbehaves: each way has its outcome, its time, its words.

What the endpoint engine does about each fault, request by request, is in
``tests/engines/test_endpoint_faults.py``; here is what a user gets.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web
from scripted_server import Answer, ScriptedServer, after, free_port, raw, resets, says
from stories import Story, said

from pytest_gptoss.engines._http import Backoff
from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.records import Outcome

ITEMS = 4
RIGHT = says("Answer: 1")  # of the first sum alone; the others are answered wrongly
ANSWERED = {"correct": 1, "incorrect": ITEMS - 1}
ERRORS = {"error": ITEMS}
# What no session of four items may take, however busy the machine; each takes about a second.
BOUND_S = 40.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same number of tries as for users, sooner after one another."""
    monkeypatch.setattr(EndpointEngine, "backoff", Backoff(first_s=0.02, cap_s=0.05))


def in_a_second(status: int) -> Answer:
    """Ask to come back at a date, which HTTP gives in whole seconds."""

    async def answer(request: web.Request) -> web.StreamResponse:
        date = formatdate(time.time() + 2, usegmt=True)
        return await raw("", status, {"Retry-After": date})(request)

    return answer


def trickles() -> Answer:
    """Send the body of a good answer so slowly that it never ends."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        await response.prepare(request)
        for _ in range(600):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    return answer


def refusal(status: int, message: str) -> Answer:
    return raw(json.dumps({"error": {"message": message}}), status)


@dataclass(frozen=True)
class Way:
    """One way to misbehave.

    Args:
        script: What the server does, request by request, the last for ever.
        outcomes: What becomes of the items.
        asked: How many requests it gets; ``None`` where that depends on timing.
        words: What the screen says of it.
        arguments: What the session is given.
        least_s: The least time that it takes.
    """

    script: tuple[Answer, ...]
    outcomes: dict[str, int]
    asked: int | None
    words: str = ""
    arguments: tuple[str, ...] = ()
    least_s: float = 0.0


ONE = ("--gptoss-engine-arg", "concurrency=1")
CAP = ("--gptoss-timeout", "3")
# Where the server has to be heard before it runs out, however busy the machine is.
LONG_CAP = ("--gptoss-timeout", "6")
BAD_500 = refusal(500, "CUDA out of memory")

WAYS = {
    # What another try mends is tried again, and the answer counts.
    "429 with seconds": Way(
        (raw("", 429, {"Retry-After": "1"}), RIGHT), ANSWERED, ITEMS + 1, least_s=1.0, arguments=ONE
    ),
    "429 with a date": Way(
        (in_a_second(429), RIGHT), ANSWERED, ITEMS + 1, least_s=1.0, arguments=ONE
    ),
    "500 once": Way((BAD_500, RIGHT), ANSWERED, ITEMS + 1, arguments=ONE),
    "502 for a while": Way((*[raw("<h1>Bad gateway", 502)] * 6, RIGHT), ANSWERED, ITEMS + 6),
    "503 for a while": Way((*[raw("", 503)] * 6, RIGHT), ANSWERED, ITEMS + 6),
    "reset once": Way((resets(), RIGHT), ANSWERED, ITEMS + 1, arguments=ONE),
    "reset in the body once": Way(
        (resets(after_bytes=20), RIGHT), ANSWERED, ITEMS + 1, arguments=ONE
    ),
    "truncated JSON once": Way(
        (raw('{"choices": [{"me'), RIGHT), ANSWERED, ITEMS + 1, arguments=ONE
    ),
    "no choices once": Way((raw('{"choices": []}'), RIGHT), ANSWERED, ITEMS + 1, arguments=ONE),
    # What lasts is an error after a number of tries, with the server's words.
    "429 for ever": Way((raw("", 429),), ERRORS, 8 * ITEMS, "answered 429 (tried 8 times)"),
    "429 for an hour": Way(
        (raw("", 429, {"Retry-After": "3600"}),), ERRORS, None, "wait", arguments=LONG_CAP
    ),
    "500 for ever": Way((BAD_500,), ERRORS, 3 * ITEMS, "answered 500: CUDA out of memory (tried 3"),
    "503 for ever": Way((raw("", 503),), ERRORS, 8 * ITEMS, "answered 503 (tried 8 times)"),
    "reset for ever": Way((resets(),), ERRORS, None, "closed the connection without an answer"),
    "reset in the body for ever": Way(
        (resets(after_bytes=20),), ERRORS, 3 * ITEMS, "broke off in the middle of its answer"
    ),
    "truncated JSON for ever": Way((raw('{"cho'),), ERRORS, 3 * ITEMS, "5 bytes that are no JSON"),
    "no choices for ever": Way(
        (raw('{"choices": []}'),), ERRORS, 3 * ITEMS, "an empty list of choices"
    ),
    # What no further try can mend is an error at once.
    "a wrong model name": Way(
        (refusal(404, "The model `served` does not exist."),),
        ERRORS,
        None,
        "does not exist. (check --gptoss-endpoint and --gptoss-engine-arg model=NAME)",
    ),
    "401": Way((refusal(401, "bad key"),), ERRORS, 1, "no key is set in $OPENAI_API_KEY", ONE),
    "401 after an answer": Way(
        (RIGHT, refusal(401, "expired")),
        {"correct": 1, "error": 3},
        ITEMS,
        "answered 401: expired",
        ONE,
    ),
    "404": Way((raw("", 404),), ERRORS, 1, "check --gptoss-endpoint", ONE),
    "413": Way((refusal(413, "too large"),), ERRORS, ITEMS, "answered 413: too large"),
    # Silence is the model's timeout where the server took the question.
    "never answers": Way((after(60, RIGHT),), {"timeout": ITEMS}, ITEMS, "timed out", CAP),
    "a slow trickle": Way((trickles(),), {"timeout": ITEMS}, ITEMS, "timed out", CAP),
    "500, then silence": Way(
        (*[BAD_500] * ITEMS, after(60, RIGHT)), {"timeout": ITEMS}, None, "timed out", LONG_CAP
    ),
    # An empty answer states nothing; where the cap ended it, that is what is said of it.
    "null content": Way((says(None),), {"no_answer": ITEMS}, ITEMS),
    "empty content": Way((says(""),), {"no_answer": ITEMS}, ITEMS),
    "blank content": Way((says(" \n "),), {"no_answer": ITEMS}, ITEMS),
    "null content at the token cap": Way(
        (says(None, "I think", finish_reason="length"),), {"truncated": ITEMS}, ITEMS
    ),
    "an answer in the reasoning alone": Way(
        (says(None, "Answer: 1"),), {"no_answer": ITEMS}, ITEMS
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
def test_a_way_to_misbehave(story: Story, way: Way) -> None:
    story.suite(rows=ITEMS)
    with ScriptedServer(*way.script, models=["served"]) as server:
        begin = time.monotonic()
        result = ask(story, server.url, *way.arguments)
        took = time.monotonic() - begin
    assert_outcomes(story, way.outcomes)
    assert way.least_s <= took < BOUND_S
    if way.asked is not None:
        assert len(server.bodies) == way.asked
    assert way.words in said(result).replace("\n", " ")
    failed = pytest.ExitCode.TESTS_FAILED if "error" in way.outcomes else pytest.ExitCode.OK
    assert result.ret == failed
    assert "Traceback" not in said(result)


def ask(story: Story, url: str, *arguments: str) -> pytest.RunResult:
    return story.run(
        *("--model", "served", "--gptoss-endpoint", url, "--gptoss-run", "run", *arguments)
    )


def assert_outcomes(story: Story, expected: dict[str, int]) -> None:
    """Every item has its outcome, and none that has not been answered says of the model."""
    (group,) = story.summary()["groups"]
    assert {name: n for name, n in group["outcomes"].items() if n} == expected
    assert sum(group["outcomes"].values()) == group["n"] == group["selected"] == ITEMS
    errors = expected.get("error", 0)
    scored = ITEMS - errors
    assert group["error_rate"] == errors / ITEMS
    assert group["accuracy"] == (expected.get("correct", 0) / scored if scored else None)
    items = story.items()
    assert [item["item_id"] for item in items] == [str(n) for n in range(ITEMS)]
    for item in items:
        assert item["outcome"] in {outcome.value for outcome in Outcome}
        if item["outcome"] == "error":
            assert item["correct"] is item["score"] is item["final"] is None
            assert "\n" not in item["error"]
        else:
            assert item["error"] is None


@dataclass
class Mortal:
    """Answers so many requests, then stops listening for ever."""

    server: ScriptedServer
    life: int
    answered: int = 0
    stopped: bool = field(default=False)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.answered += 1
        if self.answered > self.life:
            assert request.transport is not None
            if not self.stopped:
                self.stopped = True
                assert self.server._runner is not None
                for site in list(self.server._runner.sites):
                    await site.stop()
            request.transport.abort()
        return await RIGHT(request)


def test_a_server_that_dies_during_the_run(story: Story) -> None:
    story.suite(rows=ITEMS)
    with ScriptedServer(models=["served"]) as server:
        server.script = [Mortal(server, life=2)]
        begin = time.monotonic()
        result = ask(story, server.url, *ONE)
        assert time.monotonic() - begin < BOUND_S
    assert_outcomes(story, {"correct": 1, "incorrect": 1, "error": 2})
    assert "no server answers at" in said(result) or "closed the connection" in said(result)
    assert "start it or check --gptoss-endpoint" in said(result)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a port whose queue of connections is full, so that a further one hangs."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for filler in fillers:
            filler.close()


@pytest.mark.parametrize("where", ["refused", "deaf"])
def test_nobody_to_talk_to_ends_the_session_before_it_begins(
    story: Story, deaf: str, where: str
) -> None:
    url = deaf if where == "deaf" else f"http://127.0.0.1:{free_port()}/v1"
    begin = time.monotonic()
    result = ask(story, url, "--gptoss-timeout", "1")
    assert time.monotonic() - begin < BOUND_S
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.startswith("ERROR")]
    assert f"no server answers at {url} (" in line
    assert line.endswith("; start it or check --gptoss-endpoint")
    assert not (story.path / "run").exists()


def test_a_server_of_other_models_ends_the_session_before_it_begins(story: Story) -> None:
    with ScriptedServer(RIGHT, models=["one", "another"]) as server:
        result = ask(story, server.url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = f"{server.url} serves one, another, but not served; name one of them with"
    assert words in " ".join(result.errlines)
    assert server.bodies == []


def test_no_item_takes_longer_than_its_cap_however_often_it_is_tried(story: Story) -> None:
    """The waits between tries are part of the item's time."""
    story.suite(rows=ITEMS)
    busy = raw("", 503, {"Retry-After": "0.4"})
    with ScriptedServer(busy, models=["served"]) as server:
        begin = time.monotonic()
        result = ask(story, server.url, *LONG_CAP, "--gptoss-engine-arg", "retries=1000")
        assert time.monotonic() - begin < BOUND_S
    assert_outcomes(story, ERRORS)
    latest: Any = max(item["latency_s"] or 0.0 for item in story.items())
    assert latest < 10
    assert "answered 503" in said(result)
