"""What vLLM is started with, and what a started vLLM says of itself."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from pytest_gptoss.engines import _vllm_process as process
from pytest_gptoss.engines.arguments import without_secrets
from pytest_gptoss.errors import UsageError
from pytest_gptoss.models import gpu_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_gptoss.engines.base import EngineOptions
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.prompts import Renderer

__all__ = ["describe", "engine_arguments", "refuse_unpacking"]


def engine_arguments(
    spec: ModelSpec, options: EngineOptions, platform: Any, arguments_type: Any, renderer: Renderer
) -> dict[str, Any]:
    """What the user asks for, over what serves an evaluation best.

    Args:
        spec: The model.
        options: The user's.
        platform: vLLM's, for the device.
        arguments_type: vLLM's class of engine arguments.
        renderer: The model's prompt format.

    Raises:
        UsageError: vLLM has no such argument, or it is not the user's to set.
    """
    known = {f.name: f for f in dataclasses.fields(arguments_type)}
    given = {key.replace("-", "_"): value for key, value in options.arguments.items()}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise UsageError(
                f"vLLM {process.version()} has no engine argument {key!r}; "
                f"did you mean {near[0]!r}?"
            )
        if key in ("model", "revision"):
            raise UsageError(f"the engine argument {key!r} is set by --model; leave it out")
    refuse_unpacking(spec, given)
    arguments: dict[str, Any] = {
        "model": str(spec.folder or spec.source),
        "seed": options.seed,
        "max_model_len": -1,  # the model's own, or what fits into the memory there is
        "use_tqdm_on_load": False,
        "disable_log_stats": False,  # metrics of each request come with them
    }
    if spec.revision is not None and spec.folder is None:
        arguments["revision"] = spec.revision
    if renderer.format == "harmony":
        arguments["skip_tokenizer_init"] = True  # the renderer speaks tokens
    if spec.dtype == "fp8" and spec.variant is not None:
        arguments["quantization"] = "fp8"
    if platform.is_cpu():
        arguments |= {"dtype": "bfloat16", "enforce_eager": True}
    else:
        size = process.tensor_parallel_size(spec, gpu_memory())
        if size > 1:
            arguments["tensor_parallel_size"] = size
    return {key: value for key, value in arguments.items() if key in known} | given


def refuse_unpacking(spec: ModelSpec, given: Mapping[str, Any]) -> None:
    """Refuse the variant of a model that vLLM cannot make of its weights.

    Raises:
        UsageError: The weights are released in MXFP4 and asked for in bfloat16.
    """
    released = spec.entry.get("dtype")
    if released == "mxfp4" and spec.dtype == "bfloat16" and "quantization" not in given:
        base = spec.name.partition("@")[0]
        raise UsageError(
            f"vLLM runs the MXFP4 weights of {base} as they are and cannot unpack them; leave "
            f"@{spec.variant} out, pass the folder of an unpacked checkpoint, or use "
            "--gptoss-engine embedded"
        )


def describe(
    engine: Any,
    platform: Any,
    arguments_type: Any,
    arguments: Mapping[str, Any],
    renderer: Renderer,
) -> dict[str, Any]:
    """JSON values for the settings record: what a started vLLM runs the model with."""
    model, parallel = engine.model_config, engine.vllm_config.parallel_config
    defaults = {f.name: _default(f) for f in dataclasses.fields(arguments_type)}
    changed = {
        key: value
        for key, value in sorted(arguments.items())
        if key != "model" and value != defaults.get(key)
    }
    return {
        "engine": "vllm",
        "version": process.version(),
        "dtype": str(model.dtype).removeprefix("torch."),
        "quantization": model.quantization,
        "device": platform.get_device_name(),
        "max_model_len": int(model.max_model_len),
        "tensor_parallel_size": parallel.tensor_parallel_size,
        "max_num_seqs": engine.scheduler_config.max_num_seqs,
        "prompt_format": renderer.describe(),
        "arguments": {
            key: value if isinstance(value, str | int | float | bool | None) else repr(value)
            for key, value in without_secrets(changed).items()
        },
    }


def _default(argument: dataclasses.Field[Any]) -> Any:
    if argument.default_factory is not dataclasses.MISSING:
        return argument.default_factory()
    return argument.default
