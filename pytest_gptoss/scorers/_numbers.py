r"""Reading of numbers as people and models write them, as exact fractions.

Forms: ``1,234.50``, ``12,34,567``, ``.5``, ``-5``, ``−$5``, ``1/2``, ``3 1/2``, ``\frac{1}{2}``,
``1.5e3``, ``1.5 \times 10^3``, ``2 million``, ``25%``. What only looks like a number is none: the
digit in ``H2O`` or ``solution1``, a time ``3:30``, a ratio ``7:13``, a date ``5/2/2020``, a power
``10^2``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

__all__ = ["Number", "last_number", "numbers", "without_currency"]

_MOST_DIGITS = 400
"""A longer run of digits is noise; converting it would also take quadratic time."""
_LARGEST_EXPONENT = 400

_SCALES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "百": 10**2,
    "千": 10**3,
    "万": 10**4,
    "萬": 10**4,
    "亿": 10**8,
    "億": 10**8,
}

_NUMBER = re.compile(
    r"""
    (?<![A-Za-z0-9_^]) (?<!\d[.:/])
    (?<!\d\d\d,) (?!(?<=\d,)\d{3}(?!\d))  # no group torn from a malformed number
    (?: (?:(?P<frac_whole>\d{1,9}+)\ ?)?
        \\[dtc]?frac\s?\{\s?(?P<frac_top>\d{1,99}+)\s?\}\s?\{\s?(?P<frac_bottom>\d{1,99}+)\s?\}
      | (?:(?P<whole>\d{1,9}+)[ ])? (?P<top>\d{1,99}+)/(?P<bottom>\d{1,99}+) (?![/\d]|\.\d)
      | (?P<decimal>
          (?: \d{1,3}(?:,\d{2,3})*,\d{3}(?!,?\d) | \d++(?!,\d{3}) ) (?:\.\d++)?
          | (?<!\.)\.\d++
        )
        (?: [eE](?P<e>[-+]?\d{1,4}+)(?!\w)
          | \s?(?:\\times|\\cdot|×|·|x|\*)\s?10\s?(?:\^|\*\*)\s?[{(]?(?P<power>-?\d{1,4}+)[})]?
        )?
    )
    (?![eE]\d) (?!\s?(?:\^|\*\*\s?\d)) (?!:\d) (?![/]\d)
    (?: \s?(?P<percent>%|percent\b)
      | [\s-]?(?P<scale>hundred|thousand|million|billion|trillion|百|千|万|萬|亿|億)(?![A-Za-z])
    )?
    """,
    re.VERBOSE | re.IGNORECASE,
)

_CODES = re.compile(r"\b(?:USD|EUR|GBP|CAD|AUD|INR|Rs|RM)\.?\s?(?=[-\d])", re.IGNORECASE)
_CURRENCY = re.compile(r"[$€£¥￥]")
_SIGNED_CURRENCY = re.compile(r"-\s?[$€£¥￥]\s?(?=[.\d])")


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written in a text.

    Args:
        text: The characters that were read.
        value: What they say, without scale word and percent sign.
        scale: 10**6 for "million"; 1 without a scale word.
        percent: Whether a percent sign follows.
        start: Position of its first character, sign included.
        end: Position after its last character.
    """

    text: str
    value: Fraction
    scale: int
    percent: bool
    start: int
    end: int


def without_currency(text: str) -> str:
    """A text in which no currency sign, nor a dollar of LaTeX, parts a sign from its number."""
    if _CURRENCY.search(text):
        text = _CURRENCY.sub(" ", _SIGNED_CURRENCY.sub("-", text))
    return _CODES.sub(" ", text)


def numbers(text: str) -> Iterator[Number]:
    """Every number of a text, from first to last.

    Args:
        text: A text made readable, without currency signs.
    """
    return (n for match in _NUMBER.finditer(text) if (n := _read(text, match)) is not None)


def last_number(text: str, *, start: int = 0, apart_from: Container[int] = ()) -> Number | None:
    """The last number of a text.

    Args:
        text: A text made readable, without currency signs.
        start: Where to begin.
        apart_from: Positions at which a number is passed over.
    """
    matches = list(_NUMBER.finditer(text, start))
    for match in reversed(matches):
        if match.start() not in apart_from and (found := _read(text, match)) is not None:
            return found
    return None


def _read(text: str, match: re.Match[str]) -> Number | None:
    value = _value(match)
    if value is None:
        return None
    start = match.start()
    if _is_negative(text, start):
        value, start = -value, text.rindex("-", 0, start)
    scale = match["scale"]
    return Number(
        text=text[start : match.end()].strip(),
        value=value,
        scale=_SCALES[scale.lower()] if scale else 1,
        percent=match["percent"] is not None,
        start=start,
        end=match.end(),
    )


def _value(match: re.Match[str]) -> Fraction | None:
    for whole, top, bottom in (
        ("frac_whole", "frac_top", "frac_bottom"),
        ("whole", "top", "bottom"),
    ):
        if match[bottom] is not None:
            denominator = int(match[bottom])
            if not denominator:
                return None
            return int(match[whole] or 0) + Fraction(int(match[top]), denominator)
    digits = match["decimal"].replace(",", "")
    exponent = int(match["e"] or match["power"] or 0)
    if len(digits) > _MOST_DIGITS or abs(exponent) > _LARGEST_EXPONENT:
        return None
    value = Fraction(digits) if "." in digits else Fraction(int(digits))
    return value * Fraction(10) ** exponent if exponent else value


def _is_negative(text: str, start: int) -> bool:
    """Whether the hyphen before a number is its sign, not a minus between two terms or a dash."""
    before = text[max(0, start - 4) : start]
    if before.endswith("- "):  # "= - 5" is negative; "- 18 eggs" is a list entry
        return before[:-2].rstrip().endswith("=")
    if not before.endswith("-"):
        return False
    before = before[:-1]
    if not before or before[-1] in "([{=:,>~≈\"'*\n":
        return True
    if not before[-1].isspace():
        return False
    operand = before.rstrip()
    return not operand or not (operand[-1].isdigit() or operand[-1] in ")}%")
