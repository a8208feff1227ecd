"""A few answers of each outcome, drawn from ``items.jsonl`` in one pass that holds no others."""

from __future__ import annotations

import heapq
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.gates.measured import item_lines
from pytest_gptoss.report.html_text import Text, cut, plain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MOST", "PER_OUTCOME", "Answer", "draw", "shares"]

PER_OUTCOME = 20
"""The most answers shown of one outcome of a group."""

MOST = 240
"""The most answers shown of a run, which bounds the page."""

_TEXT = 1200
_SHORT = 300

Key = tuple[str, str]


class _Head(msgspec.Struct):
    model: str
    benchmark: str
    item_id: str
    outcome: str
    repeat: int = 0


class _Line(_Head):
    extracted: str | None = None
    target: Any = None
    final: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    error: str | None = None
    malformed: str | None = None


class Answer(msgspec.Struct, kw_only=True):
    """One answer, its texts cut to what is shown."""

    item_id: str
    outcome: str
    repeat: int
    extracted: Text | None
    target: Text | None
    final: Text | None
    reasoning: Text | None
    error: Text | None
    finish_reason: str | None
    completion_tokens: int | None
    latency_s: float | None


def shares(groups: list[dict[str, Any]]) -> dict[tuple[Key, str], int]:
    """How many answers are shown of each outcome of each group; of right ones none.

    Args:
        groups: As in ``summary.json``.
    """
    kinds = [
        ((group["model"], group["benchmark"]), outcome)
        for group in groups
        for outcome, number in group["outcomes"].items()
        if number and outcome != "correct"
    ]
    each = min(PER_OUTCOME, MOST // len(kinds)) if kinds else 0
    # Where there are more kinds than answers to show, the first of them have one each.
    return {kind: each or int(place < MOST) for place, kind in enumerate(kinds)}


def draw(
    run: Path, wanted: Mapping[tuple[Key, str], int], *, seed: int = 0
) -> dict[tuple[Key, str], list[Answer]]:
    """The sample, in the order of the file; the same answers whenever the same ones are there.

    Each answer has a rank that depends on the seed and on what it answers alone, and the lowest
    ranks are kept: so an item that is wrong night after night is shown night after night.

    Args:
        run: The run directory.
        wanted: How many of each outcome of each (model, benchmark) pair.
        seed: Draws another sample.

    Raises:
        UsageError: ``items.jsonl`` cannot be read.
    """
    kept: dict[tuple[Key, str], list[tuple[int, int, Answer]]] = {}
    head = msgspec.json.Decoder(_Head).decode
    whole = msgspec.json.Decoder(_Line).decode
    with item_lines(run) as lines:
        for number, line in enumerate(lines):
            answer = head(line)
            kind = (answer.model, answer.benchmark), answer.outcome
            most = wanted.get(kind, 0)
            if not most:
                continue
            of_kind = kept.setdefault(kind, [])
            rank = -_rank(seed, answer)
            if len(of_kind) < most:
                heapq.heappush(of_kind, (rank, number, _shortened(whole(line))))
            elif rank > of_kind[0][0]:
                heapq.heapreplace(of_kind, (rank, number, _shortened(whole(line))))
    return {
        kind: [answer for _, _, answer in sorted(found, key=lambda entry: entry[1])]
        for kind, found in kept.items()
    }


def _rank(seed: int, answer: _Head) -> int:
    text = f"{seed}\0{answer.benchmark}\0{answer.item_id}\0{answer.repeat}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


def _shortened(line: _Line) -> Answer:
    return Answer(
        item_id=line.item_id,
        outcome=line.outcome,
        repeat=line.repeat,
        extracted=cut(line.extracted, _SHORT),
        target=cut(plain(line.target), _SHORT),
        final=cut(line.final, _TEXT),
        reasoning=cut(line.reasoning, _TEXT),
        error=cut(line.error or line.malformed, _SHORT * 2),
        finish_reason=line.finish_reason,
        completion_tokens=line.completion_tokens,
        latency_s=line.latency_s,
    )
