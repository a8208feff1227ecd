"""What vLLM's engine is told, what it refuses to be told, and what it settles by itself."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_gptoss.engines import EngineOptions
from pytest_gptoss.engines._vllm_arguments import refuse_unpacking
from pytest_gptoss.engines._vllm_process import tensor_parallel_size
from pytest_gptoss.engines.vllm import VllmEngine
from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import resolve

pytestmark = pytest.mark.vllm

GB = 10**9


def test_unknown_arguments_are_refused_with_the_nearest(tiny: Path, loop_thread: Any) -> None:
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed")

    def refusal(**arguments: Any) -> str:
        engine = VllmEngine(resolve(str(tiny)), EngineOptions(arguments=arguments))
        with pytest.raises(UsageError) as caught:
            loop_thread.run(engine.open())
        loop_thread.run(engine.close())
        return str(caught.value)

    assert "'max_model_length'; did you mean 'max_model_len'?" in refusal(max_model_length=5)
    assert "'model' is set by --model" in refusal(model="other")
    assert "max_model_len" in refusal(max_model_len=-7)


def test_unpacking_mxfp4_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot unpack them; leave @bf16 out"):
        refuse_unpacking(resolve("gpt-oss-20b@bf16"), {})


def test_a_missing_vllm_is_told_with_the_remedy(
    tiny: Path, loop_thread: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "vllm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "vllm", None)
    engine = VllmEngine(resolve(str(tiny)), EngineOptions())
    with pytest.raises(UsageError, match=r"pip install 'pytest-gptoss\[vllm\]'"):
        loop_thread.run(engine.open())
    loop_thread.run(engine.close())


@pytest.mark.parametrize(
    ("model", "memory", "size"),
    [
        ("gpt-oss-20b", [], 1),
        ("gpt-oss-120b", [85 * GB], 1),
        ("gpt-oss-20b", [25 * GB] * 2, 1),
        ("gpt-oss-120b", [48 * GB] * 4, 2),
        ("qwen3-235b", [150 * GB] * 8, 4),
        ("qwen3-235b", [85 * GB] * 8, 8),
        ("qwen3-235b", [85 * GB] * 3, 2),
    ],
)
def test_gpus_per_replica(model: str, memory: list[int], size: int) -> None:
    assert tensor_parallel_size(resolve(model), memory) == size
