"""`rouge()`: overlap of a summary with its references, as ROUGE-1, ROUGE-2 and ROUGE-L.

ROUGE (Lin, 2004) in the form of Google's ``rouge-score`` without stemming: words are runs of ASCII
letters and digits in lower case; F1 of the overlapping words, word pairs, and longest common
subsequence. The package itself is not needed; where it is installed, a test compares the two.

With several references, each is scored on its own and the scores are averaged, as DialogSum does
(Chen et al., 2021, arXiv:2105.06762), so that a dialogue counts once.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers._text import readable
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from pytest_gptoss.benchmark import Item

__all__ = ["RougeScorer", "overlap", "rouge"]

_WORD = re.compile(r"[a-z0-9]+")
_KINDS = ("rouge1", "rouge2", "rougeL")


@dataclass(frozen=True)
class RougeScorer:
    """Scores a summary by its overlap with one or several references.

    Args:
        kind: The measure that is the item's score: ``rouge1``, ``rouge2`` or ``rougeL``; all three
            are kept in the score's detail.
        graded: Scores are degrees, so that no item is right or wrong.
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    kind: str = "rougeL"
    graded: bool = True
    name: str = "rouge"
    version: str = "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion; ``item.target`` is a reference, or a list of them.

        Raises:
            DataError: There is no reference.
        """
        references = [item.target] if isinstance(item.target, str) else list(item.target)
        if not references:
            raise DataError("an item without a reference summary cannot be scored by ROUGE")
        summary = readable(completion.final)
        if is_refusal(summary):
            return Score(value=0.0, outcome=Outcome.REFUSED)
        if not _WORD.search(summary.lower()):
            return Score(value=0.0, outcome=Outcome.NO_ANSWER)
        each = [overlap(reference, summary) for reference in references]
        detail = {kind: fmean(scores[kind] for scores in each) for kind in _KINDS}
        # A summary that was given is a whole answer; how good it is, the value says.
        return Score(value=detail[self.kind], outcome=Outcome.CORRECT, detail=detail)


def rouge(kind: str = "rougeL") -> RougeScorer:
    """A graded scorer for summaries.

    Args:
        kind: The measure that is the item's score: ``rouge1``, ``rouge2`` or ``rougeL``.

    Raises:
        DataError: There is no such measure.
    """
    if kind not in _KINDS:
        raise DataError(f"there is no measure {kind!r}; use one of {', '.join(_KINDS)}")
    return RougeScorer(kind=kind)


def overlap(reference: str, summary: str) -> dict[str, float]:
    """ROUGE-1, ROUGE-2 and ROUGE-L, each as F1.

    Args:
        reference: What a person wrote.
        summary: What is scored.
    """
    wanted, given = _WORD.findall(reference.lower()), _WORD.findall(summary.lower())
    return {
        "rouge1": _f1(_shared(wanted, given), len(wanted), len(given)),
        "rouge2": _f1(
            _shared(list(pairwise(wanted)), list(pairwise(given))),
            len(wanted) - 1,
            len(given) - 1,
        ),
        "rougeL": _f1(_longest_common(wanted, given), len(wanted), len(given)),
    }


def _f1(shared: int, wanted: int, given: int) -> float:
    return 2 * shared / (wanted + given) if shared else 0.0


def _shared(wanted: Sequence[Hashable], given: Sequence[Hashable]) -> int:
    return (Counter(wanted) & Counter(given)).total()


def _longest_common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    Bit-parallel (Hyyrö, 2004): one addition of integers per word of the second text, so that a
    reference of usual length takes linear time.
    """
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    mask = (1 << len(first)) - 1
    row = mask
    for word in second:
        match = row & places.get(word, 0)
        row = (row + match | row - match) & mask
    return len(first) - row.bit_count()
