"""The same promises for an ordinary user, whom the test makes: it runs whole files as that user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ordinary import settle_ordinary_user

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0,
    reason="only root can make another user; any other user runs these files anyway",
)


@pytest.fixture(scope="module")
def ordinary_user() -> Iterator[tuple[str, dict[str, Any]]]:
    # TMPDIR may lie in a folder that only root may enter.
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/tmp") as home:
        yield settle_ordinary_user(Path(home))


@pytest.mark.parametrize("file", ["test_isolation.py", "test_endings.py", "test_choose.py"])
def test_it_holds_for_an_ordinary_user(
    file: str, ordinary_user: tuple[str, dict[str, Any]]
) -> None:
    program, how = ordinary_user
    options = ["-q", "-rA", "-p", "no:cacheprovider", "-W", "error"]
    result = subprocess.run(
        [program, "-m", "pytest", *options, f"tests/sandbox/{file}"],
        **how,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    # They did not merely skip.
    assert len(re.findall(r"^PASSED ", result.stdout, re.MULTILINE)) >= 10


def test_an_ordinary_user_makes_no_groups(ordinary_user: tuple[str, dict[str, Any]]) -> None:
    # Nothing on the machine belongs to this user, so that no group does.
    program, how = ordinary_user
    source = """
from pytest_gptoss.sandbox import cgroups
from pytest_gptoss.sandbox.limits import Limits
print(cgroups.new(Limits()), cgroups.bound())
"""
    command = [program, "-W", "error", "-c", source]
    result = subprocess.run(command, **how, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("None memory: watchdog\n", "")
