"""HumanEval's right and spoilt solutions, graded by an ordinary user whom the test makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from ordinary import USER, settle_ordinary_user
from test_humaneval_programs import rows, spoilt

from pytest_gptoss.sandbox.choose import probe

__all__ = ["rows"]  # the fixture

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or os.getuid() != 0,
        reason="only root can make another user; any other user runs the other file anyway",
    ),
]

DRIVER = """
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pytest_gptoss.sandbox.choose import choose, probe
from pytest_gptoss.sandbox.grader import Grader, Program

programs = [Program(**program) for program in json.load(open("programs.json"))]
found = {}
for name, reason in probe().items():
    if reason is None:
        with Grader(choose(name), workers=2) as grader, ThreadPoolExecutor(2) as threads:
            found[name] = Counter(verdict.status for verdict in threads.map(grader.grade, programs))
print(json.dumps(found))
"""


def test_they_are_told_apart_on_every_rung(rows: list[dict[str, str]]) -> None:
    names = ("entry_point", "prompt", "test")
    programs = [
        {name: row[name] for name in names} | {"id": row["task_id"], "completion": completion}
        for row in rows
        for completion in (row["canonical_solution"], f"```python\n{spoilt(row)}```")
    ]
    # TMPDIR may lie in a folder that only root may enter.
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/tmp") as folder:
        home = Path(folder)
        interpreter, how = settle_ordinary_user(home)
        (home / "programs.json").write_text(json.dumps(programs))
        os.chown(home / "programs.json", USER, USER)
        command = [interpreter, "-W", "error", "-c", DRIVER]
        result = subprocess.run(command, **how, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found == {name: {"passed": 164, "failed": 164} for name in found}
    # An ordinary user may have fewer rungs than root, and never none where root has some.
    assert bool(found) == any(reason is None for reason in probe().values())
