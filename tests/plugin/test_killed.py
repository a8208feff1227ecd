"""SIGKILL at any moment, then ``--gptoss-resume``: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted_server import ScriptedServer, after, says
from stories import QUIET, Story, rounds

ROWS = 60
REPEATS = 2
PATIENCE_S = 240


async def adds(request: web.Request) -> web.StreamResponse:
    """Answers each sum in a way that only the question decides, so that runs can be compared."""
    body = json.loads(await request.read())
    first, second = map(int, re.findall(r"\d+", body["messages"][-1]["content"]))
    # The seed tells one repeat from the other.
    return await says(f"{body['seed']}. Answer: {first + second + (first % 7 == 0)}")(request)


def command(server: ScriptedServer, run: str) -> list[str]:
    return [
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *QUIET),
        *("--model", "served", "--gptoss-endpoint", server.url, "--gptoss-run", run),
        *("--gptoss-repeats", str(REPEATS), "--gptoss-temperature", "1", "--gptoss-seed", "5"),
        *("--gptoss-engine-arg", "concurrency=4"),
    ]


def journalled(run: Path) -> set[tuple[str, int]]:
    """The whole records of a run's journal."""
    journal = run / "journal.jsonl"
    data = journal.read_bytes() if journal.exists() else b""
    lines = [json.loads(line) for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
    return {(line["item_id"], line["repeat"]) for line in lines if "item_id" in line}


def content(run: Path) -> list[dict[str, Any]]:
    lines = (run / "items.jsonl").read_text().splitlines()
    timed = ("queue_s", "ttft_s", "latency_s")
    return [{k: v for k, v in json.loads(line).items() if k not in timed} for line in lines]


def asked(bodies: list[dict[str, Any]]) -> Counter[tuple[str, int]]:
    return Counter((body["messages"][-1]["content"], body["seed"]) for body in bodies)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_at_any_moment_and_continued_it_equals_an_undisturbed_run(story: Story) -> None:
    story.suite(rows=ROWS)
    chance = random.Random(6)
    with ScriptedServer(after(0.02, adds), models=["served"]) as server:
        began = time.monotonic()
        subprocess.run(
            command(server, "undisturbed"), cwd=story.path, check=True, timeout=PATIENCE_S
        )
        whole_s = time.monotonic() - began
        expected = content(story.path / "undisturbed")
        questions = asked(server.bodies)
        assert set(questions.values()) == {1}
        by_item = {
            (item["item_id"], item["repeat"]): item["final"].partition(".")[0] for item in expected
        }
        seeds = {key: int(seed) for key, seed in by_item.items()}

        run, kept, killed = story.path / "run", set[tuple[str, int]](), 0
        for _ in range(rounds(short=3, long=25)):
            arguments = command(server, "run")
            if (run / "journal.jsonl").exists():
                arguments.append("--gptoss-resume")
            server.bodies.clear()
            session = subprocess.Popen(
                arguments, cwd=story.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            # Some die while pytest starts, some while items are generated, some as it ends.
            if chance.random() < 0.7:
                due = len(kept) + chance.randrange(1, ROWS * REPEATS // 8)
                wait_until(session, lambda due=due: len(journalled(run)) >= due)
            else:
                time.sleep(chance.uniform(0.1, whole_s))
            session.kill()
            output = session.communicate(timeout=PATIENCE_S)[0].decode()
            again = {key for key in kept if asked(server.bodies)[question(key, seeds)]}
            assert not again, f"generated again: {again}\n{output}"
            assert journalled(run) >= kept
            kept = journalled(run)
            killed += session.returncode == -signal.SIGKILL
        assert killed

        server.bodies.clear()
        last = subprocess.run(
            [*command(server, "run"), "--gptoss-resume"],
            cwd=story.path,
            check=False,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        assert last.returncode == 0, last.stdout
        assert asked(server.bodies) == Counter(question(key, seeds) for key in set(seeds) - kept)
    assert content(run) == expected
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] is True
    assert summary["groups"][0]["n"] == ROWS * REPEATS


def question(key: tuple[str, int], seeds: dict[tuple[str, int], int]) -> tuple[str, int]:
    first = int(key[0])
    return f"{first} + {first + 1} = ?", seeds[key]


def wait_until(session: subprocess.Popen[bytes], condition: Callable[[], bool]) -> None:
    """Wait for something that a session does, or for its end."""
    limit = time.monotonic() + PATIENCE_S
    while session.poll() is None and not condition():
        assert time.monotonic() < limit
        time.sleep(0.01)
