"""The settings record: under what every number of a run was obtained."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.engines._url import Endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_gptoss.run.group import Group

__all__ = ["public_url", "settings_record"]


def settings_record(
    groups: Sequence[Group],
    *,
    engine: str | None,
    facts: Mapping[str, Mapping[str, Any]],
    asked: Mapping[str, Any],
    started: float,
) -> dict[str, Any]:
    """JSON values that say what was measured, with what, on what and when.

    Args:
        groups: What was asked.
        engine: The engine's name.
        facts: What each opened engine says of itself, by model label.
        asked: The session's own options.
        started: When it started, in seconds since the epoch.
    """
    from pytest_gptoss import __version__

    models = {}
    benchmarks = {}
    for group in groups:
        spec, benchmark = group.spec, group.benchmark
        models[spec.label] = {
            "name": spec.name,
            "source": spec.source,
            "revision": spec.revision,
            "effort": spec.effort,
            "reasoning": spec.reasoning,
            "dtype": spec.dtype,
            # How a recording was drawn is not ours to say.
            "sampling": None if engine == "replay" else msgspec.to_builtins(group.sampling),
            "sampling_source": None if engine == "replay" else spec.sampling_source,
            "engine": dict(facts.get(spec.label, {})),
        }
        benchmarks[benchmark.name] = {
            "version": benchmark.version,
            "data": benchmark.describe_rows(),
            "rows": len(group.table),
            "shots": None if benchmark.shots is None else benchmark.shots.describe(),
            "scorer": benchmark.scorer.name,
            "scorer_version": benchmark.scorer.version,
        }
    return {
        "pytest_gptoss": __version__,
        "started": datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "engine": engine,
        "models": models,
        "benchmarks": benchmarks,
        **asked,
        "host": {
            "python": platform.python_version(),
            "system": platform.system(),
            "kernel": platform.release(),
            "machine": platform.machine(),
            "cpus": os.cpu_count(),
            "executable": sys.implementation.name,
        },
    }


def public_url(url: str | None) -> str | None:
    """An address without what may be secret in it: user, password and query."""
    return None if url is None else Endpoint.hide(url)
