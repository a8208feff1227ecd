"""A run as a page of Markdown, for the summary of a CI step or a comment on a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pytest_gptoss.gates.wording import block
from pytest_gptoss.report.figures import count, interval, percent, rate, seconds
from pytest_gptoss.report.gates import HEADS, comparison_row, pooled_lines
from pytest_gptoss.report.html_text import cut, plain, visible
from pytest_gptoss.report.html_view import VERDICTS, chips, labels, state
from pytest_gptoss.report.speed import COLUMNS, under
from pytest_gptoss.report.terminal import conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["MOST_BYTES", "escaped", "markdown"]

MOST_BYTES = 128 * 1024
"""The most bytes of a summary; GitHub takes 1 MiB of a step, what other tools write included."""

_LOST = 5
_TEXT = 120
_LINE = 2000

# What may mean something to Markdown, HTML or GitHub's own extensions (@name, #1, :sign:): every
# sign of ASCII but a few, and those where they begin a line, an address or a sign's name.
_MEANT = re.compile(
    r"[^\w \-,;%()/=.:'+\u0080-\U0010ffff]|_|:(?=[\w/+-])|^[-=+]|^\d(?=\d*[.)](?:\s|$))|www(?=\.)",
    re.IGNORECASE,
)

_COLUMNS: tuple[tuple[str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("n", lambda group: _n(group)),
    ("accuracy", lambda group: percent(group["accuracy"])),
    ("interval, %", lambda group: interval(group["interval"])),
    ("completed", lambda group: percent(group["accuracy_completed"])),
    ("outcomes", lambda group: _outcomes(group)),
    ("tokens out", lambda group: count(group["completion_tokens"])),
    ("tok/s", lambda group: rate(group["tokens_per_s"])),
    ("wall", lambda group: seconds(group["wall_s"])),
)


def escaped(text: str, limit: int = _LINE) -> str:
    """A text in one line, of which nothing means anything to Markdown or HTML."""
    found = cut(" ".join(text.split()), limit)
    assert found is not None
    more = f" … ({found.left:,} more characters)" if found.left else ""
    return _MEANT.sub(_entities, found.shown) + more


def _entities(match: re.Match[str]) -> str:
    return "".join(f"&#{ord(character)};" for character in match[0])


def markdown(
    summary: Mapping[str, Any], flips: Sequence[Mapping[str, Any]] = (), *, place: str | None = None
) -> str:
    """The run in short: figures, verdicts, the first items that were lost, warnings.

    Args:
        summary: What ``summary.json`` holds.
        flips: The comparisons of ``flips.json``.
        place: Where the whole report is.
    """
    lines: list[str] = []
    room = MOST_BYTES
    for line in _lines(summary, flips, place):
        room -= len(line.encode()) + 1
        if room < 0:
            lines += ["", "… and more, which is in the run's report.html."]
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _lines(
    summary: Mapping[str, Any], flips: Sequence[Mapping[str, Any]], place: str | None
) -> Iterator[str]:
    names = " and ".join(labels(summary))
    yield f"## Evaluation of {escaped(names)}" if names else "## Evaluation"
    yield ""
    for line in state(summary):
        yield f"- **note:** {escaped(line)}"
    yield ""
    yield from _verdicts(summary)
    for model in summary["settings"]["models"]:
        groups = [group for group in summary["groups"] if group["model"] == model]
        if groups:
            yield from _model(model, groups, summary)
    if summary.get("comparisons"):
        yield "### Models compared item by item"
        yield ""
        rows = [comparison_row(fields) for fields in summary["comparisons"]]
        yield from _table(["benchmark", *HEADS[1:]], rows, left=3)
    for model in summary.get("throughput", ()):
        yield f"### {escaped(model['model'])} under loads"
        yield ""
        yield escaped(" · ".join(under(model)))
        yield ""
        loads = [[load["name"], *(cell(load) for _, cell in COLUMNS)] for load in model["loads"]]
        yield from _table(["load", *(heading for heading, _ in COLUMNS)], loads)
    yield from _lost(flips)
    if place is not None:
        yield f"The whole report: <code>{escaped(place)}</code>"


def _verdicts(summary: Mapping[str, Any]) -> Iterator[str]:
    found = chips(summary)
    for chip in found:
        yield (
            f"- {chip['sign']} **{escaped(chip['word'])}** {escaped(chip['what'])}. "
            f"{escaped(chip['sentence'])}"
        )
    for line in pooled_lines(summary):
        yield f"- {escaped(line.plain)}"
    if not found:
        yield "- Nothing was compared: no benchmark has a baseline."
    yield ""


def _model(
    label: str, groups: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]
) -> Iterator[str]:
    yield f"### {escaped(label)}"
    yield ""
    yield escaped(" · ".join(conditions(label, summary)))
    yield ""
    rows = [
        [group["benchmark"], *(cell(group) for _, cell in _COLUMNS), _verdict(group)]
        for group in groups
    ]
    yield from _table(["benchmark", *(heading for heading, _ in _COLUMNS), "gate"], rows)
    for group in groups:
        for warning in group.get("warnings", ()):
            yield f"- **warning:** {escaped(group['benchmark'])}: {escaped(warning['text'])}"
        gate = group.get("gate")
        if gate and gate["verdict"] is not None:
            yield "<details>"
            yield f"<summary>the gate of {escaped(group['benchmark'])}</summary>"
            yield ""
            yield from (f"- {escaped(line)}" for line in block(gate)[1:])
            yield ""
            yield "</details>"
    yield ""


def _n(group: Mapping[str, Any]) -> str:
    whole = group["n"] == group["selected"]
    return f"{group['n']:,}" if whole else f"{group['n']:,} of {group['selected']:,}"


def _outcomes(group: Mapping[str, Any]) -> str:
    return ", ".join(f"{n:,} {outcome}" for outcome, n in group["outcomes"].items() if n)


def _verdict(group: Mapping[str, Any]) -> str:
    gate = group.get("gate")
    if gate is None:
        return "none"
    return f"{VERDICTS[gate['verdict']][0]} {gate['verdict'] or 'not compared'}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    yield f"| {' | '.join(map(escaped, heads))} |"
    yield f"| {' | '.join('---' if place < left else '--:' for place in range(len(heads)))} |"
    for row in rows:
        yield f"| {' | '.join(escaped(cell) for cell in row)} |"
    yield ""


def _lost(flips: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The first items of each comparison that went from right to wrong."""
    for found in flips:
        lost = found["lost"]
        if not lost:
            continue
        what = f"{found['model']} on {found['benchmark']}, against {found['against']}"
        yield f"#### Lost: {escaped(what)}"
        yield ""
        for flip in lost[:_LOST]:
            answer: Mapping[str, Any] = next(iter(flip.get("run") or ()), {})
            target = escaped(visible(plain(flip.get("target")) or "unknown"), _TEXT)
            given = escaped(plain(answer.get("extracted")) or "no answer", _TEXT)
            name = escaped(flip.get("node_id") or flip["item_id"])
            yield f"- <code>{name}</code>: expected {target}, answered {given}"
        if len(lost) > _LOST:
            yield f"- and {len(lost) - _LOST:,} more in flips.json"
        yield ""
