"""Sessions against a server that adds: what it answers, how it is asked, signals sent meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web
from scripted_server import Answer, ScriptedServer, after, says
from stories import QUIET, Story

PATIENCE_S = 120
"""Longer than anything that happens at all takes on the busiest machine."""


async def adds(request: web.Request) -> web.StreamResponse:
    """The story's sums are answered rightly."""
    body = json.loads(await request.read())
    numbers = re.findall(r"\d+", body["messages"][-1]["content"])
    return await says(f"Answer: {sum(map(int, numbers))}", "I add them.")(request)


def six_sums() -> ScriptedServer:
    """Answers six sums, and keeps everybody else waiting for as long as a test lasts."""
    return ScriptedServer(*[adds] * 6, after(PATIENCE_S, adds), models=["served"])


@contextmanager
def adds_together(number: int, *, of: int, then: Answer = adds) -> Iterator[ScriptedServer]:
    """A server that answers once so many requests are in flight, or all there will be were asked.

    Args:
        number: How many are in flight before the first is answered.
        of: How many requests there will be.
        then: How each is answered.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        limit = time.monotonic() + PATIENCE_S
        while server.most_in_flight < number and len(server.bodies) < of:
            assert time.monotonic() < limit, f"{server.most_in_flight} in flight and no more came"
            await asyncio.sleep(0.01)
        return await then(request)

    with ScriptedServer(answer, models=["served"]) as server:
        yield server


def ask(story: Story, server: ScriptedServer, *arguments: str) -> pytest.RunResult:
    """Ask a server the story's items, in this process."""
    return story.run(
        *("--model", "served", "--gptoss-endpoint", server.url, "--gptoss-run", "run", *arguments)
    )


class Session:
    """A pytest session in a process group of its own, to which signals can be sent.

    Args:
        story: Where its suite is; its run directory is ``run``.
        server: Whom it asks.
        arguments: Further ones.
    """

    def __init__(self, story: Story, server: ScriptedServer, *arguments: str) -> None:
        self.journal = story.path / "run" / "journal.jsonl"
        self.arguments = ("--model=served", "--gptoss-endpoint", server.url, "--gptoss-run=run")
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *QUIET),
                *self.arguments,
                *arguments,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=story.path,
            start_new_session=True,
            # A shell ignores interrupts for what it runs in the background; that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that the session does."""
        limit = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < limit
            time.sleep(0.02)

    def journalled(self) -> int:
        """How many answers were kept."""
        text = self.journal.read_text() if self.journal.exists() else ""
        return text.rpartition("\n")[0].count('"item_id"')

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to pytest alone."""
        self.process.send_signal(number)

    def end(self) -> str:
        """Everything that it said, once it ended."""
        return self.process.communicate(timeout=PATIENCE_S)[0]
