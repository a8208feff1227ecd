"""Baseline files: a run's score on every item, in a form that people can review.

A file holds the settings, the group's figures and, stratum by stratum, one letter (or number) and
six hex digits of content hash for each item. Lines are short, so that a pull request shows which
hundred items changed; ids that count 0, 1, 2, ... are written as a range.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.engines.names import printed
from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.files import write_whole
from pytest_gptoss.gates.measured import LETTERS, OUTCOMES, Measured, Scored
from pytest_gptoss.gates.settings import Conditions, changes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["SCHEMA", "called", "decode", "encode", "read", "refusal", "save", "with_noise"]

SCHEMA = 1

_LETTERS_PER_LINE = 100
_NUMBERS_PER_LINE = 12
_HASHES_PER_LINE = 15


class _Stratum(msgspec.Struct, omit_defaults=True):
    n: int
    score: float
    ids: str | list[str]
    scores: list[str]
    hashes: list[str]


class _File(msgspec.Struct, kw_only=True):
    schema: int
    digest: str
    model: str
    benchmark: str
    date: str | None
    measured: dict[str, Any]
    tested: dict[str, Any]
    figures: dict[str, Any]
    noise: dict[str, Any] | None
    graded: bool
    repeats: int
    coding: str
    items: dict[str, _Stratum]


def encode(measured: Measured) -> bytes:
    """The file that holds these scores."""
    letters = measured.binary and all(s.outcome in LETTERS for s in measured.items.values())
    strata: dict[str, list[tuple[str, Scored]]] = {}
    for item_id, scored in measured.items.items():
        strata.setdefault(scored.stratum or "", []).append((item_id, scored))
    file = _File(
        schema=SCHEMA,
        digest="",
        model=measured.model,
        benchmark=measured.benchmark,
        date=measured.conditions.date,
        measured=measured.conditions.measured,
        tested=measured.conditions.tested,
        figures=dict(measured.figures),
        noise=None if measured.noise is None else dict(measured.noise),
        graded=measured.graded,
        repeats=measured.repeats,
        coding="letters" if letters else "numbers",
        items={name: _pack(items, letters=letters) for name, items in strata.items()},
    )
    values = msgspec.to_builtins(file)
    values["digest"] = _digest(values)
    return msgspec.json.format(msgspec.json.encode(values), indent=1) + b"\n"


def decode(data: bytes, origin: str) -> Measured:
    """Read a file's scores.

    Args:
        data: Its bytes.
        origin: Its path, for messages.

    Raises:
        UsageError: It is torn, edited by hand, from another version, or no baseline at all.
    """
    try:
        values = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {origin} is no whole JSON ({error}); restore it, or save it again with "
            "--gptoss-save-baseline"
        ) from error
    if not isinstance(values, dict) or not isinstance(values.get("schema"), int):
        raise UsageError(f"{origin} is no baseline: it states no schema; name another file")
    if values["schema"] != SCHEMA:
        newer = values["schema"] > SCHEMA
        raise UsageError(
            f"the baseline {origin} has schema {values['schema']} and this version reads schema "
            f"{SCHEMA}; "
            + ("upgrade pytest-gptoss" if newer else "save it again with --gptoss-save-baseline")
        )
    try:
        file = msgspec.convert(values, _File)
        if file.digest != _digest(values):
            raise UsageError(
                f"the baseline {origin} was changed by hand or by a merge (its digest does not "
                "match its content); restore it, or save it again with --gptoss-save-baseline"
            )
        items = dict(_unpack_all(file))
    except (msgspec.ValidationError, ValueError, KeyError) as error:
        raise UsageError(
            f"the baseline {origin} is not as this version writes it ({error}); save it again "
            "with --gptoss-save-baseline"
        ) from error
    return Measured(
        model=file.model,
        benchmark=file.benchmark,
        origin=origin,
        graded=file.graded,
        repeats=file.repeats,
        conditions=Conditions(file.measured, file.tested, file.date),
        items=items,
        figures=file.figures,
        noise=file.noise,
    )


def read(path: Path) -> Measured:
    """Read a baseline file.

    Raises:
        UsageError: It cannot be read, or `decode` refuses it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the baseline {path} cannot be read ({error.strerror}); name another one with "
            "--gptoss-baseline"
        ) from error
    return decode(data, str(path))


def called(measured: Measured, origin: str) -> Measured:
    """The same scores, called otherwise in sentences."""
    return replace(measured, origin=origin)


def refusal(measured: Measured, *, held: Measured | None, expected: int) -> str | None:
    """Why these scores may not become a baseline, or ``None``.

    Args:
        measured: The scores.
        held: The baseline that they would replace.
        expected: How many items the benchmark has, or the sample of ``--gptoss-limit``.
    """
    found = len(measured.items)
    if measured.errors:
        return f"{measured.errors:,} of its items ended as errors or were never answered"
    if measured.mixed:
        shown = ", ".join(map(printed, measured.mixed[:3]))
        return (
            f"its answers came from different models ({shown}), so it is of no one model: name a "
            "server of one model, or one with --gptoss-engine-arg model=NAME"
        )
    if found < expected:
        return (
            f"only {found:,} of its {expected:,} items were selected (by -k, -m, --deselect, "
            "--lf, a node id or a skip)"
        )
    if held is not None and found < len(held.items):
        return (
            f"it has {found:,} items and the baseline in place has {len(held.items):,}: delete "
            "that one first if a smaller one is meant, or leave --gptoss-limit out"
        )
    return None


def with_noise(measured: Measured, held: Measured | None) -> Measured:
    """The scores with the noise floor, where the same settings were measured before.

    Two runs under the same settings differ on some items by chance alone; that share (the
    discordance of an A/A comparison) says what a gate can see. It is kept when the next baseline
    is saved under the same settings, and forgotten when they change.
    """
    if held is None or not (measured.binary and held.binary):
        return measured
    forbidding, about, unknown = changes(held.conditions, measured.conditions)
    if forbidding or about or unknown or held.conditions.date == measured.conditions.date:
        return measured
    shared = [
        (before, after)
        for item_id, before in held.items.items()
        if (after := measured.items.get(item_id)) is not None and after.digest == before.digest
    ]
    if not shared:
        return measured
    differ = sum(before.score != after.score for before, after in shared)
    noise = {
        "discordance": differ / len(shared),
        "differ": differ,
        "n": len(shared),
        "against": held.conditions.date,
    }
    return replace(measured, noise=noise)


def save(path: Path, measured: Measured) -> None:
    """Write a baseline, put in place when it is whole and on disk.

    Raises:
        UsageError: It cannot be written.
    """
    write_whole(path, encode(measured))


def _digest(values: Mapping[str, Any]) -> str:
    """Over the values and not the bytes, so that a formatter of JSON files breaks nothing."""
    content = {key: value for key, value in values.items() if key != "digest"}
    text = msgspec.json.encode(content, order="sorted")
    return f"sha256:{hashlib.sha256(text).hexdigest()[:32]}"


def _pack(items: Sequence[tuple[str, Scored]], *, letters: bool) -> _Stratum:
    ids = [item_id for item_id, _ in items]
    if letters:
        scores = _wrap((LETTERS[s.outcome or ""] for _, s in items), "", _LETTERS_PER_LINE)
    else:
        scores = _wrap((f"{s.score:.5g}" for _, s in items), " ", _NUMBERS_PER_LINE)
    return _Stratum(
        n=len(items),
        score=round(sum(s.score for _, s in items) / len(items), 5),
        ids=_ranges(ids),
        scores=scores,
        hashes=_wrap((s.digest for _, s in items), " ", _HASHES_PER_LINE),
    )


def _unpack_all(file: _File) -> Iterator[tuple[str, Scored]]:
    for name, stratum in file.items.items():
        ids = _listed(stratum.ids)
        separator = "" if file.coding == "letters" else " "
        text = separator.join(stratum.scores)
        found: Sequence[str] = text if file.coding == "letters" else text.split()
        hashes = " ".join(stratum.hashes).split()
        if not len(ids) == len(found) == len(hashes) == stratum.n:
            raise ValueError(f"stratum {name!r} lists unequal numbers of ids, scores and hashes")
        scores: Iterable[float]
        outcomes: Iterable[str | None]
        if file.coding == "letters":
            outcomes = map(OUTCOMES.__getitem__, found)
            scores = [float(letter == "1") for letter in found]
        else:
            outcomes, scores = repeat(None), map(float, found)
        # As one pass in C: this runs for every item before a session may start.
        yield from zip(
            ids,
            map(Scored._make, zip(hashes, scores, outcomes, repeat(name or None), repeat(None))),
            strict=False,
        )


def _ranges(ids: Sequence[str]) -> str | list[str]:
    """Whole numbers as ranges, ``0-99,140``; other ids as they are."""
    if not all(i.isascii() and i.isdigit() and str(int(i)) == i for i in ids):
        return list(ids)
    parts: list[list[int]] = []
    for number in map(int, ids):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _listed(ids: str | list[str]) -> list[str]:
    if isinstance(ids, list):
        return ids
    listed: list[str] = []
    for part in ids.split(","):
        first, dash, last = part.partition("-")
        listed += map(str, range(int(first), int(last) + 1)) if dash else [first]
    return listed


def _wrap(parts: Iterable[str], separator: str, per_line: int) -> list[str]:
    listed = list(parts)
    return [
        separator.join(listed[start : start + per_line])
        for start in range(0, len(listed), per_line)
    ]
