"""What is left of a session of processes once its leader is gone."""

from __future__ import annotations

import time
from pathlib import Path

__all__ = ["leftovers"]


def leftovers(leader: int, within_s: float = 30.0) -> list[str]:
    """The command lines of a session's processes that are still there after some seconds.

    Args:
        leader: The process id of the session's leader, which has ended.
        within_s: How long they may take to be gone.
    """
    limit = time.monotonic() + within_s
    while (left := _members(leader)) and time.monotonic() < limit:
        time.sleep(0.1)
    return left


def _members(leader: int) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(command)
    return found
