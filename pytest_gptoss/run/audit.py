"""The books of a session: every selected answer is counted once, or known to be missing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_gptoss.run.group import Group

__all__ = ["audit"]


def audit(groups: Iterable[Group], *, stopped: bool) -> list[str]:
    """What does not add up, a sentence each; anything at all is a fault of this package.

    Args:
        groups: What was selected, with what came of it.
        stopped: Whether the session ended before its end, so that answers may be missing.
    """
    faults = []
    for group in groups:
        name = f"{group.benchmark.name} on {group.spec.label}"
        results = [result for ticket in group.tickets for result in ticket.results]
        counted = Counter(result.score.outcome for result in results if result is not None)
        missing = results.count(None)
        if counted != group.tally.outcomes:
            faults.append(
                f"{name}: {counted.total():,} answers have a result and {group.tally.done:,} "
                "were counted, or they were counted as something else"
            )
        if missing and not stopped:
            faults.append(
                f"{name}: {missing:,} of the {len(results):,} selected answers are missing, and "
                "nothing ended the session early"
            )
        if any(r.error is not None and r.score.outcome is not Outcome.ERROR for r in results if r):
            faults.append(f"{name}: an error was counted as an answer")
    return faults
