"""Published scores: an aggregate without items, so never a paired comparison."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.wording import no_flips
from pytest_gptoss.stats.wording import points

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_gptoss.gates.measured import Measured

__all__ = ["PREFIX", "Published", "judge_published", "read_published"]

PREFIX = "published:"

_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*\Z")


@dataclass(frozen=True)
class Published:
    """The scores of one publication.

    Args:
        id: Its arXiv number.
        title: Its title.
        source: Where the figures stand.
        rounding: The unit to which they are rounded (0.01 for whole percentages).
        n: Items per benchmark, where it is stated or can be inferred.
        notes: What a reader must know of them.
        scores: By model and benchmark: a share, or shares by effort.
    """

    id: str
    title: str
    source: str
    rounding: float
    n: int | None
    notes: list[str]
    scores: dict[str, dict[str, float | dict[str, float]]]

    def score(self, model: str, benchmark: str, effort: str | None) -> float | None:
        """The published share, for the effort that was used (``high`` where none was named)."""
        name = re.split(r"[:@]", model)[0].rpartition("/")[2].lower()
        value = self.scores.get(name, {}).get(benchmark)
        return value.get(effort or "high") if isinstance(value, dict) else value


def read_published(name: str, folders: list[Path]) -> Published:
    """Read a publication's scores.

    Raises:
        UsageError: There is no file of that name, or it cannot be read.
    """
    if not _ID.match(name):
        raise UsageError(
            f"{PREFIX}{name} names no publication; write for example {PREFIX}2508.12461"
        )
    for folder in folders:
        file = folder / "published" / f"{name}.json"
        if file.is_file():
            try:
                return msgspec.json.decode(file.read_bytes(), type=Published)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise UsageError(f"{file} cannot be read ({error}); restore it") from error
    known = sorted(
        {file.stem for folder in folders for file in (folder / "published").glob("*.json")}
    )
    raise UsageError(
        f"there are no published scores called {name!r}; there are {', '.join(known) or 'none'}"
    )


def judge_published(
    published: Published, candidate: Measured, *, margin: float, alpha: float
) -> dict[str, Any] | None:
    """Compare a run's score and its interval with a published one, or ``None`` without one.

    The published figure is taken as exact up to its rounding: how far chance moved it is not
    stated. So this is a one-sample statement about the run, labelled unpaired.
    """
    effort = candidate.conditions.measured.get("effort")
    value = published.score(candidate.model, candidate.benchmark, effort)
    if value is None:
        return None
    fields = _fields(published, candidate, value, margin, alpha)
    n = len(candidate.items)
    if candidate.errors or not n:
        total = n + candidate.errors
        fields["refused"] = (
            f"{candidate.errors:,} of the {total:,} selected items have no result (errors of the "
            "infrastructure, or never answered); have them answered with --gptoss-resume"
            if candidate.errors
            else "no item of this benchmark was answered"
        )
        return fields
    score, low, high = _estimate(candidate, alpha)
    half = published.rounding / 2
    p_value = _p_value(candidate, score, value - half)
    if low > value + half:
        verdict = "improved"
    elif low > value + half - margin:
        verdict = "within-margin"
    elif high < value - half:
        verdict = "regressed"
    else:
        verdict = "inconclusive"
    words = {
        "improved": "above the published figure by more than chance explains",
        "within-margin": f"a drop of {points(margin)} or more is ruled out",
        "regressed": "below the published figure by more than chance explains",
        "inconclusive": f"neither a drop nor one below {points(margin)} could be shown",
    }
    return fields | {
        "verdict": verdict,
        "difference": value - score,
        "interval": [value - high, value - low],
        "p_value": p_value,
        "score": score,
        "sentence": (
            f"{verdict.capitalize().replace('-', ' ')}, unpaired: {100 * score:.2f} % "
            f"({100 * (1 - 2 * alpha):.3g} % interval {100 * low:.2f} to {100 * high:.2f}, {n:,} "
            f"items) against a published {100 * value:g} %: {words[verdict]}. Other items, prompts "
            "and settings may explain any difference."
        ),
    }


def _fields(
    published: Published, candidate: Measured, value: float, margin: float, alpha: float
) -> dict[str, Any]:
    stated = "n not stated" if published.n is None else f"n about {published.n}"
    return {
        "verdict": None,
        "refused": None,
        "difference": None,
        "interval": None,
        "confidence": 1.0 - 2.0 * alpha,
        "p_value": None,
        "adjusted_p_value": None,
        "method": f"unpaired: the run's interval against a published figure ({stated})",
        "paired": False,
        "clusters": None,
        "b": None,
        "c": None,
        "n": len(candidate.items),
        "odds_ratio": None,
        "cohens_g": None,
        "minimum_detectable_drop": None,
        "items_needed": None,
        "margin": margin,
        "alpha": alpha,
        "baseline": f"{PREFIX}{published.id}",
        "baseline_model": candidate.model,
        "baseline_date": None,
        "baseline_score": value,
        "score": None,
        "noise": None,
        "changed": [],
        "unknown": ["items", "prompt", "sampling", "engine"],
        "overlap": {
            "baseline_items": 0,
            "items": len(candidate.items),
            "changed_items": 0,
            "errors": candidate.errors,
        },
        "flips": no_flips(),
        "sentence": None,
    }


def _estimate(candidate: Measured, alpha: float) -> tuple[float, float, float]:
    from pytest_gptoss import stats

    scores = [scored.score for scored in candidate.items.values()]
    confidence = 1.0 - 2.0 * alpha
    if candidate.binary or len(scores) < 2:
        wilson = stats.proportion(round(sum(scores)), len(scores), confidence=confidence)
        return wilson.estimate, wilson.low, wilson.high
    student = stats.clustered_difference(scores, range(len(scores)), confidence=confidence)
    return student.mean, max(0.0, student.low), min(1.0, student.high)


def _p_value(candidate: Measured, score: float, reference: float) -> float:
    """One-sided: how often a model as good as published scores this low or lower."""
    n = len(candidate.items)
    if candidate.binary:
        spread = (reference * (1.0 - reference)) ** 0.5
    else:
        mean_square = sum((s.score - score) ** 2 for s in candidate.items.values())
        spread = (mean_square / max(1, n - 1)) ** 0.5
    if spread <= 0.0:
        return float(score >= reference)
    return NormalDist().cdf((score - reference) / (spread / n**0.5))
