"""What one confined program may use."""

from __future__ import annotations

import math

import msgspec

__all__ = ["Limits"]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The bounds on one confined program; every process that it starts counts towards them.

    Args:
        timeout_s: Wall-clock seconds, from the moment at which the program is ready to be called.
            Processor time is held to two seconds more.
        memory_mb: Megabytes (2^20 bytes) of address space of each process; what all of them hold
            together is bounded by a quarter more.
        processes: Processes and threads at one time, the program's own included.
        file_mb: Megabytes of one file.
        output_kb: Kilobytes on standard output and error together; more ends the program.
        open_files: File descriptors of each process.

    Raises:
        ValueError: If a bound leaves no room for an interpreter, or is no bound at all.
    """

    timeout_s: float = 3.0
    memory_mb: int = 512
    processes: int = 32
    file_mb: int = 8
    output_kb: int = 64
    open_files: int = 64

    def __post_init__(self) -> None:
        if not (math.isfinite(self.timeout_s) and 0 < self.timeout_s <= 3600):
            raise ValueError(f"timeout_s must lie in (0, 3600] seconds, got {self.timeout_s!r}")
        for name, least, most in (
            ("memory_mb", 64, 1 << 20),
            ("processes", 1, 4096),
            ("file_mb", 0, 1 << 20),
            ("output_kb", 1, 1 << 16),
            ("open_files", 16, 1 << 16),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name} must lie between {least} and {most}, got {value!r}")

    @property
    def tree_bytes(self) -> int:
        """Bytes of memory that all processes together may hold."""
        return (self.memory_mb << 20) * 5 // 4
