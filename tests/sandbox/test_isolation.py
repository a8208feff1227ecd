"""What a confined program finds, and what it cannot do; for each rung that works here.

The file also runs as an ordinary user: see test_isolation_as_user.py.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from confined import confined, heard, told
from rungs import HERE, rung_or_skip

import pytest_gptoss
from pytest_gptoss.sandbox import base, selftest, watch
from pytest_gptoss.sandbox.base import Rung
from pytest_gptoss.sandbox.choose import probe
from pytest_gptoss.sandbox.limits import Limits
from pytest_gptoss.sandbox.view import view

SCRATCH = ("bwrap", "namespaces")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@pytest.fixture(scope="module", params=HERE)
def rung(request: pytest.FixtureRequest) -> Rung:
    # Not to be had here is one thing; to be had and weak is our fault.
    assert "a program in it" not in (probe()[request.param] or "")
    return rung_or_skip(request.param)


@pytest.fixture(scope="module")
def scratch(rung: Rung) -> Rung:
    if rung.name not in SCRATCH:
        pytest.skip(f"{rung.name} gives nothing to write to")
    return rung


def test_holds(rung: Rung) -> None:
    assert selftest.weakness(rung) is None


def test_the_environment_is_ours(rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    found = told(rung, "tell(dict(os.environ))")
    assert {name: found.get(name) for name in base.ENVIRONMENT} == dict(base.ENVIRONMENT)
    assert "SECRET" not in found


def test_nothing_is_open_but_five(rung: Rung) -> None:
    # Ours are open and inheritable, at low and at high numbers.
    low = os.open(__file__, os.O_RDONLY)
    high = 300
    os.dup2(low, high)
    os.set_inheritable(low, True)
    try:
        source = """
            import stat
            def kind(descriptor):
                mode = os.fstat(descriptor).st_mode
                return "pipe" if stat.S_ISFIFO(mode) else "device" if stat.S_ISCHR(mode) else "?"
            found = {n: attempt(kind, n) for n in range(1024)}
            tell({n: k for n, k in found.items() if k != "OSError"})
        """
        assert told(rung, source) == {
            "0": "device",
            "1": "pipe",
            "2": "pipe",
            "3": "pipe",
            "4": "pipe",
        }
    finally:
        os.close(low)
        os.close(high)


def test_files_are_out_of_sight(rung: Rung, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    tmp_path.chmod(0o755)
    places = [str(secret), pytest_gptoss.__file__, __file__, "/etc/passwd", "/proc/1/environ"]
    places += [f"{folder}/pytest/__init__.py" for folder in view().hidden]
    source = f"""
        tell([attempt(lambda: open(p).read()) for p in {places!r}])
    """
    assert set(told(rung, source)) <= {"PermissionError", "FileNotFoundError"}


def test_installed_packages_are_hidden(rung: Rung) -> None:
    hidden = [folder for folder in view().hidden if any(Path(folder).iterdir())]
    if not hidden:
        pytest.skip("this interpreter has no packages of its own")
    found = told(rung, f"tell([attempt(os.listdir, folder) for folder in {hidden!r}])")
    for folder, seen in zip(hidden, found, strict=True):
        # Landlock lets names be seen.
        assert seen in ([], "PermissionError") or rung.name == "landlock", folder


def test_the_standard_library_works(rung: Rung) -> None:
    source = """
        import asyncio, collections, ctypes, decimal, fractions, hashlib, itertools, json, math, re
        import random, sqlite3, ssl, statistics, string, threading, typing, zlib
        async def wake():
            return await asyncio.to_thread(lambda: 7)
        tell([asyncio.run(wake()), hashlib.md5(b"").hexdigest()[:4], len(os.urandom(4))])
    """
    assert told(rung, source) == [7, "d41d", 4]


def test_temporary_files_and_processes_work(scratch: Rung) -> None:
    source = """
        import multiprocessing, subprocess, tempfile
        with tempfile.TemporaryFile() as file:
            file.write(b"x")
        with multiprocessing.get_context("fork").Pool(2) as pool:
            squares = pool.map(abs, [-1, -2])
        said = subprocess.run([sys.executable, "-I", "-S", "-c", "print(3)"], capture_output=True)
        tell([squares, said.stdout.decode()])
    """
    assert told(scratch, source) == [[1, 2], "3\n"]


def test_the_scratch_is_bounded(scratch: Rung) -> None:
    source = """
        def fill(folder):
            written = 0
            try:
                for number in range(1000):
                    with open(f"{folder}/{number}", "wb", buffering=0) as file:
                        for _ in range(4):
                            written += file.write(bytes(1 << 20))
            except OSError:
                pass
            return written >> 20
        tell([fill("/tmp"), fill("/dev/shm"), fill("/"), fill("/dev"), fill("/usr/lib")])
    """
    assert told(scratch, source) == [base.SCRATCH_MB, base.SHARED_MB, 0, 0, 0]


def test_a_file_is_bounded(scratch: Rung) -> None:
    source = """
        def fill():
            with open("/tmp/big", "wb", buffering=0) as file:
                for _ in range(100):
                    file.write(bytes(1 << 20))
        tell([attempt(fill), os.stat("/tmp/big").st_size])
    """
    assert told(scratch, source, Limits(file_mb=3)) == ["OSError", 3 << 20]


def test_nothing_can_be_written_without_a_scratch(rung: Rung) -> None:
    if rung.name in SCRATCH:
        pytest.skip("it has a scratch")
    source = """
        places = ["/tmp/x", "/var/tmp/x", "/dev/shm/x", "x", "/x", os.path.expanduser("~/x")]
        tell([attempt(lambda: open(place, "w")) for place in places])
    """
    assert set(told(rung, source)) <= {"PermissionError", "FileNotFoundError", "OSError"}


def test_processes_and_threads_are_bounded(rung: Rung) -> None:
    if rung.name == "landlock" and os.getuid() != 0:
        pytest.skip("the limit counts all that this user runs, which changes meanwhile")
    source = """
        import threading
        def start():
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
            return 1
        def fork():
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            return 1
        counts = []
        for way in start, fork:
            made = 0
            while attempt(way) == 1 and made < 100:
                made += 1
            counts.append(made)
        tell(counts)
    """
    assert sum(told(rung, source, Limits(timeout_s=60, processes=9))) <= 8


def test_address_space_is_bounded(rung: Rung) -> None:
    if rung.name == "macos":
        pytest.skip("macOS bounds no address space; the watchdog does")
    source = "tell([attempt(lambda: len(bytearray(n << 20))) for n in (8, 128)])"
    assert told(rung, source, Limits(memory_mb=128)) == [8 << 20, "MemoryError"]


def test_the_memory_of_a_tree_is_watched(rung: Rung) -> None:
    if rung.name == "macos":
        pytest.skip("it starts no process")
    source = """
        for _ in range(7):
            if os.fork() == 0:
                held = bytearray(60 << 20)
                for place in range(0, len(held), 4096):
                    held[place] = 1
                break
        time.sleep(600)
    """
    with confined(rung, source, Limits(timeout_s=60, memory_mb=128)) as started:
        assert heard(started) is None
        assert started.exceeded() == "memory"


def test_output_is_taken_and_kept(rung: Rung) -> None:
    source = "print('x' * 60_000, flush=True); print('end', file=sys.stderr, flush=True); tell(1)"
    with confined(rung, source) as started:
        assert heard(started) == 1
        started.kill()
        assert started.said.endswith("x\nend")
        assert started.exceeded() is None


def test_output_without_end_is_an_end(rung: Rung) -> None:
    with confined(rung, "while True: os.write(1, b'x' * 4096)", Limits(output_kb=16)) as started:
        assert heard(started) is None
        assert started.exceeded() == "output"
        started.kill()
        assert started.said == "x" * (16 << 10)


def test_what_reaches_beyond_is_refused(rung: Rung) -> None:
    source = """
        import ctypes, socket
        libc = ctypes.CDLL(None, use_errno=True)
        def call(name, *arguments):
            return 0 if getattr(libc, name)(*arguments) >= 0 else ctypes.get_errno()
        tell({
            "inet": attempt(socket.socket),
            "unix": attempt(socket.socket, socket.AF_UNIX),
            "vsock": attempt(socket.socket, 40),
            "netlink": attempt(socket.socket, 16, socket.SOCK_RAW),
            "pair": attempt(socket.socketpair, socket.AF_UNIX, socket.SOCK_DGRAM),
            "ptrace": call("ptrace", 0, 0, 0, 0),
            "unshare": call("unshare", 0x10000000),
            "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
            "memfd": call("memfd_create", b"x", 0),
            "keyctl": call("syscall", 250 if os.uname().machine == "x86_64" else 219, 0, 0),
            "new": call("syscall", 462),
            "root": attempt(os.setuid, 0),
            "chown": attempt(os.chown, sys.executable, 0, 0),
            "chmod": attempt(os.chmod, sys.executable, 0o777),
            "wait": attempt(os.sched_setaffinity, os.getppid(), {0}) or "",
        })
    """
    if sys.platform != "linux":
        pytest.skip("these are calls of Linux")
    found = told(rung, source)
    refused = {1, 38, "PermissionError", "OSError", "ProcessLookupError", "FileNotFoundError"}
    if found["wait"] == "" and rung.name != "landlock":
        del found["wait"]  # The parent of a first process is nobody, which stands for itself.
    assert {name: error for name, error in found.items() if error not in refused} == {}


@linux
def test_it_has_no_rights_on_the_machine(rung: Rung) -> None:
    with confined(rung, "tell(os.getpid()); time.sleep(600)") as started:
        assert heard(started)
        program = watch.descendants(started.process.pid)[-1]
        status = Path(f"/proc/{program}/status").read_text()
        found = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        users = set(found["Uid"].split()) | set(found["Gid"].split())
        assert "0" not in users
        assert len(users) == 1
        if os.getuid() == 0:
            assert found["Groups"].split() == []
        assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")
        held = int(found["CapEff"], 16) | int(found["CapPrm"], 16) | int(found["CapAmb"], 16)
        # Under Landlock, root's interpreter may lie where only root may read.
        reads = rung.name == "landlock" and os.getuid() == 0
        assert held in ((0, 1 << 2) if reads else (0,))


@linux
def test_sandboxes_do_not_reach_each_other(rung: Rung) -> None:
    with confined(rung, "tell(1); os.read(3, 1); tell(2)") as other:
        assert heard(other) == 1
        theirs = watch.descendants(other.process.pid)[-1]
        source = f"""
            import ctypes
            tell([attempt(os.kill, {theirs}, 9), ctypes.CDLL(None).ptrace(0x4206, {theirs}, 0, 0)])
        """
        killed, traced = told(rung, source)
        assert killed in ("PermissionError", "ProcessLookupError")
        assert traced == -1
        os.write(other.requests, b"x")
        assert heard(other) == 2


def test_nothing_is_left_between_two(rung: Rung) -> None:
    source = """
        try:
            open("/tmp/left", "x").close()
        except OSError as error:
            tell(type(error).__name__)
        tell("new")
    """
    assert told(rung, source) == told(rung, source) != "FileExistsError"


def test_loopback_is_another_one(rung: Rung) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        source = f"""
            import socket
            tell(attempt(socket.create_connection, ("127.0.0.1", {port})))
        """
        assert told(rung, source) == "PermissionError"
