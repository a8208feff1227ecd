"""The embedded engine on a tiny gpt-oss checkpoint: batching, seeds, limits, faults, memory."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import subprocess
import sys
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.embedded import EmbeddedEngine
from pytest_gptoss.errors import EngineError, UsageError
from pytest_gptoss.models import resolve
from pytest_gptoss.records import Completion, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.embedded

CONTEXT = 2048


@pytest.fixture(scope="module")
def engine(tiny: Path, loop_thread: Any, token_format: Any) -> Iterator[EmbeddedEngine]:
    """An engine with few rows, so that some must wait for others, and prompts that are tokens."""
    engine = EmbeddedEngine(resolve(str(tiny)), EngineOptions(arguments={"batch_size": 6}))
    loop_thread.run(engine.open())
    engine._renderer = token_format()
    yield engine
    loop_thread.run(engine.close())


def prompts(count: int, longest: int = 200, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(8, 500) for _ in range(rng.randint(3, longest))] for _ in range(count)]


def ask_all(loop_thread: Any, engine: EmbeddedEngine, requests: list[Request]) -> list[Completion]:
    async def all_at_once() -> list[Completion]:
        return await asyncio.gather(*map(engine.generate, requests))

    answers: list[Completion] = loop_thread.run(all_at_once())
    return answers


def test_batched_answers_are_those_of_transformers_one_by_one(
    engine: EmbeddedEngine, tiny: Path, loop_thread: Any, token_format: Any
) -> None:
    """Rows join and leave the batch, prompts exceed the sliding window of 128, and nothing shows.

    Both compute in float32, in which rounding does not reach the choice of a token.
    """
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32)
    questions = prompts(25)
    limits = [random.Random(i).randint(1, 60) for i in range(len(questions))]
    answers = ask_all(
        loop_thread,
        engine,
        [token_format.ask(q, max_tokens=n) for q, n in zip(questions, limits, strict=True)],
    )
    for question, limit, answer in zip(questions, limits, answers, strict=True):
        alone = model.generate(
            torch.tensor([question]),
            attention_mask=torch.ones(1, len(question), dtype=torch.long),
            max_new_tokens=limit,
            do_sample=False,
        )[0, len(question) :].tolist()
        assert answer.final.split() == [str(token) for token in alone]
        assert answer.completion_tokens == len(alone)
        assert answer.prompt_tokens == len(question)
        ends = model.generation_config.eos_token_id
        assert answer.finish_reason == ("stop" if alone[-1] in ends else "length")


def test_a_real_conversation_is_rendered_and_parsed(tiny: Path, loop_thread: Any) -> None:
    engine = EmbeddedEngine(resolve(f"{tiny}:high"), EngineOptions())
    loop_thread.run(engine.open())
    try:
        request = Request((Message("user", "What is 3 + 4?"),), Sampling(max_tokens=12))
        answer = loop_thread.run(engine.generate(request))
        assert answer.finish_reason in ("stop", "length")
        assert 1 <= answer.completion_tokens <= 12
        assert 0 <= answer.queue_s <= answer.ttft_s <= answer.latency_s
        facts = engine.facts()
        json.dumps(facts)
        assert facts["dtype"] == "float32"
        assert facts["max_model_len"] == CONTEXT
        assert facts["prompt_format"]["format"] == "chat-template"
    finally:
        loop_thread.run(engine.close())


def test_a_seed_decides_an_answer_whatever_else_is_in_the_batch(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any
) -> None:
    question = prompts(1, 20)[0]

    def drawn(seed: int | None, **more: Any) -> Request:
        settings = {"temperature": 1.0, "top_p": 0.95, "max_tokens": 20, "seed": seed} | more
        request: Request = token_format.ask(question, **settings)
        return request

    alone = [ask_all(loop_thread, engine, [drawn(seed)])[0].final for seed in range(4)]
    crowd = [drawn(9, temperature=0.7, top_k=5), *map(drawn, range(4)), token_format.ask([8, 9])]
    together = [answer.final for answer in ask_all(loop_thread, engine, crowd)]
    assert together[1:5] == alone
    assert len(set(alone)) == 4

    unseeded = [replace(drawn(None), repeat=repeat) for repeat in range(3)]
    first, again = (
        [answer.final for answer in ask_all(loop_thread, engine, unseeded)] for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 3


def test_draws_follow_the_distribution_and_its_cuts() -> None:
    torch = pytest.importorskip("torch")

    from pytest_gptoss.engines._decode import sample

    probabilities = torch.tensor([0.1, 0.5, 0.15, 0.25])
    rng = random.Random(0)
    draws = [rng.random() for _ in range(20_000)]
    logits = probabilities.log().expand(len(draws), 4)

    def shares(*settings: Any) -> list[float]:
        tokens = sample(logits, draws, *settings)
        return [(tokens == token).float().mean().item() for token in range(4)]

    assert shares(1.0, None, None, None) == pytest.approx([0.1, 0.5, 0.15, 0.25], abs=0.01)
    assert shares(1.0, 2, None, None) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.01)
    assert shares(1.0, None, 0.7, None) == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.01)
    assert shares(1.0, None, None, 0.3) == pytest.approx([0, 0.556, 0.167, 0.278], abs=0.01)
    assert shares(1.0, None, 1e-9, None) == [0, 1, 0, 0]
    squared = [p * p / 0.3450 for p in (0.1, 0.5, 0.15, 0.25)]
    assert shares(0.5, None, None, None) == pytest.approx(squared, abs=0.01)
    assert sample(logits[:2], [0.0, 1 - 2**-53], 1.0, 2, None, None).tolist() == [1, 3]


def test_an_answer_ends_where_the_context_does(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any
) -> None:
    question = [20] * (CONTEXT - 3)
    full, capped = ask_all(
        loop_thread,
        engine,
        [token_format.ask(question), token_format.ask(question, max_tokens=2)],
    )
    assert full.completion_tokens is not None
    assert full.completion_tokens <= 3
    assert capped.completion_tokens == 2
    with pytest.raises(EngineError, match=f"{CONTEXT + 5} tokens.*context of {CONTEXT}"):
        ask_all(loop_thread, engine, [token_format.ask([20] * (CONTEXT + 5))])


def test_stop_strings_end_the_final_text(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any
) -> None:
    question = prompts(1, 30, seed=3)[0]
    whole = ask_all(loop_thread, engine, [token_format.ask(question, max_tokens=60)])[0]
    words = whole.final.split()
    assert len(words) > 12, "the checkpoint's answer to this prompt is too short for this test"
    stop = f" {words[5]} "
    cut = ask_all(loop_thread, engine, [token_format.ask(question, max_tokens=60, stop=(stop,))])[0]
    assert cut.final == whole.final.partition(stop)[0]
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens is not None
    assert cut.completion_tokens <= 16, "it went on long after the stop string"


def test_an_answer_of_a_known_length_goes_on_where_the_model_ends(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = token_format.ask(prompts(1, 30, seed=3)[0], max_tokens=40)
    whole = ask_all(loop_thread, engine, [question])[0].final.split()
    assert engine._worker is not None
    monkeypatch.setattr(engine._worker._batch, "_stop", frozenset({int(whole[3])}))
    ended, forced = ask_all(loop_thread, engine, [question, replace(question, to_the_cap=True)])
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", whole.index(whole[3]) + 1)
    assert (forced.finish_reason, forced.completion_tokens) == ("length", 40)


def test_a_cancelled_request_leaves_the_batch(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any
) -> None:
    question = prompts(1, 30, seed=4)[0]

    async def cancel_one() -> Completion:
        long = asyncio.create_task(engine.generate(token_format.ask([9] * 40, max_tokens=1900)))
        other = asyncio.create_task(engine.generate(token_format.ask(question, max_tokens=30)))
        await asyncio.sleep(0.05)
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        answer = await other
        while engine._worker is not None and engine._worker._batch.rows:
            await asyncio.sleep(0.01)
        return answer

    answer = loop_thread.run(cancel_one(), 20)
    alone = ask_all(loop_thread, engine, [token_format.ask(question, max_tokens=30)])[0]
    assert answer.final == alone.final


def test_a_failing_batch_is_an_error_and_the_next_one_is_not(
    engine: EmbeddedEngine, loop_thread: Any, token_format: Any
) -> None:
    with pytest.raises(EngineError, match="the model failed on a batch"):
        ask_all(loop_thread, engine, [token_format.ask([10**6])])  # no such row of the embedding
    assert ask_all(loop_thread, engine, [token_format.ask([9, 10], max_tokens=3)])[0].final


def test_closing_ends_what_waits_and_gives_memory_back(
    tiny: Path, loop_thread: Any, token_format: Any
) -> None:
    engine = EmbeddedEngine(resolve(str(tiny)), EngineOptions(arguments={"batch_size": 2}))

    async def close_while_waiting() -> tuple[list[Any], weakref.ref[Any]]:
        await engine.open()
        engine._renderer = token_format()
        assert engine._worker is not None
        model = weakref.ref(engine._worker._batch._model)
        asks = [token_format.ask([9] * 40, max_tokens=1900) for _ in range(6)]
        tasks = [asyncio.create_task(engine.generate(ask)) for ask in asks]
        await asyncio.sleep(0.1)
        await engine.close()
        await engine.close()
        return await asyncio.gather(*tasks, return_exceptions=True), model

    results, model = loop_thread.run(close_while_waiting(), 60)
    assert [type(result) for result in results] == [EngineError] * 6
    assert "closed" in str(results[0])
    del results
    gc.collect()
    assert model() is None
    with pytest.raises(EngineError, match="closed"):
        ask_all(loop_thread, engine, [token_format.ask([9])])

    async def reopened() -> Completion:
        await engine.open()
        engine._renderer = token_format()
        answer = await engine.generate(token_format.ask([9], max_tokens=2))
        await engine.close()
        return answer

    assert loop_thread.run(reopened(), 60).completion_tokens in (1, 2)


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_another_architecture_runs_too(
    dtype: str | None, tiny: Path, tmp_path: Path, loop_thread: Any, token_format: Any
) -> None:
    """A dense model with scaled-dot-product attention, in its own precision if asked."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        eos_token_id=5,
        max_position_embeddings=512,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(tiny / name, tmp_path)
    arguments = {"batch_size": 3} | ({"dtype": dtype} if dtype else {})
    engine = EmbeddedEngine(resolve(str(tmp_path)), EngineOptions(arguments=arguments))
    loop_thread.run(engine.open())
    try:
        engine._renderer = token_format()
        assert engine.facts()["dtype"] == (dtype or "float32")
        questions = prompts(7, 60, seed=1)
        answers = ask_all(
            loop_thread, engine, [token_format.ask(q, max_tokens=12) for q in questions]
        )
        if dtype is None:
            alone = LlamaForCausalLM.from_pretrained(tmp_path, dtype=torch.float32)
            for question, answer in zip(questions, answers, strict=True):
                tokens = alone.generate(
                    torch.tensor([question]), max_new_tokens=12, do_sample=False, pad_token_id=0
                )[0, len(question) :].tolist()
                assert answer.final.split() == [str(token) for token in tokens]
    finally:
        loop_thread.run(engine.close())


def test_what_cannot_run_here_is_told_in_a_sentence(
    tiny: Path, tmp_path: Path, loop_thread: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = resolve(str(tiny))

    def refusal(engine: EmbeddedEngine) -> str:
        with pytest.raises(UsageError) as caught:
            loop_thread.run(engine.open())
        loop_thread.run(engine.close())
        return str(caught.value)

    wrong = EmbeddedEngine(model, EngineOptions(arguments={"batchsize": 4}))
    assert "'batchsize'; did you mean 'batch_size'?" in refusal(wrong)

    vast = EmbeddedEngine(replace(model, parameters=10**15), EngineOptions())
    assert "GiB of memory" in refusal(vast)

    for file in tiny.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    empty = EmbeddedEngine(resolve(str(tmp_path)), EngineOptions())
    assert f"transformers cannot load {tmp_path.name}" in refusal(empty)

    config = json.loads((tmp_path / "config.json").read_text())
    config["layer_types"][0] = "linear_attention"
    (tmp_path / "config.json").write_text(json.dumps(config))
    recurrent = EmbeddedEngine(resolve(str(tmp_path)), EngineOptions())
    assert "has linear_attention; use --gptoss-engine vllm" in refusal(recurrent)

    monkeypatch.setitem(sys.modules, "torch", None)
    assert "pip install 'pytest-gptoss[embedded]'" in refusal(
        EmbeddedEngine(model, EngineOptions())
    )


def test_importing_the_engines_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest_gptoss.engines.embedded, pytest_gptoss.engines.vllm\n"
        "print([m for m in ('torch', 'transformers', 'vllm', 'datasets') if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.stdout.strip() == "[]", answer.stderr


def test_random_weights_need_a_configuration_alone(
    tiny: Path, tmp_path: Path, loop_thread: Any, token_format: Any
) -> None:
    """For speed and memory of a shape: no weights are read, and those of the checkpoint are not."""
    for file in tiny.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    engine = EmbeddedEngine(
        resolve(str(tmp_path)), EngineOptions(arguments={"load_format": "dummy"})
    )
    loop_thread.run(engine.open())
    try:
        engine._renderer = token_format()
        question = token_format.ask([20, 30, 40], max_tokens=7)
        answer = loop_thread.run(engine.generate(replace(question, to_the_cap=True)))
    finally:
        loop_thread.run(engine.close())
    assert answer.completion_tokens == 7
    assert engine.facts()["load_format"] == "dummy"
    assert engine.placement.gpus == 0


def test_an_unknown_load_format_is_refused(tiny: Path, loop_thread: Any) -> None:
    engine = EmbeddedEngine(resolve(str(tiny)), EngineOptions(arguments={"load_format": "gguf"}))
    with pytest.raises(UsageError, match=r"load_format=auto and load_format=dummy, not 'gguf'"):
        loop_thread.run(engine.open())
