"""The vLLM engine, with vLLM itself on a tiny gpt-oss checkpoint.

Starting vLLM takes most of a minute on a CPU: one engine serves all tests but those about its end.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from apart import run

from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.telemetry import Meter
from pytest_gptoss.engines.vllm import VllmEngine
from pytest_gptoss.errors import EngineError
from pytest_gptoss.models import resolve
from pytest_gptoss.records import Completion, Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.vllm

CONTEXT = 2048


@pytest.fixture
def engine(vllm_engine: VllmEngine, token_format: Any) -> Iterator[VllmEngine]:
    """The shared engine, with prompts and answers that are tokens."""
    renderer = vllm_engine._renderer
    vllm_engine._renderer = token_format()
    yield vllm_engine
    vllm_engine._renderer = renderer


def prompts(count: int, seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(8, 500) for _ in range(rng.randint(3, 200))] for _ in range(count)]


def ask_all(loop_thread: Any, engine: Any, requests: list[Request]) -> list[Completion]:
    async def all_at_once() -> list[Completion]:
        return await asyncio.gather(*map(engine.generate, requests))

    answers: list[Completion] = loop_thread.run(all_at_once())
    return answers


def test_it_answers_conversations_from_a_thread_of_its_own(
    vllm_engine: VllmEngine, loop_thread: Any
) -> None:
    requests = [
        Request(
            (Message("user", f"What is {n} + 4?"),), Sampling(max_tokens=12), instructions="Add."
        )
        for n in range(30)
    ]
    answers = ask_all(loop_thread, vllm_engine, requests)
    long = replace(requests[0], messages=(Message("user", "Tom has 12 apples. " * 60),))
    ask_all(loop_thread, vllm_engine, [long])
    again = ask_all(loop_thread, vllm_engine, [long] * 3)
    for answer in answers:
        assert answer.finish_reason in ("stop", "length")
        assert 1 <= answer.completion_tokens <= 12
        assert 0 <= answer.queue_s <= answer.ttft_s <= answer.latency_s < 60
        assert answer.error is None
    assert all(answer.cached_tokens > 0 for answer in again), "the prefix cache was not used"

    facts = vllm_engine.facts()
    json.dumps(facts)
    assert facts["engine"] == "vllm"
    assert facts["version"]
    assert facts["max_model_len"] == CONTEXT
    assert facts["tensor_parallel_size"] == 1
    assert facts["max_num_seqs"] == 64
    assert facts["arguments"]["max_num_seqs"] == 64
    assert facts["prompt_format"]["format"] == "chat-template"
    assert vllm_engine.concurrency >= 1000


def test_telemetry_agrees_with_vllms_own_metrics(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    """Counts exactly, and times within 2 % of the time that an answer takes."""
    from prometheus_client import REGISTRY

    def theirs() -> dict[str, float]:
        return {
            sample.name: sample.value for family in REGISTRY.collect() for sample in family.samples
        }

    async def all_in_a_window(requests: list[Request]) -> dict[str, Any]:
        async def one(request: Request) -> None:
            began = window.begin()
            window.end(began, await engine.generate(request))

        window.start()
        await asyncio.gather(*map(one, requests))
        window.stop()
        return window.figures()

    # What waits for a place finds the beginning of its prompt in the cache.
    questions = [[30] * 256 + question for question in prompts(80, seed=5)]
    requests = [token_format.ask(question, max_tokens=1000) for question in questions]
    with Meter() as meter:
        meter.watch_devices()
        window = meter.window("burst", placement=engine.placement)
        before = theirs()
        ours = loop_thread.run(all_in_a_window(requests))
        after = theirs()
    change = {name: value - before.get(name, 0.0) for name, value in after.items()}

    def mean(name: str) -> float:
        return change[f"vllm:{name}_seconds_sum"] / change[f"vllm:{name}_seconds_count"]

    generated = ours["output_tokens_per_s"] * ours["requests"] / ours["requests_per_s"]
    everything = ours["total_tokens_per_s"] * ours["requests"] / ours["requests_per_s"]
    assert ours["requests"] == change["vllm:e2e_request_latency_seconds_count"] == len(requests)
    assert generated == pytest.approx(change["vllm:generation_tokens_total"])
    assert everything - generated == pytest.approx(change["vllm:prompt_tokens_total"])
    hits = change["vllm:prefix_cache_hits_total"] / change["vllm:prefix_cache_queries_total"]
    assert ours["prefix_cache_hit_rate"] == pytest.approx(hits, rel=0.02)
    assert hits > 0
    assert ours["in_flight"]["max"] == len(requests)
    assert ours["running_mean"] <= 64
    for name, own in (
        ("e2e_request_latency", "latency_s"),
        ("time_to_first_token", "ttft_s"),
        ("request_queue_time", "queue_s"),
    ):
        near = 0.02 * mean("e2e_request_latency")
        assert ours[own]["mean"] == pytest.approx(mean(name), abs=near), own
    pace = mean("request_time_per_output_token")
    assert ours["inter_token_s"]["mean"] == pytest.approx(pace, rel=0.02)
    # Of this process and of the core's, which holds the weights and the cache.
    assert ours["runs_on"] == "cpu"
    assert ours["peak_memory_bytes"] > 2**30


def test_an_answer_ends_where_the_context_does(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    question = [20] * (CONTEXT - 3)
    full, capped = ask_all(
        loop_thread,
        engine,
        [token_format.ask(question), token_format.ask(question, max_tokens=2)],
    )
    assert full.completion_tokens is not None
    assert full.completion_tokens <= 3
    assert full.prompt_tokens == CONTEXT - 3
    assert capped.completion_tokens == 2
    assert capped.finish_reason == "length"
    with pytest.raises(EngineError, match=f"{CONTEXT + 5} tokens.*context of {CONTEXT}"):
        ask_all(loop_thread, engine, [token_format.ask([20] * (CONTEXT + 5))])


def test_a_request_that_vllm_rejects_is_an_error_of_its_own(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    with pytest.raises(EngineError, match=r"vLLM failed on the request: .*top_p"):
        ask_all(loop_thread, engine, [token_format.ask([9], temperature=1.0, top_p=7.0)])
    assert ask_all(loop_thread, engine, [token_format.ask([9], max_tokens=3)])[0].final


def test_seeds_decide_what_is_drawn(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    question = prompts(1)[0][:20]

    def drawn(seed: int | None) -> Request:
        request: Request = token_format.ask(question, temperature=1.0, max_tokens=10, seed=seed)
        return request

    requests = [drawn(seed) for seed in range(4)]
    first = [answer.final for answer in ask_all(loop_thread, engine, requests)]
    again = [answer.final for answer in ask_all(loop_thread, engine, requests)]
    assert first == again
    assert len(set(first)) == 4

    unseeded = [replace(drawn(None), repeat=repeat) for repeat in range(3)]
    answers = [answer.final for answer in ask_all(loop_thread, engine, unseeded)]
    assert len(set(answers)) == 3, "repeats of an item are copies of each other"


def test_stop_strings_end_the_final_text(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    question = prompts(1, seed=3)[0]
    whole = ask_all(loop_thread, engine, [token_format.ask(question, max_tokens=40)])[0]
    stop = f" {whole.final.split()[3]} "
    cut = ask_all(loop_thread, engine, [token_format.ask(question, max_tokens=40, stop=(stop,))])[0]
    assert cut.final == whole.final.partition(stop)[0]
    assert cut.finish_reason == "stop"


def test_an_answer_of_a_known_length_goes_on_where_the_model_ends(
    vllm_engine: VllmEngine, engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    question = token_format.ask(prompts(1, seed=3)[0], max_tokens=40)
    whole = ask_all(loop_thread, engine, [question])[0].final.split()
    # The engine's own fixture puts the renderer back.
    vllm_engine._renderer = token_format(stop=[int(whole[3])])
    ended, forced = ask_all(loop_thread, engine, [question, replace(question, to_the_cap=True)])
    assert (ended.finish_reason, ended.completion_tokens) == ("stop", whole.index(whole[3]) + 1)
    assert (forced.finish_reason, forced.completion_tokens) == ("length", 40)


def test_a_cancelled_request_is_aborted(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    async def cancel() -> int:
        asks = [token_format.ask([9 + n] * 20, max_tokens=1900) for n in range(8)]
        tasks = [asyncio.create_task(engine.generate(ask)) for ask in asks]
        await asyncio.sleep(0.3)
        running: int = engine._engine.get_num_unfinished_requests()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert any(isinstance(result, asyncio.CancelledError) for result in results)
        assert engine._engine.get_num_unfinished_requests() == 0
        return running

    assert loop_thread.run(cancel(), 60) > 0
    assert ask_all(loop_thread, engine, [token_format.ask([9], max_tokens=3)])[0].final


def test_an_interrupt_is_for_the_session_alone(
    engine: VllmEngine, loop_thread: Any, token_format: Any
) -> None:
    """The terminal sends Ctrl-C to every process; vLLM's core would abort what is in flight."""

    async def interrupt() -> list[Completion]:
        asks = [token_format.ask([9 + n] * 20, max_tokens=200) for n in range(8)]
        tasks = [asyncio.create_task(engine.generate(ask)) for ask in asks]
        await asyncio.sleep(0.1)
        for process in engine._family:
            process.send_signal(signal.SIGINT)
        return await asyncio.gather(*tasks)

    answers = loop_thread.run(interrupt(), 120)
    assert all(answer.final for answer in answers)
    assert all(process.is_running() for process in engine._family)


def test_greedy_answers_are_those_of_the_embedded_engine(
    engine: VllmEngine, tiny: Path, loop_thread: Any, token_format: Any
) -> None:
    """Two implementations of one model agree on what comes next.

    Both compute in bf16 here, in another order of operations: where two tokens are nearly equally
    likely the choice is rounding, and what follows another token is another text. So the first
    token is what is compared.
    """
    from pytest_gptoss.engines.embedded import EmbeddedEngine

    other = EmbeddedEngine(resolve(str(tiny)), EngineOptions(arguments={"dtype": "bfloat16"}))
    loop_thread.run(other.open())
    other._renderer = token_format()
    requests = [token_format.ask(question, max_tokens=6) for question in prompts(100)]
    ours, theirs = (
        [answer.final.split() for answer in ask_all(loop_thread, who, requests)]
        for who in (engine, other)
    )
    loop_thread.run(other.close())
    agreeing = sum(a[0] == b[0] for a, b in zip(ours, theirs, strict=True))
    assert agreeing >= 80


OFFLINE = """
import json, sys
from vllm import LLM, SamplingParams

if __name__ == "__main__":
    folder, questions = sys.argv[1], json.load(open(sys.argv[2]))
    model = LLM(folder, dtype="bfloat16", enforce_eager=True, max_num_seqs=64, seed=0)
    answers = model.generate(
        [{"prompt_token_ids": q} for q in questions],
        SamplingParams(temperature=0, max_tokens=16, detokenize=False),
        use_tqdm=False,
    )
    json.dump([list(a.outputs[0].token_ids) for a in answers], open(sys.argv[3], "w"))
"""


@pytest.mark.slow
def test_greedy_answers_are_those_of_vllms_own_offline_call(
    engine: VllmEngine, tiny: Path, loop_thread: Any, token_format: Any, tmp_path: Path
) -> None:
    """The same tokens as `LLM.generate`, but for what rounding decides.

    In bf16 a row's sums depend on the rows that are computed with it, and those depend on when
    each request arrived; a difference is followed by other differences in that answer alone.
    """
    questions = prompts(60)
    (tmp_path / "offline.py").write_text(OFFLINE)
    (tmp_path / "questions.json").write_text(json.dumps(questions))
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    run(
        [tmp_path / "offline.py", tiny, tmp_path / "questions.json", tmp_path / "answers.json"],
        environment,
    )
    offline = json.loads((tmp_path / "answers.json").read_text())
    requests = [token_format.ask(question, max_tokens=16) for question in questions]
    answers = ask_all(loop_thread, engine, requests)
    ours = [[int(word) for word in answer.final.split()] for answer in answers]
    assert sum(a == b for a, b in zip(ours, offline, strict=True)) >= 54
    assert sum(a[0] == b[0] for a, b in zip(ours, offline, strict=True)) >= 58
