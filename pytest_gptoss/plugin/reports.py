"""The reports of a session: the page in its run directory, a copy elsewhere, a step's summary."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.run.group import Group

__all__ = ["check_place", "write_reports"]

_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


def check_place(out: Path) -> None:
    """Find out, before anything is generated, whether a report can be written to a place.

    Raises:
        UsageError: It is a folder, it is not writable, or something else stands there.
    """
    from pytest_gptoss.report.html import check_free

    try:
        check_free(out)
        parent = next(folder for folder in out.parents if folder.exists())
    except UsageError as error:
        raise UsageError(f"--gptoss-report: {error}") from None
    except OSError as error:
        raise UsageError(
            f"--gptoss-report: {out} cannot be read ({error.strerror}); name another file"
        ) from error
    if not parent.is_dir() or not os.access(parent, os.W_OK | os.X_OK):
        why = "is not writable" if parent.is_dir() else "is a file"
        raise UsageError(
            f"--gptoss-report: {out} cannot be written, as {parent} {why}; name another place"
        )


def write_reports(evaluation: Evaluation) -> list[str]:
    """Write what people read of a run, when everything else is written.

    A report that cannot be written is a problem of the session, which loses nothing else by it; a
    step's summary is a convenience, whose failure is told and no more.

    Returns:
        What was written beside the run directory, in sentences.
    """
    summary, directory = evaluation.summary, evaluation.directory
    if summary is None or directory is None:
        return []
    from pytest_gptoss.report.html import NAME, write_report

    said = []
    questions = Questions(evaluation.groups)
    own = directory.path / NAME
    asked = evaluation.settings.report
    for out in dict.fromkeys((own, *([asked] if asked is not None else []))):
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            write_report(directory.path, summary, out, question=questions)
        except OSError as error:
            evaluation.problems.append(
                f"the report cannot be written to {out} ({error.strerror or error}); free that "
                f"place and run python -m pytest_gptoss report {directory.path}"
            )
        except Exception as error:  # a fault of ours must not take the session's end with it
            evaluation.problems.append(
                f"the report {out} could not be made ({type(error).__name__}: {error}); the "
                "figures are in summary.json; please report this fault of pytest-gptoss"
            )
        else:
            said += [f"report: {out}"] if out == asked else []
    return [*said, *_add_to_step(summary, own)]


def _add_to_step(summary: Mapping[str, Any], report: Path) -> list[str]:
    """Append the run in short to the summary of a CI step, where there is one."""
    file = os.environ.get(_STEP_SUMMARY)
    if not file:
        return []
    from pytest_gptoss.report.html import read_flip_records
    from pytest_gptoss.report.markdown import markdown

    try:
        text = markdown(summary, read_flip_records(report.parent), place=str(report))
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(f"\n{text}\n")
    except Exception as error:
        why = getattr(error, "strerror", None) or error
        return [f"note: the step's summary cannot be written to {file} ({why})"]
    return []


class Questions:
    """What the items of a session ask, built from their rows when a report shows them.

    Args:
        groups: What was asked.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = {group.key: group for group in groups}
        self._rows: dict[tuple[str, str], dict[str, int]] = {}

    def __call__(self, key: tuple[str, str], item_id: str) -> str | None:
        """The last message of an item's prompt; ``None`` where it cannot be built."""
        group = self._groups.get(key)
        if group is None:
            return None
        if key not in self._rows:
            self._rows[key] = {name: row for row, name in enumerate(group.ids)}
        try:
            messages = group.benchmark.build(group.table[self._rows[key][item_id]]).messages
        except Exception:  # the suite's own code; its item ended as an error that says so
            return None
        before = len(messages) - 1
        text = messages[-1].content if messages else ""
        return f"(after {before} earlier messages)\n{text}" if before > 0 else text
