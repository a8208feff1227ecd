"""`python -m pytest_gptoss.sandbox`: grade one program, told as JSON on standard input.

    echo '{"id": "HumanEval/0", "entry_point": "f", "prompt": "...", "completion": "...",
           "test": "...", "limits": {"timeout_s": 3.0, "memory_mb": 512}}' |
        python -m pytest_gptoss.sandbox

prints ``{"passed": true, "status": "passed"}``. ``id``, ``prompt`` and ``limits`` may be left out,
so may each limit; other keys are not read. The exit status is 0 with any verdict, 3 without one
(``{"passed": false, "status": "error"}``, and why on standard error), and 4 where the input is not
what is said here.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import msgspec

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from pytest_gptoss.sandbox.grader import Verdict

NO_VERDICT, USAGE = 3, 4


class Job(msgspec.Struct, frozen=True):
    """What one JSON object asks for."""

    entry_point: str
    completion: str
    test: str
    id: str = "the program"
    prompt: str = ""
    limits: Limits = msgspec.field(default_factory=Limits)


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade what standard input holds; return the exit status."""
    options = parse(arguments)
    try:
        job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _say(f"standard input is not the JSON object of one program: {error}", USAGE)
    answer, status = {"passed": False, "status": "error"}, NO_VERDICT
    try:
        verdict = graded(job, options)
        answer, status = {"passed": verdict.passed, "status": verdict.status}, 0
    except SandboxError as error:
        _say(str(error), status)
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    return status


def graded(job: Job, options: argparse.Namespace) -> Verdict:
    """Grade a program; told to end by a signal, end what was started first.

    Raises:
        SandboxError: There is no verdict.
    """
    from pytest_gptoss.sandbox import choose, grader

    # The work is done by another thread, so that no signal falls into the middle of it.
    with Signals() as signals, ThreadPoolExecutor(1) as thread:
        chosen = thread.submit(
            choose.choose,
            options.sandbox,
            options.sandbox_min,
            allow_unsandboxed=options.allow_unsandboxed,
        )
        signals.wait(chosen)
        with grader.Grader(chosen.result(), limits=job.limits, workers=1, idle=0) as one:
            program = grader.Program(job.id, job.entry_point, job.prompt, job.completion, job.test)
            verdict = thread.submit(one.grade, program)
            signals.wait(verdict)
            # Where a signal came first this breaks it off.
            one.close()
            return verdict.result()


class Signals:
    """Waits for work to be done or for a signal that asks us to end, whichever is first."""

    NUMBERS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self) -> Self:
        self._came = 0
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        signal.set_wakeup_fd(self._writing)
        self._before = [signal.signal(number, lambda *_: None) for number in self.NUMBERS]
        return self

    def wait(self, work: Future[Any]) -> None:
        """Return when the work is done, or at the first signal."""
        work.add_done_callback(lambda _: os.write(self._writing, b"\0"))
        self._came = self._came or os.read(self._reading, 1)[0]

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(-1)
        for number, before in zip(self.NUMBERS, self._before, strict=True):
            signal.signal(number, before)
        os.close(self._reading)
        os.close(self._writing)
        if self._came:
            # As if it had not been held up.
            signal.signal(self._came, signal.SIG_DFL)
            os.kill(os.getpid(), self._came)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m pytest_gptoss.sandbox",
        description="Grade one program in a sandbox: a JSON object on standard input, a line out.",
        epilog="keys: entry_point, completion, test; also id, prompt, limits {timeout_s, memory_mb,"
        " processes, file_mb}",
    )
    parser.add_argument(
        "--sandbox",
        metavar="NAME",
        default="auto",
        help="how to confine it: auto (the strongest that works here), or a rung by its name",
    )
    parser.add_argument(
        "--sandbox-min", metavar="NAME", help="the weakest rung that will do; else no verdict"
    )
    parser.add_argument(
        "--allow-unsandboxed",
        action="store_true",
        help="run the program with your own rights where nothing can confine it",
    )
    return parser.parse_args(arguments)


def _say(sentence: str, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
