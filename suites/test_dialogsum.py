"""DialogSum: summaries of everyday dialogues (Chen et al., 2021, arXiv:2105.06762)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_gptoss import Benchmark, Item, Response, hub, scorers
from pytest_gptoss.benchmark import Row, Rows

PROMPT = """\
Summarise this dialogue in one or two sentences, in the third person. Name the speakers as the
dialogue does. Reply with the summary alone.

{dialogue}"""


@dataclass(frozen=True)
class Dialogues:
    """Rows grouped by dialogue: the test split repeats each dialogue once per reference."""

    rows: Rows

    def __call__(self) -> Sequence[Row]:
        """One row per dialogue, with all of its references."""
        dialogues: dict[str, dict[str, Any]] = {}
        table = self.rows.open()
        for row in (table[index] for index in range(len(table))):
            name = row["id"].rpartition("_")[0]
            entry = dialogues.setdefault(
                name, {"id": name, "dialogue": row["dialogue"], "summaries": []}
            )
            entry["summaries"].append(row["summary"])
        return list(dialogues.values())

    def describe(self) -> dict[str, Any]:
        """What identifies the rows."""
        return self.rows.describe() | {"grouped": "by dialogue"}


dialogsum = Benchmark(
    name="dialogsum",
    # The Hub shows no commit that could be checked against these rows, so the branch is named.
    rows=Dialogues(hub("knkarthick/dialogsum", split="test", revision="main")),
    item=lambda row: Item(
        prompt=PROMPT.format(dialogue=row["dialogue"]),
        target=row["summaries"],
    ),
    scorer=scorers.rouge("rougeL"),
    id="id",
    title="DialogSum",
    task="summary of a dialogue, three references each",
    licence="CC-BY-NC-SA-4.0",
    citation="Chen et al. (2021), DialogSum: A Real-Life Scenario Dialogue Summarization Dataset, "
    "arXiv:2105.06762",
    prompt_source="this project",
)


@dialogsum.test
def test_dialogsum(response: Response) -> None:
    """One dialogue."""
    response.check()
