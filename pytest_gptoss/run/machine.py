"""What a measurement ran on, in values that are equal on equal machines."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OthersAtWork", "hardware"]


def hardware(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The machine: its CPU, how many of them may be used, and the GPUs in use.

    Args:
        figures: Those of a window, which name the GPUs that the model ran on.
    """
    return {
        "cpu": _cpu(),
        "cpus": _usable_cpus(),
        "machine": platform.machine(),
        "system": platform.system(),
        "gpus": [gpu["model"] for gpu in figures["gpus"]],
    }


class OthersAtWork:
    """How busy other processes keep the CPUs that this one may use, from when it is made."""

    def __init__(self) -> None:
        self._began = self._now()

    def cpus(self) -> float:
        """How many CPUs they kept busy on average since then; stolen time is theirs too."""
        now = self._now()
        seconds, busy, ours = (b - a for a, b in zip(self._began, now, strict=True))
        return max(0.0, busy - ours) / seconds if seconds > 0 else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """The time, the busy time of the usable CPUs, and that of this process and its children."""
        import psutil

        this = psutil.Process()
        ours = 0.0
        for process in (this, *this.children(recursive=True)):
            try:
                times = process.cpu_times()
            except psutil.Error:  # it has just ended; its parent has its time
                continue
            ours += times.user + times.system
            ours += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        usable = _usable()
        busy = sum(
            sum(cpu)
            - sum(getattr(cpu, name, 0.0) for name in ("idle", "iowait", "guest", "guest_nice"))
            for number, cpu in enumerate(psutil.cpu_times(percpu=True))
            if usable is None or number in usable
        )
        return time.perf_counter(), busy, ours


def _usable() -> set[int] | None:
    """The CPUs that this process may use; ``None`` where the system does not restrict it."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None


def _usable_cpus() -> int | None:
    usable = _usable()
    return os.cpu_count() if usable is None else len(usable)


def _cpu() -> str | None:
    """What the CPU calls itself; ``None`` where the system does not say."""
    try:
        if platform.system() == "Darwin":
            command = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model"):
                return value.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return platform.processor() or None
