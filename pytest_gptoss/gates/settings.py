"""Which settings make two results incomparable, and which are what a comparison is about."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["Change", "Conditions", "changes", "conditions"]

Flat = dict[str, Any]

# The rows are the same rows wherever they are read from, and their number follows from the pin.
_NOT_MEASURED = ("source", "rows")

# What of a prompt's format decides which text the model reads.
_SHAPE = ("format", "conversation_date", "template_sha256", "instructions", "options")

# A recording or a server answers through a template that is not ours to see.
_TEMPLATE_UNKNOWN = ("replay", "endpoint")


@dataclass(frozen=True)
class Conditions:
    """The settings of one result, in two groups.

    Args:
        measured: What is measured: another value here makes another measurement.
        tested: What a comparison may be about: the model, the engine, the hardware.
        date: When it was measured.
    """

    measured: Flat
    tested: Flat
    date: str | None = None


@dataclass(frozen=True)
class Change:
    """One setting that differs."""

    name: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.name} {_shown(self.before)} → {_shown(self.after)}"


def conditions(settings: Mapping[str, Any], model: str, benchmark: str) -> Conditions:
    """Sort the settings of a run as they bear on one (model, benchmark) pair.

    Args:
        settings: The settings record, as in ``summary.json``.
        model: The model's label.
        benchmark: The benchmark's name.
    """
    of_model = settings["models"][model]
    engine = dict(of_model.get("engine") or {})
    name = engine.pop("engine", None) or settings.get("engine")
    prompt_format = engine.pop("prompt_format", None)
    sampling = of_model.get("sampling")
    measured: Flat = {
        key: value
        for key, value in _flatten(settings["benchmarks"][benchmark]).items()
        if key.rpartition(".")[2] not in _NOT_MEASURED
    }
    if not measured.get("shots.count"):
        # Where examples would have come from measures nothing.
        measured = {k: v for k, v in measured.items() if not k.startswith("shots.")}
        measured["shots.count"] = 0
    measured["profile"] = settings.get("profile")
    measured["effort"] = of_model.get("effort")
    package = None
    if name not in _TEMPLATE_UNKNOWN and isinstance(prompt_format, dict):
        package = prompt_format.get("package")
        shape = {key: prompt_format.get(key) for key in _SHAPE}
        measured |= _flatten({"prompt_format": shape})
    # An unknown sampling is unknown in every part; a known one that names no cap has none.
    drawn = dict(sampling or {})
    seed = drawn.pop("seed", None)
    measured |= {
        f"sampling.{key}": _known(value) if sampling else None for key, value in drawn.items()
    }
    tested = _flatten(
        {
            "model": {key: of_model.get(key) for key in ("name", "source", "revision", "dtype")},
            "engine": {"name": name, **_portable(engine), "prompt_package": package},
            "engine_arguments": settings.get("engine_arguments"),
            "seed": settings.get("seed") if settings.get("seed") is not None else seed,
            "repeats": settings.get("repeats"),
            "timeout_s": settings.get("timeout_s"),
            "limit": settings.get("limit"),
            "pytest_gptoss": settings.get("pytest_gptoss"),
            "host": {k: v for k, v in (settings.get("host") or {}).items() if k != "kernel"},
        }
    )
    if settings["benchmarks"][benchmark].get("scorer") == "code":
        # What confines programs may end some that would pass: by a bound, or for want of a folder.
        tested["sandbox"] = (settings.get("sandbox") or {}).get("rung")
    tested = {key: _without_folder(value) for key, value in tested.items()}
    return Conditions(_stated(measured), _stated(tested), settings.get("started"))


def changes(
    baseline: Conditions, candidate: Conditions, *, across: Collection[str] = ()
) -> tuple[list[Change], list[Change], list[str]]:
    """What differs between two results.

    Args:
        baseline: The settings of the one.
        candidate: The settings of the other.
        across: Measured settings that the comparison is about, so that they may differ.

    Returns:
        Differences that forbid the comparison; differences that it is about; and the measured
        settings that one side does not know.
    """
    across = set(across)
    if baseline.tested.get("model.name") != candidate.tested.get("model.name"):
        # Each model reads the format that it was trained on.
        across.add("prompt_format")
    forbidding: list[Change] = []
    about: list[Change] = []
    unknown: list[str] = []
    for key in sorted({*baseline.measured, *candidate.measured}):
        before, after = baseline.measured.get(key), candidate.measured.get(key)
        if before == after:
            continue
        change = Change(key, before, after)
        if key in across or key.partition(".")[0] in across:
            about.append(change)
        elif key != "effort" and (before is None or after is None):
            unknown.append(key)
        else:
            forbidding.append(change)
    for key in (*baseline.tested, *(k for k in candidate.tested if k not in baseline.tested)):
        before, after = baseline.tested.get(key), candidate.tested.get(key)
        if before != after:
            about.append(Change(key, before, after))
    return forbidding, about, unknown


def _stated(flat: Flat) -> Flat:
    return {key: value for key, value in flat.items() if value is not None}


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Flat:
    flat: Flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _portable(engine: Mapping[str, Any]) -> dict[str, Any]:
    """An engine's facts without its lists of files and names, which change nothing."""
    return {k: value for k, value in engine.items() if k not in ("files", "notes", "aliases")}


def _without_folder(value: Any) -> Any:
    """The name of a file or folder of one machine, which stands elsewhere on the next."""
    if isinstance(value, str) and PurePath(value).is_absolute():
        return PurePath(value).name
    return value


def _known(value: Any) -> Any:
    """A part of a known sampling that was left out, said in a word that can differ from others."""
    if isinstance(value, tuple):
        return list(value)
    return "not set" if value is None else value


def _shown(value: Any) -> str:
    if value is None:
        return "unknown"
    return f"{value:g}" if isinstance(value, float) else str(value)
