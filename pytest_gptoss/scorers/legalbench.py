"""`legalbench()`: the rule by which LegalBench evaluates each of its tasks, item by item.

The rules are those of the benchmark's own ``evaluation.py`` (Guha et al., 2023, arXiv:2308.11462);
an item's metadata names its task:

- most tasks: the label matches (`scorers.label`); balanced accuracy is then taken over a task;
- ``sara_numeric``: the stated amount is within ten percent;
- ``successor_liability`` and the ``ssla`` tasks: F1 of the named set, here within the item;
- ``citation_prediction_open``: the case's name occurs in the stated citation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers._text import readable
from pytest_gptoss.scorers.label import label, plain_label, statements
from pytest_gptoss.scorers.number import exact, stated_number
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Item

__all__ = ["LegalBenchScorer", "legalbench"]

_LABEL = label()
_EXCEPTIONS = ("express agreement", "fraudulent conveyance", "de facto merger", "mere continuation")
_SEPARATOR = re.compile(r",|;|\band\b")


@dataclass(frozen=True)
class LegalBenchScorer:
    """Scores an item by the rule of its task, ``item.metadata["task"]``.

    Args:
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    name: str = "legalbench"
    version: str = "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion.

        Raises:
            DataError: The target does not fit the task.
        """
        task = str(item.metadata.get("task", ""))
        target = str(item.target)
        if task == "sara_numeric":
            return _amount(target, completion.final)
        if task == "successor_liability":
            named = set(target.split(","))
            return _set(named, completion.final, _EXCEPTIONS)
        if task.startswith("ssla"):
            return _set(set(_names(target)), completion.final)
        if task == "citation_prediction_open":
            return _citation(target, completion.final)
        return _LABEL(item, completion)


def legalbench() -> LegalBenchScorer:
    """A scorer that follows each task's own rule."""
    return LegalBenchScorer()


def _missing(final: str) -> Score:
    refused = is_refusal(final)
    return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)


def _graded(value: float, extracted: str) -> Score:
    right = value == 1
    return Score(
        value=value,
        outcome=Outcome.CORRECT if right else Outcome.INCORRECT,
        extracted=extracted,
    )


def _amount(target: str, final: str) -> Score:
    wanted, found = exact(target), stated_number(final)
    if found is None:
        return _missing(final)
    amount = found.value * found.scale
    right = abs(amount - wanted) < wanted * Fraction(1, 10) or amount == wanted
    return _graded(float(right), found.text)


def _stated(final: str) -> str | None:
    """The announced answer; of a text that announces none, its last line."""
    values = statements(readable(final))
    if not values:
        return None
    return values[1] if len(values) > 2 else values[0]


def _names(text: str) -> list[str]:
    """The names of a list such as ``Smith, Jones`` or ``['Smith', 'Jones']``."""
    return [name for part in _SEPARATOR.split(text) if (name := plain_label(part))]


def _set(wanted: set[str], final: str, known: tuple[str, ...] = ()) -> Score:
    stated = _stated(final)
    if stated is None or is_refusal(final):
        return _missing(final)
    lowered = stated.casefold()
    given = {name for name in known if name in lowered} if known else set(_names(stated))
    if not given:
        return _missing(final)
    shared = sum(any(want in name for name in given) for want in wanted)
    return _graded(min(1.0, 2 * shared / (len(wanted) + len(given))), ", ".join(sorted(given)))


def _citation(target: str, final: str) -> Score:
    stated = _stated(final)
    if stated is None or is_refusal(final):
        return _missing(final)
    return _graded(float(plain_label(target) in plain_label(stated)), stated[:200])
