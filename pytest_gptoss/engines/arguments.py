"""Engine arguments as they may be recorded and shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["without_secrets"]

_SECRET = re.compile(
    r"headers|cookies?|(.*[_-])?"
    r"(key|token|secret|password|passwd|passphrase|auth|authorization|credentials?|bearer)",
    re.IGNORECASE,
)


def without_secrets(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, with what by its name may hold a secret replaced by ``not recorded``."""
    return {
        name: "not recorded"
        if _SECRET.fullmatch(str(name))
        else without_secrets(value)
        if isinstance(value, Mapping)
        else value
        for name, value in arguments.items()
    }
