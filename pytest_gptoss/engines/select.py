"""Which engine a session uses."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from pytest_gptoss.engines.base import Engine, EngineOptions
    from pytest_gptoss.models import ModelSpec

__all__ = ["ENGINES", "choose", "make"]

ENGINES = ("auto", "vllm", "endpoint", "embedded", "replay")


def choose(asked: str, options: EngineOptions) -> str:
    """Turn ``auto`` into the name of an engine, and check that the options fit together.

    An endpoint or recorded completions imply their engines. Else vLLM runs where it is installed
    and has a GPU, and transformers where it does not.

    Raises:
        UsageError: The options contradict each other, or no engine is installed.
    """
    if asked not in ENGINES:
        raise UsageError(f"--gptoss-engine is one of {', '.join(ENGINES)}, not {asked!r}")
    implied = {
        "endpoint": ("--gptoss-endpoint", options.endpoint),
        "replay": ("--gptoss-completions", options.completions),
    }
    given = {name: flag for name, (flag, value) in implied.items() if value is not None}
    if len(given) > 1:
        raise UsageError(
            "--gptoss-endpoint and --gptoss-completions name two sources of answers; leave one out"
        )
    for name, flag in given.items():
        if asked not in ("auto", name):
            raise UsageError(f"{flag} implies the engine {name!r}, not {asked!r}; leave one out")
        return name
    if asked in implied:
        flag = implied[asked][0]
        raise UsageError(f"the engine {asked!r} needs {flag} to say where the answers come from")
    if asked != "auto":
        return asked
    if _installed("vllm") and shutil.which("nvidia-smi") is not None:
        return "vllm"
    if _installed("torch") and _installed("transformers"):
        return "embedded"
    if _installed("vllm"):
        return "vllm"
    raise UsageError(
        "no engine is installed: install pytest-gptoss[embedded] (no GPU) or pytest-gptoss[vllm], "
        "or name a server with --gptoss-endpoint"
    )


def make(name: str, spec: ModelSpec, options: EngineOptions) -> Engine:
    """Make an engine by its name, without starting it."""
    if name == "vllm":
        from pytest_gptoss.engines.vllm import VllmEngine

        return VllmEngine(spec, options)
    if name == "endpoint":
        from pytest_gptoss.engines.endpoint import EndpointEngine

        return EndpointEngine(spec, options)
    if name == "replay":
        from pytest_gptoss.engines.replay import ReplayEngine

        return ReplayEngine(spec, options)
    from pytest_gptoss.engines.embedded import EmbeddedEngine

    return EmbeddedEngine(spec, options)


def _installed(module: str) -> bool:
    return find_spec(module) is not None
