"""This plugin beside lm-evaluation-harness and inspect_ai, on the same rows and the same server.

    nox -s peers -- --gptoss-data FOLDER [--rounds 3] [--items 100 1319]

installs both peers from the package index, each into an environment of its own, and runs this. By
turns, in an order that rotates, each harness answers GSM8K's test split through the chat
completions of a local server, a fresh one each time: the same rows out of the same file, the same
prompt, the same cap and temperature, the same number of requests in flight, every harness writing
its record of every item. The first round is not counted: caches fill and bytecode is compiled.

Measured is the whole command, from start to end: wall time, the processor time of its processes,
and the largest memory of the process tree (resident sizes, looked at twenty times a second). The
server is not counted. From two sizes follows what each further item costs, without the start-up.
The server has a script, so the accuracy that each harness has to report is known; that, and what
the server was asked, is checked after each run, and a run that did other work ends this with 1.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from gsm8k_server import least_wall_s
from harnesses import HARNESSES, INSPECT, LM_EVAL, MAX_TOKENS, OURS, ROWS, Work
from processes import ROOT, plain_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Taken:
    """What one run took, what it reported, and what the server was asked."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    accuracy: float
    asked: dict[str, Any]


Rounds = dict[str, list[Taken]]
"""The counted runs of each harness."""


# --- measuring -----------------------------------------------------------------------------------


@contextmanager
def server(work: Work) -> Iterator[str]:
    """A fresh server; gives its address."""
    command = [sys.executable, str(ROOT / "benchmarks" / "gsm8k_server.py"), str(work.rows)]
    command += ["--mean-s", str(work.mean_s)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


def run(name: str, work: Work) -> Taken:
    """One run of one harness."""
    command_of, reported_of = HARNESSES[name]
    with tempfile.TemporaryDirectory(dir=work.folder) as folder, server(work) as url:
        out = Path(folder)
        command = command_of(work, out, url)
        with (out / "output.txt").open("w+") as output:
            begin = time.perf_counter()
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment(work, name), cwd=out
            )
            memory = Memory(process.pid)
            memory.start()
            try:
                _, status, usage = os.wait4(process.pid, 0)
            except BaseException:
                process.kill()
                raise
            wall_s = time.perf_counter() - begin
            process.returncode = code = os.waitstatus_to_exitcode(status)
            peak_mb = memory.end()
            if code != 0:
                output.seek(0)
                sys.exit(f"{' '.join(command)} ended with {code}:\n{output.read()[-4000:]}")
        with urllib.request.urlopen(f"{url}/asked") as answer:
            asked = json.load(answer)
        accuracy = reported_of(out, work.pythons[name])
        return Taken(wall_s, usage.ru_utime + usage.ru_stime, peak_mb, accuracy, asked)


def environment(work: Work, name: str) -> dict[str, str]:
    """Nothing of the network, and a cache of its own for each."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    caches = {"HF_HOME": str(work.folder / f"cache-{name}")}
    keys = {"LOCAL_API_KEY": "none", "OPENAI_API_KEY": "none"}
    base = plain_environment() if name == OURS else dict(os.environ)
    return base | offline | caches | keys


class Memory(threading.Thread):
    """The largest sum of the resident sizes of a process and all that it started."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self._ended = threading.Event()
        self._most = 0

    def run(self) -> None:
        """Look until `end` is called."""
        while not self._ended.wait(0.05):
            with suppress(psutil.Error):
                tree = [self._process, *self._process.children(recursive=True)]
                self._most = max(self._most, sum(_resident(process) for process in tree))

    def end(self) -> float:
        """Stop; megabytes."""
        self._ended.set()
        self.join()
        return self._most / 1e6


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it ended just now
        return 0


# --- telling -------------------------------------------------------------------------------------


def check(name: str, taken: Taken, work: Work) -> list[str]:
    """What a run did otherwise than all were to do."""
    wrong = []
    asked = taken.asked
    if (asked["requests"], asked["questions"], asked["other_prompts"]) != (work.items,) * 2 + (0,):
        wrong.append(
            f"{name} sent {asked['requests']} requests for {asked['questions']} of {work.items} "
            f"questions, and {asked['other_prompts']} with another prompt"
        )
    agreed = f"at most {MAX_TOKENS} tokens, temperature 0"
    if not all(settings in (agreed, f"{agreed}.0") for settings in asked["settings"]):
        wrong.append(f"{name} asked for {', '.join(asked['settings'])}")
    if asked["most_in_flight"] > work.concurrency:
        wrong.append(f"{name} had {asked['most_in_flight']} requests in flight")
    if abs(taken.accuracy - work.accuracy) > 1e-9:
        wrong.append(f"{name} reports an accuracy of {taken.accuracy:.4f}, not {work.accuracy:.4f}")
    return wrong


def show(rounds: Rounds, work: Work) -> None:
    """Print medians with their ranges, and each peer's ratios to ours, round by round."""
    least = least_wall_s(work.items, work.mean_s, work.concurrency)
    print(
        f"\n{work.items:,} items, {work.concurrency} in flight; the answers alone: {least:.1f} s\n"
    )
    print("| | wall s | CPU s | CPU ms per item | peak MB | most in flight | reported |")
    print("|---|---|---|---|---|---|---|")
    for name, taken in rounds.items():
        cells = [
            spread([run.wall_s for run in taken], 1),
            spread([run.cpu_s for run in taken], 1),
            spread([run.cpu_s / work.items * 1e3 for run in taken], 1),
            spread([run.peak_mb for run in taken], 0),
            spread([run.asked["most_in_flight"] for run in taken], 0),
            " ".join(sorted({f"{run.accuracy:.2%}" for run in taken})),
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    fields = {"wall time": "wall_s", "CPU": "cpu_s", "peak memory": "peak_mb"}
    ratios = {
        f"{what} of {name}": [
            getattr(theirs, field) / getattr(own, field)
            for theirs, own in zip(rounds[name], rounds[OURS], strict=True)
        ]
        for name in (LM_EVAL, INSPECT)
        for what, field in fields.items()
    }
    show_ratios(ratios)


def show_further(small: Rounds, large: Rounds, more: int) -> None:
    """Print what each further item costs: the start-up and the fixed work are left out."""
    print(f"\neach of {more:,} further items\n")
    print("| | CPU ms | wall ms |")
    print("|---|---|---|")
    cpu: dict[str, list[float]] = {}
    for name in HARNESSES:
        pairs = list(zip(small[name], large[name], strict=True))
        cpu[name] = [(b.cpu_s - a.cpu_s) / more * 1e3 for a, b in pairs]
        wall = [(b.wall_s - a.wall_s) / more * 1e3 for a, b in pairs]
        print(f"| {name} | {spread(cpu[name], 2)} | {spread(wall, 2)} |")
    ratios = {
        f"CPU of {name}": [a / b for a, b in zip(cpu[name], cpu[OURS], strict=True)]
        for name in (LM_EVAL, INSPECT)
    }
    show_ratios(ratios)


def show_ratios(ratios: dict[str, list[float]]) -> None:
    """Print them, a line each."""
    print(f"\nrelative to {OURS}, round by round:")
    for what, values in ratios.items():
        print(f"  {what}: {spread(values, 1)} times")


def spread(values: list[float], digits: int) -> str:
    """The median, and the range around it."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gptoss-data", type=Path, default=os.environ.get("GPTOSS_DATA"))
    parser.add_argument("--lm-eval", type=Path, required=True, help="the Python that has it")
    parser.add_argument("--inspect-ai", type=Path, required=True, help="the Python that has it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--items", type=int, nargs="+", default=[100, 1319], help="of the first so many rows"
    )
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--mean-s", type=float, default=0.2, help="an answer's time on average")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args()
    if options.gptoss_data is None:
        parser.error(f"name the folder that holds {ROWS} by --gptoss-data or GPTOSS_DATA")
    lines = (Path(options.gptoss_data) / ROWS).read_text(encoding="utf-8").splitlines()
    sizes = sorted({min(size, len(lines)) for size in options.items})
    with tempfile.TemporaryDirectory() as folder:
        works = [
            Work(
                folder=Path(folder) / str(size),
                items=size,
                concurrency=options.concurrency,
                mean_s=options.mean_s,
                pythons={
                    OURS: Path(sys.executable),
                    # Not resolved: an environment's Python is a link, and known by its place.
                    LM_EVAL: options.lm_eval.absolute(),
                    INSPECT: options.inspect_ai.absolute(),
                },
            )
            for size in sizes
        ]
        for work in works:
            work.rows.parent.mkdir(parents=True)
            work.rows.write_text("\n".join(lines[: work.items]) + "\n", encoding="utf-8")
        runs, wrong = by_turns(works, options.rounds)
    for work, rounds in zip(works, runs, strict=True):
        show(rounds, work)
    if len(sizes) > 1:
        show_further(runs[0], runs[-1], sizes[-1] - sizes[0])
    if options.json:
        plain = {
            work.items: {name: [asdict(run) for run in taken] for name, taken in rounds.items()}
            for work, rounds in zip(works, runs, strict=True)
        }
        options.json.write_text(json.dumps(plain, indent=1) + "\n")
    if wrong:
        sys.exit("\nnot the same work:\n" + "\n".join(dict.fromkeys(wrong)))
    print("\nAll sent one request for each row, with one prompt, one cap and one temperature, and")
    print(
        "report the accuracy of the server's script: "
        + ", ".join(f"{w.accuracy:.2%}" for w in works)
    )


def by_turns(works: list[Work], count: int) -> tuple[list[Rounds], list[str]]:
    """Run everybody on everything, round by round; what was not as agreed comes beside it."""
    runs: list[Rounds] = [{name: [] for name in HARNESSES} for _ in works]
    wrong: list[str] = []
    for turn in range(count + 1):
        names = list(HARNESSES)
        names = names[turn % len(names) :] + names[: turn % len(names)]
        for work, rounds in zip(works, runs, strict=True):
            for name in names:
                taken = run(name, work)
                wrong += check(name, taken, work)
                if turn > 0:
                    rounds[name].append(taken)
                print(
                    f"{f'round {turn}' if turn else 'warm-up'}, {work.items:,} items, {name}: "
                    f"{taken.wall_s:.1f} s wall, {taken.cpu_s:.1f} s CPU, {taken.peak_mb:.0f} MB",
                    flush=True,
                )
    return runs, wrong


if __name__ == "__main__":
    main()
