"""HumanEval's 164 tasks: every right solution passes, every spoilt one fails, on every rung."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import textwrap
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from pytest_gptoss.sandbox.channel import decode, encode
from pytest_gptoss.sandbox.grader import Grader, Program

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.realdata

# The right answer, changed into one that no test takes for it, and by recursion never undone.
SPOILT = """
def {name}(*args):
{right}
    value = {name}(*args)
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "!"
    if isinstance(value, list):
        return [*value, None]
    if isinstance(value, tuple):
        return (*value, None)
    if isinstance(value, dict):
        return dict(value, spoilt=1)
    return 0
"""

Row = dict[str, str]


@pytest.fixture(scope="module")
def rows(data_folder: Path) -> list[Row]:
    place = data_folder / "openai" / "openai_humaneval" / "openai_humaneval" / "test.jsonl"
    lines = place.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 164
    return [json.loads(line) for line in lines]


def right(row: Row) -> str:
    return row["prompt"] + row["canonical_solution"]


def spoilt(row: Row) -> str:
    nested = textwrap.indent(right(row), "    ")
    return SPOILT.format(name=row["entry_point"], right=nested)


def program(row: Row, completion: str) -> Program:
    return Program(row["task_id"], row["entry_point"], row["prompt"], completion, row["test"])


def statuses(grader: Grader, programs: list[Program]) -> Counter[str]:
    with ThreadPoolExecutor(grader.workers) as threads:
        verdicts = list(threads.map(grader.grade, programs))
    return Counter(verdict.status for verdict in verdicts)


@pytest.mark.slow
def test_right_solutions_pass(grader: Grader, rows: list[Row]) -> None:
    programs = [program(row, row["canonical_solution"]) for row in rows]
    assert statuses(grader, programs) == {"passed": 164}


@pytest.mark.slow
def test_spoilt_solutions_fail(grader: Grader, rows: list[Row]) -> None:
    programs = [program(row, f"```python\n{spoilt(row)}```") for row in rows]
    assert statuses(grader, programs) == {"failed": 164}


def checked(row: Row, source: str, around: Callable[[Any], Any] = lambda f: f) -> None:
    """Run a test in this process, as the benchmark's own harness does."""
    space: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        # Some tests call what stands in the prompt above the function.
        exec(row["prompt"] + "\n    pass\n", space)
        exec(source, space)
        space[row["entry_point"]] = function = around(space[row["entry_point"]])
        exec(compile(row["test"], "<test>", "exec"), space)
        space["check"](function)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_spoilt_solutions_are_wrong_in_one_process_too(rows: list[Row]) -> None:
    for row in rows:
        with pytest.raises(AssertionError):
            checked(row, spoilt(row))


def kinds(value: Any) -> set[str]:
    within = [*value, *value.values()] if isinstance(value, dict) else value
    if isinstance(value, list | tuple | set | dict):
        return {type(value).__name__}.union(*map(kinds, within))
    return {type(value).__name__}


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_what_the_tests_use(rows: list[Row]) -> None:
    """Plain values alone: no test needs an identity, an argument changed in place, an exception."""
    given: set[str] = set()
    returned: set[str] = set()
    told = Counter[str]()
    for row in rows:

        def recording(function: Callable[..., Any], row: Row = row) -> Callable[..., Any]:
            def call(*args: Any) -> Any:
                told["calls"] += 1
                given.update(*map(kinds, args))
                mine = copy.deepcopy(args)
                try:
                    value = function(*mine)
                except Exception:
                    told["exceptions"] += 1
                    raise
                told["changed an argument"] += mine != args
                returned.update(kinds(value))
                # A copy that went over the channel and back is as good.
                return decode(encode(value))

            return call

        checked(row, right(row), recording)
    assert given == {"dict", "float", "int", "list", "str", "tuple"}
    assert returned == {"NoneType", "bool", "dict", "float", "int", "list", "str", "tuple"}
    assert told["exceptions"] == 0
    assert told["calls"] > 1000
    # Some solutions sort what they were given; their tests do not look.
    assert told["changed an argument"] > 0


@pytest.mark.slow
def test_no_constant_passes(plain_grader: Grader, rows: list[Row]) -> None:
    # What a test that is too weak, or a judge that is, would take.
    constants = ["None", "True", "0", "''", "[]", "()", "{}", "float('nan')", "float('inf')"]
    programs = [
        program(row, f"```python\ndef {row['entry_point']}(*_):\n    return {constant}\n```")
        for row, constant in zip(rows, constants * 20, strict=False)
    ]
    assert statuses(plain_grader, programs)["passed"] == 0
