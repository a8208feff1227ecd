"""Does an item cost the same among 100,000 as among 1,000? Time, memory and files as they grow.

Made-up items go through whole pytest sessions, each in a process of its own: once with answers that
were recorded (``replay``), once with those of a local server that answers at once (``endpoint``).
Run it as::

    python benchmarks/scale.py [--sizes 1000 10000 100000] [--source replay] [--rounds 1]

It prints what each session took, and what each further item costs from one size to the next: the
slope, so that starting up is left out. A ratio of 1 between two slopes is linear growth. While a
session runs, its journal and ``items.jsonl`` are looked at twenty times a second; "grew" counts how
often they were longer than before, and "largest step" how much of the whole file came at once.

It ends with 1 where a session's memory passes ``--limit-mb``, or where the processor time or the
memory of a further item grows by half or more.
Processor time is user and system time of the pytest process, memory its largest resident size.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from processes import Cost, instant_server, measure, plain_environment, session

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES = ("replay", "endpoint")
LOOK_S = 0.05
MOST_GROWTH = 1.5
"""From here on a slope that is larger than the one before is not taken for noise."""

REASONING = "Let me think about it step by step. " * 25
SUITE = """
from pytest_gptoss import Benchmark, Item, scorers

STORY = "Natalia sold clips to 48 of her friends in April, and then half as many in May. " * 3


class Rows:
    def open(self):
        return self

    def describe(self):
        return {{"source": "made up"}}

    def __len__(self):
        return {size}

    def __getitem__(self, index):
        return {{"question": f"{{STORY}}[[answer: {{index}}]]", "answer": index}}

    def column(self, name):
        return [self[index][name] for index in range(len(self))]


sums = Benchmark(
    name="sums",
    rows=Rows(),
    item=lambda row: Item(prompt=row["question"], target=row["answer"]),
    scorer=scorers.number(),
)


@sums.test
def test_sums(response):
    response.check()
"""


@dataclass(frozen=True, slots=True)
class Written:
    """How a file came about: its bytes, how often it grew, and the largest step, as a share."""

    bytes: int
    grew: int
    largest_step: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What one session took."""

    cost: Cost
    journal: Written
    items: Written


class Watch(threading.Thread):
    """Looks at a file's size while a session writes it; the first of the paths that exists."""

    def __init__(self, *paths: Path) -> None:
        super().__init__(daemon=True)
        self._paths = paths
        self._ended = threading.Event()
        self._size, self._grew, self._largest = 0, 0, 0

    def run(self) -> None:
        """Look until `end` is called."""
        while not self._ended.wait(LOOK_S):
            self._look()

    def end(self) -> Written:
        """Stop; what was seen."""
        self._ended.set()
        self.join()
        self._look()
        return Written(self._size, self._grew, self._largest / max(self._size, 1))

    def _look(self) -> None:
        for path in self._paths:
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                continue
            if size > self._size:
                self._grew += 1
                self._largest = max(self._largest, size - self._size)
                self._size = size
            return


def run(source: str, size: int) -> Taken:
    """One session."""
    with tempfile.TemporaryDirectory() as name, instant_server("0") as url:
        folder = Path(name)
        suite, recorded = folder / "test_sums.py", folder / "answers.jsonl"
        suite.write_text(SUITE.format(size=size))
        command = session(folder, str(suite), "--model", "instant")
        if source == "endpoint":
            command += ["--gptoss-endpoint", url]
        else:
            record(recorded, size)
            command += ["--gptoss-completions", str(recorded)]
        results = folder / "run"
        journal = Watch(results / "journal.jsonl")
        items = Watch(results / "items.jsonl", results / "items.jsonl.part")
        journal.start()
        items.start()
        cost = measure(command, size, plain_environment())
        check(results, size)
        return Taken(cost, journal.end(), items.end())


def record(file: Path, size: int) -> None:
    """Recorded answers, as long as those of the server."""
    with file.open("w") as out:
        for index in range(size):
            line = {
                "item_id": str(index),
                "completion": str(index),
                "reasoning": REASONING,
                "finish_reason": "stop",
                "completion_tokens": 200,
            }
            out.write(json.dumps(line) + "\n")


def check(results: Path, size: int) -> None:
    """A session that did something else than answer every item would look fast."""
    (group,) = json.loads((results / "summary.json").read_text())["groups"]
    if group["n"] != size or group["correct"] != size:
        sys.exit(f"the session did not answer its {size} items rightly: {group}")
    with (results / "items.jsonl").open("rb") as lines:
        written = sum(1 for _ in lines)
    if written != size:
        sys.exit(f"items.jsonl holds {written} of {size} items")


def show(source: str, series: Sequence[Taken]) -> float:
    """Print one source's tables; returns the largest ratio between slopes of CPU or memory."""
    print(f"\n{source}: sessions")
    print(f"{'items':>9} {'CPU s':>8} {'wall s':>8} {'peak MB':>8}")
    for cost in (taken.cost for taken in series):
        print(f"{cost.items:>9,} {cost.cpu_s:>8.2f} {cost.wall_s:>8.2f} {cost.peak_mb:>8.0f}")
    print(f"{source}: files")
    print(f"{'items':>9} {'file':>12} {'MB':>8} {'grew':>6} {'largest step':>13}")
    for taken in series:
        for name, file in (("journal", taken.journal), ("items.jsonl", taken.items)):
            print(
                f"{taken.cost.items:>9,} {name:>12} {file.bytes / 1e6:>8.1f} {file.grew:>6} "
                f"{file.largest_step:>12.1%}"
            )
    print(f"{source}: each further item")
    print(f"{'from':>9} {'to':>9} {'CPU ms':>8} {'ratio':>6} {'wall ms':>8} {'ratio':>6}", end="")
    print(f" {'KB':>8} {'ratio':>6}")
    largest = 0.0
    before: tuple[float, ...] | None = None
    for low, high in pairwise(taken.cost for taken in series):
        slopes = further_item(low, high)
        ratios = None if before is None else [s / b for s, b in zip(slopes, before, strict=True)]
        cells = [f"{low.items:>9,} {high.items:>9,}"]
        for place, slope in enumerate(slopes):
            cells.append(f"{slope:>8.3f} {'' if ratios is None else f'{ratios[place]:.2f}':>6}")
        print(" ".join(cells))
        if ratios is not None:
            largest = max(largest, ratios[0], ratios[2])  # wall time is anybody's
        before = slopes
    return largest


def further_item(low: Cost, high: Cost) -> tuple[float, float, float]:
    """CPU in ms, wall time in ms and memory in KB that one more item takes."""
    more = high.items - low.items
    return (
        (high.cpu_s - low.cpu_s) / more * 1e3,
        (high.wall_s - low.wall_s) / more * 1e3,
        (high.peak_mb - low.peak_mb) / more * 1e3,
    )


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--source", choices=SOURCES, help="only this one")
    parser.add_argument("--rounds", type=int, default=1, help="the least CPU of so many counts")
    parser.add_argument("--limit-mb", type=float, default=1500.0, help="for the largest session")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    figures: dict[str, list[Taken]] = {}
    growth = 0.0
    for source in [options.source] if options.source else SOURCES:
        figures[source] = [
            min((run(source, size) for _ in range(options.rounds)), key=lambda t: t.cost.cpu_s)
            for size in sorted(options.sizes)
        ]
        growth = max(growth, show(source, figures[source]))
    if options.json:
        plain = {source: [asdict(taken) for taken in series] for source, series in figures.items()}
        options.json.write_text(json.dumps(plain, indent=1) + "\n")
    peak = max(taken.cost.peak_mb for series in figures.values() for taken in series)
    print(f"\nlargest memory {peak:.0f} MB of {options.limit_mb:.0f}")
    if peak > options.limit_mb or growth >= MOST_GROWTH:
        sys.exit(1)


if __name__ == "__main__":
    main()
