"""The protocol behind which every engine stands: open, generate, close, and facts about itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_gptoss.engines.telemetry import Placement
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Completion, Effort, Message, Sampling

__all__ = ["Engine", "EngineOptions", "Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """One chat turn to generate.

    Args:
        messages: The conversation, without the instructions; the last message is the user's.
        sampling: How tokens are drawn, with the cap on their number.
        instructions: A developer message in harmony, a system message elsewhere.
        effort: Reasoning effort, for models that have it.
        benchmark: The benchmark that asks, or ``""`` for a request of a user's own.
        item_id: The item's id; recordings are looked up by it.
        row: The item's 0-based row number, by which recordings may name it too; -1 if none.
        repeat: 0-based number of the repeat.
        to_the_cap: Whether to generate up to the cap wherever the model would end, so that answers
            have a known length; an engine that cannot do that lets the model end.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    instructions: str | None = None
    effort: Effort | None = None
    benchmark: str = ""
    item_id: str = ""
    row: int = -1
    repeat: int = 0
    to_the_cap: bool = False


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What the command line says to an engine; what may hold a secret is not shown.

    Args:
        arguments: ``--gptoss-engine-arg KEY=VALUE``, passed through as they are (values already
            read as JSON where they are JSON, else text).
        endpoint: Base URL of an OpenAI-compatible server.
        api_key_env: Name of the environment variable that holds the key; never the key itself.
        completions: File or folder of recorded completions.
        timeout_s: Wall-clock cap per request, in seconds.
        seed: The session's seed.
        benchmarks: The benchmarks that will be asked, so that `open` can find what they lack.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    endpoint: str | None = field(default=None, repr=False)
    api_key_env: str = "OPENAI_API_KEY"
    completions: str | None = None
    timeout_s: float | None = None
    seed: int = 0
    benchmarks: tuple[str, ...] = ()


class Engine(Protocol):
    """What generates. Every method is called on the scheduler's event loop only.

    A constructor ``(spec: ModelSpec, options: EngineOptions)`` does no work; `open` does.
    """

    @property
    def spec(self) -> ModelSpec:
        """The model."""

    @property
    def concurrency(self) -> int:
        """How many requests it wants in flight at once; after `open`, final."""

    @property
    def placement(self) -> Placement:
        """Where the model runs: here or elsewhere from the first, on how many GPUs after `open`."""

    async def open(self) -> None:
        """Start; raises `UsageError` (cannot run here, with the remedy) or `EngineError`."""

    async def generate(self, request: Request) -> Completion:
        """Answer one request; raises `EngineError` where there is no answer to be had."""

    async def close(self) -> None:
        """Stop and give all memory back. Safe to call twice, and before or during `open`."""

    def facts(self) -> dict[str, Any]:
        """JSON values for the settings record; after `open`, complete.

        At least ``engine``, ``version`` and, where they are known, ``dtype``, ``quantization``,
        ``device``, ``max_model_len``, ``prompt_format``.
        """
