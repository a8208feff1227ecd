"""From tickets to the records and figures that users read: ``items.jsonl`` and the groups."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.benchmark import ScoredItem
from pytest_gptoss.records import Outcome
from pytest_gptoss.run.repeats import pass_at_k

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_gptoss.run.group import Group, Tally
    from pytest_gptoss.run.journal import Journal

__all__ = ["ItemRecord", "item_records", "percentiles", "summarise"]

CONFIDENCE = 0.95
_NAMES = 20
"""The names of models kept of a server that gives each answer another one."""


class ItemRecord(msgspec.Struct, kw_only=True):
    """One line of ``items.jsonl``. Unknown values are null."""

    model: str
    benchmark: str
    item_id: str
    item_hash: str
    repeat: int
    outcome: str
    score: float | None
    correct: bool | None
    extracted: str | None
    target: Any
    final: str | None
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    queue_s: float | None
    ttft_s: float | None
    latency_s: float | None
    error: str | None
    malformed: str | None
    stratum: str | None
    cluster: str | None
    detail: dict[str, Any]


def item_records(groups: Iterable[Group], journal: Journal) -> Iterator[ItemRecord]:
    """Every counted completion, in item order; texts are read back from the journal."""
    for group in groups:
        graded = getattr(group.benchmark.scorer, "graded", False)
        for ticket in sorted(group.tickets, key=lambda ticket: ticket.row):
            if not any(ticket.results):
                continue
            target = _target(group, ticket.row)
            for repeat, result in enumerate(ticket.results):
                if result is None:
                    continue
                record = journal.read(result.offset, result.length)
                completion, score = record.completion, result.score
                failed = score.outcome is Outcome.ERROR
                yield ItemRecord(
                    model=record.model,
                    benchmark=record.benchmark,
                    item_id=record.item_id,
                    item_hash=record.item_hash,
                    repeat=repeat,
                    outcome=score.outcome.value,
                    score=None if failed else score.value,
                    correct=None if failed or graded else score.correct,
                    extracted=score.extracted,
                    target=target,
                    final=None if completion.error is not None else completion.final,
                    reasoning=completion.reasoning,
                    finish_reason=completion.finish_reason,
                    prompt_tokens=completion.prompt_tokens,
                    completion_tokens=completion.completion_tokens,
                    reasoning_tokens=completion.reasoning_tokens,
                    queue_s=completion.queue_s,
                    ttft_s=completion.ttft_s,
                    latency_s=completion.latency_s,
                    error=result.error,
                    malformed=completion.malformed,
                    stratum=None if group.strata is None else group.strata[ticket.row],
                    cluster=None if group.clusters is None else group.clusters[ticket.row],
                    detail=score.detail,
                )


def _target(group: Group, row: int) -> Any:
    from pytest_gptoss.errors import DataError

    try:
        return group.benchmark.build(group.table[row]).target
    except DataError:  # the item ended as an error, with this as its reason
        return None


def summarise(group: Group, telemetry: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The figures of one (model, benchmark) group, as ``summary.json`` holds them.

    Accuracy is the mean score over the completions that say something about the model: errors of
    the infrastructure are left out of it and counted apart. Its interval is Wilson's for one right
    or wrong answer per item, else a t interval over the items' mean scores.

    Args:
        group: What was asked, with what came of it.
        telemetry: What was measured meanwhile, as `Window.figures` gives it; ``None`` while it is
            still being measured.
    """
    tally = group.tally
    model, benchmark = group.key
    scored = tally.scored
    completed = sum(n for outcome, n in tally.outcomes.items() if outcome.completed)
    graded = bool(getattr(group.benchmark.scorer, "graded", False))
    interval, method = _interval(group, graded=graded)
    correct = tally.outcomes[Outcome.CORRECT]
    # What took part of the time in another session has no pace; what was measured in this one is
    # not of the whole.
    wall_s = None if tally.kept else tally.wall_s
    metered = {} if tally.kept else telemetry or {}
    known = scored > 0 and tally.unknown_tokens < scored
    aggregates, why = _aggregates(group)
    return {
        "model": model,
        "benchmark": benchmark,
        "n": tally.done,
        "selected": len(group.tickets) * group.repeats,
        "cancelled": len(group.tickets) * group.repeats - tally.done,
        "items": len(group.tickets),
        "repeats": group.repeats,
        "correct": None if graded else correct,
        "accuracy": tally.score_sum / scored if scored else None,
        "interval": interval,
        "interval_method": method,
        "confidence": CONFIDENCE,
        "chance": group.benchmark.chance,
        "outcomes": {outcome.value: tally.outcomes[outcome] for outcome in Outcome},
        "accuracy_completed": tally.score_sum / completed if completed else None,
        "truncation_rate": _rate(tally.outcomes[Outcome.TRUNCATED], scored),
        "no_answer_rate": _rate(tally.outcomes[Outcome.NO_ANSWER], scored),
        "error_rate": _rate(tally.outcomes[Outcome.ERROR], tally.done),
        "prompt_tokens": tally.prompt_tokens or None,
        "completion_tokens": tally.completion_tokens if known else None,
        "reasoning_tokens": tally.reasoning_tokens or None,
        "completions_of_unknown_length": tally.unknown_tokens,
        "wall_s": wall_s,
        "tokens_per_s": tally.completion_tokens / wall_s if known and wall_s else None,
        "latency_s": percentiles(tally),
        "served_models": dict(tally.served.most_common(_NAMES)) or None,
        "judges": dict(tally.judges.most_common(_NAMES)) or None,
        "resumed": _resumed(group),
        "strata": _strata(group),
        "aggregates": {**pass_at_k(group), **aggregates} or None,
        "aggregates_error": why,
        "items_hash": _items_hash(group),
        "peak_memory_bytes": metered.get("peak_memory_bytes"),
        "energy_j": metered.get("energy_j"),
        "energy_per_response_j": metered.get("energy_per_response_j"),
        "telemetry": None if telemetry is None else dict(telemetry),
        "gate": None,
    }


def _resumed(group: Group) -> dict[str, Any] | None:
    """How much of a group an earlier session generated, and the pace of what this one did."""
    tally = group.tally
    if not tally.kept:
        return None
    wall_s = tally.wall_s
    return {
        "kept": tally.kept,
        "generated": tally.done - tally.kept,
        "wall_s": wall_s,
        "tokens_per_s": tally.generated_tokens / wall_s if wall_s else None,
    }


def percentiles(tally: Tally) -> dict[str, float | None]:
    """Latency at the median, the 90th and the 99th percentile (linear interpolation), seconds."""
    ordered = sorted(tally.latencies)
    return {name: _quantile(ordered, q) for name, q in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}


def _quantile(ordered: Sequence[float], q: float) -> float | None:
    if not ordered:
        return None
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _rate(count: int, total: int) -> float | None:
    return count / total if total else None


def _interval(group: Group, *, graded: bool) -> tuple[list[float] | None, str | None]:
    from pytest_gptoss import stats

    tally = group.tally
    if not tally.scored:
        return None, None
    if group.repeats == 1 and not graded:
        wilson = stats.proportion(
            tally.outcomes[Outcome.CORRECT], tally.scored, confidence=CONFIDENCE
        )
        return [wilson.low, wilson.high], "wilson"
    means = [mean for ticket in group.tickets if (mean := _mean_score(ticket.results)) is not None]
    figures = stats.mean_score(means, confidence=CONFIDENCE).figures()
    return figures["interval"], figures["interval_method"]


def _mean_score(results: Sequence[Any]) -> float | None:
    scores = [
        result.score.value
        for result in results
        if result is not None and result.score.outcome is not Outcome.ERROR
    ]
    return sum(scores) / len(scores) if scores else None


def _strata(group: Group) -> dict[str, dict[str, Any]] | None:
    if group.strata is None:
        return None
    from pytest_gptoss import stats

    sums: dict[str, list[float]] = {}
    for ticket in group.tickets:
        mean = _mean_score(ticket.results)
        if mean is not None:
            sums.setdefault(group.strata[ticket.row], []).append(mean)
    return {
        stratum: {
            "n": len(scores),
            "accuracy": sum(scores) / len(scores),
            **stats.mean_score(scores, confidence=CONFIDENCE).figures(),
        }
        for stratum, scores in sorted(sums.items())
    }


class _Figure(msgspec.Struct):
    """What is shown of a figure that a benchmark declares; it may have more."""

    accuracy: float | None
    n: int | None = None
    strata: int | None = None
    interval: tuple[float, float] | None = None


def _aggregates(group: Group) -> tuple[dict[str, Any], str | None]:
    """The figures that the benchmark declares beside its accuracy, or why there are none."""
    if group.benchmark.aggregate is None:
        return {}, None
    scored = [
        ScoredItem(
            stratum=None if group.strata is None else group.strata[ticket.row],
            score=mean,
            table=group.table,
            position=ticket.row,
        )
        for ticket in group.tickets
        if (mean := _mean_score(ticket.results)) is not None
    ]
    if not scored:
        return {}, None
    name = f"the aggregate of {group.benchmark.name}"
    try:
        found = group.benchmark.aggregate(scored)
    except Exception as error:  # the suite's own code: what was measured is kept without it
        return {}, f"{name} raised {type(error).__name__} ({error})"
    try:
        encoded = msgspec.json.encode(found)
        msgspec.json.decode(encoded, type=dict[str, _Figure])
    except (TypeError, ValueError) as error:
        return {}, f"{name} returned no figures by name, each with an accuracy and an n ({error})"
    return msgspec.json.decode(encoded), None


def _items_hash(group: Group) -> str:
    """A digest over the items that were asked: equal digests mean the same questions."""
    digest = hashlib.sha256()
    for ticket in sorted(group.tickets, key=lambda ticket: ticket.row):
        digest.update(f"{ticket.item_id}\0{ticket.item_hash}\0".encode())
    return digest.hexdigest()[:16]
