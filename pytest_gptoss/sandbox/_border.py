"""What an interpreter does to itself before it runs a program that is not trusted.

This file is not imported by the package: its text runs in the new process, which has nothing but
the standard library.
"""

from __future__ import annotations

import os
import resource
from typing import Any


def settle(config: dict[str, Any]) -> None:
    """Confine this process as told; on return it may run the program."""
    _wire(*config["pipes"])
    for name, value in config["limits"].items():
        if hasattr(resource, name):
            resource.setrlimit(getattr(resource, name), (value, value))


def _wire(requests: int, replies: int) -> None:
    """Leave nothing open but null, the output, and the pipes as descriptors 3 and 4."""
    # First out of each other's way, then into place.
    requests, replies = os.dup(requests), os.dup(replies)
    while min(requests, replies) < 5:
        requests, replies = os.dup(requests), os.dup(replies)
    os.dup2(requests, 3)
    os.dup2(replies, 4)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.closerange(5, os.sysconf("SC_OPEN_MAX"))
