"""Scorers: a completion's final text in, a score and an outcome class out.

Every scorer is a frozen dataclass with a name and a version, made by the function that suites call.
Scorers read only the final text of a whole, well-formed completion; the last statement wins over
the first; no answer found is `no_answer`, never a guess; and they never raise on any text.
"""

from pytest_gptoss.scorers.aggregates import balanced, by_category
from pytest_gptoss.scorers.choice import choice
from pytest_gptoss.scorers.code import code
from pytest_gptoss.scorers.finqa import finqa
from pytest_gptoss.scorers.judge import judge
from pytest_gptoss.scorers.label import label
from pytest_gptoss.scorers.legalbench import legalbench
from pytest_gptoss.scorers.number import number
from pytest_gptoss.scorers.rouge import rouge

__all__ = [
    "balanced",
    "by_category",
    "choice",
    "code",
    "finqa",
    "judge",
    "label",
    "legalbench",
    "number",
    "rouge",
]
