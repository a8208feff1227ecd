"""What a model needs of a machine, and what this machine has."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from pytest_gptoss.models.spec import GIB, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["gpu_memory", "missing"]


def missing(spec: ModelSpec, *, gpu_memory: Sequence[int]) -> str | None:
    """Say what a machine lacks for a model, or ``None`` where nothing is known to be lacking.

    The memory of all GPUs counts together, as tensor parallelism spreads the weights over them.

    Args:
        spec: The model.
        gpu_memory: Bytes of memory of each GPU.
    """
    need = spec.min_gpu_memory_bytes
    have = sum(gpu_memory)
    if need is None or have >= need:
        return None
    if not gpu_memory:
        there = "none"
    elif len(gpu_memory) == 1:
        there = _gib(have)
    else:
        there = f"{_gib(have)} on {len(gpu_memory)} GPUs"
    return f"{spec.name} needs about {_gib(need)} of GPU memory; this machine has {there}"


def _gib(size: int) -> str:
    return f"{size / GIB:.0f} GiB"


def gpu_memory() -> list[int]:
    """Bytes of memory of each NVIDIA GPU; empty where there is none or none can be asked.

    Asked of the driver directly, as importing torch for it would take seconds. Never raises.
    """
    try:
        import pynvml
    except ImportError:
        return _by_nvidia_smi()
    try:
        pynvml.nvmlInit()
    except Exception:  # no driver, no device, no permission: pynvml has an error class for each
        return _by_nvidia_smi()
    try:
        return [
            int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(i)).total)
            for i in range(pynvml.nvmlDeviceGetCount())
        ]
    except Exception:  # a device that reports no memory of its own (unified memory), a lost device
        return _by_nvidia_smi()
    finally:
        pynvml.nvmlShutdown()


def _by_nvidia_smi() -> list[int]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    try:
        answer = subprocess.run(
            [program, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_nvidia_smi(answer)


def parse_nvidia_smi(answer: str) -> list[int]:
    """Read the MiB figures that nvidia-smi prints, one GPU a line; ``[N/A]`` counts nothing."""
    lines = (line.strip() for line in answer.splitlines())
    return [int(line) * 2**20 for line in lines if line.isdecimal()]
