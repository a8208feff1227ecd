"""Greedy evaluation of a tiny model, in batches, through transformers."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from .items import EFFORTS, TrainingItem, demo
from .text import final_channel, prompt_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import GptOssForCausalLM, PreTrainedTokenizerFast

MAX_NEW_TOKENS = 160


def validation_items(n: int, effort: str = "medium") -> dict[str, list[TrainingItem]]:
    """Return held-out items that are not the demo benchmark's, to watch a training run."""
    draws = demo.Draws("tiny-gpt-oss validation")
    groups: dict[str, list[TrainingItem]] = defaultdict(list)
    for i in range(n // 2):
        kind = demo.WORD_KINDS[i % len(demo.WORD_KINDS)]
        question, numbers, answer, _ = demo.word_problem(draws, kind)
        item = TrainingItem(question, effort, "", str(answer), tuple(numbers))
        groups[f"words/{kind}"].append(item)
        kind = demo.CHOICE_KINDS[i % len(demo.CHOICE_KINDS)]
        question, numbers, options, letter, _ = demo.choice(draws, kind)
        text = demo.choice_text(question, options)
        item = TrainingItem(text, effort, "", letter, tuple(numbers))
        groups[f"choices/{kind}"].append(item)
    return groups


def benchmark_items(effort: str) -> dict[str, list[TrainingItem]]:
    """Return the demo benchmark's items by form and kind."""
    groups: dict[str, list[TrainingItem]] = defaultdict(list)
    for row in demo.word_problems():
        item = TrainingItem(row["question"], effort, "", str(row["answer"]), ())
        groups[f"words/{row['kind']}"].append(item)
    for row in demo.choices():
        item = TrainingItem(demo.choice_prompt(row), effort, "", row["answer"], ())
        groups[f"choices/{row['kind']}"].append(item)
    return groups


@torch.no_grad()
def answers(
    model: GptOssForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    items: Sequence[TrainingItem],
    batch: int = 128,
) -> list[str]:
    """Return the raw greedy output for every item, special tokens included."""
    was_training = model.training
    model.eval()
    texts = [""] * len(items)
    order = sorted(range(len(items)), key=lambda i: len(items[i].user))
    tokenizer.padding_side = "left"
    for start in range(0, len(order), batch):
        chosen = order[start : start + batch]
        prompts = [prompt_text(items[i]) for i in chosen]
        inputs = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
        output = model.generate(
            input_ids=inputs.input_ids,
            attention_mask=inputs.attention_mask,
            max_new_tokens=MAX_NEW_TOKENS,
            do_sample=False,
        )
        for i, row in zip(chosen, output[:, inputs.input_ids.shape[1] :], strict=True):
            texts[i] = tokenizer.decode(row, skip_special_tokens=False)
    model.train(was_training)
    return texts


def accuracy(
    model: GptOssForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    groups: dict[str, list[TrainingItem]],
) -> dict[str, tuple[int, int]]:
    """Return right answers and items for every group and for all of them."""
    items = [(name, item) for name, group in groups.items() for item in group]
    texts = answers(model, tokenizer, [item for _, item in items])
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for (name, item), text in zip(items, texts, strict=True):
        for key in (name, "all"):
            counts[key][0] += final_channel(text) == item.final
            counts[key][1] += 1
    return {name: (right, total) for name, (right, total) in counts.items()}


def wilson(right: int, total: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a proportion."""
    share = right / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (middle - half) / scale, (middle + half) / scale


def report(checkpoint: Path) -> str:
    """Measure a checkpoint on the demo benchmark at every effort; return a Markdown table."""
    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    cells: dict[str, list[str]] = defaultdict(list)
    for effort in EFFORTS:
        counts = accuracy(model, tokenizer, benchmark_items(effort))
        for form in ("words", "choices"):
            parts = [count for name, count in counts.items() if name.startswith(form)]
            counts[form] = (sum(part[0] for part in parts), sum(part[1] for part in parts))
        for name, (right, total) in sorted(counts.items()):
            low, high = wilson(right, total)
            shown = f"{right}/{total} = {right / total:.1%} ({low:.1%} to {high:.1%})"
            cells[name].append(shown.replace("%", " %"))
    lines = [f"| items | {' | '.join(EFFORTS)} |", "|---|" + "---|" * len(EFFORTS)]
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in cells.items()]
    return "\n".join(lines)
