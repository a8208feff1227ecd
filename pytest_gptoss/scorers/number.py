r"""`number()`: the answer is a number; any usual way of writing it counts, no other number does.

Which number is the answer, in this order (the practice of GSM8K's evaluations, made strict):

1. The last explicit statement: ``\boxed{18}``, ``#### 18`` (Cobbe et al., 2021, arXiv:2110.14168),
   ``A: 18`` on its own line, "the answer is 18", "Answer: 18", "答案是18".
2. Without one, the last number of the text, as "flexible extraction" in evaluation harnesses does.

A statement that leaves two numbers open ("18 or 20") is no answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers._numbers import (
    Number,
    last_number,
    numbers,
    without_currency,
)
from pytest_gptoss.scorers._text import (
    MOST_STATEMENTS,
    boxed,
    first_sentence,
    readable,
    value_after,
)
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from pytest_gptoss.benchmark import Item

__all__ = ["NumberScorer", "exact", "number", "stated_number"]

_PLAIN = re.compile(r"[0-9]{1,99}(?:\.[0-9]{1,99})?")
_CALCULATOR = re.compile(r"<<[^<>\n]{0,200}>>")
"""GSM8K's calculator annotations, ``<<9*2=18>>``: computation, never the answer."""

_CUE = re.compile(
    r"""
    ^[ \t]*+(?:\#{4}|A:)[ \t]*+                                   # "#### 18", "A: 18"
    | ^[ \t\#>*-]*+(?:the[ ])?(?:final[ ]|correct[ ])?answer[ \t]*+$   # a heading of its own
    | (?:(?<!to[ ])(?<!can[ ])(?<!we[ ])(?<!you[ ])\banswers?\b|答案)
      (?:[ ]to[ ](?:the|this|your)[ ](?:question|problem|puzzle))?+ [^\n.!?。,:=\d]{0,24}?
      (?:[:=]|\b(?:is|are|was|would[ ]be|equals|should[ ]be)\b|是|为|為)
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
_OPERATION = re.compile(r"\s?(?:[-*+/×÷x]|\\times|\\cdot|\\div)\s?\(?\d")
_FURTHER = re.compile(r"[^,;()=]{0,60}?(?:,|\bor\b|\band\b|或者?|和)\s*\Z", re.IGNORECASE)
"""What stands between the numbers of a list: "18 or 20", "3 hours and 20 minutes"."""
_CLAUSE_END = re.compile(
    r"[,;(](?!\d)|\b(?:since|because|as|which|where|for)\b|因为", re.IGNORECASE
)
"""Where an answer ends and its explanation begins."""
_APPROXIMATELY = re.compile(
    r"[\s({\[:*_\"']*+(?:(?:approximately|about|around|roughly|exactly|simply|just|only|约|大约)\s?)?"
    r"[\s({\[*_]*+",
    re.IGNORECASE,
)
_EQUALS = re.compile(r"=|≈|\\approx(?![a-z])|\\Rightarrow|→|⇒")
_LIST = re.compile(r"[:\s]*+(?:step )?1[.):][ \t][^\n]*+\n\s*+(?:step )?2[.):][ \t]", re.IGNORECASE)
"""A numbered list after the cue: several statements, none of them the answer."""
_ENUMERATOR = re.compile(r"^[ \t]*+(\d{1,2})[.)][ \t]+\S", re.MULTILINE)


class _OpenChoice(Exception):  # noqa: N818 - control flow inside this module, not an error
    """The last statement leaves more than one number open."""


@dataclass(frozen=True)
class NumberScorer:
    """Compares the stated number with the item's target.

    Args:
        tolerance: The largest absolute difference that counts as equal.
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    tolerance: Fraction = Fraction(1, 10**6)
    name: str = "number"
    version: str = "1"

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion; ``item.target`` is a number, or its text.

        Raises:
            DataError: The target is no number.
        """
        target = exact(item.target)
        found = stated_number(completion.final)
        if found is None:
            refused = is_refusal(completion.final)
            return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)
        # A scale word is either part of the number or the unit that the question asked for.
        right = any(
            value == target or abs(value - target) <= self.tolerance
            for value in (found.value, found.value * found.scale)
        )
        return Score(
            value=float(right),
            outcome=Outcome.CORRECT if right else Outcome.INCORRECT,
            extracted=found.text,
        )


def number(*, tolerance: float | str | Fraction = "0.000001") -> NumberScorer:
    """A scorer for answers that are one number.

    Args:
        tolerance: The largest absolute difference that counts as equal. The default forgives the
            noise of floating point (17.9999999) and nothing else.
    """
    return NumberScorer(tolerance=Fraction(str(tolerance)))


def exact(target: Any) -> Fraction:
    """A target as an exact number.

    Raises:
        DataError: It is no number.
    """
    if _PLAIN.fullmatch(text := str(target)):
        return Fraction(text)
    found = list(numbers(without_currency(readable(text))))
    if len(found) != 1:
        raise DataError(
            f"the target {target!r} is not one number, so no number can be scored on it"
        )
    return found[0].value * found[0].scale


def stated_number(final: str) -> Number | None:
    """The number that a final text states as its answer, or ``None``.

    Args:
        final: The whole final text.
    """
    text = readable(final)
    if "<<" in text:
        text = _CALCULATOR.sub("", text)
    text = without_currency(text)
    try:
        found = _explicit(text)
    except _OpenChoice:
        return None
    if found is None and not is_refusal(final):
        found = _last(text)
    return found


def _explicit(text: str) -> Number | None:
    """The number of the last explicit statement that holds one."""
    boxes = dict(boxed(text))
    cues = {m.start(): m.end() for m in _CUE.finditer(text) if not _LIST.match(text, m.end())}
    for position in sorted({*boxes, *cues}, reverse=True)[:MOST_STATEMENTS]:
        value = boxes[position] if position in boxes else value_after(text, cues[position])
        if (found := _announced(value)) is not None:
            return found
    return None


def _announced(value: str) -> Number | None:
    """The number that an announced value is: "18 dollars", "9 * 2 = 18", "Janet makes 18 a day"."""
    sentence = first_sentence(value)
    found = list(numbers(sentence))
    if not found:
        return None
    clause = _CLAUSE_END.search(sentence)
    end = clause.start() if clause and clause.start() > found[0].start else len(sentence)
    for piece, stop in reversed(_pieces(sentence, end)):
        index = next((i for i, n in enumerate(found) if piece <= n.start < stop), None)
        if index is None:
            continue
        leading = found[index]
        lead = sentence[piece : leading.start]
        if _APPROXIMATELY.fullmatch(lead) and not _OPERATION.search(sentence, leading.end, stop):
            for following in found[index + 1 : index + 2]:
                between = sentence[leading.end : following.start]
                if following.value != leading.value and _FURTHER.match(between):
                    raise _OpenChoice
            return leading
    if _APPROXIMATELY.fullmatch(sentence[: found[0].start]):
        raise _OpenChoice  # a sum or a range is left open
    return [n for n in found if n.start < end][-1]  # a sentence in words


def _pieces(sentence: str, end: int) -> list[tuple[int, int]]:
    """The spans between equals signs."""
    bounds = [0]
    for match in _EQUALS.finditer(sentence, 0, end):
        bounds += [match.start(), match.end()]
    bounds.append(end)
    return list(zip(bounds[::2], bounds[1::2], strict=True))


def _last(text: str) -> Number | None:
    """The last number of a text, leaving out the numbers of list entries.

    A text that ends with a list entry without any number has not come to a result: to take a number
    from the step before would be a guess.
    """
    entries = {m.start(1) for m in _ENUMERATOR.finditer(text)} if "\n" in text else set()
    found = last_number(text, apart_from=entries)
    if found is not None and entries and found.start < max(entries) > text.rfind("\n"):
        return None
    return found
