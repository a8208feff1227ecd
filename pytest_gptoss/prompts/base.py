"""What every prompt format offers: tokens of a conversation, and an answer's parts told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.records import Effort, Message

__all__ = ["CUT_OFF", "Parsed", "Renderer", "ended"]

CUT_OFF = frozenset({"length", "max_tokens", "timeout", "error", "abort", "cancelled"})
"""The finish reasons under which a completion did not end of its own accord."""


class Parsed(msgspec.Struct, kw_only=True, frozen=True):
    """A completion whose reasoning and final text are told apart.

    Args:
        final: The text of the final channel. Where ``malformed`` is set it holds what is
            unmistakably final text, to be kept aside and never scored.
        reasoning: The text before it (analysis and commentary), or ``None`` where there is none.
        malformed: One sentence that says how the transcript breaks its format, or ``None``.
        complete: Whether the final text was reached and ended. A completion that is neither
            complete nor cut off ended without an answer (a tool call, reasoning alone).
        reasoning_tokens: Tokens of the reasoning, where they could be counted.
        raw: The whole transcript, kept where parsing it lost something.
    """

    final: str
    reasoning: str | None = None
    malformed: str | None = None
    complete: bool = True
    reasoning_tokens: int | None = None
    raw: str | None = None


class Renderer(Protocol):
    """One model's prompt format."""

    format: str
    """``harmony``, ``chat-template`` or ``plain``."""
    stop_token_ids: tuple[int, ...]
    vocab_size: int | None

    def render(
        self,
        messages: Sequence[Message],
        *,
        instructions: str | None = None,
        effort: Effort | None = None,
    ) -> list[int]:
        """The prompt's tokens, up to where the model's answer begins."""

    def parse(self, token_ids: Sequence[int], *, finish_reason: str | None) -> Parsed:
        """Tell an answer's reasoning from its final text. Never raises."""

    def describe(self) -> dict[str, Any]:
        """JSON values that identify the format, for the settings record."""


def ended(finish_reason: str | None) -> bool:
    """Whether a completion ended of its own accord, as far as its finish reason tells.

    ``None`` (a recording that does not say) counts as ended: servers strip the stop token, so a
    final text without one is the rule there.
    """
    return finish_reason not in CUT_OFF
