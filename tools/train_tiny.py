"""Train the tiny gpt-oss-architecture models of this project from scratch, on a CPU.

    python tools/train_tiny.py --out build/tiny
    python tools/train_tiny.py --evaluate build/tiny/final
    python tools/train_tiny.py --quantise build/tiny/final --bits 4 --out build/tiny/4-bit

Items, tokenizer, weights and batches follow from `--seed`; what is done when follows from the step
and never from the clock. Every `--snapshot-every` steps the model is saved as `step-NNNNN` in the
output folder and evaluated on held-out operands (not on the demo benchmark's items); the last one
is `final`. `log.jsonl` has the figures.
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tiny.evaluate import accuracy, report, validation_items
from tiny.items import demo, draw_item
from tiny.model import Shape, fast_experts, loss_of, make_model, optimizers
from tiny.quantise import quantise
from tiny.text import answer_text, make_tokenizer, prompt_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import GptOssForCausalLM, PreTrainedTokenizerFast

POOL = 8
"""Batches are cut from this many batches' worth of items sorted by length, to pad little."""
WARMUP = 50
LOG_EVERY = 50
FLAT = 0.5
"""The part of the run before the learning rate starts to fall."""


@dataclass(frozen=True)
class Settings:
    """All that decides a run's result."""

    seed: int = 0
    steps: int = 3200
    batch: int = 48
    matrix_rate: float = 0.02
    rate: float = 3e-3
    threads: int = 1


Row = tuple[list[int], list[int]]


def collate(rows: list[Row], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad rows on the right; only the answers' tokens get labels."""
    length = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.full((len(rows), length), pad)
    labels = torch.full((len(rows), length), -100)
    for i, (prompt, answer) in enumerate(rows):
        end = len(prompt) + len(answer)
        ids[i, :end] = torch.tensor(prompt + answer)
        labels[i, len(prompt) : end] = torch.tensor(answer)
    return ids, labels


def batches(
    draws: demo.Draws, tokenizer: PreTrainedTokenizerFast, settings: Settings
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield one batch per step, with the curriculum's progress of that step."""
    for first in range(0, settings.steps, POOL):
        count = settings.batch * POOL
        items = [draw_item(draws, first / settings.steps) for _ in range(count)]
        prompts = tokenizer([prompt_text(i) for i in items], add_special_tokens=False).input_ids
        answers = tokenizer([answer_text(i) for i in items], add_special_tokens=False).input_ids
        rows = sorted(zip(prompts, answers, strict=True), key=lambda row: len(row[0] + row[1]))
        cut = [rows[i : i + settings.batch] for i in range(0, count, settings.batch)]
        for chunk in draws.shuffled(cut)[: settings.steps - first]:
            yield collate(chunk, tokenizer.pad_token_id)


def rate_factor(step: int, steps: int) -> float:
    """Return the learning rate's factor: up in WARMUP steps, flat, then linearly down."""
    falling = (1 - step / steps) / (1 - FLAT)
    return min(1.0, (step + 1) / WARMUP, falling * 0.98 + 0.02)


def save(model: GptOssForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a checkpoint in bf16."""
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


class Log:
    """The run's records: printed, and appended to `log.jsonl` as they come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._path.write_text("")

    def add(self, record: dict[str, Any]) -> None:
        """Append one record."""
        line = json.dumps(record)
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")


def train(
    out: Path, settings: Settings, shape: Shape, snapshot_every: int, check_items: int
) -> None:
    """Train a model and write its checkpoints and its log to `out`."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    draws = demo.Draws(f"tiny-gpt-oss training {settings.seed}")
    tokenizer = make_tokenizer(draws, shape.vocabulary)
    model = make_model(shape, tokenizer)
    both = optimizers(model, settings.matrix_rate, settings.rate)
    checks = validation_items(check_items)
    out.mkdir(parents=True, exist_ok=True)
    log = Log(out / "log.jsonl")
    parameters = sum(p.numel() for p in model.parameters())
    log.add({"parameters": parameters, "settings": asdict(settings), "shape": asdict(shape)})
    began, mean, tokens = time.monotonic(), 0.0, 0
    for done, (ids, labels) in enumerate(batches(draws, tokenizer, settings), start=1):
        factor = rate_factor(done - 1, settings.steps)
        for optimizer, rate in zip(both, (settings.matrix_rate, settings.rate), strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
        loss = loss_of(model, ids, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        tokens += ids.numel()
        mean = loss.item() if done == 1 else 0.95 * mean + 0.05 * loss.item()
        last = done == settings.steps
        snapshot = last or done % snapshot_every == 0
        if not snapshot and done % LOG_EVERY:
            continue
        seconds = round(time.monotonic() - began, 1)
        record = {"step": done, "loss": round(mean, 4), "tokens": tokens, "seconds": seconds}
        if snapshot:
            save(model, tokenizer, out / ("final" if last else f"step-{done:05d}"))
            record["accuracy"] = accuracy(model, tokenizer, checks)
        log.add(record)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, then train or evaluate."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the folder to write to")
    work = parser.add_mutually_exclusive_group()
    work.add_argument(
        "--evaluate", type=Path, help="only measure this checkpoint on the demo items"
    )
    work.add_argument("--quantise", type=Path, help="only round this checkpoint's weights")
    parser.add_argument("--bits", type=int, default=4, help="for --quantise")
    parser.add_argument("--snapshot-every", type=int, default=200)
    parser.add_argument("--check-items", type=int, default=240)
    for defaults in (Settings(), Shape()):
        for name, value in asdict(defaults).items():
            option = "--" + name.replace("_", "-")
            parser.add_argument(option, type=type(value), default=value)
    given = vars(parser.parse_args(arguments))
    if given["evaluate"]:
        torch.set_num_threads(given["threads"])
        print(report(given["evaluate"]))
        return
    if given["out"] is None:
        parser.error("--out is needed: where to write")
    if given["quantise"]:
        quantise(given["quantise"], given["out"], given["bits"])
        return
    settings = Settings(**{name: given[name] for name in asdict(Settings())})
    shape = Shape(**{name: given[name] for name in asdict(Shape())})
    with fast_experts():
        train(given["out"], settings, shape, given["snapshot_every"], given["check_items"])


if __name__ == "__main__":
    main()
