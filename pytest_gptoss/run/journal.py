"""The journal: every completion is on disk before it is counted.

One JSON record per line, appended and flushed to disk in small groups by a thread of its own, so
that neither the event loop nor pytest ever waits for the disk. A process that is killed loses at
most the completions of the last group, none of which had been counted.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import GptossError
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Journal", "JournalRecord", "read_journal"]

SCHEMA = 1

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


class Journal:
    """An append-only file of completions.

    Args:
        path: The file; it is created, or continued where it exists.

    Raises:
        OSError: The file cannot be opened for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure: GptossError | None = None
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self._end = os.fstat(self._file).st_size
        self._encode = msgspec.json.Encoder().encode
        self._waiting: list[tuple[bytes, Callable[[int, int], None]]] = []
        self._wake = threading.Condition()
        self._full = threading.Event()
        self._closing = False
        self._on_group: Callable[[], None] = lambda: None
        if self._end == 0:
            self._write(self._encode({"journal": SCHEMA}) + b"\n")
        self._thread = threading.Thread(target=self._flush, name="gptoss-journal", daemon=True)
        self._thread.start()

    def on_group(self, callback: Callable[[], None]) -> None:
        """Call this, in the journal's thread, after each group of records and after a failure."""
        self._on_group = callback

    def append(self, record: JournalRecord, counted: Callable[[int, int], None]) -> None:
        """Queue a record; ``counted(offset, length)`` is called once it is on disk.

        The callback runs in the journal's thread, in the order of the records.
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
        """Write what is queued and stop the thread; `read` works until `release`."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._full.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def release(self) -> None:
        """Close the file."""
        self.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _flush(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                if not self._waiting:
                    return
            self._full.wait(GROUP_SECONDS)
            with self._wake:
                group, self._waiting = self._waiting, []
                if not self._closing:
                    self._full.clear()
            self._store(group)
            del group  # or the texts of the last one would be kept while nothing follows

    def _store(self, group: list[tuple[bytes, Callable[[int, int], None]]]) -> None:
        if self.failure is None:
            start = self._end
            try:
                self._write(b"".join(line for line, _ in group))
                os.fsync(self._file)
            except OSError as error:
                self.failure = GptossError(
                    f"the journal {self.path} cannot be written ({error.strerror}); "
                    "free or change the place named by --gptoss-run: what was journalled is kept"
                )
            else:
                for line, counted in group:
                    counted(start, len(line))
                    start += len(line)
        self._on_group()

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.write(self._file, view)
            self._end += written
            view = view[written:]


def read_journal(path: Path, note: Callable[[str], Any] = print) -> Iterator[JournalRecord]:
    """Read the records of a journal, a line at a time.

    A torn last line, as a killed process leaves it, is dropped with a note. A line in the middle
    that cannot be read is named and skipped; the others are kept.

    Args:
        path: The journal.
        note: Is told, in a sentence, of each line that is left out.
    """
    decode = msgspec.json.Decoder(JournalRecord).decode
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if number == 1 and line.startswith(b'{"journal"'):
                continue
            try:
                yield decode(line)
            except msgspec.MsgspecError as error:
                if not line.endswith(b"\n"):
                    note(f"{path}: the last record was cut off while it was written; dropped")
                else:
                    note(f"{path}, line {number} cannot be read ({error}); the rest is kept")
