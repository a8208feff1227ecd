"""The run directory: everything that one session produced, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.run.lock import RunLock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["RunDirectory"]

# What a session writes beside the journal.
_WRITTEN = ("items.jsonl", "summary.json", "flips.json", "report.html")


class RunDirectory:
    """A folder with a run's journal, items and summary, held by one session at a time.

    Args:
        path: The folder.
        resume: Whether it holds a run that is continued; else it must hold none.

    Raises:
        UsageError: It cannot be created or written, another session holds it, it already holds a
            run, or it holds none to continue.
    """

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        self._resume = resume
        if resume:
            self._check_resumable()
        else:
            self._check_fresh()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"the run directory {path} cannot be created ({error.strerror}); "
                "name another one with --gptoss-run"
            ) from error
        try:
            self._lock = RunLock(path / ".lock")
        except OSError as error:
            raise UsageError(
                f"the run directory {path} is not writable ({error.strerror}); "
                "name another one with --gptoss-run"
            ) from error
        try:
            if not resume:  # again: another session may have begun and ended in between
                self._check_fresh()
        except UsageError:
            self._lock.release()
            raise

    def _check_resumable(self) -> None:
        if self.journal.is_file():
            return
        if not self.path.is_dir():
            raise UsageError(
                f"--gptoss-resume: there is no run directory {self.path}; name the one of the run "
                "to continue with --gptoss-run, or leave out --gptoss-resume to start a run there"
            )
        raise UsageError(
            f"--gptoss-resume: {self.path} holds no {self.journal.name}, so there is no run to "
            "continue; leave out --gptoss-resume to start one there"
        )

    def _holds_a_run(self) -> bool:
        """Whether its journal has a whole first line; a process may have been killed before."""
        try:
            with self.journal.open("rb") as lines:
                return lines.readline().endswith(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True

    def _check_fresh(self) -> None:
        """Refuse a folder in which files of ours, or of somebody else's, would be overwritten."""
        if self._holds_a_run():
            raise UsageError(
                f"{self.path} already holds a run, which is never overwritten; continue it with "
                "--gptoss-resume, or name a fresh folder with --gptoss-run"
            )
        for name in _WRITTEN:
            if (self.path / name).exists():
                raise UsageError(
                    f"{self.path} already holds {name}, which this session did not write and would "
                    "overwrite; name a fresh folder with --gptoss-run"
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

    def release(self) -> None:
        """Let other sessions use the folder."""
        self._lock.release()

    def discard(self) -> None:
        """Take away a folder in which nothing was recorded; a run that is continued stays."""
        if not self._resume:
            self.journal.unlink(missing_ok=True)
        self.release()
        with contextlib.suppress(OSError):  # it is not empty: then it stays
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
