"""The ways to confine a program that work on this machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_gptoss.sandbox.choose import LADDER, choose, probe

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Rung

HERE = tuple(name for name in LADDER if (name == "macos") == (sys.platform == "darwin"))
"""The rungs of this system, whether or not they work on this machine."""

# "none" is the grader without a sandbox beneath it: what it promises of itself holds there, too.
NAMES = (*HERE, "none")


def rung_or_skip(name: str) -> Rung:
    if name != "none" and (reason := probe()[name]) is not None:
        pytest.skip(f"{name} does not work here: {reason}")
    return choose(name, allow_unsandboxed=True)
