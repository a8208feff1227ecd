"""The endpoint engine against vLLM's real server with a tiny gpt-oss checkpoint."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from scripted_server import Background, ask, free_port, opened, options, spec
from tiny_checkpoint import O200K_RETURN, O200K_VOCABULARY, make_tiny_gpt_oss

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
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "vllm.entrypoints.openai.api_server",
        "--model",
        str(checkpoint),
    ]
    command += ["--dtype", "bfloat16", "--enforce-eager", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--max-num-seqs", "32"]
    environment = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            wait_for(port, process, folder / "log")
            yield f"http://127.0.0.1:{port}", checkpoint, process
        finally:
            end(process)


def write_wide_tokenizer(folder: Path) -> None:
    """Write a tokenizer as wide as harmony's vocabulary; only its size matters to the server."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    letters = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {letter: index for index, letter in enumerate(sorted(letters))}
    vocabulary |= {f"<{index}>": index for index in range(len(letters), O200K_VOCABULARY)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer.json"))
    end_token = f"<{O200K_RETURN}>"
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": end_token}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import urllib.error
    import urllib.request

    limit = time.monotonic() + 500
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    pytest.fail(f"vllm serve did not come up:\n{log.read_text(errors='replace')[-3000:]}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server with the processes that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


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
