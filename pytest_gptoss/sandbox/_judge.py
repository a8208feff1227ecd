"""The test's side of the channel: run the hidden test on a stand-in for the program, and judge.

The stand-in sends each call away and gives what comes back, a plain value or an exception of a
builtin type, so the program never shares a process with the assertions, the expected values or
the verdict. This process decodes what a hostile program wrote, and is confined for that.
"""

from __future__ import annotations

import builtins
import io
import os
import random
import sys
import warnings
from typing import Any

from pytest_gptoss.sandbox.channel import (
    CALL,
    JOB,
    READY,
    REPLY,
    VERDICT,
    ChannelError,
    NotPlainError,
    TooDeepError,
    decode,
    encode,
    read_frame,
    write_frame,
)

REPLIES, CALLS = 3, 4
MUTABLE = (list, dict, set, bytearray)
TEST = "<test>"
# Raised inside a test these would end a loop or the judge instead of failing an assertion.
NEVER_RAISED = (StopIteration, StopAsyncIteration)
_SHOWN = 200


class Spoilt(BaseException):
    """The program cannot pass any more; ``except Exception`` in a test does not hide that."""


class Program:
    """What the test takes for the function under test.

    Args:
        replies: The descriptor that its replies are read from.
        calls: The descriptor that calls are written to.
    """

    def __init__(self, replies: int, calls: int) -> None:
        self._replies = replies
        self._calls = calls
        self.calls = 0
        # The first thing after which no test can pass: a status and why.
        self.spoilt: tuple[str, str] | None = None
        # The last exception that it raised, and as what.
        self.raised: BaseException | None = None
        self.said = ""

    def spoil(self, status: str, why: str) -> Spoilt:
        """Remember why it cannot pass."""
        if self.spoilt is None:
            self.spoilt = status, why
        return Spoilt(why)

    def loaded(self) -> None:
        """Await that it was loaded."""
        self.reply()

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Have it called in its own process."""
        self.calls += 1
        try:
            asked = encode((self.calls, args, kwargs))
        except NotPlainError as error:
            # What came from the program is plain: this is the test's own.
            raise self.spoil("error", f"the test calls it with {error}") from None
        except TooDeepError as error:
            raise self.spoil("refused", f"the test calls it with {error}") from None
        except ChannelError as error:
            raise self.spoil("output", f"the test calls it with {error}") from None
        write_frame(self._calls, CALL, asked)
        value, changed = self.reply()
        for at, after in changed.items():
            if type(at) is not int or not 0 <= at < len(args) or not changes(args[at], after):
                raise self.spoil("refused", "its reply is none")
        return value

    def reply(self) -> tuple[Any, dict[Any, Any]]:
        """Take one reply: the value and the arguments as they are now, or raise."""
        try:
            kind, payload = read_frame(self._replies)
            number, what, value, more = decode(payload)
            if kind != REPLY or type(number) is not int or number != self.calls:
                raise ChannelError("out of step")
            # Only what gives nothing back works on what it was given: else a program could empty
            # the argument that the expected value is derived from, and give what equals that.
            if what == "value" and type(more) is dict and (value is None or not more):
                return value, more
            if what in ("refused", "output") and type(value) is str:
                raise self.spoil(what, value)
            if what != "raised" or type(value) is not list or type(more) is not str:
                raise ChannelError("no reply")
            if any(type(name) is not str for name in value):
                raise ChannelError("no reply")
        except EOFError:
            raise self.spoil("refused", "its replies come to an end") from None
        except (ChannelError, ValueError, TypeError) as error:
            raise self.spoil("refused", f"its reply is none: {error}") from None
        self.raised = exception(value, more)
        self.said = ": ".join(part for part in (*value[:1], more) if part)
        raise self.raised


def exception(names: list[str], message: str) -> Exception:
    """Make the nearest builtin exception to one that is told by the names of its classes."""
    for name in names:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            if issubclass(kind, NEVER_RAISED):
                break
            try:
                return kind(message)
            except TypeError:
                # UnicodeDecodeError and its like want more than a message; their base does not.
                continue
    # It left by way of what is no exception to catch, such as SystemExit.
    return RuntimeError(message)


def changes(old: Any, new: Any) -> bool:
    """Change a list, dictionary, set or bytearray in place into another of its type.

    What stands within is changed in place, too, where it can be: the test may hold it by name.
    """
    base = next((base for base in MUTABLE if isinstance(old, base)), None)
    kind = type(new)
    if kind is not base:
        return False
    if isinstance(old, dict):
        kept = {k: old[k] if k in old and changes(old[k], v) else v for k, v in new.items()}
        old.clear()
        old.update(kept)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, list):
        same = [a if changes(a, b) else b for a, b in zip(old, new, strict=False)]
        old[:] = same + new[len(same) :]
    else:
        old[:] = new
    return True


def judge(program: Program, prompt: str, test: str, entry_point: str) -> tuple[str, str]:
    """Run the test; give the status and, unless it passed, why."""
    try:
        program.loaded()
    except (Exception, Spoilt) as error:
        return program.spoilt or blame(program, error, "")
    space: dict[str, Any] = {"__name__": "test", "__builtins__": builtins}
    try:
        # Some tests call the functions that stand in the prompt above the one to write.
        helpers(prompt, space)
        space[entry_point] = program.call
        exec(compile(test, TEST, "exec", dont_inherit=True), space)
        check = space.get("check")
        if check is not None and check is not program.call:
            check(program.call)
    except BaseException as error:
        return program.spoilt or blame(program, error, test)
    if program.spoilt:
        return program.spoilt
    if not program.calls:
        return "error", "the test never calls the program"
    return "passed", ""


def helpers(prompt: str, space: dict[str, Any]) -> None:
    """Define what the prompt defines; a prompt of words defines nothing."""
    for text in (f"{prompt}\n    pass\n", prompt):
        try:
            code = compile(text, "<prompt>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        try:
            exec(code, space)
        except Exception:
            # It wants what is not here; whether the test misses it, the test will show.
            return
        return


def blame(program: Program, error: BaseException, test: str) -> tuple[str, str]:
    """Tell whose fault an exception is, and say it in one line."""
    if error is program.raised:
        return "memory" if isinstance(error, MemoryError) else "failed", f"it raised {program.said}"
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, MemoryError):
        return "memory", "its value is too large to be compared"
    line = where(error, test)
    if not program.calls:
        # Nothing was asked of the program yet.
        return "error", f"the test itself ends with {words}{line}"
    if type(error) is AssertionError:
        return "failed", f"assertion failed{line}"
    return "failed", f"the test ends with {words}{line}"


def where(error: BaseException, test: str) -> str:
    """Show the line of the test at which an exception left it."""
    number, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == TEST:
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = test.splitlines()
    if not 0 < number <= len(lines):
        return ""
    return f" in line {number}: {lines[number - 1].strip()[:_SHOWN]}"


class Nowhere(io.TextIOBase):
    """A file that forgets."""

    def write(self, text: str) -> int:
        """Forget."""
        return len(text)


def main() -> None:
    """Judge one program and write the verdict."""
    write_frame(CALLS, READY, b"")
    kind, payload = read_frame(REPLIES)
    assert kind == JOB
    prompt, test, entry_point = decode(payload)
    # A test that draws its cases draws the same for every program and at every time, and what no
    # program can draw for itself, as it does not know the test.
    random.seed(test)
    warnings.simplefilter("ignore")
    # What a test prints is read by nobody, and would count as output.
    sys.stdout = sys.stderr = Nowhere()
    program = Program(REPLIES, CALLS)
    write_frame(CALLS, VERDICT, encode(judge(program, prompt, test, entry_point)))


if __name__ == "__main__":
    try:
        main()
    except (EOFError, OSError):
        # Nobody wants the verdict any more.
        os._exit(1)
