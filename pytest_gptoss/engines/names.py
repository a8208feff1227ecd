"""Model names as servers write them: which of them may mean the same model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["asked_for", "fits", "kinds", "named", "plain", "printed"]

_SNAPSHOT = re.compile(r"models--(?:[^/]*--)?([^/]+)/snapshots/[^/]+/?\Z")
# They choose among a gateway's providers of one model.
_ROUTES = (":latest", ":free", ":nitro", ":floor", ":exacto")
# A whole date alone: -0528 and -2507 tell releases apart that are different models.
_DATE = re.compile(r"-20\d\d-?[01]\d-?[0-3]\d\Z")


def plain(name: str) -> str:
    """A model's name without the habits of servers: owner or folder, case, ``:`` and ``.gguf``."""
    if snapshot := _SNAPSHOT.search(name):
        name = snapshot[1]
    name = name.rstrip("/").rpartition("/")[2].casefold()
    for route in _ROUTES:
        name = name.removesuffix(route)
    return name.removesuffix(".gguf").replace(":", "-")


def fits(served: str, names: Iterable[str]) -> bool:
    """Whether a server that answers under this name may have been asked under one of the others.

    A name without a date is often answered by the dated one that stands behind it.
    """
    wanted = {plain(name) for name in names}
    answered = plain(served)
    return answered in wanted or _DATE.sub("", answered) in wanted


def named(model: Mapping[str, Any]) -> list[str]:
    """What the user asked for, by its settings record; a variant has its model's names, too."""
    return [model["name"], model["name"].partition("@")[0], model["source"]]


def printed(name: str) -> str:
    """A server's own text on one line of the screen."""
    text = "".join(char if char.isprintable() else "?" for char in name)
    return text if len(text) <= 100 else f"{text[:99]}…"


def asked_for(label: str, model: Mapping[str, Any]) -> list[str]:
    """The names under which a model was asked for, or that the server states for it.

    Args:
        label: The model's label.
        model: Its settings record.
    """
    engine = model.get("engine") or {}
    asked = engine.get("served_model")
    return [
        *(label, *named(model)),
        *(engine.get("aliases") or ()),
        *([asked] if asked else ()),
    ]


def kinds(served: Iterable[str], names: Iterable[str]) -> set[str | None]:
    """Which different models answered; those that were asked for are one, ``None``.

    Other spellings of what was asked for are one name, two dates of it are two.

    Args:
        served: The names under which answers came.
        names: Those that were asked for.
    """
    exact = {plain(name) for name in names}
    return {None if plain(name) in exact else plain(name) for name in served}
