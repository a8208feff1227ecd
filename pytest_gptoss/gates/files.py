"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pytest_gptoss.errors import UsageError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Write a baseline's file, put in place when it is whole and on disk.

    Raises:
        UsageError: It cannot be written.
    """
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        part = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        if part is not None:
            with contextlib.suppress(OSError):
                part.unlink()
        raise UsageError(
            f"the baseline {path} cannot be written ({error.strerror}); make its folder writable"
        ) from error
