"""What a session does and keeps grows with its items, and with nothing else: counted, not timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from stories import QUIET, Story

COUNTING = '''
"""Counts the calls made in pytest's thread and the objects alive once the tests have run."""

import gc
import json
import sys
from pathlib import Path

calls = 0


def count(frame, event, argument):
    global calls
    calls += event == "call"


def pytest_collection(session):
    sys.setprofile(count)


def pytest_sessionfinish(session):
    sys.setprofile(None)
    gc.collect()
    counted = {"calls": calls, "objects": len(gc.get_objects())}
    Path("counted.json").write_text(json.dumps(counted))
'''

HOLDING = '''
"""Waits at the first test until everything is answered, and looks at what is kept for the tests."""

import gc
import json
import time
import tracemalloc
from pathlib import Path

began = None


def pytest_collection_finish(session):
    tracemalloc.start()


def pytest_runtest_setup(item):
    global began
    if began is None:
        began = time.monotonic()
        while item.group.tally.done < len(item.group.tickets):
            assert time.monotonic() - began < 120, "the answers never came"
            time.sleep(0.01)
        gc.collect()
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        Path("kept.json").write_text(json.dumps({"kept": kept, "peak": peak}))
'''


def session(story: Story, plugin: str, code: str, rows: int) -> None:
    """A session of its own process, watched by a plugin."""
    (story.path / f"{plugin}.py").write_text(code)
    run = f"run-{rows}"
    result = story.pytester.runpytest_subprocess(
        *(*QUIET, "-p", "no:cacheprovider", "-p", plugin, "-q"),
        *("--model", "recorded", "--gptoss-completions", "answers.jsonl", "--gptoss-run", run),
    )
    assert result.ret == 0
    assert story.summary(run)["groups"][0]["n"] == rows


def read(file: Path) -> dict[str, int]:
    counted: dict[str, int] = json.loads(file.read_text())
    return counted


def test_work_and_memory_grow_in_line_with_the_items(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(story.path))
    counted = []
    sizes = (150, 300, 600)
    for rows in sizes:
        story.suite(rows=rows)
        story.answers(rows=rows)
        session(story, "counting", COUNTING, rows)
        counted.append(read(story.path / "counted.json"))
    for what, most in (("calls", 2500), ("objects", 30)):
        first, then = (
            (counted[n + 1][what] - counted[n][what]) / (sizes[n + 1] - sizes[n]) for n in (0, 1)
        )
        assert 0 < then < most, f"{then:.0f} {what} for each further item"
        assert then < 1.15 * first, f"{what} for a further item grew from {first:.1f} to {then:.1f}"


def test_answers_that_wait_for_their_tests_are_not_kept_in_memory(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(story.path))
    rows, long = 100, 200_000
    (story.path / "test_sums.py").write_text(
        "from pytest_gptoss import Benchmark, Item, scorers\n"
        f"sums = Benchmark(name='sums', rows=[{{'n': n}} for n in range({rows})],\n"
        f"    item=lambda row: Item(prompt='x' * {long} + str(row['n']), target=row['n']),\n"
        "    scorer=scorers.number())\n"
        "@sums.test\n"
        "def test_sums(response):\n"
        "    response.check()\n"
        f"    assert response.reasoning == 'y' * {long}\n"
        f"    assert len(response.item.prompt) > {long}\n"
    )
    with (story.path / "answers.jsonl").open("w") as out:
        for n in range(rows):
            answer = {"item_id": n, "completion": str(n), "reasoning": "y" * long}
            out.write(json.dumps(answer) + "\n")
    session(story, "holding", HOLDING, rows)
    kept = read(story.path / "kept.json")
    assert kept["peak"] > long, "no answer was seen"
    # The texts are 40 MB; everything that was imported meanwhile is a few.
    assert kept["kept"] < 0.25 * 2 * rows * long
