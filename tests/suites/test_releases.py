"""What the suites make of an authors' release equals what the Hub shows of the same dataset."""

import json
from pathlib import Path

import pytest

from suites.test_dialogsum import as_on_the_hub as dialogues
from suites.test_finqa import as_on_the_hub as questions
from suites.test_finqa import finqa
from suites.test_legalbench import TASKS

realdata = pytest.mark.realdata


def test_a_dialogue_of_the_release_is_one_row_per_reference() -> None:
    entry = {"fname": "test_7", "dialogue": "#Person1#: Hello."}
    entry |= {f"summary{n}": f"Summary {n}." for n in (1, 2, 3)}
    entry |= {f"topic{n}": f"topic {n}" for n in (1, 2, 3)}
    rows = list(dialogues((json.dumps(entry) + "\n").encode()))
    assert [row["id"] for row in rows] == ["test_7_1", "test_7_2", "test_7_3"]
    assert rows[1] == {
        "id": "test_7_2",
        "dialogue": "#Person1#: Hello.",
        "summary": "Summary 2.",
        "topic": "topic 2",
    }


@pytest.mark.parametrize(
    ("gold", "result"), [(0.5, "0.5"), (94.0, "94.0"), (-3, "-3"), ("yes", "yes")]
)
def test_a_question_of_the_release_has_the_columns_of_the_hub(gold: object, result: str) -> None:
    entry = {
        "id": "A/2020/page_1.pdf-2",
        "filename": "A/2020/page_1.pdf",
        "pre_text": ["Before ."],
        "post_text": ["After ."],
        "table": [["", "2020"], ["sales", "3"]],
        "qa": {"question": "How much?", "answer": "3", "program_re": "p", "exe_ans": gold},
    }
    (row,) = questions(json.dumps([entry]).encode())
    assert row["final_result"] == result
    item = finqa.item(row)
    assert item.target == result
    assert "| sales | 3 |" in item.prompt


@realdata
def test_the_readers_make_the_rows_of_the_mirror(data_folder: Path) -> None:
    lines = (data_folder / "ibm-research/finqa/en/test.jsonl").read_text().splitlines()[:300]
    rows = [json.loads(line) for line in lines]
    for made, row in zip(questions(json.dumps(rows).encode()), rows, strict=True):
        assert made == {name: row[name] for name in made}
    folder = data_folder / "knkarthick/dialogsum/default"
    entries = [json.loads(line) for line in (folder / "test_500.jsonl").read_text().splitlines()]
    made_rows = dialogues("\n".join(json.dumps(e | {"fname": e["id"]}) for e in entries).encode())
    expected = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    assert list(made_rows) == expected


@realdata
def test_the_tasks_are_those_of_the_mirror(data_folder: Path) -> None:
    file = data_folder / "nguha/legalbench/_prompts/base_prompt.jsonl"
    named = [json.loads(line)["task"] for line in file.read_text().splitlines()]
    assert TASKS.read_text(encoding="utf-8").split() == named
