"""A model of gpt-oss-20b's shape on a GPU: what its answers take.

The weights are random and nothing is downloaded; speed, memory and energy are those of the shape.
Figures are printed: ``pytest tests/engines/test_gpu.py -m gpu -rP``.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.embedded import EmbeddedEngine
from pytest_gptoss.engines.telemetry import Meter
from pytest_gptoss.engines.vllm import VllmEngine
from pytest_gptoss.models import gpu_memory, resolve
from pytest_gptoss.records import Message, Sampling
from pytest_gptoss.run.metering import Metering

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

GIB = 2**30
WEIGHTS = 20.9e9 * 2
"""Bytes of gpt-oss-20b's 20.9 billion parameters in bf16."""


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration of gpt-oss-20b, unpacked, and no weights."""
    cards = gpu_memory()
    if not cards:
        pytest.skip("this machine has no NVIDIA GPU")
    if max(cards) < 60 * GIB:
        pytest.skip(f"the shape takes 42 GB and its cache; the largest GPU has {max(cards):.3g} B")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("shape")
    config = transformers.GptOssConfig(
        num_hidden_layers=24,
        num_local_experts=32,
        dtype="bfloat16",
        architectures=["GptOssForCausalLM"],
    )
    config.save_pretrained(folder)
    return folder


def in_use() -> int:
    """Bytes of GPU memory that anybody holds now."""
    import pynvml

    pynvml.nvmlInit()
    try:
        return sum(
            int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(i)).used)
            for i in range(pynvml.nvmlDeviceGetCount())
        )
    finally:
        pynvml.nvmlShutdown()


@pytest.mark.parametrize("concurrency", [8, 64])
@pytest.mark.parametrize("name", ["vllm", "embedded"])
def test_what_answers_take(
    name: str,
    concurrency: int,
    shape: Path,
    loop_thread: Any,
    token_format: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    package = {"vllm": "vllm", "embedded": "torch"}[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    engine_type = {"vllm": VllmEngine, "embedded": EmbeddedEngine}[name]
    # Prompts are token ids already, so that no vocabulary is needed.
    for module in ("vllm", "embedded"):
        monkeypatch.setattr(
            f"pytest_gptoss.engines.{module}.renderer_for", lambda _: token_format()
        )
    arguments: dict[str, Any] = {"load_format": "dummy", "max_model_len": 4096}
    if name == "vllm":
        arguments |= {"skip_tokenizer_init": True, "max_num_seqs": concurrency}
    metering = Metering(Meter())
    engine = metering.metered(
        engine_type(resolve(str(shape)), EngineOptions(arguments=arguments))  # type: ignore[arg-type]
    )
    question = " ".join(str(1000 + place) for place in range(128))
    requests = [
        Request(
            (Message("user", f"{number} {question}"),),
            Sampling(max_tokens=128),
            benchmark="load",
            to_the_cap=True,
        )
        for number in range(2 * concurrency)
    ]

    async def all_of_them() -> None:
        slots = asyncio.Semaphore(concurrency)

        async def one(request: Request) -> None:
            async with slots:
                await engine.generate(request)

        await asyncio.gather(*map(one, requests))

    before = in_use()
    loop_thread.run(engine.open())
    try:
        loop_thread.run(all_of_them())
    finally:
        loop_thread.run(engine.close())
    metering.stop()
    figures = metering.figures([])["models"][engine.spec.label]
    print(json.dumps({"engine": engine.facts(), "figures": figures}, indent=1))

    assert figures["requests"] == len(requests)
    assert figures["unanswered"] == 0
    assert figures["output_tokens_per_s"] > 0
    assert figures["in_flight"]["max"] == concurrency
    (gpu,) = figures["gpus"]
    assert gpu["peak_memory_in_use_bytes"] > WEIGHTS
    if figures["peak_gpu_memory_bytes"] is None:  # a container whose process ids the driver hides
        assert "container" in figures["unknown"]["peak_gpu_memory_bytes"]
    else:
        assert figures["peak_gpu_memory_bytes"] > WEIGHTS
    power_w = figures["energy_j"] / figures["window_s"]
    assert 50 < power_w < 1500
    assert figures["energy_per_response_j"] == pytest.approx(
        figures["energy_j"] / figures["requests"]
    )
    above = figures["energy_above_idle_j"]
    assert above is None or 0 < above < figures["energy_j"]
    assert in_use() < before + GIB, "memory was not given back"
