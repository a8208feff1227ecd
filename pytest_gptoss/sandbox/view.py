"""What a confined program sees of the machine: the interpreter and the system's libraries."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import NamedTuple

__all__ = ["View", "interpreter", "view"]


class View(NamedTuple):
    """The files that an interpreter needs, by their real paths.

    Attributes:
        shown: Files and folders to be read.
        links: Symbolic links, as (target, name), by which the loader reaches them.
        hidden: Folders below the shown ones that are to be empty: installed packages, among them
            perhaps this project and its data.
    """

    shown: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    hidden: tuple[str, ...]

    def leaves(self) -> tuple[list[str], list[str]]:
        """Return what covers all that is shown and nothing that is hidden, and the folders between.

        For means that can only add rights: Landlock cannot take a folder out of a folder.
        """
        leaves, between = [], []
        stack = [Path(path) for path in self.shown]
        hidden = [Path(path) for path in self.hidden]
        while stack:
            path = stack.pop()
            if path in hidden:
                continue
            if any(folder.is_relative_to(path) for folder in hidden):
                between.append(str(path))
                stack += path.iterdir()
            elif not path.is_symlink():
                leaves.append(str(path))
        return leaves, between


@functools.cache
def interpreter() -> tuple[Path, Path]:
    """Return the real paths of the interpreter and its prefix, never those of an environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    return Path(base).resolve(), Path(sys.base_prefix).resolve()


@functools.cache
def view() -> View:
    """Return what this interpreter needs on this machine."""
    program, prefix = interpreter()
    shown: list[Path] = []
    links = []
    for name in ("/usr/lib", "/usr/lib64", "/lib", "/lib64"):
        if Path(name).is_symlink():
            links.append((str(Path(name).readlink()), name))
        elif Path(name).is_dir():
            shown.append(Path(name))
    candidates = [program, prefix / "lib", prefix / sys.platlibdir, Path("/etc/ld.so.cache")]
    for path in candidates:
        real = path.resolve()
        if real.exists() and not any(real.is_relative_to(above) for above in shown):
            shown.append(real)
    hidden = [
        folder
        for above in shown
        for pattern in ("python3*/site-packages", "python3*/dist-packages")
        for folder in above.glob(pattern)
        if folder.is_dir()
    ]
    return View(tuple(map(str, shown)), tuple(links), tuple(map(str, hidden)))
