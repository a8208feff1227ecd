"""From a completion to an outcome: what is decided before a scorer is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pytest_gptoss.errors import GptossError
from pytest_gptoss.records import Outcome, Score

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Item, Scorer
    from pytest_gptoss.records import Completion

__all__ = ["grade"]


def grade(item: Item | None, completion: Completion, scorer: Scorer) -> Score:
    """Class a completion and score it.

    Only a whole, well-formed completion reaches the scorer: text that was cut off or that broke its
    format states no answer, whatever it happens to contain. A scorer that raises or returns no
    score is a fault of the harness or of what it runs on, so its item ends as ``error``.
    """
    if completion.error is not None or item is None:
        return Score(value=0.0, outcome=Outcome.ERROR)
    if completion.finish_reason == "timeout":
        return Score(value=0.0, outcome=Outcome.TIMEOUT)
    if completion.finish_reason == "length":
        return Score(value=0.0, outcome=Outcome.TRUNCATED)
    if completion.malformed is not None:
        return Score(value=0.0, outcome=Outcome.MALFORMED)
    if not completion.final.strip():
        return Score(value=0.0, outcome=Outcome.NO_ANSWER)
    try:
        score = scorer(item, completion)
    except GptossError as error:  # what the scorer needs is not there: a judge, a sandbox
        completion.error = str(error)
        return Score(value=0.0, outcome=Outcome.ERROR)
    except Exception as error:
        return _failed(scorer, completion, f"raised {type(error).__name__} ({error})")
    if not isinstance(score, Score):
        return _failed(scorer, completion, f"returned {type(score).__name__} and no Score")
    if not isinstance(score.outcome, Outcome):
        return _failed(scorer, completion, f"gave {score.outcome!r:.40} for an Outcome")
    if not isinstance(score.extracted, str | None):
        return _failed(scorer, completion, f"extracted {score.extracted!r:.40}, which is no text")
    if not isinstance(score.detail, dict):
        return _failed(scorer, completion, f"gave {score.detail!r:.40} for a dict of details")
    if score.detail:
        try:
            msgspec.json.encode(score.detail)
        except (TypeError, ValueError) as error:
            return _failed(scorer, completion, f"gave details that are no JSON values ({error})")
    if not _is_share(score.value):
        return _failed(scorer, completion, f"gave {score.value!r:.40}, which is no score in [0, 1]")
    return score


def _is_share(value: object) -> bool:
    # A float that is a sum of parts may be off by its last digit; NaN is no share either.
    return isinstance(value, int | float) and -1e-9 <= value <= 1 + 1e-9


def _failed(scorer: Scorer, completion: Completion, what: str) -> Score:
    name = getattr(scorer, "name", type(scorer).__name__)
    completion.error = (
        f"the scorer {name} {what}; "
        "its completion is in the journal: mend the scorer and score again"
    )
    return Score(value=0.0, outcome=Outcome.ERROR)
