"""What the engines that generate tokens here share: from a request to tokens and back."""

from __future__ import annotations

import contextlib
import warnings
import zlib
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import EngineError
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_gptoss.engines.base import Request
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts import Renderer

__all__ = ["complete", "one_line", "prompt_of", "room_for", "seed_of", "stopped_text", "unwarned"]


def prompt_of(renderer: Renderer, spec: ModelSpec, request: Request) -> list[int]:
    """Render a request's prompt, with the model's own effort where the request names none."""
    return renderer.render(
        request.messages,
        instructions=request.instructions,
        effort=request.effort or spec.effort,
    )


def room_for(request: Request, prompt_tokens: int, context_length: int) -> int:
    """How many tokens may be generated: the request's cap, or less where the context ends first.

    Raises:
        EngineError: The prompt alone fills the context.
    """
    room = context_length - prompt_tokens
    if room < 1:
        raise EngineError(
            f"the prompt has {prompt_tokens} tokens, which leaves no room for an answer in the "
            f"model's context of {context_length}; shorten it or raise max_model_len"
        )
    cap = request.sampling.max_tokens
    return room if cap is None else max(1, min(cap, room))


def stopped_text(text: str, stop: Sequence[str]) -> str | None:
    """The text before the first stop string, or ``None`` where there is no stop string in it."""
    ends = [position for word in stop if word and (position := text.find(word)) >= 0]
    return text[: min(ends)] if ends else None


def complete(
    renderer: Renderer,
    request: Request,
    token_ids: Sequence[int],
    *,
    finish_reason: str | None,
    prompt_tokens: int,
) -> Completion:
    """Tell an answer's channels apart and fill a completion, without its timings.

    Stop strings end the final text wherever an engine has not stopped at them itself: they are a
    benchmark's words about the answer, and must not cut its reasoning.
    """
    parsed = renderer.parse(token_ids, finish_reason=finish_reason)
    final = parsed.final
    if request.sampling.stop:
        shortened = stopped_text(final, request.sampling.stop)
        if shortened is not None:
            final, finish_reason = shortened, "stop"
    return Completion(
        final=final,
        reasoning=parsed.reasoning,
        malformed=parsed.malformed,
        raw=parsed.raw,
        finish_reason=finish_reason,
        prompt_tokens=prompt_tokens,
        completion_tokens=len(token_ids),
        reasoning_tokens=parsed.reasoning_tokens,
    )


def one_line(error: BaseException | str, limit: int = 300) -> str:
    """An error's text on one line, for a message that is one sentence."""
    text = " ".join(str(error).split())
    if not text and isinstance(error, BaseException):
        text = type(error).__name__
    return text if len(text) <= limit else text[: limit - 1] + "…"


def seed_of(request: Request, seed: int) -> int:
    """The seed of a request's draws: its own, or one that the session's seed and its place give.

    The same for every request, it would make the repeats of an item copies of each other.
    """
    if request.sampling.seed is not None:
        return request.sampling.seed
    place = f"{seed}/{request.benchmark}/{request.item_id}/{request.row}/{request.repeat}"
    return zlib.crc32(place.encode())


@contextlib.contextmanager
def unwarned() -> Iterator[None]:
    """Ignore warnings while a library is imported and started.

    They are about the library's own code, and where a user has turned warnings into errors each
    would break the import. Not `warnings.catch_warnings`: this runs in a thread, and that would
    put filters back which the main thread has exchanged meanwhile, as pytest does for every test.
    """
    before = list(warnings.filters)
    warnings.simplefilter("ignore")
    filters: Any = warnings.filters
    added = filters[0]
    try:
        yield
    finally:
        if added not in before:
            with contextlib.suppress(ValueError):
                filters.remove(added)
