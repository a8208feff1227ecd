"""``python -m pytest_gptoss report``, ``summary`` and ``figures``: what people read of runs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    import argparse

__all__ = ["add_commands"]


def add_commands(commands: Any) -> None:
    """Declare them on a parser's sub-commands."""
    report = commands.add_parser("report", help="write a run's HTML report again")
    report.add_argument("run", metavar="RUN", type=Path, help="a run directory")
    report.add_argument("--out", metavar="PATH", type=Path, help="the file (RUN/report.html)")
    report.set_defaults(command=_report)
    short = commands.add_parser("summary", help="print a run's figures and verdicts")
    short.add_argument("run", metavar="RUN", type=Path, help="a run directory")
    short.add_argument(
        "--format", choices=("text", "markdown", "html"), default="text", help="(text)"
    )
    short.set_defaults(command=_summary)
    drawn = commands.add_parser("figures", help="draw accuracies and gates for a publication")
    drawn.add_argument("runs", metavar="RUN", type=Path, nargs="+", help="run directories")
    drawn.add_argument("--out", metavar="DIR", type=Path, required=True, help="their folder")
    drawn.add_argument(
        "--format",
        action="append",
        choices=("svg", "pdf", "png"),
        help="svg (default), pdf or png (repeatable)",
    )
    drawn.set_defaults(command=_figures)


def _report(asked: argparse.Namespace) -> int:
    from pytest_gptoss.report.html import NAME, check_free, write_report

    summary = _read(asked.run)
    out = asked.out if asked.out is not None else asked.run / NAME
    try:
        check_free(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_report(asked.run, summary, out)
    except OSError as error:
        raise UsageError(
            f"the report cannot be written to {out} ({error.strerror or error}); name another "
            "place with --out"
        ) from error
    print(out)
    return 0


def _summary(asked: argparse.Namespace) -> int:
    summary = _read(asked.run)
    if asked.format == "html":
        from pytest_gptoss.report.html import page

        pieces = page(asked.run, summary, folder=Path.cwd())
    elif asked.format == "markdown":
        from pytest_gptoss.report.html import read_flip_records
        from pytest_gptoss.report.markdown import markdown

        pieces = iter([markdown(summary, read_flip_records(asked.run))])
    else:
        from pytest_gptoss.report.terminal import render

        width = shutil.get_terminal_size().columns
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        pieces = (f"{line}\n" for line in render(summary, width=width, colour=colour))
    for piece in pieces:
        sys.stdout.write(piece)
    return 0


def _figures(asked: argparse.Namespace) -> int:
    from pytest_gptoss.report.publish import rows_of, write_figures

    rows = rows_of([(run.resolve().name, _read(run)) for run in asked.runs])
    for file in write_figures(rows, asked.out, asked.format or ["svg"]):
        print(file)
    return 0


def _read(run: Path) -> dict[str, Any]:
    from pytest_gptoss.gates.measured import read_summary

    summary = read_summary(run)
    if not isinstance(summary.get("settings"), dict) or "complete" not in summary:
        raise UsageError(
            f"{run / 'summary.json'} does not say what was run; take a run that a session wrote"
        )
    return summary
