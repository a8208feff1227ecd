"""SIGKILL at any moment, then ``--gptoss-resume``: nothing is lost, and nothing is done twice."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from killing import KILLER, killed_by
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


def session(
    story: Story,
    server: ScriptedServer,
    run: str,
    *arguments: str,
    killed: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Evaluate in a process of its own, which may be killed."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *QUIET),
            *("--model", "served", "--gptoss-endpoint", server.url, "--gptoss-run", run),
            *("--gptoss-repeats", str(REPEATS), "--gptoss-temperature", "1", "--gptoss-seed", "5"),
            *("--gptoss-engine-arg", "concurrency=4", *arguments),
        ],
        cwd=story.path,
        env={**os.environ, **(killed or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


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
    (story.path / "conftest.py").write_text(KILLER)
    with ScriptedServer(after(0.02, adds), models=["served"]) as server:
        ended = session(story, server, "undisturbed")
        assert ended.returncode == 0, ended.stdout
        expected = content(story.path / "undisturbed")
        assert set(asked(server.bodies).values()) == {1}
        seeds = {
            (item["item_id"], item["repeat"]): int(item["final"].partition(".")[0])
            for item in expected
        }

        run, kept = story.path / "run", set[tuple[str, int]]()
        for number, moment in enumerate(moments(rounds(short=3, long=25))):
            server.bodies.clear()
            resume = ["--gptoss-resume"] if number else []
            ended = session(story, server, "run", *resume, killed=killed_by(**moment))
            assert ended.returncode == -signal.SIGKILL, f"{moment}: {ended.stdout}"
            again = {key for key in kept if asked(server.bodies)[question(key, seeds)]}
            assert not again, f"generated again: {again}\n{ended.stdout}"
            journal = journalled(run)
            assert journal >= kept
            if "record" in moment:
                assert len(journal) == len(kept) + moment["record"] - 1
            kept = journal

        server.bodies.clear()
        ended = session(story, server, "run", "--gptoss-resume")
        assert ended.returncode == 0, ended.stdout
        assert asked(server.bodies) == Counter(question(key, seeds) for key in set(seeds) - kept)
    assert content(run) == expected
    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] is True
    assert summary["groups"][0]["n"] == ROWS * REPEATS


def moments(number: int) -> Iterator[dict[str, Any]]:
    """When to kill: mostly while items are generated, else as the tests begin; last, at the end."""
    drawn = random.Random(6)
    # So few that the last one still finds some to do.
    most = ROWS * REPEATS // number
    for place in range(number - 1):
        if place % 4 == 1:
            yield {"hook": drawn.choice(["collected", "first test"])}
        else:
            yield {"record": drawn.randrange(1, most)}
    yield drawn.choice([{"hook": "ending"}, {"file": "items.jsonl"}, {"file": "summary.json"}])


def question(key: tuple[str, int], seeds: dict[tuple[str, int], int]) -> tuple[str, int]:
    first = int(key[0])
    return f"{first} + {first + 1} = ?", seeds[key]
