"""What control groups hold where we may make any, and that we do without them elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confined import PATIENCE_S, confined, ended, heard, told
from rungs import NAMES, rung_or_skip

from pytest_gptoss.sandbox import base, cgroups, watch
from pytest_gptoss.sandbox import choose as chooser
from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.sandbox.base import Rung

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="control groups are Linux's")


@pytest.fixture
def places() -> list[Path]:
    """Where our groups lie."""
    try:
        found = [cgroups._place(controller) for controller in ("memory", "pids")]
    except OSError as error:
        pytest.skip(f"no control groups can be made here: {error}")
    if cgroups.bound() != "cgroup memory pids":
        pytest.skip(f"this user may make no control groups in {found[0]}")
    return [*dict.fromkeys(found)]


@pytest.fixture(params=[name for name in NAMES if name != "macos"])
def rung(request: pytest.FixtureRequest, places: list[Path]) -> Rung:
    """Each way to confine a program that works here, with a group for it."""
    return rung_or_skip(request.param)


@pytest.fixture
def afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is known of this machine is forgotten for a while."""
    chooser._tried.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(cgroups, "_state", cgroups._State())
        yield
        cgroups._state.leave()
    chooser._tried.cache_clear()


def groups_of(process: int, places: list[Path]) -> list[Path]:
    """Return the folders of the groups of ours that a process is in, memory's first."""
    found = []
    for place in places:
        for session in place.glob("pytest-gptoss-*"):
            # Another session's may go while we look.
            with contextlib.suppress(OSError):
                groups = filter(Path.is_dir, session.iterdir())
                found += [group for group in groups if process in members(group)]
    return found


def members(group: Path) -> list[int]:
    return [int(line) for line in (group / "cgroup.procs").read_text().split()]


def test_many_small_processes_hold_no_more_than_the_bound(
    rung: Rung, places: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second line must not be quicker.
    monkeypatch.setattr(watch, "resident_bytes", lambda pid: 0)
    limits = Limits(timeout_s=PATIENCE_S, memory_mb=256)
    source = """
        tell(1)
        os.read(3, 1)
        for _ in range(20):
            if os.fork() == 0:
                held = bytearray(60 << 20)
                for place in range(0, len(held), 4096):
                    held[place] = 1
                break
        time.sleep(600)
    """
    with confined(rung, source, limits) as started:
        assert heard(started) == 1
        memory = groups_of(watch.descendants(started.process.pid)[-1], places)[0]
        os.write(started.requests, b"x")
        assert heard(started) is None
        assert started.exceeded() == "memory"
        most = [memory / name for name in ("memory.max_usage_in_bytes", "memory.peak")]
        for file in filter(Path.exists, most):  # The second since Linux 5.19.
            assert int(file.read_text()) <= limits.tree_bytes
        started.kill()
        assert started.exceeded() == "memory"


def test_processes_and_threads_are_bounded_without_rlimits(
    rung: Rung, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_rlimits", lambda limits, tasks: {})
    source = """
        import threading
        def start():
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            return 1
        def fork():
            if os.fork() == 0:
                time.sleep(600)
            return 1
        made = sum(attempt(fork) == 1 for _ in range(4))
        while made < 100 and attempt(start) == 1:
            made += 1
        tell([made, attempt(fork)])
    """
    assert told(rung, source, Limits(timeout_s=60, processes=9)) == [8, "BlockingIOError"]


def test_all_that_comes_of_a_program_is_in_its_groups(rung: Rung, places: list[Path]) -> None:
    source = """
        begun, begin = os.pipe()
        for _ in range(2):
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    os.setsid()
                os.write(begin, b"x")
                time.sleep(600)
        tell(sum(len(os.read(begun, 1)) for _ in range(4)))
        time.sleep(600)
    """
    with confined(rung, source) as started:
        assert heard(started) == 4
        below = watch.descendants(started.process.pid)
        groups = groups_of(below[-1], places)
        assert len(groups) == len(places)
        for group in groups:
            # Those that wait for its end are not counted.
            assert sorted(members(group)) == sorted(below[-5:])
        started.kill()
        assert not any(group.exists() for group in groups)


def test_what_can_be_done_in_it_is_not_counted_as_too_much(rung: Rung) -> None:
    source = """
        held = bytearray(b"x") * (100 << 20)
        attempt(lambda: open("/tmp/full", "wb").write(bytes(8 << 20)))
        tell(1)
    """
    with confined(rung, source, Limits(memory_mb=128)) as started:
        assert heard(started) == 1
        assert started.exceeded() is None


def test_who_is_left_in_a_group_goes_with_it(places: list[Path]) -> None:
    group = cgroups.new(Limits())
    assert group is not None
    with group.entrances() as files:
        source = f"""
import os, time
for file in {files}:
    os.write(file, b"0")
print("in", flush=True)
time.sleep(600)
"""
        left = subprocess.Popen(
            [sys.executable, "-c", source], pass_fds=files, stdout=subprocess.PIPE
        )
    with left:
        assert left.stdout is not None
        assert left.stdout.readline() == b"in\n"
        folders = groups_of(left.pid, places)
        group.remove()
        assert left.wait(PATIENCE_S) == -signal.SIGKILL
    assert len(folders) == len(places)
    assert not any(folder.exists() for folder in folders)
    assert not group.exceeded()


# A session that leaves a process in a group of its own, one that has a copy of all it held.
KILLED = """
import os, time
from pytest_gptoss.sandbox import cgroups
from pytest_gptoss.sandbox.limits import Limits
group = cgroups.new(Limits())
with group.entrances() as files:
    child = os.fork()
    if child == 0:
        for file in files:
            os.write(file, b"0")
        os.write(1, f"{os.getpid()}\\n".encode())
time.sleep(600)
"""


def test_what_a_killed_session_left_is_cleared_by_the_next(places: list[Path]) -> None:
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        left = int(session.stdout.readline())
        folders = groups_of(left, places)
        assert len(folders) == len(places)
        living = cgroups.new(Limits())
        assert living is not None
        clear()
        assert all(folder.exists() for folder in folders), "it lives yet"
        session.kill()
        session.wait()
        until = time.monotonic() + PATIENCE_S
        # Another session, of another test, may be about it.
        while any(folder.parent.exists() for folder in folders) and time.monotonic() < until:
            clear()
        assert not any(folder.parent.exists() for folder in folders)
        # It held the other end.
        assert ended(session.stdout.fileno())
    with living.entrances():
        pass  # Ours is still there.
    living.remove()


def clear() -> None:
    """Begin another session, and end it."""
    source = "from pytest_gptoss.sandbox import cgroups; print(cgroups.bound())"
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, check=True)
    assert result.stdout == b"cgroup memory pids\n"


def test_a_session_that_ends_leaves_nothing(places: list[Path]) -> None:
    source = """
from pytest_gptoss.sandbox import cgroups
from pytest_gptoss.sandbox.limits import Limits
cgroups.new(Limits())
print(*cgroups._state.session._folders.values(), sep="\\n")
"""
    result = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, check=True, text=True
    )
    folders = [Path(line) for line in result.stdout.splitlines()]
    assert [folder.parent for folder in folders] == places
    assert not any(folder.exists() for folder in folders)


@pytest.mark.usefixtures("afresh")
def test_where_none_can_be_made_the_watchdog_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    # No folder can be made there, not even by root.
    monkeypatch.setattr(cgroups, "_place", lambda controller: Path("/proc/self"))
    assert cgroups.bound() == "memory: watchdog"
    assert cgroups.new(Limits()) is None
    rung = rung_or_skip("none")
    assert rung.describe() == "none [rlimits; memory: watchdog]"
    assert told(rung, "tell(1)") == 1


@pytest.mark.usefixtures("places", "afresh")
def test_a_group_that_cannot_be_joined_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def closed(group: cgroups.Group) -> Iterator[list[int]]:
        file = os.open("/dev/null", os.O_RDONLY)
        yield [file]
        os.close(file)

    monkeypatch.setattr(cgroups.Group, "entrances", closed)
    name = chooser.choose().name
    assert chooser.choose().describe().endswith("; memory: watchdog]")
    assert told(rung_or_skip(name), "tell(1)") == 1
