"""What the endpoint engine makes of a server's answers."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_server import Background, ScriptedServer, ask, opened, raw, says

from pytest_gptoss.engines._answer import BadAnswerError, read_answer
from pytest_gptoss.engines._url import said, seconds_to_wait

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.records import Completion


@pytest.fixture(scope="module")
def background() -> Iterator[Background]:
    with Background() as background:
        yield background


def answered(background: Background, answer: Any) -> Completion:
    with ScriptedServer(answer) as server, opened(background, server) as engine:
        return background.run(engine.generate(ask()))


HARMONY = (
    "<|channel|>analysis<|message|>6 x 7<|end|>"
    "<|start|>assistant<|channel|>final<|message|>42<|return|>"
)


@pytest.mark.parametrize(
    "answer",
    [
        says("42", "6 x 7"),
        says("42", reasoning_content=None, reasoning="6 x 7"),
        says("42", reasoning_content="6 x 7", reasoning=None),
        says("<think>6 x 7</think>42"),
        says("6 x 7</think>42"),
        says(HARMONY),
        says([{"type": "text", "text": "4"}, {"type": "text", "text": "2"}], "6 x 7"),
    ],
    ids=["both", "reasoning", "reasoning_content", "think", "closing think", "harmony", "parts"],
)
def test_channels_are_told_apart_however_the_server_gives_them(
    background: Background, answer: Any
) -> None:
    completion = answered(background, answer)
    assert (completion.final, completion.reasoning) == ("42", "6 x 7")
    assert completion.malformed is None


def test_counts_times_and_the_served_name_are_kept(background: Background) -> None:
    completion = answered(background, says("42", "6 x 7", model="openai/gpt-oss-20b"))
    assert completion.served_model == "openai/gpt-oss-20b"
    assert (completion.prompt_tokens, completion.completion_tokens) == (100, 200)
    assert (completion.reasoning_tokens, completion.cached_tokens) == (180, 64)
    assert completion.latency_s is not None
    assert completion.latency_s > 0
    assert completion.ttft_s is completion.queue_s is None


@pytest.mark.parametrize(
    "usage", [None, {}, [], {"prompt_tokens": "x"}, {"prompt_tokens": -1}], ids=repr
)
def test_unknown_counts_are_null(background: Background, usage: Any) -> None:
    completion = answered(background, says("42", usage=usage))
    assert completion.prompt_tokens is completion.reasoning_tokens is None


@pytest.mark.parametrize(
    ("answer", "final", "ending"),
    [
        (says(None, "so far", finish_reason="length"), "", "length"),
        (says(None, "hm", finish_reason="stop"), "", "stop"),
        (says("cut o", finish_reason="max_tokens"), "cut o", "length"),
        (says("x", finish_reason="eos_token"), "x", "stop"),
        (says("x", finish_reason="content_filter"), "x", "content_filter"),
        (says("x", finish_reason=None), "x", None),
        (says(None, refusal="I cannot help."), "I cannot help.", "stop"),
    ],
    ids=["length", "reasoning alone", "max_tokens", "eos", "filter", "none", "refusal"],
)
def test_endings_are_kept_apart(
    background: Background, answer: Any, final: str, ending: str | None
) -> None:
    completion = answered(background, answer)
    assert (completion.final, completion.finish_reason) == (final, ending)


def test_a_transcript_that_breaks_its_format_is_malformed(background: Background) -> None:
    completion = answered(background, says("<|channel|>analysis<|message|>a<|channel|><|message|>"))
    assert completion.malformed


def test_a_servers_own_parser_that_fails_says_something_about_the_model(
    background: Background,
) -> None:
    message = "Unexpected token 12606 while expecting start token 200006"
    failure = raw(json.dumps({"error": {"message": message}}), 500)
    no_retry = {"retries": 0}
    with (
        ScriptedServer(failure) as server,
        opened(background, server, arguments=no_retry) as engine,
    ):
        completion = background.run(engine.generate(ask()))
    assert message in (completion.malformed or "")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
shapes = st.fixed_dictionaries(
    {},
    optional={
        "choices": json_values
        | st.lists(
            st.fixed_dictionaries(
                {"message": json_values | st.fixed_dictionaries({"content": json_values})},
                optional={"finish_reason": json_values},
            ),
            max_size=2,
        ),
        "usage": json_values,
        "model": json_values,
        "error": json_values,
    },
)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60) | (shapes | json_values).map(msgspec.json.encode))
def test_any_body_is_a_completion_or_a_sentence(body: bytes) -> None:
    try:
        outcome = read_answer(body).final
    except BadAnswerError as error:
        outcome = str(error)
    assert isinstance(outcome, str)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"choices":' + b"[" * 200_000], ids=len)
def test_a_bottomless_body_is_a_sentence(body: bytes) -> None:
    with pytest.raises(BadAnswerError):
        read_answer(body)
    said(body)


@given(st.binary(max_size=200) | json_values.map(msgspec.json.encode))
def test_any_error_body_is_put_in_one_line(body: bytes) -> None:
    line = said(body)
    assert "\n" not in line
    assert len(line) <= 241


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("", 0.0), ("soon", 0.0), ("-3", 0.0), ("nan", 0.0), ("inf", 0.0)],
)
def test_retry_after_is_read(value: str, seconds: float) -> None:
    assert seconds_to_wait({"Retry-After": value}) == seconds


def test_retry_after_may_be_a_date() -> None:
    assert 50 < seconds_to_wait({"Retry-After": formatdate(time.time() + 60, usegmt=True)}) <= 60
