"""The replay engine: completions that were recorded earlier, looked up by item.

A recording is scanned once for what each line is about; the texts stay in the file and are read
when they are asked for, so that a recording of any size takes a few bytes of memory per line.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.engines._recording import Line, Recording, find_recordings
from pytest_gptoss.engines.telemetry.readings import Placement
from pytest_gptoss.errors import EngineError, UsageError
from pytest_gptoss.prompts import parse_text
from pytest_gptoss.records import Completion

if TYPE_CHECKING:
    from pytest_gptoss.engines.base import EngineOptions, Request
    from pytest_gptoss.models import ModelSpec

__all__ = ["ReplayEngine"]


class ReplayEngine:
    """Answers each request with the completion that is recorded for its item.

    Args:
        spec: The model under test; it chooses among the recordings of several models.
        options: ``completions`` names the file or the folder.
    """

    concurrency = 1024
    placement = Placement(
        elsewhere="answers that were recorded are looked up, so that nothing is generated",
        generates=False,
    )

    def __init__(self, spec: ModelSpec, options: EngineOptions) -> None:
        self.spec = spec
        self._options = options
        self._path: Path | None = None
        self._recordings: dict[str, asyncio.Task[Recording]] = {}
        self._notes: list[str] = []

    async def open(self) -> None:
        """Scan the recordings of the benchmarks that will be asked.

        Raises:
            UsageError: There are no recorded completions at that place, or they cannot be read.
        """
        if self._options.completions is None:
            raise UsageError("the replay engine needs --gptoss-completions PATH")
        path = Path(self._options.completions).expanduser()
        if not path.exists():
            raise UsageError(
                f"--gptoss-completions {path} does not exist; name a file or folder of JSON Lines"
            )
        if path.is_dir() and next(path.rglob("*.jsonl"), None) is None:
            raise UsageError(
                f"--gptoss-completions {path} holds no .jsonl file; name a folder that holds "
                "BENCHMARK.jsonl or BENCHMARK/MODEL.jsonl"
            )
        await self.close()
        self._path = path
        for benchmark in self._options.benchmarks:
            await self._recording(path, benchmark)

    async def close(self) -> None:
        """Close the files."""
        recordings, self._recordings = self._recordings, {}
        self._path = None
        for task in recordings.values():
            task.cancel()
            try:
                (await task).close()
            except (asyncio.CancelledError, UsageError):
                continue

    def facts(self) -> dict[str, Any]:
        """What is replayed; the files appear once their benchmarks have been asked."""
        read = {
            benchmark: task.result()
            for benchmark, task in self._recordings.items()
            if task.done() and not task.cancelled() and task.exception() is None
        }
        return {
            "engine": "replay",
            "version": None,
            "completions": self._options.completions,
            "files": {
                benchmark: {"file": str(recording.path), "rows": recording.rows}
                for benchmark, recording in read.items()
            },
            "notes": [note for recording in read.values() for note in recording.notes],
            "prompt_format": "as recorded",
            "dtype": None,
            "quantization": None,
            "device": None,
            "max_model_len": None,
        }

    async def generate(self, request: Request) -> Completion:
        """Look a completion up.

        Raises:
            EngineError: The item is not recorded, or it is recorded as an error.
            UsageError: The recording cannot be read, or several files may be meant.
        """
        if self._path is None:
            raise EngineError("the replay engine is not open")
        recording = await self._recording(self._path, request.benchmark)
        line = recording.line(request.item_id, request.row, request.repeat)
        return _completion(line, recording)

    async def _recording(self, path: Path, benchmark: str) -> Recording:
        task = self._recordings.get(benchmark)
        if task is None:
            task = asyncio.create_task(self._read(path, benchmark))
            self._recordings[benchmark] = task
        return task.result() if task.done() else await asyncio.shield(task)

    async def _read(self, path: Path, benchmark: str) -> Recording:
        """Find and scan a benchmark's recording, off the event loop."""
        return await asyncio.to_thread(find_recordings, path, benchmark, self.spec)


def _completion(line: Line, recording: Recording) -> Completion:
    """Turn a recorded line into a completion; timings are unknown, never invented."""
    recorded = line.completion
    where = f"{recording.path}: item {line.item_id!r}"
    if isinstance(recorded, dict):  # a line of a journal holds the whole record
        try:
            completion = msgspec.convert(recorded, Completion)
        except msgspec.ValidationError as error:
            raise EngineError(f"{where} holds no completion that can be read ({error})") from None
        if completion.error is not None:
            raise EngineError(f"{where} is recorded as an error: {completion.error}")
        completion.queue_s = completion.ttft_s = completion.latency_s = None
        return completion
    if line.error:
        raise EngineError(f"{where} is recorded as an error: {line.error}")
    if recorded is None and line.final is None:
        raise EngineError(f"{where} is recorded without a completion")
    completion = Completion(
        final=line.final or "",
        reasoning=line.reasoning or line.reasoning_content,
        finish_reason=line.finish_reason,
        malformed=line.malformed,
        prompt_tokens=line.prompt_tokens,
        completion_tokens=line.completion_tokens,
        reasoning_tokens=line.reasoning_tokens,
        served_model=line.model,
    )
    if line.outcome == "malformed" and completion.malformed is None:
        completion.malformed = "recorded as malformed"
    if recorded is None:
        return completion
    if completion.reasoning is not None:  # its channels were told apart when it was recorded
        completion.final = recorded
        return completion
    parsed = parse_text(recorded, reasoning="auto", finish_reason=line.finish_reason)
    if completion.finish_reason is None and not parsed.complete and parsed.malformed is None:
        completion.finish_reason = "length"  # the transcript ends before its final channel
    completion.final = parsed.final
    completion.reasoning = parsed.reasoning
    completion.malformed = completion.malformed or parsed.malformed
    completion.raw = parsed.raw
    return completion
