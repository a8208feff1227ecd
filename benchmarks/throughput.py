"""How much slower is an evaluation than one call of vLLM's own offline `LLM.generate`?

    python benchmarks/throughput.py [--model FOLDER] [--rows FILE.jsonl] [--pytest]

Two processes hold one vLLM each, started with the same arguments: one gives all prompts to a single
`LLM.generate`, the other asks `VllmEngine` for each of them as the scheduler does, rendering and
parsing included. They answer the same prompts by turns (`--rounds`), the one whose turn it is not
being stopped, with the prefix cache emptied before each round. Starting vLLM is not measured;
"CPU s" is that of the asking process alone, without vLLM's core. With `--pytest` the generation
phase of a whole `pytest suites/test_gsm8k.py` follows (GPTOSS_DATA names the rows), and all of them
answer that suite's prompts.

Without `--model` it is a random checkpoint of 0.2 M parameters, on which everything around the
model shows as it never does on a real one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
TARGET = 1.10
WORDS = ("Tom", "has", "some", "apples", "and", "buys", "more", "books", "for", "each", "child")


# --- the prompts ---------------------------------------------------------------------------------


def questions(options: argparse.Namespace) -> list[str]:
    """The users' messages: the suite's own, a file's, or made up."""
    if options.pytest:
        sys.path.insert(0, str(ROOT))
        from suites.test_gsm8k import gsm8k

        table = gsm8k.open()
        items = (gsm8k.build(table[index]) for index in range(len(table)))
        return [item.messages[0].content for item in items][: options.prompts]
    if options.rows:
        lines = Path(options.rows).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        return [row.get("prompt") or row["question"] for row in rows][: options.prompts]
    rng = random.Random(0)
    return [" ".join(rng.choices(WORDS, k=rng.randint(20, 120))) for _ in range(options.prompts)]


# --- the two sides, each in a process of its own -------------------------------------------------


def serve(side: str, model: str, max_tokens: int) -> None:
    """Start one side and answer a round whenever a line asks for it."""
    from pytest_gptoss.engines import EngineOptions, Request
    from pytest_gptoss.engines.vllm import VllmEngine
    from pytest_gptoss.models import resolve
    from pytest_gptoss.records import Message, Sampling

    texts = json.loads(sys.stdin.readline())
    sampling = Sampling(max_tokens=max_tokens)
    requests = [Request((Message("user", text),), sampling) for text in texts]
    engine = VllmEngine(resolve(model), EngineOptions())
    start = offline if side == "offline" else in_flight
    with asyncio.Runner() as runner:
        answer = start(engine, requests, runner)
        say({"ready": True})
        for _ in sys.stdin:
            say(answer())
        runner.run(engine.close())


def say(value: dict[str, Any]) -> None:
    print("RESULT", json.dumps(value), flush=True)


def offline(engine: Any, requests: list[Any], runner: asyncio.Runner) -> Callable[[], Any]:
    """One call of `LLM.generate`, given prompts that are rendered already."""
    from vllm import LLM, SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.platforms import current_platform

    from pytest_gptoss.prompts import renderer_for

    renderer = renderer_for(engine.spec)
    arguments = engine._engine_arguments(current_platform, AsyncEngineArgs, renderer)
    llm = LLM(**{key: value for key, value in arguments.items() if key != "disable_log_stats"})
    prompts = [{"prompt_token_ids": renderer.render(r.messages)} for r in requests]
    params = SamplingParams(
        temperature=0,
        max_tokens=requests[0].sampling.max_tokens,
        stop_token_ids=list(renderer.stop_token_ids),
        detokenize=False,
    )

    def answer() -> dict[str, Any]:
        llm.reset_prefix_cache()
        begin, cpu = time.perf_counter(), time.process_time()
        outputs = llm.generate(prompts, params, use_tqdm=False)
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        return {"wall_s": wall, "cpu_s": cpu, "tokens": tokens}

    return answer


def in_flight(engine: Any, requests: list[Any], runner: asyncio.Runner) -> Callable[[], Any]:
    """Every request asked of the engine on its own, as many in flight as it wants."""
    runner.run(engine.open())

    async def all_at_once() -> dict[str, Any]:
        await engine._engine.reset_prefix_cache()
        waiting = iter(requests)
        tokens = 0

        async def worker() -> None:
            nonlocal tokens
            for request in waiting:
                completion = await engine.generate(request)
                tokens += completion.completion_tokens

        begin, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(engine.concurrency, len(requests))):
                workers.create_task(worker())
        wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
        return {"wall_s": wall, "cpu_s": cpu, "tokens": tokens}

    return lambda: runner.run(all_at_once())


class Side:
    """A process that answers rounds, and is stopped while it is not its turn."""

    def __init__(self, name: str, options: argparse.Namespace, texts: list[str]) -> None:
        command = [sys.executable, __file__, "--side", name, "--model", options.model]
        command += ["--max-tokens", str(options.max_tokens)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,  # a process group that holds vLLM's core too
        )
        self._write(json.dumps(texts))
        self._read()
        self.pause()

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("RESULT "):
                result: dict[str, Any] = json.loads(line[7:])
                return result
        raise SystemExit(f"a side ended with status {self._process.wait()}")

    def pause(self) -> None:
        """Stop every process of this side."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def round(self) -> dict[str, Any]:
        """Let it answer all prompts once."""
        os.killpg(self._process.pid, signal.SIGCONT)
        self._write("")
        result = self._read()
        self.pause()
        return result

    def end(self) -> None:
        """Let it close its engine."""
        os.killpg(self._process.pid, signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Both sides with the same cache, quietly."""
    defaults = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**defaults, **os.environ, "PYTHONPATH": path}


# --- the third side: the whole of pytest ---------------------------------------------------------


def whole_session(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run pytest on the suite; return the generation phase as its summary has it."""
    run = folder / f"run-{time.monotonic_ns()}"
    command = [sys.executable, "-m", "pytest", str(ROOT / "suites" / "test_gsm8k.py"), "-q"]
    command += ["--model", options.model, "--gptoss-engine", "vllm", "--gptoss-gate", "off"]
    command += ["--gptoss-max-tokens", str(options.max_tokens), "--gptoss-run", str(run)]
    command += ["-p", "no:cacheprovider", "--rootdir", str(ROOT)]
    begin = time.perf_counter()
    finished = subprocess.run(
        command, cwd=folder, env=environment(), capture_output=True, text=True
    )
    session = time.perf_counter() - begin
    try:
        group = json.loads((run / "summary.json").read_text(encoding="utf-8"))["groups"][0]
    except (OSError, ValueError, LookupError):
        raise SystemExit(f"pytest wrote no summary:\n{finished.stdout}{finished.stderr}") from None
    return {
        "wall_s": group["wall_s"],
        "tokens": group["completion_tokens"],
        "n": group["n"],
        "session_s": session,
    }


# --- the comparison ------------------------------------------------------------------------------


def compare(options: argparse.Namespace, folder: Path) -> float:
    texts = questions(options)
    print(f"{len(texts)} prompts, at most {options.max_tokens} tokens each, {options.model}")
    sides: dict[str, Side] = {}
    try:
        for name in ("offline", "engine"):
            sides[name] = Side(name, options, texts)
            sides[name].round()  # the first one warms up and is not counted
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for number in range(options.rounds):
            order = list(sides) if number % 2 == 0 else list(sides)[::-1]
            for name in order:
                rounds[name].append(sides[name].round())
    finally:
        for side in sides.values():
            side.end()
    if options.pytest:
        rounds["pytest"] = [whole_session(options, folder) for _ in range(options.rounds)]
    return report(rounds, len(texts))


def report(rounds: dict[str, list[dict[str, Any]]], count: int) -> float:
    names = {"offline": "LLM.generate", "engine": "VllmEngine", "pytest": "pytest, generation"}
    base = statistics.median(r["wall_s"] for r in rounds["offline"])
    worst = 0.0
    print(
        f"\n{'':20} {'wall s':>8} {'tokens':>8} {'tokens/s':>9} {'ratio':>6} {'CPU s':>6}   rounds"
    )
    for name, results in rounds.items():
        wall = statistics.median(r["wall_s"] for r in results)
        tokens = statistics.median(r["tokens"] for r in results)
        worst = max(worst, wall / base)
        cpu = [r["cpu_s"] for r in results if "cpu_s" in r]
        own = f"{statistics.median(cpu):6.2f}" if cpu else f"{'':6}"
        each = " ".join(f"{r['wall_s']:.2f}" for r in results)
        print(
            f"{names[name]:20} {wall:8.2f} {tokens:8.0f} {tokens / wall:9.0f} "
            f"{wall / base:6.3f} {own}   {each}"
        )
    if sessions := [r["session_s"] for r in rounds.get("pytest", [])]:
        print(
            f"\nwhole pytest sessions, start of vLLM included: {statistics.median(sessions):.1f} s"
        )
    if len({r["tokens"] for r in rounds["offline"] + rounds["engine"]}) > 1:
        print(
            "\nthe token counts differ: rounding in a batch of another make-up decides close calls"
        )
    verdict = "within" if worst <= TARGET else "ABOVE"
    print(f"\n{count} prompts: {verdict} {TARGET} x the wall time of one LLM.generate call")
    return worst


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a checkpoint folder or hub id (default: a random one)")
    parser.add_argument("--rows", help='JSON Lines with "prompt" or "question"')
    parser.add_argument("--prompts", type=int, default=1319)
    parser.add_argument("--max-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pytest", action="store_true", help="measure a whole session too")
    parser.add_argument("--side", choices=("offline", "engine"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        serve(options.side, options.model, options.max_tokens)
        return 0
    with tempfile.TemporaryDirectory(prefix="throughput-") as name:
        folder = Path(name)
        if options.model is None:
            sys.path.insert(0, str(ROOT / "tests" / "engines"))
            from tiny_checkpoint import make_tiny_gpt_oss

            options.model = str(make_tiny_gpt_oss(folder / "tiny", seed=1))
        return 0 if compare(options, folder) <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
