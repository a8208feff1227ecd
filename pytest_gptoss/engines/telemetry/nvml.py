"""Energy and memory of NVIDIA GPUs, by their driver's own library (NVML)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pytest_gptoss.engines.telemetry.readings import Counter, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Nvml", "visible"]

_MILLI = 1e-3


@dataclass(slots=True)
class _Gpu:
    index: int
    handle: Any
    model: str
    visible: bool
    counter: Counter
    instances: list[Any] = field(default_factory=list)
    no_energy: str | None = None
    no_memory: str | None = None
    lost: str | None = None

    @property
    def name(self) -> str:
        return f"gpu {self.index}"


class Nvml:
    """Reads every GPU of this machine.

    Args:
        library: The module `pynvml`, of the package nvidia-ml-py.
    """

    kind: Literal["gpu", "cpu"] = "gpu"

    def __init__(self, library: Any = None) -> None:
        self._library = library
        self._gpus: list[_Gpu] = []
        self._open = False

    def open(self) -> str | None:
        """Start the library and find the GPUs; returns why there are none."""
        if self._library is None:
            try:
                import pynvml
            except ImportError:
                return (
                    "nvidia-ml-py, which reads the counters of NVIDIA GPUs, is not installed; "
                    "run: pip install 'pytest-gptoss[energy]'"
                )
            self._library = pynvml
        nvml = self._library
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            return f"the driver of NVIDIA GPUs cannot be asked ({error})"
        self._open = True
        try:
            handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
            self._gpus = [self._describe(index, handle) for index, handle in enumerate(handles)]
        except nvml.NVMLError as error:
            return f"the driver of NVIDIA GPUs cannot be asked ({error})"
        return None if self._gpus else "this machine has no NVIDIA GPU"

    def _describe(self, index: int, handle: Any) -> _Gpu:
        nvml = self._library
        instances = self._instances(handle)
        uuids = [nvml.nvmlDeviceGetUUID(one) for one in (handle, *instances)]
        gpu = _Gpu(
            index,
            handle,
            nvml.nvmlDeviceGetName(handle),
            visible(index, uuids, os.environ.get("CUDA_VISIBLE_DEVICES")),
            Counter(f"gpu {index}"),
            instances,
        )
        if gpu.instances:
            gpu.no_energy = (
                f"{gpu.name} is divided into instances (MIG), and its energy counter counts all of "
                "them together"
            )
        return gpu

    def _instances(self, handle: Any) -> list[Any]:
        """The instances of a GPU that is divided; older GPUs have no such mode."""
        nvml = self._library
        try:
            if nvml.nvmlDeviceGetMigMode(handle)[0] != nvml.NVML_DEVICE_MIG_ENABLE:
                return []
            most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
        except nvml.NVMLError:
            return []
        found = []
        for place in range(most):
            try:
                found.append(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, place))
            except nvml.NVMLError:  # no instance at this place
                continue
        return found

    def read(self, now: float) -> Sequence[Reading]:
        """Read every GPU; one that is lost says so from then on."""
        return [self._read(gpu, now) for gpu in self._gpus]

    def _read(self, gpu: _Gpu, now: float) -> Reading:
        energy_j, memory, used, busy = self._energy(gpu, now), self._memory(gpu), None, None
        if gpu.lost is None:
            used = self._ask(gpu, lambda nvml: int(nvml.nvmlDeviceGetMemoryInfo(gpu.handle).used))
            busy = self._ask(gpu, lambda nvml: nvml.nvmlDeviceGetUtilizationRates(gpu.handle).gpu)
        return Reading(
            gpu.name,
            "gpu",
            model=gpu.model,
            visible=gpu.visible,
            energy_j=energy_j,
            no_energy=gpu.lost or gpu.no_energy,
            memory=memory,
            no_memory=gpu.lost or gpu.no_memory,
            used_bytes=used,
            busy=None if busy is None else busy > 0,
        )

    def _energy(self, gpu: _Gpu, now: float) -> float | None:
        if gpu.lost or gpu.no_energy:
            return None
        nvml = self._library
        try:
            millijoules = nvml.nvmlDeviceGetTotalEnergyConsumption(gpu.handle)
        except nvml.NVMLError as error:
            if not self._lose(gpu, error):
                gpu.no_energy = f"{gpu.name} ({gpu.model}) shows no energy counter ({error})"
            return None
        gpu.counter.read(_MILLI * millijoules, now)
        gpu.no_energy = gpu.counter.broken
        return None if gpu.no_energy else gpu.counter.total_j

    def _memory(self, gpu: _Gpu) -> Mapping[int, int]:
        """What each process holds; a process that computes and draws is listed twice."""
        if gpu.lost or gpu.no_memory:
            return {}
        nvml = self._library
        held: dict[int, int] = {}
        try:
            for handle in gpu.instances or [gpu.handle]:
                here: dict[int, int] = {}
                for process in (
                    *nvml.nvmlDeviceGetComputeRunningProcesses(handle),
                    *nvml.nvmlDeviceGetGraphicsRunningProcesses(handle),
                ):
                    if process.usedGpuMemory is None:
                        gpu.no_memory = (
                            f"the driver does not say how much memory of {gpu.name} a process holds"
                        )
                        return {}
                    here[process.pid] = max(here.get(process.pid, 0), int(process.usedGpuMemory))
                for pid, size in here.items():
                    held[pid] = held.get(pid, 0) + size
        except nvml.NVMLError as error:
            if not self._lose(gpu, error):
                gpu.no_memory = f"the processes on {gpu.name} cannot be listed ({error})"
            return {}
        return held

    def _ask(self, gpu: _Gpu, question: Callable[[Any], int]) -> int | None:
        try:
            return question(self._library)
        except self._library.NVMLError:  # what a kind of device does not have
            return None

    def _lose(self, gpu: _Gpu, error: Any) -> bool:
        nvml = self._library
        if error.value in (nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED):
            gpu.lost = f"{gpu.name} was lost while it was being measured ({error})"
            return True
        return False

    def close(self) -> None:
        """Stop the library."""
        if self._open:
            self._open = False
            self._gpus = []
            try:
                self._library.nvmlShutdown()
            except self._library.NVMLError:  # the driver is gone already
                return


def visible(index: int, uuids: Sequence[str], devices: str | None) -> bool:
    """Whether CUDA shows a GPU to the processes started here.

    Args:
        index: Its number.
        uuids: Its unique id, ``GPU-...``, and those of its instances, ``MIG-...``.
        devices: ``CUDA_VISIBLE_DEVICES``.
    """
    if devices is None:
        return True
    for name in (part.strip() for part in devices.split(",")):
        if name.isdecimal():
            if int(name) == index:
                return True
        elif not name.startswith(("GPU-", "MIG-")):
            return False  # CUDA stops at the first name that it cannot read
        elif any(uuid.startswith(name) for uuid in uuids):
            return True
    return False
