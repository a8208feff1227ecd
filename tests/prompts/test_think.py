"""``<think>`` parts, with the opening tag in the answer or in the prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.prompts import parse_text
from pytest_gptoss.prompts.think import parse_think


@pytest.mark.parametrize(
    ("text", "final", "reasoning"),
    [
        ("<think>2+2</think>4", "4", "2+2"),
        ("<think>\n2+2\n</think>\n\n4\n", "4", "2+2"),
        ("\n<think>2+2</think>4", "4", "2+2"),
        ("2+2</think>4", "4", "2+2"),
        ("2+2\n</think>\n\n4", "4", "2+2"),
        ("<think></think>4", "4", None),
        ("<think>\n\n</think>\n\n4", "4", None),
        ("<think>a</think>b</think>4", "4", "a</think>b"),
        ("<think>a</think><think>b</think>4", "4", "a</think><think>b"),
        ("<think>2+2<\\think>4", "4", "2+2"),
        ("<think>2+2</think>", "", "2+2"),
        ("<think>2+2</think>The tag <think> opens.", "The tag <think> opens.", "2+2"),
        ("4", "4", None),
    ],
)
@pytest.mark.parametrize("finish_reason", ["stop", None])
def test_ended(text, final, reasoning, finish_reason):
    parsed = parse_text(text, reasoning="think", finish_reason=finish_reason)
    assert (parsed.final, parsed.reasoning, parsed.complete) == (final, reasoning, True)


@pytest.mark.parametrize(
    ("text", "in_prompt"),
    [
        ("<think>The answer is 4", False),
        ("<think>The answer is 4", True),
        ("The answer is 4", True),
        ("<think>a</think><think>The answer is 4", False),
        ("", True),
    ],
)
@pytest.mark.parametrize("finish_reason", ["length", "stop", None])
def test_unclosed_thinking_is_never_final(text, in_prompt, finish_reason):
    parsed = parse_think(text, finish_reason=finish_reason, think_in_prompt=in_prompt)
    assert (parsed.final, parsed.complete) == ("", False)


def test_a_cut_off_answer_is_not_complete():
    parsed = parse_text("<think>a</think>The ans", finish_reason="length")
    assert (parsed.final, parsed.complete) == ("The ans", False)


@pytest.mark.parametrize(
    ("text", "final"),
    [
        ("a</think>4", "4"),
        ("  <think>a</think>4", "4"),
        ("I <think> so: 4", "I <think> so: 4"),
        ("<thinking>a</thinking>4", "<thinking>a</thinking>4"),
    ],
)
def test_auto_recognises_only_what_is_unmistakable(text, final):
    assert parse_text(text).final == final


def test_none_leaves_a_text_whole():
    for text in (
        "a</think>4",
        "<|channel|>final<|message|>4<|return|>",
        "analysisWe.assistantfinal4",
    ):
        assert parse_text(text, reasoning="none").final == text


@given(thought=st.text(max_size=50), answer=st.text(max_size=50), opened=st.booleans())
def test_what_is_put_together_is_taken_apart(thought, answer, opened):
    if "think>" in thought + answer:
        return
    parsed = parse_think(f"{'<think>' * opened}{thought}</think>{answer}", finish_reason="stop")
    assert parsed.final == answer.strip()
    assert parsed.reasoning == (thought.strip() or None)
