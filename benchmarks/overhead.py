"""What the harness itself costs: CPU and wall time per item against a server that answers at once.

Two things are measured, each in a process of its own at two sizes, and fitted by a line whose slope
is the cost of an item and whose intercept is the fixed start-up:

- the endpoint engine alone, asked as the scheduler asks it;
- a whole session, ``pytest suites/test_gsm8k.py`` (1,319 items) and ``suites/test_mmlu.py``
  (14,042), with collection, prompts, requests, scoring, journal, tests, records and report. It
  needs the rows in the folder that ``GPTOSS_DATA`` names.

CPU time is the process's own, user and system, read when it ends, so other work on the machine
disturbs it little; wall time is shown beside it and is disturbed. The server is another process and
not counted. Run it as::

    python benchmarks/overhead.py [--rounds 3] [--engine-only] [--json FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from processes import (
    ROOT,
    Cost,
    environment,
    instant_server,
    measure,
    plain_environment,
    session,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = {"test_gsm8k.py": 1319, "test_mmlu.py": 14042}

TARGET_PER_ITEM_MS, TARGET_FIXED_S = 1.0, 1.5
ENGINE_PER_ITEM_MS = 0.6


def best(costs: Sequence[Cost]) -> Cost:
    """The round that was disturbed the least."""
    return min(costs, key=lambda cost: cost.cpu_s)


def line(small: Cost, large: Cost, value: str) -> tuple[float, float]:
    """Slope in ms per item and intercept in s through two points."""
    low, high = getattr(small, value), getattr(large, value)
    slope = (high - low) / (large.items - small.items)
    return slope * 1e3, low - slope * small.items


def engine_alone(rounds: int) -> tuple[Cost, Cost]:
    """Both sizes through `EndpointEngine`."""
    with instant_server("The answer is 42.") as url:
        small, large = (
            best(
                [
                    measure(
                        [sys.executable, __file__, "--requests", str(size), "--url", url],
                        size,
                        environment(),
                    )
                    for _ in range(rounds)
                ]
            )
            for size in SIZES.values()
        )
    return small, large


def whole_session(rounds: int) -> tuple[Cost, Cost]:
    """Both suites through pytest."""
    costs = []
    for suite, items in SIZES.items():
        taken = []
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as name, instant_server("Answer: B") as url:
                folder = Path(name)
                command = session(folder, str(ROOT / "suites" / suite), "--model", "instant")
                command += ["--gptoss-endpoint", url]
                taken.append(measure(command, items, plain_environment()))
                _check(folder / "run", items)
        costs.append(best(taken))
    return costs[0], costs[1]


def _check(run: Path, items: int) -> None:
    """A session that measured something else than all items would look fast."""
    (group,) = json.loads((run / "summary.json").read_text())["groups"]
    if group["n"] != items or group["outcomes"]["error"]:
        sys.exit(f"the session did not answer its {items} items: {group}")


async def ask(url: str, count: int) -> None:
    """Send this many requests as the scheduler does: a worker per request in flight."""
    from pytest_gptoss.engines import EngineOptions, Request
    from pytest_gptoss.engines.endpoint import EndpointEngine
    from pytest_gptoss.models import ModelSpec
    from pytest_gptoss.records import Message, Sampling

    engine = EndpointEngine(
        ModelSpec(name="instant", source="instant"), EngineOptions(endpoint=url)
    )
    await engine.open()
    sampling = Sampling(max_tokens=4096)
    text = "Natalia sold clips to 48 of her friends in April, and then half as many in May. " * 5
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            message = Message("user", f"{text}{number}")
            await engine.generate(Request(messages=(message,), sampling=sampling))

    await asyncio.gather(*(worker() for _ in range(engine.concurrency)))
    await engine.close()


def show(title: str, small: Cost, large: Cost, per_item_ms: float, fixed_s: float | None) -> None:
    """Print one table."""
    cpu, cpu_fixed = line(small, large, "cpu_s")
    wall, wall_fixed = line(small, large, "wall_s")
    print(f"\n{title}")
    print(f"{'items':>8} {'CPU s':>8} {'wall s':>8} {'CPU ms/item':>12} {'peak MB':>8}")
    for cost in (small, large):
        share = cost.cpu_s / cost.items * 1e3
        print(
            f"{cost.items:>8} {cost.cpu_s:>8.2f} {cost.wall_s:>8.2f} {share:>12.3f}"
            f" {cost.peak_mb:>8.0f}"
        )
    print(
        f"line: {cpu:.3f} ms CPU per item + {cpu_fixed:.2f} s; "
        f"wall {wall:.3f} ms per item + {wall_fixed:.2f} s"
    )
    print(f"against the target of {per_item_ms} ms per item: {cpu / per_item_ms:.2f} x")
    if fixed_s is not None:
        print(f"against the target of {fixed_s} s fixed: {cpu_fixed / fixed_s:.2f} x")


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1, help="the best of so many counts")
    parser.add_argument("--engine-only", action="store_true", help="leave the sessions out")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--requests", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.requests is not None:
        asyncio.run(ask(options.url, options.requests))
        return
    figures = {"engine": engine_alone(options.rounds)}
    show("endpoint engine alone", *figures["engine"], ENGINE_PER_ITEM_MS, None)
    if not options.engine_only:
        if "GPTOSS_DATA" not in os.environ:
            sys.exit("\nset GPTOSS_DATA to the folder of the datasets to measure whole sessions")
        figures["session"] = whole_session(options.rounds)
        show("whole session", *figures["session"], TARGET_PER_ITEM_MS, TARGET_FIXED_S)
    if options.json:
        plain = {name: [asdict(cost) for cost in costs] for name, costs in figures.items()}
        options.json.write_text(json.dumps(plain, indent=1) + "\n")


if __name__ == "__main__":
    main()
