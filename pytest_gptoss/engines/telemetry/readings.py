"""What a device says at one moment, and the counters that do not lose what wraps around."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Counter", "Placement", "Reading", "Source"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an engine's model runs, as far as this machine's meters are concerned.

    Args:
        gpus: Number of NVIDIA GPUs that it runs on; 0 is this machine's CPU.
        elsewhere: Why memory and energy of the model are not this machine's to measure, as a
            sentence; ``None`` where it runs in this process or one that it started.
        generates: Whether it generates at all; a recording only looks answers up, so that its
            times say nothing about a model.
    """

    gpus: int = 0
    elsewhere: str | None = None
    generates: bool = True


@dataclass(frozen=True, slots=True)
class Reading:
    """What one device says at one moment.

    Args:
        device: Its name among the devices of this machine: ``gpu 0``, ``cpu package 0``.
        kind: ``gpu`` or ``cpu``.
        model: What it is, as its driver calls it.
        visible: Whether processes started here may use it (``CUDA_VISIBLE_DEVICES``).
        energy_j: Energy since the first reading, in joules.
        no_energy: Why there is none, as a sentence.
        memory: Bytes of its memory that each process holds, by process id.
        no_memory: Why that is not known, as a sentence.
        used_bytes: Bytes of its memory that are in use by anybody.
        busy: Whether it was computing within the last second or so.
    """

    device: str
    kind: Literal["gpu", "cpu"]
    model: str | None = None
    visible: bool = True
    energy_j: float | None = None
    no_energy: str | None = None
    memory: Mapping[int, int] = field(default_factory=dict)
    no_memory: str | None = None
    used_bytes: int | None = None
    busy: bool | None = None


class Source(Protocol):
    """Reads the devices of one kind. Calls never overlap, but come from several threads."""

    kind: Literal["gpu", "cpu"]

    def open(self) -> str | None:
        """Get ready; returns why nothing can be read here, as a sentence, or ``None``."""

    def read(self, now: float) -> Sequence[Reading]:
        """Read every device, without ever raising.

        Args:
            now: The moment, in seconds of the meter's clock.
        """

    def close(self) -> None:
        """Let go of the devices."""


class Counter:
    """An energy counter as a total that only grows.

    Args:
        name: Whose counter it is, for sentences.
        range_j: Where it wraps around, in joules; ``None`` for one that does not within a lifetime.
        longest_gap_s: Seconds after which it may have wrapped around more than once.
    """

    def __init__(
        self, name: str, *, range_j: float | None = None, longest_gap_s: float | None = None
    ) -> None:
        self._name = name
        self._range_j = range_j
        self._longest_gap_s = longest_gap_s
        self._last: float | None = None
        self._last_at = 0.0
        self.total_j = 0.0
        self.broken: str | None = None
        """Why its total can no longer be trusted, as a sentence."""

    def read(self, raw_j: float, now: float) -> None:
        """Take over what the counter shows.

        Args:
            raw_j: The counter, in joules.
            now: The moment, in seconds.
        """
        last, gap = self._last, now - self._last_at
        self._last, self._last_at = raw_j, now
        if last is None or self.broken is not None:
            return
        if self._longest_gap_s is not None and gap > self._longest_gap_s:
            self.broken = (
                f"the energy counter of {self._name} was not read for {gap:.0f} s, in which it may "
                "have wrapped around more than once"
            )
        elif raw_j >= last:
            self.total_j += raw_j - last
        elif self._range_j is not None:
            self.total_j += raw_j - last + self._range_j
        else:
            self.broken = (
                f"the energy counter of {self._name} went backwards, as it does when the device is "
                "reset or its driver loaded again"
            )
