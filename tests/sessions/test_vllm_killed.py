"""Real vLLM on a CPU, killed: its core, and the session that started it.

Every question is asked twice: the first half of the run ends before anything is killed, the second
goes through the kills and must come out the same.

A kill falls in the middle of a record that the journal is writing, drawn by its number, so that it
is the same on a fast machine as on a busy one; some fall while the engine starts.

The short form kills one session and one core. With ``GPTOSS_LONG_STORIES`` it is 25 sessions, which
take half an hour.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from killing import KILLER, killed_by
from leftovers import leftovers
from stories import rounds
from tiny_checkpoint import make_tiny_gpt_oss

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

KILLS = rounds(short=1, long=25)
SEED = 6
ITEMS = 200
STARTED_S = 900.0
"""The longest that a start of vLLM may take; on two idle cores it takes 25 s."""

SUITE = f"""
from pytest_gptoss import Benchmark, Item, scorers

def apples(name):
    return Benchmark(
        name=name,
        rows=[{{"n": n}} for n in range({ITEMS})],
        item=lambda row: Item(prompt=f"Tom has {{row['n']}} apples.", target=row["n"]),
        scorer=scorers.number(),
    )

@apples("undisturbed").test
def test_before(response):
    response.check()

@apples("disturbed").test
def test_through_it_all(response):
    response.check()
"""


class Session:
    """A pytest session in a process of its own, with all that it starts.

    Args:
        folder: Where the suite, the checkpoint and the run directory are.
        arguments: Further ones.
        killed: By what it is killed, if at all.
    """

    def __init__(
        self, folder: Path, *arguments: str, killed: Mapping[str, str] | None = None
    ) -> None:
        self.run = folder / "run"
        self.out = folder / "out.txt"
        with self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pytest", "test_apples.py", "-q"),
                    *("-p", "no:cacheprovider", "--model", str(folder / "tiny")),
                    *(
                        "--gptoss-engine",
                        "vllm",
                        "--gptoss-run",
                        "run",
                        "--gptoss-max-tokens",
                        "40",
                    ),
                    # So that no token hangs on the batch.
                    *("--gptoss-engine-arg", "max_num_seqs=1"),
                    *("--gptoss-engine-arg", "dtype=float32", *arguments),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", **(killed or {})},
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.out.read_text(errors="replace")

    def records(self) -> list[dict[str, Any]]:
        """What is journalled; a last record that is being written does not count."""
        try:
            lines = (self.run / "journal.jsonl").read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        records = [json.loads(line) for line in lines]
        return [record for record in records if "item_id" in record]

    def core(self) -> Any:
        """vLLM's core process, or ``None`` where there is none."""
        import psutil

        for child in psutil.Process(self.process.pid).children():
            if child.name().startswith("VLLM::EngineCor"):
                return child
        return None

    def wait_until(self, condition: Callable[[], Any], *, alive: bool = True) -> Any:
        limit = time.monotonic() + STARTED_S
        while time.monotonic() < limit:
            if found := condition():
                return found
            ended = alive and self.process.poll() is not None
            assert not ended, f"the session ended:\n{self.output[-4000:]}"
            time.sleep(0.02)
        pytest.fail(f"nothing happened for {STARTED_S} s:\n{self.output[-4000:]}")

    def end(self) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """Wait for its end; its items and its summary."""
        assert self.process.wait(STARTED_S) == 0, self.output[-4000:]
        assert leftovers(self.process.pid) == []
        items = [json.loads(line) for line in (self.run / "items.jsonl").read_text().splitlines()]
        return items, json.loads((self.run / "summary.json").read_text())

    def was_killed(self) -> None:
        """Wait for pytest to be killed; what it started must notice."""
        status = self.process.wait(STARTED_S)
        assert status == -signal.SIGKILL, f"it ended with {status}:\n{self.output[-4000:]}"
        assert leftovers(self.process.pid) == [], "the engine outlived the session"


@contextmanager
def session(
    folder: Path, *arguments: str, killed: Mapping[str, str] | None = None
) -> Iterator[Session]:
    started = Session(folder, *arguments, killed=killed)
    try:
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def answers(items: Iterable[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What the model made of each item."""
    fields = ("item_hash", "outcome", "final", "reasoning", "finish_reason", "completion_tokens")
    return {item["item_id"]: tuple(item[field] for field in fields) for item in items}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files with a short name, as vLLM's sockets need."""
    with tempfile.TemporaryDirectory(prefix="k", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("TMPDIR", folder)
        yield Path(folder)


def test_a_run_that_was_killed_ends_as_one_that_was_not(tmp_path: Path, short: Path) -> None:
    pytest.importorskip("vllm")
    make_tiny_gpt_oss(tmp_path / "tiny", context_length=512)
    (tmp_path / "test_apples.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "conftest.py").write_text(KILLER)
    drawn = random.Random(SEED)

    # Sessions are killed one after another, each further on than the one before, some while the
    # engine starts; what was journalled is never asked again.
    marks = sorted(ITEMS + drawn.randrange(20, ITEMS // 3) for _ in range(KILLS))
    kept: list[dict[str, Any]] = []
    for number, mark in enumerate(marks):
        starting = number > 0 and drawn.random() < 0.3
        within = max(mark - len(kept), 2)
        resume = ["--gptoss-resume"] if number else []
        moment = {} if starting else killed_by(record=within)
        with session(tmp_path, *resume, killed=moment) as killed:
            if starting:
                killed.wait_until(killed.core)
                time.sleep(drawn.uniform(0.0, 10.0))
                killed.process.kill()
            killed.was_killed()
        records = killed.records()
        assert records[: len(kept)] == kept
        assert starting or len(records) == len(kept) + within - 1
        kept = records
        killed.wait_until(lambda: not list(short.glob("pytest-gptoss-vllm-*")), alive=False)
    assert sum(record["benchmark"] == "undisturbed" for record in kept) == ITEMS

    # Then its core is killed, as the kernel does when memory runs out, and is started again.
    with session(tmp_path, "--gptoss-resume", killed=killed_by(record=1, who="core")) as resumed:
        items, summary = resumed.end()
    records = resumed.records()
    assert records[: len(kept)] == kept
    asked = Counter((record["benchmark"], record["item_id"]) for record in records)
    assert len(asked) == 2 * ITEMS
    assert set(asked.values()) == {1}
    undisturbed, disturbed = (
        answers(item for item in items if item["benchmark"] == name)
        for name in ("undisturbed", "disturbed")
    )
    assert list(undisturbed) == [str(n) for n in range(ITEMS)]
    assert disturbed == undisturbed
    for group in summary["groups"]:
        assert sum(group["outcomes"].values()) == group["n"] == group["selected"] == ITEMS
    (note,) = [note for note in summary["notes"] if "vLLM has died" in note]
    assert "its core process was ended by SIGKILL, as happens when memory runs out" in note
    assert "it was started again" in note
    assert f"note: {note}" in resumed.output
