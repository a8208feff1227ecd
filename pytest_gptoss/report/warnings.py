"""Warnings about a group's figures: what cannot be the model's ability, why, and what to run next.

Most published low scores of reasoning models are faults of the harness: answers cut off by a small
token cap, answer forms that were not recognised, raw transcripts scored. Each rule here is pure and
reads the figures of ``summary.json`` alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_gptoss.report.figures import percent, size

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["warnings_of"]

LOST_RATE = 0.1
"""The share of answers that may be lost (cut off, not found, malformed) without a warning."""

_LEAST = 5
"""Fewer answers say little: one that is right every other time misses five in a row once in 32."""


def warnings_of(
    group: Mapping[str, Any], model: Mapping[str, Any] | None = None
) -> list[dict[str, str]]:
    """The warnings of one (model, benchmark) group, the likeliest cause first.

    Args:
        group: Its figures, as in ``summary.json``.
        model: The settings record of its model, for the token cap under which it answered.

    Returns:
        For each its ``kind`` (``truncated``, ``no_answer``, ``malformed``, ``timeout``, ``zero``,
        ``chance``, ``aggregates``, ``neighbours``) and its ``text``: the figure, the likely cause
        and the next command.
    """
    scored = group["n"] - group["outcomes"].get("error", 0)
    if not scored:
        return []
    found = _lost(group, model or {}, scored)
    low = _zero(group, scored) or _chance(group, scored)
    if low is not None:
        kind, figure = low
        found.append({"kind": kind, "text": f"{figure}: {_wrong(group, lost=bool(found))}"})
    return [*found, *_aggregates(group), *_neighbours(group)]


def _aggregates(group: Mapping[str, Any]) -> list[dict[str, str]]:
    """The figures beside the accuracy that a suite's own code could not give."""
    why = group.get("aggregates_error")
    if why is None:
        return []
    again = "mend it and score the run again with --gptoss-rescore"
    return [{"kind": "aggregates", "text": f"{why}; {again}"}]


def _neighbours(group: Mapping[str, Any]) -> list[dict[str, str]]:
    """Processes of others on the GPUs that answered: speed and energy are not the model's alone."""
    others = (group.get("telemetry") or {}).get("other_processes") or ()
    if not others:
        return []
    named = ", ".join(
        f"{other['name'] or 'a process'} ({other['device']}, process {other['pid']}, "
        f"{size(other['memory_bytes'])})"
        for other in others
    )
    text = (
        f"the model shared its GPUs with {named}: its times are slowed down by it and its energy "
        "includes it; measure again when it has ended"
    )
    return [{"kind": "neighbours", "text": text}]


def _wrong(group: Mapping[str, Any], *, lost: bool) -> str:
    """Why answers that were found can be this wrong."""
    if lost:
        return "see the lost answers above"
    outcomes = group["outcomes"]
    if outcomes.get("refused", 0) > outcomes.get("incorrect", 0):
        return f"most completions are refusals; read some: {_read(group, 'refused')}"
    bounds, chance = group["interval"], group["chance"]
    if chance is not None and bounds is not None and bounds[1] < chance:
        cause = (
            "guessing does better, as where one option is stated for everything, or where letters, "
            "order of options and targets do not belong together"
        )
    else:
        cause = "a wrong chat template or checkpoint, broken weights, or too hard a benchmark"
    return f"answers were found, and they are wrong: {cause}; read some: {_read(group)}"


def _lost(group: Mapping[str, Any], model: Mapping[str, Any], scored: int) -> list[dict[str, str]]:
    """What became of answers that did not reach the scorer, where they are many."""
    outcomes = group["outcomes"]
    rates = {
        kind: outcomes.get(kind, 0) / scored
        for kind in ("truncated", "no_answer", "malformed", "timeout")
    }
    # Cut-off answers and answers without a result are one symptom, so they are added up; where they
    # are too many together, each that has a real part in it is named.
    together = rates["truncated"] + rates["no_answer"] > LOST_RATE
    texts = {
        "truncated": lambda: _truncated(rates["truncated"], model),
        "no_answer": lambda: (
            f"{percent(rates['no_answer'])} no answer found: the answer form was not recognised, "
            "the raw transcript was scored, or a chat template is missing or wrong, so that the "
            f"model talks past the question; read some: {_read(group, 'no_answer')}"
        ),
        "malformed": lambda: (
            f"{percent(rates['malformed'])} malformed: the transcripts break their own format, as "
            "under a wrong chat template or stop token; read some: " + _read(group, "malformed")
        ),
        "timeout": lambda: (
            f"{percent(rates['timeout'])} timed out: the cap per item is too small for this "
            "machine; raise or leave out --gptoss-timeout"
        ),
    }
    return [
        {"kind": kind, "text": texts[kind]()}
        for kind, rate in rates.items()
        if rate > LOST_RATE
        or (rate >= LOST_RATE / 2 and together and kind in ("truncated", "no_answer"))
    ]


def _truncated(rate: float, model: Mapping[str, Any]) -> str:
    cap = (model.get("sampling") or {}).get("max_tokens")
    at = f" of {cap:,} tokens" if cap else ""
    remedy = f"--gptoss-max-tokens {4 * cap}" if cap else "a larger --gptoss-max-tokens"
    return (
        f"{percent(rate)} truncated: the token cap{at}, or the model's context, ends answers "
        f"before they are given; run again with {remedy}, or a lower --gptoss-effort where the "
        "model has it"
    )


def _zero(group: Mapping[str, Any], scored: int) -> tuple[str, str] | None:
    if group["accuracy"] == 0 and scored >= _LEAST:
        return "zero", f"a score of exactly 0 over {scored:,} answers"
    return None


def _chance(group: Mapping[str, Any], scored: int) -> tuple[str, str] | None:
    """Whether the score is one of guessing, as far as its interval tells.

    Few items say little: a group is warned about where its interval reaches chance and stays under
    the middle between chance and 1.
    """
    chance, bounds = group["chance"], group["interval"]
    if chance is None or bounds is None or scored < _LEAST:
        return None
    low, high = bounds
    if high < chance:
        relation = "is under"
    elif low <= chance and high < (1 + chance) / 2:
        relation = "cannot be told from"
    else:
        return None
    return "chance", f"{percent(group['accuracy'])} {relation} chance ({percent(chance)})"


def _read(group: Mapping[str, Any], outcome: str = "incorrect") -> str:
    """The command that shows such answers; run in the run directory."""
    pattern = f'"benchmark":"{group["benchmark"]}".*"outcome":"{outcome}"'
    return f"grep -m3 '{pattern}' items.jsonl (in the run directory)"
