"""A window of a meter: what happened between two moments."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.telemetry.figures import Figures, UnknownError, known
from pytest_gptoss.engines.telemetry.host import name_of
from pytest_gptoss.engines.telemetry.requests import Requests

if TYPE_CHECKING:
    from pytest_gptoss.engines.telemetry.meter import Meter, Sample
    from pytest_gptoss.engines.telemetry.readings import Placement, Reading
    from pytest_gptoss.records import Completion

__all__ = ["Window"]

_NEVER_OPEN = "nothing was measured"
_UNLISTED = (
    "the driver lists none of this session's processes, as in a container with process ids of its "
    "own"
)


class Window:
    """What happens between `start` and `stop`, made by `Meter.window`.

    Counters are read at both ends, so that energy is a difference of two readings; peaks of memory
    are the largest of the looks between them. Requests are told to it by `begin` and `end`.
    """

    def __init__(
        self, meter: Meter, name: str, placement: Placement, parent: Window | None
    ) -> None:
        self.name = name
        self.placement = placement
        self.requests: Requests = Requests(parent.requests if parent is not None else None)
        self.load_s: float | None = None
        """Seconds that loading the model took, where it was loaded for this window."""
        self.shared_with: list[str] = []
        """Windows whose requests ran among these, so that energy cannot be told apart."""
        self._meter = meter
        self._first: Sample | None = None
        self._last: Sample | None = None
        self._peak_rss: int | None = None
        self._peak_gpus: int | None = None
        self._peaks: dict[str, int] = {}
        self._peaks_used: dict[str, int] = {}
        self._strangers: dict[tuple[str, int], int] = {}

    # --- while it is open --------------------------------------------------------------------

    def start(self) -> None:
        """Open it, once."""
        if self._first is None:
            self._first = self._meter.open_window(self)

    def mark(self) -> None:
        """Read the counters: it ends here, unless more happens and it is marked again."""
        if self._first is not None:
            self._last = self._meter.sample()

    def stop(self) -> None:
        """Read the counters and close it."""
        self.mark()
        self.close()

    def close(self) -> None:
        """Close it where it was marked last."""
        self._meter.close_window(self)

    @property
    def marked(self) -> bool:
        """Whether the counters were read since its last request ended."""
        ended = self.requests.ended
        return self._last is not None and (ended is None or self._last.at >= ended)

    def begin(self) -> float:
        """Count a request that is being made; returns when."""
        now = self._meter.clock()
        self.requests.begin(now)
        return now

    def end(self, began: float, completion: Completion | None) -> None:
        """Count what came of a request; ``None`` for one without an answer."""
        self.requests.end(began, self._meter.clock(), completion)

    def note(self, sample: Sample) -> None:
        """Take over what the meter sees; called by it."""
        if self.marked and not self.requests.in_flight:
            return  # it may have ended, and what comes now is not of it
        if sample.rss_bytes is not None:
            self._peak_rss = max(self._peak_rss or 0, sample.rss_bytes)
        total, listed = 0, False
        for reading in sample.readings:
            if reading.used_bytes is not None:
                used = max(self._peaks_used.get(reading.device, 0), reading.used_bytes)
                self._peaks_used[reading.device] = used
            ours = [size for pid, size in reading.memory.items() if pid in sample.ours]
            for pid, size in reading.memory.items():
                if pid not in sample.ours:
                    key = reading.device, pid
                    self._strangers[key] = max(self._strangers.get(key, 0), size)
            if ours:
                listed = True
                total += sum(ours)
                peak = max(self._peaks.get(reading.device, 0), sum(ours))
                self._peaks[reading.device] = peak
        if listed:
            self._peak_gpus = max(self._peak_gpus or 0, total)

    # --- when it is closed -------------------------------------------------------------------

    @property
    def wall_s(self) -> float | None:
        """Seconds between the two readings."""
        if self._first is None or self._last is None:
            return None
        return self._last.at - self._first.at

    def figures(self, *, correct: int | None = None) -> dict[str, Any]:
        """Everything that is known, as JSON values; ``unknown`` gives the reason of each null.

        Args:
            correct: Number of answers that were right, for the energy of one.
        """
        figures = Figures()
        here = self.placement.elsewhere is None
        on = "gpus" if self.placement.gpus else "cpu"
        figures.values |= {
            "window_s": self.wall_s,
            "shared_with": list(self.shared_with),
            "runs_on": on if here else None,
        }
        if self.placement.generates:
            self.requests.tell(figures)
        else:
            self.requests.tell_nothing(figures, self.placement.elsewhere or "nothing is generated")
        figures.put("load_s", self._loading)
        figures.put("peak_memory_bytes", self._memory)
        figures.put("peak_host_memory_bytes", self._host_memory)
        figures.put("peak_gpu_memory_bytes", self._gpu_memory)
        figures.put("energy_j", self._energy)
        for name, number in (
            ("response", self.requests.answered),
            ("output_token", self.requests.output_tokens),
            ("correct", correct),
        ):
            figures.put(f"energy_per_{name}_j", partial(self._energy_per, number))
        figures.put("energy_above_idle_j", self._energy_above_idle)
        figures.put("other_processes", self._others)
        figures.put("gpus", self._each_gpu)
        return {**figures.values, "unknown": figures.unknown}

    def _loading(self) -> float:
        if self.placement.elsewhere is not None:
            raise UnknownError(self.placement.elsewhere)
        return known(self.load_s, "the model was not loaded within this window")

    def _memory(self) -> int:
        """What people mean by the memory of a model: that of the devices it runs on."""
        if self.placement.elsewhere is not None:
            raise UnknownError(self.placement.elsewhere)
        return self._gpu_memory() if self.placement.gpus else self._host_memory()

    def _host_memory(self) -> int:
        if self._first is not None and self._first.rss_bytes is None:
            raise UnknownError("this system does not show the processes that a process has started")
        return known(self._peak_rss, _NEVER_OPEN)

    def _gpu_memory(self) -> int:
        for reading in self._gpus_in_use():
            if reading.no_memory is not None:
                raise UnknownError(reading.no_memory)
        if self._peak_gpus is None:
            raise UnknownError(_UNLISTED)
        return self._peak_gpus

    def _gpus_in_use(self) -> list[Reading]:
        """The GPUs that the model runs on, as they were last read."""
        wanted = self.placement.gpus
        if self.placement.elsewhere is not None:
            raise UnknownError(self.placement.elsewhere)
        if not wanted:
            raise UnknownError("the model does not run on an NVIDIA GPU")
        if "gpu" in self._meter.unavailable:
            raise UnknownError(self._meter.unavailable["gpu"])
        if self._last is None:
            raise UnknownError(_NEVER_OPEN)
        gpus = [reading for reading in self._last.readings if reading.kind == "gpu"]
        if self._peaks:
            found = [reading for reading in gpus if reading.device in self._peaks]
            if len(found) < wanted:
                raise UnknownError(
                    f"the model runs on {wanted} GPUs, and this session's processes are found on "
                    f"{len(found)} of this machine's only"
                )
            return found
        visible = [reading for reading in gpus if reading.visible]
        if len(visible) != wanted:
            raise UnknownError(
                f"{_UNLISTED}, so which {wanted} of {len(visible)} GPUs they use is not known; "
                "name those in CUDA_VISIBLE_DEVICES"
            )
        return visible

    def _each_gpu(self) -> list[dict[str, Any]]:
        if not self.placement.gpus or self.placement.elsewhere is not None:
            return []
        each = []
        for reading in self._gpus_in_use():
            gpu = Figures()
            device, unlisted = reading.device, reading.no_memory or _UNLISTED
            gpu.values |= {"device": device, "model": reading.model}
            gpu.put("peak_memory_bytes", partial(known, self._peaks.get(device), unlisted))
            gpu.put("peak_memory_in_use_bytes", partial(known, self._peaks_used.get(device), ""))
            gpu.put("energy_j", partial(self._energy_of, reading))
            each.append(gpu.values)
        return each

    def _others(self) -> list[dict[str, Any]]:
        """Processes of others on the same GPUs, which draw power and hold memory there too."""
        if not self.placement.gpus or self.placement.elsewhere is not None:
            return []
        self._gpu_memory()  # else who is a stranger is not known either
        return [
            {"device": device, "pid": pid, "name": name_of(pid), "memory_bytes": size}
            for (device, pid), size in self._strangers.items()
            if device in self._peaks
        ]

    def _devices(self) -> list[Reading]:
        """What the model draws its power from, as it was last read."""
        if self.placement.elsewhere is not None:
            raise UnknownError(self.placement.elsewhere)
        if self.placement.gpus:
            return self._gpus_in_use()
        if "cpu" in self._meter.unavailable:
            raise UnknownError(self._meter.unavailable["cpu"])
        if self._last is None:
            raise UnknownError(_NEVER_OPEN)
        return [reading for reading in self._last.readings if reading.kind == "cpu"]

    def _energy(self) -> float:
        return sum(self._energy_of(device) for device in self._devices())

    def _energy_of(self, last: Reading) -> float:
        """Energy of one device within the window."""
        if self.shared_with:
            raise UnknownError(
                f"its requests ran among those of {', '.join(self.shared_with)}, and no counter "
                "tells them apart"
            )
        readings = self._first.readings if self._first is not None else ()
        first = next((reading for reading in readings if reading.device == last.device), None)
        if first is None:
            raise UnknownError(f"{last.device} was not there when the window was opened")
        return known(last.energy_j, last.no_energy) - known(first.energy_j, first.no_energy)

    def _energy_per(self, number: float | None) -> float:
        energy_j = self._energy()
        if not number:
            raise UnknownError("there is none, or their number is not known")
        return energy_j / number

    def _energy_above_idle(self) -> float:
        if not self.placement.gpus and self.placement.elsewhere is None:
            self._energy()
            raise UnknownError("a CPU is not idle while a session prepares itself")
        wall_s = self.wall_s or 0.0
        return sum(
            self._energy_of(device) - self._meter.idle_w(device.device) * wall_s
            for device in self._devices()
        )
