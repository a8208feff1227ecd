"""The embedded engine: a transformers model on this machine's CPU or GPU, for where vLLM is not.

One thread of its own runs the model; requests wait in a list from which it takes as many as fit.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import gc
import importlib.metadata
import platform
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines import _transformers as loading
from pytest_gptoss.engines._tokens import (
    complete,
    one_line,
    prompt_of,
    room_for,
    seed_of,
    stopped_text,
    unwarned,
)
from pytest_gptoss.engines.telemetry.readings import Placement
from pytest_gptoss.errors import EngineError, GptossError, UsageError
from pytest_gptoss.prompts import renderer_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_gptoss.engines._decode import Row
    from pytest_gptoss.engines.base import EngineOptions, Request
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts import Renderer
    from pytest_gptoss.records import Completion

__all__ = ["EmbeddedEngine"]

_ARGUMENTS = (
    *("batch_size", "cache_tokens", "device", "dtype", "load_format", "max_model_len"),
    "threads",
)
_CLOSED = "the embedded engine is closed"
_GATHER_S = 0.01
_BATCH = 128
_CACHE_BYTES = 2**30


class EmbeddedEngine:
    """Generates with transformers in this process.

    Args:
        spec: The model.
        options: Of the arguments, ``batch_size`` (rows that run at once), ``cache_tokens`` (tokens
            that the KV cache may hold), ``device`` (``cpu``, ``mps``, ``cuda``), ``dtype``,
            ``load_format`` (``dummy`` draws the weights at random, as vLLM's does),
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
        self.placement = Placement()
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
        random_weights = _random_weights(arguments)
        with unwarned(), loading.quiet():
            loading.import_packages()
            renderer = renderer_for(self.spec)
            loaded = loading.load(
                self.spec,
                arguments.get("device"),
                arguments.get("dtype"),
                random_weights=random_weights,
            )
        length = arguments.get("max_model_len") or loaded.context_length
        threads = int(arguments.get("threads") or loading.threads_for(loaded.parameters))
        rows = int(arguments.get("batch_size") or _BATCH)
        tokens = int(arguments.get("cache_tokens") or _CACHE_BYTES // loaded.bytes_per_token)
        self._max_model_len = int(length)
        self._renderer = renderer
        self.concurrency = 4 * rows
        self.placement = Placement(gpus=1 if str(loaded.device).startswith("cuda") else 0)
        self._facts = {
            "engine": "embedded",
            "version": _version("transformers"),
            "torch": _version("torch"),
            "dtype": str(loaded.model.dtype).removeprefix("torch."),
            "quantization": None,
            "device": f"{loaded.device} ({platform.machine()})",
            "threads": threads if loaded.device == "cpu" else None,
            "max_model_len": self._max_model_len,
            "batch_size": rows,
            "prompt_format": renderer.describe(),
        }
        if random_weights:
            self._facts["load_format"] = "dummy"
        self._worker = _Worker(
            loaded.model,
            _Limits(
                stop=(*renderer.stop_token_ids, *loaded.ends),
                rows=rows,
                tokens=tokens,
                threads=threads if loaded.device == "cpu" else None,
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
            if self.placement.gpus:
                import torch

                torch.cuda.empty_cache()  # else torch keeps it for itself

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
            stopped=None if request.to_the_cap else _stops(renderer, request.sampling.stop),
            to_the_cap=request.to_the_cap,
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
        """Move new requests to the ready ones, shortest first; wait while there is none."""
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


def _random_weights(arguments: Mapping[str, Any]) -> bool:
    form = arguments.get("load_format", "auto")
    if form not in ("auto", "dummy"):
        raise UsageError(
            f"the embedded engine knows load_format=auto and load_format=dummy, not {form!r}"
        )
    return bool(form == "dummy")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
