"""One fixture for each model of the registry: ``gpt_oss_20b``, ``qwen3_235b``, ..."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.run.handle import Model

__all__ = ["FIXTURES", "model_fixtures"]

# Written out (a test compares it with the registry): this stands in every session of every project
# that has the plugin installed, and reading the registry costs more than all of this module.
FIXTURES = {
    "gpt_oss_120b": "gpt-oss-120b",
    "gpt_oss_20b": "gpt-oss-20b",
    "qwen3_235b": "qwen3-235b",
    "deepseek_r1_70b": "deepseek-r1-70b",
    "llama_3_3_70b": "llama-3.3-70b",
    "llama_4_scout": "llama-4-scout",
    "gemma_3_27b": "gemma-3-27b",
    "phi_4_reasoning": "phi-4-reasoning",
    "tiny_gpt_oss": "tiny-gpt-oss",
    "tiny_gpt_oss_early": "tiny-gpt-oss-early",
    "tiny_gpt_oss_3bit": "tiny-gpt-oss-3bit",
}


def model_fixtures(config: pytest.Config) -> object:
    """A plugin whose attributes are the fixtures."""
    # A module, because pytest binds the fixtures of any other object to it as methods.
    holder = ModuleType("gptoss_model_fixtures", "One fixture for each model of the registry.")
    for fixture, name in _names(config).items():
        setattr(holder, fixture, _fixture(fixture, name))
    return holder


def _names(config: pytest.Config) -> dict[str, str]:
    option = config.getoption("gptoss_registry")
    value = option or config.getini("gptoss_registry")
    if not value:
        return FIXTURES
    from pytest_gptoss.models import fixtures

    base = config.invocation_params.dir
    if not option and config.inipath is not None:
        base = config.inipath.parent
    try:
        return fixtures(base / value)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None


def _fixture(fixture: str, name: str) -> Callable[..., Any]:
    def provide(request: pytest.FixtureRequest) -> Model:
        return _model(request, name)

    provide.__doc__ = f"The model {name}; skips where this machine cannot run it."
    return pytest.fixture(scope="session", name=fixture)(provide)


def _model(request: pytest.FixtureRequest, name: str) -> Model:
    from pytest_gptoss import plugin
    from pytest_gptoss.models import gpu_memory, missing
    from pytest_gptoss.plugin.session import set_up

    try:
        evaluation = set_up(request.config, plugin.response)
        spec = evaluation.settings.served(name)
    except (UsageError, pytest.UsageError) as error:
        pytest.fail(str(error), pytrace=False)
    engine = evaluation.settings.engine
    if engine is None:
        pytest.skip(
            f"{name} needs an engine: install pytest-gptoss[embedded] or pytest-gptoss[vllm], or "
            "name a server with --gptoss-endpoint"
        )
    if engine == "replay":
        pytest.skip(f"{name} cannot be talked to: --gptoss-completions only replays recordings")
    if engine in ("vllm", "embedded"):
        lacking = missing(spec, gpu_memory=gpu_memory())
        if lacking is not None:
            pytest.skip(lacking)
    return evaluation.model(spec)
