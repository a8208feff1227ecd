"""Scripts that run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["run"]


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
