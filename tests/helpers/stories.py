"""Miniature sessions: a suite, answers to it, and what pytest says and leaves behind."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

# A session run in this process forgets every module it imported when it ends. What is imported here
# stays: importing it anew takes seconds, and some extension modules can be initialised only once.
for _module in (
    "aiohttp",
    "datasets",
    "jinja2",
    "pyarrow",
    "psutil",
    "rich.console",
    "rich.progress_bar",
    "rich.table",
    "scipy.special",
    "pytest_gptoss.data.hub",
    "pytest_gptoss.engines.endpoint",
    "pytest_gptoss.engines.replay",
    "pytest_gptoss.models",
    "pytest_gptoss.plugin.evaluation",
    "pytest_gptoss.plugin.model_fixtures",
    "pytest_gptoss.plugin.session",
    "pytest_gptoss.plugin.settings",
    "pytest_gptoss.plugin.terminal",
    "pytest_gptoss.prompts",
    "pytest_gptoss.report.html",
    "pytest_gptoss.report.html_answers",
    "pytest_gptoss.report.html_view",
    "pytest_gptoss.report.terminal",
    "pytest_gptoss.scorers",
    "pytest_gptoss.stats",
):
    import_module(_module)

SUITE = """
from pytest_gptoss import Benchmark, Item, scorers

sums = Benchmark(
    name="sums",
    rows=[{{"a": n, "b": n + 1, "kind": "odd" if n % 2 else "even"}} for n in range({rows})],
    item=lambda row: Item(prompt=f"{{row['a']}} + {{row['b']}} = ?", target=row["a"] + row["b"]),
    scorer=scorers.number(),
    {extra}
)

@sums.test
def test_sums(response):
    response.check()
"""


# Plugins of the project's own tests that have nothing to do in a story, and take their time.
QUIET = ("-p", "no:hypothesispytest", "-p", "no:benchmark")


class Story:
    """One story: what stands in the folder, and the sessions run in it."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path = pytester.path
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
        self.suite()

    def suite(self, *, rows: int = 10, extra: str = "", name: str = "test_sums.py") -> None:
        """Write the suite of sums ``n + (n + 1)``."""
        (self.path / name).write_text(SUITE.format(rows=rows, extra=extra))

    def answers(
        self,
        *,
        rows: int = 10,
        wrong: Iterable[int] = (),
        changed: Mapping[int, Mapping[str, Any]] | None = None,
        leave_out: Iterable[int] = (),
        name: str = "answers.jsonl",
    ) -> Path:
        """Record an answer to each sum; some wrong, some changed, some left out."""
        wrong, leave_out = set(wrong), set(leave_out)
        file = self.path / name
        with file.open("w") as out:
            for n in range(rows):
                if n in leave_out:
                    continue
                record: dict[str, Any] = {
                    "item_id": n,
                    "completion": f"Answer: {2 * n + 1 + (n in wrong)}",
                    "finish_reason": "stop",
                    "completion_tokens": 5,
                }
                record.update((changed or {}).get(n, {}))
                out.write(json.dumps(record) + "\n")
        return file

    def replay(self, *arguments: str, model: str = "recorded") -> pytest.RunResult:
        """Evaluate the recorded answers; the run directory is ``run`` unless it is named."""
        where = () if "--gptoss-run" in arguments else ("--gptoss-run", "run")
        return self.run(
            "--model", model, "--gptoss-completions", "answers.jsonl", *where, *arguments
        )

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process."""
        result = self.pytester.runpytest(*QUIET, "-p", "no:cacheprovider", *arguments)
        for summary in self.path.glob("**/summary.json"):
            if (summary.parent / "items.jsonl").exists():
                adds_up(summary.parent)
        return result

    def summary(self, run: str = "run") -> dict[str, Any]:
        """The run's ``summary.json``."""
        summary: dict[str, Any] = json.loads((self.path / run / "summary.json").read_text())
        return summary

    def items(self, run: str = "run") -> Sequence[dict[str, Any]]:
        """The run's ``items.jsonl``."""
        lines = (self.path / run / "items.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def files(self) -> set[str]:
        """Everything in the folder, caches aside."""
        return {
            str(path.relative_to(self.path))
            for path in self.path.rglob("*")
            if "__pycache__" not in path.parts
        }


def adds_up(run: Path) -> None:
    """Assert what holds of every run, however it ended: each answer is counted once, as what it is.

    An error is no wrong answer, an empty one is not correct, one that was cancelled is not counted.
    """
    summary = json.loads((run / "summary.json").read_text())
    items = [json.loads(line) for line in (run / "items.jsonl").read_text().splitlines()]
    keys = [(i["model"], i["benchmark"], i["item_id"], i["repeat"]) for i in items]
    assert len(set(keys)) == len(keys)
    for group in summary["groups"]:
        of_group = [
            i for i in items if (i["model"], i["benchmark"]) == (group["model"], group["benchmark"])
        ]
        counted = Counter(item["outcome"] for item in of_group)
        assert counted == Counter(group["outcomes"])
        assert group["n"] == len(of_group)
        assert group["n"] + group["cancelled"] == group["selected"]
    for item in items:
        failed = item["outcome"] == "error"
        assert (item["score"] is None) == failed
        assert failed or item["error"] is None
        assert item["outcome"] != "correct" or item["final"].strip()
    missing = sum(group["cancelled"] for group in summary["groups"])
    assert summary["complete"] == (missing == 0)
    assert summary["complete"] or summary["stopped"]


def rounds(*, short: int, long: int) -> int:
    """How often a story of chance is told: ``long`` times where GPTOSS_LONG_STORIES is set."""
    return long if os.environ.get("GPTOSS_LONG_STORIES") else short


def said(result: pytest.RunResult) -> str:
    """All that a session printed."""
    return "\n".join(result.outlines + result.errlines)
