"""`Grader`: whether a program passes its test, found out so that the program cannot forge it.

The program runs in one sandbox, the test in another, and this process carries frames between them
without decoding what the program wrote. The verdict comes from the test's side alone; what the
program prints, how it exits and what it leaves behind mean nothing.

Both sandboxes are used once. A judge that served several programs would save nearly half of the
cost, but it decodes what they wrote: whatever one of them did to it would reach the verdicts on the
next.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal, Self, cast, get_args

import msgspec

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox.channel import (
    CALL,
    JOB,
    READY,
    VERDICT,
    ChannelError,
    TooLargeError,
    decode,
    encode,
)
from pytest_gptoss.sandbox.limits import Limits
from pytest_gptoss.sandbox.peer import EndedError, LateError, Peer, StoppedError
from pytest_gptoss.sandbox.pool import Pool, source_of

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Confined, Rung

__all__ = ["JUDGE", "Grader", "Program", "Status", "Verdict"]

Status = Literal["passed", "failed", "timeout", "memory", "output", "refused"]
"""What a verdict says: it passed; an assertion failed, it raised, could not be loaded or ended
itself; it took too long, too much memory, or printed or gave too much; it gave what is no plain
value, or no reply at all."""

JUDGE = Limits(timeout_s=5.0, memory_mb=1024, processes=1)
"""What the test itself may take, beyond the program: time that no sound test comes near."""
# A start takes some 20 ms. On a machine that is far too busy it takes seconds, which is no verdict.
_READY_S = 60.0
_SHOWN = 300


class Program(msgspec.Struct, frozen=True):
    """One answer to one task, in HumanEval's terms.

    Args:
        id: What the task is called.
        entry_point: The name of the function that the test calls.
        prompt: The signature and docstring that the model was to complete, and the helpers above.
        completion: What the model answered: the rest of the function, or a chat answer.
        test: The hidden test: statements that call the function by its name, or define
            ``check(candidate)``.
    """

    id: str
    entry_point: str
    prompt: str
    completion: str
    test: str

    @property
    def source(self) -> str:
        """The program that the answer amounts to."""
        from pytest_gptoss.sandbox.extract import extract_program

        return extract_program(self.prompt, self.completion, self.entry_point)


class Verdict(msgspec.Struct, frozen=True):
    """What was found out about one program.

    Args:
        status: How it ended.
        detail: Why it did not pass, in one line of printable text; None where it passed.
    """

    status: Status
    detail: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the test ran to its end and nothing was held against the program."""
        return self.status == "passed"


class _NoVerdictError(Exception):
    """Something other than the program came to nothing.

    Args:
        why: What, in one line.
        again: What it means if it happens a second time; None where that means nothing, too.
    """

    def __init__(self, why: str, again: Verdict | None = None) -> None:
        super().__init__(why)
        self.again = again


class Grader:
    """Grades programs, from any number of threads at once.

    Args:
        rung: How programs and tests are confined.
        limits: The bounds on one program where the caller names none.
        judge: The bounds on its test.
        workers: How many programs run at once; the number of CPUs where it is None. More would
            only make them wait for each other.
        idle: How many sandboxes wait for each side, started ahead; as many as workers where it is
            None.
    """

    def __init__(
        self,
        rung: Rung,
        *,
        limits: Limits | None = None,
        judge: Limits = JUDGE,
        workers: int | None = None,
        idle: int | None = None,
    ) -> None:
        self.rung = rung
        self.limits = limits or Limits()
        self._judge = judge
        self.workers = workers or _cpus()
        idle = self.workers if idle is None else idle
        self._runners = Pool(rung, source_of("runner"), self.limits, idle=idle)
        self._judges = Pool(rung, source_of("judge"), judge, idle=idle)
        self._turn = threading.BoundedSemaphore(self.workers)
        # Its writing end is closed to break off what is running.
        self._stop, self._go_on = os.pipe()
        self._closing = threading.Lock()
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def grade(self, program: Program, limits: Limits | None = None) -> Verdict:
        """Find out whether a program passes its test.

        Raises:
            SandboxError: There is no verdict: no sandbox could be started, twice; the test itself
                cannot be run; or the grader was closed.
        """
        try:
            test = encode((program.prompt, program.test, program.entry_point))
        except ChannelError as error:
            raise SandboxError(f"the test of {program.id} cannot be run: it is {error}") from None
        try:
            job = encode((program.source, program.entry_point))
        except ChannelError as error:
            return Verdict("refused", f"the program is {error}")
        with self._turn:
            for last in (False, True):
                if self._closed:
                    break
                try:
                    return self._grade(program.id, job, test, limits or self.limits)
                except StoppedError:
                    break
                except _NoVerdictError as error:
                    if last and error.again:
                        return error.again
                    if last:
                        raise SandboxError(
                            f"{program.id} could not be run in the sandbox {self.rung.name}, "
                            f"tried twice: {error}"
                        ) from None
        raise SandboxError(f"{program.id} was not graded: the grader was closed")

    def close(self) -> None:
        """Break off what is running, and return when every sandbox is gone."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            os.close(self._go_on)
            for _ in range(self.workers):
                self._turn.acquire()
            for pool in (self._runners, self._judges):
                pool.close()
            os.close(self._stop)
            self._turn.release(self.workers)

    def _grade(self, name: str, job: bytes, test: bytes, limits: Limits) -> Verdict:
        with ExitStack() as ending:
            try:
                runner = self._runners.take(limits)
                ending.callback(runner.kill)
                judge = self._judges.take(self._judge)
                ending.callback(judge.kill)
            except OSError as error:
                raise _NoVerdictError(str(error)) from None
            return self._converse(name, job, test, limits, self._ready(runner), self._ready(judge))

    def _ready(self, confined: Confined) -> Peer:
        peer = Peer(confined, self._stop)
        peer.allow(_READY_S)
        try:
            kind, payload = peer.receive()
        except LateError:
            raise _NoVerdictError(f"it was not ready within {_READY_S:.0f} s") from None
        except (EndedError, TooLargeError):
            # What it wrote up to here is our own, such as the last line of a traceback; all of it
            # has been read once it is killed.
            confined.kill()
            last = confined.said.rpartition("\n")[2]
            raise _NoVerdictError(f"it ended before it was ready: {_printable(last)}") from None
        if (kind, payload) != (READY, b""):
            raise _NoVerdictError("it began with something else than being ready")
        return peer

    def _converse(
        self, name: str, job: bytes, test: bytes, limits: Limits, runner: Peer, judge: Peer
    ) -> Verdict:
        runner.allow(limits.timeout_s)
        judge.allow(self._judge.timeout_s)
        asked, payload = JOB, job
        try:
            judge.send(JOB, test)
            while True:
                try:
                    runner.send(asked, payload)
                    said, payload = runner.receive()
                except (LateError, EndedError, TooLargeError) as error:
                    return _broken(runner, error, limits)
                judge.send(said, payload)
                asked, payload = judge.receive()
                if asked == VERDICT:
                    status, detail = read_verdict(payload)
                    break
                if asked != CALL:
                    raise ChannelError("neither a call nor a verdict")
        except LateError:
            return Verdict("timeout", "the test does not end with what the program gave")
        except EndedError:
            # Killed by chance, or by what it was given to compare.
            raise _NoVerdictError("the judge ended", _HARMFUL) from None
        except ChannelError:
            raise _NoVerdictError("the judge gave no verdict", _HARMFUL) from None
        if status == "error":
            raise SandboxError(f"the test of {name} cannot be run in the sandbox: {detail}")
        if status == "passed":
            return _over(runner) or Verdict("passed")
        return Verdict(status, detail)


def _broken(runner: Peer, error: Exception, limits: Limits) -> Verdict:
    """Say what it means that a program gave no reply."""
    over = _over(runner)
    if over is not None:
        return over
    if isinstance(error, LateError):
        return Verdict("timeout", f"no end within {limits.timeout_s:g} s")
    if isinstance(error, TooLargeError):
        return Verdict("output", f"it gave {error}")
    runner.confined.kill()
    said = _printable(runner.confined.said)
    return Verdict("failed", "it ended its process" + (f"; it printed: {said}" if said else ""))


def _over(runner: Peer) -> Verdict | None:
    bound = runner.confined.exceeded()
    if bound is None:
        return None
    status = cast("Status", bound) if bound in get_args(Status) else "failed"
    return Verdict(status, f"it went over its bound on {bound}")


def read_verdict(payload: bytes) -> tuple[Status | Literal["error"], str]:
    """Read what a judge wrote; only the words that it has are words.

    Raises:
        ChannelError: It is no verdict.
    """
    said = decode(payload)
    if type(said) is not tuple or [type(part) for part in said] != [str, str]:
        raise ChannelError("no verdict")
    status, detail = said
    if status not in (*get_args(Status), "error"):
        raise ChannelError("no verdict")
    return status, _printable(detail)


def _printable(text: str) -> str:
    """Make hostile text one line that a terminal only prints."""
    line = " ".join(text.split())
    line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_HARMFUL = Verdict("failed", "the test's own process does not survive what the program gave")
