"""HumanEval's declaration, on its real rows."""

from __future__ import annotations

import ast
import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_gptoss.benchmark import Benchmark, Table
from pytest_gptoss.sandbox.extract import extract_program

pytestmark = pytest.mark.realdata

SUITE = Path(__file__).parents[2] / "suites" / "test_humaneval.py"


@pytest.fixture(scope="module")
def humaneval() -> Benchmark:
    spec = importlib.util.spec_from_file_location("humaneval_under_test", SUITE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    benchmark: Benchmark = module.humaneval
    return benchmark


@pytest.fixture
def table(humaneval: Benchmark, data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Table:
    monkeypatch.setenv("GPTOSS_DATA", str(data_folder))
    return humaneval.open()


def test_every_row_is_an_item(humaneval: Benchmark, table: Table) -> None:
    assert humaneval.ids(table) == [f"HumanEval/{number}" for number in range(164)]
    for row in (table[index] for index in range(len(table))):
        item = humaneval.build(row)
        assert isinstance(item.prompt, str)
        # The signature and docstring stand whole within the fence.
        assert item.prompt.endswith(f"```python\n{row['prompt'].strip(chr(10))}\n```")
        assert item.target == row["test"]
        assert item.metadata["entry_point"] in item.prompt
        # Another test makes it another item.
        assert item.content_hash != replace(item, target=f"{item.target}\n").content_hash


def test_the_answer_of_each_row_is_read_in_every_form(humaneval: Benchmark, table: Table) -> None:
    """The rest of the function as it is; a whole function, and the body alone, in a chat answer."""
    for row in (table[index] for index in range(len(table))):
        prompt, solution, name = row["prompt"], row["canonical_solution"], row["entry_point"]
        whole = prompt.rstrip("\n") + "\n" + solution.rstrip("\n") + "\n"
        forms = {
            "rest": solution,
            "whole": whole,
            "chat": f"Here it is:\n\n```python\n{whole}```\n\nIt isn't hard.\n",
            "body": f"The body:\n```python\n{solution}\n```\n",
        }
        found = {form: extract_program(prompt, answer, name) for form, answer in forms.items()}
        wanted = functions(whole)
        assert all(functions(program) == wanted for program in found.values()), row["task_id"]


def functions(source: str) -> dict[str, str]:
    """What each function of a program is, as the parser sees it; the last one of a name."""
    nodes = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.dump(node) for node in nodes}
