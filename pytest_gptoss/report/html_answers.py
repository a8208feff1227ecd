"""What a report shows of single answers: those that flipped, and a sample of those not right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import count, seconds
from pytest_gptoss.report.html_text import cut, plain
from pytest_gptoss.report.samples import draw, shares

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    Key = tuple[str, str]
    Question = Callable[[Key, str], str | None]

__all__ = ["comparisons", "samples"]

_FLIPS = 160
"""The most flipped items shown of a run, which bounds the page."""
_PER_SIDE = 20
_ANSWERS = 3

_TEXT = 600
_SHORT = 300


def comparisons(flips: Sequence[Mapping[str, Any]], question: Question) -> list[dict[str, Any]]:
    """The items that went from right to wrong and from wrong to right, both answers side by side.

    Args:
        flips: The comparisons of ``flips.json``.
        question: What an item of a (model, benchmark) pair asks, where that is at hand.
    """
    flipped = [comparison for comparison in flips if comparison["lost"] or comparison["won"]]
    most = max(1, min(_PER_SIDE, _FLIPS // (2 * len(flipped)))) if flipped else 0
    return [_comparison(found, most, question) for found in flipped[:_FLIPS]]


def _comparison(found: Mapping[str, Any], most: int, question: Question) -> dict[str, Any]:
    key = found["model"], found["benchmark"]
    return {
        "what": f"{found['model']} on {found['benchmark']}",
        "against": found["against"],
        "sides": [
            {
                "title": title,
                "n": len(found[name]),
                "items": [_flip(key, flip, question) for flip in found[name][:most]],
            }
            for name, title in (("lost", "right → wrong"), ("won", "wrong → right"))
            if found[name]
        ],
    }


def _flip(key: Key, flip: Mapping[str, Any], question: Question) -> dict[str, Any]:
    return {
        "node_id": flip.get("node_id"),
        "item_id": flip["item_id"],
        "question": cut(question(key, flip["item_id"]), _TEXT),
        "target": cut(plain(flip.get("target")), _SHORT),
        "before": _answers(flip.get("baseline")),
        "after": _answers(flip.get("run")),
    }


def _answers(answers: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    return [
        {
            "outcome": answer.get("outcome"),
            "extracted": cut(plain(answer.get("extracted")), _SHORT),
            "final": cut(plain(answer.get("final")), _TEXT),
        }
        for answer in (answers or ())[:_ANSWERS]
    ]


def samples(run: Path, summary: Mapping[str, Any], question: Question) -> Iterator[dict[str, Any]]:
    """A sample of the answers of each outcome other than correct, group by group.

    Args:
        run: The run directory.
        summary: Its summary.
        question: What an item of a (model, benchmark) pair asks, where that is at hand.

    Raises:
        UsageError: ``items.jsonl`` cannot be read.
    """
    wanted = shares(summary["groups"])
    if not wanted:
        return
    drawn = draw(run, wanted, seed=summary["settings"].get("seed") or 0)
    for group in summary["groups"]:
        key = group["model"], group["benchmark"]
        outcomes = [outcome for outcome in group["outcomes"] if (key, outcome) in wanted]
        if not outcomes:
            continue
        test = group.get("test")
        yield {
            "what": f"{key[0]} on {key[1]}",
            "outcomes": [
                {
                    "outcome": outcome,
                    "n": group["outcomes"][outcome],
                    "answers": [
                        _sampled(key, answer, test, question, group.get("repeats", 1))
                        for answer in drawn.get((key, outcome), ())
                    ],
                }
                for outcome in outcomes
            ],
        }


def _sampled(
    key: Key, answer: Any, test: str | None, question: Question, repeats: int
) -> dict[str, Any]:
    facts = [
        f"repeat {answer.repeat + 1} of {repeats}" if repeats > 1 else "",
        f"finish reason {answer.finish_reason}" if answer.finish_reason else "",
        f"{count(answer.completion_tokens)} tokens" if answer.completion_tokens else "",
        f"latency {seconds(answer.latency_s)}" if answer.latency_s is not None else "",
    ]
    return {
        "item_id": answer.item_id,
        "node_id": f"{test}[{key[0]}-{answer.item_id}]" if test else None,
        "question": cut(question(key, answer.item_id), 2 * _TEXT),
        "facts": " · ".join(filter(None, facts)),
        "extracted": answer.extracted,
        "target": answer.target,
        "final": answer.final,
        "reasoning": answer.reasoning,
        "error": answer.error,
    }
