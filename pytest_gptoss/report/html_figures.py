"""Small drawings inside a page: inline SVG, each with its numbers in words beside it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from markupsafe import Markup

from pytest_gptoss.records import LETTERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["drop_bar", "interval_bar", "outcome_bar", "reach"]

# How a part looks where the page's style sheet does not reach, as in some converters.
_PLAIN = {
    "axis": 'stroke="#999"',
    "zero": 'stroke="#666"',
    "margin": 'stroke="#b3261e"',
    "span": 'stroke="#000"',
    "end": 'stroke="#000"',
}
_FILLS = {"correct": "#2da44e", "incorrect": "#d4a72c", "error": "#cf222e"}
_OTHER_FILL = "#a475f9"

_WIDTH = 200
_EDGE = 4
# Below this a letter would not fit into its part of a bar.
_LEAST_LETTER = 12.0


def interval_bar(value: float | None, bounds: Sequence[float] | None, words: str) -> Markup:
    """An accuracy and its interval between 0 and 100 %.

    Args:
        value: The accuracy; nothing is drawn where it is unknown.
        bounds: Its interval.
        words: The same in words.
    """
    if value is None:
        return Markup("")
    parts = [_line(0, 10, _WIDTH, 10, "axis")]
    parts += [_line(_x(mark / 4), 7, _x(mark / 4), 13, "axis") for mark in range(5)]
    if bounds is not None:
        low, high = (_x(bound) for bound in bounds)
        parts += [_line(low, 10, high, 10, "span")]
        parts += [_line(end, 5, end, 15, "end") for end in (low, high)]
    parts.append(_dot(_x(value), 10))
    return _svg(20, words, parts)


def outcome_bar(outcomes: Mapping[str, int], words: str) -> Markup:
    """The outcomes of a group as parts of one bar, each with its letter.

    Args:
        outcomes: How many answers ended as each.
        words: The same in words.
    """
    total = sum(outcomes.values())
    if not total:
        return Markup("")
    parts = []
    x = 0.0
    for outcome, number in outcomes.items():
        if not number:
            continue
        width = _WIDTH * number / total
        parts.append(
            Markup('<rect class="o-{}" fill="{}" x="{}" y="2" width="{}" height="16"/>').format(
                outcome, _FILLS.get(outcome, _OTHER_FILL), _number(x), _number(width)
            )
        )
        if width >= _LEAST_LETTER:
            parts.append(
                Markup('<text class="letter" text-anchor="middle" x="{}" y="14">{}</text>').format(
                    _number(x + width / 2), LETTERS.get(outcome, "?")
                )
            )
        x += width
    return _svg(20, words, parts)


def reach(spans: Sequence[float]) -> float:
    """How far an axis of drops goes to either side so that all of them fit, in shares."""
    widest = max((abs(span) for span in spans if math.isfinite(span)), default=0.0)
    step = 0.05 if widest > 0.05 else 0.01
    return max(step, math.ceil(widest / step - 1e-9) * step)


def drop_bar(
    difference: float | None,
    bounds: Sequence[float] | None,
    *,
    margin: float,
    scale: float,
    words: str,
) -> Markup:
    """A gate's drop and its interval against no drop and the margin; worse is to the right.

    Args:
        difference: The drop; nothing is drawn where there is none.
        bounds: Its interval.
        margin: The drop that is tolerated.
        scale: How far the axis goes to either side.
        words: The same in words.
    """
    if difference is None or bounds is None:
        return Markup("")

    def place(drop: float) -> float:
        return _x((min(scale, max(-scale, drop)) + scale) / (2 * scale))

    edge = place(margin)
    low, high = (place(bound) for bound in bounds)
    parts = [
        Markup(
            '<rect class="beyond" fill="#b3261e" fill-opacity=".12" x="{}" y="0" '
            'width="{}" height="26"/>'
        ).format(_number(edge), _number(_WIDTH - edge)),
        _line(0, 13, _WIDTH, 13, "axis"),
        _line(place(0.0), 2, place(0.0), 24, "zero"),
        _line(edge, 2, edge, 24, "margin"),
        _line(low, 13, high, 13, "span"),
        *(_line(end, 8, end, 18, "end") for end in (low, high)),
        _dot(place(difference), 13),
        _label(0, 37, "start", f"{-100 * scale:g}"),
        _label(place(0.0), 37, "middle", "0"),
        _label(_WIDTH, 37, "end", f"+{100 * scale:g}"),
    ]
    return _svg(40, words, parts)


def _svg(height: int, words: str, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg role="img" viewBox="0 0 {0} {1}" width="{0}" height="{1}"><title>{2}</title>{3}</svg>'
    ).format(_WIDTH, height, words, Markup("").join(parts))


def _x(share: float) -> float:
    return _EDGE + (_WIDTH - 2 * _EDGE) * min(1.0, max(0.0, share))


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" {} x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
        kind, Markup(_PLAIN[kind]), *(_number(value) for value in (x1, y1, x2, y2))
    )


def _dot(x: float, y: float) -> Markup:
    return Markup('<circle class="dot" cx="{}" cy="{}" r="4"/>').format(_number(x), y)


def _label(x: float, y: float, anchor: str, text: str) -> Markup:
    return Markup(
        '<text class="tick" font-size="10" x="{}" y="{}" text-anchor="{}">{}</text>'
    ).format(_number(x), y, anchor, text)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
