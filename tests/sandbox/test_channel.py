"""The value channel: what goes in comes out exactly, and no bytes do anything else."""

from __future__ import annotations

import collections
import contextlib
import enum
import itertools
import json
import math
import os
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_gptoss.sandbox import channel
from pytest_gptoss.sandbox.channel import (
    MAX_BYTES,
    MAX_DEPTH,
    ChannelError,
    NotPlainError,
    TooDeepError,
    TooLargeError,
    decode,
    encode,
)

PLAIN = (
    *(type(None), bool, int, float, complex, str, bytes, bytearray),
    *(list, tuple, dict, set, frozenset, range),
)
ITERATOR = type(iter([]))


def shape(value: object) -> tuple[str, object]:
    """A value and all its types, so that 1, True and 1.0 differ, and NaN is like NaN."""
    held: object = repr(value)
    if isinstance(value, list | tuple):
        held = [shape(item) for item in value]
    elif isinstance(value, dict):
        held = [(shape(key), shape(item)) for key, item in value.items()]
    elif isinstance(value, set | frozenset):
        held = sorted(repr(shape(item)) for item in value)
    return type(value).__name__, held


def is_plain(value: object) -> bool:
    if type(value) is ITERATOR:
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return type(value) is dict and all(map(is_plain, [*value.keys(), *value.values()]))
    if isinstance(value, list | tuple | set | frozenset):
        return type(value) in PLAIN and all(map(is_plain, value))
    return type(value) in PLAIN


any_text = st.text(st.characters(exclude_categories=()))
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | any_text
    | st.binary(),
    lambda inner: st.lists(inner).map(tuple) | st.frozensets(inner),
    max_leaves=8,
)
values = st.recursive(
    hashable
    | st.integers(-(1 << 9000), 1 << 9000)
    | st.binary().map(bytearray)
    | st.builds(range, st.integers(), st.integers(), st.integers(1, 9)),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(hashable, inner)
        | st.sets(hashable)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(values)
@example("\ud83d\ude00 are two surrogates")
@example([1, True, 1.0, -0.0, math.nan, -math.inf, 1 << 63, -(1 << 63), (), [], {}, set()])
@example({1: "a", (1, "b"): [2], frozenset({None}): {"x": ()}})
def test_a_value_comes_out_as_it_went_in(value: object) -> None:
    assert shape(decode(encode(value))) == shape(value)


class Colour(enum.IntEnum):
    RED = 3


Point = collections.namedtuple("Point", "x y")


class Liar(int):
    """Equal to everything, by its own word."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 7

    def __index__(self) -> int:
        return 99

    def __int__(self) -> int:
        return 99


class Forger(list):
    def __iter__(self):
        return iter(["what the test wants"])

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("value", "arrives"),
    [
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (Colour.RED, 3),
        (Point(1, 2), (1, 2)),
        (Liar(5), 5),
        (Forger([1, 2]), [1, 2]),
        ([Liar(5)], [5]),
    ],
)
def test_a_subclass_arrives_as_its_base(value: object, arrives: object) -> None:
    assert shape(decode(encode(value))) == shape(arrives)


@pytest.mark.parametrize(
    "value",
    [iter([1, 2]), map(int, "12"), (n for n in (1, 2)), filter(None, [1, 2]), zip([1, 2])],
    ids=lambda value: type(value).__name__,
)
def test_an_iterator_arrives_as_an_iterator(value: object) -> None:
    arrived = decode(encode(value))
    assert type(arrived) is ITERATOR
    assert list(arrived) in ([1, 2], [(1,), (2,)])


@pytest.mark.parametrize(
    "value",
    [object(), len, int, ..., NotImplemented, memoryview(b""), {}.keys(), os, ValueError()],
    ids=lambda value: type(value).__name__,
)
def test_nothing_else_goes_in(value: object) -> None:
    for held in (value, [value], {"key": (value,)}, iter([value])):
        with pytest.raises(NotPlainError, match=f"type {type(value).__name__}"):
            encode(held)


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_depth_is_bounded_on_both_ways() -> None:
    # A message is a tuple around the value, and what a call is given stands in a tuple, too.
    deepest = (1, (nested(MAX_DEPTH),))
    assert decode(encode(deepest)) == deepest
    with pytest.raises(TooDeepError):
        encode((deepest,))
    brackets = MAX_DEPTH + 3
    for opening, closing in (("[", "]"), ('{"t":[', "]}"), ('{"d":[[1,', "]]}"), ('{"n":[', "]}")):
        with pytest.raises(TooDeepError):
            decode((opening * brackets + "1" + closing * brackets).encode())
    for opening in ("[", '{"t":[', '{"a":'):
        with pytest.raises(ChannelError):
            decode(opening.encode() * (MAX_BYTES // len(opening)))


def test_a_cycle_ends() -> None:
    cycle: list = []
    cycle.append(cycle)
    with pytest.raises(TooDeepError):
        encode(cycle)


def test_what_is_shared_many_times_ends() -> None:
    value: list = ["a" * 1000]
    for _ in range(60):
        value = [value, value]
    with pytest.raises(TooLargeError):
        encode(value)


def endless():
    while True:
        yield 0


@pytest.mark.parametrize(
    "value",
    [
        "a" * (MAX_BYTES + 1),
        "é" * (MAX_BYTES // 3),
        b"a" * (MAX_BYTES // 2 + 1),
        [0] * MAX_BYTES,
        1 << (4 * MAX_BYTES + 8),
        list(range(MAX_BYTES // 2)),
        endless(),
    ],
    ids=["text", "escaped text", "bytes", "list", "integer", "numbers", "endless"],
)
def test_size_is_bounded(value: object) -> None:
    with pytest.raises(TooLargeError):
        encode(value)


def test_what_is_too_long_is_not_looked_at() -> None:
    with pytest.raises(TooLargeError):
        decode(b"0" * (MAX_BYTES + 1))


trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text("0123456789abcdef-xinf", max_size=8)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from("ifubyldtsznrcx"), inner, max_size=2)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.binary() | trees.map(lambda tree: json.dumps(tree).encode()))
@example(b'{"d":[[[],1]]}')
@example(b'{"s":[{"d":[]}]}')
@example(b'{"r":[0,1,0]}')
@example(b'{"i":"' + b"9" * 5000 + b'"}')
@example(b"9" * 5000)
@example(b"NaN")
@example(b"[1,]")
@example(b'{"t":[],"s":[]}')
@example(b'{"c":[1,2]}')
@example(b'{"__class__":["os.system"]}')
@example(b"\xff\xfe[\x00]\x00")
def test_any_bytes_are_a_plain_value_or_a_channel_error(data: bytes) -> None:
    try:
        value = decode(data)
    except ChannelError:
        return
    assert is_plain(value)


@settings(deadline=None)
@given(values, st.data())
def test_a_damaged_value_is_another_or_none(value: object, data: st.DataObject) -> None:
    whole = encode(value)
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    for damaged in (whole[:at], bytes(flipped), whole + whole):
        with contextlib.suppress(ChannelError):
            assert is_plain(decode(damaged))


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


@settings(deadline=None)
@given(frames=st.lists(st.tuples(st.sampled_from(b"RJCAV"), st.binary(max_size=200)), max_size=5))
def test_frames_come_one_by_one(frames: list[tuple[int, bytes]]) -> None:
    reading, writing = os.pipe()
    for kind, payload in frames:
        channel.write_frame(writing, kind, payload)
    os.close(writing)
    for sent in frames:
        assert channel.read_frame(reading) == sent
    with pytest.raises(EOFError):
        channel.read_frame(reading)
    os.close(reading)


def frames_in(stream: bytes) -> int:
    reading, writing = os.pipe()
    os.write(writing, stream)
    os.close(writing)
    try:
        for read in itertools.count():
            try:
                kind, payload = channel.read_frame(reading)
            except (EOFError, TooLargeError):
                return read
            assert stream.count(channel.frame(kind, payload))
    finally:
        os.close(reading)


a_frame = st.builds(channel.frame, st.integers(0, 255), st.binary(max_size=20))


@settings(deadline=None)
@given(st.lists(a_frame, max_size=4), st.binary(max_size=20))
def test_a_stream_is_whole_frames_and_then_its_end(frames: list[bytes], rest: bytes) -> None:
    assert frames_in(b"".join(frames)) == len(frames)
    assert frames_in(b"".join(frames) + rest) >= len(frames)


def test_a_frame_that_announces_too_much_is_not_read(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    os.write(writing, struct.pack(">BI", ord("A"), MAX_BYTES + 1) + b"rest")
    with pytest.raises(TooLargeError):
        channel.read_frame(reading)
    assert os.read(reading, 9) == b"rest"
