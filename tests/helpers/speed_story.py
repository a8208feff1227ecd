"""Stories of loads: a server that counts tokens as it is asked to, and a suite that loads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from scripted_server import ScriptedServer, says

from pytest_gptoss.gates import speed_file

# What a session in this process imports and forgets again, as in `stories`.
for _module in (
    "pytest_benchmark.plugin",
    "pytest_gptoss.plugin.speedometer",
    "pytest_gptoss.plugin.speed_gates",
    "pytest_gptoss.report.speed",
    "scipy.stats",
):
    import_module(_module)

NAME = "in40-out8-c4"

SUITE = """
import pytest
from pytest_gptoss import Load

LOADS = {{load.name: load for load in ({loads},)}}

@pytest.mark.parametrize("load", LOADS)
def test_load(speed, benchmark, model, load):
    speed.measure(benchmark, model, LOADS[load])
"""

LOAD = "Load(prompt_tokens=40, output_tokens=8, concurrency=4)"

# What the prompt format of the server takes.
OVERHEAD = 7


class SpeedStory:
    """A folder with a suite of loads, and the server that answers them.

    Args:
        pytester: Of the test.
        owner: How the server calls itself; one that is none of the known cannot be told how long
            answers must be.
    """

    def __init__(self, pytester: pytest.Pytester, owner: str = "vllm") -> None:
        self.pytester = pytester
        self.path: Path = pytester.path
        self.own_length = 3
        self.fails = False
        card = {"id": "served", "owned_by": owner, "max_model_len": 100}
        self.server = ScriptedServer(self._answer, models=[card])
        pytester.makeini("[pytest]\nfilterwarnings = error\n")
        self.suite(LOAD)

    def suite(self, *loads: str, name: str = "test_loads.py") -> None:
        """Write the suite."""
        (self.path / name).write_text(SUITE.format(loads=", ".join(loads)))

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.fails:
            raise web.HTTPBadRequest(text='{"error": {"message": "no room"}}')
        body = self.server.bodies[-1]
        words = sum(len(message["content"].split()) for message in body["messages"])
        tokens = body["max_tokens"] if body.get("ignore_eos") else self.own_length
        prompt = OVERHEAD + words
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": 0}
        await asyncio.sleep(0.002)
        return await says("word " * tokens, usage=usage)(request)

    def run(self, *arguments: str) -> pytest.RunResult:
        """Ask the loads; the run directory is ``run`` unless it is named."""
        named = [] if "--gptoss-run" in arguments else ["--gptoss-run", "run"]
        files = [] if any(".py" in each for each in arguments) else ["test_loads.py"]
        return self.pytester.runpytest(
            *("-p", "no:hypothesispytest", "-p", "no:cacheprovider", "--benchmark-quiet"),
            *("--model", "served", "--gptoss-endpoint", self.server.url),
            *("--gptoss-engine-arg", "concurrency=64"),
            *named,
            *files,
            *arguments,
        )

    @property
    def file(self) -> Path:
        """The baseline."""
        return self.path / "baselines" / "served" / "throughput.json"

    def have_baseline(self, change: Callable[[str, list[float]], list[float]]) -> None:
        """Have a baseline: what a session measures, with its rounds changed, figure by figure."""
        self.run("--gptoss-save-baseline", "--gptoss-run", "saved")
        held = speed_file.read(self.file)
        loads = {
            name: replace(
                load,
                rounds={figure: change(figure, list(r)) for figure, r in load.rounds.items()},
            )
            for name, load in held.loads.items()
        }
        speed_file.save(self.file, replace(held, loads=loads))

    def summary(self, run: str = "run") -> dict[str, Any]:
        """The run's ``summary.json``."""
        summary: dict[str, Any] = json.loads((self.path / run / "summary.json").read_text())
        return summary

    def gate(self, figure: str, run: str = "run") -> dict[str, Any]:
        """One gate of the only load."""
        gate: dict[str, Any] = self.summary(run)["throughput"][0]["loads"][0]["gates"][figure]
        return gate
