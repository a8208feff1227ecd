"""The end of a session: its settings record, the run directory's files, and the baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.engines.arguments import without_secrets
from pytest_gptoss.errors import UsageError
from pytest_gptoss.plugin.sandboxing import sandbox_record, sandbox_remarks
from pytest_gptoss.report.served import served_notes
from pytest_gptoss.report.warnings import warnings_of
from pytest_gptoss.run.results import item_records, summarise
from pytest_gptoss.run.settings import public_url, settings_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_gptoss.plugin.evaluation import Evaluation
    from pytest_gptoss.plugin.settings import Settings
    from pytest_gptoss.run.directory import RunDirectory
    from pytest_gptoss.run.group import Group
    from pytest_gptoss.run.journal import Journal

__all__ = ["record_of", "write_run"]


def write_run(
    evaluation: Evaluation, directory: RunDirectory, journal: Journal | None
) -> dict[str, Any]:
    """Write what a session measured; returns its summary.

    Args:
        evaluation: The session.
        directory: Where to.
        journal: Where its completions are; ``None`` in a session that evaluated nothing.

    Raises:
        UsageError: The files cannot be written.
    """
    try:
        directory.write_items(item_records(evaluation.groups, journal) if journal else ())
        metering = evaluation.metering
        figures = [
            summarise(group, metering.figures_of(group) if metering else None)
            for group in evaluation.groups
        ]
        record = evaluation.record(evaluation.groups)
        summary: dict[str, Any] = {
            "schema": 1,
            "complete": all(group["n"] == group["selected"] for group in figures),
            "interrupted": evaluation.interrupted,
            "stopped": evaluation.stopped,
            "notes": [
                *evaluation.remarks,
                *sandbox_remarks(evaluation.groups),
                *served_notes(figures, record),
            ],
            "settings": record,
            "groups": figures,
            "telemetry": metering.figures(evaluation.groups) if metering else None,
        }
        evaluation.gates.complete(summary)
        evaluation.speed.complete(summary)
        models = summary["settings"]["models"]
        for group in figures:
            group["warnings"] = warnings_of(group, models[group["model"]])
        directory.write_summary(summary)
        evaluation.gates.write_flips(directory.path)
    except OSError as error:
        raise UsageError(
            f"the results cannot be written to {directory.path} ({error.strerror}); "
            "every completion is in its journal"
        ) from error
    return summary


def record_of(
    groups: Sequence[Group],
    settings: Settings,
    *,
    facts: Mapping[str, Mapping[str, Any]],
    started: float,
) -> dict[str, Any]:
    """The settings record of some groups.

    Args:
        groups: What was asked.
        settings: What the session was asked to do.
        facts: What each opened engine says of itself, by model label.
        started: When the session started, in seconds since the epoch.
    """
    engine = settings.engine_options
    return settings_record(
        groups,
        engine=settings.engine,
        facts=facts,
        asked={
            "profile": settings.profile.name,
            "limit": settings.limit,
            "shots": settings.shots,
            "judge": msgspec.to_builtins(settings.judge),
            "sandbox": sandbox_record(groups),
            "seed": settings.seed,
            "repeats": settings.repeats,
            "max_tokens": settings.max_tokens,
            "temperature": settings.temperature,
            "timeout_s": settings.timeout_s,
            "engine_arguments": without_secrets(engine.arguments),
            "endpoint": public_url(engine.endpoint),
            "completions": engine.completions,
        },
        started=started,
    )
