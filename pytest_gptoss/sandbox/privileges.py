"""Who we are on this machine, and as whom a program is to run."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import time
from pathlib import Path
from typing import NamedTuple

from pytest_gptoss.sandbox.view import interpreter

__all__ = ["Identity", "identity", "is_root", "may_mount", "only_root_reads"]

_CAP_SYS_ADMIN = 21
_counter = itertools.count()


class Identity(NamedTuple):
    """As whom a program runs.

    Attributes:
        first: The user to become before anything else, or None to begin as we are.
        last: The user to become when all else is done, or None to stay.
        tasks: The processes that this user has already: a limit on them counts these, too.
    """

    first: int | None
    last: int | None
    tasks: int


def is_root() -> bool:
    """Return whether we are root, so that a program must become somebody else."""
    return os.geteuid() == 0


def may_mount() -> bool:
    """Return whether we may make namespaces without a user namespace, as root mostly may."""
    if not (is_root() and sys.platform == "linux"):
        return False
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return bool(effective >> _CAP_SYS_ADMIN & 1)


def identity(*, namespaces: bool) -> Identity:
    """Return as whom the next program runs.

    Args:
        namespaces: Whether it gets namespaces, and thus a user namespace unless we
            :func:`may_mount`.

    Raises:
        OSError: If the program would have to be somebody who cannot read the interpreter.
    """
    if not is_root():
        # Since Linux 5.14 the limit on processes counts within a user namespace.
        apart = namespaces and _kernel() >= (5, 14)
        return Identity(None, None, 0 if apart else _tasks_of_user(int(time.monotonic())))
    if namespaces and not may_mount():
        # In a user namespace root would stay root on the machine.
        if only_root_reads():
            raise OSError(f"root may not mount here, and only root may read {interpreter()[0]}")
        return Identity(_stranger(), None, 0)
    return Identity(None, _stranger(), 0)


def _stranger() -> int:
    # A user that owns nothing, a different one for each program at the same time: between 60000 and
    # 65000, which no distribution gives to people, and which containers of 65536 users have, too.
    return 60000 + (os.getpid() * 61 + next(_counter)) % 5000


def _kernel() -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))


def only_root_reads() -> bool:
    """Return whether a stranger could not reach the interpreter, as below a closed /root."""
    program, prefix = interpreter()
    return any(
        not path.stat().st_mode & 0o001
        for place in (program, prefix / "lib")
        for path in (place, *place.parents)
    )


@functools.lru_cache(maxsize=1)
def _tasks_of_user(_second: int) -> int:
    user, tasks = os.getuid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == user:
                tasks += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # It has just ended.
    return tasks
