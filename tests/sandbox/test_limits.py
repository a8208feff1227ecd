"""Bounds are bounds: what is none is refused before anything runs."""

from __future__ import annotations

import math

import msgspec
import pytest

from pytest_gptoss.sandbox.limits import Limits


def test_defaults_fit_a_short_program() -> None:
    limits = Limits()
    assert (limits.timeout_s, limits.memory_mb, limits.processes, limits.file_mb) == (3, 512, 32, 8)
    assert (limits.output_kb, limits.open_files) == (64, 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout_s", 0),
        ("timeout_s", -1.0),
        ("timeout_s", math.nan),
        ("timeout_s", math.inf),
        ("timeout_s", 3601),
        ("memory_mb", 63),
        ("memory_mb", -1),
        ("processes", 0),
        ("file_mb", -1),
        ("output_kb", 0),
        ("open_files", 15),
        ("open_files", 1 << 17),
    ],
)
def test_no_bound_is_refused_by_its_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})
    # From JSON, too.
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: value}, Limits)


def test_an_unknown_bound_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="memory"):
        msgspec.convert({"memory": 1}, Limits)
