"""Refusals, recognised conservatively: a short text that opens by declining to help.

"I cannot determine the answer" is no refusal but an answer that is missing; and a text that goes on
to state an answer is scored on that answer, so scorers ask here only after they found none.
"""

from __future__ import annotations

import re

__all__ = ["is_refusal"]

_LONGEST = 600
"""A refusal is short; a longer text that opens with an apology usually goes on to answer."""

_OPENING = re.compile(
    r"""
    \s*+
    (?: (?:i['’]?m|i\ am)\ (?:really\ |very\ |so\ )?sorry[,.;:]?\s+(?:but\s+)?
      | (?:my\ )?apologies[,.;:]?\s+(?:but\s+)?
      | sorry[,.;:]?\s+(?:but\s+)?
      | unfortunately,?\s+
      | as\ an?\ (?:ai|artificial\ intelligence|language\ model)[^.\n]{0,40},\s+
    )?+
    (?:i\ (?:can['’]?t|cannot|can\ not|won['’]?t|will\ not|must\ decline|have\ to\ decline)
      |(?:i['’]?m|i\ am)\ (?:not\ able|unable|not\ allowed|not\ permitted|not\ comfortable))
    \s(?:to\ )?
    (?: help | assist | comply | fulfill? | participate | engage | provide | share | support
      | discuss | continue | (?:do|answer)\ (?:that|this|your) | with\ (?:that|this)
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)
_OPENING_CHINESE = re.compile(
    r"\s*+(?:非常|很|十分)?(?:抱歉|对不起|對不起|不好意思)[，,。!！]?\s?"
    r"(?:但)?(?:我|作为|作為)[^。\n]{0,20}(?:无法|無法|不能|不会|不會|拒绝|拒絕)"
    r"[^。\n]{0,12}(?:帮助|幫助|协助|協助|提供|回答|讨论|討論|满足|滿足|完成|处理)"
)


def is_refusal(text: str) -> bool:
    """Whether a final text declines to answer.

    Args:
        text: The whole final text.
    """
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return False
    return any(p.match(text) for p in (_OPENING, _OPENING_CHINESE))
