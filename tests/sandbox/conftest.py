"""Rungs and graders, made once for a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rungs import NAMES, rung_or_skip

from pytest_gptoss.sandbox.grader import Grader
from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_gptoss.sandbox.base import Rung


# What is no question of time must not become one on a busy machine; who asks for less says so.
PATIENT = Limits(timeout_s=60)


@pytest.fixture(scope="session", params=NAMES)
def rung(request: pytest.FixtureRequest) -> Rung:
    """Each way to confine a program that works here, and none."""
    return rung_or_skip(request.param)


@pytest.fixture(scope="session")
def grader(rung: Rung) -> Iterator[Grader]:
    with Grader(rung, workers=2, limits=PATIENT) as graders:
        yield graders


@pytest.fixture(scope="session")
def plain_grader() -> Iterator[Grader]:
    """A grader over plain processes, for what has nothing to do with how they are confined."""
    with Grader(rung_or_skip("none"), workers=2, limits=PATIENT) as graders:
        yield graders
