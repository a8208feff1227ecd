"""`label()`: the answer is one of a benchmark's labels ("Yes", "descriptive", "Common Law").

Labels are compared as LegalBench's own evaluation does: without punctuation, case and outer white
space (Guha et al., 2023, arXiv:2308.11462, ``evaluation.py``). That takes the whole output for the
answer; here the last statement of a label counts, so that a model may reason first.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers._text import (
    MOST_STATEMENTS,
    boxed,
    first_sentence,
    lines,
    narrow,
    readable,
    value_after,
)
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_gptoss.benchmark import Item

__all__ = ["LabelScorer", "label", "plain_label", "stated_label", "statements"]

_CUE = re.compile(
    r"""
    ^[ \t\#>*-]*+(?:the[ ])?(?:final[ ]|correct[ ])?(?:answer|label)[ \t]*+$
    | (?<!to[ ])\b(?:answers?|labels?|ans|classification|supportive|defendants|plaintiffs
        |citations?|exceptions?|governed[ ]by)\b
      [^\n.!?。:=]{0,40}? (?:[:=]|[?][ ]|\b(?:is|are|would[ ]be)\b)
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ALTERNATIVE = re.compile(r"\s*(?:or|and|/)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class LabelScorer:
    """Compares the stated label with the item's target.

    Args:
        labels: The labels, where all items share them; else an item's ``choices`` are its labels.
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    labels: tuple[str, ...] = ()
    name: str = "label"
    version: str = "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion; ``item.target`` is a label.

        Raises:
            DataError: The target is none of the labels.
        """
        labels = self.labels or item.choices
        target = plain_label(str(item.target))
        if target not in {plain_label(text) for text in labels}:
            raise DataError(f"the target {item.target!r} is none of the labels {', '.join(labels)}")
        found = stated_label(completion.final, labels)
        if found is None:
            refused = is_refusal(completion.final)
            return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)
        right = plain_label(found) == target
        return Score(
            value=float(right),
            outcome=Outcome.CORRECT if right else Outcome.INCORRECT,
            extracted=found,
        )


def label(*labels: str) -> LabelScorer:
    """A scorer for answers that are one of several labels.

    Args:
        labels: The labels; without any, each item's ``choices`` are its labels.
    """
    return LabelScorer(labels=labels)


def plain_label(text: str) -> str:
    """A label for comparison."""
    return " ".join(narrow(text).translate(_PUNCTUATION).casefold().split())


def statements(text: str) -> list[str]:
    """The values that a readable text announces as its answer, from the last to the first.

    Args:
        text: A readable text; its last and first line are statements too.
    """
    present = lines(text)
    if not present:
        return []
    announced = [(position, content) for position, content in boxed(text)]
    announced += [(m.start(), value_after(text, m.end())) for m in _CUE.finditer(text)]
    announced.sort(key=lambda s: s[0], reverse=True)
    return [present[-1], *(value for _, value in announced[:MOST_STATEMENTS]), present[0]]


def stated_label(final: str, labels: Sequence[str]) -> str | None:
    """The label that a final text states as its answer, or ``None``.

    Args:
        final: The whole final text.
        labels: The labels, as the benchmark writes them.
    """
    by_plain = {plain_label(text): text for text in labels}
    values = statements(readable(final))
    for index, value in enumerate(values):
        found = by_plain.get(plain_label(value))
        # A line that was not announced is an answer only where it is a label and nothing else.
        if found is None and 0 < index < len(values) - 1:
            found = _leading(value.lstrip("([{\"' "), by_plain)
        if found == "":
            return None
        if found is not None:
            return found
    return None


def _leading(value: str, by_plain: dict[str, str]) -> str | None:
    """The label that an announced sentence begins with; an empty text where it leaves two open."""
    sentence = first_sentence(value)
    for length in sorted({len(text) for text in by_plain.values()}, reverse=True):
        head, rest = sentence[:length], sentence[length:]
        found = by_plain.get(plain_label(head))
        if found is None or rest[:1].isalnum():
            continue
        if (other := _ALTERNATIVE.match(rest)) and _leading(rest[other.end() :], by_plain):
            return ""
        # One letter is a label only where punctuation sets it off: "A cat" names none.
        if len(head.strip()) == 1 and rest.startswith(" ") and rest[1:2].isalpha():
            return None
        return found
    return None
