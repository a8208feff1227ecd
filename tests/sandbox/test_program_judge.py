"""The judge against whatever a program may write: nothing but the right values passes a test."""

from __future__ import annotations

import ast
import json
import tempfile

from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_gptoss.sandbox import _judge, channel
from pytest_gptoss.sandbox.channel import ChannelError, encode, frame
from pytest_gptoss.sandbox.grader import read_verdict
from pytest_gptoss.sandbox.pool import source_of

ASKED, EXPECTED = 20_531, "a word that nobody guesses 90417"
TEST = f"""
def check(candidate):
    for _ in range(3):
        assert candidate({ASKED}) == {EXPECTED!r}
    try:
        candidate(None)
    except ValueError as error:
        assert str(error) == "none"
"""
STATUSES = ("failed", "refused", "output", "memory", "error", "passed")


def judged(stream: bytes) -> tuple[str, str]:
    """The verdict over replies that were all written before they were asked for."""
    with tempfile.TemporaryFile() as replies, tempfile.TemporaryFile() as calls:
        replies.write(stream)
        replies.seek(0)
        program = _judge.Program(replies.fileno(), calls.fileno())
        return _judge.judge(program, "def f(x):\n", TEST, "f")


def reply(number: object, what: object, value: object, more: object) -> bytes:
    return frame(channel.REPLY, encode((number, what, value, more)))


RIGHT = [
    reply(0, "value", None, {}),
    *(reply(number, "value", EXPECTED, {}) for number in (1, 2, 3)),
    reply(4, "raised", ["Mine", "ValueError", "Exception"], "none"),
]


def test_the_right_replies_pass() -> None:
    assert judged(b"".join(RIGHT)) == ("passed", "")


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=9)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(scalars, inner, max_size=3)
        | st.lists(inner, max_size=3).map(iter)
    ),
    max_leaves=6,
)
whats = st.sampled_from(["value", "raised", "refused", "output", "passed", "error"])
names = st.sampled_from(
    (
        *("ValueError", "StopIteration", "SystemExit", "AssertionError", "KeyboardInterrupt"),
        *("UnicodeDecodeError", "ExceptionGroup", "GeneratorExit", "print", "__import__", "Spoilt"),
    )
)
replies = (
    st.builds(reply, st.integers(0, 5), whats, plain, plain)
    | st.builds(reply, st.integers(0, 5), st.just("value"), plain, st.just({}))
    | st.builds(reply, st.integers(0, 5), st.just("raised"), st.lists(names), st.text(max_size=5))
    | st.builds(frame, st.integers(0, 255), st.binary(max_size=30))
    | plain.map(lambda value: frame(channel.REPLY, encode(value)))
    | st.binary(max_size=30)
)


@settings(deadline=None)
@given(st.integers(0, 3), st.lists(replies, max_size=6))
@example(1, [reply(1, "raised", ["StopIteration"], "")])
@example(1, [reply(1, "value", EXPECTED, {0: ASKED})])
@example(1, [reply(True, "value", EXPECTED, {})])
@example(1, [reply(1, "value", EXPECTED, {}), reply(1, "value", EXPECTED, {})])
@example(1, [frame(channel.VERDICT, encode(("passed", "")))])
@example(1, [frame(channel.REPLY, b"[" * 100_000)])
@example(0, [reply(0, "raised", ["SystemExit"], "0")])
@example(0, [reply(0, "raised", ["EOFError"], "")])
def test_nothing_else_passes(right: int, others: list[bytes]) -> None:
    # The last of the right replies are left out, so that a pass needs a value that only we know.
    status, why = judged(b"".join([*RIGHT[:right], *others]))
    assert status in STATUSES
    assert status != "passed"
    assert why


def judged_by(test: str, *replies: bytes) -> tuple[str, str]:
    with tempfile.TemporaryFile() as stream, tempfile.TemporaryFile() as calls:
        stream.write(b"".join([RIGHT[0], *replies]))
        stream.seek(0)
        return _judge.judge(
            _judge.Program(stream.fileno(), calls.fileno()), "def f(x):\n", test, "f"
        )


def test_an_answer_cannot_come_with_another_question() -> None:
    derived = "def check(f):\n    xs = [3, 1]\n    assert f(xs) == sorted(xs)\n"
    assert judged_by(derived, reply(1, "value", [1, 3], {})) == ("passed", "")
    assert judged_by(derived, reply(1, "value", [], {0: []}))[0] == "refused"
    in_place = "def check(f):\n    xs = [3, 1]\n    f(xs)\n    assert xs == [1, 3]\n"
    assert judged_by(in_place, reply(1, "value", None, {0: [1, 3]})) == ("passed", "")
    assert judged_by(in_place, reply(1, "value", None, {}))[0] == "failed"


@settings(deadline=None)
@given(st.data())
def test_no_damaged_reply_passes(data: st.DataObject) -> None:
    at = data.draw(st.integers(1, 3))
    damaged = bytearray(RIGHT[at])
    # What is damaged is the value, or what stands before it.
    place = data.draw(st.integers(0, damaged.index(b"90417") + 4))
    damaged[place] ^= data.draw(st.integers(1, 255))
    status, _ = judged(b"".join([*RIGHT[:at], bytes(damaged), *RIGHT[at + 1 :]]))
    assert status != "passed"


def test_a_stream_that_is_cut_does_not_pass() -> None:
    whole = b"".join(RIGHT)
    for length in range(len(whole)):
        assert judged(whole[:length])[0] == "refused"


@settings(deadline=None)
@given(
    st.binary(max_size=60)
    | st.tuples(st.sampled_from(STATUSES), st.text()).map(encode)
    | plain.map(encode)
    | st.lists(st.sampled_from(STATUSES)).map(tuple).map(encode)
    | st.just(json.dumps(["passed", ""]).encode())
)
def test_a_verdict_is_a_known_word_and_a_line(payload: bytes) -> None:
    try:
        status, why = read_verdict(payload)
    except ChannelError:
        return
    assert status in (*STATUSES, "timeout")
    assert why == "" or why.isprintable()
    assert status != "passed" or b'"passed"' in payload


def test_both_sides_have_room_in_one_program_with_the_channel() -> None:
    for side in ("runner", "judge"):
        defined = [
            node.name
            for node in ast.parse(source_of(side)).body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        ]
        assert len(defined) == len(set(defined))
