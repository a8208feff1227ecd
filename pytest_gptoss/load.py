"""`Load`: what is asked of an engine to see how fast it is, and when."""

from __future__ import annotations

import math
import random
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WORDS", "Load", "text_of"]

WORDS = (
    *("the", "of", "and", "to", "a", "in", "is", "it", "you", "that", "he", "was", "for", "on"),
    *("are", "with", "as", "his", "they", "be", "at", "one", "have", "this", "from", "or", "had"),
    *("by", "some", "what", "there", "we", "out", "other", "were", "all", "your", "when", "up"),
    *("she", "many", "them", "has", "more", "did", "number", "first", "down", "now", "find"),
)
"""Common words of which prompts are made; in nearly every vocabulary most of them are one token."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Requests of one shape: so long a prompt, so long an answer, so many at once or per second.

    Args:
        prompt_tokens: Length of each prompt in tokens, the model's prompt format included.
        output_tokens: Length of each answer in tokens, to which it is forced where the engine can.
        concurrency: Requests in flight: the next one begins where one ends, all at the start (an
            offline burst). Left out for arrivals at a rate.
        rate: Requests per second that arrive at random moments (a Poisson process), whether or not
            earlier ones have ended.
        requests: Requests in a round; by default ``concurrency``, and at least 4; 32 at a rate.
        seed: Decides prompts and arrivals; another seed is another load.
        scale: ``small`` for models on CPUs; the plugin leaves out the loads of the other scale
            unless ``--gptoss-loads`` says otherwise. ``None`` runs everywhere.

    Raises:
        ValueError: A number is not positive, or not exactly one of concurrency and rate is given.
    """

    prompt_tokens: int
    output_tokens: int
    concurrency: int | None = None
    rate: float | None = None
    requests: int = 0
    seed: int = 0
    scale: Literal["small", "standard"] | None = None

    def __post_init__(self) -> None:
        if (self.concurrency is None) == (self.rate is None):
            raise ValueError("a load has either a concurrency or a rate of arrivals")
        if not self.requests:
            # A frozen dataclass's own way to complete itself.
            object.__setattr__(self, "requests", max(4, self.concurrency or 32))
        for name in ("prompt_tokens", "output_tokens", "concurrency", "requests"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.rate is not None and not (math.isfinite(self.rate) and self.rate > 0):
            raise ValueError(f"rate must be a positive number, got {self.rate}")

    @property
    def name(self) -> str:
        """As in node ids and baselines: ``in1024-out256-c64``, ``in128-out128-poisson4``."""
        when = f"c{self.concurrency}" if self.rate is None else f"poisson{self.rate:g}"
        return f"in{self.prompt_tokens}-out{self.output_tokens}-{when}"

    @property
    def at_once(self) -> int:
        """Requests that an engine must be able to take at once; 1 for arrivals at a rate."""
        return self.concurrency or 1

    def describe(self) -> dict[str, Any]:
        """JSON values in which two equal loads are equal."""
        described = {key: value for key, value in asdict(self).items() if value is not None}
        described.pop("scale", None)
        return described

    def arrivals(self) -> list[float]:
        """When each request of a round arrives, in seconds from its start: alike in every round."""
        if self.rate is None:
            return [0.0] * self.requests
        rng = random.Random(f"{self.seed}/arrivals")
        moments, now = [], 0.0
        for _ in range(self.requests):
            moments.append(now)  # the first at once: waiting for it would only be waiting
            now += rng.expovariate(self.rate)
        return moments

    def prompts(self, number: int, words: Sequence[str], length: int) -> list[str]:
        """The texts of a round: no two begin alike, so that no prefix cache helps.

        Args:
            number: The round's; each has its own texts.
            words: Words of one token each.
            length: Words per text.
        """
        rng = random.Random(f"{self.seed}/{number}/prompts")
        return [text_of(rng.choices(words, k=length)) for _ in range(self.requests)]


def text_of(words: Sequence[str]) -> str:
    """A text of words, each of which but the first stands behind a space."""
    return " ".join((WORDS[0], *words))
