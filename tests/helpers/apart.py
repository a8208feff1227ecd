"""Scripts that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["bound_by_modes", "is_bound_by_modes", "run"]


def run(command: list[Any], environment: dict[str, str]) -> str:
    """Run a Python script without this session's configuration; return all that it printed."""
    root = str(Path(__file__).parents[2])
    finished = subprocess.run(
        [sys.executable, *map(str, command)],
        env=os.environ | {"PYTHONPATH": root} | environment,
        capture_output=True,
        text=True,
        timeout=500,
    )
    printed = finished.stdout + finished.stderr
    assert finished.returncode == 0, printed[-4000:]
    return printed


def bound_by_modes() -> None:
    """Let a root that is about to start a program be bound by the modes of files, as others are.

    To be given as ``preexec_fn``. What the bounding set lacks, a program that is started lacks
    (capabilities(7)); any other user is bound anyway.
    """
    if hasattr(os, "geteuid") and os.geteuid() == 0 and sys.platform == "linux":
        import ctypes

        drop_from_bounding_set = 24
        for override in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(drop_from_bounding_set, override, 0, 0, 0)


def is_bound_by_modes(folder: Path) -> bool:
    """Whether that works here; a folder in which to try it."""
    closed = folder / "closed-to-try"
    closed.mkdir(mode=0o500)
    tried = subprocess.run(
        [sys.executable, "-c", f"open({str(closed / 'x')!r}, 'w')"],
        preexec_fn=bound_by_modes,
        stderr=subprocess.DEVNULL,
    )
    closed.chmod(0o700)
    return tried.returncode != 0
