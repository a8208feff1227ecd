"""The progress of a run: done of total, tokens per second, running accuracy, time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import count, duration, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.run.group import Group

__all__ = ["Progress"]

# Tokens per second are shown over about this long, so that they follow what happens now.
_WINDOW_SECONDS = 10.0


class Progress:
    """Reads the groups' tallies and renders one line.

    Args:
        groups: What was submitted, in order.
    """

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups
        self._total = sum(len(group.tickets) * group.repeats for group in groups)
        self._marks: list[tuple[float, int, int]] = []
        self._since = time.perf_counter()

    def line(self, opening: str | None) -> str:
        """A plain line, for logs."""
        view = self._view()
        if view is None:
            return f"gptoss: {self._starting(opening)}"
        parts = [
            f"{view['done']:,}/{self._total:,} ({100 * view['done'] / self._total:.0f} %)",
            *self._parts(view),
        ]
        return f"gptoss: {view['name']} · {' · '.join(parts)}"

    def coloured(self, opening: str | None, *, width: int, colour: bool) -> str:
        """One line for a terminal of this width, with a bar."""
        from rich.console import Console
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        view = self._view()
        console = Console(width=max(20, width - 1), force_terminal=colour, legacy_windows=False)
        with console.capture() as captured:
            if view is None:
                console.print(Text(self._starting(opening), style="dim", no_wrap=True), end="")
            else:
                grid = Table.grid(padding=(0, 1), expand=True)
                grid.add_column(no_wrap=True)
                grid.add_column(ratio=1, min_width=4)
                grid.add_column(no_wrap=True, justify="right")
                grid.add_row(
                    Text(view["name"], style="bold"),
                    ProgressBar(total=self._total, completed=view["done"]),
                    Text(" · ".join([f"{view['done']:,}/{self._total:,}", *self._parts(view)])),
                )
                console.print(grid, end="")
        return captured.get().split("\n")[0]

    def _starting(self, opening: str | None) -> str:
        waited = duration(time.perf_counter() - self._since)
        what = f"starting the engine of {opening}" if opening else "waiting for the first answer"
        return f"{what} · {waited}"

    def _view(self) -> dict[str, Any] | None:
        current = None
        done = tokens = scored = 0
        score_sum = 0.0
        for group in self._groups:
            tally = group.tally
            if tally.started is not None:
                current = group
                done += tally.done
                tokens += tally.completion_tokens
                scored += tally.scored
                score_sum += tally.score_sum
        if current is None or done == 0:
            return None
        now = time.perf_counter()
        self._marks.append((now, done, tokens))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW_SECONDS:
            self._marks.pop(0)
        since, done_then, tokens_then = self._marks[0]
        started = min(g.tally.started for g in self._groups if g.tally.started is not None)
        if now - since < 1.0:
            since, done_then, tokens_then = started, 0, 0
        elapsed = max(now - since, 1e-9)
        pace = (done - done_then) / elapsed
        model, benchmark = current.key
        return {
            "name": f"{model} {benchmark}",
            "done": done,
            "tokens_per_s": (tokens - tokens_then) / elapsed if tokens else None,
            "accuracy": score_sum / scored if scored else None,
            "left_s": (self._total - done) / pace if pace > 0 else None,
        }

    @staticmethod
    def _parts(view: dict[str, Any]) -> list[str]:
        parts = []
        if view["tokens_per_s"] is not None:
            parts.append(f"{count(view['tokens_per_s'])} tok/s")
        if view["accuracy"] is not None:
            parts.append(f"accuracy {percent(view['accuracy'])}")
        if view["left_s"] is not None:
            parts.append(f"{duration(view['left_s'])} left")
        return parts
