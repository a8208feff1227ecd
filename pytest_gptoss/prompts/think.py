"""Telling ``<think>...</think>`` from the final text."""

from __future__ import annotations

from typing import Final

from pytest_gptoss.prompts.base import Parsed, ended

__all__ = ["has_think_tags", "parse_think"]

_OPEN: Final = "<think>"
# Phi-4-reasoning's own system prompt spells the closing tag with a backslash
# (https://huggingface.co/microsoft/Phi-4-reasoning#input-formats); its answers use the slash.
_CLOSES: Final = ("</think>", "<\\think>")


def has_think_tags(text: str) -> bool:
    """Whether a text is unmistakably an answer with a thinking part."""
    return text.lstrip().startswith(_OPEN) or "</think>" in text


def parse_think(
    text: str, *, finish_reason: str | None = None, think_in_prompt: bool = False
) -> Parsed:
    """Separate the thinking part from the final text.

    The final text is what follows the *last* closing tag, as the authors' own templates have it
    (``content.split('</think>')[-1]`` in those of DeepSeek-R1 and Qwen3). Thinking that is never
    closed leaves no final text, however the completion ended.

    Args:
        text: The answer.
        finish_reason: Why the engine stopped.
        think_in_prompt: Whether the prompt ended with the opening tag, which the answer then lacks.
    """
    stopped = ended(finish_reason)
    before, close, after = max(
        (text.rpartition(tag) for tag in _CLOSES),
        key=lambda parts: len(parts[0]) if parts[1] else -1,
    )
    if not close:
        body = text.lstrip()
        opened = body.startswith(_OPEN)
        if opened or think_in_prompt:
            thinking = body[len(_OPEN) :] if opened else body
            return Parsed(final="", reasoning=thinking.strip() or None, complete=False)
        return Parsed(final=text, complete=stopped)
    thinking = before.lstrip().removeprefix(_OPEN).strip()
    final = after.strip()
    if final.startswith(_OPEN):
        more = final[len(_OPEN) :].strip()
        return Parsed(final="", reasoning=f"{thinking}\n\n{more}".strip() or None, complete=False)
    return Parsed(final=final, reasoning=thinking or None, complete=stopped)
