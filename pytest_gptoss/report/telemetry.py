"""Telemetry as a line for people: what is known, and nothing about what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import joules, percent, rate, seconds, size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["group_line", "model_line"]


def group_line(group: Mapping[str, Any], *, alone: bool) -> str | None:
    """What the answers of a group took, or ``None`` where nothing is known of that.

    Args:
        group: Its figures, as in ``summary.json``.
        alone: Whether it is its model's only one, so that no line about the model follows.
    """
    telemetry = group.get("telemetry")
    if not telemetry or not telemetry["requests"]:
        return None
    parts = [*_load(telemetry, alone), *_pace(telemetry), *_cost(telemetry)]
    return "  ".join(parts) or None


def model_line(summary: Mapping[str, Any], model: str, groups: Sequence[Any]) -> str | None:
    """What all answers of a model took, for a model that was asked several benchmarks.

    Args:
        summary: What ``summary.json`` holds.
        model: The model's label.
        groups: Its groups.
    """
    telemetry = ((summary.get("telemetry") or {}).get("models") or {}).get(model)
    if len(groups) < 2 or not telemetry or not telemetry["requests"]:
        return None
    speed = telemetry["output_tokens_per_s"]
    parts = [
        *_load(telemetry, True),
        *([f"{rate(speed)} tok/s"] if speed is not None else []),
        *_flight(telemetry),
        *_cost(telemetry),
    ]
    return "  ".join(("together", *parts)) if parts else None


def _load(telemetry: Mapping[str, Any], shown: bool) -> Iterator[str]:
    if shown and telemetry["load_s"] is not None:
        yield f"loaded in {seconds(telemetry['load_s'])}"


def _flight(telemetry: Mapping[str, Any]) -> Iterator[str]:
    if telemetry["in_flight"] is not None:
        mean, running = telemetry["in_flight"]["mean"], telemetry["running_mean"]
        # Where many wait in the engine's queue, those that run at once are what a speed is of.
        of_which = f", {rate(running)} running" if running and running < 0.95 * mean else ""
        yield f"in flight {rate(mean)}{of_which}"


def _pace(telemetry: Mapping[str, Any]) -> Iterator[str]:
    yield from _flight(telemetry)
    first, between = telemetry["ttft_s"], telemetry["inter_token_s"]
    if first is not None:
        yield f"first token {seconds(first['p50'])}"
    if between is not None:
        yield f"each further {seconds(between['p50'])}"
    if telemetry["prefix_cache_hit_rate"] is not None:
        yield f"prefix cache {percent(telemetry['prefix_cache_hit_rate'], 0)}"


def _cost(telemetry: Mapping[str, Any]) -> Iterator[str]:
    if telemetry["peak_memory_bytes"] is not None:
        where = "GPU memory" if telemetry["runs_on"] == "gpus" else "memory"
        yield f"peak {where} {size(telemetry['peak_memory_bytes'])}"
    shares = {"response": "response", "output_token": "token", "correct": "correct answer"}
    for name, each in shares.items():
        value = telemetry[f"energy_per_{name}_j"]
        if value is not None:
            yield f"{joules(value)} a {each}"
