"""Harmony transcripts as models, servers and recordings really have them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.prompts import parse_text
from pytest_gptoss.prompts.channels import MARKERS, parse_transcript, stripped_transcript

WHOLE = (
    "<|channel|>analysis<|message|>2+2 is 4.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>4<|return|>"
)

WELL_FORMED = [
    # transcript, final, reasoning
    (WHOLE, "4", "2+2 is 4."),
    ("<|start|>assistant" + WHOLE, "4", "2+2 is 4."),
    (WHOLE.removeprefix("<|channel|>"), "4", "2+2 is 4."),
    ("assistant" + WHOLE, "4", "2+2 is 4."),
    (WHOLE.removesuffix("<|return|>"), "4", "2+2 is 4."),
    (WHOLE.replace("<|return|>", "<|end|>"), "4", "2+2 is 4."),
    (WHOLE + "<|endoftext|><|endoftext|>", "4", "2+2 is 4."),
    (WHOLE + "<|start|>user<|message|>and 3+3?", "4", "2+2 is 4."),
    ("<|channel|>final<|message|>4<|return|>", "4", None),
    ("<|channel|>final <|constrain|>json<|message|>{}<|return|>", "{}", None),
    ("<|channel|>final<|message|><|return|>", "", None),
    (
        (
            "<|start|>system<|message|>You are<|end|><|start|>user<|message|>2+2?<|end|>"
            "<|start|>assistant<|channel|>final<|message|>4<|return|>"
        ),
        "4",
        None,
    ),
    (
        (
            "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>"
            "First a plan.<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>"
        ),
        "4",
        "a\n\nFirst a plan.",
    ),
    (
        (
            "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|end|>"
            "<|start|>functions.f to=assistant<|channel|>commentary<|message|>7<|end|>"
            "<|start|>assistant<|channel|>final<|message|>7<|return|>"
        ),
        "7",
        "{}",
    ),
    (
        "<|channel|>final<|message|>3<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
        "4",
        None,
    ),
    ("<|channel|>final<|message|>a < b | c |> d<|return|>", "a < b | c |> d", None),
]


@pytest.mark.parametrize(("text", "final", "reasoning"), WELL_FORMED)
@pytest.mark.parametrize("finish_reason", ["stop", None])
def test_well_formed(text, final, reasoning, finish_reason):
    parsed = parse_transcript(text, finish_reason=finish_reason)
    assert (parsed.final, parsed.reasoning, parsed.malformed) == (final, reasoning, None)
    assert parsed.complete
    assert parsed.raw is None


CUT = [
    # transcript, final (never that of the analysis), reasoning
    ("<|channel|>analysis<|message|>The answer is 4", "", "The answer is 4"),
    ("<|channel|>analysis<|message|>The answer is 4<|end|>", "", "The answer is 4"),
    ("<|channel|>analysis<|message|>4<|end|><|start|>", "", "4"),
    ("<|channel|>analysis<|message|>4<|end|><|start|>assistant<|channel|>", "", "4"),
    ("<|channel|>analysis<|message|>4<|end|><|start|>assistant<|channel|>final", "", "4"),
    (WHOLE.removesuffix("<|return|>"), "4", "2+2 is 4."),
    (WHOLE.replace("<|return|>", "<|end|>") + "<|start|>assistant", "4", "2+2 is 4."),
    ("", "", None),
    ("<|channel|>", "", None),
]


@pytest.mark.parametrize(("text", "final", "reasoning"), CUT)
def test_cut_off_is_not_complete_and_no_fault(text, final, reasoning):
    parsed = parse_transcript(text, finish_reason="length")
    assert (parsed.final, parsed.reasoning, parsed.malformed) == (final, reasoning, None)
    assert not parsed.complete


@pytest.mark.parametrize("finish_reason", ["length", "stop", None])
def test_analysis_alone_is_never_final(finish_reason):
    for end in ("", "<|end|>", "<|return|>"):
        text = f"<|channel|>analysis<|message|>The answer is 4{end}"
        parsed = parse_text(text, finish_reason=finish_reason)
        assert (parsed.final, parsed.complete) == ("", False)


def test_a_tool_call_ends_without_an_answer():
    text = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{}<|call|>"
    parsed = parse_transcript(text, finish_reason="stop")
    assert (parsed.final, parsed.complete, parsed.malformed) == ("", False, None)


MALFORMED = [
    # transcript, kept final, what the sentence names
    ("<|channel|>finall<|message|>4<|return|>", "", "unknown channel 'finall'"),
    ("<|message|>4<|return|>", "", "names no channel"),
    ("<|channel|><|message|>4<|return|>", "", "no channel after"),
    ("<|channel|><|channel|>final<|message|>4<|return|>", "4", "no channel after"),
    (
        "<|channel|><|start|>assistant<|channel|>final<|message|>4<|return|>",
        "4",
        "breaks off inside its header",
    ),
    (
        "<|channel|>final to=functions.f to=functions.g<|message|>4<|return|>",
        "4",
        "more than a recipient and a content type",
    ),
    (
        "<|channel|>final <|constrain|>json to=functions.f<|message|>4<|return|>",
        "4",
        "more than a recipient and a content type",
    ),
    (
        "<|channel|>final<|message|>4<|end|><|start|><|channel|>commentary so<|message|><|return|>",
        "4",
        "names no role",
    ),
    ("4", "", "inside a message header"),
    ("The answer is 4<|return|>", "", "breaks off inside its header"),
    (
        "<|channel|>analysis<|message|>a<|channel|>final<|message|>4<|return|>",
        "4",
        "not ended before the next channel",
    ),
    (
        "<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>4<|return|>",
        "4",
        "not ended before the next one",
    ),
    (
        "<|channel|>analysis<|message|>a<|end|><|channel|>final<|message|>4<|return|>",
        "4",
        "does not begin with <|start|>",
    ),
    (
        (
            "<|channel|>analysis<|message|>a<|end|>so 4<|start|>assistant<|channel|>final"
            "<|message|>4<|return|>"
        ),
        "4",
        "between two messages",
    ),
    ("<|channel|>final<|message|>4<|end|><|end|>", "4", "<|end|> ends no message"),
    ("<|channel|>final<|message|>4<|message|>5<|return|>", "45", "<|message|> stands inside"),
    (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistantfinal<|message|>4<|return|>",
        "",
        "unknown role 'assistantfinal'",
    ),
    (
        "<|channel|>final I think that<|message|>4<|return|>",
        "4",
        "more than a recipient and a content type",
    ),
    ("<|channel|>final<|message|>4<|constrain|>json<|return|>", "4json", "<|constrain|> stands"),
    ("<|channel|>analysis<|channel|>final<|message|>4<|return|>", "4", "two channels"),
]


@pytest.mark.parametrize(("text", "kept", "words"), MALFORMED)
def test_malformed_is_said_and_the_final_text_kept(text, kept, words):
    parsed = parse_transcript(text, finish_reason="stop")
    assert words in parsed.malformed
    assert parsed.final == kept
    assert parsed.raw == text


STRIPPED = [
    ("analysisWe need 2+2.assistantfinal42", "42", "We need 2+2."),
    ("assistantanalysisWe add.assistantfinal**4**", "**4**", "We add."),
    ("analysis用户问二加二。assistantfinal四", "四", "用户问二加二。"),
    ("analysisWe.assistantcommentaryPlan.assistantfinal4", "4", "We.\n\nPlan."),
    ("analysisWe quote assistantfinal in prose.assistantfinal4", "4", None),
]


@pytest.mark.parametrize(("text", "final", "reasoning"), STRIPPED)
def test_stripped_special_tokens(text, final, reasoning):
    parsed = parse_text(text)
    assert (parsed.final, parsed.complete) == (final, True)
    assert reasoning is None or parsed.reasoning == reasoning


def test_stripped_and_cut_off():
    for reason in ("length", None):
        parsed = parse_text("analysisWe need to add 2 and 2", finish_reason=reason)
        assert (parsed.final, parsed.complete) == ("", False)


@pytest.mark.parametrize(
    "text",
    [
        "analysis of the data shows 4",
        "analysis: 4",
        "analysis\n4",
        "analysis_4",
        "analysis",
        "analyses differ",
        "The final answer is 4",
        "finally, 4",
        "An assistant finalised it",
        "See the analysisWe made. assistantfinal4",
    ],
)
def test_prose_is_no_stripped_transcript(text):
    assert stripped_transcript(text) is None
    assert parse_text(text).final == text


soup = st.lists(
    st.sampled_from([*MARKERS, "<|endoftext|>", "assistant", "user", "final", "analysis", " ", "4"])
    | st.text(max_size=8),
    max_size=30,
).map("".join)


@given(text=soup | st.text(), reason=st.sampled_from(["stop", "length", None, "odd"]))
def test_any_text_is_read(text, reason):
    for reasoning in ("auto", "harmony", "think", "none", "odd"):
        parsed = parse_text(text, reasoning=reasoning, finish_reason=reason)
        assert isinstance(parsed.final, str)
        if parsed.malformed:
            assert parsed.raw == text
        if reason == "length":
            # Only what ends by its own marker is complete in a completion that was cut off.
            assert not parsed.complete or "<|" in text


@given(thought=st.text(max_size=50), answer=st.text(max_size=50), extra=st.booleans())
def test_a_whole_transcript_gives_back_what_was_put_in(thought, answer, extra):
    if any(marker in thought + answer for marker in ("<|",)):
        return
    text = f"<|channel|>analysis<|message|>{thought}<|end|><|start|>assistant"
    text += f"<|channel|>final<|message|>{answer}" + ("<|return|>" if extra else "")
    parsed = parse_text(text, finish_reason="stop")
    assert (parsed.final, parsed.reasoning, parsed.malformed) == (answer, thought, None)


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        " ",
        "<",
        "<|",
        "<|end|>",
        "<|start|>",
        "<|message|>",
        "<|channel|>",
        "<|start|>assistant<|channel|>final<|message|>x<|end|>",
        "assistantfinal",
        "assistantanalysis",
        "assistantanalysis ",
        "<think>",
        "</think>",
        "<think></think>",
    ],
)
@pytest.mark.parametrize("begin", ["", "<|channel|>final<|message|>", "analysisW", "<think>"])
def test_a_megabyte_takes_less_than_a_tenth_of_a_second(unit, begin):
    text = begin + unit * (1_000_000 // len(unit))
    spent = []
    for _ in range(3):  # the least of three, as other processes share the machine
        start = time.process_time()
        parse_text(text, finish_reason="stop")
        spent.append(time.process_time() - start)
    assert min(spent) < 0.1
