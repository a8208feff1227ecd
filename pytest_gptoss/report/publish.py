"""Figures for a paper or a slide: accuracies of models on benchmarks, and drops against margins.

Drawn with matplotlib, which the extra ``report`` brings; every figure names n and the interval.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_gptoss.errors import UsageError
from pytest_gptoss.report.figures import UNKNOWN, interval, percent
from pytest_gptoss.report.html_text import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = ["FORMATS", "Row", "accuracies", "drops", "rows_of", "write_figures"]

FORMATS = ("svg", "pdf", "png")

_MARKS = {"improved": "^", "within-margin": "o", "inconclusive": "D", "regressed": "X"}
_STYLE = {
    "font.size": 8.0,
    "font.family": "sans-serif",
    "svg.fonttype": "none",  # text stays text, to be searched and edited
    "svg.hashsalt": "pytest-gptoss",  # the same figure has the same bytes
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name may hold a dollar sign
}


class Row(NamedTuple):
    """One model of one run, by the name under which figures show it, and its groups."""

    name: str
    groups: Sequence[Mapping[str, Any]]


def rows_of(runs: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Row]:
    """The models of some runs; one that is in several is told apart by the run's name.

    Args:
        runs: Names and summaries.
    """
    found: list[tuple[str, str, list[Mapping[str, Any]]]] = []
    for run, summary in runs:
        by_model: dict[str, list[Mapping[str, Any]]] = {}
        for group in summary["groups"]:
            by_model.setdefault(group["model"], []).append(group)
        found += [(run, model, groups) for model, groups in by_model.items()]
    times = Counter(model for _, model, _ in found)
    return [
        Row(visible(model if times[model] == 1 else f"{model} ({run})"), groups)
        for run, model, groups in found
    ]


def write_figures(rows: Sequence[Row], out: Path, formats: Sequence[str]) -> list[Path]:
    """Write ``accuracy`` and, where there are gates, ``gates``, in each format.

    Args:
        rows: What is shown.
        out: A folder; it is made where there is none.
        formats: Among `FORMATS`.

    Raises:
        UsageError: Nothing was measured, matplotlib is missing, or a file cannot be written.
    """
    if not rows:
        raise UsageError("these runs evaluated no benchmark, so there is nothing to draw")
    try:
        from matplotlib import rc_context
    except ImportError as error:
        raise UsageError(
            "figures are drawn with matplotlib, which is not installed; install "
            "pytest-gptoss[report]"
        ) from error
    written = []
    with rc_context(_STYLE):
        figures = {"accuracy": accuracies(rows), "gates": drops(rows)}
        for name, figure in figures.items():
            for suffix in formats if figure is not None else ():
                file = out / f"{name}.{suffix}"
                assert figure is not None
                _save(figure, file)
                written.append(file)
    return written


def _save(figure: Figure, file: Path) -> None:
    part = file.with_name(f"{file.name}.part")
    # A date would make two figures of one run differ.
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}
    suffix = file.suffix[1:]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(part, format=suffix, dpi=300, bbox_inches="tight", metadata=dates[suffix])
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UsageError(
            f"the figure {file} cannot be written ({error.strerror}); name another folder "
            "with --out"
        ) from error


def accuracies(rows: Sequence[Row]) -> Figure:
    """A heat map of models and benchmarks; each cell says accuracy, interval and n."""
    import numpy as np
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(group["benchmark"] for row in rows for group in row.groups))
    cells = {
        (place, group["benchmark"]): group for place, row in enumerate(rows) for group in row.groups
    }
    figure = Figure(figsize=(1.8 + 1.15 * len(names), 0.9 + 0.55 * len(rows)))
    axes = figure.add_subplot()
    # Readable without colour vision and in print; unknown cells stay white.
    colours = colormaps["cividis"]
    values = np.full((len(rows), len(names)), np.nan)
    for (place, name), group in cells.items():
        if group["accuracy"] is not None:
            values[place, names.index(name)] = group["accuracy"]
    image = axes.imshow(values, cmap=colours, vmin=0.0, vmax=1.0, aspect="auto")
    for place in range(len(rows)):
        for column, name in enumerate(names):
            dark = values[place, column] < 0.5  # never so where it is unknown
            axes.text(
                column,
                place,
                _cell(cells.get((place, name))),
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if dark else "black",
            )
    axes.set_xticks(range(len(names)), [visible(name) for name in names], rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    bar = figure.colorbar(image, ax=axes, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.set_yticklabels(["0", "25", "50", "75", "100"])
    bar.set_label("accuracy, %")
    groups = [group for row in rows for group in row.groups]
    axes.set_title(f"Accuracy with its {_levels(groups)} interval and n", fontsize=9)
    return figure


def _cell(group: Mapping[str, Any] | None) -> str:
    if group is None:
        return UNKNOWN
    parts = [percent(group["accuracy"]), interval(group["interval"]), f"n = {group['n']:,}"]
    return "\n".join(filter(None, parts))


def _levels(estimates: Sequence[Mapping[str, Any]]) -> str:
    """The confidence of some intervals, as a percentage each."""
    found = dict.fromkeys(estimate.get("confidence", 0.95) for estimate in estimates)
    return ", ".join(f"{100 * confidence:.3g} %" for confidence in found)


def drops(rows: Sequence[Row]) -> Figure | None:
    """A forest plot: each gate's drop and interval against its margin; ``None`` without gates."""
    from matplotlib.figure import Figure

    gates = [
        (f"{row.name}, {visible(group['benchmark'])}", gate)
        for row in rows
        for group in row.groups
        if (gate := group.get("gate"))
        and gate["verdict"] is not None
        and gate["interval"] is not None
    ]
    if not gates:
        return None
    figure = Figure(figsize=(6.0, 1.0 + 0.32 * len(gates)))
    axes = figure.add_subplot()
    for place, (_, gate) in enumerate(gates):
        low, high = (100 * bound for bound in gate["interval"])
        drop, margin = 100 * gate["difference"], 100 * gate["margin"]
        axes.plot([low, high], [place, place], color="black", linewidth=1.2)
        axes.plot([drop], [place], color="black", marker=_MARKS[gate["verdict"]], markersize=5)
        axes.plot([margin] * 2, [place - 0.4, place + 0.4], color="#b3261e", linestyle="--")
        axes.annotate(
            f"{gate['verdict']}, n = {gate['n']:,}",
            (1.01, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=7,
        )
    axes.axvline(0.0, color="#888888", linewidth=0.8)
    axes.set_yticks(range(len(gates)), [name for name, _ in gates])
    axes.set_ylim(len(gates) - 0.4, -0.6)
    levels = _levels([gate for _, gate in gates])
    axes.set_xlabel(
        f"drop in points with its {levels} interval; dashed: margin; worse to the right"
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure
