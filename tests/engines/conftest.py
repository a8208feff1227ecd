"""What the tests of the in-process engines share: a checkpoint, a loop in a thread, and tokens."""

from __future__ import annotations

import asyncio
import importlib.util
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tiny_checkpoint import make_tiny_gpt_oss

from pytest_gptoss.engines import Request
from pytest_gptoss.prompts import Parsed
from pytest_gptoss.records import Message, Sampling

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from pathlib import Path

CONTEXT = 2048


class LoopThread:
    """An event loop in a thread that is not the main one, as the scheduler runs it."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Any], seconds: float = 400) -> Any:
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(seconds)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


class Tokens:
    """A prompt format in which a message is token ids, and so is the answer.

    It lets a test say exactly which tokens go in and see exactly which come out.
    """

    format = "tokens"
    vocab_size = 512

    def __init__(self, stop: Sequence[int] = ()) -> None:
        self.stop_token_ids = tuple(stop)

    def render(self, messages: Sequence[Message], **_: Any) -> list[int]:
        return [int(word) for message in messages for word in message.content.split()]

    def parse(self, token_ids: Sequence[int], *, finish_reason: str | None) -> Parsed:
        return Parsed(final=" ".join(map(str, token_ids)))

    def describe(self) -> dict[str, Any]:
        return {"format": self.format}

    @staticmethod
    def ask(tokens: Sequence[int], **sampling: Any) -> Request:
        return Request(
            (Message("user", " ".join(map(str, tokens))),),
            Sampling(**sampling),
            item_id=str(tokens),
        )


@pytest.fixture(scope="session")
def loop_thread() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random gpt-oss checkpoint with a tokenizer and a context of 2,048 tokens."""
    pytest.importorskip("transformers")
    return make_tiny_gpt_oss(tmp_path_factory.mktemp("tiny") / "tiny", context_length=CONTEXT)


@pytest.fixture(scope="session")
def token_format() -> type[Tokens]:
    return Tokens


@pytest.fixture(scope="session")
def vllm_engine(tiny: Path, loop_thread: LoopThread) -> Iterator[Any]:
    """One vLLM engine for all tests, as starting one takes most of a minute on a CPU."""
    # Not `importorskip`: how vLLM logs is settled when it is imported, and that is the engine's.
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vllm is not installed")
    from pytest_gptoss.engines import EngineOptions
    from pytest_gptoss.engines.vllm import VllmEngine
    from pytest_gptoss.models import resolve

    engine = VllmEngine(resolve(str(tiny)), EngineOptions(arguments={"max-num-seqs": 64}))
    loop_thread.run(engine.open())
    yield engine
    loop_thread.run(engine.close())
