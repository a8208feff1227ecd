"""A scripted driver of NVIDIA GPUs: the functions of `pynvml` that are called, with its errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml

MIB = 2**20


@dataclass
class Gpu:
    """What one GPU says now; a test changes it between two looks.

    `errors` gives, by function, the error code that it raises.
    """

    index: int = 0
    model: str = "NVIDIA H100 80GB HBM3"
    millijoules: int = 5_000_000
    computing: dict[int, int | None] = field(default_factory=dict)
    drawing: dict[int, int | None] = field(default_factory=dict)
    used: int = 500 * MIB
    utilisation: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    instances: list[Gpu] = field(default_factory=list)
    prefix: str = "GPU"

    @property
    def uuid(self) -> str:
        return f"{self.prefix}-{self.index:08d}-aaaa"

    def lose(self) -> None:
        """Fall off the bus: every question fails from now on."""
        self.errors = dict.fromkeys(
            (
                "nvmlDeviceGetTotalEnergyConsumption",
                "nvmlDeviceGetComputeRunningProcesses",
                "nvmlDeviceGetMemoryInfo",
                "nvmlDeviceGetUtilizationRates",
            ),
            pynvml.NVML_ERROR_GPU_IS_LOST,
        )


class ScriptedNvml:
    """The library.

    Args:
        gpus: What there is.
        refusal: The error code with which it refuses to start.
    """

    NVMLError = pynvml.NVMLError
    NVML_DEVICE_MIG_ENABLE = pynvml.NVML_DEVICE_MIG_ENABLE
    NVML_ERROR_GPU_IS_LOST = pynvml.NVML_ERROR_GPU_IS_LOST
    NVML_ERROR_RESET_REQUIRED = pynvml.NVML_ERROR_RESET_REQUIRED

    def __init__(self, *gpus: Gpu, refusal: int | None = None) -> None:
        self.gpus = gpus
        self.refusal = refusal
        self.open = 0

    def nvmlInit(self) -> None:
        if self.refusal is not None:
            raise pynvml.NVMLError(self.refusal)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:
        return self.gpus[index]

    def nvmlDeviceGetName(self, gpu: Gpu) -> str:
        return gpu.model

    def nvmlDeviceGetUUID(self, gpu: Gpu) -> str:
        return gpu.uuid

    def nvmlDeviceGetMigMode(self, gpu: Gpu) -> tuple[int, int]:
        self._maybe_fail(gpu, "nvmlDeviceGetMigMode")
        mode = pynvml.NVML_DEVICE_MIG_ENABLE if gpu.instances else pynvml.NVML_DEVICE_MIG_DISABLE
        return mode, mode

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: Gpu) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: Gpu, place: int) -> Gpu:
        if place >= len(gpu.instances):
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
        return gpu.instances[place]

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: Gpu) -> int:
        self._maybe_fail(gpu, "nvmlDeviceGetTotalEnergyConsumption")
        return gpu.millijoules

    def nvmlDeviceGetComputeRunningProcesses(self, gpu: Gpu) -> list[Any]:
        self._maybe_fail(gpu, "nvmlDeviceGetComputeRunningProcesses")
        return _processes(gpu.computing)

    def nvmlDeviceGetGraphicsRunningProcesses(self, gpu: Gpu) -> list[Any]:
        self._maybe_fail(gpu, "nvmlDeviceGetGraphicsRunningProcesses")
        return _processes(gpu.drawing)

    def nvmlDeviceGetMemoryInfo(self, gpu: Gpu) -> Any:
        self._maybe_fail(gpu, "nvmlDeviceGetMemoryInfo")
        return SimpleNamespace(used=gpu.used)

    def nvmlDeviceGetUtilizationRates(self, gpu: Gpu) -> Any:
        self._maybe_fail(gpu, "nvmlDeviceGetUtilizationRates")
        return SimpleNamespace(gpu=gpu.utilisation)

    @staticmethod
    def _maybe_fail(gpu: Gpu, function: str) -> None:
        if function in gpu.errors:
            raise pynvml.NVMLError(gpu.errors[function])


def _processes(held: dict[int, int | None]) -> list[Any]:
    return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in held.items()]
