"""The local mirror: the same datasets as files, for machines without the Hub."""

from __future__ import annotations

import os
from contextvars import ContextVar
from pathlib import Path

from pytest_gptoss.errors import DataError

__all__ = ["mirror", "mirror_file", "use_mirror"]

VARIABLE = "GPTOSS_DATA"

# Set once per session by the command line; the environment variable stands where it is not.
_chosen: ContextVar[Path | None] = ContextVar("gptoss_mirror", default=None)


def use_mirror(folder: str | os.PathLike[str] | None) -> None:
    """Read datasets from this folder; ``None`` goes back to ``GPTOSS_DATA`` or the Hub."""
    _chosen.set(Path(folder) if folder is not None else None)


def mirror() -> Path | None:
    """The folder of the local mirror, or ``None`` where the Hub is used.

    Raises:
        DataError: A folder is named that does not exist.
    """
    folder = _chosen.get()
    said_by = "--gptoss-data"
    if folder is None:
        value = os.environ.get(VARIABLE)
        if not value:
            return None
        folder, said_by = Path(value), VARIABLE
    if not folder.is_dir():
        raise DataError(
            f"{said_by} names {str(folder)!r}, which is no folder; name the folder that holds "
            "<owner>/<name>/<config>/<split>.jsonl, or leave it out to read from the Hub"
        )
    return folder


def mirror_file(folder: Path, path: str, config: str, split: str) -> Path:
    """The file that holds one split, laid out ``<owner>/<name>/<config>/<split>.jsonl``.

    Raises:
        DataError: The mirror does not have it.
    """
    file = folder / path / config / f"{split}.jsonl"
    if not file.is_file():
        raise DataError(
            f"the local mirror has no {file}; add that split there as JSON Lines, "
            "or leave the mirror out to read from the Hub"
        )
    return file
