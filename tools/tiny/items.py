"""Training items: a prompt, the worked steps of an effort, and the final answer.

The texts and the split of operands are the demo benchmark's own (`suites/_demo_items.py`); this
module adds what the model is to write in the analysis channel, and the mix of a training run.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

EFFORTS = ("low", "medium", "high")
INSTRUCTIONS = (
    "Answer with the number only.",
    "Answer the question.",
    "Be brief.",
    "You are a helpful assistant.",
)
"""Developer messages seen in training, so that one does not throw the model off."""


def _demo_items() -> ModuleType:
    """Load the benchmark's generator by its path; `suites` is not an importable package here."""
    path = Path(__file__).resolve().parents[2] / "suites" / "_demo_items.py"
    # Under a name of its own: pytest would complain that a plugin's module is there already.
    spec = importlib.util.spec_from_file_location("tiny_demo_items", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


demo = _demo_items()


@dataclass(frozen=True)
class TrainingItem:
    """One conversation: what is asked and what the model is to answer."""

    user: str
    effort: str
    analysis: str
    final: str
    operands: tuple[int, ...]
    developer: str = ""


def columns(a: int, b: int, sign: str) -> str:
    """Write a sum or difference column by column, ones first, with its carries: `5+8=13;4+3+1=8`.

    A borrow shows as the ten that is added in front: `15-8=7;4-3-1=0`.
    """
    parts, carry, digits = [], 0, ""
    width = max(len(str(a)), len(str(b)))
    for place in range(width):
        x, y = a // 10**place % 10, b // 10**place % 10
        value = x + y + carry if sign == "+" else x - y - carry
        if sign == "-" and value < 0:
            x, value = x + 10, value + 10
            following = 1
        else:
            following = value // 10
        parts.append(f"{x}{sign}{y}" + (f"{sign}1" if carry else "") + f"={value}")
        digits = str(value if place == width - 1 else value % 10) + digits
        carry = following
    return f"{a}{sign}{b}:" + ";".join(parts) + f";{int(digits)}"


def compare(a: int, b: int) -> str:
    """Compare two numbers digit by digit, tens first: `34?52 3<5` or `54?57 5=5 4<7`."""
    tens, ones = (a // 10, b // 10), (a % 10, b % 10)
    sign = "=<>"[(tens[0] < tens[1]) + 2 * (tens[0] > tens[1])]
    text = f"{a}?{b} {tens[0]}{sign}{tens[1]}"
    if sign == "=":
        text += f" {ones[0]}{'<' if ones[0] < ones[1] else '>'}{ones[1]}"
    return text


def running_best(labels: Sequence[str], numbers: Sequence[int], largest: bool, effort: str) -> str:
    """Walk over the numbers and write the best so far: `A12,B45:B45,C7:B45`.

    At high effort every step shows the comparison of the digits as well.
    """
    best = 0
    text = f"{labels[0]}{numbers[0]}"
    for i in range(1, len(numbers)):
        text += f",{labels[i]}{numbers[i]}"
        if effort == "high":
            text += f" {compare(numbers[best], numbers[i])}"
        if (numbers[i] > numbers[best]) == largest:
            best = i
        text += f":{labels[best]}{numbers[best]}"
    return text


def analysis(operation: str, numbers: Sequence[int], options: Sequence[int], effort: str) -> str:
    """Return the worked steps that the effort asks for.

    Low effort has none. High effort adds to medium's steps: the comparison of digits, or the
    inverse calculation as a check.
    """
    if effort == "low":
        return ""
    if operation in ("addition", "subtraction"):
        a, b = numbers
        text = columns(a, b, "+" if operation == "addition" else "-")
        result = a + b if operation == "addition" else a - b
        if effort == "high":
            back = columns(result, b, "-" if operation == "addition" else "+")
            text += f". Check {back}"
        if options:
            seen = options[: options.index(result) + 1]
            scan = [f"{letter}{option}" for letter, option in zip(demo.LETTERS, seen, strict=False)]
            text += f". {','.join(scan)} yes"
        return text
    labels = demo.LETTERS if options else [""] * len(numbers)
    return running_best(labels, numbers, operation.startswith("largest"), effort)


def weighted(draws: demo.Draws, weights: dict[str, int]) -> str:
    """Draw a key with the given integer weights."""
    ticket = draws.below(sum(weights.values()))
    for key, weight in weights.items():
        ticket -= weight
        if ticket < 0:
            return key
    raise AssertionError("weights must be positive")


WORDS = {"addition": 3, "subtraction": 3, "comparison": 2, "ordering": 2}
CHOICES = {"addition": 3, "subtraction": 3, "comparison": 4}


def draw_item(draws: demo.Draws, progress: float = 1.0) -> TrainingItem:
    """Draw a training item; `progress` is the clock of the curriculum, from 0 to 1.

    Bare sums and short comparisons come first: without them the loss stays on a plateau, as the
    model would have to learn reading and arithmetic at once. Then word problems, then choices and
    the other efforts.
    """
    if progress < 0.08:
        form, effort = "bare", "medium"
    elif progress < 0.2:
        form, effort = weighted(draws, {"bare": 3, "words": 7}), "medium"
    else:
        form = weighted(draws, {"bare": 1, "words": 4, "choices": 5})
        effort = weighted(draws, {"low": 14, "medium": 64, "high": 22})
    if form == "choices":
        kind = weighted(draws, CHOICES)
        question, numbers, options, letter, operation = demo.choice(draws, kind, test=False)
        user, final = demo.choice_text(question, options), letter
    else:
        kind = weighted(draws, WORDS)
        user, numbers, answer, operation = demo.word_problem(draws, kind, test=False)
        options, final = [], str(answer)
        if form == "bare":
            user = bare(operation, numbers)
    developer = ""
    if progress >= 0.2 and draws.below(16) == 0:
        developer = draws.pick(INSTRUCTIONS)
    steps = analysis(operation, numbers, options, effort)
    return TrainingItem(user, effort, steps, final, tuple(numbers), developer)


def bare(operation: str, numbers: Sequence[int]) -> str:
    """Return the shortest question for an operation."""
    if operation == "addition":
        return str(demo.SUM_CHOICE.format(a=numbers[0], b=numbers[1]))
    if operation == "subtraction":
        return str(demo.DIFFERENCE_CHOICE.format(a=numbers[0], b=numbers[1]))
    which = demo.LARGEST_CHOICE if operation.startswith("largest") else demo.SMALLEST_CHOICE
    return f"{which} {', '.join(map(str, numbers))}"
