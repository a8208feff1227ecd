"""The hostile programs again, graded by an ordinary user whom the test makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gauntlet import CASES
from ordinary import USER, settle_ordinary_user
from rungs import HERE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux" or os.getuid() != 0,
        reason="only root can make another user; any other user runs the other file anyway",
    ),
]


@pytest.fixture(scope="module")
def ordinary_user() -> Iterator[tuple[str, dict[str, Any]]]:
    # Not in /tmp, where a sandbox has a scratch of its own: the interpreter is copied to this home,
    # and the folders above it would be the program's to write in.
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/var/tmp") as home:
        program, how = settle_ordinary_user(Path(home))
        how["env"]["TMPDIR"] = "/tmp"
        yield program, how


@pytest.mark.parametrize("rung", HERE)
def test_they_are_contained_for_an_ordinary_user(
    rung: str, ordinary_user: tuple[str, dict[str, Any]]
) -> None:
    program, how = ordinary_user
    folder = Path(how["cwd"]) / rung
    folder.mkdir()
    os.chown(folder, USER, USER)
    command = [program, "-W", "error", "tests/hostile/gauntlet.py", rung, str(folder)]
    result = subprocess.run(command, **how, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    if "reason" in told:
        pytest.skip(f"{rung} does not work here for an ordinary user: {told['reason']}")
    found = {(group, name): one for group, name, one in told["found"]}
    assert found.keys() == set(CASES)
    holes = {
        case: one
        for case, one in found.items()
        if one["status"] == "passed" or one["harm"] or not (one["detail"] or "").isprintable()
    }
    assert holes == {}
