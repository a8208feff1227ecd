"""Tries a rung on programs that would break out: what is installed says little of what holds."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.sandbox import base, watch
from pytest_gptoss.sandbox.limits import Limits
from pytest_gptoss.sandbox.view import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["weakness"]

_SECRET = b"secret"
_LIMITS = Limits(timeout_s=20, processes=6)
# Where the limit on processes is one on all that this user runs, some of those may just have ended.
_STRAY = 64
# Set by the interpreter, the shell of a helper, or macOS; they tell nothing.
_HARMLESS = {"PWD", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"}


def weakness(rung: base.Rung) -> str | None:
    """Return what a confined program was let do, or why none runs; None if the rung holds."""
    with contextlib.ExitStack() as stack:
        # A process of ours beside the sandbox.
        victim = subprocess.Popen(
            [str(interpreter()[0]), "-I", "-S", "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
        )
        stack.callback(victim.communicate)
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        secret = stack.enter_context(_file_at_home())
        written = stack.enter_context(_open_folder()) / "written"
        told = _run(
            rung,
            {
                "secrets": [secret, __file__, f"/proc/{os.getpid()}/environ"],
                "outside": [str(written), secret],
                "port": server.getsockname()[1],
                "victim": victim.pid,
                "processes": _LIMITS.processes + _STRAY,
            },
        )
        if isinstance(told, str):
            return told
        # As seen from here: in there the same paths may lead to a scratch.
        told["signalled"] |= victim.poll() is not None
        told["written"] = written.exists() or Path(secret).read_bytes() != _SECRET
        return _worst(told)


def _worst(told: dict[str, Any]) -> str | None:
    if told["read"]:
        return f"a program in it could read {told['read'][0]}"
    if told["written"]:
        return "a program in it could write files of this user"
    if told["kernel"]:
        return "a program in it could open /proc/sys for writing"
    if told["connected"]:
        return "a program in it could connect to 127.0.0.1"
    if told["traced"] or told["signalled"]:
        return "a program in it could reach another process of this user"
    if strange := sorted({*told["variables"]} - {*base.ENVIRONMENT} - _HARMLESS):
        return f"a program in it could read the environment variable {strange[0]}"
    if told["user"] == 0:
        return "a program in it was root"
    if told["open"] != [0, 1, 2, 3, 4]:
        return f"a program in it held descriptors that are not its own: {told['open']}"
    if told["processes"] > _LIMITS.processes + _STRAY:
        return "a program in it could start processes without end"
    if not told["seen"]:
        return "this kernel does not list a process's children, so that none could be watched"
    return None


def _run(rung: base.Rung, there: dict[str, Any]) -> dict[str, Any] | str:
    """Return what the attempts told, or why they did not."""
    try:
        confined = rung.start(_attempts(), _LIMITS)
    except OSError as error:
        return str(error)
    told, seen = b"", False
    try:
        os.write(confined.requests, json.dumps(there).encode())
        poll = select.poll()
        poll.register(confined.replies, select.POLLIN)
        while not told.endswith(b"\n") and poll.poll(_LIMITS.timeout_s * 1000):
            part = os.read(confined.replies, 1 << 16)
            if not part:
                break
            told += part
        seen = sys.platform != "linux" or bool(watch.descendants(confined.process.pid))
    except BrokenPipeError:
        pass
    finally:
        confined.kill()
    try:
        return {**json.loads(told), "seen": seen}
    except ValueError:
        # The last line is the error itself, or what bubblewrap said.
        said = confined.said.splitlines() or ["the interpreter ended without a word"]
        reason = re.sub(r"^(bwrap|\w+Error): (\[Errno \d+\] )?", "", said[-1])
        return re.split(r", likely |\. ", reason)[0]


@functools.cache
def _attempts() -> str:
    return Path(__file__).with_name("_attempts.py").read_text("utf-8")


@contextlib.contextmanager
def _open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sandbox-") as name:
        # Nothing but the sandbox is to stand in the way.
        Path(name).chmod(0o777)
        yield Path(name)


@contextlib.contextmanager
def _file_at_home() -> Iterator[str]:
    """Yield a file that holds a secret in the home folder, or where there is none we may write."""
    for folder in (Path.home(), Path.cwd(), Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            descriptor, name = tempfile.mkstemp(prefix=".sandbox-", dir=folder)
            break
    else:
        raise OSError("no folder here can be written")
    try:
        os.write(descriptor, _SECRET)
        os.close(descriptor)
        yield name
    finally:
        Path(name).unlink()
