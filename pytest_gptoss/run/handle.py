"""`Model`: a model under test, for tests that talk to it themselves."""

from __future__ import annotations

from concurrent.futures import CancelledError, wait
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pytest_gptoss.benchmark import as_messages
from pytest_gptoss.errors import EngineError, GptossError, UsageError
from pytest_gptoss.records import Completion, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence

    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Effort
    from pytest_gptoss.run.host import EngineHost
    from pytest_gptoss.run.scheduler import Scheduler

    Prompt = str | Iterable[Message | Mapping[str, str]]

__all__ = ["Model"]

T = TypeVar("T")

_EFFORTS = ("low", "medium", "high")


class Model:
    """A model that tests can talk to; its engine starts with the first question.

    Args:
        spec: What the registry or the checkpoint says of the model.
        scheduler: Owns the engine.
        sampling: How tokens are drawn unless a call says otherwise.
        check: Is called twice a second while a call waits; what it raises ends the call.
    """

    def __init__(
        self,
        spec: ModelSpec,
        scheduler: Scheduler,
        sampling: Sampling,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self.spec = spec
        self.sampling = sampling
        self._scheduler = scheduler
        self._check = check

    @property
    def name(self) -> str:
        """The model's label, as in node ids and records."""
        return self.spec.label

    def __repr__(self) -> str:
        return f"<Model {self.name}>"

    def chat(
        self,
        prompt: Prompt,
        *,
        instructions: str | None = None,
        effort: Effort | None = None,
        **sampling: Any,
    ) -> Completion:
        """Ask one question, or continue a conversation given as messages.

        Args:
            prompt: The user's message, or messages (`Message` or OpenAI-style dictionaries).
            instructions: A developer message (harmony) or system message.
            effort: ``low``, ``medium`` or ``high``, for models that have it.
            **sampling: Fields of `Sampling` to change: ``temperature=0``, ``max_tokens=64``, ...

        Raises:
            UsageError: An argument is unknown, or the engine cannot run here.
            EngineError: The engine gave no answer.
        """
        return self.chat_many([prompt], instructions=instructions, effort=effort, **sampling)[0]

    def chat_many(
        self,
        prompts: Sequence[Prompt],
        *,
        instructions: str | None = None,
        effort: Effort | None = None,
        **sampling: Any,
    ) -> list[Completion]:
        """Ask many questions at once, as one batch; the answers come in the order of the prompts.

        Arguments and errors are those of `chat`.
        """
        if effort is not None and effort not in _EFFORTS:
            raise UsageError(f"effort is one of low, medium and high, not {effort!r}")
        try:
            drawn = msgspec.structs.replace(self.sampling, **sampling)
        except TypeError:
            unknown = sorted(set(sampling) - set(Sampling.__struct_fields__))
            raise UsageError(
                f"chat() takes no {', '.join(unknown)}; sampling arguments are "
                f"{', '.join(Sampling.__struct_fields__)}"
            ) from None
        conversations = [as_messages(prompt) for prompt in prompts]
        replies: list[Completion] = self._wait(
            self._scheduler.chat(
                self.spec,
                conversations,
                sampling=drawn,
                instructions=instructions,
                effort=effort if effort is not None else self.spec.effort,
            )
        )
        return replies

    def with_host(self, work: Callable[[EngineHost], Coroutine[Any, Any, T]]) -> T:
        """Do something with the session's engines, as measurements do, and wait for it.

        Args:
            work: Is given what opens and closes the engines.

        Raises:
            EngineError: The session ends before it is done.
        """
        return self._wait(self._scheduler.with_host(work))

    def _wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        future = self._scheduler.ask(coroutine)
        try:
            self._check()
            while not future.done():
                # In steps: one wait without end could not be interrupted on every platform.
                wait([future], timeout=0.5)
                self._check()
                if self._scheduler.ended:  # it may have been asked too late to be refused
                    future.cancel()
            result: T = future.result()
        except CancelledError:
            self._check()
            raise self._scheduler.no_more() from None
        except GptossError as error:
            # An engine which is closed under the question has its own words for that.
            if isinstance(error, EngineError) and self._scheduler.over is not None:
                raise self._scheduler.no_more() from None
            # The message says it all; the engine's frames hold what a traceback must not show.
            raise error.with_traceback(None) from None
        except BaseException:
            future.cancel()
            raise
        return result
