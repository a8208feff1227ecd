"""Our end of the conversation with one confined interpreter: whole frames, bounded time.

Nothing that comes from there is decoded here. A peer may say anything, stop in the middle of a
frame, never read, or be gone; each of these ends in an exception of its own.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import watch
from pytest_gptoss.sandbox.channel import HEADER, MAX_BYTES, TooLargeError, frame

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Confined

__all__ = ["EndedError", "LateError", "Peer", "StoppedError"]

_PIECE = 1 << 16


class LateError(Exception):
    """It took more than the time it was allowed."""


class EndedError(Exception):
    """It closed its end, as it does when it ends."""


class StoppedError(Exception):
    """The conversation was broken off from our side."""


class Peer:
    """A confined interpreter to exchange frames with.

    Only the time in which it is waited for counts, not what we take between two frames. Time in
    which it was ready to run but the machine ran something else is given back to it, as far as the
    system tells, so that a verdict does not depend on what else the machine does.

    Args:
        confined: The interpreter.
        stop: A pipe whose other end is closed to break all conversations off.
    """

    def __init__(self, confined: Confined, stop: int) -> None:
        self.confined = confined
        self._stop = stop
        self._left = 0.0
        self._grace = 0.0
        self._waited = 0.0
        for file in (confined.requests, confined.replies):
            os.set_blocking(file, False)

    def allow(self, seconds: float) -> None:
        """Grant it so much time from now on, for all that it is waited for together."""
        self._left = self._grace = seconds
        self._waited = waited(self.confined.process.pid)

    def send(self, kind: int, payload: bytes) -> None:
        """Write one frame.

        Raises:
            LateError: It does not read.
            EndedError: It is gone.
            StoppedError: The conversation was broken off.
        """
        left = memoryview(frame(kind, payload))
        while left:
            try:
                left = left[os.write(self.confined.requests, left) :]
            except BlockingIOError:
                self._wait(self.confined.requests, select.POLLOUT)
            except OSError:
                raise EndedError from None

    def receive(self) -> tuple[int, bytes]:
        """Read one frame: its kind and its payload.

        Raises:
            TooLargeError: It announces more than a message may have; nothing of it is read.
            LateError: It does not come in time.
            EndedError: It does not come any more, or not whole.
            StoppedError: The conversation was broken off.
        """
        kind, size = HEADER.unpack(self._exactly(HEADER.size))
        if size > MAX_BYTES:
            raise TooLargeError(f"a frame of {size} bytes")
        return kind, self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        held = bytearray()
        while len(held) < size:
            try:
                piece = os.read(self.confined.replies, min(size - len(held), _PIECE))
            except BlockingIOError:
                self._wait(self.confined.replies, select.POLLIN)
                continue
            if not piece:
                raise EndedError
            held += piece
        return bytes(held)

    def _wait(self, file: int, event: int) -> None:
        poll = select.poll()
        poll.register(file, event)
        poll.register(self._stop, select.POLLIN)
        while True:
            since = time.monotonic()
            ready = dict(poll.poll(max(0.0, self._left) * 1000))
            self._left -= time.monotonic() - since
            if self._stop in ready:
                raise StoppedError
            if ready:
                return
            if self._left <= 0 and not self._extended():
                raise LateError

    def _extended(self) -> bool:
        """Give back, once, what others took of its time, up to half of what it was granted.

        More would be a gift to a program that starts a crowd to compete with itself.
        """
        taken = waited(self.confined.process.pid) - self._waited
        extra, self._grace = min(taken, self._grace / 2), 0.0
        self._left += extra
        return self._left > 0


def waited(pid: int) -> float:
    """Seconds for which a process from ``pid`` down was ready to run and did not (Linux)."""
    longest = 0.0
    for below in (pid, *watch.descendants(pid)):
        with suppress(OSError, ValueError, IndexError):
            text = Path(f"/proc/{below}/schedstat").read_text()
            longest = max(longest, int(text.split()[1]) / 1e9)
    return longest
