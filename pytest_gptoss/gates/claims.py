"""Claims of publications, held against stored results and against their own tables.

A claim ends as ``holds``, ``contradicted`` or ``not shown``: the last where the figures lean one
way or the other by no more than chance explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from pytest_gptoss import stats
from pytest_gptoss.gates.compare import difference
from pytest_gptoss.gates.stored import MissingResultError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_gptoss.gates.measured import Measured
    from pytest_gptoss.gates.published import Published
    from pytest_gptoss.gates.stored import Stored

__all__ = ["CLAIMS", "PUBLISHED_CLAIMS", "Claim", "Finding", "PublishedClaim"]

SMALL, LARGE = "gpt-oss-20b", "gpt-oss-120b"
EFFORTS = ("low", "medium", "high")
MARGIN, ALPHA = 0.02, 0.05

Verdict = Literal["holds", "contradicted", "not shown"]


@dataclass(frozen=True)
class Finding:
    """What may be said of a claim, and on what grounds."""

    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Claim:
    """A statement, and how it is held against stored results.

    ``evaluate`` raises `MissingResultError` where results are missing.
    """

    id: str
    paper: str
    statement: str
    evaluate: Callable[[Stored], Finding]


@dataclass(frozen=True)
class PublishedClaim:
    """A statement, and what the publication's own table can show of it."""

    id: str
    paper: str
    statement: str
    evaluate: Callable[[Published], Finding]


# --- on stored results ----------------------------------------------------------------------------


def _beats(better: str, worse: str, benchmark: str) -> Callable[[Stored], Finding]:
    def evaluate(stored: Stored) -> Finding:
        first, second = stored.need(better, benchmark), stored.need(worse, benchmark)
        fields, _ = difference(first, second)
        if fields["n"] == 0:
            raise MissingResultError(
                f"the results of {better} and {worse} on {benchmark} share no item"
            )
        low, high = (100 * bound for bound in fields["interval"])
        text = (
            f"{benchmark}: {better} {100 * fields['scores'][0]:.1f} %, {worse} "
            f"{100 * fields['scores'][1]:.1f} %, difference {100 * fields['difference']:+.1f} "
            f"points (95 % interval {low:+.1f} to {high:+.1f}, {fields['method']}, "
            f"p = {fields['p_value']:.2g}, n = {fields['n']:,})"
        )
        if fields["p_value"] > ALPHA:
            return Finding("not shown", text)
        return Finding("holds" if fields["difference"] > 0 else "contradicted", text)

    return evaluate


def _needs_less(figure: str, what: str, unit: float, name: str) -> Callable[[Stored], Finding]:
    def evaluate(stored: Stored) -> Finding:
        pairs = []
        for benchmark in stored.benchmarks(SMALL) & stored.benchmarks(LARGE):
            small, large = stored.need(SMALL, benchmark), stored.need(LARGE, benchmark)
            ours, theirs = small.figures.get(figure), large.figures.get(figure)
            if ours is not None and theirs is not None and _same_machine(small, large):
                pairs.append((benchmark, ours / unit, theirs / unit))
        if not pairs:
            raise MissingResultError(
                f"no results of {SMALL} and {LARGE} on one machine and at one concurrency hold "
                f"{what}"
            )
        text = "; ".join(f"{b}: {x:.3g} against {y:.3g} {name}" for b, x, y in sorted(pairs))
        text = f"{what}, {SMALL} against {LARGE}: {text} (one measurement each, no interval)"
        if all(x < y for _, x, y in pairs):
            return Finding("holds", text)
        return Finding("contradicted" if all(x > y for _, x, y in pairs) else "not shown", text)

    return evaluate


def _same_machine(first: Measured, second: Measured) -> bool:
    keys = ("engine.name", "engine.device", "engine.max_num_seqs", "engine.batch_size")
    one, other = first.conditions.tested, second.conditions.tested
    return all(one.get(key) == other.get(key) for key in keys)


def _code_over_chinese(model: str) -> Callable[[Stored], Finding]:
    def evaluate(stored: Stored) -> Finding:
        code, chinese = stored.need(model, "humaneval"), stored.need(model, "ceval")
        counts = [
            (round(sum(s.score for s in m.items.values())), len(m.items)) for m in (code, chinese)
        ]
        return _unpaired(f"{model}, HumanEval against C-Eval", *counts)

    return evaluate


def _effort_never_lowers(stored: Stored) -> Finding:
    steps = []
    for model in (SMALL, LARGE):
        for benchmark in sorted(stored.benchmarks(model)):
            found = [stored.find(model, benchmark, effort) for effort in EFFORTS]
            known = [(e, m) for e, m in zip(EFFORTS, found, strict=True) if m is not None]
            for (low, before), (high, after) in pairwise(known):
                steps.append(_step(f"{model} {benchmark} {low} → {high}", before, after))
    if not steps:
        raise MissingResultError(f"no benchmark has results of {SMALL} or {LARGE} at two efforts")
    return _all_of(steps)


def _large_not_below_small(stored: Stored) -> Finding:
    steps = [
        _step(f"{b} {SMALL} → {LARGE}", stored.need(SMALL, b), stored.need(LARGE, b))
        for b in sorted(stored.benchmarks(SMALL) & stored.benchmarks(LARGE))
    ]
    if not steps:
        raise MissingResultError(f"no benchmark has results of both {SMALL} and {LARGE}")
    return _all_of(steps)


@dataclass(frozen=True)
class _Step:
    """One of the cases of a claim about all of them."""

    falls: bool
    bounded: bool
    p_value: float
    text: str


def _step(name: str, before: Measured, after: Measured) -> _Step:
    """Whether a score fell, or a fall of the margin or more is ruled out."""
    fields, pairs = difference(before, after, confidence=1 - 2 * ALPHA)
    if not pairs.ids:
        return _Step(False, False, math.nan, f"{name}: no shared item")
    low, high = fields["interval"]
    text = (
        f"{name}: drop {100 * fields['difference']:+.1f} points (90 % interval {100 * low:+.1f} "
        f"to {100 * high:+.1f}, n = {fields['n']:,})"
    )
    return _Step(fields["difference"] > 0, high < MARGIN, fields["p_value"], text)


def _all_of(steps: list[_Step]) -> Finding:
    """A claim about every case holds where each does, and falls with one (Holm over the cases)."""
    text = f"{len(steps)} cases: " + "; ".join(step.text for step in steps)
    adjusted = stats.holm(step.p_value for step in steps)
    if any(step.falls and p <= ALPHA for step, p in zip(steps, adjusted, strict=True)):
        return Finding("contradicted", text)
    return Finding("holds" if all(step.bounded for step in steps) else "not shown", text)


# --- on published tables --------------------------------------------------------------------------


def _table_beats(better: str, worse: str, benchmark: str) -> Callable[[Published], Finding]:
    def evaluate(published: Published) -> Finding:
        n = published.n or 100
        first, second = (_share(published, model, benchmark) for model in (better, worse))
        gap = round(abs(first - second) * n)
        # The fewest items that can differ: all of them lean one way. No other table says more.
        best = stats.mcnemar(gap, 0, method="exact").p_value
        text = (
            f"{benchmark}: {better} {100 * first:g} %, {worse} {100 * second:g} %; with about {n} "
            f"items the clearest table that these figures allow ({gap} items differ, all one way) "
            f"has p = {best:.2g}"
        )
        if best > ALPHA:
            return Finding("not shown", f"{text}, so they show no difference either way")
        counts = (round(first * n), n), (round(second * n), n)
        finding = _unpaired(f"{benchmark}, {better} against {worse}", *counts)
        return Finding(finding.verdict, f"{text}; {finding.sentence}")

    return evaluate


def _table_code_over_chinese(model: str) -> Callable[[Published], Finding]:
    def evaluate(published: Published) -> Finding:
        n = published.n or 100
        counts = [(round(_share(published, model, b) * n), n) for b in ("humaneval", "ceval")]
        return _unpaired(f"{model}, HumanEval against C-Eval, about {n} items each", *counts)

    return evaluate


def _table_effort(published: Published) -> Finding:
    falls, steps = [], 0
    for model in (SMALL, LARGE):
        for benchmark, shares in published.scores[model].items():
            if not isinstance(shares, dict):
                continue
            for low, high in (("low", "medium"), ("medium", "high")):
                steps += 1
                if shares[high] < shares[low]:
                    falls.append(
                        f"{model} {benchmark} {low} {100 * shares[low]:g} → {high} "
                        f"{100 * shares[high]:g}"
                    )
    return _literal(falls, steps, "fall with more effort")


def _table_large(published: Published) -> Finding:
    falls, steps = [], 0
    for benchmark, large in published.scores[LARGE].items():
        small = published.scores[SMALL].get(benchmark)
        if not isinstance(large, dict) or not isinstance(small, dict):
            continue
        for effort in EFFORTS:
            steps += 1
            if large[effort] < small[effort]:
                falls.append(
                    f"{benchmark} {effort}: {LARGE} {100 * large[effort]:g}, {SMALL} "
                    f"{100 * small[effort]:g}"
                )
    return _literal(falls, steps, "are lower for the larger model")


def _literal(falls: list[str], steps: int, what: str) -> Finding:
    if not falls:
        return Finding("holds", f"none of {steps} printed comparisons {what}")
    return Finding(
        "not shown",
        f"{len(falls)} of {steps} printed comparisons {what} ({'; '.join(falls)}); the numbers of "
        "items are not stated, so it cannot be said whether by more than chance",
    )


def _share(published: Published, model: str, benchmark: str) -> float:
    value = published.score(model, benchmark, None)
    if value is None:
        raise MissingResultError(f"{published.id} states no score of {model} on {benchmark}")
    return value


def _unpaired(name: str, first: tuple[int, int], second: tuple[int, int]) -> Finding:
    """Two shares of different items: Newcombe's (1998, Stat Med 17:873, method 10) interval."""
    one, other = stats.proportion(*first), stats.proportion(*second)
    gap = one.estimate - other.estimate
    low = gap - math.hypot(one.estimate - one.low, other.high - other.estimate)
    high = gap + math.hypot(one.high - one.estimate, other.estimate - other.low)
    text = (
        f"{name}: {100 * one.estimate:.1f} % of {first[1]:,} against {100 * other.estimate:.1f} % "
        f"of {second[1]:,}, difference {100 * gap:+.1f} points, unpaired (95 % interval "
        f"{100 * low:+.1f} to {100 * high:+.1f})"
    )
    if low > 0:
        return Finding("holds", text)
    return Finding("contradicted" if high < 0 else "not shown", text)


_PAPER, _CARD = "2508.12461", "2508.10925"

_TWENTY = "gpt-oss-20b outperforms gpt-oss-120b on {}"
_CODE = "{} is strong in code generation and weak in Chinese"
_EFFORT = "more reasoning effort never lowers the score"
_LARGE = "gpt-oss-120b scores at least as high as gpt-oss-20b"

CLAIMS = (
    Claim("humaneval", _PAPER, _TWENTY.format("HumanEval"), _beats(SMALL, LARGE, "humaneval")),
    Claim("mmlu", _PAPER, _TWENTY.format("MMLU"), _beats(SMALL, LARGE, "mmlu")),
    Claim(
        "memory",
        _PAPER,
        "gpt-oss-20b needs less memory per response than gpt-oss-120b",
        _needs_less("peak_memory_bytes", "peak memory", 2**30, "GiB"),
    ),
    Claim(
        "energy",
        _PAPER,
        "gpt-oss-20b needs less energy per response than gpt-oss-120b",
        _needs_less("energy_per_response_j", "energy per response", 1.0, "J"),
    ),
    *(
        Claim(f"code-{model}", _PAPER, _CODE.format(model), _code_over_chinese(model))
        for model in (SMALL, LARGE)
    ),
    Claim("effort", _CARD, _EFFORT, _effort_never_lowers),
    Claim("size", _CARD, _LARGE, _large_not_below_small),
)
"""The claims, as they are held against stored results."""

PUBLISHED_CLAIMS = (
    PublishedClaim(
        "humaneval", _PAPER, _TWENTY.format("HumanEval"), _table_beats(SMALL, LARGE, "humaneval")
    ),
    PublishedClaim("mmlu", _PAPER, _TWENTY.format("MMLU"), _table_beats(SMALL, LARGE, "mmlu")),
    *(
        PublishedClaim(
            f"code-{model}", _PAPER, _CODE.format(model), _table_code_over_chinese(model)
        )
        for model in (SMALL, LARGE)
    ),
    PublishedClaim("effort", _CARD, _EFFORT, _table_effort),
    PublishedClaim("size", _CARD, _LARGE, _table_large),
)
"""The claims, as the publications' own tables bear on them."""
