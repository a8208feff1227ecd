"""The one screen that people read and trust."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import count, interval, percent, rate, seconds
from pytest_gptoss.report.gates import comparison_lines, gate_lines, pooled_lines
from pytest_gptoss.report.speed import speed_lines
from pytest_gptoss.report.telemetry import group_line, model_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.text import Text

__all__ = ["conditions", "incomplete", "render"]

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


# The heading, and what stands there for a group.
_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("n", lambda group: f"{group['n']:,}"),
    ("accuracy", lambda group: percent(group["accuracy"])),
    ("95 % interval", lambda group: interval(group["interval"])),
    ("completed", lambda group: percent(group["accuracy_completed"])),
    ("tokens out", lambda group: count(group["completion_tokens"])),
    ("tok/s", lambda group: rate(group["tokens_per_s"])),
    ("wall", lambda group: seconds(group["wall_s"])),
)


def render(
    summary: Mapping[str, Any], *, width: int, colour: bool, encoding: str = "utf-8"
) -> list[str]:
    """The summary as lines for a terminal: a block for each model, three lines for each benchmark.

    Args:
        summary: What ``summary.json`` holds.
        width: Columns of the terminal; lines that say settings may be longer.
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
    for model in summary["settings"]["models"]:
        groups = [group for group in summary["groups"] if group["model"] == model]
        if groups:
            console.print(_heading(model, summary), soft_wrap=True)
            for line in _block(groups):
                console.print(line, soft_wrap=True)
            if (took := model_line(summary, model, groups)) is not None:
                console.print(f"  {took}", style="dim", soft_wrap=True)
    for line in (
        *pooled_lines(summary),
        *comparison_lines(summary.get("comparisons", ())),
        *speed_lines(summary.get("throughput", ())),
    ):
        console.print(line, soft_wrap=True)
    for note in summary.get("notes", ()):
        console.print(f"note: {note}", style="yellow", markup=False, soft_wrap=True)
    if not summary["complete"]:
        console.print(incomplete(summary), style="yellow", soft_wrap=True)
    text = out.getvalue().encode(encoding, "replace").decode(encoding)
    return [line.rstrip() for line in text.rstrip("\n").split("\n")]


def _block(groups: Sequence[Mapping[str, Any]]) -> list[Text]:
    """A heading, then for each group its figures and below them what became of its items."""
    from rich.text import Text

    rows = [[cell(group) for _, cell in _COLUMNS] for group in groups]
    names = [f"  {group['benchmark']}" for group in groups]
    first = max(len(name) for name in (*names, " " * 10))
    widths = [
        max(len(text) for text in (heading, *(row[place] for row in rows)))
        for place, (heading, _) in enumerate(_COLUMNS)
    ]
    lines = [
        Text(
            " " * first
            + "".join(
                f"  {heading:>{width}}"
                for (heading, _), width in zip(_COLUMNS, widths, strict=True)
            ),
            style="dim",
        )
    ]
    for group, name, row in zip(groups, names, rows, strict=True):
        line = Text(f"{name:<{first}}")
        for (heading, _), width, text in zip(_COLUMNS, widths, row, strict=True):
            line.append(f"  {text:>{width}}", style="bold" if heading == "accuracy" else "")
        took = group_line(group, alone=len(groups) == 1)
        lines += [line, _what_became(group)]
        lines += [] if took is None else [Text(f"    {took}", style="dim")]
        lines += gate_lines(group)
        if group.get("aggregates"):
            lines.append(_aggregates(group["aggregates"]))
        lines += [
            Text(f"    warning: {warning['text']}", style="yellow")
            for warning in group.get("warnings", ())
        ]
    return lines


def _aggregates(figures: Mapping[str, Mapping[str, Any]]) -> Text:
    """The benchmark's own further figures, such as its categories."""
    from rich.text import Text

    parts = []
    tries = [name for name in figures if name.startswith("pass@")]
    for name, figure in figures.items():
        if name in tries and not (name == tries[-1] or re.fullmatch(r"pass@[125]0*", name)):
            continue  # for many tries the summary has each, the screen a few
        over = f" over {figure['strata']:,} strata" if figure.get("strata") else ""
        bounds = f" {interval(figure['interval'])}" if figure.get("interval") else ""
        parts.append(f"{name} {percent(figure['accuracy'])}{bounds}{over}")
    return Text("    " + "  ".join(parts))


def _what_became(group: Mapping[str, Any]) -> Text:
    from rich.text import Text

    line = Text("    ")
    for outcome, number in group["outcomes"].items():
        if number:
            line.append(f"{number:,} {outcome}", style=_COLOURS[outcome])
            line.append("  ")
    latency = group["latency_s"]
    if latency["p50"] is not None:
        line.append(
            "latency "
            + "  ".join(f"{name} {seconds(latency[name])}" for name in ("p50", "p90", "p99")),
            style="dim",
        )
    return line


def _heading(label: str, summary: Mapping[str, Any]) -> Text:
    from rich.text import Text

    parts = conditions(label, summary)
    return Text(label, style="bold").append(f"  {' · '.join(parts)}", style="not bold dim")


def conditions(label: str, summary: Mapping[str, Any]) -> list[str]:
    """Under what a model's numbers were obtained, in a few words each."""
    settings = summary["settings"]
    model = settings["models"][label]
    engine, sampling = model["engine"], model["sampling"]
    parts = [f"{engine.get('engine') or settings['engine']} {engine.get('version') or ''}".strip()]
    parts += [str(engine[key]) for key in ("dtype", "quantization", "device") if engine.get(key)]
    if sampling is None:
        parts.append("sampled as the recording was")
    else:
        parts.append(f"temperature {sampling['temperature']:g}")
        parts += [f"{key} {sampling[key]:g}" for key in ("top_p", "top_k") if sampling.get(key)]
        caps = [cap for cap in (sampling.get("max_tokens"), engine.get("max_model_len")) if cap]
        if caps:
            parts.append(f"at most {min(caps):,} tokens")
    if model["effort"]:
        parts.append(f"effort {model['effort']}")
    if settings["repeats"] > 1:
        parts.append(f"{settings['repeats']} repeats")
    if settings["limit"]:
        parts.append(f"sample of {settings['limit']:,} per benchmark")
    if settings.get("shots"):
        parts.append(_shots(settings))
    return parts


def _shots(settings: Mapping[str, Any]) -> str:
    """How many examples were shown, and to which benchmarks none."""
    benchmarks = settings["benchmarks"]
    without = [
        name for name, facts in benchmarks.items() if not (facts["shots"] or {}).get("count")
    ]
    none = f" (none: {', '.join(without)})" if without else ""
    return f"{settings['shots']} examples before each question{none}"


def incomplete(summary: Mapping[str, Any]) -> str:
    """That answers are missing, how many and why."""
    missing = sum(group["selected"] - group["n"] for group in summary["groups"])
    why = f" ({summary['stopped']})" if summary.get("stopped") else ""
    return (
        f"incomplete: {missing:,} of the selected answers are missing{why}, so these figures are "
        "of a part that was not drawn at random"
    )
