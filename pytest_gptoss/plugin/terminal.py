"""What the session shows: a header, the progress while it waits, and the summary."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_gptoss.plugin.evaluation import Evaluation

__all__ = ["Display"]

# Between two plain lines in a log, and between two redraws on a terminal.
_LOG_SECONDS = 10.0
_REDRAW_SECONDS = 0.1


class Display:
    """Shows what an evaluation is doing, on pytest's terminal.

    The progress stands on a line of its own below pytest's, only while pytest waits for an answer;
    before pytest writes again the line is taken away. So it never mixes with pytest's own output,
    whatever the verbosity.
    """

    def __init__(self, config: pytest.Config, evaluation: Evaluation) -> None:
        self._config = config
        self._evaluation = evaluation
        self._reporter: Any = config.pluginmanager.getplugin("terminalreporter")
        self._progress: Progress | None = None
        self._shown = False
        self._last = 0.0
        self.problem: str | None = None
        self.lost: str | None = None
        """Why there is no summary although something was asked."""
        self.place: Path | None = None
        """The run directory, where another process has it."""

    @property
    def _quiet(self) -> bool:
        return self._reporter is None or self._config.get_verbosity() < 0

    def header(self) -> list[str]:
        """Models and engine, one line each."""
        settings = self._evaluation.settings
        if not settings.specs:
            return []
        asked = [f"engine {settings.engine}", f"profile {settings.profile.name}"]
        if settings.limit is not None:
            asked.append(f"at most {settings.limit} items per benchmark")
        if settings.repeats > 1:
            asked.append(f"{settings.repeats} repeats")
        models = ", ".join(
            f"{spec.label} (effort {spec.effort})" if spec.effort else spec.label
            for spec in settings.specs
        )
        lines = [f"gptoss: {models} · {' · '.join(asked)}"]
        without = [spec.label for spec in settings.specs if spec.effort is None]
        if settings.effort is not None and without:
            lines.append(
                f"gptoss: effort {settings.effort} does not apply to {', '.join(without)}, "
                "without such a level"
            )
        return lines

    def start(self) -> None:
        """Begin to watch the groups that were submitted."""
        if self._evaluation.groups and not self._quiet:
            self._progress = Progress(self._evaluation.groups)
            self._last = time.monotonic()

    def tick(self) -> None:
        """Show the progress, if it is time to."""
        if self._progress is None:
            return
        now = time.monotonic()
        if self._reporter.isatty:
            if now - self._last >= _REDRAW_SECONDS:
                self._last = now
                self._draw()
        elif now - self._last >= _LOG_SECONDS:
            self._last = now
            self._reporter.ensure_newline()
            self._reporter.write_line(self._progress.line(self._evaluation.opening))

    def clear(self) -> None:
        """Take the progress line away and put the cursor back where pytest left it."""
        if self._shown:
            self._shown = False
            column = self._reporter._tw.width_of_current_line + 1
            sys.stdout.write(f"\r\x1b[2K\x1b[1A\x1b[{column}G")
            sys.stdout.flush()

    def say(self, text: str) -> None:
        """Print a line about what happens now."""
        self.lines([f"gptoss: {text}"])

    def lines(self, lines: Iterable[str]) -> None:
        """Print lines between pytest's own."""
        if not self._quiet:
            self._reporter.ensure_newline()
            if self._reporter._tw.width_of_current_line:  # pytest-xdist's letters stand there
                self._reporter._tw.line()
            for line in lines:
                self._reporter.write_line(line)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Let go of a passed set-up or tear-down that printed nothing.

        pytest's terminal keeps them for ``--durations`` and for what was printed during them: a
        kilobyte for each item.
        """
        if self._reporter is None or self._config.option.durations is not None:
            return
        kept = self._reporter.stats.get("")
        if kept and kept[-1] is report and not report.sections:
            kept.pop()

    def summary(self, reporter: pytest.TerminalReporter) -> None:
        """Print the figures of every group, and where the files are."""
        if self.problem is not None:
            reporter.write_line(f"ERROR: {self.problem}", red=True)
        summary, directory = self._evaluation.summary, self._evaluation.directory
        path = directory.path if directory is not None else self.place
        place = None if path is None else self._short(path)
        if self.lost is not None:
            self._tell_lost(reporter, place)
        if summary is None or place is None:
            return
        from pytest_gptoss.report.terminal import render

        reporter.ensure_newline()
        reporter.section("evaluation")
        screen: Any = reporter
        for line in render(
            summary, width=screen._screen_width, colour=screen.hasmarkup, encoding=_encoding()
        ):
            reporter.write_line(line)
        for note in self._evaluation.notes:
            reporter.write_line(f"baseline saved: {note}")
        for problem in self._evaluation.problems:
            reporter.write_line(f"ERROR: {problem}", red=True)
        for fault in self._evaluation.faults:
            reporter.write_line(
                f"ERROR: {fault}; this is a fault of pytest-gptoss, please report it", red=True
            )
        for line in self._evaluation.reported:
            reporter.write_line(line)
        reporter.write_line(f"run directory: {place}")
        if not summary["complete"]:
            self._tell_how_to_continue(reporter, place)

    def _tell_lost(self, reporter: pytest.TerminalReporter, place: Path | None) -> None:
        if place is not None:
            reporter.write_line(f"ERROR: {self.lost}; its answers are in {place}", red=True)
            self._tell_how_to_continue(reporter, place)
        else:
            reporter.write_line(
                f"ERROR: {self.lost} before it asked anything; run the same command again, or "
                "without -n to see why",
                red=True,
            )

    def _tell_how_to_continue(self, reporter: pytest.TerminalReporter, place: Path) -> None:
        if self._evaluation.earlier is None:
            reporter.write_line(
                f"continue it: the same command with --gptoss-run {place} --gptoss-resume"
            )

    def _short(self, path: Path) -> Path:
        try:
            return path.relative_to(self._config.invocation_params.dir)
        except ValueError:
            return path

    def _draw(self) -> None:
        assert self._progress is not None
        line = self._progress.coloured(
            self._evaluation.opening, width=self._reporter._screen_width, colour=True
        )
        sys.stdout.write(f"\r\x1b[2K{line}" if self._shown else f"\n{line}")
        sys.stdout.flush()
        self._shown = True


def _encoding() -> str:
    return getattr(sys.stdout, "encoding", None) or "utf-8"
