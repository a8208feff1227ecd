"""Cleaning of final texts: what scorers read is free of markup, width variants and end tokens.

Everything here is linear in the length of the text: a fixed window is taken from the end first, and
no pattern nests one quantifier in another.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MOST_STATEMENTS",
    "WINDOW",
    "boxed",
    "first_sentence",
    "lines",
    "narrow",
    "normalise",
    "readable",
    "value_after",
]

WINDOW = 16_384
"""Characters read, from the end: a final answer stands at the end, and time must stay bounded."""

MOST_STATEMENTS = 64
"""Statements of an answer that are tried, from the last to the first."""

_LONGEST_VALUE = 1_000

_END_TOKENS = (
    "</s>",
    "<s>",
    "<|return|>",
    "<|end|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eot|>",
    "<|endoftext|>",
    "<end_of_turn>",
    "<eos>",
)

_WIDTH: dict[int, str | None] = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
_WIDTH |= dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xFE0F))
_WIDTH |= dict.fromkeys((0x3000, 0x2002, 0x2003), " ")
_WIDTH |= dict.fromkeys((0x2212, 0x2013, 0x2010, 0x2011, 0xFE63), "-")
_WIDTH |= dict.fromkeys((0x2018, 0x2019), "'")
_WIDTH |= dict.fromkeys((0x201C, 0x201D, 0x300C, 0x300D, 0x300E, 0x300F), '"')
_WIDTH |= dict.fromkeys((0x3010, 0x3014), "[")
_WIDTH |= dict.fromkeys((0x3011, 0x3015), "]")
# A fullwidth comma separates clauses and never thousands, so it keeps its distance.
_WIDTH[0xFF0C] = ", "
# Vulgar fractions in the written form: "2½" becomes "2 1/2".
_WIDTH |= {
    ord(sign): f" {text}"
    for sign, text in zip("½⅓⅔¼¾⅕⅛", ("1/2", "1/3", "2/3", "1/4", "3/4", "1/5", "1/8"), strict=True)
}
_WIDTH |= {ord(digit): f"^{value}" for value, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}

_SPACES = ("\u00a0", "\u2009", "\u202f")

_REWRITES: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    # What a text must hold for a pattern to match at all, the pattern, and what takes its place.
    # Digits grouped by a thin or no-break space, or by a LaTeX space or comma.
    (
        (*_SPACES, "\\", "{,}"),
        re.compile(r"(?<=\d)(?:[\u00a0\u2009\u202f]|\\[,;:!]|\{,\})(?=\d{3}(?!\d))"),
        ",",
    ),
    (_SPACES, re.compile(r"[\u00a0\u2009\u202f]"), " "),
    # LaTeX commands that only set type; their braces stay, so that braces remain balanced.
    (
        ("\\",),
        re.compile(
            r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|sf|it)|operatorname|mbox|displaystyle"
            r"|left|right|bigl?|bigr)(?![a-zA-Z])"
        ),
        "",
    ),
    (("\\",), re.compile(r"\\[()\[\],;:! ]|\\q?quad(?![a-z])"), " "),
    (("\\",), re.compile(r"\\([$%#&_])"), r"\1"),
    (("\\",), re.compile(r"\\([dt]?frac)\s?(\d)\s?(\d)(?!\d)"), r"\\\1{\2}{\3}"),
    (("<answer>",), re.compile(r"<answer>"), "\nAnswer: "),
    (("</answer>",), re.compile(r"</answer>"), "\n"),
    (("<",), re.compile(r"</?(?:b|strong|em|i|u|code|span|p|mark)>|<br ?/?>"), ""),
    # Markdown emphasis; between two digits "**" is a power.
    (("**", "__", "`", "~~"), re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|__|`|~~"), ""),
)
_DRESSED = re.compile(r"[^\x00-\x7f]|[\\<`{]|\*\*|__|~~")
"""What at least one rewrite, or the width table, would touch; plain text is returned as it is."""


def readable(text: str) -> str:
    """The end of a final text, free of end tokens, width variants, Markdown and LaTeX dress.

    Args:
        text: The final text as the model wrote it.

    Returns:
        At most `WINDOW` characters of the source, rewritten; cut at white space, so that no number
        or word is halved.
    """
    text = text.rstrip()
    if len(text) > WINDOW:
        text = text[-WINDOW:]
        cut = re.search(r"\s", text)
        text = text[cut.end() :] if cut else text
    if not _DRESSED.search(text):
        return text.strip()
    end = len(text)
    while text.endswith(">", 0, end) and (
        token := next((t for t in _END_TOKENS if text.endswith(t, 0, end)), None)
    ):
        end -= len(token)
        while end and text[end - 1].isspace():
            end -= 1
    text = narrow(text[:end])[-WINDOW:]
    for needed, pattern, replacement in _REWRITES:
        if any(part in text for part in needed):
            text = pattern.sub(replacement, text)
    return text.strip()


def narrow(text: str) -> str:
    """A text whose width variants, dashes and quotes are the ASCII ones."""
    return text if text.isascii() else text.translate(_WIDTH)


_BOX = re.compile(r"\\f?boxed\s?\{")


def boxed(text: str) -> Iterator[tuple[int, str]]:
    r"""The position and content of every ``\boxed{...}``, from first to last.

    A box that is never closed ends at its line's end, and the contents of boxes in a box belong to
    the outer one, so that each character is read once.
    """
    position = 0
    while match := _BOX.search(text, position):
        depth, index = 1, match.end()
        while index < len(text) and depth and text[index] != "\n":
            depth += {"{": 1, "}": -1}.get(text[index], 0)
            index += 1
        position = index
        end = min(index - (depth == 0), match.end() + _LONGEST_VALUE)
        yield match.start(), text[match.end() : end]


_DECORATION = " \t\r\n*_#>:=\"'"
_DECORATIONS = re.compile(r"[\s*_#>:=\"'$]*+(?:-\s)?+")


def value_after(text: str, position: int) -> str:
    """What a cue that ends at a position announces: the rest of its line, else the next line."""
    for start in (position, _DECORATIONS.match(text, position).end()):  # type: ignore[union-attr]
        end = text.find("\n", start, start + _LONGEST_VALUE)
        value = text[start : end if end >= 0 else start + _LONGEST_VALUE].strip(_DECORATION)
        if value and value not in {"-", ".", "$"}:
            return value
    return ""


_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|[。！？；]|\n")


def first_sentence(text: str) -> str:
    """A text up to the end of its first sentence; a dot inside a number ends nothing."""
    match = _SENTENCE_END.search(text)
    return text[: match.start()] if match else text


def lines(text: str) -> list[str]:
    """The lines that hold more than white space and rules, stripped of list and quote marks."""
    stripped = (line.strip(" \t\r*_>#-") for line in text.split("\n"))
    return [line for line in stripped if line]


def normalise(text: str) -> str:
    """A text for comparison: case, width, punctuation at the ends and white space are alike."""
    folded = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    return " ".join(folded.split()).strip(" .,;:!?\"'()[]{}*_`。，；：！？、“”‘’（）")
