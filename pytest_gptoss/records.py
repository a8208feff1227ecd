"""The records that flow through a run: messages, sampling, completions, scores and outcomes.

They are `msgspec.Struct` types: as light as a tuple, encoded to JSON and decoded with validation
at C speed, and usable without pytest.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LETTERS", "Completion", "Effort", "Message", "Outcome", "Sampling", "Score"]

Effort = Literal["low", "medium", "high"]


class Outcome(StrEnum):
    """The class in which one item ends.

    Everything but `ERROR` is a statement about the model and counts in the accuracy's denominator;
    `ERROR` is a statement about the infrastructure and never does.
    """

    CORRECT = "correct"
    INCORRECT = "incorrect"
    TRUNCATED = "truncated"
    """The token cap ended the completion before its final answer did."""
    NO_ANSWER = "no_answer"
    """The completion is whole, but states no answer of the form that was asked for."""
    MALFORMED = "malformed"
    """The transcript breaks its own format, so that no final channel can be told apart."""
    REFUSED = "refused"
    TIMEOUT = "timeout"
    """The item's own wall-clock cap ran out while the engine was answering."""
    ERROR = "error"

    @property
    def completed(self) -> bool:
        """Whether the model finished of its own accord: right, wrong, no answer or a refusal."""
        return self in _COMPLETED


LETTERS: Final[Mapping[str, str]] = {
    Outcome.CORRECT: "C",
    Outcome.INCORRECT: "i",
    Outcome.TRUNCATED: "t",
    Outcome.NO_ANSWER: "n",
    Outcome.MALFORMED: "m",
    Outcome.REFUSED: "r",
    Outcome.TIMEOUT: "T",
    Outcome.ERROR: "E",
}
"""What each outcome is called where there is room for no more."""

_COMPLETED = frozenset(
    {Outcome.CORRECT, Outcome.INCORRECT, Outcome.NO_ANSWER, Outcome.REFUSED},
)


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One chat message: ``role`` is ``system``, ``developer``, ``user`` or ``assistant``."""

    role: str
    content: str


class Sampling(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """How tokens are drawn. ``None`` leaves a value to the engine's own default.

    Args:
        temperature: 0 is greedy decoding.
        top_p: Nucleus sampling (Holtzman et al., 2020).
        top_k: Number of most likely tokens to draw from; ``None`` draws from all.
        min_p: Least probability, relative to the most likely token's.
        max_tokens: Cap on generated tokens, reasoning included.
        seed: Seed of the request; ``None`` leaves it to the engine.
        stop: Further strings that end a completion.
    """

    temperature: float = 0.0
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


class Completion(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What an engine returned for one request, its channels already told apart.

    Args:
        final: The text of the final channel: all that a scorer may read.
        reasoning: The text of the reasoning (analysis) channel, or ``None`` where there is none.
        finish_reason: ``stop`` (of its own accord), ``length`` (token cap), ``timeout``, ``error``;
            other words are the server's own; ``None`` where a recording does not say.
        malformed: Why the transcript could not be parsed, or ``None``. ``final`` then holds
            whatever was unmistakably final text, which is kept aside and never scored.
        raw: The unparsed transcript, kept where parsing lost something.
        prompt_tokens: Length of the prompt in tokens.
        completion_tokens: Number of generated tokens, reasoning included.
        reasoning_tokens: Number of generated tokens spent on reasoning.
        cached_tokens: Prompt tokens found in the engine's prefix cache.
        queue_s: Seconds between submission and the start of the prefill.
        ttft_s: Seconds between submission and the first token.
        latency_s: Seconds between submission and the last token.
        served_model: The model name that the server reported.
        error: Why there is no completion (an infrastructure error), or ``None``.
    """

    final: str = ""
    reasoning: str | None = None
    finish_reason: str | None = None
    malformed: str | None = None
    raw: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    queue_s: float | None = None
    ttft_s: float | None = None
    latency_s: float | None = None
    served_model: str | None = None
    error: str | None = None

    def __str__(self) -> str:
        """Return the final text, so that ``"4" in model.chat("2 + 2")`` reads as it should."""
        return self.final

    def __contains__(self, text: str) -> bool:
        return text in self.final


class Score(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a scorer makes of one completion.

    Args:
        value: The score in 0..1.
        outcome: The class it falls in. A scorer returns ``correct``, ``incorrect``, ``no_answer``
            or ``refused``; the other classes are decided before a scorer is asked.
        extracted: The answer that was read from the completion, as text; ``None`` if there is none.
        detail: Further JSON values that a benchmark wants kept (ROUGE parts, test names, ...).
    """

    value: float
    outcome: Outcome
    extracted: str | None = None
    detail: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def correct(self) -> bool:
        """Whether the answer counts as right."""
        return self.outcome is Outcome.CORRECT
