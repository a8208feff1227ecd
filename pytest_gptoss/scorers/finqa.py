"""`finqa()`: the result of a calculation on a financial report, or yes or no.

FinQA's own evaluation (Chen et al., 2021, arXiv:2109.00122, ``code/evaluate/evaluate.py``) executes
a program, rounds its result to five decimals and asks for equality with the gold result. A stated
number is therefore right where it is within one unit of the fifth decimal: both may be rounded.
A percent sign divides by a hundred, as in FinQA's programs, or is the unit of a gold result that is
itself in percent; a scale word ("94 million") multiplies, or is the unit of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers.label import LabelScorer
from pytest_gptoss.scorers.number import exact, stated_number
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Item

__all__ = ["FinQAScorer", "finqa"]

_YES_OR_NO = LabelScorer(labels=("yes", "no"))


@dataclass(frozen=True)
class FinQAScorer:
    """Compares the stated result with the item's target, a number's text or "yes" or "no".

    Args:
        tolerance: The largest absolute difference that counts as equal.
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    tolerance: Fraction = Fraction(1, 10**5)
    name: str = "finqa"
    version: str = "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion.

        Raises:
            DataError: The target is neither a number nor "yes" nor "no".
        """
        if str(item.target).strip().casefold() in _YES_OR_NO.labels:
            return _YES_OR_NO(item, completion)
        target = exact(item.target)
        found = stated_number(completion.final)
        if found is None:
            refused = is_refusal(completion.final)
            return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)
        readings = {found.value, found.value * found.scale}
        if found.percent:
            readings.add(found.value / 100)
        right = any(abs(value - target) <= self.tolerance for value in readings)
        return Score(
            value=float(right),
            outcome=Outcome.CORRECT if right else Outcome.INCORRECT,
            extracted=found.text,
        )


def finqa() -> FinQAScorer:
    """A scorer with the tolerance of FinQA's own evaluation."""
    return FinQAScorer()
