"""A tolerant reader of harmony transcripts, from text or from tokens.

The format (https://cookbook.openai.com/articles/openai-harmony) is a sequence of messages, each
``<|start|>HEADER<|message|>CONTENT`` and one of ``<|end|>``, ``<|return|>``, ``<|call|>``; the
header names a role, ``<|channel|>`` and a channel, ``to=`` and a recipient, ``<|constrain|>`` and a
type. A completion begins inside the header of its first message, after the role.

Strict parsers raise on what models really write, and servers turn that into failed requests
(openai/harmony#38, vllm-project/vllm#23567). Here every input yields a result: one that says how
the transcript is malformed, with such final text as is unmistakable. The text of an analysis
channel is never final, however the transcript ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pytest_gptoss.prompts.base import Parsed, ended

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MARKERS", "parse_tokens", "parse_transcript", "stripped_transcript"]

MARKERS: Final = (
    "<|start|>",
    "<|end|>",
    "<|message|>",
    "<|channel|>",
    "<|return|>",
    "<|call|>",
    "<|constrain|>",
)
_SPLIT = re.compile(
    "(" + "|".join(map(re.escape, (*MARKERS, "<|endoftext|>", "<|startoftext|>"))) + ")"
)
_PADDING = ("<|endoftext|>", "<|startoftext|>")
_ROLES = ("assistant", "user", "system", "developer", "tool")
_CHANNELS = ("analysis", "commentary", "final")
_MOST_MARKERS = 10_000
"""Past so many special tokens nothing is read: an answer has dozens, a degenerate loop no end."""

_ENDS = ("<|end|>", "<|return|>", "<|call|>")

# Where a server has stripped the special tokens, their neighbours run together: "analysisWe need
# ... 42.assistantfinal42". A letter or digit has to follow at once, and no small Latin one, so that
# "analysis: 42" and "analysis of" stay prose.
_STRIPPED = re.compile(r"\s*+(?:assistant)?analysis(?=[^\W_a-z])")
_STRIPPED_FINAL = "assistantfinal"
_STRIPPED_NEXT = re.compile(r"assistant(?:analysis|commentary)(?=[^\sa-z]|\s*to=)")


class _Reader:
    """Reads the pieces of one transcript in order."""

    def __init__(self) -> None:
        self.final: list[str] | None = None
        self.final_ended = False
        self.reasoning: list[str] = []
        self.reasoning_tokens = 0
        self.fault: str | None = None
        self.state = "header"  # "header", "content" or "between"
        self.done = False  # whether <|return|> or <|call|> was read
        self.markers = 0
        self.first = True
        self.role = "assistant"
        self.channel: str | None = None
        self.words = 0
        self.last_word = ""
        self.in_channel = False  # whether the next text of the header names the channel
        self.content: list[str] = []
        self.tokens = 0

    def blame(self, fault: str) -> None:
        """Note how the transcript is malformed; the first fault explains the others."""
        if self.fault is None:
            self.fault = fault

    def text(self, text: str, tokens: int = 0) -> None:
        """Read text between two markers."""
        if self.state == "content":
            self.content.append(text)
            self.tokens += tokens
        elif self.state == "header":
            self._header(text)
        elif text.strip():
            self.blame("text stands between two messages")

    def _header(self, text: str) -> None:
        words = text.split()
        if self.in_channel:
            self.in_channel = False
            name = words.pop(0) if words else ""
            self.channel = name
            if name not in _CHANNELS:
                self.blame(f"a message names the unknown channel {name[:40]!r}")
        elif not self.first and self.role == "":
            self.role = words.pop(0).partition(":")[0] if words else ""
        elif self.first and self.channel is None and words and words[0] in _CHANNELS:
            # The leading <|channel|> is lost where a prompt ended with it or a server stripped it.
            self.channel = words.pop(0)
        if self.first and words and words[0] == "assistant":
            words.pop(0)
        self.words += len(words)  # a recipient and a content type, each with or without its mark
        if words:
            self.last_word = words[-1]

    def marker(self, marker: str) -> None:
        """Read one special token."""
        self.markers += 1
        if self.markers > _MOST_MARKERS:
            self.blame(f"it has more than {_MOST_MARKERS} special tokens")
            self.done = True
            return
        if marker == "<|message|>":
            self._begin()
        elif marker == "<|channel|>":
            if self.state == "content":
                self.blame("a message is not ended before the next channel")
                self._close(ended=False)
                self.state, self.role, self.words = "header", "assistant", 0
            elif self.state == "between":
                self.blame("a message does not begin with <|start|>")
                self.state, self.role, self.channel, self.words = "header", "assistant", None, 0
            elif self.in_channel:
                self.blame("a message names no channel after <|channel|>")
            elif self.channel is not None:
                self.blame("a message names two channels")
            self.in_channel = True
        elif marker in _ENDS:
            self._end(marker)
        elif marker == "<|start|>":
            if self.state == "content":
                self.blame("a message is not ended before the next one")
                self._close(ended=False)
            elif self.state == "header" and (
                self.in_channel or not self.first or self.channel is not None
            ):
                self.blame("a message breaks off inside its header")
            self.state, self.role, self.channel, self.words = "header", "", None, 0
            self.first = self.in_channel = False
        elif self.state != "header":  # <|constrain|>
            self.blame("<|constrain|> stands outside a message header")

    def _begin(self) -> None:
        if self.state == "content":
            self.blame("<|message|> stands inside a message")
            return
        if self.state == "between":
            self.blame("a message does not begin with <|start|>")
            self.channel, self.role, self.words = None, "assistant", 0
        if self.in_channel:
            self.blame("a message names no channel after <|channel|>")
            self.in_channel = False
        if self.role == "assistant" and self.channel is None:
            self.blame("a message names no channel")
        elif not self.role:
            self.blame("a message names no role")
        elif self.role not in _ROLES and not self.words:  # a tool's message names its recipient
            self.blame(f"a message names the unknown role {self.role[:40]!r}")
        # The content type comes last; a header that ends with its recipient has none.
        if self.words > (1 if self.last_word.startswith("to=") else 2):
            self.blame("a message header holds more than a recipient and a content type")
        self.state, self.first = "content", False
        self.content, self.tokens = [], 0

    def _end(self, marker: str) -> None:
        if self.state == "content":
            self._close(ended=True)
        elif self.state == "header":
            self.blame("a message breaks off inside its header")
        else:
            self.blame(f"{marker} ends no message")
        self.state = "between"
        self.done = self.done or marker != "<|end|>"

    def _close(self, *, ended: bool) -> None:
        text = "".join(self.content)
        if self.role != "assistant":
            return
        if self.channel == "final":
            self.final, self.final_ended = [text], ended
        elif self.channel in ("analysis", "commentary"):
            self.reasoning.append(text)
            self.reasoning_tokens += self.tokens

    def result(self, finish_reason: str | None, raw: Callable[[], str], *, counted: bool) -> Parsed:
        """What was read, now that the transcript is at its end."""
        stopped = ended(finish_reason)
        if self.state == "content":
            # Engines and servers take the stop token off: the end of the text ends the message.
            self._close(ended=stopped)
        elif self.state == "header" and stopped and not self.done:
            self.blame("the transcript ends inside a message header")
        last_is_open = self.state != "between" and not stopped
        final = "".join(self.final) if self.final is not None else ""
        lost = self.fault is not None or (self.final is None and not self.reasoning)
        return Parsed(
            final=final,
            reasoning="\n\n".join(self.reasoning) if self.reasoning else None,
            malformed=None
            if self.fault is None
            else f"The harmony transcript is malformed: {self.fault}.",
            complete=self.final is not None and self.final_ended and not last_is_open,
            reasoning_tokens=self.reasoning_tokens if counted else None,
            raw=raw() if lost else None,
        )


def parse_transcript(text: str, *, finish_reason: str | None = None) -> Parsed:
    """Read a harmony transcript given as text, its special tokens written out."""
    reader = _Reader()
    pieces = _SPLIT.split(text, maxsplit=_MOST_MARKERS + 1)
    for index, piece in enumerate(pieces):
        if index % 2 == 0:
            if piece:
                reader.text(piece)
        elif piece not in _PADDING:
            reader.marker(piece)
            if reader.done:
                break
    return reader.result(finish_reason, lambda: text, counted=False)


def parse_tokens(
    token_ids: Sequence[int],
    *,
    markers: dict[int, str],
    decode: Callable[[Sequence[int]], str],
    finish_reason: str | None,
) -> Parsed:
    """Read a harmony transcript given as tokens.

    Stricter than text where it matters: a ``<|end|>`` that the model spelled out in ordinary tokens
    is text, not the end of a message.

    Args:
        token_ids: The generated tokens, without the prompt.
        markers: The ids of the special tokens, the padding ones too.
        decode: Turns ordinary tokens into text.
        finish_reason: Why the engine stopped.
    """
    reader = _Reader()
    begin = 0
    for index, token in enumerate(token_ids):
        marker = markers.get(token)
        if marker is None:
            continue
        if begin < index:
            reader.text(decode(token_ids[begin:index]), index - begin)
        begin = index + 1
        if marker not in _PADDING:
            reader.marker(marker)
            if reader.done:
                break
    else:
        if begin < len(token_ids):
            reader.text(decode(token_ids[begin:]), len(token_ids) - begin)
    return reader.result(finish_reason, lambda: _spelled(token_ids, markers, decode), counted=True)


def _spelled(
    token_ids: Sequence[int], markers: dict[int, str], decode: Callable[[Sequence[int]], str]
) -> str:
    """The whole transcript as text, its special tokens written out."""
    parts: list[str] = []
    begin = 0
    for index, token in enumerate(token_ids):
        marker = markers.get(token)
        if marker is not None:
            if begin < index:
                parts.append(decode(token_ids[begin:index]))
            parts.append(marker)
            begin = index + 1
    if begin < len(token_ids):
        parts.append(decode(token_ids[begin:]))
    return "".join(parts)


def stripped_transcript(text: str, *, finish_reason: str | None = None) -> Parsed | None:
    """Read a transcript whose special tokens were dropped, or ``None`` where it may be prose.

    Only a text is taken for one that begins with ``analysis`` run together with the next word; its
    final text begins after the last ``assistantfinal``.
    """
    match = _STRIPPED.match(text)
    if match is None:
        return None
    before, found, final = text.rpartition(_STRIPPED_FINAL)
    stopped = ended(finish_reason)
    body = (before if found else text)[match.end() :]
    return Parsed(
        final=final if found else "",
        reasoning="\n\n".join(_STRIPPED_NEXT.split(body)),
        complete=bool(found) and stopped,
        raw=text,
    )
