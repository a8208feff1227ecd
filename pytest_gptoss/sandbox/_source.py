"""Python text cut into logical lines and statements, without compiling it.

What a model wrote may be prose, half a program or made to exhaust a compiler, and it is read in the
process that must survive. So nothing here raises, all of it takes time linear in the length, and it
knows only as much of the grammar as tells statements apart: strings, brackets, comments, columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Line", "Source", "Statement", "free"]

_TOKEN = re.compile(
    r"""
      (?P<triple>\"{3}|'{3})
    | "(?:[^"\\\n]|\\.)*+(?P<double>"?)
    | '(?:[^'\\\n]|\\.)*+(?P<single>'?)
    | \#(?P<comment>[^\n]*)
    | \\\n
    | (?P<newline>\n)
    | (?P<open>[(\[{])
    | (?P<close>[)\]}])
    """,
    re.VERBOSE | re.DOTALL,
)
_TRIPLE_END = {quotes: re.compile(rf"\\.|{quotes}", re.DOTALL) for quotes in ('"""', "'''")}
_SPACE = re.compile(r"[ \t\f]*")
# What begins at the left margin and never does within brackets: one of these was left open before.
_FRESH = re.compile(r"(?:(?:async +)?def|class|import|from) +\w|@\w")
# A line that ends so was cut off.
_GOES_ON = re.compile(
    r"(?:[-+/%&|^=<>@~\\]|(?<!import )\*|[A-Za-z_\])]\."
    r"|\b(?:and|or|not|in|is|if|else|for|lambda|import|from|def|class|as))\Z"
)

_DEFINITION = re.compile(r"(?:async +)?def +(\w+) *[\[(]|class +(\w+) *[:\[(]")
_IMPORT = re.compile(r"import +[A-Za-z_][\w.]* *(?:,|as\b|;|\\|\Z)|from +[\w.]+ +import\b")
_ASSIGNMENT = re.compile(
    r"([A-Za-z_*\[(](?:\[[^\]\n]*+\]|[^\n=:#!<>+/%&|^@({\[-])*+)"
    r"(?::[^=\n]*+)?(?:[-+%&|^@]|[*/<>]{1,2})?=(?!=)"
)
_COMPOUND = re.compile(r"(?:async +)?(?:if|for|while|with|try|match)\b[^:]*+:")
_CLAUSE = re.compile(r"(?:elif|else|except|finally)\b[^:]*+:")
_SIMPLE = re.compile(
    r"(?:return|yield|raise|assert|pass|break|continue|del|global|nonlocal)(?![\w'’])"
    r"|\.\.\.\Z|@[A-Za-z_]|[rRbBuUfF]{0,2}(?:\"{3}|'{3})"
)
_CALL = re.compile(r"(?:await +)?[A-Za-z_][\w.]*[(\[]")
_INNER_DEFINITION = re.compile(r"^[ \t]+(?:async +)?(?:def|class) +(\w+)", re.MULTILINE)
# Parameters with their types and defaults, or what a loop runs over.
_HEADER = re.compile(r"(?:async +)?(?:def +\w+ *\((.*)\)[^()]*:|for +(.*?) in\b)", re.DOTALL)
_GLOBAL = re.compile(r"(?:global|nonlocal) ")
_WORD = re.compile(r"[^\W\d]\w*")
_PLACEHOLDER = re.compile(
    r"(?:pass|\.\.\.|return NotImplemented|raise NotImplementedError.*)[; ]*\Z", re.DOTALL
)


@dataclass(slots=True)
class Line:
    """One logical line; brackets and strings may stretch it over several physical ones.

    Args:
        text: What stands there, without indentation and without the comment at its end.
        start: Where its first physical line starts.
        end: Where its last one ends, before the newline.
        space: The white space before it.
        whole: Whether no bracket, string or operand is missing at its end.
        odd: Whether a quotation mark in it is never closed, as an apostrophe in prose.
    """

    text: str
    start: int
    end: int
    space: str
    whole: bool
    odd: bool

    @property
    def indent(self) -> int:
        """Its column; a tab reaches to the next multiple of eight, as in Python."""
        return len(self.space.expandtabs())

    @property
    def opens(self) -> bool:
        """Whether an indented suite has to follow."""
        return self.text.endswith(":")

    @property
    def is_code(self) -> bool:
        """Whether it reads as a statement rather than as prose."""
        if self.odd:
            return False
        text = self.text
        return bool(
            any(
                pattern.match(text)
                for pattern in (_DEFINITION, _IMPORT, _ASSIGNMENT, _COMPOUND, _CLAUSE, _SIMPLE)
            )
            or (_CALL.match(text) and text.rstrip("; ")[-1:] in (")", "]"))
        )


@dataclass(slots=True)
class Statement:
    """A statement at the left margin with all that is indented below it, decorators included.

    Args:
        lines: Its logical lines.
        text: Its text, comments included.
        names: The names that it binds, or more: words that stand where names are bound.
        kind: ``definition`` (of a function or class), ``import``, ``assignment``, ``block`` (such
            as ``if`` or ``for``), or empty for any other.
    """

    lines: list[Line]
    text: str = ""
    names: frozenset[str] = frozenset()
    kind: str = ""

    @property
    def defines(self) -> bool:
        """Whether it is a ``def`` or a ``class``."""
        return self.kind == "definition"

    @property
    def head(self) -> str:
        """Its first line, decorators left out."""
        return next((x.text for x in self.lines if x.text[0] != "@"), self.lines[0].text)

    @property
    def words(self) -> set[str]:
        """Every word in it, those in strings and comments too."""
        return set(_WORD.findall(self.text))

    @property
    def uses(self) -> set[str]:
        """The words in it that may be names of the module: all but its own parameters and names."""
        if not self.defines:
            return self.words
        return free(self.text, self.lines)

    @property
    def is_code(self) -> bool:
        """Whether it reads as code rather than as prose."""
        return self.lines[0].is_code

    @property
    def whole(self) -> bool:
        """Whether nothing is missing at its end."""
        return self.lines[-1].whole and not self.lines[-1].opens

    @property
    def is_stub(self) -> bool:
        """Whether it defines something without saying how."""
        if not self.defines:
            return False
        place = next(i for i, line in enumerate(self.lines) if line.text[0] != "@")
        suite = self.lines[place + 1 :]
        if not suite:
            return self.lines[place].opens
        said = [line for line in suite if line.text[:1] not in "\"'"]
        return all(_PLACEHOLDER.match(line.text) for line in said)


@dataclass(slots=True)
class Source:
    """A text cut into logical lines.

    Args:
        text: The text; newlines alone end its lines.
    """

    text: str
    lines: list[Line] = field(default_factory=list)
    fixed: set[int] = field(default_factory=set)
    """Where physical lines start within a string: their white space is not indentation."""

    def __post_init__(self) -> None:
        text, length = self.text, len(self.text)
        place = 0
        while place < length:
            space = _SPACE.match(text, place)
            at = space.end() if space is not None else place
            place = self._read(place, at, length)

    def _read(self, start: int, at: int, length: int) -> int:
        """Read the logical line whose first physical one starts here; say where the next does."""
        text = self.text
        depth, odd, whole, place = 0, False, True, at
        cut = end = length
        comment: int | None = None
        while (token := _TOKEN.search(text, place)) is not None:
            place = token.end()
            kind = token.lastgroup
            if kind == "newline":
                if depth and not _FRESH.match(text, place):
                    comment = None
                    continue
                whole, cut, end = not depth, token.start(), token.start()
                break
            if kind == "comment":
                comment = token.start()
            elif kind == "open":
                depth += 1
            elif kind == "close":
                depth = max(0, depth - 1)
            elif kind in ("double", "single"):
                odd = odd or not token[kind]
            elif kind == "triple":
                closed = self._string(token["triple"], place)
                if closed is None:
                    whole, place = False, length
                    break
                place = closed
        else:
            whole, place = not depth, length
        if comment is not None:
            cut = comment
        said = text[at:cut].rstrip()
        if said:
            whole = whole and not odd and not _GOES_ON.search(said[-12:])
            self.lines.append(Line(said, start, end, text[start:at], whole, odd))
        return place

    def _string(self, quotes: str, start: int) -> int | None:
        """Where a string of three quotes ends, or ``None`` where it does not."""
        place, found = start, None
        while (token := _TRIPLE_END[quotes].search(self.text, place)) is not None:
            place = token.end()
            if token[0] == quotes:
                found = place
                break
        newline = self.text.find("\n", start, found)
        while newline >= 0:
            self.fixed.add(newline + 1)
            newline = self.text.find("\n", newline + 1, found)
        return found

    def shifted(self, before: str, after: str) -> str:
        """The text with one indentation in the place of another, strings left as they are."""
        out = []
        place = 0
        for line in self.text.split("\n"):
            if place not in self.fixed and line.startswith(before) and line.strip():
                out.append(after + line[len(before) :])
            else:
                out.append(line)
            place += len(line) + 1
        return "\n".join(out)

    def statements(self, first: int = 0) -> list[Statement]:
        """The statements at the left margin, from this logical line on."""
        groups: list[Statement] = []
        decorated = False
        for line in self.lines[first:]:
            goes_on = groups and (
                line.space
                or decorated
                or (_CLAUSE.match(line.text) and _COMPOUND.match(groups[-1].head))
            )
            if goes_on:
                groups[-1].lines.append(line)
            else:
                groups.append(Statement([line]))
            decorated = not line.space and line.text[0] == "@"
        for statement in groups:
            _describe(statement, self.text)
        return groups


def _describe(statement: Statement, text: str) -> None:
    statement.text = text[statement.lines[0].start : statement.lines[-1].end]
    head = statement.head
    if named := _DEFINITION.match(head):
        statement.kind = "definition"
        statement.names = frozenset({named[1] or named[2]})
    elif _IMPORT.match(head):
        statement.kind = "import"
        statement.names = frozenset(_WORD.findall(head))
    elif assigned := _ASSIGNMENT.match(head):
        statement.kind = "assignment"
        statement.names = frozenset(_WORD.findall(assigned[1]))
    elif _COMPOUND.match(head):
        statement.kind = "block"
        inner = [w for line in statement.lines[1:] for w in _bound(line)]
        statement.names = frozenset([*_INNER_DEFINITION.findall(statement.text), *inner])


def _bound(line: Line) -> list[str]:
    """The names that a line binds."""
    text = line.text
    if _IMPORT.match(text):
        return _WORD.findall(text)
    if assigned := _ASSIGNMENT.match(text):
        return _WORD.findall(assigned[1])
    if header := _HEADER.match(text):
        return _WORD.findall(header[1] or header[2] or "")
    return []


def free(text: str, lines: Sequence[Line]) -> set[str]:
    """The words of a suite that may be names from outside of it."""
    bound = {name for line in lines for name in _bound(line)}
    shared = {
        name for line in lines if _GLOBAL.match(line.text) for name in _WORD.findall(line.text)
    }
    return set(_WORD.findall(text)) - (bound - shared)
