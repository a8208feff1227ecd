"""A window of a meter: what happened between two moments."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.telemetry.host import name_of
from pytest_gptoss.engines.telemetry.requests import Requests

if TYPE_CHECKING:
    from pytest_gptoss.engines.telemetry.meter import Meter, Sample
    from pytest_gptoss.engines.telemetry.readings import Placement, Reading
    from pytest_gptoss.records import Completion

__all__ = ["Window"]

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
        now = time.perf_counter()
        self.requests.begin(now)
        return now

    def end(self, began: float, completion: Completion | None) -> None:
        """Count what came of a request; ``None`` for one without an answer."""
        self.requests.end(began, time.perf_counter(), completion)

    def note(self, sample: Sample) -> None:
        """Take over what the meter sees; called by it."""
        if self.marked and not self.requests.in_flight:
            return  # it may have ended, and what comes now is not of it
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
        on = "gpus" if self.placement.gpus else "cpu"
        figures: dict[str, Any] = {
            "window_s": self.wall_s,
            "shared_with": list(self.shared_with),
            "runs_on": on if self.placement.elsewhere is None else None,
        }
        requests, unknown = self.requests.figures()
        if not self.placement.generates:
            why = self.placement.elsewhere or "nothing is generated"
            requests = dict.fromkeys(requests) | {"requests": requests["requests"]}
            unknown = {name: why for name, value in requests.items() if value is None}
        figures |= requests
        figures["load_s"] = self.load_s
        if self.load_s is None:
            unknown["load_s"] = "the model was not loaded within this window"
        self._memory(figures, unknown)
        self._energy(figures, unknown, correct)
        figures["unknown"] = unknown
        return figures

    def _memory(self, figures: dict[str, Any], unknown: dict[str, str]) -> None:
        figures["peak_host_memory_bytes"] = self._peak_rss
        if self._peak_rss is None:
            unknown["peak_host_memory_bytes"] = "the window was never open"
        figures["peak_gpu_memory_bytes"] = None
        why = self._no_gpu_memory()
        if why is None:
            figures["peak_gpu_memory_bytes"] = self._peak_gpus
        else:
            unknown["peak_gpu_memory_bytes"] = why
        figures["gpus"] = [
            {
                "device": reading.device,
                "model": reading.model,
                "peak_memory_bytes": None if why else self._peaks.get(reading.device),
                "peak_memory_in_use_bytes": self._peaks_used.get(reading.device),
                "energy_j": self._energy_of(reading)[0],
            }
            for reading in self._gpus_in_use()[0]
        ]
        figures["other_processes"] = self._others(unknown)
        # What people mean by the memory of a model: that of the devices it runs on.
        here = self.placement.elsewhere is None
        source = "peak_gpu_memory_bytes" if self.placement.gpus else "peak_host_memory_bytes"
        figures["peak_memory_bytes"] = figures[source] if here else None
        if figures["peak_memory_bytes"] is None:
            unknown["peak_memory_bytes"] = self.placement.elsewhere or unknown[source]

    def _no_gpu_memory(self) -> str | None:
        if self.placement.elsewhere is not None:
            return self.placement.elsewhere
        if not self.placement.gpus:
            return "the model does not run on an NVIDIA GPU"
        if "gpu" in self._meter.unavailable:
            return self._meter.unavailable["gpu"]
        readings, why = self._gpus_in_use()
        if why is not None:
            return why
        told = (reading.no_memory for reading in readings)
        return next((why for why in told if why), None if self._peaks else _UNLISTED)

    def _gpus_in_use(self) -> tuple[list[Reading], str | None]:
        """The GPUs that the model runs on, as they were last read, or why that is not known."""
        if self._last is None or not self.placement.gpus or self.placement.elsewhere is not None:
            return [], "the model does not run on an NVIDIA GPU of this session's"
        gpus = [reading for reading in self._last.readings if reading.kind == "gpu"]
        if self._peaks:
            found = [reading for reading in gpus if reading.device in self._peaks]
            if len(found) < self.placement.gpus:
                return found, (
                    f"the model runs on {self.placement.gpus} GPUs, and this session's processes "
                    f"are found on {len(found)} of this machine's only"
                )
            return found, None
        gpus = [reading for reading in gpus if reading.visible]
        if len(gpus) == self.placement.gpus:
            return gpus, None
        return [], (
            f"{_UNLISTED}, so which {self.placement.gpus} of {len(gpus)} GPUs they use is not "
            "known; name those in CUDA_VISIBLE_DEVICES"
        )

    def _others(self, unknown: dict[str, str]) -> list[dict[str, Any]] | None:
        """Processes of others on the same GPUs, which draw power and hold memory there too."""
        if not self.placement.gpus or self.placement.elsewhere is not None:
            return []
        why = self._no_gpu_memory()
        if why is not None:
            unknown["other_processes"] = why
            return None
        return [
            {"device": device, "pid": pid, "name": name_of(pid), "memory_bytes": size}
            for (device, pid), size in self._strangers.items()
            if device in self._peaks
        ]

    def _energy(
        self, figures: dict[str, Any], unknown: dict[str, str], correct: int | None
    ) -> None:
        energy_j, above_j, why, why_idle = self._joules()
        requests = self.requests
        shares = {
            "energy_per_response_j": (requests.answered, "no request was answered"),
            "energy_per_output_token_j": (
                requests.output_tokens,
                "not every answer states its number of tokens",
            ),
            "energy_per_correct_j": (correct, "no answer was right, or none is right or wrong"),
        }
        figures["energy_j"] = energy_j
        if why is not None:
            unknown["energy_j"] = why
        for name, (number, no_number) in shares.items():
            figures[name] = energy_j / number if energy_j is not None and number else None
            if figures[name] is None:
                unknown[name] = why or no_number
        figures["energy_above_idle_j"] = above_j
        if above_j is None:
            unknown["energy_above_idle_j"] = why or why_idle or "its idle power is not known"

    def _joules(self) -> tuple[float | None, float | None, str | None, str | None]:
        """Energy, energy above idle, and why there is none of the one and of the other."""
        if self.placement.elsewhere is not None:
            return None, None, self.placement.elsewhere, None
        if self.shared_with:
            others = ", ".join(self.shared_with)
            return None, None, f"its requests ran among those of {others}", None
        if self._last is None or self.wall_s is None:
            return None, None, "the window was never open", None
        kind = "gpu" if self.placement.gpus else "cpu"
        if kind in self._meter.unavailable:
            return None, None, self._meter.unavailable[kind], None
        if kind == "gpu":
            readings, why = self._gpus_in_use()
            if why is not None:
                return None, None, why, None
        else:
            readings = [reading for reading in self._last.readings if reading.kind == "cpu"]
        total, above, why_idle = 0.0, 0.0, None
        for reading in readings:
            energy_j, why = self._energy_of(reading)
            if energy_j is None:
                return None, None, why, None
            total += energy_j
            idle_w, why = self._meter.idle_w(reading.device)
            why_idle = why_idle or why
            above += energy_j - (idle_w or 0.0) * self.wall_s
        if kind == "cpu":
            why_idle = "a CPU is never idle while a test session prepares itself"
        return total, None if why_idle else above, None, why_idle

    def _energy_of(self, last: Reading) -> tuple[float | None, str | None]:
        """Energy of one device within the window, or why it is not known."""
        assert self._first is not None
        first = next((r for r in self._first.readings if r.device == last.device), None)
        if last.energy_j is None or first is None or first.energy_j is None:
            why = last.no_energy or (first and first.no_energy)
            return None, why or f"{last.device} was not there when the window was opened"
        return last.energy_j - first.energy_j, None
