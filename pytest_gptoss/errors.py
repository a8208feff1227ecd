"""The errors that users meet. Each message is one sentence: the cause, the place and the remedy."""

from __future__ import annotations

__all__ = [
    "DataError",
    "EngineDiedError",
    "EngineError",
    "FatalEngineError",
    "GptossError",
    "SandboxError",
    "UsageError",
]


class GptossError(Exception):
    """Base class of every error that this package raises on purpose."""


class UsageError(GptossError):
    """The session was asked for something that cannot be done: exit status 4."""


class DataError(UsageError):
    """A dataset cannot be read: no such id, a missing column, a torn line, no target."""


class EngineError(GptossError):
    """One completion could not be obtained; its item ends as ``error``, never as a wrong answer."""


class FatalEngineError(EngineError):
    """The engine can serve nothing more; the items still waiting end as ``error`` at once."""


class EngineDiedError(FatalEngineError):
    """The engine's own process has died; a fresh one may well serve what this one cannot."""


class SandboxError(GptossError):
    """Untrusted code cannot be confined here; its items end as ``error``, never unconfined."""
