"""An engine's processes end with the session that started them, however that ends."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

psutil: Any = pytest.importorskip("psutil", reason="the watchdog needs psutil, as vLLM does")

SESSION = """
import os, subprocess, sys, time
from pytest_gptoss.engines._watchdog import Watchdog

watchdog = Watchdog(sys.argv[1])
environment = os.environ | watchdog.variables
# An engine is a process that starts further ones, away from our terminal and deaf to requests.
worker = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
core = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {worker!r}, 'worker'])"
engine = subprocess.Popen(
    [sys.executable, "-c", core],
    env=environment,
    stdout=subprocess.DEVNULL,
    start_new_session=True,
)
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
bystander = subprocess.Popen(sleeping, stdout=subprocess.DEVNULL)
print(watchdog.pid, engine.pid, bystander.pid, flush=True)
if sys.stdin.readline() == "dismiss\\n":
    watchdog.dismiss()
    print("dismissed", flush=True)
    sys.stdin.readline()
os._exit(0)
"""


class Session:
    """A process that has started an engine, a bystander and a watchdog."""

    def __init__(self, folder: Path) -> None:
        (folder / "session.py").write_text(SESSION)
        self.log = folder / "log"
        self.log.mkdir()
        (self.log / "vllm.log").write_text("words")
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "session.py"), str(self.log)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert self.process.stdout is not None
        pids = map(int, self.process.stdout.readline().split())
        self.watchdog, self.engine, self.bystander = map(psutil.Process, pids)
        wait_until(lambda: self.engine.children())
        self.engines = [self.engine, *self.engine.children()]

    def say(self, word: str) -> str:
        """Tell it something; returns what it says, or nothing where it ends."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        for process in (self.process, self.watchdog, self.bystander, *self.engines):
            try:
                process.kill()
            except (ProcessLookupError, psutil.NoSuchProcess):
                continue
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


def wait_until(condition: Callable[[], Any], within_s: float = 60.0) -> None:
    limit = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < limit, "it never came to be"
        time.sleep(0.05)


def alive(process: Any) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("end", ["killed", "left in a hurry"])
def test_a_session_without_a_farewell_takes_its_engine_along(tmp_path: Path, end: str) -> None:
    session = Session(tmp_path)
    try:
        if end == "killed":
            session.process.kill()
        else:
            session.say("now")  # as `os._exit` ends a session
        wait_until(lambda: not any(map(alive, session.engines)))
        wait_until(lambda: not alive(session.watchdog))
        assert alive(session.bystander)
        assert not session.log.exists()
    finally:
        session.end()


def test_a_dismissed_watchdog_leaves_everything_as_it_is(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        assert session.say("dismiss") == "dismissed"
        assert not alive(session.watchdog)
        assert all(map(alive, session.engines))
        assert session.log.exists()
    finally:
        session.end()


def test_a_watchdog_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    session = Session(tmp_path)
    try:
        session.watchdog.kill()
        wait_until(lambda: not alive(session.watchdog))
        assert session.say("dismiss") == "dismissed"
    finally:
        session.end()
