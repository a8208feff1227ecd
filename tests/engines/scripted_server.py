"""A local server that behaves and misbehaves by script, and a loop in a background thread."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
from aiohttp import web
from instant_server import chat_body

from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.records import Effort, Message, Sampling

T = TypeVar("T")
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Background:
    """An event loop in a thread of its own, as the scheduler has one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._cancel())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    async def _cancel(self) -> None:
        """End what still waits, which would complain if it were only forgotten."""
        waiting = asyncio.all_tasks() - {asyncio.current_task()}
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    def run(self, coroutine: Coroutine[Any, Any, T], timeout_s: float = 60.0) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout_s)


class ScriptedServer:
    """Answers the chat completions with the answers of a script, the last one for ever.

    What stands in ``before`` answers the next requests, whatever they ask.

    Args:
        script: The answers, in the order of the requests.
        models: What ``/v1/models`` lists; ``None`` if it has no such route.
        prefix: Where the routes are.
    """

    def __init__(
        self, *script: Answer, models: list[Any] | None = None, prefix: str = "/v1"
    ) -> None:
        self.script = list(script) or [says("The answer is 42.")]
        self.models = models
        self.prefix = prefix
        self.port = 0
        self.before: list[Answer] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.asked: list[str] = []
        self.peers: set[Any] = set()
        self.in_flight = self.most_in_flight = 0
        self._background = Background()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def __enter__(self) -> ScriptedServer:
        self._background.__enter__()
        self._background.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._background.__exit__()

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._runner is not None:
            self._background.run(self._runner.cleanup())
            self._runner = None

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Its log would be the session's own, as it runs in the same process.
        self._runner = web.AppRunner(
            app, handle_signals=False, shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=2048).start()
        self.port = self._runner.addresses[0][1]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        self.headers.append(request.headers)
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if self.before:
            return await self.before.pop(0)(request)
        if request.method == "GET":
            if request.path != f"{self.prefix}/models" or self.models is None:
                raise web.HTTPNotFound
            cards = [m if isinstance(m, dict) else {"id": m} for m in self.models]
            return web.json_response({"object": "list", "data": cards})
        if request.path != f"{self.prefix}/chat/completions":
            raise web.HTTPNotFound
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.bodies.append(msgspec.json.decode(await request.read()))
            answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
            return await answer(request)
        finally:
            self.in_flight -= 1


# --- answers of a script -----------------------------------------------------------------------


def says(content: Any, reasoning: str | None = None, /, **changes: Any) -> Answer:
    """A good completion; ``changes`` replace fields of its message, choice or top level."""
    whole = msgspec.json.decode(chat_body(content, reasoning))
    choice = whole["choices"][0]
    for name, value in changes.items():
        for part in (choice["message"], choice, whole):
            if name in part:
                part[name] = value
                break
        else:
            choice["message"][name] = value
    return raw(msgspec.json.encode(whole))


def raw(body: bytes | str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Any body, with any status."""
    data = body.encode() if isinstance(body, str) else body

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            body=data, status=status, headers=headers, content_type="application/json"
        )

    return answer


def after(seconds: float, then: Answer) -> Answer:
    """An answer that takes its time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return answer


def resets(after_bytes: int | None = None) -> Answer:
    """Reset the connection, at once or in the middle of the body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100000"})
        transport = request.transport
        assert transport is not None
        if after_bytes is not None:
            await response.prepare(request)
            await response.write(b"x" * after_bytes)
            await asyncio.sleep(0.05)
        raw_socket = transport.get_extra_info("socket")
        raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        return response

    return answer


def talks_no_http() -> Answer:
    """Bytes that are no HTTP response."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)
        request.transport.close()
        return web.Response()

    return answer


# --- what is asked -----------------------------------------------------------------------------


def spec(name: str = "gpt-oss-20b", source: str | None = None, **more: Any) -> ModelSpec:
    return ModelSpec(name=name, source=source or name, **more)


def options(server: ScriptedServer | str, **more: Any) -> EngineOptions:
    arguments = more.pop("arguments", {})
    url = server if isinstance(server, str) else server.url
    return EngineOptions(endpoint=url, arguments=arguments, **more)


def ask(
    text: str = "What is 6 x 7?",
    *,
    instructions: str | None = None,
    effort: Effort | None = None,
    **sampling: Any,
) -> Request:
    return Request(
        messages=(Message("user", text),),
        sampling=Sampling(**sampling),
        instructions=instructions,
        effort=effort,
    )


@contextmanager
def opened(
    background: Background, server: ScriptedServer | str, model: Any = None, **more: Any
) -> Iterator[EndpointEngine]:
    engine = EndpointEngine(model or spec(), options(server, **more))
    background.run(engine.open())
    try:
        yield engine
    finally:
        background.run(engine.close())


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
