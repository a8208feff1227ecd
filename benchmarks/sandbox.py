"""Measure what it costs to grade one program in a sandbox.

It grades short programs on every rung that works here and prints a Markdown table: programs a
second with each number of workers, what one program costs when they come one after another, and
when each waits for a sandbox to start (as from the command line):

    python benchmarks/sandbox.py
    python benchmarks/sandbox.py --rungs bwrap --workers 1 2 --programs 300
    python benchmarks/sandbox.py --humaneval rows.jsonl

The last grades HumanEval's own solutions, told as the rows are published.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import choose
from pytest_gptoss.sandbox.grader import Grader, Program

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Rung

PROMPT = "from typing import List\n\n\ndef mean(numbers: List[float]) -> float:\n"
COMPLETION = "    return sum(numbers) / len(numbers)\n"
TEST = "def check(candidate):\n" + "".join(
    f"    assert abs(candidate([{n}.0, {n + 1}.0, {n + 2}.0]) - {n + 1}) < 1e-9\n" for n in range(8)
)


def main() -> None:
    arguments = parse()
    programs = given(arguments)
    print(f"{len(programs)} programs, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}\n")
    cells = [f"{workers} at once" for workers in arguments.workers]
    print("| rung | " + " | ".join([*cells, "each, in a row", "each, cold"]) + " |")
    print("|---" * (len(cells) + 3) + "|")
    for name in arguments.rungs or working():
        rung = choose.choose(name, allow_unsandboxed=True)
        row = [rate(rung, programs, workers) for workers in arguments.workers]
        row += [latency(rung, programs, idle=2), latency(rung, programs[:40], idle=0)]
        print(f"| {name} | " + " | ".join(row) + " |", flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rungs", nargs="+", choices=[*choose.LADDER, "none"])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--programs", type=int, default=60)
    parser.add_argument("--humaneval", type=Path, metavar="JSONL", help="rows with solutions")
    return parser.parse_args()


def working() -> list[str]:
    return [name for name, reason in choose.probe().items() if reason is None] + ["none"]


def given(arguments: argparse.Namespace) -> list[Program]:
    if arguments.humaneval is None:
        return [Program("mean", "mean", PROMPT, COMPLETION, TEST)] * arguments.programs
    rows = map(json.loads, arguments.humaneval.read_text(encoding="utf-8").splitlines())
    keys = ("task_id", "entry_point", "prompt", "canonical_solution", "test")
    return [Program(*(row[key] for key in keys)) for row in rows]


def rate(rung: Rung, programs: list[Program], workers: int) -> str:
    with Grader(rung, workers=workers) as grader, ThreadPoolExecutor(workers) as threads:
        started = time.perf_counter()
        verdicts = list(threads.map(grader.grade, programs))
        seconds = time.perf_counter() - started
    failed = sum(not verdict.passed for verdict in verdicts)
    told = f"{seconds:.1f} s, {len(programs) / seconds:.0f}/s"
    return f"{told}, {failed} FAILED" if failed else told


def latency(rung: Rung, programs: list[Program], *, idle: int) -> str:
    each = []
    with Grader(rung, workers=1, idle=idle) as grader:
        for program in programs:
            started = time.perf_counter()
            grader.grade(program)
            each.append(1000 * (time.perf_counter() - started))
    return f"{statistics.median(each):.0f} ms"


if __name__ == "__main__":
    main()
