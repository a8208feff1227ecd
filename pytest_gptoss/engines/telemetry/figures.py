"""Figures of which each is a value, or null with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Figures", "UnknownError", "known"]

T = TypeVar("T")


class UnknownError(Exception):
    """Something was not measured; the argument says why, as a sentence without its full stop."""


class Figures:
    """Figures by name, and the reasons of those that are ``None``."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.unknown: dict[str, str] = {}

    def put(self, name: str, measure: Callable[[], Any]) -> None:
        """Add a figure, or ``None`` and the reason where ``measure`` raises `UnknownError`."""
        try:
            self.values[name] = measure()
        except UnknownError as why:
            self.values[name] = None
            self.unknown[name] = str(why)


def known(value: T | None, why: str | None) -> T:
    """The value.

    Raises:
        UnknownError: It is ``None``.
    """
    if value is None:
        raise UnknownError(why or "the device does not say it")
    return value
