"""The vLLM engine: vLLM's asynchronous engine on this event loop, its core in a process of its own.

Prompts go in as tokens and answers come out as tokens, so that nothing but the model's own prompt
format stands between a benchmark and the model. vLLM batches whatever is in flight.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines import _vllm_process as process
from pytest_gptoss.engines._tokens import complete, one_line, prompt_of, room_for, unwarned
from pytest_gptoss.engines._vllm_arguments import describe, engine_arguments
from pytest_gptoss.engines._watchdog import Watchdog
from pytest_gptoss.engines.telemetry.readings import Placement
from pytest_gptoss.errors import EngineDiedError, EngineError, GptossError, UsageError
from pytest_gptoss.prompts import renderer_for

if TYPE_CHECKING:
    from pytest_gptoss.engines.base import EngineOptions, Request
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts import Renderer
    from pytest_gptoss.records import Completion

__all__ = ["VllmEngine"]

_CLOSED = "the vLLM engine is closed"
_GRACE_S = 1.5
_GRACE_ON_GPU_S = 8.0
# For the core process and what it starts: their warnings are about vLLM's own code.
_QUIET = {
    "PYTHONWARNINGS": "ignore",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-torch._library",
    "VLLM_NO_USAGE_STATS": "1",  # a test run reports to nobody
    # This process has threads, whose locks a fork would copy as they happen to be.
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}


class VllmEngine:
    """Generates with vLLM in process.

    Args:
        spec: The model.
        options: ``arguments`` are passed to vLLM's ``AsyncEngineArgs`` as they are; ``seed`` is
            vLLM's own, from which requests without a seed draw.
    """

    concurrency = 4096

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self.spec = spec
        self._options = options
        self._engine: Any = None
        self._renderer: Renderer | None = None
        self._opening: asyncio.Future[None] | None = None
        self._abandoned = False
        self._closing = False
        self._log: process.Log | None = None
        self._watchdog: Watchdog | None = None
        self._death: asyncio.Future[str] | None = None
        self._cores: list[Any] = []
        self._family: list[Any] = []
        self._grace_s = _GRACE_S
        self._waiting: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._submitted = 0
        self._facts: dict[str, Any] = {"engine": "vllm", "version": process.version()}
        self._max_model_len = 0
        self.placement = Placement()

    # --- opening and closing -----------------------------------------------------------------

    async def open(self) -> None:
        """Start vLLM, which takes from half a minute to several minutes.

        Raises:
            UsageError: vLLM is missing or cannot run this model here.
            EngineError: It could not be started.
        """
        await self.close()
        self._abandoned = False
        # In a thread, as starting blocks for long and the loop has other work; shielded, as a
        # thread cannot be cancelled: `close` ends what it has started.
        self._opening = asyncio.ensure_future(asyncio.to_thread(self._start))
        try:
            await asyncio.shield(self._opening)
        except Exception:
            await self._clear_up()
            raise

    def _start(self) -> None:
        self._log = process.Log()
        with process.uninterrupted():
            self._watchdog = Watchdog(self._log.folder)
            self._start_vllm({**_QUIET, **self._log.variables, **self._watchdog.variables})

    def _start_vllm(self, variables: dict[str, str]) -> None:
        with unwarned(), process.environment(variables):
            platform, arguments_type = process.import_vllm()
            renderer = renderer_for(self.spec)
            arguments = engine_arguments(
                self.spec, self._options, platform, arguments_type, renderer
            )
            if platform.is_cpu():
                cache = {"VLLM_CPU_KVCACHE_SPACE": str(process.cpu_cache_gib())}
            else:
                cache, self._grace_s = {}, _GRACE_ON_GPU_S
            with process.environment(cache):
                engine = self._construct(arguments_type, arguments)
        self._renderer = renderer
        self._engine = engine
        self._max_model_len = int(engine.model_config.max_model_len)
        self._facts = describe(engine, platform, arguments_type, arguments, renderer)
        if not platform.is_cpu():
            gpus = int(engine.vllm_config.parallel_config.world_size_across_dp)
            self.placement = Placement(gpus=gpus)
        # Enough for vLLM's scheduler to always have a full batch waiting.
        running = int(engine.scheduler_config.max_num_seqs)
        self.concurrency = max(VllmEngine.concurrency, 4 * running)

    def _construct(self, arguments_type: Any, arguments: dict[str, Any]) -> Any:
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        before = process.core_processes()
        try:
            # The context of offline use: its batch sizes are made for throughput, not for latency.
            config_of = arguments_type(**arguments).create_engine_config
            config = config_of(usage_context=UsageContext.LLM_CLASS)
        except Exception as error:  # pydantic, the Hub and vLLM have many classes for it
            raise UsageError(
                f"vLLM cannot run {self.spec.name} with these engine arguments "
                f"({type(error).__name__}: {one_line(error)}); correct --gptoss-engine-arg or the "
                "checkpoint"
            ) from error
        if self._abandoned:
            raise EngineError(_CLOSED)
        try:
            engine = AsyncLLM.from_vllm_config(config, usage_context=UsageContext.LLM_CLASS)
        except Exception as error:
            started = [p for p in process.core_processes() if p not in before]
            process.end(process.with_descendants(started), self._grace_s)
            cause = (self._log and self._log.last_words()) or one_line(error)
            raise EngineError(f"vLLM could not start {self.spec.name}: {cause}") from error
        # Else vLLM looks into the environment at every token, which costs as much as all its other
        # work in this process; its core does the same.
        process.keep_environment(True)
        self._cores = [p for p in process.core_processes() if p not in before]
        self._family = process.with_descendants(self._cores)
        return engine

    async def close(self) -> None:
        """Shut the core process down, wait for its end, and give all memory back."""
        self._closing = self._abandoned = True
        try:
            if self._opening is not None:
                await self._end_opening(self._opening)
                self._opening = None
            for task in list(self._waiting):
                task.cancel()
            # Not for the tasks' end: one of them may wait for this very closing.
            await self._idle.wait()
            engine, self._engine = self._engine, None
            if engine is not None:
                await self._shut_down(engine)
            await self._clear_up()
        finally:
            self._closing = False

    async def _clear_up(self) -> None:
        self._death = None
        if self._log is not None:
            self._log.remove()
        watchdog, self._watchdog = self._watchdog, None
        if watchdog is not None:
            await asyncio.to_thread(watchdog.dismiss)

    async def _end_opening(self, opening: asyncio.Future[None]) -> None:
        while not opening.done():
            # A core that is killed while it starts makes the constructor give up at once.
            for core in process.core_processes():
                core.kill()
            await asyncio.wait({opening}, timeout=0.2)
        with contextlib.suppress(GptossError):
            opening.result()

    async def _shut_down(self, engine: Any) -> None:
        # Its reader goes first: it would report the end of the core as an error.
        handler = getattr(engine, "output_handler", None)
        if handler is not None:
            handler.cancel()
            await asyncio.wait({handler})
        await asyncio.gather(
            asyncio.to_thread(engine.shutdown, 2 * self._grace_s),
            asyncio.to_thread(process.end, self._family, self._grace_s),
        )
        process.keep_environment(False)
        # Its destructor would shut down once more, with noise when the interpreter is ending.
        engine.shutdown = _nothing
        self._cores, self._family = [], []
        await asyncio.sleep(0)  # sockets are closed by a callback on this loop

    # --- generating --------------------------------------------------------------------------

    async def generate(self, request: Request) -> Completion:
        """Answer one request.

        Raises:
            EngineError: The prompt does not fit, or vLLM refused or lost the request.
            EngineDiedError: vLLM's core process has died.
        """
        engine, renderer = self._engine, self._renderer
        if engine is None or renderer is None:
            raise EngineError(_CLOSED)
        tokens = prompt_of(renderer, self.spec, request)
        room = room_for(request, len(tokens), self._max_model_len)
        task = asyncio.current_task()
        assert task is not None
        self._submitted += 1
        self._waiting.add(task)
        self._idle.clear()
        submitted = time.monotonic()
        try:
            output = await self._final(engine, tokens, request, room)
        except asyncio.CancelledError:
            if not self._closing:
                raise  # vLLM has aborted the request
            task.uncancel()
            raise EngineError(_CLOSED) from None
        finally:
            self._waiting.discard(task)
            if not self._waiting:
                self._idle.set()
        answer = output.outputs[0]
        if answer.finish_reason in ("abort", "error"):
            raise EngineError(f"vLLM gave the request up ({answer.finish_reason})")
        completion = complete(
            renderer,
            request,
            answer.token_ids,
            finish_reason=answer.finish_reason,
            prompt_tokens=len(tokens),
        )
        completion.cached_tokens = output.num_cached_tokens
        _set_timings(completion, output.metrics, submitted)
        return completion

    async def _final(
        self, engine: Any, tokens: list[int], request: Request, max_tokens: int
    ) -> Any:
        from vllm.inputs import tokens_input
        from vllm.v1.engine.exceptions import EngineDeadError

        output = None
        name = str(self._submitted)
        try:
            params = self._sampling_params(request, max_tokens)
            # Tokens as vLLM has them after its own rendering, so that it renders nothing.
            async for one in engine.generate(tokens_input(tokens), params, name):
                output = one
        except EngineDeadError as error:
            if self._death is None:  # found out once, for all who wait
                self._death = asyncio.ensure_future(self._find_cause())
            raise EngineDiedError(await asyncio.shield(self._death)) from error
        except Exception as error:  # a request that vLLM rejects, or its own failure on it
            raise EngineError(f"vLLM failed on the request: {one_line(error)}") from error
        if output is None:
            raise EngineError("vLLM returned nothing for the request")
        return output

    async def _find_cause(self) -> str:
        # The exit code is known when the process has been waited for.
        for core in self._cores:
            await asyncio.to_thread(core.join, 2.0)
        words = (process.how_it_ended(self._cores), self._log and self._log.last_words())
        cause = "; ".join(word for word in words if word) or "it gave no reason"
        return f"vLLM has died while it ran {self.spec.name}: {cause}"

    def _sampling_params(self, request: Request, max_tokens: int) -> Any:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        sampling, renderer = request.sampling, self._renderer
        assert renderer is not None
        # Only where all text is final text may vLLM itself stop at a string.
        stop = list(sampling.stop) if self._stops_at_strings(renderer) else []
        ends = list(renderer.stop_token_ids)
        if request.to_the_cap:
            stop, ends = [], []
        greedy = sampling.temperature == 0
        chosen = {"top_p": sampling.top_p, "top_k": sampling.top_k, "min_p": sampling.min_p}
        params = SamplingParams(
            temperature=sampling.temperature,
            max_tokens=max_tokens,
            seed=None if greedy else sampling.seed,
            stop=stop,
            stop_token_ids=ends,
            ignore_eos=request.to_the_cap,
            skip_special_tokens=False,
            detokenize=bool(stop),
            output_kind=RequestOutputKind.FINAL_ONLY,
            **{key: value for key, value in chosen.items() if value is not None and not greedy},
        )
        params.skip_clone = True  # nobody else has them
        return params

    def _stops_at_strings(self, renderer: Renderer) -> bool:
        return self.spec.reasoning == "none" and renderer.format != "harmony"

    def facts(self) -> dict[str, Any]:
        """JSON values for the settings record."""
        return dict(self._facts)


def _set_timings(completion: Completion, metrics: Any, submitted: float) -> None:
    """Take the timings over, where the core's clock is this process's clock (the same machine)."""
    now = time.monotonic()
    completion.latency_s = now - submitted
    if metrics is None:
        return
    marks = (metrics.scheduled_ts, metrics.first_token_ts, metrics.last_token_ts)
    if submitted <= marks[0] <= marks[1] <= marks[2] <= now:
        completion.queue_s, completion.ttft_s, completion.latency_s = (m - submitted for m in marks)
    elif metrics.first_token_latency:
        completion.ttft_s = metrics.first_token_latency


def _nothing(*_: Any, **__: Any) -> None:
    """What a shut-down engine's `shutdown` does."""
