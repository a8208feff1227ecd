"""Energy of CPU packages, by the counters that Linux shows of Intel's and AMD's processors (RAPL).

The counters are files, so they are read as files; the packages that wrap them either are
unmaintained or start a process for it. Since 2020 only root may read them on most systems.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_gptoss.engines.telemetry.readings import Counter, Reading

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Rapl"]

_FOLDER = Path("/sys/class/powercap")
# No package draws as much; what it takes to wrap around at this power bounds the time unread.
_MOST_W = 1000.0
_MICRO = 1e-6


@dataclass(slots=True)
class _Zone:
    name: str
    file: Path
    counter: Counter
    failure: str | None = None


class Rapl:
    """Reads the packages and the memory beside them.

    Args:
        folder: Where the kernel shows them.
    """

    kind: Literal["gpu", "cpu"] = "cpu"

    def __init__(self, folder: Path = _FOLDER) -> None:
        self._folder = folder
        self._zones: list[_Zone] = []

    def open(self) -> str | None:
        """Find the packages; returns why there are none."""
        self._zones = []
        # The zones of a package are numbered below its own; "psys" would count packages twice.
        for folder in sorted(self._folder.glob("intel-rapl:*")):
            try:
                name = (folder / "name").read_text().strip()
                top = folder.name.count(":") == 1
                if not (name.startswith("package") if top else name == "dram"):
                    continue
                package = folder.name.split(":")[1]
                name = f"cpu package {package}" if top else f"memory of cpu package {package}"
                file = folder / "energy_uj"
                range_j = _MICRO * int((folder / "max_energy_range_uj").read_text())
                file.read_text()
            except PermissionError:
                return (
                    f"the energy counters in {self._folder} can be read by root only; let the "
                    "tests read them with: sudo chmod -R a+r /sys/class/powercap/intel-rapl/"
                )
            except (OSError, ValueError):
                continue
            gap_s = range_j / _MOST_W
            counter = Counter(name, range_j=range_j, longest_gap_s=gap_s)
            self._zones.append(_Zone(name, file, counter))
        if not self._zones:
            return "this machine shows no energy counters of its CPUs"
        return None

    def read(self, now: float) -> Sequence[Reading]:
        """Read every package."""
        return [self._read(zone, now) for zone in self._zones]

    def _read(self, zone: _Zone, now: float) -> Reading:
        if zone.failure is None:
            try:
                zone.counter.read(_MICRO * int(zone.file.read_text()), now)
            except (OSError, ValueError) as error:
                zone.failure = f"the energy counter of {zone.name} stopped answering ({error})"
        failure = zone.failure or zone.counter.broken
        return Reading(
            zone.name,
            "cpu",
            energy_j=None if failure else zone.counter.total_j,
            no_energy=failure,
        )

    def close(self) -> None:
        """Let go of the counters."""
        self._zones = []
