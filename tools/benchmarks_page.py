"""Writes docs/benchmarks.md from the declarations in suites/.

Run ``python tools/benchmarks_page.py``; a test holds the page to the declarations.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_gptoss.benchmark import Benchmark
from pytest_gptoss.prompts import Shots
from pytest_gptoss.scorers.aggregates import Balanced, ByCategory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"

ITEMS = {
    "mmlu": 14042,
    "gsm8k": 1319,
    "humaneval": 164,
    "finqa": 1147,
    "piqa": 1838,
    "ceval": 1346,
    "dialogsum": 500,
    "sciq": 1000,
    "medqa": 1273,
}
"""Rows of the pinned split; LegalBench's depend on the copy, LegalQA's on yours."""

CARD = {"mmlu": ("85.9 / 88.0 / 90.0", "80.4 / 84.0 / 85.3")}
"""gpt-oss-120b and -20b at low / medium / high effort, arXiv:2508.10925."""

PAPER = {
    "mmlu": (66, 69),
    "humaneval": (87, 73),
    "finqa": (84, 58),
    "piqa": (78, 66),
    "ceval": (28, 20),
    "dialogsum": (88, 88),
    "legalqa": (87, 70),
    "sciq": (82, 87),
    "gsm8k": (88, 82),
    "medqa": (82, 82),
}
"""gpt-oss-120b and -20b, read off the heat map of arXiv:2508.12461."""

HEAD = """\
# Benchmarks

<!-- Written by tools/benchmarks_page.py from the declarations in suites/; edit those. -->

Every benchmark is one file in [`suites/`](../suites): the declaration and its test function. Rows
come from the Hub at the named revision, or from the authors' release where the Hub holds only a
script for it, or from a local mirror (`--gptoss-data DIR`) laid out
`<owner>/<name>/<config>/<split>.jsonl`. Items are asked in one chat turn; the answer is read from
the final text alone. How to write one of your own: [adding-a-benchmark.md](adding-a-benchmark.md).

## What is asked, and how it is scored

| suite | benchmark | task | items | scorer | chance | licence |
|---|---|---|---:|---|---:|---|
"""

SCORERS = {
    "choice": "the option that is stated last; open alternatives (“A or B”) are no answer",
    "code": "the program that the answer amounts to passes the hidden test, within 3 seconds; it "
    "and the test run in a sandbox, in processes of their own",
    "finqa": "the stated result, equal to the gold result to one unit of the fifth decimal "
    "(FinQA's own evaluation rounds both there), or yes/no",
    "label": "the label that is stated last, compared without case and punctuation",
    "legalbench": "each task's own rule: label match; within 10 % (`sara_numeric`); F1 of the "
    "named set (`successor_liability`, `ssla_*`); the case's name (`citation_prediction_open`)",
    "number": "the stated number, equal to 0.000001; without an explicit statement the last one",
    "rouge": "ROUGE-1/2/L F1 against each reference, averaged over the references; ROUGE-L is the "
    "item's score. A degree: no item is right or wrong",
}


JUDGE = """\
LegalQA asks for free text. With `--gptoss-judge URL --gptoss-judge-model NAME` (ini keys
`gptoss_judge`, `gptoss_judge_model`; the key from the variable that `--gptoss-judge-key-env` names)
another model, asked through that OpenAI-compatible server, grades each answer from 0 to 10 against
the reference; the score is the grade divided by ten, and the judge's name is part of the scorer's
version. Under which name it answered is counted (`judges` of each group), and told where that is
another. Without a judge the score is ROUGE-L, which measures shared wording, not legal correctness.
The two are never comparable.

"""

CODE = """\
## Programs

HumanEval's answers are programs, which run in a [sandbox](sandbox.md). Read from an answer is: of
several blocks of code the last whole one that defines the function; a body alone, as base models
continue a prompt, too; with the imports and helpers that it uses from the prompt and from other
blocks. Examples, tests and a `main` behind the function are left out. `extracted` in `items.jsonl`
is the program that ran, `detail.status` how it ended: `passed`, `failed`, `timeout`, `memory`,
`output` or `refused` (it gave what is no plain value). A program that ends otherwise than `passed`
is `incorrect`; a text without any code is `no_answer`; where there is no sandbox the item is an
`error`.

With `--gptoss-repeats K` the summary shows pass@k for k from 1 to K, here as for every benchmark
whose answers are right or wrong: the unbiased estimator of Chen et al. (2021), averaged over the
items that have at least k answers.

"""

WARNINGS = """\
## Warnings

A group's figures come with a warning, in the terminal and under `warnings` in `summary.json`, where
they are likelier to be a fault of the setup than of the model. Each names the likely cause and what
to run next.

| kind | when |
|---|---|
| `truncated`, `no_answer` | together over 10 % of the answers |
| `malformed`, `timeout` | over 10 % |
| `zero` | a score of exactly 0, from five answers on |
| `chance` | the interval lies under chance; or it reaches chance and stays under the middle \
between chance and 1, from five answers on |

"""


def declarations() -> Iterator[tuple[str, Benchmark, str]]:
    """File name, declaration and prompt of every suite, by file name."""
    package = _load("suites", ROOT / "suites" / "__init__.py")
    sys.modules.setdefault("suites", package)  # what a suite imports relatively
    for file in sorted((ROOT / "suites").glob("test_*.py")):
        module = _load(f"suites.{file.stem}", file)
        names = vars(module)
        prompt = names.get("PROMPT") or names.get("INSTRUCTIONS") or ""
        for value in names.values():
            # The demonstration's items are no benchmark to compare models by.
            if isinstance(value, Benchmark) and not value.name.startswith("demo"):
                yield file.name, value, prompt


def _load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    held = sys.modules.get(name)
    try:
        # A dataclass looks its own module up by name.
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except pytest.skip.Exception:
        pass  # a suite that skips for want of its rows has declared itself before
    finally:
        del sys.modules[name]
        if held is not None:
            sys.modules[name] = held
    return module


def render() -> str:
    """The whole page."""
    found = list(declarations())
    parts = [HEAD, *(_row(file, benchmark) for file, benchmark, _ in found)]
    used = sorted({benchmark.scorer.name for _, benchmark, _ in found})
    parts.append("\nWhat each scorer counts as right:\n\n")
    parts += [f"- `{name}`: {SCORERS[name]}.\n" for name in used if name in SCORERS]
    parts.append(
        "\nAn answer that cannot be found is `no_answer`, a refusal `refused`: both count as not "
        "right, and both are counted on their own.\n\n"
    )
    parts.append(JUDGE)
    parts.append(CODE)
    parts.append(_beside([benchmark for _, benchmark, _ in found]))
    parts.append(_examples([benchmark for _, benchmark, _ in found]))
    parts.append(WARNINGS)
    parts.append("## Rows and citations\n\n")
    parts += [_source(benchmark) for _, benchmark, _ in found]
    parts.append(
        "\n## Prompts\n\nThe user's message; for LegalBench the instructions beside it.\n\n"
    )
    parts += [
        f"**{benchmark.title or benchmark.name}**\n\n{_verbatim(prompt.strip())}\n\n"
        for _, benchmark, prompt in found
        if prompt
    ]
    parts.append("## Published scores of gpt-oss-120b and gpt-oss-20b, in percent\n\n")
    parts.append(_published([benchmark.name for _, benchmark, _ in found]))
    return "".join(parts)


def _verbatim(text: str) -> str:
    """A text in a fence that is longer than those in it."""
    fence = "````" if "```" in text else "```"
    return f"{fence}text\n{text}\n{fence}"


def _row(file: str, benchmark: Benchmark) -> str:
    items = ITEMS.get(benchmark.name)
    chance = f"{benchmark.chance:.0%}" if benchmark.chance is not None else "–"
    return (
        f"| [`{file}`](../suites/{file}) | {benchmark.title or benchmark.name} | "
        f"{benchmark.task or '–'} | {items if items is not None else 'by copy'} | "
        f"`{benchmark.scorer.name}` | {chance} | {benchmark.licence or '–'} |\n"
    )


def _source(benchmark: Benchmark) -> str:
    rows = benchmark.describe_rows()
    place = rows.get("dataset", rows.get("source", "–"))
    config, revision = rows.get("config"), rows.get("revision")
    named = f", {config}" if isinstance(config, str) else ""
    named += f", {len(config)} configurations" if isinstance(config, list) else ""
    named += f", split `{rows['split']}`" if "split" in rows else ""
    if revision:
        url = rows.get("release")
        released = f" of the authors' release ({url})" if url else ""
        named += f", revision `{revision}`{released}"
    prompt = f" Prompt: {benchmark.prompt_source}." if benchmark.prompt_source else ""
    return (
        f"- **{benchmark.title or benchmark.name}**: `{place}`{named}."
        f"{prompt} {benchmark.citation or ''}.\n"
    )


def _beside(benchmarks: list[Benchmark]) -> str:
    """What is reported beside the accuracy."""
    lines = ["## Figures beside the accuracy\n\n"]
    for benchmark in benchmarks:
        figures = benchmark.aggregate
        if isinstance(figures, ByCategory):
            names = [f"{name} ({len(strata)})" for name, strata in figures.categories.items()]
            text = f"accuracy per category: {', '.join(names)}; the plain mean over the subjects"
        elif isinstance(figures, Balanced):
            text = (
                "balanced accuracy of each task and its mean over the tasks; a task that is not "
                "evaluated by labels enters with its mean score"
            )
        else:
            continue
        lines.append(f"- **{benchmark.title}**: {text}.\n")
    lines.append(
        "\nEach has its n and interval under `aggregates` in `summary.json`, and so has "
        "each subject or task under `strata`.\n\n"
    )
    return "".join(lines)


def _examples(benchmarks: list[Benchmark]) -> str:
    """What ``--gptoss-shots`` shows."""
    lines = [
        (
            "## Examples before the question\n\n"
            "None by default. `--gptoss-shots K` (ini key `gptoss_shots`) shows K worked examples "
            "as earlier turns of the conversation, always the first of the split:\n\n"
        )
    ]
    for benchmark in benchmarks:
        if isinstance(benchmark.shots, Shots):
            split = benchmark.shots.describe()["split"]
            of = "of the question's own subject" if benchmark.shots.by else "the same for all"
            lines.append(f"- **{benchmark.title}**: split `{split}`, {of}.\n")
    lines.append(
        "\nLegalBench's published prompts hold their own examples. The other benchmarks declare "
        "none and are asked without; the summary says so.\n\n"
    )
    return "".join(lines)


def _published(names: list[str]) -> str:
    table = (
        "The model card (arXiv:2508.10925) gives low / medium / high effort. The comparison of "
        "arXiv:2508.12461 gives whole percentages, read off its heat map; about 100 items per "
        "benchmark and an output cap near 2,000 tokens are inferred. Where the two differ by 20 "
        "points on the same benchmark, the answers' extraction and truncation are the first "
        "things to look at.\n\n"
        "| benchmark | card, 120b | card, 20b | comparison, 120b | comparison, 20b |\n"
        "|---|---|---|---:|---:|\n"
    )
    for name in names:
        if name in CARD or name in PAPER:
            card, paper = CARD.get(name, ("–", "–")), PAPER.get(name, ("–", "–"))
            table += f"| {name} | {card[0]} | {card[1]} | {paper[0]} | {paper[1]} |\n"
    return table


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
