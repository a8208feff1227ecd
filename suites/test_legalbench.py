"""LegalBench: tasks of legal reasoning (Guha et al., 2023, arXiv:2308.11462).

The prompts are the published ones of each task, with their examples. They are not part of the
dataset on the Hub: the benchmark runs from a local mirror that holds, beside each task's rows,
``nguha/legalbench/_prompts/base_prompt.jsonl`` with the columns ``task`` and ``base_prompt`` (each
task's ``base_prompt.txt`` from https://github.com/HazyResearch/legalbench).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_gptoss import Benchmark, DataError, Item, Response, hub, scorers
from pytest_gptoss.benchmark import Row

INSTRUCTIONS = (
    "Complete the last entry of the text. Reply with the answer alone, in the form of the examples."
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
        try:
            prompts = hub(self.path, config="_prompts", split="base_prompt").open()
        except DataError as error:
            raise DataError(
                "LegalBench's published prompts are not part of its dataset on the Hub: name a "
                "local mirror with --gptoss-data that holds "
                f"{self.path}/_prompts/base_prompt.jsonl ({error})"
            ) from error
        rows: list[Row] = []
        for task, prompt in zip(prompts.column("task"), prompts.column("base_prompt"), strict=True):
            table = hub(self.path, config=task, split="test", revision=self.revision).open()
            labels = _labels(table.column("answer"))
            rows += [
                {**table[index], "task": task, "prompt": prompt, "labels": labels}
                for index in range(len(table))
            ]
        return rows

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
    rows=Tasks("nguha/legalbench", revision="e042ea68c19df12b737fe768572f22ead61e8e37"),
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
