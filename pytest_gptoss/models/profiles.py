"""Profiles: named sets of settings, kept in a data file."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path
from typing import Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.models.registry import line_of, load_tables
from pytest_gptoss.records import Effort

__all__ = ["Profile", "profile", "profiles"]

_BUILT_IN = Path(__file__).with_name("profiles.toml")


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named set of settings; ``None`` leaves one to the model's authors or unset.

    Args:
        name: What ``--gptoss-profile`` takes.
        limit: Items per benchmark.
        max_tokens: Cap on generated tokens, before the engine clips it to the context.
        temperature: Overrides the authors'.
        top_p: Overrides the authors'.
        effort: Reasoning effort, for models that have it.
        inferred: The settings that the source does not state but are deduced.
        notes: What the profile is for.
        source: Where its settings come from.
    """

    name: str
    limit: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    effort: Effort | None = None
    inferred: tuple[str, ...] = ()
    notes: str = ""
    source: str = ""


def profiles(user_file: str | Path | None = None) -> dict[str, Profile]:
    """Every profile by name; a user's file adds profiles or overrides them key by key.

    Raises:
        UsageError: The user's file cannot be read or has an unknown key or a wrong value.
    """
    return dict(_profiles(None if user_file is None else Path(user_file)))


@functools.lru_cache(maxsize=8)
def _profiles(user_file: Path | None) -> dict[str, Profile]:
    tables: dict[str, dict[str, Any]] = load_tables(_BUILT_IN, "profiles")
    if user_file is not None:
        for name, table in load_tables(user_file, "profile file").items():
            tables[name] = tables.get(name, {}) | table
    found = {}
    for name, table in tables.items():
        try:
            found[name] = msgspec.convert({**table, "name": name}, Profile)
        except msgspec.ValidationError as error:
            where = f"{user_file}, line {line_of(user_file, name)}" if user_file else str(_BUILT_IN)
            raise UsageError(
                f"the profile file {where}: the profile {name!r} is not valid: {error}; correct "
                "that key"
            ) from error
    return found


def profile(name: str, user_file: str | Path | None = None) -> Profile:
    """The profile of a name.

    Raises:
        UsageError: There is none of that name.
    """
    known = profiles(user_file)
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    guess = f"did you mean {near[0]}" if near else "pass one of these"
    raise UsageError(
        f"there is no profile {name!r} ({guess}: {', '.join(known)}), or define it in a profile "
        "file of your own"
    )
