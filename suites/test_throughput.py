"""How fast a model is and what it takes: loads of known shapes, in rounds of pytest-benchmark.

Skipped unless this file is named on the command line, or ``--benchmark-only`` or ``--gptoss-loads``
is given: it takes minutes, and the machine for itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss import Completion, Item, Load, Message, Model, Speedometer, scorers

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Scorer

# Tokens of the prompt and of the answer.
LENGTHS = ((128, 128), (1024, 256), (8192, 256))
AT_ONCE = (1, 8, 64, 256, 1024)
# Requests per second, and requests in a round, for each of the lengths.
ARRIVALS = ((16.0, 64), (4.0, 32), (1.0, 16))

STANDARD = [
    Load(prompt_tokens=prompt, output_tokens=output, concurrency=number, scale="standard")
    for prompt, output in LENGTHS
    for number in AT_ONCE
] + [
    Load(prompt_tokens=prompt, output_tokens=output, rate=rate, requests=number, scale="standard")
    for (prompt, output), (rate, number) in zip(LENGTHS, ARRIVALS, strict=True)
]
# For small models on CPUs: a round takes about a second.
SMALL = [
    *(Load(prompt_tokens=64, output_tokens=16, concurrency=n, scale="small") for n in (1, 8, 32)),
    Load(prompt_tokens=64, output_tokens=16, rate=8.0, requests=8, scale="small"),
]
LOADS = {load.name: load for load in (*SMALL, *STANDARD)}

# By what its answers are scored, and an answer that takes some reading.
SCORED: dict[str, tuple[Scorer, Item, str]] = {
    "number": (
        scorers.number(),
        Item(prompt="How many are left?", target=1234),
        "Tom starts with 2,000 apples. He gives away 766 of them. " * 9 + "The answer is $1,234.",
    ),
    "choice": (
        scorers.choice("ABCD"),
        Item(prompt="Which one?", target="C", choices=("a cat", "a dog", "a cow", "a pig")),
        "Option A is wrong, since cats do not. B and D are wrong too. " * 9 + "**Answer: (C)**",
    ),
    "rouge": (
        scorers.rouge(),
        Item(prompt="Summarise.", target="Ann asks Bob to bring the milk, and he agrees. " * 3),
        "Bob agrees when Ann asks him to bring some milk. " * 3,
    ),
}


@pytest.mark.benchmark(group="loads")
@pytest.mark.parametrize("load", LOADS)
def test_load(speed: Speedometer, benchmark: Any, model: Model, load: str) -> None:
    """One load, round by round."""
    speed.measure(benchmark, model, LOADS[load])


@pytest.mark.benchmark(group="start of the engine")
def test_start(speed: Speedometer, benchmark: Any, model: Model) -> None:
    """From nothing to an engine that answers, the loading of the model included."""
    speed.measure_start(benchmark, model)


@pytest.mark.benchmark(group="prompt rendering")
@pytest.mark.parametrize("words", [100, 1000])
def test_prompt_rendering(speed: Speedometer, benchmark: Any, model: Model, words: int) -> None:
    """One prompt of so many words, from messages to tokens."""
    messages = (Message("user", " ".join(["apples"] * words)),)
    tokens = benchmark(speed.renderer(model).render, messages)
    benchmark.extra_info["tokens"] = len(tokens)


@pytest.mark.benchmark(group="scoring")
@pytest.mark.parametrize("scorer", SCORED)
def test_scoring(speed: Speedometer, benchmark: Any, scorer: str) -> None:
    """One answer, from its text to a score."""
    score, item, final = SCORED[scorer]
    assert benchmark(score, item, Completion(final=final, finish_reason="stop")).value > 0.5
