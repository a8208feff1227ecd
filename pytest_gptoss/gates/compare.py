"""Two results on the same items: pairs, the gate's verdict, the difference of two models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from pytest_gptoss import stats
from pytest_gptoss.gates.clustered import clusters_of, compared, judged
from pytest_gptoss.gates.settings import changes
from pytest_gptoss.gates.wording import graded_sentence, no_flips

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence

    from pytest_gptoss.gates.measured import Measured

__all__ = ["Pairs", "difference", "holm", "judge", "pair", "pooled"]

# From so many items on, Student's interval and the bootstrap's agree, and the former costs nothing.
_STUDENT_ITEMS = 2000


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The items that two results share.

    Args:
        ids: Their ids, in the candidate's order.
        before: The baseline's scores.
        after: The candidate's scores.
        binary: Whether every score is simply right or wrong, so that McNemar's test applies.
        graded: Whether scores are degrees, so that no item can flip.
        changed: Items of both whose content differs: other items under the same id.
        only_before: Items that only the baseline has.
        only_after: Items that only the candidate has.
        clusters: What each item shares with others, where that is declared.
    """

    ids: Sequence[str]
    before: Sequence[float]
    after: Sequence[float]
    binary: bool
    graded: bool
    changed: int
    only_before: int
    only_after: int
    clusters: Sequence[Hashable] | None = None

    @property
    def table(self) -> tuple[int, int, int, int]:
        """Both right, lost, won, both wrong."""
        cells = [0, 0, 0, 0]
        for before, after in zip(self.before, self.after, strict=True):
            cells[(0 if after else 1) if before else (2 if after else 3)] += 1
        return cells[0], cells[1], cells[2], cells[3]

    @property
    def clustered(self) -> bool:
        """Whether any two of the items share a cluster."""
        return self.clusters is not None and len(set(self.clusters)) < len(self.clusters)

    @property
    def differences(self) -> list[float]:
        """Baseline score minus candidate score, item by item."""
        return [b - a for b, a in zip(self.before, self.after, strict=True)]

    def flips(self) -> tuple[list[str], list[str]]:
        """The items that went from right to wrong, and from wrong to right.

        With repeats an item is right where most of its answers are.
        """
        if self.graded:
            return [], []
        rows = list(zip(self.ids, self.before, self.after, strict=True))
        lost = [i for i, before, after in rows if before > 0.5 >= after]
        won = [i for i, before, after in rows if after > 0.5 >= before]
        return lost, won


def pair(baseline: Measured, candidate: Measured) -> Pairs:
    """Bring the items of two results together, by id and content."""
    ids, before, after = [], [], []
    changed = only_after = 0
    for item_id, ours in candidate.items.items():
        theirs = baseline.items.get(item_id)
        if theirs is None:
            only_after += 1
        elif theirs.digest != ours.digest:
            changed += 1
        else:
            ids.append(item_id)
            before.append(theirs.score)
            after.append(ours.score)
    return Pairs(
        ids=ids,
        before=before,
        after=after,
        binary=baseline.binary and candidate.binary,
        graded=baseline.graded or candidate.graded,
        changed=changed,
        only_before=len(baseline.items) - len(ids) - changed,
        only_after=only_after,
        clusters=clusters_of(baseline, candidate, ids),
    )


def judge(
    baseline: Measured,
    candidate: Measured,
    *,
    margin: float,
    alpha: float,
    across: Collection[str] = (),
) -> tuple[dict[str, Any], Pairs]:
    """The gate: what may be said of a candidate against a baseline.

    Args:
        baseline: What it is compared with.
        candidate: What is judged.
        margin: The tolerated drop.
        alpha: One-sided error rate of each statement.
        across: Measured settings that the comparison is about.

    Returns:
        The fields of the ``gate`` object of ``summary.json``, and the pairs behind them. Where the
        two cannot be compared the verdict is null and ``refused`` says why.
    """
    pairs = pair(baseline, candidate)
    forbidding, about, unknown = changes(baseline.conditions, candidate.conditions, across=across)
    fields: dict[str, Any] = {
        "verdict": None,
        "refused": None,
        "difference": None,
        "interval": None,
        "confidence": 1.0 - 2.0 * alpha,
        "p_value": None,
        "adjusted_p_value": None,
        "method": None,
        "paired": True,
        "b": None,
        "c": None,
        "n": len(pairs.ids),
        "clusters": None,
        "odds_ratio": None,
        "cohens_g": None,
        "minimum_detectable_drop": None,
        "items_needed": None,
        "margin": margin,
        "alpha": alpha,
        "baseline": baseline.origin,
        "baseline_model": baseline.model,
        "baseline_date": baseline.conditions.date,
        "baseline_score": _mean(pairs.before),
        "score": _mean(pairs.after),
        "noise": None if baseline.noise is None else dict(baseline.noise),
        "changed": [
            {"setting": change.name, "before": change.before, "after": change.after}
            for change in about
        ],
        "unknown": unknown,
        "overlap": {
            "baseline_items": len(baseline.items),
            "items": len(candidate.items),
            "changed_items": pairs.changed,
            "errors": candidate.errors,
        },
        "flips": no_flips(),
        "sentence": None,
    }
    fields["refused"] = _refusal(candidate, pairs, [str(change) for change in forbidding])
    if fields["refused"] is None:
        if pairs.clustered:
            apart = _apart(pairs, 1.0 - 2.0 * alpha)
            fields |= judged(pairs, margin=margin, alpha=alpha, apart=apart) | _counts(pairs)
        else:
            fields |= (_mcnemar if pairs.binary else _graded)(pairs, margin, alpha)
    return fields, pairs


def _refusal(candidate: Measured, pairs: Pairs, forbidding: Sequence[str]) -> str | None:
    if forbidding:
        return (
            f"what is measured differs: {'; '.join(forbidding)}; measure both under the same "
            "settings, or save a new baseline"
        )
    if candidate.errors:
        return (
            f"{candidate.errors:,} of the {candidate.errors + len(candidate.items):,} selected "
            "items have no result (errors of the infrastructure, or never answered); have them "
            "answered with --gptoss-resume"
        )
    if not pairs.ids:
        if pairs.changed:
            return (
                f"the prompt, the options or the target of all {pairs.changed:,} items differ "
                "from the baseline's; save a new baseline"
            )
        return "no item of this run is in the baseline; select items that are, or save a new one"
    return None


def _mcnemar(pairs: Pairs, margin: float, alpha: float) -> dict[str, Any]:
    table = pairs.table
    gate = stats.gate(*table, margin=margin, alpha=alpha)
    return {
        "verdict": gate.verdict,
        "difference": gate.drop,
        "interval": [gate.low, gate.high],
        "p_value": gate.p_value,
        "method": "McNemar mid-p, one-sided; Tango interval",
        "n": gate.n,
        **_counts(pairs),
        "minimum_detectable_drop": gate.minimum_detectable_drop,
        "items_needed": gate.items_needed,
        "sentence": gate.sentence,
    }


def _graded(pairs: Pairs, margin: float, alpha: float) -> dict[str, Any]:
    """The same three statements for scores that are degrees, or means over repeats."""
    differences = pairs.differences
    n = len(differences)
    mean = math.fsum(differences) / n
    low, high, method = _interval(differences, 1.0 - 2.0 * alpha)
    p_value = stats.sign_flip(differences, alternative="regression").p_value
    better = stats.sign_flip(differences, alternative="improvement").p_value
    if high < margin:
        verdict = "improved" if better <= alpha and mean < 0 else "within-margin"
    else:
        verdict = "regressed" if p_value <= alpha and mean > 0 else "inconclusive"
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / max(1, n - 1))
    reach = (NormalDist().inv_cdf(1.0 - alpha) + NormalDist().inv_cdf(0.8)) * spread
    smallest = reach / math.sqrt(n) if spread else None
    needed = math.ceil((reach / margin) ** 2) if margin and spread else None
    lower = sum(d > 0 for d in differences)
    higher = sum(d < 0 for d in differences)
    return {
        "verdict": verdict,
        "difference": mean,
        "interval": [low, high],
        "p_value": p_value,
        "method": f"sign-flip, one-sided; {method}",
        "minimum_detectable_drop": smallest,
        "items_needed": needed,
        "sentence": graded_sentence(
            verdict,
            mean=mean,
            low=low,
            high=high,
            n=n,
            counted=f"{lower:,} items scored lower and {higher:,} higher of {n:,}",
            p_value=p_value,
            margin=margin,
            alpha=alpha,
            smallest=smallest,
            needed=needed,
        ),
    }


def _interval(differences: Sequence[float], confidence: float) -> tuple[float, float, str]:
    n = len(differences)
    if not any(differences) or n < 2:
        # Identical scores say little of the next item when there are few of them: the limit of
        # Tango's interval without a differing item holds for any score between 0 and 1.
        z = NormalDist().inv_cdf((1.0 + confidence) / 2.0)
        limit = z * z / (n + z * z)
        if n < 2 and any(differences):
            return -1.0, 1.0, "no interval from one item"
        return -limit, limit, "limit of identical scores"
    if n > _STUDENT_ITEMS:
        student = stats.clustered_difference(differences, range(n), confidence=confidence)
        return student.low, student.high, "t interval over items"
    bootstrap = stats.bootstrap_difference(differences, confidence=confidence)
    return bootstrap.low, bootstrap.high, "BCa bootstrap interval over items"


def _apart(pairs: Pairs, confidence: float) -> tuple[float, float]:
    """The interval of these items as if they were independent."""
    if pairs.binary:
        drop = stats.paired_difference(*pairs.table, confidence=confidence)
        return drop.low, drop.high
    low, high, _ = _interval(pairs.differences, confidence)
    return low, high


def difference(
    first: Measured, second: Measured, *, confidence: float = 0.95
) -> tuple[dict[str, Any], Pairs]:
    """Compare two models of one session on a benchmark, without a margin or a direction.

    Returns:
        The fields of one entry of ``comparisons`` in ``summary.json``, and the pairs behind them.
        ``difference`` is the first model's score minus the second's; ``b`` counts the items that
        only the first has right.
    """
    pairs = pair(first, second)
    n = len(pairs.ids)
    fields: dict[str, Any] = {
        "benchmark": first.benchmark,
        "models": [first.model, second.model],
        "n": n,
        "clusters": None,
        "scores": [_mean(pairs.before), _mean(pairs.after)],
        "difference": None,
        "interval": None,
        "confidence": confidence,
        "p_value": None,
        "adjusted_p_value": None,
        "method": None,
        "b": None,
        "c": None,
        "odds_ratio": None,
        "cohens_g": None,
        "left_out": first.errors + second.errors + pairs.changed,
    }
    if n == 0:
        return fields, pairs
    if pairs.clustered:
        apart = _apart(pairs, confidence)
        fields |= compared(pairs, confidence=confidence, apart=apart) | _counts(pairs)
        return fields, pairs
    if pairs.binary:
        drop = stats.paired_difference(*pairs.table, confidence=confidence)
        _, b, c, _ = pairs.table
        fields |= {
            "difference": drop.drop,
            "interval": [drop.low, drop.high],
            "p_value": stats.mcnemar(b, c).p_value,
            "method": "McNemar mid-p, two-sided; Tango interval",
            **_counts(pairs),
        }
        return fields, pairs
    differences = pairs.differences
    low, high, method = _interval(differences, confidence)
    fields |= {
        "difference": math.fsum(differences) / n,
        "interval": [low, high],
        "p_value": stats.sign_flip(differences).p_value,
        "method": f"sign-flip, two-sided; {method}",
    }
    return fields, pairs


def holm(family: Sequence[dict[str, Any]]) -> None:
    """Fill in the adjusted p-values of several tests; those without a p-value are left out."""
    tested = [fields for fields in family if fields["p_value"] is not None]
    adjusted = stats.holm(fields["p_value"] for fields in tested)
    for fields, value in zip(tested, adjusted, strict=True):
        fields["adjusted_p_value"] = value


def pooled(gates: Sequence[dict[str, Any]], *, alpha: float) -> dict[str, Any] | None:
    """One test over all benchmarks of a model, where several are right or wrong item by item.

    It takes every item for independent; where a benchmark has clusters the method says so.
    """
    tables = [(gate["b"], gate["c"]) for gate in gates if gate["b"] is not None]
    if len(tables) < 2:
        return None
    test = stats.pooled_mcnemar(tables, alternative="regression")
    n = sum(gate["n"] for gate in gates if gate["b"] is not None)
    method = "stratified McNemar mid-p, one-sided, weighted by items"
    if any(gate["clusters"] is not None for gate in gates if gate["b"] is not None):
        method += "; clusters are not taken into account"
    return {
        "benchmarks": len(tables),
        "n": n,
        "b": test.b,
        "c": test.c,
        "difference": (test.b - test.c) / n,
        "p_value": test.p_value,
        "method": method,
        "regressed": test.p_value <= alpha,
        **_effects(test.b, test.c),
    }


def _counts(pairs: Pairs) -> dict[str, Any]:
    """Losses, wins and effect sizes, where items are right or wrong."""
    if not pairs.binary:
        return {}
    _, b, c, _ = pairs.table
    return {"b": b, "c": c, **_effects(b, c)}


def _effects(b: int, c: int) -> dict[str, float | None]:
    """Effect sizes; null where they are undefined or infinite."""
    return {
        "odds_ratio": b / c if c else None,
        "cohens_g": stats.cohens_g(b, c) if b + c else None,
    }


def _mean(scores: Sequence[float]) -> float | None:
    return math.fsum(scores) / len(scores) if scores else None
