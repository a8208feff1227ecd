"""One session at a time in a run directory: a lock that a dead process does not keep."""

from __future__ import annotations

import fcntl
import os
import socket
from typing import TYPE_CHECKING

import msgspec

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RunLock"]


class _Holder(msgspec.Struct):
    pid: int
    host: str


class RunLock:
    """A POSIX record lock on a file of its own.

    The system drops it with the process, however that ends, and a forked child does not inherit it.
    Closing any other handle of the file would drop it too, hence a file that nobody else opens.

    Args:
        path: The file; it is taken away again by `release`.

    Raises:
        UsageError: Another process holds the lock; the sentence names it.
        OSError: The file cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        while True:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                held = self._held()
                os.close(self._file)
                raise UsageError(held) from None
            except OSError:
                os.close(self._file)
                raise
            if self._is_in_place():
                break
            os.close(self._file)  # its holder took the file away between the two calls
        holder = _Holder(os.getpid(), socket.gethostname())
        os.ftruncate(self._file, 0)
        os.write(self._file, msgspec.json.encode(holder))

    def release(self) -> None:
        """Give the directory free."""
        if self._file >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = -1

    def _held(self) -> str:
        try:
            holder = msgspec.json.decode(os.pread(self._file, 4096, 0), type=_Holder)
            who = f"process {holder.pid} on {holder.host}"
        except msgspec.MsgspecError:  # it has just begun
            who = "another process"
        return (
            f"the run directory {self._path.parent} is in use by {who}; wait until that session "
            "ends, or name another folder with --gptoss-run"
        )

    def _is_in_place(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), self._path.stat())
        except FileNotFoundError:
            return False
