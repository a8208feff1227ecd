"""Evaluate open-weight language models with pytest, and gate CI on score regressions.

The public face. Names are loaded when they are first used, because pytest imports this package in
every session of every project that has it installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_gptoss import scorers, stats
    from pytest_gptoss.benchmark import Benchmark, Item
    from pytest_gptoss.data import hub, release
    from pytest_gptoss.errors import DataError, EngineError, GptossError, UsageError
    from pytest_gptoss.load import Load
    from pytest_gptoss.plugin.answered import Response
    from pytest_gptoss.plugin.speedometer import Speedometer
    from pytest_gptoss.prompts.shots import Shots
    from pytest_gptoss.records import Completion, Message, Outcome, Sampling, Score
    from pytest_gptoss.run.handle import Model

__all__ = [
    "Benchmark",
    "Completion",
    "DataError",
    "EngineError",
    "GptossError",
    "Item",
    "Load",
    "Message",
    "Model",
    "Outcome",
    "Response",
    "Sampling",
    "Score",
    "Shots",
    "Speedometer",
    "UsageError",
    "__version__",
    "hub",
    "release",
    "scorers",
    "stats",
]

__version__ = "0.1.0"

_HOMES = {
    "Benchmark": "benchmark",
    "Item": "benchmark",
    "Load": "load",
    "hub": "data",
    "release": "data",
    "DataError": "errors",
    "EngineError": "errors",
    "GptossError": "errors",
    "UsageError": "errors",
    "Completion": "records",
    "Message": "records",
    "Outcome": "records",
    "Sampling": "records",
    "Score": "records",
    "Model": "run.handle",
    "Response": "plugin.answered",
    "Speedometer": "plugin.speedometer",
    "Shots": "prompts.shots",
    "scorers": "",
    "stats": "",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    try:
        home = _HOMES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    if not home:
        return import_module(f"{__name__}.{name}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
