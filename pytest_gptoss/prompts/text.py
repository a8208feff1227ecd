"""Reading an answer that is at hand as text: from an endpoint, or recorded."""

from __future__ import annotations

from pytest_gptoss.prompts.base import Parsed, ended
from pytest_gptoss.prompts.channels import parse_transcript, stripped_transcript
from pytest_gptoss.prompts.think import has_think_tags, parse_think

__all__ = ["parse_text"]


def parse_text(
    text: str,
    *,
    reasoning: str = "auto",
    finish_reason: str | None = None,
    think_in_prompt: bool = False,
) -> Parsed:
    """Tell the reasoning of an answer from its final text. Never raises.

    Args:
        text: The answer, with or without its special tokens.
        reasoning: ``harmony``, ``think``, ``none`` (all of it is final), or ``auto``: harmony where
            it has ``<|channel|>``, thinking where it has ``</think>`` or begins with ``<think>``,
            else none.
        finish_reason: Why the engine stopped; ``None`` where that is not known.
        think_in_prompt: Whether the prompt ended with an opening ``<think>``.
    """
    if reasoning in ("harmony", "auto"):
        if "<|channel|>" in text or (reasoning == "harmony" and "<|message|>" in text):
            return parse_transcript(text, finish_reason=finish_reason)
        stripped = stripped_transcript(text, finish_reason=finish_reason)
        if stripped is not None:
            return stripped
    if reasoning == "think" or (reasoning == "auto" and (think_in_prompt or has_think_tags(text))):
        return parse_think(text, finish_reason=finish_reason, think_in_prompt=think_in_prompt)
    return Parsed(final=text, complete=ended(finish_reason))
