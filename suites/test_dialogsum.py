"""DialogSum: summaries of everyday dialogues (Chen et al., 2021, arXiv:2105.06762)."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_gptoss import Benchmark, Item, Response, release, scorers
from pytest_gptoss.benchmark import Row, Rows

PROMPT = """\
Summarise this dialogue in one or two sentences, in the third person. Name the speakers as the
dialogue does. Reply with the summary alone.

{dialogue}"""


def as_on_the_hub(content: bytes) -> Iterator[dict[str, Any]]:
    """One row per dialogue and reference, as the Hub's copy of the release has them."""
    for line in content.decode().splitlines():
        entry = json.loads(line)
        for number in (1, 2, 3):
            yield {
                "id": f"{entry['fname']}_{number}",
                "dialogue": entry["dialogue"],
                "summary": entry[f"summary{number}"],
                "topic": entry[f"topic{number}"],
            }


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
    # The authors' own release, of which the Hub holds a copy without a commit to name.
    rows=Dialogues(
        release(
            "knkarthick/dialogsum",
            split="test",
            url="https://raw.githubusercontent.com/cylnlp/dialogsum/{revision}"
            "/DialogSum_Data/dialogsum.test.jsonl",
            revision="848cc8c05e0a04def79326539de827f1b28786a0",
            read=as_on_the_hub,
        )
    ),
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
