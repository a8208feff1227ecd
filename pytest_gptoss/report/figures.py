"""Numbers as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["count", "duration", "interval", "joules", "percent", "rate", "seconds", "size"]

UNKNOWN = "–"


def count(value: float | None) -> str:
    """A whole number with separators; from a million on, three significant digits."""
    if value is None:
        return UNKNOWN
    if value >= 1e9:
        return f"{value / 1e9:.3g} G"
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    return f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage."""
    return UNKNOWN if value is None else f"{100 * value:.{digits}f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """An interval of shares, in percent."""
    if bounds is None:
        return ""
    return f"[{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


def rate(value: float | None) -> str:
    """Something per second."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def seconds(value: float | None) -> str:
    """A time span with two or three significant digits."""
    if value is None:
        return UNKNOWN
    if value < 0.9995:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s" if value < 1000 else f"{value:,.0f} s"


def size(value: float | None) -> str:
    """Bytes of memory, in the units that memory is sold in."""
    if value is None:
        return UNKNOWN
    gib = value / 2**30
    return f"{value / 2**20:.0f} MiB" if gib < 0.995 else f"{gib:.3g} GiB"


def joules(value: float | None) -> str:
    """An energy with two or three significant digits."""
    if value is None:
        return UNKNOWN
    if value < 0.9995:
        return f"{1000 * value:.3g} mJ"
    return f"{value:.3g} J" if value < 1000 else f"{value:,.0f} J"


def duration(value: float) -> str:
    """A time span as a clock shows it."""
    whole = max(0, round(value))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
