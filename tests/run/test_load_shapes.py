"""What a load is: its shape, its arrivals, its prompts."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import Load
from pytest_gptoss.engines.telemetry import Placement
from pytest_gptoss.load import WORDS
from pytest_gptoss.models import ModelSpec
from pytest_gptoss.run.loads import Opened, Round, Vocabulary, notes_of, over_rounds

BURST = Load(prompt_tokens=64, output_tokens=16, concurrency=8)
RATE = Load(prompt_tokens=64, output_tokens=16, rate=50.0, requests=400)
SPEC = ModelSpec(name="tiny", source="tiny")


@pytest.mark.parametrize(
    ("load", "name", "requests"),
    [
        (BURST, "in64-out16-c8", 8),
        (Load(prompt_tokens=1024, output_tokens=256, concurrency=1), "in1024-out256-c1", 4),
        (Load(prompt_tokens=8, output_tokens=8, rate=0.5), "in8-out8-poisson0.5", 32),
    ],
)
def test_its_name_says_its_shape(load: Load, name: str, requests: int) -> None:
    assert (load.name, load.requests) == (name, requests)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"concurrency": 1, "rate": 1.0},
        {"concurrency": 0},
        {"rate": 0.0},
        {"rate": float("inf")},
        {"concurrency": 1, "requests": -1},
        {"concurrency": 1, "prompt_tokens": 0},
    ],
    ids=str,
)
def test_what_is_no_load_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"load|rate|concurrency|requests|prompt_tokens"):
        Load(**({"prompt_tokens": 8, "output_tokens": 8} | wrong))  # type: ignore[arg-type]


def test_a_burst_arrives_at_once_and_a_rate_over_time() -> None:
    assert BURST.arrivals() == [0.0] * 8
    moments = RATE.arrivals()
    assert moments == sorted(moments)
    assert moments[0] == 0.0
    gaps = [b - a for a, b in pairwise(moments)]
    # Exponential: mean and standard deviation are both one over the rate (five standard errors).
    assert statistics.fmean(gaps) == pytest.approx(1 / 50, rel=0.25)
    assert statistics.stdev(gaps) == pytest.approx(1 / 50, rel=0.4)


def test_a_seed_decides_and_another_one_is_another_load() -> None:
    other = Load(prompt_tokens=64, output_tokens=16, rate=50.0, requests=400, seed=1)
    assert RATE.arrivals() == RATE.arrivals() != other.arrivals()
    assert RATE.describe() != other.describe()


@given(st.integers(0, 50), st.integers(1, 60))
def test_prompts_have_so_many_words_and_come_once(number: int, length: int) -> None:
    texts = BURST.prompts(number, WORDS, length)
    assert texts == BURST.prompts(number, WORDS, length)
    assert {len(text.split()) for text in texts} == {length + 1}
    if length >= 10:  # of 52 words each, two are alike with a chance below 1e-15
        assert len({*texts, *BURST.prompts(number + 1, WORDS, length)}) == 16


def test_requests_leave_room_for_the_prompt_format() -> None:
    vocabulary = Vocabulary(WORDS, overhead=20)
    requests = vocabulary.requests(BURST, 0, SPEC)
    assert {len(request.messages[0].content.split()) for request in requests} == {64 - 20 + 1}
    assert all(request.to_the_cap and request.sampling.max_tokens == 16 for request in requests)
    short = Load(prompt_tokens=20, output_tokens=16, concurrency=1)
    assert "format alone takes 20" in (vocabulary.refusal(short) or "")
    assert vocabulary.refusal(BURST) is None


def opened(context: int | None = 80, concurrency: int = 8, **placement: object) -> Opened:
    facts = {"max_model_len": context}
    return Opened(facts, Placement(**placement), concurrency)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("engine", "why"),
    [
        (opened(), None),
        (opened(context=None), None),
        (opened(context=79), "in64-out16-c8 needs a context of 80 tokens, and the model has 79"),
        (opened(concurrency=7), "in64-out16-c8 needs 8 requests in flight, and the engine takes 7"),
        (
            opened(generates=False, elsewhere="answers are looked up"),
            "nothing is generated, so nothing can be timed: answers are looked up",
        ),
    ],
    ids=["fits", "unknown context", "context", "concurrency", "replay"],
)
def test_what_does_not_fit_says_why(engine: Opened, why: str | None) -> None:
    assert engine.refusal(BURST) == why


def one(prompt: tuple[int, int] | None, output: tuple[int, int] | None, **figures: object) -> Round:
    return Round({"unknown": {}, **figures}, prompt, output)


@pytest.mark.parametrize(
    ("rounds", "notes"),
    [
        ([one((64, 64), (16, 16))] * 2, []),
        ([one((64, 64), (16, 16)), one((63, 64), (16, 16))], ["prompts have 63 to 64 tokens"]),
        ([one((64, 64), (3, 16))], ["answers have 3 to 16 tokens and not 16; the engine cannot"]),
        ([one((64, 64), None)], ["the engine does not say how long its answers are"]),
    ],
    ids=["as it says", "prompts", "answers", "unknown"],
)
def test_other_lengths_are_told(rounds: list[Round], notes: list[str]) -> None:
    told = notes_of(BURST, rounds)
    assert len(told) == len(notes)
    assert all(each.startswith(start) for each, start in zip(told, notes, strict=True))


def test_figures_over_rounds_are_means_and_largest_peaks() -> None:
    first = one(None, None, tokens=1.0, peak_memory_bytes=5, spread={"p50": 1.0, "max": 3}, none=1)
    second = one(
        None, None, tokens=3.0, peak_memory_bytes=4, spread={"p50": 2.0, "max": 9}, none=None
    )
    assert over_rounds([first, second]) == {
        "tokens": 2.0,
        "peak_memory_bytes": 5,
        "spread": {"p50": 1.5, "max": 9},
        "none": None,
        "unknown": {},
    }
