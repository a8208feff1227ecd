"""How vLLM's engine dies, ends and begins again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from apart import run

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

LIFE = """
import asyncio, json, os, signal, sys, threading, time
import psutil
from pytest_gptoss.engines import EngineOptions, Request
from pytest_gptoss.engines.vllm import VllmEngine
from pytest_gptoss.models import resolve
from pytest_gptoss.records import Message, Sampling


def ask(n, tokens):
    return Request((Message("user", f"Count to {n}."),), Sampling(max_tokens=tokens, temperature=1))


def family():
    everything = psutil.Process().children(recursive=True)
    return [p for p in everything if "resource_tracker" not in " ".join(p.cmdline())]


def main():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    run = lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(300)
    engine = VllmEngine(resolve(sys.argv[1]), EngineOptions(arguments={"max_num_seqs": 4}))
    result = {}

    async def interrupted(end):
        tasks = [asyncio.create_task(engine.generate(ask(n, 1500))) for n in range(64)]
        await asyncio.sleep(0.5)
        begin = time.monotonic()
        await end()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [r for r in results if isinstance(r, Exception)]
        kinds = sorted({type(e).__name__ for e in errors})
        return {"kinds": kinds, "errors": len(errors), "text": str(errors[-1]),
                "seconds": time.monotonic() - begin}

    async def kill():
        os.kill(engine._cores[0].pid, signal.SIGKILL)

    run(engine.open())
    members = family()
    result["members"] = len(members)
    result["killed"] = run(interrupted(kill))
    try:
        run(engine.generate(ask(1, 5)))
    except Exception as error:
        result["afterwards"] = type(error).__name__
    run(engine.close())
    result["left_after_death"] = sum(p.is_running() for p in members)

    run(engine.open())
    result["answer"] = run(engine.generate(ask(1, 5))).completion_tokens
    members = family()
    result["closed"] = run(interrupted(engine.close))
    result["left_after_close"] = sum(p.is_running() for p in members)

    async def given_up():
        opening = asyncio.create_task(engine.open())
        while not family():
            await asyncio.sleep(0.05)
        begin = time.monotonic()
        await engine.close()
        try:
            await opening
        except Exception as error:
            return type(error).__name__, time.monotonic() - begin

    result["given_up"] = run(given_up())
    result["left_after_giving_up"] = len(family())
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    json.dump(result, open(sys.argv[2], "w"))


if __name__ == "__main__":
    main()
"""


def test_its_death_is_told_its_end_is_complete_and_it_can_begin_again(
    tiny: Path, tmp_path: Path
) -> None:
    """In a process of its own, as what is printed when an interpreter ends belongs to it."""
    (tmp_path / "life.py").write_text(LIFE)
    printed = run([tmp_path / "life.py", tiny, tmp_path / "result.json"], {})
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["members"] >= 1
    assert result["killed"]["kinds"] == ["EngineDiedError"]
    assert result["killed"]["errors"] >= 50
    assert result["killed"]["seconds"] < 30
    assert "ended by SIGKILL" in result["killed"]["text"]
    assert result["afterwards"] == "EngineDiedError"
    assert result["left_after_death"] == 0
    assert 1 <= result["answer"] <= 5
    assert result["closed"]["kinds"] == ["EngineError"]
    assert "closed" in result["closed"]["text"]
    assert result["left_after_close"] == 0
    assert result["given_up"][0] == "EngineError"
    assert result["given_up"][1] < 30
    assert result["left_after_giving_up"] == 0
    assert printed == ""
