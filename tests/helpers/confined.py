"""Runs a few lines confined and hands back what they tell."""

from __future__ import annotations

import contextlib
import json
import os
import select
import textwrap
from typing import TYPE_CHECKING, Any

from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.sandbox.base import Confined, Rung

PATIENCE_S = 60
_PRELUDE = """
import json, os, sys, time
def tell(value):
    os.write(4, json.dumps(value).encode() + b"\\n")
def attempt(action, *arguments):
    try:
        return action(*arguments)
    except BaseException as error:
        return type(error).__name__
"""


@contextlib.contextmanager
def confined(rung: Rung, source: str, limits: Limits | None = None) -> Iterator[Confined]:
    """Start ``source``, which may call ``tell`` and ``attempt``, and kill it in the end."""
    started = rung.start(_PRELUDE + textwrap.dedent(source), limits or Limits(timeout_s=PATIENCE_S))
    try:
        yield started
    finally:
        started.kill()


def heard(started: Confined) -> Any:
    """Await a line that the program tells, or its end, which is None."""
    line = b""
    poll = select.poll()
    poll.register(started.replies, select.POLLIN)
    while not line.endswith(b"\n"):
        assert poll.poll(PATIENCE_S * 1000), f"no word in {PATIENCE_S} s; it said: {started.said}"
        part = os.read(started.replies, 1 << 16)
        if not part:
            return None
        line += part
    return json.loads(line.splitlines()[0])


def told(rung: Rung, source: str, limits: Limits | None = None) -> Any:
    """Run ``source`` to its first ``tell``."""
    with confined(rung, source, limits) as started:
        answer = heard(started)
        if answer is None:
            started.kill()
            raise AssertionError(f"it ended without a word; it said: {started.said}")
        return answer


def ended(descriptor: int) -> bool:
    """Whether nobody writes to this pipe any more; what was written is thrown away."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while poll.poll(PATIENCE_S * 1000):
        if not os.read(descriptor, 1 << 16):
            return True
    return False
