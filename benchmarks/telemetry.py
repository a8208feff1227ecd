"""What measuring costs: the background looks, and counting a request.

- the thread's share of a core while it watches this process and, in turn, more and more children of
  it, with whatever devices this machine has: under 1 % is promised;
- the time and memory that counting one request takes, which is spent on the event loop.

Processor time of the thread alone is read, so other work on the machine disturbs it little. Run it
as::

    python benchmarks/telemetry.py [--seconds 20] [--children 0 8 64] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pytest_gptoss.engines.telemetry import Meter
from pytest_gptoss.records import Completion

PROMISED = 0.01
ANSWER = Completion(
    final="4",
    prompt_tokens=100,
    cached_tokens=16,
    completion_tokens=50,
    reasoning_tokens=40,
    queue_s=0.1,
    ttft_s=0.2,
    latency_s=1.0,
)


def watching(seconds: float, children: int) -> dict[str, Any]:
    """Look at this process and so many children of it for some seconds."""
    with ExitStack() as stack:
        for _ in range(children):
            child = stack.enter_context(subprocess.Popen(["sleep", "3600"]))
            stack.callback(child.kill)
        meter = stack.enter_context(Meter())
        meter.watch_devices()
        window = meter.window("watched")
        window.start()
        time.sleep(seconds)
        window.stop()
        meter.stop()
        return {
            "children": children,
            "looks": meter.samples,
            "look_ms": 1000 * meter.cpu_s / meter.samples,
            "share": meter.cpu_s / meter.wall_s,
            "devices": {
                "gpu": meter.unavailable.get("gpu", "read"),
                "cpu": meter.unavailable.get("cpu", "read"),
            },
        }


def counting(requests: int = 100_000) -> dict[str, float]:
    """Count requests in a group's window, which is part of a model's and of a session's."""

    def count() -> float:
        meter = Meter([])
        model = meter.window("model", parent=meter.window("session"))
        group = meter.window("group", parent=model)
        begin = time.process_time()
        for _ in range(requests):
            group.end(group.begin(), ANSWER)
        spent = time.process_time() - begin
        kept.append(group)
        return spent

    kept: list[Any] = []
    spent = min(count() for _ in range(3))
    tracemalloc.start()
    count()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    kept[0].figures()  # numpy is imported
    begin = time.process_time()
    kept[1].figures()
    return {
        "count_us": 1e6 * spent / requests,
        "bytes": held / requests,
        "figures_ms": 1000 * (time.process_time() - begin),
    }


def main() -> int:
    """Measure and print; returns 1 where the promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--children", type=int, nargs="*", default=[0, 8, 64])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [watching(options.seconds, children) for children in options.children]
    for kind, state in rows[0]["devices"].items():
        print(f"{kind} energy counters: {state}")
    for row in rows:
        print(
            f"{row['children']:4} children: {row['looks']:4} looks of {row['look_ms']:.2f} ms, "
            f"{100 * row['share']:.2f} % of a core"
        )
    counted = counting()
    print(
        f"counting a request: {counted['count_us']:.2f} µs, {counted['bytes']:.0f} bytes; figures "
        f"of 100,000: {counted['figures_ms']:.0f} ms"
    )
    if options.json:
        options.json.write_text(json.dumps({"watching": rows, "counting": counted}, indent=1))
    return int(any(row["share"] >= PROMISED for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
