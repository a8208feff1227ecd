"""What the loads of a session measured, and their gates, as lines for a terminal."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import UNKNOWN, rate, seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.text import Text

__all__ = ["COLUMNS", "speed_lines", "under"]

_GIB = 2**30

_COLOURS = {
    "improved": "green",
    "within-margin": "green",
    "inconclusive": "yellow",
    "not comparable": "yellow",
    "regressed": "red",
}

COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("rounds", lambda load: f"{_rounds(load)}"),
    ("tok/s out", lambda load: rate(load["figures"]["output_tokens_per_s"])),
    ("noise", lambda load: _noise(load["rounds"].get("throughput", ()))),
    ("first token", lambda load: seconds(_part(load, "ttft_s", "p50"))),
    ("latency p50", lambda load: seconds(_part(load, "latency_s", "p50"))),
    ("p99", lambda load: seconds(_part(load, "latency_s", "p99"))),
    ("memory", lambda load: _memory(load["figures"]["peak_memory_bytes"])),
    ("J/token", lambda load: _energy(load["figures"]["energy_per_output_token_j"])),
)


def speed_lines(throughput: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """A block for each model: a line for each load, and below it a line for each of its gates.

    Args:
        throughput: What ``summary.json`` has under that name.
    """
    from rich.text import Text

    for model in throughput:
        yield Text(model["model"], style="bold").append(
            f"  {' · '.join(under(model))}", style="not bold dim"
        )
        loads = model["loads"]
        rows = [[f"  {load['name']}", *(cell(load) for _, cell in COLUMNS)] for load in loads]
        heads = ["  load", *(heading for heading, _ in COLUMNS)]
        widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
        yield Text(_aligned(heads, widths), style="dim")
        for load, row in zip(loads, rows, strict=True):
            yield Text(_aligned(row, widths))
            for note in (*load["notes"], *([load["disturbed"]] if load["disturbed"] else ())):
                yield Text(f"    note: {note}", style="yellow")
            yield from _gate_lines(load["gates"])
        for figure, why in {k: v for load in loads for k, v in load["unknown"].items()}.items():
            yield Text(f"  {figure} is not known: {why}", style="dim")


def _gate_lines(gates: Mapping[str, Mapping[str, Any]]) -> Iterator[Text]:
    """A line for each gate; those that say the same share one."""
    from rich.text import Text

    alike: dict[str, list[str]] = {}
    for figure, gate in gates.items():
        alike.setdefault(gate["sentence"], []).append(figure)
    for sentence, figures in alike.items():
        gate = gates[figures[0]]
        line = Text(f"    gate  {', '.join(figures):<10}  ", style="dim")
        yield line.append(sentence, style=f"not dim {_COLOURS[gate['verdict']]}")
        if gate["cause"] is not None:
            yield Text(f"          {'':<10}  {gate['cause']}", style="yellow")


def under(model: Mapping[str, Any]) -> list[str]:
    """The engine and the machine that a model's loads were measured with."""
    engine, hardware = model["engine"], model["hardware"]
    parts = [f"{engine.get('engine', '')} {model['software'].get('version') or ''}".strip()]
    parts += [str(engine[key]) for key in ("dtype", "quantization", "device") if engine.get(key)]
    parts += hardware["gpus"]
    if hardware["cpu"]:
        parts.append(f"{hardware['cpus']} × {hardware['cpu']}")
    return parts


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = cells
    return first.ljust(widths[0]) + "".join(
        f"  {cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)
    )


def _part(load: Mapping[str, Any], name: str, part: str) -> float | None:
    spread = load["figures"][name]
    return None if spread is None else spread[part]


def _rounds(load: Mapping[str, Any]) -> int:
    return max((len(values) for values in load["rounds"].values()), default=0)


def _noise(rounds: Sequence[float]) -> str:
    """How much rounds vary: the standard deviation as a share of the mean."""
    if len(rounds) < 2:
        return UNKNOWN
    return f"{100 * statistics.stdev(rounds) / statistics.fmean(rounds):.1f} %"


def _memory(size: float | None) -> str:
    return UNKNOWN if size is None else f"{size / _GIB:.2f} GiB"


def _energy(joules: float | None) -> str:
    return UNKNOWN if joules is None else f"{joules:.3g}"
