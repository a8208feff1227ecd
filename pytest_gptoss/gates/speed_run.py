"""Speed as a run's ``summary.json`` has it: written, and read back to compare with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.measured import read_summary
from pytest_gptoss.gates.speed import LoadSpeed, Speed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["as_values", "read_run_speed"]


def as_values(
    speed: Speed,
    *,
    figures: Mapping[str, Mapping[str, Any]],
    notes: Mapping[str, list[str]],
    gates: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """JSON values of what one model's loads measured.

    Args:
        speed: What was measured.
        figures: Figures over the rounds, by load.
        notes: Where a load was not as it says, by load.
        gates: The gates of each load, by load and figure.
    """
    return {
        "model": speed.model,
        "date": speed.date,
        "hardware": dict(speed.hardware),
        "engine": dict(speed.engine),
        "software": dict(speed.software),
        "loads": [
            {
                "name": name,
                "load": dict(found.load),
                "rounds": {figure: list(values) for figure, values in found.rounds.items()},
                "unknown": dict(found.unknown),
                "completion_tokens": list(found.lengths),
                "after": list(found.after),
                "disturbed": found.disturbed,
                "figures": figures[name],
                "notes": notes[name],
                "gates": gates.get(name, {}),
            }
            for name, found in speed.loads.items()
        ],
    }


def read_run_speed(path: Path, origin: str) -> dict[str, Speed]:
    """What a run's loads measured, by model; empty where it asked none.

    Args:
        path: The run directory.
        origin: What to call it in a sentence.

    Raises:
        UsageError: Its summary cannot be read.
    """
    try:
        return {
            values["model"]: Speed(
                model=values["model"],
                origin=origin,
                date=values["date"],
                hardware=values["hardware"],
                engine=values["engine"],
                software=values["software"],
                loads={
                    load["name"]: LoadSpeed(
                        load["load"],
                        load["rounds"],
                        load["unknown"],
                        load["completion_tokens"],
                        after=tuple(load["after"]),
                        disturbed=load["disturbed"],
                    )
                    for load in values["loads"]
                },
            )
            for values in read_summary(path).get("throughput", ())
        }
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{path / 'summary.json'} has loads that this version cannot read ({error!r}); take "
            "another run"
        ) from error
