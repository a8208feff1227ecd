"""What a rung must withstand before it is trusted.

This text runs confined. It is told at descriptor 3 where to try, and tells at descriptor 4 what it
was let do.
"""

import json
import os
import socket
import sys
from collections.abc import Callable

there = json.loads(os.read(3, 65536))


def read(path: str) -> bool:
    with open(path, "rb") as file:
        return bool(file.read(1))


def write(path: str) -> bool:
    with open(path, "wb") as file:
        file.write(b"written")
    return True


def control_the_kernel() -> bool:
    # Opened and left as it is.
    os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    return True


def connect(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def trace(process: int) -> bool:
    import ctypes

    seize = 0x4206
    return bool(ctypes.CDLL(None).ptrace(seize, process, None, None) == 0)


def signal(process: int) -> bool:
    os.kill(process, 9)
    return True


def fork_up_to(most: int) -> int:
    """Return how many processes there are at one time, this one included."""
    held, hold = os.pipe()
    count = 1
    try:
        while count <= most:
            if os.fork() == 0:
                os.close(hold)
                os.read(held, 1)
                os._exit(0)
            count += 1
    except OSError:
        pass
    os.close(hold)
    return count


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def let(attempt: Callable[..., bool], *arguments: object) -> bool:
    try:
        return attempt(*arguments)
    except Exception:
        return False


told = {
    "read": [path for path in there["secrets"] if let(read, path)],
    "written": [path for path in there["outside"] if let(write, path)],
    "kernel": let(control_the_kernel),
    "connected": let(connect, there["port"]),
    "traced": sys.platform == "linux" and let(trace, there["victim"]),
    "signalled": let(signal, there["victim"]),
    "variables": sorted(os.environ),
    "user": os.getuid(),
    "open": [descriptor for descriptor in range(1024) if is_open(descriptor)],
    "processes": fork_up_to(there["processes"]),
}
os.write(4, json.dumps(told).encode() + b"\n")
os.read(3, 1)
