"""Kills that fall at a moment of a session and not of the clock, so that a busy machine moves none.

`KILLER` is the ``conftest.py`` of a session that `killed_by` tells what it dies by.
"""

from __future__ import annotations

__all__ = ["KILLER", "killed_by"]

KILLER = """
import os
import signal

import psutil
import pytest
from pytest_gptoss.run.journal import Journal

kind, _, when = os.environ.get("KILLED_BY", "").partition(" ")
left = int(when) if kind == "record" else 0
write, replace = Journal._write, os.replace


def victim():
    session = psutil.Process()
    if os.environ.get("KILLED") == "core":
        return next(c for c in session.children() if c.name().startswith("VLLM::EngineCor"))
    return session


def write_and_kill(journal, data):
    global left
    for line in data.splitlines(keepends=True):
        if b'"item_id"' in line:
            left -= 1
            if left == 0:
                half = len(line) // 2
                write(journal, line[:half])
                victim().kill()
                line = line[half:]
        write(journal, line)


def replace_and_kill(source, target, **more):
    if os.path.basename(target) == when:
        victim().kill()
    return replace(source, target, **more)


if kind == "record":
    Journal._write = write_and_kill
if kind == "file":
    os.replace = replace_and_kill


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish():
    if (kind, when) == ("hook", "collected"):
        victim().kill()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    if (kind, when) == ("hook", "first test"):
        victim().kill()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish():
    if (kind, when) == ("hook", "ending"):
        victim().kill()
"""


def killed_by(
    *, record: int = 0, hook: str = "", file: str = "", who: str = "session"
) -> dict[str, str]:
    """The environment of a session that is killed, at one of these moments.

    Args:
        record: In the middle of the record of that number, from 1, that the journal writes.
        hook: When its tests are ``"collected"``, before its ``"first test"`` or when it is
            ``"ending"``.
        file: Before the file of that name gets its name.
        who: ``"session"``, or the ``"core"`` of vLLM that it started.
    """
    kinds = {"record": str(record or ""), "hook": hook, "file": file}
    return {"KILLED": who, "KILLED_BY": " ".join(*[pair for pair in kinds.items() if pair[1]])}
