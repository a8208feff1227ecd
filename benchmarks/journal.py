"""What the journal costs: CPU and wall time per completion, from the queue to the disk.

Run it as::

    python benchmarks/journal.py [--items 20000] [--characters 4000] [--json]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from pytest_gptoss.records import Completion
from pytest_gptoss.run.journal import Journal, JournalRecord

TARGET_MS = 0.1


def measure(items: int, characters: int) -> dict[str, float]:
    """Journal so many completions of so many characters; milliseconds per item."""
    completion = Completion(
        final="x" * (characters // 10), reasoning="y" * characters, completion_tokens=characters
    )
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl")
        counted = 0

        def count(offset: int, length: int) -> None:
            nonlocal counted
            counted += 1

        cpu, wall = time.process_time(), time.perf_counter()
        for number in range(items):
            record = JournalRecord(
                model="m",
                benchmark="b",
                item_id=str(number),
                item_hash="0123456789abcdef",
                repeat=0,
                completion=completion,
            )
            journal.append(record, count)
        queued = time.perf_counter()
        journal.close()
        done, cpu_done = time.perf_counter(), time.process_time()
        journal.release()
    assert counted == items
    return {
        "cpu_ms": 1000 * (cpu_done - cpu) / items,
        "queue_ms": 1000 * (queued - wall) / items,
        "wall_ms": 1000 * (done - wall) / items,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--characters", type=int, default=4_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    cost = measure(asked.items, asked.characters)
    if asked.json:
        print(json.dumps(cost))
        return
    print(f"{asked.items:,} completions of {asked.characters:,} characters, per item:")
    print(f"  CPU   {cost['cpu_ms']:.4f} ms (target: under {TARGET_MS} ms)")
    print(f"  queue {cost['queue_ms']:.4f} ms of the event loop's time")
    print(f"  wall  {cost['wall_ms']:.4f} ms until all are on disk")


if __name__ == "__main__":
    main()
