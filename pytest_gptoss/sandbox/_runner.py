"""The program's side of the channel: load it, call it, send what it gave.

This runs in the program's own process, so all that it says is the program's word. It holds no
test, no expected value and no verdict; what it does for honest programs is to send plain values,
and to say what went wrong where there is none.
"""

from __future__ import annotations

import os
import sys
import types
from typing import Any

from pytest_gptoss.sandbox.channel import (
    CALL,
    JOB,
    READY,
    REPLY,
    NotPlainError,
    TooDeepError,
    TooLargeError,
    decode,
    encode,
    read_frame,
    write_frame,
)

REQUESTS, REPLIES = 3, 4
# Not "__main__": a solution's own demonstration is not asked for. A module that can be imported,
# as dataclasses and pickles look for the module of a class.
NAME = "solution"
MUTABLE = (list, dict, set, bytearray)
_MESSAGE = 1000


def serve() -> None:
    """Load one program and answer calls until there are no more."""
    for file in (REQUESTS, REPLIES):
        os.set_inheritable(file, False)
    home = os.getpid()
    write_frame(REPLIES, READY, b"")
    kind, payload = read_frame(REQUESTS)
    assert kind == JOB
    source, entry_point = decode(payload)
    module = types.ModuleType(NAME)
    sys.modules[NAME] = module

    def load() -> None:
        exec(compile(source, f"<{NAME}>", "exec", dont_inherit=True), module.__dict__)
        if not hasattr(module, entry_point):
            raise NameError(missing(module, entry_point))

    answer(0, load, (), {})
    while True:
        if os.getpid() != home:
            # A child that came back out of a call, as after a bare fork.
            os._exit(0)
        kind, payload = read_frame(REQUESTS)
        assert kind == CALL
        number, args, kwargs = decode(payload)
        answer(number, getattr(module, entry_point), args, kwargs)


def missing(module: types.ModuleType, entry_point: str) -> str:
    """Say that a program defines no such function, and where it stands instead."""
    holders = [
        name
        for name, value in module.__dict__.items()
        if isinstance(value, type) and value.__module__ == NAME and entry_point in value.__dict__
    ]
    elsewhere = "".join(f"; a class {name} has one" for name in holders[:1])
    return f"no function {entry_point}{elsewhere}"


def answer(number: int, function: Any, args: Any, kwargs: Any) -> None:
    """Call and reply: with a value, an exception by its names, or why there is neither."""
    home = os.getpid()
    value = None
    try:
        value = function(*args, **kwargs)
        if os.getpid() != home:
            os._exit(0)
        # What gives nothing back works, if at all, on what it was given.
        mutable = [isinstance(arg, MUTABLE) for arg in args] if value is None else []
        changed = {at: args[at] for at, is_so in enumerate(mutable) if is_so}
        reply = encode((number, "value", value, changed))
    except (NotPlainError, TooDeepError) as error:
        reply = encode((number, "refused", f"it gave {error}", None))
    except TooLargeError as error:
        reply = encode((number, "output", f"it gave {error}", None))
    except BaseException as error:
        # What the frames hold may be what used up the memory.
        error.__traceback__ = value = None
        names = [kind.__name__ for kind in type(error).__mro__[:20]]
        reply = encode((number, "raised", names, message_of(error)))
    if os.getpid() != home:
        os._exit(0)
    write_frame(REPLIES, REPLY, reply)


def message_of(error: BaseException) -> str:
    """Give what an exception says, where it can be had."""
    try:
        # KeyError says its message in quotes.
        one = len(error.args) == 1 and isinstance(error.args[0], str)
        return str(error.args[0] if one else error)[:_MESSAGE]
    except BaseException:
        return ""


if __name__ == "__main__":
    try:
        serve()
    except (EOFError, OSError):
        # Nobody asks any more.
        os._exit(0)
