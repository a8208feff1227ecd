"""The HTML report of a run: one file that opens from disk, loads nothing and runs no script."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.report.html_text import cut, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Question = Callable[[tuple[str, str], str], str | None]

__all__ = ["NAME", "check_free", "page", "read_flip_records", "write_report"]

NAME = "report.html"
"""The report's name in a run directory."""

# By what a report is told from other pages, and how soon it says so.
_GENERATOR = "pytest-gptoss"
_HEAD = 4096

_FILES = ("summary.json", "items.jsonl", "flips.json", "journal.jsonl")
_TEMPLATES = Path(__file__).parent / "templates"
_SETTINGS = 100_000


def _unknown(key: tuple[str, str], item_id: str) -> str | None:
    """What is asked is not at hand where only a run directory is."""
    return None


def check_free(out: Path) -> None:
    """Refuse to write over anything but a report.

    Raises:
        UsageError: Something else stands there.
        OSError: It cannot be read.
    """
    if out.is_dir():
        raise UsageError(
            f"{out} is a folder, and a report is a file; name one in it, such as {out / NAME}"
        )
    if not out.exists():
        return
    with out.open("rb") as file:
        head = file.read(_HEAD)
    if head.strip() and f'name="generator" content="{_GENERATOR}'.encode() not in head:
        raise UsageError(
            f"{out} exists and is no report, so it is not overwritten; name another file, or "
            "remove it"
        )


def write_report(
    run: Path, summary: Mapping[str, Any], out: Path, *, question: Question = _unknown
) -> None:
    """Write a run's report, put in place when it is whole.

    Args:
        run: The run directory, with its ``items.jsonl``.
        summary: What its ``summary.json`` holds.
        out: The file.
        question: What an item of a (model, benchmark) pair asks, where that is at hand.

    Raises:
        UsageError: The items or the flips cannot be read.
        OSError: The report cannot be written.
    """
    part = out.with_name(f"{out.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            for chunk in page(run, summary, folder=out.parent, question=question):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def page(
    run: Path,
    summary: Mapping[str, Any],
    *,
    folder: Path | None = None,
    question: Question = _unknown,
) -> Iterator[str]:
    """A run's report, in pieces.

    Args:
        run: The run directory.
        summary: What its ``summary.json`` holds.
        folder: The folder in which the page will stand, for its links.
        question: What an item of a (model, benchmark) pair asks.

    Raises:
        UsageError: The items or the flips cannot be read.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    from pytest_gptoss.report import html_view as view
    from pytest_gptoss.report.again import command
    from pytest_gptoss.report.html_answers import comparisons, samples

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_final,
    )
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    labels = " and ".join(view.labels(summary))
    yield from environment.get_template("report.html.j2").generate(
        title=f"Evaluation of {labels}" if labels else "Evaluation",
        generator=f"{_GENERATOR} {summary['settings']['pytest_gptoss']}",
        style=Markup(style),  # a file of ours
        style_hash=Markup("sha256-{}").format(digest),
        about=view.about(summary),
        state=view.state(summary),
        chips=view.chips(summary),
        models=view.models(summary),
        overview=view.overview(summary),
        throughput=view.throughput(summary),
        flips=comparisons(read_flip_records(run), question),
        samples=list(samples(run, summary, question)),
        again=command(summary),
        links=list(_links(run, folder or run)),
        settings=cut(_indented(summary["settings"]), _SETTINGS),
    )


def _final(value: Any) -> Any:
    """Every value before it is escaped and put out; what is markup already stays as it is."""
    if value is None:
        return "–"
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return visible(value)
    return value


def read_flip_records(run: Path) -> list[dict[str, Any]]:
    """The comparisons of a run's ``flips.json``; none where nothing was compared.

    Raises:
        UsageError: The file cannot be read.
    """
    file = run / "flips.json"
    if not file.is_file():
        return []
    try:
        found: list[dict[str, Any]] = msgspec.json.decode(file.read_bytes())["comparisons"]
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); take another run") from error
    return found


def _links(run: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The other files of the run as they are named from the page's folder."""
    for name in _FILES:
        if not (run / name).is_file():
            continue
        try:
            place = Path(os.path.relpath(run / name, folder)).as_posix()
        except ValueError:  # another drive
            yield name, (run / name).resolve().as_uri()
        else:
            yield name, quote(place if "/" in place else f"./{place}")


def _indented(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
