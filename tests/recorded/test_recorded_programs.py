"""Recorded programs of real models, run through a whole session, against their records."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_gptoss.sandbox.choose import probe
from pytest_gptoss.sandbox.extract import extract_program

pytestmark = pytest.mark.realdata

SUITE = Path(__file__).parents[2] / "suites" / "test_humaneval.py"

# Items on which a session and the record disagree, and why.
NO_IMPORT = "record wrong: the program uses math without importing it; run again, it fails, too"

# Plain bodies; whole functions with docstrings; chat answers with fences; whole functions.
DISAGREEMENTS: dict[str, dict[str, str]] = {
    "gpt-4-reflexion": {},
    "gpt-4-simple-fullfunction": {"HumanEval/133": NO_IMPORT},
    "wizardcoder-15b": {},
    "yuan-2.0": {},
}


def rows(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def tasks(data_folder: Path) -> dict[str, dict[str, Any]]:
    file = data_folder / "openai" / "openai_humaneval" / "openai_humaneval" / "test.jsonl"
    return {row["task_id"]: row for row in rows(file)}


@pytest.mark.parametrize("recording", DISAGREEMENTS)
def test_a_session_agrees_with_the_record(
    recording: str, data_folder: Path, outputs_folder: Path, tmp_path: Path
) -> None:
    if all(reason is not None for reason in probe().values()):
        pytest.skip(f"no sandbox works here: {probe()}")
    records = rows(outputs_folder / "humaneval" / f"{recording}.jsonl")
    session = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--no-header"),
            *(str(SUITE), "--model", "recorded", "--gptoss-run", str(tmp_path / "run")),
            *("--gptoss-completions", str(outputs_folder / "humaneval" / f"{recording}.jsonl")),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "GPTOSS_DATA": str(data_folder)},
        check=False,
    )
    assert session.returncode == 0, session.stdout[-2000:] + session.stderr[-2000:]
    items = [
        json.loads(line) for line in (tmp_path / "run" / "items.jsonl").read_text().splitlines()
    ]
    ours = {item["item_id"]: item for item in items}
    recorded = {
        # Where the authors did not record it, the official test says it of what they extracted.
        row["item_id"]: row["reexecuted_correct"]
        if row["recorded_correct"] is None
        else row["recorded_correct"]
        for row in records
    }
    assert ours.keys() == recorded.keys()
    assert len(ours) == 164
    disagree = {i: ours[i]["detail"] for i in ours if ours[i]["correct"] != recorded[i]}
    assert disagree.keys() == DISAGREEMENTS[recording].keys(), disagree


def test_the_program_in_a_chat_answer_is_the_one_that_the_authors_took(
    data_folder: Path, outputs_folder: Path
) -> None:
    asked = tasks(data_folder)
    differ = set()
    for row in rows(outputs_folder / "humaneval" / "wizardcoder-15b.jsonl"):
        task = asked[row["item_id"]]
        program = extract_program(task["prompt"], row["completion"], task["entry_point"])
        theirs = functions(row["recorded_extraction"], task["entry_point"])
        if functions(program, task["entry_point"]) != theirs:
            differ.add(row["item_id"])
    assert not differ


def test_a_program_with_its_output_and_a_sentence(outputs_folder: Path) -> None:
    """Answers of a function, a call of it that reuses its name, what it printed, and a sentence."""
    lost = []
    for row in rows(outputs_folder / "gsm8k" / "tora-70b-v1.0.jsonl"):
        name = re.findall(r"^def (\w+)", row["completion"], re.MULTILINE)[-1]
        program = extract_program("", row["completion"], name)
        block = row["completion"].partition("```python\n")[2].partition("\n```")[0]
        if not functions(block, name):
            continue  # the model's own program is no Python
        if functions(program, name) != functions(block, name) or bound_last(program) != name:
            lost.append(row["item_id"])
    assert not lost


def functions(source: str, name: str) -> list[str]:
    """The definitions of a function, as the parser sees them; none where it sees no program."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [
        ast.dump(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == name
    ]


def bound_last(source: str) -> str:
    """What the last statement of a program defines."""
    last = ast.parse(source).body[-1]
    return last.name if isinstance(last, ast.FunctionDef) else ast.dump(last)
