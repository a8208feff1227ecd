"""The seccomp filters, written by ``tools/seccomp_filter.py`` and shipped ready for the kernel."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

__all__ = ["load"]


@functools.cache
def load(name: str) -> bytes:
    """Return a filter for this machine.

    Args:
        name: "alone" behind namespaces, "beside" where other processes and files are in sight,
            "silent" where signals to them must be stopped, too.

    Raises:
        OSError: If none is shipped for this kind of processor.
    """
    machine = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    path = Path(__file__).with_name("filters") / f"{machine}-{name}.bpf"
    if not path.is_file():
        raise OSError(f"no system call filter is shipped for {machine} processors")
    return path.read_bytes()
