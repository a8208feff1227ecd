"""Stories of gates: a suite of sums with a baseline."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from stories import Story

# What a session in this process imports and forgets again, as in `stories`.
for _module in (
    "pytest_gptoss.gates.flips",
    "pytest_gptoss.plugin.flips",
    "pytest_gptoss.plugin.gates",
    "pytest_gptoss.report.gates",
):
    import_module(_module)


_SAVED: dict[tuple[int, frozenset[int]], bytes] = {}


class GateStory:
    """A story of a thousand sums, of which the saved baseline has every tenth wrong."""

    def __init__(self, story: Story, rows: int = 1000) -> None:
        self.story = story
        self.rows = rows
        self.path = story.path
        story.suite(rows=rows)
        self.wrong = set(range(0, rows, 10))

    def save(self, *arguments: str, wrong: set[int] | None = None) -> pytest.RunResult:
        """Answer and save the baseline."""
        self.story.answers(rows=self.rows, wrong=self.wrong if wrong is None else wrong)
        return self.story.replay("--gptoss-save-baseline", "--gptoss-run", "saved", *arguments)

    def have(self) -> None:
        """Have the baseline in place, as a session of this process saved it before."""
        key = (self.rows, frozenset(self.wrong))
        if key in _SAVED:
            self.file.parent.mkdir(parents=True)
            self.file.write_bytes(_SAVED[key])
        else:
            self.save()
            _SAVED[key] = self.file.read_bytes()

    def gate(
        self, *arguments: str, lost: int = 0, won: int = 0, **answers: Any
    ) -> pytest.RunResult:
        """Answer again, with some right answers spoilt and some wrong ones mended."""
        spoilt = [n for n in range(self.rows) if n not in self.wrong][:lost]
        mended = sorted(self.wrong)[:won]
        self.story.answers(
            rows=self.rows, wrong=(self.wrong | set(spoilt)) - set(mended), **answers
        )
        return self.story.replay("-q", *arguments)

    def fields(self, run: str = "run") -> dict[str, Any]:
        """The gate object of the only group."""
        gate: dict[str, Any] = self.story.summary(run)["groups"][0]["gate"]
        return gate

    @property
    def file(self) -> Any:
        """The baseline file."""
        return self.path / "baselines" / "recorded" / "sums.json"
