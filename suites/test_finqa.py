"""FinQA: calculations on financial reports (Chen et al., 2021, arXiv:2109.00122)."""

import json
from collections.abc import Iterator
from typing import Any

from pytest_gptoss import Benchmark, Item, Response, release, scorers
from pytest_gptoss.benchmark import Row

PROMPT = """\
Answer the question from this part of a financial report. Give a number in the unit of the report,
rounded to five decimals, and a share or a percentage as a decimal fraction (0.12345 for 12.345 %);
answer a question that asks for it with yes or no. End with one line of the form "Answer: X".

{before}

{table}

{after}

Question: {question}"""


def as_on_the_hub(content: bytes) -> Iterator[dict[str, Any]]:
    """The release's entries with the columns of ibm-research/finqa."""
    for entry in json.loads(content):
        asked = entry["qa"]
        yield {
            "id": entry["id"],
            "pre_text": entry["pre_text"],
            "post_text": entry["post_text"],
            "table": entry["table"],
            "question": asked["question"],
            "answer": asked["answer"],
            "final_result": str(asked["exe_ans"]),
            "program_re": asked["program_re"],
        }


def question(row: Row) -> Item:
    """The text around the table, with the table as Markdown.

    The gold result is that of the annotated program (``final_result``), which FinQA's own
    evaluation compares with; the written answer is rounded, and empty in some rows.
    """
    head, *body = (
        "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |" for cells in row["table"]
    )
    rule = "|" + " --- |" * len(row["table"][0])
    return Item(
        prompt=PROMPT.format(
            before=" ".join(row["pre_text"]),
            table="\n".join([head, rule, *body]),
            after=" ".join(row["post_text"]),
            question=row["question"],
        ),
        target=row["final_result"],
    )


finqa = Benchmark(
    name="finqa",
    # The Hub holds a loading script here, which `datasets` no longer runs: the authors' release.
    rows=release(
        "ibm-research/finqa",
        config="en",
        split="test",
        url="https://raw.githubusercontent.com/czyssrs/FinQA/{revision}/dataset/test.json",
        revision="0f16e2867befa6840783e58be38c9efb9229d742",
        sha256="831dbfb2e785dbc227f895ce3f24046433467aec67b09db2bd6ac7692a8a30dc",
        read=as_on_the_hub,
    ),
    item=question,
    scorer=scorers.finqa(),
    id="id",
    # The questions on one page of a filing share its text and its table.
    cluster=lambda row: row["id"].rpartition("-")[0],
    title="FinQA",
    task="a number, or yes or no, from a report's text and table",
    licence="MIT (original dataset), CC-BY-4.0 (Hub)",
    citation="Chen et al. (2021), FinQA: A Dataset of Numerical Reasoning over Financial Data, "
    "arXiv:2109.00122",
    prompt_source="this project",
)


@finqa.test
def test_finqa(response: Response) -> None:
    """One question."""
    response.check()
