"""A local OpenAI-compatible server that answers GSM8K by script, for harnesses to be compared on.

It knows the rows and the one prompt that every harness is to ask with. Every fifth row it answers
wrongly, so the accuracy that each harness has to report is known. Each answer takes a time of its
own, the same whoever asks: drawn from a lognormal distribution, as answers of differing length
take. As a script it prints its port::

    python benchmarks/gsm8k_server.py ROWS.jsonl [--mean-s 0.2]

What it was asked is told at ``/asked``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from aiohttp import web

MODEL = "scripted"
WRONG_EVERY = 5
SPREAD = 0.5
"""Of the logarithm of the seconds: one answer in twenty takes over twice the median."""
STEPS = "First write down what is known. Then take it one step after the other. " * 8


class Scripted:
    """The answers, and what was asked for them.

    Args:
        rows: GSM8K's rows: ``question``, and an ``answer`` that ends with ``#### number``.
        prompt: What is asked, with ``{question}`` in it.
        mean_s: Seconds that an answer takes on average.
    """

    def __init__(self, rows: list[dict[str, str]], prompt: str, mean_s: float) -> None:
        self._known: dict[str, tuple[int, str]] = {}
        for index, row in enumerate(rows):
            number = re.sub(r"[,$\s]", "", row["answer"].rpartition("#### ")[2])
            if index % WRONG_EVERY == WRONG_EVERY - 1:
                number += "7"
            self._known[prompt.format(question=row["question"]).strip()] = index, number
        self._mean_s = mean_s
        self._asked: Counter[int] = Counter()
        self._settings: Counter[str] = Counter()
        self._unknown, self._now, self._most = 0, 0, 0

    async def chat(self, request: web.Request) -> web.Response:
        """Answer one question when its time has come."""
        body = await request.json()
        known = self._known.get(_text(body["messages"][-1]["content"]).strip())
        if known is None or len(body["messages"]) != 1:
            self._unknown += 1
            return web.json_response({"error": {"message": "not the prompt"}}, status=400)
        index, number = known
        cap = body.get("max_completion_tokens", body.get("max_tokens"))
        self._asked[index] += 1
        self._settings[f"at most {cap} tokens, temperature {body.get('temperature')}"] += 1
        self._now += 1
        self._most = max(self._most, self._now)
        try:
            await asyncio.sleep(self._seconds(index))
        finally:
            self._now -= 1
        return web.json_response(_completion(f"{STEPS}\nAnswer: {number}"))

    async def models(self, _: web.Request) -> web.Response:
        """The one model."""
        card = {"id": MODEL, "object": "model", "owned_by": "script"}
        return web.json_response({"object": "list", "data": [card]})

    async def asked(self, _: web.Request) -> web.Response:
        """What was asked so far."""
        return web.json_response(
            {
                "requests": self._asked.total(),
                "questions": len(self._asked),
                "other_prompts": self._unknown,
                "settings": self._settings,
                "most_in_flight": self._most,
            }
        )

    def _seconds(self, index: int) -> float:
        if self._mean_s == 0:
            return 0.0
        middle = math.log(self._mean_s) - SPREAD**2 / 2
        return random.Random(index).lognormvariate(middle, SPREAD)


def least_wall_s(rows: int, mean_s: float, concurrency: int) -> float:
    """What the answers alone take when so many are always in flight."""
    script = Scripted([], "", mean_s)
    return sum(script._seconds(index) for index in range(rows)) / concurrency


def _text(content: str | list[dict[str, Any]]) -> str:
    """A message's text, also where it comes in parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content)


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 1700000000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 150, "total_tokens": 250},
    }


async def serve(rows: Path, mean_s: float) -> None:
    """Serve until the standard input ends, as it does when whoever started this is gone."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from suites.test_gsm8k import PROMPT

    read = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    script = Scripted(read, PROMPT, mean_s)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", script.chat)
    app.router.add_get("/v1/models", script.models)
    app.router.add_get("/asked", script.asked)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """Run as a script."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--mean-s", type=float, default=0.2, help="an answer's time on average")
    options = parser.parse_args()
    asyncio.run(serve(options.rows, options.mean_s))


if __name__ == "__main__":
    main()
