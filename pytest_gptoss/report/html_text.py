"""Texts of models, datasets and errors as a page may show them: nothing invisible, nothing endless.

Escaping for HTML is the template engine's; what is done here is what escaping leaves: characters
that cannot be seen, that turn the reading direction of what follows, or that no file can hold.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import msgspec

__all__ = ["Text", "cut", "plain", "visible"]

# Control characters but tab and newline; soft hyphen, zero-width and bidi controls, separators that
# are newlines to some; halves of characters, tags and what Unicode says is no character. Joiners
# stay: scripts and emoji are written with them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)


class Text(NamedTuple):
    """The beginning of a text, and how many of its characters are left out."""

    shown: str
    left: int


def visible(text: str) -> str:
    """The text with a mark for each character that cannot be seen, such as ``⟨U+202E⟩``."""
    return _UNSEEN.sub(_mark, text)


def _mark(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)  # Unicode's pictures of control characters
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def cut(text: str | None, limit: int) -> Text | None:
    """The first characters of a text as a page shows them; ``None`` stays unknown.

    Args:
        text: The whole text.
        limit: The most characters shown, the marks of unseen ones counted in full.
    """
    if text is None:
        return None
    text = text.replace("\r\n", "\n") if "\r" in text[: limit + 1] else text
    head = text[:limit]
    if len(visible(head)) > limit:
        room, kept = limit, 0
        for character in head:
            room -= len(visible(character))
            if room < 0:
                break
            kept += 1
        head = head[:kept]
    return Text(visible(head), len(text) - len(head))


def plain(value: Any) -> str | None:
    """A target, or another JSON value, as text."""
    if value is None or isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
