"""The body of a chat completion, in every spelling that servers use, turned into a `Completion`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from pytest_gptoss.prompts import parse_text
from pytest_gptoss.records import Completion

__all__ = ["BadAnswerError", "count", "read_answer"]

_ENDINGS = {
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "max_tokens": "length",
    "max_length": "length",
}
_BROKEN_OFF = frozenset({"error", "abort", "aborted"})


class BadAnswerError(Exception):
    """A body that is no chat completion; the argument says in what way, to follow "with"."""


class _Message(msgspec.Struct):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    refusal: Any = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    model: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


def read_answer(payload: bytes) -> Completion:
    """Read the body of an answer with status 200.

    A server with a reasoning parser gives the reasoning beside the content; where it has none, the
    content is a raw transcript and is parsed here.

    Raises:
        BadAnswerError: It is no chat completion.
    """
    try:
        answer = _decode(payload)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"JSON that is no chat completion ({error})") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadAnswerError(f"{len(payload)} bytes that are no JSON ({error})") from None
    if not answer.choices:
        if answer.error:  # gateways report a failure behind them under status 200
            raise BadAnswerError(f"an error ({_words(answer.error)})")
        raise BadAnswerError("an empty list of choices")
    choice = answer.choices[0]
    message, ending = choice.message, choice.finish_reason
    if ending is not None:
        ending = _ENDINGS.get(ending, ending)
        if ending in _BROKEN_OFF:
            raise BadAnswerError(f"the finish reason {ending!r}: it broke the generation off")
    content = _text(message.content)
    reasoning = _text(message.reasoning_content) or _text(message.reasoning) or None
    if not content and message.refusal:
        content = _text(message.refusal)
    completion = Completion(final=content, reasoning=reasoning, finish_reason=ending)
    # Beside reasoning, harmony's markers in the content mean that the server's own parser gave up.
    if content and (reasoning is None or "<|channel|>" in content):
        parsed = parse_text(content, reasoning="auto", finish_reason=ending)
        completion.final = parsed.final
        completion.reasoning = parsed.reasoning or reasoning
        completion.malformed = parsed.malformed
        completion.raw = parsed.raw
    if isinstance(answer.model, str):
        completion.served_model = answer.model
    usage = answer.usage
    if isinstance(usage, dict):
        completion.prompt_tokens = count(usage.get("prompt_tokens"))
        completion.completion_tokens = count(usage.get("completion_tokens"))
        if details := usage.get("completion_tokens_details"):
            completion.reasoning_tokens = _count_in(details, "reasoning_tokens")
        if details := usage.get("prompt_tokens_details"):
            completion.cached_tokens = _count_in(details, "cached_tokens")
    return completion


def _text(value: Any) -> str:
    """A message's text: a string, or a list of parts of which those with text count."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in value)
        return "".join(part for part in parts if isinstance(part, str))
    raise BadAnswerError(f"a message content that is no text ({_words(value)})")


def count(value: Any) -> int | None:
    """A number of tokens, or ``None`` for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _count_in(details: Any, name: str) -> int | None:
    return count(details.get(name)) if isinstance(details, dict) else None


def _words(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("message"), str):
        value = value["message"]
    return " ".join(str(value).split())
