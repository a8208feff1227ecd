"""Flips: the items that went from right to wrong or from wrong to right, with both answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.measured import is_run, read_items

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["FILE", "Flips", "flip_records", "read_flips", "write_flips"]

FILE = "flips.json"

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Flips:
    """The flips of one comparison.

    Args:
        key: Model and benchmark of the run.
        against: What it was compared with, in words.
        lost: Items that went from right to wrong.
        won: Items that went from wrong to right.
        other: The run directory and the key of the other side, where its answers are at hand.
    """

    key: Key
    against: str
    lost: Sequence[str]
    won: Sequence[str]
    other: tuple[Path, Key] | None = None


class _Answer(msgspec.Struct):
    model: str
    benchmark: str
    item_id: str
    outcome: str
    score: float | None = None
    extracted: str | None = None
    target: Any = None
    final: str | None = None
    finish_reason: str | None = None


def flip_records(
    flips: Iterable[Flips], run: Path, node_id: Callable[[Key, str], str]
) -> list[dict[str, Any]]:
    """What ``flips.json`` holds of some comparisons.

    Args:
        flips: The comparisons.
        run: The run directory, whose items are written.
        node_id: The node id of an item of a (model, benchmark) pair.
    """
    comparisons = list(flips)
    wanted: dict[Path, set[tuple[str, str, str]]] = {}
    for flip in comparisons:
        ids = (*flip.lost, *flip.won)
        wanted.setdefault(run, set()).update((*flip.key, item_id) for item_id in ids)
        if flip.other is not None:
            place, key = flip.other
            wanted.setdefault(place, set()).update((*key, item_id) for item_id in ids)
    answers = {place: _answers(place, keys) for place, keys in wanted.items()}

    def record(flip: Flips, item_id: str) -> dict[str, Any]:
        theirs = None
        if flip.other is not None:
            place, key = flip.other
            theirs = answers[place].get((*key, item_id))
        ours = answers[run].get((*flip.key, item_id), [])
        return {
            "item_id": item_id,
            "node_id": node_id(flip.key, item_id),
            "target": ours[0].pop("target", None) if ours else None,
            "baseline": theirs,
            "run": ours,
        }

    return [
        {
            "model": flip.key[0],
            "benchmark": flip.key[1],
            "against": flip.against,
            "lost": [record(flip, item_id) for item_id in flip.lost],
            "won": [record(flip, item_id) for item_id in flip.won],
        }
        for flip in comparisons
    ]


def write_flips(run: Path, records: Sequence[dict[str, Any]]) -> None:
    """Write ``flips.json``, put in place when it is whole."""
    part = run / f"{FILE}.part"
    content = {"schema": 1, "comparisons": list(records)}
    part.write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    part.replace(run / FILE)


def read_flips(run: Path) -> dict[Key, set[str]] | None:
    """The flipped items of a run by (model, benchmark), or ``None`` where none were recorded.

    Raises:
        UsageError: The file cannot be read.
    """
    file = run / FILE
    if not is_run(run) or not file.is_file():
        return None
    try:
        found: dict[Key, set[str]] = {}
        for comparison in msgspec.json.decode(file.read_bytes())["comparisons"]:
            ids = {flip["item_id"] for flip in (*comparison["lost"], *comparison["won"])}
            found.setdefault((comparison["model"], comparison["benchmark"]), set()).update(ids)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"{file} cannot be read ({error}); name another run") from error
    return found


def _answers(
    run: Path, wanted: set[tuple[str, str, str]]
) -> dict[tuple[str, str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    if not wanted:
        return found
    for answer in read_items(run, _Answer):
        key = answer.model, answer.benchmark, answer.item_id
        if key in wanted:
            found.setdefault(key, []).append(
                {
                    "outcome": answer.outcome,
                    "score": answer.score,
                    "extracted": answer.extracted,
                    "final": answer.final,
                    "finish_reason": answer.finish_reason,
                    "target": answer.target,
                }
            )
    return found
