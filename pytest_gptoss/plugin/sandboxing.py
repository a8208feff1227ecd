"""What a session says of the sandbox in which it runs code that models wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_gptoss.run.group import Group
    from pytest_gptoss.scorers.code import Sandbox

__all__ = ["sandbox_lines", "sandbox_of", "sandbox_record", "sandbox_remarks"]


def sandbox_of(groups: Iterable[Group]) -> Sandbox | None:
    """The sandbox of the groups that need one, or ``None`` where none does."""
    from pytest_gptoss.scorers.code import CodeScorer

    for group in groups:
        if isinstance(group.benchmark.scorer, CodeScorer):
            return group.benchmark.scorer.sandbox
    return None


def sandbox_record(groups: Iterable[Group]) -> dict[str, Any] | None:
    """What the settings record says of it: what was asked for, and the layers in force."""
    sandbox = sandbox_of(groups)
    return None if sandbox is None else sandbox.record()


def sandbox_lines(groups: Iterable[Group]) -> list[str]:
    """What the session says of it before anything is generated."""
    sandbox = sandbox_of(groups)
    if sandbox is None:
        return []
    try:
        return [f"gptoss: sandbox {sandbox.rung.describe()}"]
    except SandboxError as error:
        return [f"gptoss: no sandbox, so each item that needs one ends as an error: {error}"]


def sandbox_remarks(groups: Iterable[Group]) -> list[str]:
    """What the reader of the results must know of it: what it does without."""
    from pytest_gptoss.sandbox.choose import shortfall

    sandbox = sandbox_of(groups)
    if sandbox is None:
        return []
    try:
        lacking = shortfall(sandbox.rung)
    except SandboxError:
        return []  # every item that needs it says why
    return [] if lacking is None else [f"sandbox {sandbox.rung.name}: {lacking}"]
