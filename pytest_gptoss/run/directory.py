"""The run directory: everything that one session produced, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["RunDirectory"]


class RunDirectory:
    """A folder with a run's journal, items and summary.

    Args:
        path: The folder.

    Raises:
        UsageError: It cannot be created or written, or it already holds a run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the run directory {path} cannot be created ({error.strerror}); "
                "name another one with --gptoss-run"
            ) from error
        if self.journal.exists():
            raise UsageError(
                f"{path} already holds a run, which is never overwritten; "
                "name a fresh folder with --gptoss-run"
            )
        if not os.access(path, os.W_OK):
            raise UsageError(
                f"the run directory {path} is not writable; name another one with --gptoss-run"
            )

    @classmethod
    def fresh(cls, parent: Path, label: str) -> RunDirectory:
        """A new folder under a parent, named after the time and what is evaluated."""
        stem = f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{label}"[:120]
        for suffix in ("", *(f"-{number}" for number in range(2, 100))):
            path = parent / f"{stem}{suffix}"
            if not path.exists():
                return cls(path)
        raise UsageError(f"{parent} holds a hundred runs of this second; name one by --gptoss-run")

    @property
    def journal(self) -> Path:
        """The append-only file of completions."""
        return self.path / "journal.jsonl"

    @property
    def items(self) -> Path:
        """One line per (model, benchmark, item, repeat)."""
        return self.path / "items.jsonl"

    @property
    def summary(self) -> Path:
        """Settings and the figures of every group."""
        return self.path / "summary.json"

    def discard(self) -> None:
        """Take away a folder in which nothing was recorded."""
        self.journal.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else's files stand in it: then it stays
            self.path.rmdir()

    def write_items(self, records: Iterable[Any]) -> None:
        """Write ``items.jsonl`` as a stream, put in place when it is whole."""
        encode = msgspec.json.Encoder().encode
        part = self.items.with_suffix(".jsonl.part")
        with part.open("wb", buffering=1 << 18) as out:
            for record in records:
                out.write(encode(record))
                out.write(b"\n")
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.items)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, put in place when it is whole."""
        part = self.summary.with_suffix(".json.part")
        part.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n")
        part.replace(self.summary)
