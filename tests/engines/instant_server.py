"""An OpenAI-compatible server that answers at once, to measure what a client costs.

It speaks just enough HTTP/1.1 for that and answers every chat completion with the same bytes, so
that it takes a small fraction of a client's time. As a script it prints its port::

    python tests/engines/instant_server.py [PORT] [--answer TEXT] [--reasoning TEXT]

The last user message may say what to answer: ``[[answer: 42]]`` anywhere in the body.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal

MODEL = "instant"
_ORDER = b"[[answer: "


def chat_body(content: str | None, reasoning: str | None, model: str = MODEL) -> bytes:
    """A chat completion as vLLM writes it, about as long as a short reasoned answer."""
    return json.dumps(
        {
            "id": "chatcmpl-0123456789abcdef",
            "object": "chat.completion",
            "created": 1700000000,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": content,
                        "refusal": None,
                        "annotations": None,
                        "tool_calls": [],
                        "reasoning": reasoning,
                        "reasoning_content": reasoning,
                    },
                    "logprobs": None,
                    "finish_reason": "stop",
                    "stop_reason": None,
                    "token_ids": None,
                }
            ],
            "service_tier": None,
            "system_fingerprint": None,
            "usage": {
                "prompt_tokens": 100,
                "total_tokens": 300,
                "completion_tokens": 200,
                "prompt_tokens_details": {"cached_tokens": 64},
                "completion_tokens_details": {"reasoning_tokens": 180},
            },
            "prompt_logprobs": None,
        }
    ).encode()


def response(body: bytes, status: str = "200 OK") -> bytes:
    """An HTTP response around a JSON body."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


class InstantProtocol(asyncio.Protocol):
    """Answers each request on a connection as soon as its body is there."""

    def __init__(self, chat: bytes, models: bytes, reasoning: str) -> None:
        self._chat = chat
        self._models = models
        self._reasoning = reasoning
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._buffer = buffer = self._buffer + data if self._buffer else data
        while True:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            length, head = 0, buffer[:end].lower()
            at = head.find(b"content-length:")
            if at >= 0:
                length = int(head[at + 15 :].split(b"\r\n", 1)[0])
            if len(buffer) < end + 4 + length:
                return
            body = buffer[end + 4 : end + 4 + length]
            self._buffer = buffer = buffer[end + 4 + length :]
            assert self._transport is not None
            self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"get"):
            if b"/models " in head[:80]:
                return self._models
            return response(b'{"detail":"Not Found"}', "404 Not Found")
        at = body.rfind(_ORDER)
        if at < 0:
            return self._chat
        answer = body[at + len(_ORDER) :].split(b"]]", 1)[0].decode()
        return response(chat_body(answer, self._reasoning))


async def serve(port: int, answer: str, reasoning: str) -> None:
    """Serve until terminated; the port is printed once connections are accepted."""
    models = {"object": "list", "data": [{"id": MODEL, "object": "model", "owned_by": "test"}]}
    chat = response(chat_body(answer, reasoning))
    listing = response(json.dumps(models).encode())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: InstantProtocol(chat, listing, reasoning), "127.0.0.1", port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    parent = os.getppid()
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), 1.0)
        if os.getppid() != parent:  # whoever started it is gone
            break
    server.close()


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int, nargs="?", default=0)
    parser.add_argument("--answer", default="The answer is 42.")
    parser.add_argument("--reasoning", default="Let me think about it step by step. " * 25)
    options = parser.parse_args()
    run = asyncio.run
    with contextlib.suppress(ImportError):  # halves the server's share of the machine
        import uvloop

        run = uvloop.run
    run(serve(options.port, options.answer, options.reasoning))


if __name__ == "__main__":
    main()
