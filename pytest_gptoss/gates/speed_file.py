"""Baseline files of speed: every round of every load, one line a figure, so that a diff is read.

``baselines/<model>/throughput.json`` holds what the loads of one model measured, with the hardware,
the engine settings and the software.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_gptoss.errors import UsageError
from pytest_gptoss.gates.files import write_whole
from pytest_gptoss.gates.speed import FIGURES, LEAST_ROUNDS, LoadSpeed, Speed, differences

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["SCHEMA", "decode", "encode", "joined", "read", "refusal", "save"]

SCHEMA = 1

_AGAIN = "save it again with --gptoss-save-baseline"
# What is deeper stands on one line.
_DEPTH = 2


class _Figure(msgspec.Struct, omit_defaults=True):
    unit: str
    mean: float
    rounds: list[float]
    sessions_differ: float | None = None


class _Load(msgspec.Struct, omit_defaults=True):
    load: dict[str, Any]
    completion_tokens: list[float]
    throughput: _Figure | None = None
    latency: _Figure | None = None
    memory: _Figure | None = None
    energy: _Figure | None = None
    unknown: dict[str, str] = {}
    after: list[str] = []
    disturbed: str | None = None


class _File(msgspec.Struct):
    schema: int
    kind: str
    digest: str
    model: str
    date: str | None
    hardware: dict[str, Any]
    engine: dict[str, Any]
    software: dict[str, Any]
    loads: dict[str, _Load]


def encode(speed: Speed) -> bytes:
    """The file that holds these figures."""
    file = _File(
        schema=SCHEMA,
        kind="throughput",
        digest="",
        model=speed.model,
        date=speed.date,
        hardware=dict(speed.hardware),
        engine=dict(speed.engine),
        software=dict(speed.software),
        loads={name: _packed(found) for name, found in speed.loads.items()},
    )
    values = msgspec.to_builtins(file)
    values["digest"] = _digest(values)
    return (_lines(values) + "\n").encode()


def decode(data: bytes, origin: str) -> Speed:
    """Read a file's figures.

    Args:
        data: Its bytes.
        origin: Its path, for messages.

    Raises:
        UsageError: It is torn, edited by hand, from another version, or no such file at all.
    """
    try:
        values = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the baseline {origin} is no whole JSON ({error}); restore it, or {_AGAIN}"
        ) from error
    if not isinstance(values, dict) or values.get("kind") != "throughput":
        raise UsageError(f"{origin} is no baseline of throughput; name another file")
    if values.get("schema") != SCHEMA:
        raise UsageError(
            f"the baseline {origin} has schema {values.get('schema')} and this version reads "
            f"schema {SCHEMA}; use the version that wrote it, or {_AGAIN}"
        )
    try:
        file = msgspec.convert(values, _File)
    except msgspec.ValidationError as error:
        raise UsageError(
            f"the baseline {origin} is not as this version writes it ({error}); {_AGAIN}"
        ) from error
    if file.digest != _digest(values):
        raise UsageError(
            f"the baseline {origin} was changed by hand or by a merge (its digest does not match "
            f"its content); restore it, or {_AGAIN}"
        )
    return Speed(
        model=file.model,
        origin=origin,
        date=file.date,
        hardware=file.hardware,
        engine=file.engine,
        software=file.software,
        loads={name: _unpacked(held) for name, held in file.loads.items()},
    )


def read(path: Path, origin: str | None = None) -> Speed:
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
    return decode(data, origin or str(path))


def refusal(speed: Speed, held: Speed | None) -> str | None:
    """Why these figures may not become a baseline, or ``None``.

    Args:
        speed: What was measured.
        held: The baseline in place.
    """
    for name, found in speed.loads.items():
        rounds = min((len(rounds) for rounds in found.rounds.values()), default=0)
        if rounds < LEAST_ROUNDS:
            return (
                f"{name} has {rounds} rounds and a baseline needs at least {LEAST_ROUNDS}; leave "
                "--benchmark-min-rounds out"
            )
    missing = [] if held is None else [name for name in held.loads if name not in speed.loads]
    if held is None or not missing:
        return None
    forbidding, about = differences(held, speed)
    if forbidding or about:
        return (
            f"{', '.join(missing)} of the baseline in place would stay, and was measured under "
            "other settings: measure it too, or delete that file first"
        )
    return None


def joined(speed: Speed, held: Speed | None) -> Speed:
    """The figures with the loads that only the baseline in place has."""
    if held is None:
        return speed
    return replace(speed, loads={**held.loads, **speed.loads})


def save(path: Path, speed: Speed) -> None:
    """Write a baseline, put in place when it is whole and on disk.

    Raises:
        UsageError: It cannot be written.
    """
    write_whole(path, encode(speed))


def _packed(found: LoadSpeed) -> _Load:
    figures = {
        name: _Figure(
            unit=FIGURES[name].unit,
            mean=float(f"{statistics.fmean(rounds):.6g}"),
            rounds=list(rounds),
            sessions_differ=found.noise.get(name),
        )
        for name, rounds in found.rounds.items()
    }
    return _Load(
        dict(found.load),
        list(found.lengths),
        unknown=dict(found.unknown),
        after=list(found.after),
        disturbed=found.disturbed,
        **figures,
    )


def _unpacked(held: _Load) -> LoadSpeed:
    figures: dict[str, _Figure] = {
        name: figure for name in FIGURES if (figure := getattr(held, name)) is not None
    }
    apart = {name: figure.sessions_differ for name, figure in figures.items()}
    return LoadSpeed(
        held.load,
        {name: figure.rounds for name, figure in figures.items()},
        held.unknown,
        held.completion_tokens,
        {name: share for name, share in apart.items() if share is not None},
        tuple(held.after),
        held.disturbed,
    )


def _digest(values: Mapping[str, Any]) -> str:
    content = {key: value for key, value in values.items() if key != "digest"}
    text = msgspec.json.encode(content, order="sorted")
    return f"sha256:{hashlib.sha256(text).hexdigest()[:32]}"


def _lines(value: Any, depth: int = 0) -> str:
    """JSON with a line for each setting and for each figure of each load."""
    if not isinstance(value, dict) or not value or depth > _DEPTH:
        return json.dumps(value, ensure_ascii=False)
    pad = " " * (depth + 1)
    parts = [f"{pad}{json.dumps(key)}: {_lines(part, depth + 1)}" for key, part in value.items()]
    return "{\n" + ",\n".join(parts) + "\n" + " " * depth + "}"
