"""The one screen that people read and trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import count, interval, percent, rate, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

__all__ = ["render"]

_COLOURS = {
    "correct": "green",
    "incorrect": "yellow",
    "truncated": "magenta",
    "no_answer": "magenta",
    "malformed": "magenta",
    "refused": "magenta",
    "timeout": "magenta",
    "error": "red",
}


def render(
    summary: Mapping[str, Any], *, width: int, colour: bool, encoding: str = "utf-8"
) -> list[str]:
    """The summary as lines for a terminal.

    Args:
        summary: What ``summary.json`` holds.
        width: Columns of the terminal.
        colour: Whether it understands ANSI colours.
        encoding: What it can show; other characters are replaced.
    """
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(
        file=out,
        width=max(60, width),
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        highlight=False,
    )
    console.print(_scores(summary))
    console.print(_speeds(summary))
    for line in _settings(summary):
        console.print(line, style="dim", soft_wrap=True)
    if not summary["complete"]:
        _incomplete(console, summary)
    text = out.getvalue().replace("\u00a0", " ").encode(encoding, "replace").decode(encoding)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


def _name(group: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    if len({g["model"] for g in summary["groups"]}) == 1:
        return str(group["benchmark"])
    return f"{group['model']} {group['benchmark']}"


def _table() -> Table:
    from rich.table import Table

    return Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")


def _scores(summary: Mapping[str, Any]) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column(_heading(summary), no_wrap=True)
    for heading in ("n", "accuracy", "95 % interval", "completed only"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("outcomes")
    for group in summary["groups"]:
        outcomes = Text()
        for outcome, number in group["outcomes"].items():
            if number:
                outcomes.append("  " if outcomes else "")
                # A number and its word never part at the end of a line.
                outcomes.append(f"{number:,}\u00a0{outcome}", style=_COLOURS[outcome])
        table.add_row(
            Text(_name(group, summary)),
            f"{group['n']:,}",
            Text(percent(group["accuracy"]), style="bold"),
            interval(group["interval"]),
            percent(group["accuracy_completed"]),
            outcomes,
        )
    return table


def _speeds(summary: Mapping[str, Any]) -> Table:
    from rich.text import Text

    table = _table()
    table.add_column(_heading(summary), no_wrap=True)
    for heading in ("tokens in", "tokens out", "tok/s out", "wall", "latency p50", "p90", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for group in summary["groups"]:
        latency = group["latency_s"]
        table.add_row(
            Text(_name(group, summary)),
            count(group["prompt_tokens"]),
            count(group["completion_tokens"]),
            rate(group["tokens_per_s"]),
            seconds(group["wall_s"]),
            *(seconds(latency[name]) for name in ("p50", "p90", "p99")),
        )
    return table


def _heading(summary: Mapping[str, Any]) -> str:
    models = {group["model"] for group in summary["groups"]}
    return next(iter(models)) if len(models) == 1 else "model, benchmark"


def _settings(summary: Mapping[str, Any]) -> list[str]:
    """Under what the numbers were obtained: engine, sampling and data, a line for each model."""
    settings = summary["settings"]
    lines = []
    for label, model in settings["models"].items():
        engine = model["engine"]
        sampling = model["sampling"]
        parts = [f"{engine.get('engine') or settings['engine']} {engine.get('version') or ''}"]
        parts += [
            str(engine[key]) for key in ("dtype", "quantization", "device") if engine.get(key)
        ]
        if sampling is None:
            parts.append("sampled as the recording was")
        else:
            parts.append(f"temperature {sampling['temperature']:g}")
            parts += [f"{key} {sampling[key]:g}" for key in ("top_p", "top_k") if sampling.get(key)]
            if sampling.get("max_tokens"):
                parts.append(f"at most {sampling['max_tokens']:,} tokens")
        if model["effort"]:
            parts.append(f"effort {model['effort']}")
        if settings["repeats"] > 1:
            parts.append(f"{settings['repeats']} repeats")
        lines.append(f"{label}: {' · '.join(part.strip() for part in parts)}")
    return lines


def _incomplete(console: Console, summary: Mapping[str, Any]) -> None:
    missing = sum(group["selected"] - group["n"] for group in summary["groups"])
    console.print(
        f"incomplete: {missing:,} of the selected answers are missing, so these figures are of a "
        "part that was not drawn at random",
        style="yellow",
        soft_wrap=True,
    )
