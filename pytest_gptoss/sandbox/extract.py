"""From a model's answer to a program: `extract_program`.

An answer may be the rest of a function, as base models continue a prompt, or a chat answer: a whole
function or only its body, within fences or without, with prose, examples and several blocks around
it. What is read is decided by shape alone; nothing is compiled or run here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox._source import Source, Statement, free

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_gptoss.sandbox._source import Line

__all__ = ["extract_program"]

_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^`\n]*)\Z")
# "Here it is: ```python", and a fence right behind the last line of code.
_INLINE_FENCE = re.compile(r"(?<=[^\s`])[ \t]*```((?:python|py)3?)?[ \t]*$", re.MULTILINE)
_PYTHON = re.compile(r"(?:python|py)?[\d.]*\b", re.IGNORECASE)
_END_OF_TEXT = re.compile(
    r"</s>|<\|(?:endoftext|end_of_text|im_end|eot_id|eot|end|return|EOT)\|>|<(?:eod|eos|end_of_turn)>"
)
_RETURNS = re.compile(r"(?:return|yield|raise)\b")
_SCOPE = re.compile(r"(?:async +)?def\b|class\b")
_USAGE = re.compile(r"(?:print|input|exit|quit|assert)\b|if +\(?__name__")
_TALKS = frozenset({"print", "input", "exit", "quit", "assert", "__name__"})
# What a function may need without naming it.
_UNNAMED = re.compile(r"sys\.setrecursionlimit *\(|from +\w[\w.]* +import +\*")


@dataclass(slots=True)
class _Reading:
    """A piece of an answer, read as code.

    Args:
        statements: What stands at its left margin, behind the body where it is one.
        body: The suite of the function that the prompt begins, indented as the prompt wants it.
        free: The words of that body that may name something outside of it.
        chosen: Which statement defines the entry point.
        whole: Whether nothing seems to be missing.
        leads: Whether it continues the prompt from the answer's first line on.
    """

    statements: list[Statement] = field(default_factory=list)
    body: str | None = None
    free: set[str] = field(default_factory=set)
    chosen: int | None = None
    whole: bool = True
    leads: bool = False

    @property
    def rank(self) -> int:
        """How much it looks like the answer; of equals the last one is taken."""
        if self.leads:
            return 5
        if self.chosen is not None:
            stub = self.statements[self.chosen].is_stub
            return 4 if self.whole and not stub else 2
        if self.body is not None:
            return 3 if self.whole else 1
        return 0


def extract_program(prompt: str, completion: str, entry_point: str) -> str:
    """The program that an answer to a prompt such as HumanEval's amounts to.

    Of several blocks of code the last whole one that defines the entry point counts; helpers and
    imports that it uses are taken from the prompt and from the other blocks. Behind the function
    only what it uses is kept: examples, tests and a ``main`` are not part of the answer.

    Args:
        prompt: The signature and docstring that the model was to complete.
        completion: What it answered.
        entry_point: The name of the function.

    Returns:
        A module's source; empty where the answer holds nothing that looks like code. Never raises,
        and takes time linear in the length of prompt and completion.
    """
    asked = Source(_clean(prompt))
    signature = next(
        (s for s in reversed(asked.statements()) if s.defines and entry_point in s.names), None
    )
    space = "    "
    preamble = asked.text if all(s.is_code for s in asked.statements()) else ""
    if signature is not None:
        preamble = asked.text[: signature.lines[0].start]
        space = next((x.space for x in signature.lines[1:] if x.space), space)
    readings = [
        reading
        for text, fenced, leads in _pieces(_clean(completion))
        if (reading := _read(text, entry_point, space, fenced=fenced, leads=leads)) is not None
    ]
    if not readings:
        return ""
    place = max(range(len(readings)), key=lambda i: (readings[i].rank, i))
    best = readings.pop(place)
    others = [s for reading in readings for s in reading.statements]
    if best.body is not None and signature is not None:
        start = asked.text if asked.text.endswith("\n") else f"{asked.text}\n"
        after = _needed(best.free, best.statements, entry_point, set())
        known = {name for s in (*asked.statements(), *after) for name in s.names}
        before = _needed(best.free, others, entry_point, known)
        if not before:
            return _joined([start + best.body], after)
        return _joined([preamble], before, [start[len(preamble) :] + best.body], after)
    before, entry, after = _program(best, entry_point)
    known = {name for s in (*before, *entry, *after) for name in s.names}
    wanted = set().union(*(s.uses for s in (*before, *entry, *after)))
    known.update(name for s in Source(preamble).statements() for name in s.names)
    helpers = _needed(wanted, others, entry_point, known)
    return _joined([preamble], helpers, [*before, *entry, *after])


def _clean(text: str) -> str:
    end = _END_OF_TEXT.search(text)
    text = text if end is None else text[: end.start()]
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _pieces(text: str) -> list[tuple[str, bool, bool]]:
    """The parts that may be code: text, whether fences say so, and whether it opens the answer."""
    lines = _INLINE_FENCE.sub(lambda found: f"\n```{found[1] or ''}", text).split("\n")
    pieces: list[tuple[str, bool, bool]] = []
    inside: list[str] = []
    outside: list[str] = []
    opened: tuple[int, str] | None = None
    python = True
    leading = True  # no fence has been met

    def close() -> None:
        if python and opened is not None:
            pieces.append(("\n".join(inside), True, False))
        inside.clear()

    for line in lines:
        fence = _FENCE.match(line)
        if opened is None:
            if fence is None:
                outside.append(line)
                continue
            before = "\n".join(outside)
            outside.clear()
            info = fence[3].strip()
            if leading:
                leading = False
                pieces.append((before, False, True))
                if not info and _starts_as_code(before):
                    continue  # it closes a fence that the prompt had opened
            opened, python = (len(fence[1].expandtabs()), fence[2]), _is_python(info)
            continue
        column, ticks = opened
        # A fence deeper within the code is part of a docstring.
        shallow = fence is not None and len(fence[1].expandtabs()) <= column + 3
        if fence is not None and shallow and fence[2].startswith(ticks):
            info = fence[3].strip()
            close()
            # One with a language opens the next block, where the last was not closed.
            opened, python = (opened, _is_python(info)) if info else (None, True)
            continue
        inside.append(line)
    close()
    if leading:
        pieces.append(("\n".join(outside), False, True))
    return pieces


def _is_python(info: str) -> bool:
    word = info.strip("{}. ").split(" ")[0]
    return not word or bool(_PYTHON.fullmatch(word)) or word.lower() in ("pycon", "ipython")


def _starts_as_code(text: str) -> bool:
    lines = Source(text).lines
    return bool(lines) and (bool(lines[0].space) or lines[0].is_code)


def _read(text: str, entry_point: str, space: str, *, fenced: bool, leads: bool) -> _Reading | None:
    """Read a piece as a program or a body; ``None`` where it is no code at all."""
    source = Source(_without_prompts(text))
    lines = source.lines
    first = 0
    if not fenced:
        if lines and _PYTHON.fullmatch(lines[0].text):
            first = 1  # the language of a fence that the prompt had opened
        begun = first
        while first < len(lines) and not lines[first].is_code:
            first += 1
        leads = leads and first == begun
    if first >= len(lines):
        return None
    head = lines[first]
    defined = re.compile(rf"(?:async +)?def +{re.escape(entry_point)}\b")
    if head.space:
        if any(x.space == head.space and defined.match(x.text) for x in lines[first:]):
            # All of it is indented, as within a list.
            source = Source(Source(source.text[head.start :]).shifted(head.space, ""))
            lines, first = source.lines, 0
        else:
            return _body(source, first, space, fenced=fenced, leads=leads)
    statements = source.statements(first)
    if not fenced:
        statements = [s for s in statements if s.is_code]
    chosen = _choose(statements, entry_point)
    if chosen is not None:
        return _Reading(statements, chosen=chosen, whole=statements[chosen].whole)
    return _body(source, first, space, fenced=fenced, leads=False) or _Reading(statements)


def _without_prompts(text: str) -> str:
    """An interpreter's session without its prompts and without what it printed."""
    if not text.lstrip().startswith(">>>"):
        return text
    lines = (line.lstrip() for line in text.split("\n"))
    said = (line[3:].removeprefix(" ") for line in lines if line.startswith((">>>", "...")))
    return "\n".join(said)


def _choose(statements: Sequence[Statement], entry_point: str) -> int | None:
    """Which statement defines the entry point: the last one that is whole and no mere stub."""
    best: tuple[bool, bool, int] | None = None
    for place, statement in enumerate(statements):
        if entry_point in statement.names and statement.kind != "import":
            if statement.kind == "assignment" and (best or _calls(statement, entry_point)):
                continue  # `f = cache(f)` adds to a definition, `f = f(1)` is an example
            rank = (statement.whole, not statement.is_stub, place)
            best = rank if best is None else max(best, rank)
    return None if best is None else best[2]


def _calls(statement: Statement, name: str) -> bool:
    return bool(re.search(rf"\b{re.escape(name)} *\(", statement.text))


def _body(source: Source, first: int, space: str, *, fenced: bool, leads: bool) -> _Reading | None:
    """Read the suite of a function whose signature stands in the prompt."""
    lines = source.lines[first:]
    head = lines[0]
    base, stop = head.space, len(lines)
    margin = next((i for i, x in enumerate(lines) if i and not x.space), stop)
    if _is_stripped(lines[:margin], len(space.expandtabs()), alone=margin == stop):
        # Only the first line has lost its indentation.
        base = min((x.space for x in lines[1:margin]), key=lambda s: len(s.expandtabs()))
        stop = margin
    elif head.space:
        stop = margin
    elif _returns(lines):
        ends = (
            i
            for i, x in enumerate(lines)
            if not x.space and (_USAGE.match(x.text) or not (fenced or x.is_code))
        )
        stop = next(ends, stop)
    else:
        return None
    suite = lines[:stop]
    if not suite:
        return None
    kept = Source(source.text[head.start + len(head.space) : suite[-1].end])
    text = kept.shifted(base, space)
    if base or not text.startswith(space):
        text = space + text.removeprefix(space)
    return _Reading(
        source.statements(first + stop) if stop < len(lines) else [],
        body=text,
        free=free(text, suite),
        whole=suite[-1].whole and not suite[-1].opens,
        leads=leads and bool(head.space),
    )


def _returns(lines: Sequence[Line]) -> bool:
    """Whether there is a ``return`` outside of any function, so that one is missing around it."""
    inside = False
    for line in lines:
        if not line.space:
            inside = bool(_SCOPE.match(line.text))
        if not inside and _RETURNS.match(line.text):
            return True
    return False


def _is_stripped(lines: Sequence[Line], column: int, *, alone: bool) -> bool:
    """Whether the first line of a suite has lost indentation that the others still have."""
    if len(lines) < 2:
        return False
    head, second = lines[0], lines[1]
    if not head.opens:
        return second.indent > head.indent
    least = min(line.indent for line in lines[1:])
    return not head.space and second.indent > column and (alone or least < second.indent)


def _program(
    reading: _Reading, entry_point: str
) -> tuple[list[Statement], list[Statement], list[Statement]]:
    """What stands before the entry point, what defines it, and what it needs from behind it."""
    if reading.chosen is None:
        return [s for s in reading.statements if s.whole], [], []
    entry = reading.statements[reading.chosen]
    before = [
        s
        for s in reading.statements[: reading.chosen]
        if s.whole and not _USAGE.match(s.head) and not (s.is_stub and entry_point in s.names)
    ]
    wanted = set().union(*(s.uses for s in before), entry.uses)
    later = reading.statements[reading.chosen + 1 :]
    return before, [entry], _needed(wanted, later, entry_point, set())


def _needed(
    wanted: set[str], pool: Sequence[Statement], entry_point: str, known: set[str]
) -> list[Statement]:
    """The statements that a function needs, in their order.

    Args:
        wanted: Words that may be names.
        pool: Statements beside the function.
        entry_point: Its name; calls of it are examples.
        known: Names that are bound elsewhere.
    """
    binding: dict[str, list[int]] = {}
    acting: list[int] = []
    kept: set[int] = set()
    for place, statement in enumerate(pool):
        words = statement.words
        if not statement.whole or not statement.is_code or _USAGE.match(statement.head):
            continue
        if entry_point in statement.names:
            # `f.cache = {}` and `f = cache(f)` belong to it; a second definition does not.
            if statement.kind == "assignment" and not _calls(statement, entry_point):
                kept.add(place)
            continue
        if not statement.defines and words & {entry_point, *_TALKS}:
            continue
        if _UNNAMED.match(statement.head):
            kept.add(place)
            continue
        for name in statement.names - known:
            binding.setdefault(name, []).append(place)
        if statement.kind not in ("definition", "import"):
            acting.append(place)
    todo = set(wanted)
    for place in kept:
        todo |= pool[place].uses
    seen: set[str] = set()
    made: set[str] = set()
    while todo:
        name = todo.pop()
        seen.add(name)
        for place in binding.get(name, ()):
            if place not in kept:
                kept.add(place)
                made |= pool[place].names if pool[place].kind != "import" else set()
                todo |= pool[place].uses - seen
    # A loop that fills a table which is kept, for instance.
    kept.update(place for place in acting if pool[place].words & made)
    return [pool[place] for place in sorted(kept)]


def _joined(*parts: Iterable[Statement | str]) -> str:
    """One module, with imports from the future where they have to stand."""
    texts = [part if isinstance(part, str) else part.text for group in parts for part in group]
    future = [t for t in texts if t.startswith("from __future__")]
    texts = [*future, *(t for t in texts if t not in future)]
    return "".join(f"{text.rstrip()}\n" for text in texts if text.strip())
