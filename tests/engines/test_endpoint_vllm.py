"""The endpoint engine against vLLM's real server with a tiny gpt-oss checkpoint."""

from __future__ import annotations

import asyncio
import subprocess
from typing import TYPE_CHECKING

import pytest
from scripted_server import Background, ask, opened, options, spec
from tiny_checkpoint import O200K_VOCABULARY, make_tiny_gpt_oss
from vllm_server import end, serving, write_wide_tokenizer

from pytest_gptoss.engines.endpoint import EndpointEngine
from pytest_gptoss.errors import EngineError, FatalEngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_gptoss.records import Completion

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

CONTEXT = 1024


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[str, Path, subprocess.Popen[bytes]]]:
    pytest.importorskip("vllm")
    folder = tmp_path_factory.mktemp("served")
    # The server renders and parses gpt-oss conversations with harmony's own vocabulary.
    checkpoint = make_tiny_gpt_oss(
        folder / "tiny", vocab_size=O200K_VOCABULARY, tokenizer=False, context_length=CONTEXT
    )
    write_wide_tokenizer(checkpoint)
    with serving(checkpoint, folder / "log") as (url, process):
        yield url, checkpoint, process


def test_a_real_server_is_asked_read_and_outlived(
    served: tuple[str, Path, subprocess.Popen[bytes]],
) -> None:
    url, checkpoint, process = served
    model = spec("tiny", source=str(checkpoint))

    async def ask_all(engine: EndpointEngine) -> list[Completion]:
        return await asyncio.gather(
            *(
                engine.generate(
                    ask(
                        f"Tom has {n} apples and buys 30 more. How many apples does Tom have?",
                        instructions="Answer with a number.",
                        effort="low",
                        max_tokens=40,
                        seed=1,
                    )
                )
                for n in range(20)
            )
        )

    async def ask_too_much(engine: EndpointEngine) -> Completion:
        return await engine.generate(ask("apples " * 2 * CONTEXT, max_tokens=10))

    with Background() as background, opened(background, url, model) as engine:
        facts = engine.facts()
        assert facts["served_model"] == str(checkpoint)
        assert (facts["server"], facts["max_model_len"]) == ("vllm", CONTEXT)
        assert facts["version"].startswith("vllm ")
        completions = background.run(ask_all(engine), 300)
        for completion in completions:
            assert completion.finish_reason in ("stop", "length")
            assert completion.prompt_tokens
            assert completion.completion_tokens
            assert completion.completion_tokens <= 40
            assert completion.final or completion.reasoning or completion.finish_reason == "stop"
            assert completion.served_model == str(checkpoint)
            assert completion.latency_s
        again = background.run(ask_all(engine), 300)
        same = sum(a.final == b.final for a, b in zip(completions, again, strict=True))
        assert same >= 18  # greedy, but the composition of a batch may round differently
        with pytest.raises(EngineError, match="answered 400") as caught:
            background.run(ask_too_much(engine), 60)
        assert type(caught.value) is EngineError
        other = EndpointEngine(model, options(url, arguments={"model": "no-such-model"}))
        background.run(other.open())
        with pytest.raises(FatalEngineError, match=r"answered 404.*no-such-model"):
            background.run(other.generate(ask()), 60)
        background.run(other.close())
        end(process)
        with pytest.raises(FatalEngineError, match="no server answers"):
            background.run(engine.generate(ask()), 120)
