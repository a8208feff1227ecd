"""``--gptoss-flips``: only the items whose outcome changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.compare import pair
from pytest_gptoss.gates.flips import read_flips
from pytest_gptoss.gates.locate import Finder, newest_run
from pytest_gptoss.gates.measured import is_run, read_run
from pytest_gptoss.plugin.items import BenchmarkItem

if TYPE_CHECKING:
    from pytest_gptoss.gates.measured import Measured
    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.run.group import Group

__all__ = ["keep_flips"]


def keep_flips(evaluation: Evaluation, items: list[pytest.Item]) -> None:
    """Deselect everything but the items that flipped, gates too: flips are no fair sample.

    Raises:
        pytest.UsageError: The other side cannot be read, or there is nothing to compare it with.
    """
    settings = evaluation.gates.settings
    if settings.flips is None:
        return
    try:
        flipped = _flipped(evaluation, settings.flips)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    kept = [
        item
        for item in items
        if isinstance(item, BenchmarkItem)
        and item.ticket.item_id in flipped.get(item.ticket.group.key, ())
    ]
    chosen = {id(item) for item in kept}
    dropped = [item for item in items if id(item) not in chosen]
    if dropped:
        evaluation.config.hook.pytest_deselected(items=dropped)
        items[:] = kept
    number = sum(map(len, flipped.values()))
    evaluation.announced.append(
        f"gptoss: {number:,} {'item' if number == 1 else 'items'} flipped against "
        f"{settings.flips}; gates are left out, as flips are no fair sample"
    )


def _flipped(evaluation: Evaluation, named: str) -> dict[tuple[str, str], set[str]]:
    settings = evaluation.gates.settings
    path = (settings.here / Path(named).expanduser()).resolve()
    if not path.exists():
        raise UsageError(f"--gptoss-flips names {named!r}, which does not exist")
    if is_run(path):
        recorded = read_flips(path)
        if recorded is not None:
            return recorded
        return _against_baselines(evaluation, path)
    return _newest_runs(evaluation, path)


def _against_baselines(evaluation: Evaluation, run: Path) -> dict[tuple[str, str], set[str]]:
    """The flips of a run that compared nothing, against the baselines there are now."""
    settings = evaluation.gates.settings
    finder = Finder(settings.root, settings.baseline, settings.baseline_from)
    measured = read_run(run)
    flipped = {}
    for group in evaluation.collection.groups:
        ours = measured.get(group.key)
        theirs = finder.find(group.key[0], group.spec.slug, group.key[1])
        if ours is not None and theirs is not None:
            flipped[group.key] = _ids(theirs, ours)
    if not flipped:
        raise UsageError(
            f"{run} recorded no flips, and there is no baseline to compare it with; name one with "
            "--gptoss-baseline"
        )
    return flipped


def _newest_runs(evaluation: Evaluation, path: Path) -> dict[tuple[str, str], set[str]]:
    """The flips of the newest runs against a baseline."""
    settings = evaluation.gates.settings
    finder = Finder(settings.root, str(path))
    runs = settings.here / "runs"

    def of(group: Group) -> set[str] | None:
        theirs = finder.find(group.key[0], group.spec.slug, group.key[1])
        run = None if theirs is None else newest_run(runs, *group.key)
        if theirs is None or run is None:
            return None
        return _ids(theirs, read_run(run)[group.key])

    flipped = {
        group.key: ids for group in evaluation.collection.groups if (ids := of(group)) is not None
    }
    if not flipped:
        raise UsageError(
            f"--gptoss-flips: no run in {runs} measured what {path} is the baseline of; name a "
            "run directory instead"
        )
    return flipped


def _ids(theirs: Measured, ours: Measured) -> set[str]:
    lost, won = pair(theirs, ours).flips()
    return {*lost, *won}
