"""The journal: every completion is on disk before it is counted.

One JSON record per line, appended in small groups by one thread and flushed to disk by another, so
that neither the event loop nor pytest ever waits for the disk. A process that is killed loses at
most the completions of the last tenth of a second, a machine that loses power those of the last
flush; none of them had been counted. Two threads, as a flush takes many seconds on a disk that
others write gigabytes to, and what arrives meanwhile must survive a kill.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import GptossError
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Counted = Callable[[int, int], None]
    _Placed = list[tuple[int, int, Counted]]  # offset, length, and who is told

__all__ = ["SCHEMA", "Header", "Journal", "JournalRecord", "Opened", "Selected", "read_journal"]

SCHEMA = 2

# A group is written when it holds this many records or its first one has waited this long.
GROUP_RECORDS = 64
GROUP_SECONDS = 0.1


class JournalRecord(msgspec.Struct, kw_only=True):
    """One completion with what identifies it."""

    model: str
    benchmark: str
    item_id: str
    item_hash: str
    repeat: int
    completion: Completion


class Selected(msgspec.Struct, kw_only=True):
    """Which items of one (model, benchmark) pair were asked; ``None`` stands for every row."""

    model: str
    benchmark: str
    rows: int
    items: list[str] | None


class Header(msgspec.Struct, kw_only=True):
    """The first line: what was asked of whom, and under which settings.

    Args:
        journal: The schema.
        settings: The settings record, before any engine told its facts.
        models: The specification of each model, by label, as plain values.
        selected: The items.
    """

    journal: int = SCHEMA
    settings: dict[str, Any] = {}
    models: dict[str, dict[str, Any]] = {}
    selected: list[Selected] = []


class Opened(msgspec.Struct, kw_only=True):
    """A line that is written when an engine has started: what it says of itself."""

    journal: int = SCHEMA
    opened: str
    facts: dict[str, Any]


class Journal:
    """An append-only file of completions.

    Args:
        path: The file; it is created, or continued where it exists.
        header: What is written first into a file that is created.
        keep: How many bytes of an existing file are whole; a torn record after them is cut off.

    Raises:
        OSError: The file cannot be opened, or its first line cannot be written.
    """

    def __init__(
        self, path: Path, header: Header | None = None, *, keep: int | None = None
    ) -> None:
        self.path = path
        self.failure: Exception | None = None
        """What keeps it from recording more: a `GptossError`, or a fault of ours."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._encode = msgspec.json.Encoder().encode
        try:
            self._end = self._prepare(header, keep)
        except OSError:
            os.close(self._file)
            raise
        self._waiting: list[tuple[bytes, Counted]] = []
        self._wake = threading.Condition()
        self._full = threading.Event()
        self._closing = False
        self._on_group: Callable[[], None] = lambda: None
        self._written: queue.SimpleQueue[_Placed | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=work, name=f"gptoss-journal-{name}", daemon=True)
            for name, work in (("write", self._write_groups), ("flush", self._flush_groups))
        ]
        for thread in self._threads:
            thread.start()

    def _prepare(self, header: Header | None, keep: int | None) -> int:
        """Bring the file to the end of a whole line, durably; returns where that is."""
        self._end = os.fstat(self._file).st_size
        if keep is not None and keep < self._end:
            os.ftruncate(self._file, keep)
            self._end = keep
        if self._end == 0:
            self._write(self._encode(header or Header()) + b"\n")
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)  # a new file is durable once its folder is
            finally:
                os.close(folder)
        elif os.pread(self._file, 1, self._end - 1) != b"\n":
            self._write(b"\n")
        os.fsync(self._file)
        return self._end

    def on_group(self, callback: Callable[[], None]) -> None:
        """Call this, in a thread of the journal, after each flush and after a failure."""
        self._on_group = callback

    def append(
        self,
        record: JournalRecord | Opened,
        counted: Counted = lambda offset, length: None,
    ) -> None:
        """Queue a record; ``counted(offset, length)`` is called once it is on disk.

        The callback runs in a thread of the journal, in the order of the records.
        """
        line = self._encode(record) + b"\n"
        with self._wake:
            self._waiting.append((line, counted))
            if len(self._waiting) == 1:
                self._wake.notify()
            elif len(self._waiting) >= GROUP_RECORDS:
                self._full.set()

    def read(self, offset: int, length: int) -> JournalRecord:
        """Read a record back from its place."""
        return msgspec.json.decode(os.pread(self._file, length, offset), type=JournalRecord)

    def close(self) -> None:
        """Write what is queued and stop the threads; `read` works until `release`."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._full.set()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    def release(self) -> None:
        """Close the file."""
        self.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write_groups(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    self._written.put(None)
                    return
            self._full.wait(GROUP_SECONDS)
            with self._wake:
                group, self._waiting = self._waiting, []
                if not self._closing:
                    self._full.clear()
            self._written.put(self._append(group) if self.failure is None else [])
            del group  # or the texts of the last one would be kept while nothing follows

    def _append(self, group: list[tuple[bytes, Counted]]) -> _Placed:
        """Write a group; returns the places of its records, none where it could not be written."""
        start = self._end
        placed: _Placed = []
        try:
            self._write(b"".join(line for line, _ in group))
        except Exception as error:  # else everybody would wait for ever
            self._fail(error)
            return placed
        for line, counted in group:
            placed.append((start, len(line), counted))
            start += len(line)
        return placed

    def _flush_groups(self) -> None:
        lost = ended = False
        while not ended:
            groups = [self._written.get()]
            while not self._written.empty():  # what was written during the last flush
                groups.append(self._written.get())
            ended = groups[-1] is None
            try:
                # After a flush that failed another may succeed without having written anything.
                if not lost:
                    self._flush(groups)
            except Exception as error:
                lost = True
                self._fail(error)
            self._on_group()
            del groups

    def _flush(self, groups: list[_Placed | None]) -> None:
        os.fsync(self._file)
        for group in groups:
            for start, length, counted in group or ():
                counted(start, length)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OSError):
            error = GptossError(
                f"the journal {self.path} cannot be written ({error.strerror}); "
                "free or change the place named by --gptoss-run: what was journalled is kept"
            )
        self.failure = self.failure or error

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            self._end += written
            view = view[written:]


def read_journal(
    path: Path, note: Callable[[str], Any] = print
) -> Iterator[tuple[Header | Opened | JournalRecord, int, int]]:
    """Read the lines of a journal with the offset and the length of each.

    A torn last record, as a killed process leaves it, is dropped with a note. A line in the middle
    that cannot be read is named and left out; the others are kept.

    Args:
        path: The journal.
        note: Is told, in a sentence, of each line that is left out.

    Raises:
        OSError: The file cannot be read.
    """
    decode: dict[Any, Callable[[bytes], Any]] = {
        kind: msgspec.json.Decoder(kind).decode for kind in (Header, Opened, JournalRecord)
    }
    offset = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            offset += len(line)
            kind: Any = JournalRecord
            if line.startswith(b'{"journal"'):
                kind = Header if number == 1 else Opened
            try:
                yield decode[kind](line), offset - len(line), len(line)
            except msgspec.MsgspecError as error:
                if not line.endswith(b"\n"):
                    note(f"{path}: the last record was cut off while it was written; dropped")
                else:
                    note(f"{path}, line {number} cannot be read ({error}); the rest is kept")
