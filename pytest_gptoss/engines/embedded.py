"""The embedded engine: a transformers model on this machine's CPU or GPU, for where vLLM is not.

One thread of its own runs the model; requests wait in a list from which it takes as many as fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import gc
import importlib.metadata
import os
import platform
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines._tokens import (
    complete,
    one_line,
    prompt_of,
    room_for,
    seed_of,
    stopped_text,
)
from pytest_gptoss.errors import EngineError, GptossError, UsageError
from pytest_gptoss.prompts import renderer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_gptoss.engines._decode import Row
    from pytest_gptoss.engines.base import EngineOptions, Request
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts import Renderer
    from pytest_gptoss.records import Completion

__all__ = ["EmbeddedEngine"]

_ARGUMENTS = ("batch_size", "cache_tokens", "device", "dtype", "max_model_len", "threads")
_CLOSED = "the embedded engine is closed"
_GATHER_S = 0.01
_SMALL = 100_000_000
"""Parameters below which a model's tensors are too small to be shared among cores with a gain."""
_FLOAT32 = 1_000_000_000
"""Parameters up to which a CPU computes in float32: it is faster there than in bf16, and answers
then do not depend on what else is in the batch, as they do by rounding in bf16."""
_BATCH = 128
_CACHE_BYTES = 2**30
_LAYERS = frozenset({"full_attention", "sliding_attention"})


class EmbeddedEngine:
    """Generates with transformers in this process.

    Args:
        spec: The model.
        options: Of the arguments, ``batch_size`` (rows that run at once), ``cache_tokens`` (tokens
            that the KV cache may hold), ``device`` (``cpu``, ``mps``, ``cuda``), ``dtype``,
            ``max_model_len`` and ``threads`` are known; ``seed`` gives requests that bring no seed
            theirs.
    """

    concurrency = 4 * _BATCH

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self.spec = spec
        self._options = options
        self._worker: _Worker | None = None
        self._renderer: Renderer | None = None
        self._opening: asyncio.Future[None] | None = None
        self._max_model_len = 0
        self._facts: dict[str, Any] = {"engine": "embedded", "version": _version("transformers")}

    async def open(self) -> None:
        """Load the model.

        Raises:
            UsageError: A package is missing, an argument is unknown, or the model cannot run here.
        """
        for key in self._options.arguments:
            if key not in _ARGUMENTS:
                near = difflib.get_close_matches(key, _ARGUMENTS, n=1, cutoff=0.0)[0]
                raise UsageError(
                    f"the embedded engine has no argument {key!r}; did you mean {near!r}?"
                )
        await self.close()
        self._opening = asyncio.ensure_future(asyncio.to_thread(self._load))
        await asyncio.shield(self._opening)

    def _load(self) -> None:
        arguments = self._options.arguments
        with _quiet():
            torch, transformers = _import()
            renderer = renderer_for(self.spec)
            device = str(arguments.get("device") or _device(torch))
            source = str(self.spec.folder or self.spec.source)
            revision = None if self.spec.folder else self.spec.revision
            try:
                config = transformers.AutoConfig.from_pretrained(source, revision=revision)
                _refuse_other_layers(self.spec, config)
                model = transformers.AutoModelForCausalLM.from_pretrained(
                    source, revision=revision, dtype=arguments.get("dtype", "auto")
                )
                parameters = model.num_parameters()
                if "dtype" not in arguments and device == "cpu" and parameters <= _FLOAT32:
                    model = model.to(torch.float32)
                model = model.to(device).eval()
            except GptossError:
                raise
            except Exception as error:  # files, network, versions, memory: a class for each
                raise UsageError(
                    f"transformers cannot load {self.spec.name} from {source} "
                    f"({type(error).__name__}: {one_line(error)}); correct the checkpoint or its "
                    "path"
                ) from error
        length = arguments.get("max_model_len") or _context_length(config) or 4096
        threads = arguments.get("threads") or (1 if parameters < _SMALL else _cores())
        rows = int(arguments.get("batch_size") or _BATCH)
        tokens = int(arguments.get("cache_tokens") or _CACHE_BYTES // _bytes_per_token(model))
        ends = model.generation_config.eos_token_id
        ends = ends if isinstance(ends, list) else [] if ends is None else [ends]
        self._max_model_len = int(length)
        self._renderer = renderer
        self.concurrency = 4 * rows
        self._facts = {
            "engine": "embedded",
            "version": _version("transformers"),
            "torch": _version("torch"),
            "dtype": str(model.dtype).removeprefix("torch."),
            "quantization": None,
            "device": f"{device} ({platform.machine()})",
            "threads": int(threads) if device == "cpu" else None,
            "max_model_len": self._max_model_len,
            "batch_size": rows,
            "prompt_format": renderer.describe(),
        }
        self._worker = _Worker(
            model,
            _Limits(
                stop=(*renderer.stop_token_ids, *ends),
                rows=rows,
                tokens=tokens,
                threads=int(threads) if device == "cpu" else None,
            ),
        )

    async def close(self) -> None:
        """Stop the thread, let the model go and give its memory back."""
        if self._opening is not None:
            with contextlib.suppress(GptossError):
                await self._opening
            self._opening = None
        worker, self._worker = self._worker, None
        if worker is not None:
            await asyncio.to_thread(worker.close)
            gc.collect()

    async def generate(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            EngineError: The prompt does not fit, or the model failed on it.
        """
        worker, renderer = self._worker, self._renderer
        if worker is None or renderer is None:
            raise EngineError(_CLOSED)
        from pytest_gptoss.engines._decode import Row

        prompt = prompt_of(renderer, self.spec, request)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Row] = loop.create_future()
        row = Row(
            prompt=prompt,
            limit=room_for(request, len(prompt), self._max_model_len),
            sampling=request.sampling,
            seed=seed_of(request, self._options.seed),
            stopped=_stops(renderer, request.sampling.stop),
            context=(loop, future),
            submitted=time.monotonic(),
        )
        worker.submit(row)
        try:
            await future
        except asyncio.CancelledError:
            row.cancelled = True
            raise
        completion = complete(
            renderer,
            request,
            row.tokens,
            finish_reason=row.finish_reason,
            prompt_tokens=len(prompt),
        )
        completion.queue_s = row.started - row.submitted
        completion.ttft_s = row.first_token - row.submitted
        completion.latency_s = row.last_token - row.submitted
        return completion

    def facts(self) -> dict[str, Any]:
        """JSON values for the settings record."""
        return dict(self._facts)


@dataclass(frozen=True, slots=True)
class _Limits:
    stop: tuple[int, ...]
    rows: int
    tokens: int
    threads: int | None


class _Worker:
    """The thread that runs the model."""

    def __init__(self, model: Any, limits: _Limits) -> None:
        from pytest_gptoss.engines._decode import Batch

        self._limits = limits
        self._batch: Any = Batch(model, stop=limits.stop, size=limits.rows, tokens=limits.tokens)
        self._waiting: list[Row] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="gptoss-embedded", daemon=True)
        self._thread.start()

    def submit(self, row: Row) -> None:
        with self._changed:
            if self._stopping:
                raise EngineError(_CLOSED)
            self._waiting.append(row)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()
        _fail([*self._batch.clear(), *self._waiting], _CLOSED)
        self._waiting.clear()
        self._batch = None

    def _run(self) -> None:
        import torch

        before = torch.get_num_threads()
        if self._limits.threads is not None:
            torch.set_num_threads(self._limits.threads)
        try:
            ready: list[Row] = []
            while self._take(ready):
                try:
                    self._batch.admit(ready)
                    _deliver(self._batch.step())
                except Exception as error:  # out of memory, or the model's own failure
                    text = f"the model failed on a batch of {len(self._batch.rows)}"
                    _fail(self._batch.clear(), f"{text}: {one_line(error)}")
        finally:
            torch.set_num_threads(before)
            _fail(ready, _CLOSED)

    def _take(self, ready: list[Row]) -> bool:
        """Move new requests to the ready ones, shortest first; wait where there is nothing to do."""
        with self._changed:
            if not self._batch.rows and not ready:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if not self._stopping:
                    # What is submitted together should begin together.
                    self._changed.wait_for(lambda: self._stopping, _GATHER_S)
            new, self._waiting = self._waiting, []
            stopping = self._stopping
        if new:
            ready += new
            ready.sort(key=lambda row: len(row.prompt))
        ready[:] = [row for row in ready if not row.cancelled]
        return not stopping


def _deliver(rows: list[Row]) -> None:
    for row in rows:
        _tell(row, None)


def _fail(rows: list[Row], why: str) -> None:
    for row in rows:
        _tell(row, EngineError(why))


def _tell(row: Row, error: EngineError | None) -> None:
    loop, future = row.context

    def tell() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(row)
        else:
            future.set_exception(error)

    with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
        loop.call_soon_threadsafe(tell)


def _stops(renderer: Renderer, stop: tuple[str, ...]) -> Callable[[list[int]], bool] | None:
    if not stop:
        return None

    def stopped(tokens: list[int]) -> bool:
        final = renderer.parse(tokens, finish_reason="length").final
        return stopped_text(final, stop) is not None

    return stopped


def _import() -> tuple[Any, Any]:
    try:
        import torch
        import transformers
    except ImportError as error:
        raise UsageError(
            f"the embedded engine needs torch and transformers ({one_line(error)}); run: "
            "pip install 'pytest-gptoss[embedded]'"
        ) from error
    return torch, transformers


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Load without transformers' progress bars and advice, and leave its settings as they were."""
    try:
        from transformers.utils import logging
    except ImportError:  # said in a better sentence by `_import`
        yield
        return
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _device(torch: Any) -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _refuse_other_layers(spec: ModelSpec, config: Any) -> None:
    layers = set(getattr(config.get_text_config(), "layer_types", None) or ())
    if other := sorted(layers - _LAYERS):
        raise UsageError(
            f"the embedded engine runs layers of full and sliding attention, and {spec.name} has "
            f"{', '.join(other)}; use --gptoss-engine vllm or an endpoint"
        )


def _context_length(config: Any) -> int | None:
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def _bytes_per_token(model: Any) -> int:
    """Bytes of KV cache that one token takes."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * model.dtype.itemsize)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
