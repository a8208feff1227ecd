"""`Measured`: per-item scores with the settings they were obtained under, wherever they come from.

A session's group, a run directory and a baseline file all become this, so that anything can be
compared with anything.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pytest_gptoss.engines.names import asked_for, kinds
from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.settings import Conditions, conditions
from pytest_gptoss.records import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_gptoss.run.group import Group

__all__ = ["DIGITS", "Measured", "Scored", "from_group", "is_run", "item_lines", "read_run"]

DIGITS = 6
"""Hex digits of an item's content hash that are kept: a changed item passes for the old one with
a chance of 1 in 16.7 million."""

PLACES = 5
"""Decimals of a graded or averaged score that are kept, on both sides of every comparison."""

LETTERS = {
    "correct": "1",
    "incorrect": "0",
    "truncated": "t",
    "no_answer": "n",
    "malformed": "m",
    "refused": "r",
    "timeout": "T",
}
"""One letter for each outcome that says something about the model."""

OUTCOMES = {letter: outcome for outcome, letter in LETTERS.items()}

FIGURES = (
    "n",
    "items",
    "correct",
    "accuracy",
    "interval",
    "interval_method",
    "confidence",
    "chance",
    "outcomes",
    "accuracy_completed",
    "truncation_rate",
    "no_answer_rate",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "wall_s",
    "tokens_per_s",
    "latency_s",
    "peak_memory_bytes",
    "energy_j",
    "energy_per_response_j",
    "items_hash",
)
"""What a baseline keeps of a group's figures."""

_NOT_KEPT = frozenset({"gpus", "other_processes", "unknown"})
"""What telemetry says of the machine that day, beside the figures."""


class Scored(NamedTuple):
    """One item's result: the mean score over its repeats, and its outcome where there is one.

    A baseline file holds no clusters: what items share is a property of the benchmark, and the
    candidate's declaration of it is at hand.
    """

    digest: str
    score: float
    outcome: str | None
    stratum: str | None
    cluster: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one model scored on one benchmark, item by item.

    Args:
        model: The model's label.
        benchmark: The benchmark's name.
        origin: What to call it in a sentence: a path, or "this run".
        graded: Whether scores are degrees, so that no item is right or wrong.
        repeats: Completions per item.
        conditions: The settings it was obtained under.
        items: The result of every item that has one, by id.
        errors: Items without a result: errors of the infrastructure, or never answered.
        figures: The group's figures, as in ``summary.json``.
        noise: The discordance of two runs under the same settings, where it is known.
        mixed: The names under which answers came, where those are of different models.
    """

    model: str
    benchmark: str
    origin: str
    graded: bool
    repeats: int
    conditions: Conditions
    items: Mapping[str, Scored]
    errors: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)
    noise: Mapping[str, Any] | None = None
    mixed: Sequence[str] = ()

    @property
    def binary(self) -> bool:
        """Whether every item is simply right or wrong, asked once."""
        return (
            not self.graded
            and self.repeats == 1
            and all(scored.score in (0.0, 1.0) for scored in self.items.values())
        )


def from_group(group: Group, settings: Mapping[str, Any], figures: Mapping[str, Any]) -> Measured:
    """What a session measured so far.

    Args:
        group: The (model, benchmark) pair.
        settings: The settings record.
        figures: The group's figures.
    """
    model, benchmark = group.key
    items: dict[str, Scored] = {}
    errors = 0
    for ticket in sorted(group.tickets, key=lambda ticket: ticket.row):
        scores = [result.score for result in ticket.results if result is not None]
        if len(scores) < group.repeats or any(s.outcome is Outcome.ERROR for s in scores):
            errors += 1
            continue
        items[ticket.item_id] = Scored(
            ticket.item_hash[:DIGITS],
            _mean([score.value for score in scores]),
            scores[0].outcome.value if group.repeats == 1 else None,
            None if group.strata is None else group.strata[ticket.row],
            None if group.clusters is None else group.clusters[ticket.row],
        )
    return Measured(
        model=model,
        benchmark=benchmark,
        origin="this run",
        graded=bool(getattr(group.benchmark.scorer, "graded", False)),
        repeats=group.repeats,
        conditions=conditions(settings, model, benchmark),
        items=items,
        errors=errors,
        figures=_kept(figures),
        mixed=_mixed(settings, model, figures),
    )


def _kept(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A group's figures as a baseline has them; of its telemetry what is known."""
    kept = {name: figures[name] for name in FIGURES if name in figures}
    telemetry = figures.get("telemetry") or {}
    known = {
        name: value
        for name, value in telemetry.items()
        if value is not None and name not in _NOT_KEPT
    }
    return kept | {"telemetry": known} if "requests_per_s" in known else kept


def _mixed(settings: Mapping[str, Any], model: str, figures: Mapping[str, Any]) -> list[str]:
    served = figures.get("served_models") or {}
    names = asked_for(model, settings["models"][model])
    return list(served) if len(kinds(served, names)) > 1 else []


class _Line(msgspec.Struct):
    model: str
    benchmark: str
    item_id: str
    item_hash: str
    outcome: str
    score: float | None
    stratum: str | None = None
    cluster: str | None = None


def is_run(path: Path) -> bool:
    """Whether a path is a run directory."""
    return (path / "summary.json").is_file()


def read_run(path: Path) -> dict[tuple[str, str], Measured]:
    """Everything that a run directory measured, by (model, benchmark).

    Raises:
        UsageError: It holds no finished run, or a file in it cannot be read.
    """
    summary = read_summary(path)
    lines = read_items(path, _Line)
    found: dict[tuple[str, str], dict[str, list[_Line]]] = {}
    for line in lines:
        found.setdefault((line.model, line.benchmark), {}).setdefault(line.item_id, []).append(line)
    read = {}
    for figures in summary["groups"]:
        key = figures["model"], figures["benchmark"]
        repeats = figures["repeats"]
        items = {
            item_id: Scored(
                answers[0].item_hash[:DIGITS],
                _mean([answer.score or 0.0 for answer in answers]),
                answers[0].outcome if repeats == 1 else None,
                answers[0].stratum,
                answers[0].cluster,
            )
            for item_id, answers in found.get(key, {}).items()
            if len(answers) == repeats and all(a.outcome != Outcome.ERROR for a in answers)
        }
        read[key] = Measured(
            model=key[0],
            benchmark=key[1],
            origin=str(path),
            graded=figures["correct"] is None,
            repeats=repeats,
            conditions=conditions(summary["settings"], *key),
            items=items,
            errors=figures["items"] - len(items),
            figures=_kept(figures),
            mixed=_mixed(summary["settings"], key[0], figures),
        )
    return read


def read_summary(path: Path) -> dict[str, Any]:
    """A run's ``summary.json``.

    Raises:
        UsageError: There is none, or it cannot be read.
    """
    file = path / "summary.json"
    try:
        summary = msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise UsageError(
            f"{path} is no run directory: its summary.json cannot be read ({error.strerror}); "
            "name a folder that a session wrote"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no JSON ({error}); take another run") from error
    if not isinstance(summary, dict) or summary.get("schema") != 1 or "groups" not in summary:
        raise UsageError(f"{file} is no summary of schema 1; take a run of this version")
    return summary


_Struct = Any


def read_items(path: Path, kind: _Struct) -> Iterable[Any]:
    """The lines of a run's ``items.jsonl``, as structs of a kind.

    Raises:
        UsageError: The file is missing, or a line of it cannot be read.
    """
    decode = msgspec.json.Decoder(kind).decode
    with item_lines(path) as lines:
        for line in lines:
            yield decode(line)


@contextmanager
def item_lines(path: Path) -> Iterator[Iterator[bytes]]:
    """The lines of a run's ``items.jsonl``; what cannot be decoded is said to be in its line.

    Raises:
        UsageError: The file is missing, or a line of it cannot be read.
    """
    file = path / "items.jsonl"
    number = 0

    def numbered(lines: Iterable[bytes]) -> Iterator[bytes]:
        nonlocal number
        for line in lines:
            number += 1
            yield line

    try:
        with file.open("rb") as lines:
            yield numbered(lines)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror}); take a run that was finished"
        ) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file}, line {number} cannot be read ({error}); take a run that is whole"
        ) from error


def _mean(scores: list[float]) -> float:
    return round(sum(scores) / len(scores), PLACES)
