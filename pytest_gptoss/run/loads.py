"""Asking a load of an engine, round by round, and measuring each."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines.base import Request
from pytest_gptoss.errors import EngineError, GptossError
from pytest_gptoss.load import WORDS, text_of
from pytest_gptoss.records import Completion, Message, Sampling
from pytest_gptoss.run.machine import OthersAtWork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.engines.base import Engine
    from pytest_gptoss.engines.telemetry import Placement, Window
    from pytest_gptoss.load import Load
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.run.host import EngineHost

__all__ = [
    "Opened",
    "Round",
    "Vocabulary",
    "ask_round",
    "notes_of",
    "open_engine",
    "over_rounds",
    "start_anew",
]

# Enough repetitions that a word which is not one token everywhere shows.
_REPEATED = 9
# With fewer words prompts would be too much alike.
_LEAST_WORDS = 8


@dataclass(frozen=True)
class Opened:
    """An open engine: what it says of itself, where it runs, and how many requests it takes."""

    facts: dict[str, Any]
    placement: Placement
    concurrency: int

    def refusal(self, load: Load) -> str | None:
        """Why a load cannot be asked of it, as a sentence, or ``None``."""
        if not self.placement.generates:
            return f"nothing is generated, so nothing can be timed: {self.placement.elsewhere}"
        context = self.facts.get("max_model_len")
        needed = load.prompt_tokens + load.output_tokens
        if context is not None and needed > context:
            return (
                f"{load.name} needs a context of {needed:,} tokens, and the model has {context:,}"
            )
        if load.at_once > self.concurrency:
            return (
                f"{load.name} needs {load.at_once:,} requests in flight, and the engine takes "
                f"{self.concurrency:,}"
            )
        return None


@dataclass(frozen=True)
class Vocabulary:
    """Words that are one token each, and what a prompt has besides them.

    Args:
        words: The words.
        overhead: Tokens of a prompt without any of them: the prompt format's own.
    """

    words: tuple[str, ...]
    overhead: int

    def refusal(self, load: Load) -> str | None:
        """Why no prompts of a load's length can be made, as a sentence, or ``None``."""
        if load.prompt_tokens > self.overhead:
            return None
        return (
            f"{load.name} has prompts of {load.prompt_tokens:,} tokens, and the model's prompt "
            f"format alone takes {self.overhead:,}"
        )

    def requests(self, load: Load, number: int, spec: ModelSpec) -> list[Request]:
        """The requests of a round, whose prompts have exactly the tokens that the load says."""
        length = load.prompt_tokens - self.overhead
        sampling = Sampling(temperature=0.0, max_tokens=load.output_tokens)
        return [
            Request(
                messages=(Message("user", text),),
                sampling=sampling,
                effort=spec.effort,
                benchmark=load.name,
                item_id=f"{number}-{index}",
                to_the_cap=True,
            )
            for index, text in enumerate(load.prompts(number, self.words, length))
        ]

    @classmethod
    async def of(cls, host: EngineHost, spec: ModelSpec) -> Vocabulary:
        """Find the words, by asking the engine for the length of prompts made of them.

        Raises:
            EngineError: It does not say how long a prompt is, or too few words are one token.
        """
        counts = (1, _REPEATED)
        texts = [text_of([word] * count) for word in WORDS for count in counts]
        sampling = Sampling(temperature=0.0, max_tokens=1)
        async with host.alone(spec) as engine:
            slots = asyncio.Semaphore(engine.concurrency)

            async def length(text: str) -> int | None:
                request = Request((Message("user", text),), sampling, effort=spec.effort)
                async with slots:
                    answer = await engine.run(lambda one: one.generate(request))
                return answer.prompt_tokens

            lengths = await asyncio.gather(*map(length, texts))
        overheads: dict[str, int] = {}
        for word, short, long in zip(WORDS, lengths[::2], lengths[1::2], strict=True):
            if short is None or long is None:
                raise EngineError(
                    "the engine does not say how many tokens a prompt has, so that none of a known "
                    "length can be made"
                )
            if long - short == _REPEATED - 1:
                overheads[word] = short - 1
        # A word that is one token more at the beginning has another overhead, and is left out.
        overhead, found = Counter(overheads.values()).most_common(1)[0] if overheads else (0, 0)
        if found < _LEAST_WORDS:
            raise EngineError(
                f"only {found} of {len(WORDS)} common words are one token of the model's, too few "
                "to make prompts of a known length"
            )
        return cls(tuple(word for word in WORDS if overheads.get(word) == overhead), overhead)


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Args:
        figures: Those of its window (`Window.figures`).
        prompt_tokens: Tokens of the shortest and the longest prompt, where they are known.
        output_tokens: Tokens of the shortest and the longest answer, where they are known.
        others_cpus: CPUs that other processes kept busy meanwhile.
    """

    figures: dict[str, Any]
    prompt_tokens: tuple[int, int] | None
    output_tokens: tuple[int, int] | None
    others_cpus: float = 0.0


async def open_engine(host: EngineHost, spec: ModelSpec) -> Opened:
    """Open a model's engine, or find it open.

    Raises:
        UsageError: It cannot run here.
        EngineError: It failed to start.
    """
    async with host.using(spec) as engine:
        placement = host.metering.window(spec.label, "").placement
        return Opened(dict(host.facts[spec.label]), placement, engine.concurrency)


async def start_anew(host: EngineHost, spec: ModelSpec) -> None:
    """Close a model's engine, when nobody else uses it, so that it must be started again."""
    async with host.alone(spec):
        await host.close()


async def ask_round(
    host: EngineHost, spec: ModelSpec, load: Load, requests: Sequence[Request]
) -> Round:
    """Ask a round of a load, and measure it.

    Raises:
        EngineError: A request was not answered, or the engine died meanwhile.
    """
    async with host.alone(spec) as engine:
        window = host.metering.window(spec.label, load.name)
        slots = asyncio.Semaphore(load.concurrency or len(requests))
        answers: list[Completion] = []
        failures: list[str] = []

        async def one(moment: float, request: Request) -> None:
            asked = 0

            async def ask(opened: Engine) -> Completion:
                nonlocal asked
                asked += 1
                return await opened.generate(request)

            if moment:
                await asyncio.sleep(start + moment - loop.time())
            async with slots:
                answer = await _told(window, engine.run(ask), failures)
            if asked > 1:
                failures.append("the engine died meanwhile and was started again")
            if answer is not None:
                answers.append(answer)

        loop = asyncio.get_running_loop()
        others = OthersAtWork()
        window.start()
        start = loop.time()
        try:
            async with asyncio.TaskGroup() as tasks:
                for moment, request in zip(load.arrivals(), requests, strict=True):
                    tasks.create_task(one(moment, request))
        finally:
            window.stop()
        others_cpus = others.cpus()
    if failures:
        raise EngineError(
            f"{len(failures):,} of the {len(requests):,} requests of {load.name} have no answer: "
            f"{failures[0]}"
        )
    return Round(
        window.figures(),
        _range([answer.prompt_tokens for answer in answers]),
        _range([answer.completion_tokens for answer in answers]),
        others_cpus,
    )


async def _told(window: Window, asking: Any, failures: list[str]) -> Completion | None:
    """What a request is answered, told to a window; failures are noted."""
    completion: Completion | None = None
    began = window.begin()
    try:
        completion = await asking
    except GptossError as error:
        failures.append(str(error))
        return None
    finally:
        window.end(began, completion)
    if completion is not None and completion.error is not None:
        failures.append(completion.error)
        return None
    return completion


def _range(values: Sequence[int | None]) -> tuple[int, int] | None:
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known and len(known) == len(values) else None


def notes_of(load: Load, rounds: Sequence[Round]) -> list[str]:
    """Where the rounds are not of the lengths that the load says, in sentences."""
    notes = []
    for what, wanted, found in (
        ("prompts", load.prompt_tokens, [each.prompt_tokens for each in rounds]),
        ("answers", load.output_tokens, [each.output_tokens for each in rounds]),
    ):
        known = [ends for ends in found if ends is not None]
        if len(known) < len(found):
            notes.append(f"the engine does not say how long its {what} are")
            continue
        least, most = min(ends[0] for ends in known), max(ends[1] for ends in known)
        if (least, most) != (wanted, wanted):
            why = "" if what == "prompts" else "; the engine cannot be told to go on to the cap"
            notes.append(f"{what} have {least:,} to {most:,} tokens and not {wanted:,}{why}")
    return notes


def over_rounds(rounds: Sequence[Round]) -> dict[str, Any]:
    """Figures over several rounds: means, of peaks the largest; null where one round has none."""
    merged: dict[str, Any] = _merge([each.figures for each in rounds])
    merged["unknown"] = {
        name: why for each in rounds for name, why in each.figures["unknown"].items()
    }
    return merged


def _merge(values: Sequence[Any], name: str = "") -> Any:
    first = values[0]
    if any(value is None for value in values):
        return None
    if isinstance(first, dict):
        return {
            key: _merge([value[key] for value in values], key) for key in first if key != "unknown"
        }
    if isinstance(first, int | float) and not isinstance(first, bool):
        largest = "peak" in name or name == "max"
        return max(values) if largest else statistics.fmean(values)
    return first
