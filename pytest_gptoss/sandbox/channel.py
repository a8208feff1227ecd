"""The narrow channel between a program and its test: plain values in frames of bounded size.

Both ends run in sandboxes of their own, as interpreters that see the standard library alone, so
this file needs nothing else. What a program sends is hostile until it is decoded: no bytes lead to
anything but a value of exact builtin types or a :class:`ChannelError`. That rules out pickles and
``repr`` with ``eval``, which run code; it is JSON with a tag on whatever JSON has no word for, so
that a list is no tuple, ``2`` equals ``2.0`` without being it, and NaN, integers of any length,
lone surrogates and dictionaries with any key arrive as they were sent.
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterator
from typing import Any

__all__ = [
    "CALL",
    "HEADER",
    "JOB",
    "MAX_BYTES",
    "MAX_DEPTH",
    "READY",
    "REPLY",
    "VERDICT",
    "ChannelError",
    "NotPlainError",
    "TooDeepError",
    "TooLargeError",
    "decode",
    "encode",
    "frame",
    "read_frame",
    "write_frame",
]

MAX_BYTES = 4 << 20
"""The most bytes that one encoded message may have."""
MAX_DEPTH = 100
"""The most containers that may stand within each other."""

# What a frame is: the interpreter is up; what to run or to judge; call the program; what the call
# gave; what the judge found.
READY, JOB, CALL, REPLY, VERDICT = b"RJCAV"

HEADER = struct.Struct(">BI")
"""A frame's first bytes: its kind and how many bytes follow."""

# Messages are values, too: a reply is a tuple that holds a value.
_DEPTH = MAX_DEPTH + 2
_SMALL = 1 << 63
# The least that a value costs in its encoded form, with the comma after it.
_LEAST = 2
_READ = 1 << 16


class ChannelError(Exception):
    """A value that the channel does not carry, or bytes that are none."""


class NotPlainError(ChannelError):
    """It is of a type that the channel does not carry."""


class TooDeepError(ChannelError):
    """Its containers stand too deep within each other; also what a cycle comes to."""


class TooLargeError(ChannelError):
    """Its encoded form is longer than a message may be."""


def encode(value: Any) -> bytes:
    """Write a value down.

    A subclass of a builtin type becomes its base, as Counter does dict; an iterator is exhausted
    and arrives as an iterator over what it gave.

    Raises:
        NotPlainError: It is, or holds, something of another type.
        TooDeepError: It is nested deeper than :data:`MAX_DEPTH`, or without end.
        TooLargeError: It takes more than :data:`MAX_BYTES`.
    """
    text = json.dumps(_Encoder().tree(value, 0), separators=(",", ":"), check_circular=False)
    if len(text) > MAX_BYTES:
        raise TooLargeError(f"a value of more than {MAX_BYTES >> 20} MB")
    return text.encode("ascii")


def decode(data: bytes) -> Any:
    """Read a value back.

    Raises:
        ChannelError: The bytes are not what :func:`encode` writes.
    """
    if len(data) > MAX_BYTES:
        raise TooLargeError(f"a value of more than {MAX_BYTES >> 20} MB")
    try:
        return _value(json.loads(data.decode("ascii"), parse_constant=_no_constant), 0)
    except ChannelError:
        raise
    # A key that cannot be hashed, digits that are none, brackets without end: bytes of no value.
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise ChannelError(f"no value ({type(error).__name__})") from None


class _Encoder:
    """Turns values into what JSON can say, and stops as soon as they cannot fit."""

    def __init__(self) -> None:
        self.room = MAX_BYTES

    def spend(self, size: int) -> None:
        self.room -= size
        if self.room < 0:
            raise TooLargeError(f"a value of more than {MAX_BYTES >> 20} MB")

    def tree(self, value: Any, depth: int) -> Any:
        """Give the tree of JSON values that stands for a value."""
        self.spend(_LEAST)
        if value is None or value is True or value is False:
            return value
        # A subclass's own methods are not asked; what it is as its base is what counts.
        if isinstance(value, int):
            value = int.__index__(value)
            if -_SMALL < value < _SMALL:
                return value
            self.spend(value.bit_length() // 4)
            return {"i": f"{value:x}"}
        if isinstance(value, float):
            value = float.__float__(value)
            return value if math.isfinite(value) else {"f": str(value)}
        if isinstance(value, str):
            return self.text(str.__str__(value))
        if isinstance(value, bytes | bytearray):
            self.spend(2 * len(value))
            return {"b" if isinstance(value, bytes) else "y": bytes(value).hex()}
        return self.container(value, depth + 1)

    def text(self, value: str) -> Any:
        self.spend(len(value))
        try:
            value.encode()
        except UnicodeEncodeError:
            # JSON would join two lone surrogates into one character.
            return {"u": value.encode("utf-8", "surrogatepass").hex()}
        return value

    def container(self, value: Any, depth: int) -> Any:
        if depth > _DEPTH:
            raise TooDeepError(f"a value nested deeper than {MAX_DEPTH}")
        if isinstance(value, list):
            return self.items(list.__iter__(value), depth)
        if isinstance(value, tuple):
            return {"t": self.items(tuple.__iter__(value), depth)}
        if isinstance(value, dict):
            pairs = dict.items(value)
            return {"d": [[self.tree(k, depth), self.tree(v, depth)] for k, v in pairs]}
        if isinstance(value, set):
            return {"s": self.items(set.__iter__(value), depth)}
        if isinstance(value, frozenset):
            return {"z": self.items(frozenset.__iter__(value), depth)}
        if isinstance(value, complex):
            return {"c": self.items(iter((value.real, value.imag)), depth)}
        if isinstance(value, range):
            return {"r": self.items(iter((value.start, value.stop, value.step)), depth)}
        if isinstance(value, Iterator):
            return {"n": self.items(value, depth)}
        raise NotPlainError(f"a value of type {type(value).__name__}")

    def items(self, values: Iterator[Any], depth: int) -> list[Any]:
        return [self.tree(item, depth) for item in values]


def _value(tree: Any, depth: int) -> Any:
    """Give the value that a tree of JSON values stands for; whatever is wrong with it raises."""
    if type(tree) is dict:
        ((tag, held),) = tree.items()
        if tag in _WRITTEN:
            return _WRITTEN[tag](held)
    elif type(tree) is list:
        tag, held = "l", tree
    else:
        return tree
    if type(held) is not list:
        raise ChannelError("no value")
    if depth >= _DEPTH:
        raise TooDeepError(f"a value nested deeper than {MAX_DEPTH}")
    if tag == "d":
        return {_value(key, depth + 1): _value(item, depth + 1) for key, item in held}
    return _HOLDING[tag]([_value(item, depth + 1) for item in held])


def _number(digits: str) -> int:
    return int(digits, 16)


def _not_finite(name: str) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[name]


def _surrogates(digits: str) -> str:
    return bytes.fromhex(digits).decode("utf-8", "surrogatepass")


def _complex(parts: list[Any]) -> complex:
    real, imaginary = parts
    if type(real) is not float or type(imaginary) is not float:
        raise ChannelError("no value")
    return complex(real, imaginary)


def _range(parts: list[Any]) -> range:
    start, stop, step = parts
    return range(start, stop, step)


def _no_constant(name: str) -> Any:
    raise ChannelError(f"no value ({name})")


_WRITTEN: dict[str, Any] = {
    "i": _number,
    "f": _not_finite,
    "u": _surrogates,
    "b": bytes.fromhex,
    "y": bytearray.fromhex,
}
_HOLDING: dict[str, Any] = {
    "l": list,
    "t": tuple,
    "s": set,
    "z": frozenset,
    "n": iter,
    "c": _complex,
    "r": _range,
}


def frame(kind: int, payload: bytes) -> bytes:
    """Put a payload into a frame."""
    return HEADER.pack(kind, len(payload)) + payload


def write_frame(file: int, kind: int, payload: bytes) -> None:
    """Write one frame, however long that takes.

    Raises:
        OSError: Nobody reads there any more.
    """
    left = memoryview(frame(kind, payload))
    while left:
        left = left[os.write(file, left) :]


def read_frame(file: int) -> tuple[int, bytes]:
    """Wait for one frame: its kind and its payload.

    Raises:
        EOFError: There will be no more, or it is torn.
        TooLargeError: It says that it is longer than a message may be; nothing of it is read.
    """
    kind, size = HEADER.unpack(_exactly(file, HEADER.size))
    if size > MAX_BYTES:
        raise TooLargeError(f"a frame of {size} bytes")
    return kind, _exactly(file, size)


def _exactly(file: int, size: int) -> bytes:
    held = bytearray()
    while len(held) < size:
        piece = os.read(file, min(size - len(held), _READ))
        if not piece:
            raise EOFError
        held += piece
    return bytes(held)
