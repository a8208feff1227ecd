r"""`choice()`: the answer is one of several lettered options.

A letter counts only where the text states it as the answer; letters in running text (the article
"A", "vitamin C", an option under discussion) never do. The last statement wins:

- ``\boxed{C}``, "Answer: C", "the best option is (C)", "I'd go with C", "C is correct";
- "答案是B", "故选 B", "B选项正确", also in fullwidth letters;
- a first or last line that is the letter alone, or the letter with its option's text;
- a single option line announced by a colon ("The next best step is:", then "(D) ...");
- the option's text itself, word for word, where the answer is announced or stands alone;
- with ``numbered``, "solution 2" or "option 2".

"A or B" is no answer.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pytest_gptoss.errors import DataError, UsageError
from pytest_gptoss.records import Completion, Outcome, Score
from pytest_gptoss.scorers._text import (
    MOST_STATEMENTS,
    boxed,
    first_sentence,
    lines,
    normalise,
    readable,
    value_after,
)
from pytest_gptoss.scorers.refusal import is_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_gptoss.benchmark import Item

__all__ = ["ChoiceScorer", "choice"]

_OPEN = "?"
"""The reading of a statement that leaves several options open."""

_Statement = tuple[int, "Callable[[], str | None]"]
"""Where a statement stands, and how to read it."""


@dataclass(frozen=True)
class _Grammar:
    """The patterns for one set of letters, compiled once per scorer."""

    cue: re.Pattern[str]
    verdict: re.Pattern[str]
    value: re.Pattern[str]
    another: re.Pattern[str]
    correction: re.Pattern[str]
    option_line: re.Pattern[str]

    @classmethod
    @functools.cache
    def of(cls, letters: str) -> _Grammar:
        """The patterns, made when they are first needed: a declaration costs nothing."""
        upper = f"[{letters}]"
        either = f"[{letters}{letters.lower()}]"
        marked = rf"[(\[{{]?\s?{upper}\s?[)\]}}]?(?![A-Za-z0-9'])"
        return cls(
            cue=re.compile(
                rf"""
                ^[ \t\#>*-]*+(?i:the\ )?(?i:final\ |correct\ )?(?i:answer)[ \t]*+$
                | \b(?i:answers?(?!\ format)|ans
                    |(?:correct|right|best|likely|accurate|appropriate|my|final)[ ]
                     (?:\w{{1,20}}[ ])? (?:option|choice|solution|response|statement|selection))\b
                  [^\n.!?。:=]{{0,60}}?
                  (?: [:=] | \b(?i:is|are|was|would\ be|should\ be|must\ be|remains)\b )
                | \b(?i:best|most|correct|right|next)\b [^\n.!?。:]{{0,100}}?
                  \b(?:is|would\ be|are)\b :?\ (?=[(\[]{upper}[)\]])
                | \b(?i:answer|answer\ choice)\ (?={marked})
                | \b(?i:choose|chose|select|pick|go\ with|going\ with|go\ for|opt\ for)\b
                  \ (?=(?i:(?:the\ )?(?:option|choice|answer|letter|solution)\ )?+{marked})
                | (?:答案|正解|正确选项|正確選項|而是|(?<!可)(?:选择|選擇|选|選)(?![项項]))
                  [^\n。；,A-Za-z不非错錯]{{0,12}}?(?={marked})
                """,
                re.MULTILINE | re.VERBOSE,
            ),
            verdict=re.compile(
                rf"""
                (?<![A-Za-z0-9'-])[(\[]?({upper})[)\]]?\ ?
                (?: (?:,\ ?)?(?:is|would\ be|seems|appears)\ (?:to\ be\ )?(?:the\ )?
                    (?:(?:most|single|only|clearly|definitely|likely|indeed|therefore)\ ){{0,2}}
                    (?:correct|right|best|accurate|appropriate)\b
                  | (?:选项|選項|项|項)?\ ?(?:是|为|為|最)?\ ?(?:正确|正確|对的|符合题意)
                )
                """,
                re.VERBOSE,
            ),
            value=re.compile(
                rf"""
                [\s"'*:=-]*+
                (?i:(?:the\ |most\ likely\ |likely\ |probably\ |clearly\ |definitely\ |indeed\ )*+
                   (?:option|choice|letter|answer|selection|选项|選項)?[\s:]*+)
                (?P<open>(?:[(\[{{"]\s?){{1,3}}+)?+ (?P<letter>{either})(?![A-Za-z0-9'])
                (?P<close>(?:\s?[)\]}}"]){{1,3}}+)?+
                """,
                re.VERBOSE,
            ),
            another=re.compile(
                rf"\s*(?i:or|and|and/or|/|,|&|\+|或者?|和|、|与)\s*(?i:option\s)?[(\[]?{upper}"
                r"[)\]]?(?![A-Za-z0-9'])"
            ),
            correction=re.compile(
                rf"\b(?:but|rather|instead)\b[^\n.]{{0,20}}?(?P<value>(?<![A-Za-z]){marked})"
            ),
            option_line=re.compile(rf"[(\[]?({upper})(?:[)\]]|[.:、](?=\s|\Z))"),
        )


@dataclass(frozen=True)
class ChoiceScorer:
    """Compares the stated option with the item's target letter.

    Args:
        letters: The letters of the options, in order.
        numbered: Whether "option 2", "solution2" and a bare "2" name the second option.
        name: The scorer's name in records and baselines.
        version: Raised when the meaning of a score changes.
    """

    letters: str = "ABCD"
    numbered: bool = False
    name: str = "choice"
    version: str = "1"

    def __post_init__(self) -> None:
        if not (
            2 <= len(set(self.letters)) == len(self.letters)
            and self.letters.isascii()
            and self.letters.isupper()
        ):
            raise UsageError(
                f"the options' letters {self.letters!r} must be two or more of A to Z, in capitals"
            )

    @property
    def _grammar(self) -> _Grammar:
        return _Grammar.of(self.letters)

    def __call__(self, item: Item, completion: Completion) -> Score:
        """Score one completion; ``item.target`` is a letter.

        Raises:
            DataError: The target is none of the letters.
        """
        if item.target not in tuple(self.letters):
            raise DataError(
                f"the target {item.target!r} is none of the letters {', '.join(self.letters)}"
            )
        found = self.stated(completion.final, item.choices)
        if found is None:
            refused = is_refusal(completion.final)
            return Score(value=0.0, outcome=Outcome.REFUSED if refused else Outcome.NO_ANSWER)
        right = found == item.target
        return Score(
            value=float(right),
            outcome=Outcome.CORRECT if right else Outcome.INCORRECT,
            extracted=found,
        )

    def stated(self, final: str, choices: tuple[str, ...] = ()) -> str | None:
        """The letter that a final text states as its answer, or ``None``.

        Args:
            final: The whole final text.
            choices: The options' texts, where they may be stated in place of the letter.
        """
        text = _plain(final)
        options = _Options(self.letters, choices)
        present = lines(text)
        # Nothing comes after the last line: most answers are read from it, and no pattern is tried.
        if present and (letter := self._read_line(present[-1], options)):
            return None if letter == _OPEN else letter
        statements = sorted(
            self._statements(text, present, options), key=lambda s: s[0], reverse=True
        )
        for _, reading in statements[:MOST_STATEMENTS]:
            if letter := reading():
                return None if letter == _OPEN else letter
        return None

    def _statements(self, text: str, present: list[str], options: _Options) -> Iterator[_Statement]:
        """Every statement before the last line, to be read only where none comes after it."""
        for position, content in boxed(text):
            yield position, partial(self._read, content, options, alone=True)
        for cue in self._grammar.cue.finditer(text):
            yield cue.start(), partial(self._read_after, text, cue.end(), options)
        for verdict in self._grammar.verdict.finditer(text):
            yield verdict.start(), partial(str, verdict[1])
        if not present:
            return
        yield 0, partial(self._read_line, present[0], options)
        if announced := self._announced_line(present):
            yield text.rfind(announced), partial(self._read_option_line, announced)

    def _announced_line(self, present: list[str]) -> str | None:
        """The last option line, where the line before announces it or it is all there is."""
        index = next(
            (
                i
                for i in reversed(range(len(present)))
                if self._grammar.option_line.match(present[i])
            ),
            None,
        )
        if index is None:
            return None
        announced = index > 0 and present[index - 1].endswith((":", " is", " be"))
        return present[index] if announced or len(present) == 1 else None

    def _read_option_line(self, line: str) -> str | None:
        match = self._grammar.option_line.match(line)
        if match is None:
            return None
        return _OPEN if self._grammar.another.match(line, match.end()) else match[1]

    def _read_after(self, text: str, position: int, options: _Options) -> str | None:
        return self._read(value_after(text, position), options)

    def _read_line(self, line: str, options: _Options) -> str | None:
        """The letter of a line that is nothing but an answer."""
        match = self._grammar.value.match(line)
        if match:
            rest = line[match.end() :].strip(" .:)]*!。")
            if not rest or options.is_text_of(match["letter"].upper(), rest):
                return match["letter"].upper()
        return options.letter_of(line) or self._by_number(line, whole=True)

    def _read(self, value: str, options: _Options, *, alone: bool = False) -> str | None:
        """The letter that an announced value is, `_OPEN`, or ``None`` where it is neither."""
        sentence = first_sentence(value)
        if letter := options.letter_of(sentence) or options.letter_of(value):
            return letter
        if re.match(r"\s*(?:either|both|neither)\b", value, re.IGNORECASE):
            return _OPEN
        if re.match(r"\s*not\b", value, re.IGNORECASE):
            correction = self._grammar.correction.search(sentence)
            return self._read(correction["value"], options, alone=True) if correction else None
        match = self._grammar.value.match(value)
        if match is None:
            return self._by_number(value, whole=False)
        rest = value[match.end() :]
        if self._grammar.another.match(rest):
            return _OPEN
        bracketed = match["open"] and match["close"]
        letter, whole = match["letter"], not rest.strip(" .:)]}!。")
        if letter.islower() and not (bracketed or whole):
            return None
        if alone or bracketed or whole or match["close"] or _parted(rest):
            return letter.upper()
        return letter if options.is_text_of(letter, first_sentence(rest)) else None

    def _by_number(self, value: str, *, whole: bool) -> str | None:
        if not self.numbered:
            return None
        match = _NUMBERED.match(value)
        if match is None or not 1 <= int(match[2]) <= len(self.letters):
            return None
        rest, letter = value[match.end() :].strip(" .:)]!。"), self.letters[int(match[2]) - 1]
        if other := re.match(
            r"(?:or|and|/|,)\s*(?:solution|option|choice)?\s?(\d)", rest, re.IGNORECASE
        ):
            return letter if other[1] == match[2] else _OPEN
        return None if rest and (whole or not match[1]) else letter


def choice(letters: str = "ABCD", *, numbered: bool = False) -> ChoiceScorer:
    """A scorer for answers that are one of several lettered options.

    Args:
        letters: The letters of the options, in order.
        numbered: Whether "option 2", "solution2" and a bare "2" name the second option too.

    Raises:
        UsageError: The letters are not two or more distinct capitals.
    """
    return ChoiceScorer(letters=letters, numbered=numbered)


_NUMBERED = re.compile(
    r"[\s\"'*:(]*+(?:the\s)?(solution|option|choice|answer|sol)?\s?#?([1-9])(?!\d|[.,]\d)[)\"']?",
    re.IGNORECASE,
)
_OTHER_NUMBER = re.compile(r"(?:or|and|/|,)\s*(?:solution|option|choice)?\s?([1-9])", re.IGNORECASE)
_PART = re.compile(
    r"\s?[.):,;\]}!?。，；、—]|\s-|\s?\(|\s?[\u3400-\u9fff]"
    r"|\s(?:because|since|as|due|which|based|given|for|per|with|is|was|would)\b",
    re.IGNORECASE,
)


def _plain(text: str) -> str:
    """A readable text without the dollars of LaTeX, which would part a cue from its letter."""
    return readable(text).replace("$", " ").strip()


def _parted(rest: str) -> bool:
    """Whether what follows a letter parts it from the words after it."""
    return _PART.match(rest) is not None


class _Options:
    """The options' texts, made ready for comparison when the first comparison is asked for."""

    __slots__ = ("_choices", "_letters", "_texts")

    def __init__(self, letters: str, choices: tuple[str, ...]) -> None:
        self._letters = letters
        self._choices = choices
        self._texts: tuple[dict[str, str], dict[str, str]] | None = None

    @property
    def _by_text_and_letter(self) -> tuple[dict[str, str], dict[str, str]]:
        if self._texts is None:
            by_text: dict[str, str] = {}
            by_letter: dict[str, str] = {}
            for letter, text in zip(self._letters, self._choices, strict=False):
                plain = normalise(_plain(text))
                by_letter[letter] = plain
                # A text that two options share names neither; a text that is a letter is one.
                shared = plain in by_text or plain.upper() in self._letters
                by_text[plain] = "" if shared else letter
            by_text.pop("", None)
            self._texts = by_text, by_letter
        return self._texts

    def letter_of(self, text: str) -> str | None:
        """The one option whose text this is."""
        by_text, _ = self._by_text_and_letter
        return by_text.get(normalise(text)) or None if by_text else None

    def is_text_of(self, letter: str, text: str) -> bool:
        """Whether this is the text of a letter's option."""
        plain = self._by_text_and_letter[1].get(letter)
        return bool(plain) and normalise(text) == plain
