"""LegalBench: tasks of legal reasoning (Guha et al., 2023, arXiv:2308.11462).

The prompts are the published ones of each task, with their examples. They are not part of the
dataset on the Hub: they come from the authors' repository, or in a local mirror from
``nguha/legalbench/_prompts/base_prompt.jsonl`` with the columns ``task`` and ``base_prompt``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_gptoss import Benchmark, Item, Response, hub, scorers
from pytest_gptoss.benchmark import Row
from pytest_gptoss.data import fetch, mirror

INSTRUCTIONS = (
    "Complete the last entry of the text. Reply with the answer alone, in the form of the examples."
)
# The tasks with published prompts and rows that may be used again.
TASKS = Path(__file__).with_name("legalbench_tasks.txt")
PROMPTS = (
    "https://raw.githubusercontent.com/HazyResearch/legalbench/"
    "b46bf4ffae90524b2b72aaa30e7745fe9db64481/tasks/{task}/base_prompt.txt"
)
LETTERS = tuple("ABCDEFGHIJ")
# Tasks that LegalBench does not evaluate by balanced accuracy over their labels.
OTHER_RULES = ("sara_numeric", "successor_liability", "citation_prediction_open", "ssla_")


@dataclass(frozen=True)
class Tasks:
    """The rows of every task that has a published prompt, each with that prompt and its labels."""

    path: str
    revision: str

    def __call__(self) -> Sequence[Row]:
        """All tasks' rows, one task after the other."""
        rows: list[Row] = []
        for task, prompt in self._prompts():
            table = hub(self.path, config=task, split="test", revision=self.revision).open()
            labels = _labels([str(answer) for answer in table.column("answer")])
            for row in (table[index] for index in range(len(table))):
                added = {"task": task, "prompt": prompt, "labels": labels}
                rows.append({**row, **added, "answer": str(row["answer"])})
        return rows

    def _prompts(self) -> list[tuple[str, str]]:
        if mirror() is not None:
            table = hub(self.path, config="_prompts", split="base_prompt").open()
            return list(zip(table.column("task"), table.column("base_prompt"), strict=True))
        tasks = TASKS.read_text(encoding="utf-8").split()
        prompts = fetch([PROMPTS.format(task=task) for task in tasks])
        return [(task, prompt.decode()) for task, prompt in zip(tasks, prompts, strict=True)]

    def describe(self) -> dict[str, Any]:
        """What identifies the rows."""
        return {"dataset": self.path, "split": "test", "revision": self.revision}


def _labels(answers: Sequence[str]) -> tuple[str, ...]:
    """A task's labels: those of its rows, filled up where rows of one class alone were drawn."""
    present = tuple(dict.fromkeys(answers))
    if all(answer in LETTERS for answer in present):
        return LETTERS
    return ("Yes", "No") if set(present) <= {"Yes", "No"} else present


legalbench = Benchmark(
    name="legalbench",
    rows=Tasks("nguha/legalbench", revision="daec8237410aa23e3faf4bc41ad8b3a7e1696826"),
    item=lambda row: Item(
        prompt=re.sub(r"\{\{(.*?)\}\}", lambda match: str(row[match[1]]), row["prompt"]),
        target=row["answer"],
        instructions=INSTRUCTIONS,
        choices=row["labels"],
        metadata={"task": row["task"]},
    ),
    scorer=scorers.legalbench(),
    id=lambda row: f"{row['task']}/{row['index']}",
    strata="task",
    aggregate=scorers.balanced(
        lambda row: None if row["task"].startswith(OTHER_RULES) else row["answer"]
    ),
    title="LegalBench",
    task="legal reasoning, 129 tasks, mostly label match",
    licence="CC-BY-4.0 or MIT, by task",
    citation="Guha et al. (2023), LegalBench: A Collaboratively Built Benchmark for Measuring "
    "Legal Reasoning in Large Language Models, arXiv:2308.11462",
    prompt_source="LegalBench's base prompts, https://github.com/HazyResearch/legalbench",
)


@legalbench.test
def test_legalbench(response: Response) -> None:
    """One item of one task."""
    response.check()
