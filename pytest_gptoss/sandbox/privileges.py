"""Who we are on this machine, and as whom a program is to run."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path

from pytest_gptoss.sandbox.view import interpreter

__all__ = ["identity", "is_root", "may_mount", "only_root_reads"]

_CAP_SYS_ADMIN = 21
_counter = itertools.count()


def is_root() -> bool:
    """Return whether we are root, so that a program must become somebody else."""
    return os.geteuid() == 0


def may_mount() -> bool:
    """Return whether we may make namespaces without a user namespace of our own."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.split("CapEff:")[1].split()[0], 16)
    return bool(effective >> _CAP_SYS_ADMIN & 1)


def identity(*, own_namespace: bool) -> dict[str, int | None]:
    """Say to ``_border.settle`` who is to run a program, and how many tasks they have already.

    Args:
        own_namespace: Whether it runs in a user namespace of its own if we are no root.
    """
    if is_root():
        return {"user": _stranger(), "tasks": 0}
    # Since Linux 5.14 the limit on processes counts within a user namespace.
    apart = own_namespace and _kernel() >= (5, 14)
    return {"user": None, "tasks": 0 if apart else _tasks_of_user()}


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


def _tasks_of_user() -> int:
    user, tasks = os.getuid(), 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == user:
                tasks += sum(1 for _ in (process / "task").iterdir())
        except OSError:
            continue  # It has just ended.
    return tasks
