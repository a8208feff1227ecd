"""A small OpenAI-compatible server that says what a test wants and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer:
    """Answers each chat completion with the next reply, the last one for ever.

    A reply is the assistant's text, a whole body as bytes, or a status code as a number. ``model``
    is the name it answers under; of several, one reply after the other has the next.
    """

    def __init__(self, *replies: str | bytes | int, model: str | list[str] = "grader") -> None:
        self.replies = list(replies) or ["Grade: 7"]
        names = [model] if isinstance(model, str) else model
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = self.path.endswith("/models")
                self._send(200 if found else 404, {"data": [{"id": names[0]}]} if found else {})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                server.paths.append(self.path)
                server.headers.append(dict(self.headers))
                server.bodies.append(json.loads(body))
                reply = server.replies[min(len(server.bodies), len(server.replies)) - 1]
                if isinstance(reply, int):
                    self._send(reply, b"", location="http://127.0.0.1:9/elsewhere")
                elif isinstance(reply, bytes):
                    self._send(200, reply)
                else:
                    message = {"role": "assistant", "content": reply}
                    choice = {"index": 0, "message": message, "finish_reason": "stop"}
                    usage = {"prompt_tokens": 9, "completion_tokens": 5}
                    name = names[(len(server.bodies) - 1) % len(names)]
                    self._send(200, {"model": name, "choices": [choice], "usage": usage})

            def _send(self, status: int, content: Any, location: str | None = None) -> None:
                payload = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                if location is not None:
                    self.send_header("Location", location)
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
