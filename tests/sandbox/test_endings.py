"""How a confined program ends, with all that it started; for each rung that works here.

The file also runs as an ordinary user: see test_isolation_as_user.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import apart
import pytest
from confined import PATIENCE_S, confined, ended, heard
from rungs import HERE, rung_or_skip

from pytest_gptoss.sandbox.base import Rung
from pytest_gptoss.sandbox.limits import Limits

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(scope="module", params=HERE)
def rung(request: pytest.FixtureRequest) -> Rung:
    return rung_or_skip(request.param)


def goes(rung: Rung, source: str) -> bool:
    """Whether nothing is left of a program that is killed once it has told 1."""
    with confined(rung, source) as started:
        replies = os.dup(started.replies)
        assert heard(started) == 1
        started.kill()
        # Each of its processes holds the other end of the pipe.
        gone = ended(replies)
        os.close(replies)
        return gone


def test_the_whole_tree_goes(rung: Rung) -> None:
    if rung.name == "macos":
        pytest.skip("it starts no process")
    source = """
        import signal
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                if os.fork():
                    os._exit(0)
                tell(1)
                while True:
                    time.sleep(600)
        tell(1)
        os._exit(0)
    """
    assert goes(rung, source)


def test_a_tree_that_runs_away_goes(rung: Rung) -> None:
    if rung.name == "macos":
        pytest.skip("it starts no process")
    source = """
        for _ in range(3):
            if os.fork() == 0:
                tell(1)
                while True:
                    if os.fork():
                        os._exit(0)
        time.sleep(600)
    """
    assert goes(rung, source)


def test_killing_twice_is_once(rung: Rung) -> None:
    with confined(rung, "tell(1)") as started:
        assert heard(started) == 1
        started.kill()
        started.kill()
        assert started.process.returncode is not None


def test_a_program_that_ended_is_reaped(rung: Rung) -> None:
    with confined(rung, "os._exit(3)") as started:
        assert heard(started) is None
        started.kill()
        assert started.process.returncode is not None


# In a process of its own: what other tests left in this one may go at any time.
COUNTED = """
import os, sys
from pathlib import Path
from confined import told
from rungs import rung_or_skip
from pytest_gptoss.sandbox import watch


def ours():
    return len([*Path("/proc/self/fd").iterdir()]), len(watch.descendants(os.getpid()))


rung = rung_or_skip(sys.argv[1])
told(rung, "tell(1)")
before = ours()
for source in ("tell(1)", "os.fork() or os.setsid(); tell(1)", "tell(1); os._exit(0)") * 4:
    told(rung, source)
assert ours() == before, (before, ours())
"""


@linux
def test_we_lose_no_descriptor_and_no_process(rung: Rung) -> None:
    apart.run(["-c", COUNTED, rung.name], {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))})


@linux
def test_it_dies_with_us(rung: Rung) -> None:
    source = """
import os, sys, time
from pytest_gptoss.sandbox import watch
from pytest_gptoss.sandbox.choose import choose
from pytest_gptoss.sandbox.limits import Limits
program = "import os, time\\nif os.fork() == 0: os.setsid()\\nos.write(4, b'.')\\ntime.sleep(600)"
started = choose(sys.argv[1]).start(program, Limits())
while len(os.read(started.replies, 1)) and len(watch.descendants(started.process.pid)) < 2:
    pass
print(*watch.descendants(os.getpid()), flush=True)
time.sleep(600)
"""
    with subprocess.Popen(
        [sys.executable, "-c", source, rung.name], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        processes = [int(word) for word in parent.stdout.readline().split()]
        assert len(processes) >= 3
        parent.kill()
    until = time.monotonic() + PATIENCE_S
    while (alive := [p for p in processes if not has_ended(p)]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not alive


def has_ended(process: int) -> bool:
    try:
        # Whose parent is gone may wait for the machine's init, which need not care.
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_it_outlives_the_thread_that_asked_for_it(rung: Rung) -> None:
    from threading import Thread

    begun = []
    source = "import os; os.write(4, os.read(3, 4)); os.read(3, 1)"
    thread = Thread(target=lambda: begun.append(rung.start(source, Limits())))
    thread.start()
    thread.join()
    (started,) = begun
    os.write(started.requests, b"12\n")
    assert heard(started) == 12
    started.kill()
