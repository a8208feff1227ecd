"""The meter: one thread that looks at the counters, and the windows that it shows them to."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_gptoss.engines.telemetry.figures import UnknownError
from pytest_gptoss.engines.telemetry.host import ProcessTree
from pytest_gptoss.engines.telemetry.nvml import Nvml
from pytest_gptoss.engines.telemetry.rapl import Rapl
from pytest_gptoss.engines.telemetry.readings import Placement
from pytest_gptoss.engines.telemetry.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from pytest_gptoss.engines.telemetry.readings import Reading, Source

__all__ = ["Meter", "Sample"]

INTERVAL_S = 0.5
"""Seconds between two looks at the counters, where a look is cheap."""

SHARE = 0.005
"""Of one core: looks are spaced so that they take no more. A machine with many GPUs and thousands
of processes is looked at less often."""

LONGEST_S = 10.0

# A GPU is idle for as long as nobody has taken memory beyond the driver's own.
_OTHERS_BYTES = 64 * 2**20
_IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Sample:
    """All that was read at one moment.

    Args:
        at: The moment, in seconds of the meter's clock.
        rss_bytes: Memory of this process and its descendants; ``None`` where it is not known.
        readings: What each device says.
        ours: Which of the processes on the devices are of this session.
    """

    at: float
    rss_bytes: int | None
    readings: Sequence[Reading]
    ours: frozenset[int]


@dataclass(slots=True)
class _Idle:
    """The time before anything ran on a GPU."""

    began: float
    began_j: float
    used_bytes: int
    ended: float
    ended_j: float
    over: bool = False


class Meter:
    """Measures this machine in the background; see `Window` for what comes of it.

    Used as a context manager, or by `start` and `stop`::

        with Meter() as meter:
            meter.watch_devices()
            window = meter.window("a load", placement=engine.placement)
            window.start()
            began = window.begin()
            window.end(began, await engine.generate(request))
            window.stop()
        window.figures(correct=1)

    Args:
        sources: What reads the devices; by default NVIDIA GPUs and CPU packages.
        interval_s: Seconds between two looks.
        clock: Tells the time, in seconds.
    """

    def __init__(
        self,
        sources: Sequence[Source] | None = None,
        *,
        interval_s: float = INTERVAL_S,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.clock = clock
        self._sources = (Nvml(), Rapl()) if sources is None else tuple(sources)
        self._interval_s = interval_s
        self._open: list[Source] | None = None
        self._tree = ProcessTree()
        self._lock = threading.RLock()
        self._windows: list[Window] = []
        self._idle: dict[str, _Idle] = {}
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._started = self._stopped = 0.0
        self._looked_at = self._look_s = 0.0
        self.samples = 0
        """Number of looks at the counters."""
        self.cpu_s = 0.0
        """Processor time of the thread, in seconds."""
        self.unavailable: dict[str, str] = {}
        """Why there are no readings of a kind of devices, by kind, as a sentence."""

    def __enter__(self) -> Meter:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start the thread. Devices are read from `watch_devices` on."""
        if self._thread is None:
            self._started = self.clock()
            self._thread = threading.Thread(target=self._run, name="gptoss-meter", daemon=True)
            self._thread.start()

    def watch_devices(self) -> None:
        """Read the devices too: called before a model is loaded, as a GPU is idle until then."""
        with self._lock:
            if self._open is None:
                self._open = []
                for source in self._sources:
                    try:
                        why = source.open()
                    except Exception as error:  # no evaluation ends because it cannot be metered
                        why = f"the counters cannot be read ({type(error).__name__}: {error})"
                    if why is None:
                        self._open.append(source)
                    else:
                        source.close()
                        self.unavailable[source.kind] = why
                for reading in self.sample().readings:
                    self._begin_idleness(reading)

    def stop(self) -> None:
        """Stop the thread and let go of the devices; windows keep what they have."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._stopped = self._stopped or self.clock()
        with self._lock:
            for source in self._open or ():
                source.close()
            self._open = []

    @property
    def wall_s(self) -> float:
        """Seconds for which the thread has run."""
        if self._thread is None:
            return 0.0
        return (self._stopped or self.clock()) - self._started

    def window(
        self,
        name: str,
        *,
        placement: Placement | None = None,
        parent: Window | None = None,
    ) -> Window:
        """A window that is not started yet.

        Args:
            name: What happens in it.
            placement: Where the model runs; this machine's CPU if it is left out.
            parent: A wider window whose requests are this one's too.
        """
        return Window(self, name, placement or Placement(), parent)

    def sample(self) -> Sample:
        """Look at everything now, and show it to the windows that are open."""
        with self._lock:
            now = self.clock()
            readings: list[Reading] = []
            for source in tuple(self._open or ()):
                readings += self._read(source, now)
            # After the readings: a process that was on a device then is still in the tree.
            ours = self._tree.ours(pid for reading in readings for pid in reading.memory)
            sample = Sample(now, self._tree.rss(), readings, frozenset(ours))
            self.samples += 1
            for reading in readings:
                self._watch_idleness(reading, now)
            for window in self._windows:
                window.note(sample)
            self._looked_at = self.clock()
            self._look_s = self._looked_at - now
            return sample

    def _read(self, source: Source, now: float) -> Sequence[Reading]:
        try:
            return source.read(now)
        except Exception as error:  # a driver's library in a state that nobody foresaw
            assert self._open is not None
            self._open.remove(source)
            text = f"{type(error).__name__}: {error}"
            self.unavailable[source.kind] = f"the counters could no longer be read ({text})"
            return ()

    def open_window(self, window: Window) -> Sample:
        """Show a window everything from now on; called by `Window.start`."""
        with self._lock:
            if window not in self._windows:
                self._windows.append(window)
            return self.sample()

    def close_window(self, window: Window) -> None:
        """Show a window nothing more; called by `Window.close`."""
        with self._lock:
            if window in self._windows:
                self._windows.remove(window)

    @property
    def rested(self) -> bool:
        """Whether another look now would take less than a hundredth of the time since the last."""
        return self.clock() - self._looked_at > 100 * self._look_s

    def idle_w(self, device: str) -> float:
        """Power of a GPU before anything ran on it, in watts.

        Raises:
            UnknownError: It was in use when the meter began to watch, or for too short a time idle.
        """
        with self._lock:
            idle = self._idle.get(device)
        if idle is None:
            raise UnknownError(f"{device} was in use before, so its idle power is not known")
        span = idle.ended - idle.began
        if span < _IDLE_S:
            raise UnknownError(
                f"{device} was idle for {span:.1f} s before the model took it, too short a time to "
                "know its idle power"
            )
        return (idle.ended_j - idle.began_j) / span

    def _begin_idleness(self, reading: Reading) -> None:
        energy_j, used = reading.energy_j, reading.used_bytes
        if reading.kind == "gpu" and energy_j is not None and used is not None and _quiet(reading):
            now = self.clock()
            self._idle[reading.device] = _Idle(now, energy_j, used, now, energy_j)

    def _watch_idleness(self, reading: Reading, now: float) -> None:
        idle = self._idle.get(reading.device)
        if idle is None or idle.over:
            return
        energy_j, used = reading.energy_j, reading.used_bytes
        if (
            energy_j is None
            or used is None
            or not _quiet(reading)
            or used > idle.used_bytes + _OTHERS_BYTES
        ):
            idle.over = True
        else:
            idle.ended, idle.ended_j = now, energy_j

    def _run(self) -> None:
        pause = self._interval_s
        while not self._stopping.wait(pause):
            before = time.thread_time()
            self.sample()
            cost = time.thread_time() - before
            self.cpu_s += cost
            pause = min(LONGEST_S, max(self._interval_s, cost / SHARE))


def _quiet(reading: Reading) -> bool:
    return not reading.memory and not reading.busy
