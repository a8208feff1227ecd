"""Stories of ``-n``: sessions in processes of their own, and which worker ran what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stories import QUIET, Story

# Each test leaves a line in a file named after its worker.
CONFTEST = """
import os
from pathlib import Path

def pytest_runtest_logstart(nodeid):
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is not None:
        with Path(__file__).with_name(f"{worker}.ran").open("a") as out:
            out.write(nodeid + "\\n")
"""

UNITS = """
import pytest

@pytest.mark.parametrize("n", range({tests}))
def test_unit(n):
    assert n not in {failing}
"""

TIMED = {"queue_s", "ttft_s", "latency_s", "wall_s", "tokens_per_s", "telemetry"}


def units(story: Story, *, tests: int = 12, failing: tuple[int, ...] = ()) -> None:
    """Have unit tests beside the sums, and note who runs what."""
    (story.path / "test_units.py").write_text(UNITS.format(tests=tests, failing=failing))
    (story.path / "conftest.py").write_text(CONFTEST)


def ran(story: Story, worker: str = "gw*") -> list[str]:
    """The tests that a worker ran, in its order."""
    files = sorted(story.path.glob(f"{worker}.ran"))
    return [line for file in files for line in file.read_text().splitlines()]


def replayed(
    story: Story, *arguments: str, run: str = "spread", cached: bool = False
) -> pytest.RunResult:
    """Evaluate the recorded answers in a process of its own."""
    where = () if "--gptoss-run" in arguments else ("--gptoss-run", run)
    recorded = ("--model", "recorded", "--gptoss-completions", "answers.jsonl")
    return separately(story, *recorded, *where, *arguments, cached=cached)


def separately(story: Story, *arguments: str, cached: bool = False) -> pytest.RunResult:
    """Run pytest in a process of its own."""
    cache = () if cached else ("-p", "no:cacheprovider")
    return story.pytester.runpytest_subprocess(*QUIET, *cache, *arguments)


def figures(run: Path) -> list[dict[str, Any]]:
    """The groups of a run's summary, without what differs from one session to the next."""
    groups = json.loads((run / "summary.json").read_text())["groups"]
    return [{k: v for k, v in group.items() if k not in TIMED} for group in groups]


def content(run: Path) -> list[dict[str, Any]]:
    """The items of a run, without their times."""
    lines = (run / "items.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMED} for line in lines]
