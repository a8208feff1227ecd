"""One confined interpreter: how it is started, spoken to, watched and ended."""

from __future__ import annotations

import contextlib
import functools
import marshal
import math
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from pytest_gptoss.sandbox import cgroups, watch
from pytest_gptoss.sandbox.view import interpreter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType

    from pytest_gptoss.sandbox.limits import Limits
    from pytest_gptoss.sandbox.privileges import Identity

    # How to have a whole tree killed, given its process and our end of its control socket.
    End = Callable[[subprocess.Popen[bytes], socket.socket], None]

__all__ = [
    "ENVIRONMENT",
    "SCRATCH_MB",
    "SHARED_MB",
    "Confined",
    "Rung",
    "kill_group",
    "nameless_file",
    "start",
    "tell",
]

# All that a confined program finds in its environment.
ENVIRONMENT: dict[str, str] = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    # One arena per thread would spend the address space that is allowed on reservations.
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
}
# Some interpreters, as of clusters' modules, find their own library by this alone.
_LIBRARIES = str(Path(sys.base_prefix, "lib"))
if _LIBRARIES in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
    ENVIRONMENT["LD_LIBRARY_PATH"] = _LIBRARIES

# What each interpreter is told on its command line. The rest comes over standard input, compiled:
# an argument may be 128 KB at most, and compiling anew would cost each start some milliseconds.
_BOOT = (
    "import marshal\n"
    "border, config, source = marshal.load(open(0, 'rb', closefd=False))\n"
    "exec(border, space := {'__name__': 'border'})\n"
    "space['settle'](config)\n"
    "del marshal, border, config, space\n"
    "exec(source)\n"
)

# What a program may write at most: /tmp, and shared memory for the semaphores of multiprocessing.
SCRATCH_MB, SHARED_MB = 32, 16

# A process tree that was killed is gone within milliseconds; under heavy load it takes seconds.
_GONE_S = 30.0


class Rung(Protocol):
    """A way to confine a program."""

    name: str

    def describe(self) -> str:
        """Name the rung, its version and the layers in force, in one line."""

    def start(self, source: str, limits: Limits) -> Confined:
        """Start an interpreter that runs ``source`` confined, and return without awaiting it.

        Raises:
            OSError: If no process could be started at all. An interpreter that dies before it
                runs ``source`` is seen as the end of its replies; ``Confined.said`` tells why.
        """


class Confined:
    """One interpreter in its sandbox, to be used once and then killed.

    Attributes:
        requests: Our end of the pipe that the program reads at descriptor 3.
        replies: Our end of the pipe that it writes at descriptor 4.
        process: The process that we started; the program runs in it or below it.

    Both descriptors are closed by :meth:`kill`, and by nobody else.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        pipes: tuple[int, int, int],
        control: socket.socket,
        limits: Limits,
        end: End,
        group: cgroups.Group | None,
    ) -> None:
        self.process = process
        self.requests, self.replies, output = pipes
        self._control = control
        self._how = end
        self._ending = threading.Lock()
        self._killing = threading.Lock()
        self._ended = self._killed = False
        self._group = group
        struck = (lambda: False) if group is None else group.exceeded
        self._watched = watch.add(process.pid, output, limits, self._end, struck)

    def exceeded(self) -> str | None:
        """Name the bound for which the program, or part of it, was ended: "memory" or "output"."""
        if self._watched.exceeded is None and self._group is not None and self._group.exceeded():
            return "memory"
        return self._watched.exceeded

    @property
    def said(self) -> str:
        """What it wrote to standard output and error, up to the limit: hostile text."""
        return self._watched.said.decode("utf-8", "replace").strip()

    def kill(self) -> None:
        """End the whole process tree; when this returns it is gone, reaped, and all is closed."""
        with self._killing:
            if self._killed:
                return
            self._end()
            if not _ended_within(self.process, _GONE_S):
                self.process.kill()
            self.process.wait()
            self._watched.stop()
            if self._group is not None:
                self._group.remove()
            self._control.close()
            os.close(self.requests)
            os.close(self.replies)
            self._killed = True

    def _end(self) -> None:
        # By the watchdog's thread and by the owner's, perhaps at once.
        with self._ending, contextlib.suppress(OSError):
            if not self._ended and self.process.poll() is None:
                self._how(self.process, self._control)
            self._ended = True


def start(
    source: str,
    limits: Limits,
    config: Mapping[str, Any],
    *,
    end: End,
    identity: Identity,
    before: Callable[[int], Sequence[str]] = lambda _: (),
    passing: Sequence[int] = (),
) -> Confined:
    """Start an interpreter and hand it ``source``.

    Args:
        source: The program, as text.
        limits: Its bounds.
        config: How ``_border.settle`` is to confine the interpreter before ``source`` runs.
        end: How to have the whole tree killed, given its process and our end of a control socket.
        identity: As whom the program runs.
        before: The command line before the interpreter's, given the other end of that socket.
        passing: More descriptors that this command reads.

    Raises:
        OSError: If no process can be started.
        SyntaxError: If ``source`` is no Python.
    """
    theirs, ours = contextlib.ExitStack(), contextlib.ExitStack()
    with theirs, ours:
        requests_in, requests = os.pipe()
        theirs.callback(os.close, requests_in)
        ours.callback(os.close, requests)
        replies, replies_in = os.pipe()
        theirs.callback(os.close, replies_in)
        ours.callback(os.close, replies)
        output, output_in = os.pipe()
        theirs.callback(os.close, output_in)
        ours.callback(os.close, output)
        control, control_in = socket.socketpair()
        theirs.callback(control_in.close)
        ours.callback(control.close)
        group, entrances = cgroups.new(limits), []
        if group is not None:
            ours.callback(group.remove)
            entrances = theirs.enter_context(group.entrances())
        passed = (requests_in, replies_in, control_in.fileno(), *entrances, *passing)
        told = {
            **config,
            "pipes": passed[:2],
            "control": passed[2],
            "highest": max(passed),
            "groups": entrances,
            "limits": _rlimits(limits, identity.tasks),
            "user": identity.last,
        }
        job = theirs.enter_context(nameless_file())
        job.write(marshal.dumps((_border(), told, _compiled(source))))
        job.seek(0)
        command = [*before(passed[2]), str(interpreter()[0]), "-I", "-S", "-c", _BOOT]
        # From one thread that lives as long as we do: what "dies with its parent" on Linux dies
        # with the *thread* that started it.
        process = _starter.submit(
            subprocess.Popen,
            command,
            stdin=job,
            stdout=output_in,
            stderr=output_in,
            pass_fds=passed,
            env=ENVIRONMENT,
            cwd="/",
            # An interrupt from the keyboard is ours; we end what we started.
            start_new_session=True,
            user=identity.first,
            group=identity.first,
            extra_groups=None if identity.first is None else [],
        ).result()
        _first_to_go(process.pid)
        ours.pop_all()
    return Confined(process, (requests, replies, output), control, limits, end, group)


def tell(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    """Have the supervisor of ``_border`` kill its tree and end."""
    control.send(b".")


def _first_to_go(pid: int) -> None:
    """Have the kernel end this tree and not the user's server when the machine's memory is full."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    # Popen.wait with a timeout looks again and again, at growing intervals: 8 ms for each program.
    with contextlib.suppress(AttributeError, OSError):  # Not on macOS, nor before Linux 5.3.
        if process.poll() is None:
            ends = os.pidfd_open(process.pid)
            try:
                poll = select.poll()
                poll.register(ends, select.POLLIN)
                return bool(poll.poll(seconds * 1000))
            finally:
                os.close(ends)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    return process.returncode is not None


def nameless_file() -> BinaryIO:
    """Return a new file that only its descriptor leads to."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("job"), "w+b")
    return tempfile.TemporaryFile()


def kill_group(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    """Kill a tree that has no supervisor; who left its session is missed."""
    os.killpg(process.pid, signal.SIGKILL)


def _rlimits(limits: Limits, tasks: int) -> dict[str, int]:
    bounds = {
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": math.ceil(limits.timeout_s) + 2,
        "RLIMIT_FSIZE": limits.file_mb << 20,
        "RLIMIT_NOFILE": limits.open_files,
    }
    if sys.platform != "darwin":
        # There a program has more address space than this from the start, and starts no process.
        bounds["RLIMIT_AS"] = limits.memory_mb << 20
        bounds["RLIMIT_NPROC"] = limits.processes + tasks
    return bounds


@functools.cache
def _border() -> CodeType:
    path = Path(__file__).with_name("_border.py")
    return compile(path.read_text("utf-8"), "<border>", "exec", dont_inherit=True)


@functools.lru_cache(maxsize=8)
def _compiled(source: str) -> CodeType:
    return compile(source, "<confined>", "exec", dont_inherit=True)


def _new_starter() -> None:
    global _starter
    _starter = ThreadPoolExecutor(1, thread_name_prefix="sandbox-starter")


_starter: ThreadPoolExecutor
_new_starter()
# Threads do not survive a fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_starter)
