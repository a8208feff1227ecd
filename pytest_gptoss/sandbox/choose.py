"""Chooses how untrusted code is confined on this machine, by trying."""

from __future__ import annotations

import functools
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.errors import SandboxError

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Rung

__all__ = ["LADDER", "NAMES", "choose", "probe", "shortfall"]

# From the strongest down.
LADDER = ("bwrap", "namespaces", "landlock", "macos")
NAMES = ("auto", *LADDER, "none")

# Marks of a container, and where the kernel keeps its settings.
_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
_SETTINGS = Path("/proc/sys")
_lock = threading.Lock()


def choose(
    name: str = "auto", minimum: str | None = None, *, allow_unsandboxed: bool = False
) -> Rung:
    """Return the rung asked for, once it has withstood its self-test in this process.

    Args:
        name: One of ``NAMES``; "auto" is the strongest that works here, "none" no sandbox at all.
        minimum: The weakest rung that will do.
        allow_unsandboxed: Whether code may run without a sandbox: where that was asked for by
            name, or where none works.

    Raises:
        SandboxError: If no such rung works here, with the cause and what mends it.
    """
    for given in (name, minimum or "auto"):
        if given not in NAMES:
            raise SandboxError(f"there is no sandbox {given!r}; there are {', '.join(NAMES)}")
    least = None if minimum in (None, "auto", "none") else minimum
    if name == "none" and least is None:
        if not allow_unsandboxed:
            raise SandboxError(
                'the sandbox "none" is no sandbox, and code that a model wrote may not run without '
                "one unless that is allowed on the same command line"
            )
        return _unconfined()
    if name not in ("auto", "none", *_of_this_system()):
        raise SandboxError(f"the sandbox {name!r} is for another system than this: choose auto")
    asked = [rung for rung in _of_this_system() if name in ("auto", rung)]
    if least is not None:
        asked = [rung for rung in asked if LADDER.index(rung) <= LADDER.index(least)]
        if not asked:
            raise SandboxError(f"the sandbox {name!r} is weaker than {least!r}, the least allowed")
    causes = []
    for candidate in asked:
        found = _try(candidate)
        if not isinstance(found, str):
            return found
        causes.append(f"{candidate}: {found}")
    if name == "auto" and least is None and allow_unsandboxed:
        return _unconfined()
    raise SandboxError(
        "code that a model wrote cannot be confined here "
        f"({'; '.join(causes) or 'no sandbox is for this system'}): {_remedy()}"
    )


def probe() -> dict[str, str | None]:
    """Return for each rung, from the strongest down, why it does not work here, or None."""
    found = {name: _try(name) for name in LADDER}
    return {name: rung if isinstance(rung, str) else None for name, rung in found.items()}


def shortfall(rung: Rung) -> str | None:
    """Say what a weaker rung costs and how to have a stronger one; None if it is strong."""
    if rung.name in ("bwrap", "namespaces"):
        return None
    if rung.name == "landlock":
        stronger = probe()
        causes = [f"{name}: {stronger[name]}" for name in LADDER[:2] if stronger[name]]
        how = f"{'; '.join(causes)}; to mend it, {_remedy()}" if causes else "bwrap works here"
        return f"programs that write temporary files or start others fail in this sandbox ({how})"
    if rung.name == "macos":
        return "programs that write temporary files or start others fail in this sandbox"
    return "code that a model wrote runs without a sandbox, with all that this user may do"


def _of_this_system() -> tuple[str, ...]:
    return {"linux": LADDER[:3], "darwin": LADDER[3:]}.get(sys.platform, ())


def _unconfined() -> Rung:
    from pytest_gptoss.sandbox.unconfined import Unconfined

    return Unconfined()


def _try(name: str) -> Rung | str:
    """Return a rung that holds here, or why it does not; found out once in each process."""
    with _lock:
        return _tried(name, os.getpid())


@functools.cache
def _tried(name: str, _process: int) -> Rung | str:
    from pytest_gptoss.sandbox import cgroups, selftest

    if name not in _of_this_system():
        return "it is for another system"
    rung: Rung
    try:
        if name == "bwrap":
            from pytest_gptoss.sandbox.bwrap import Bwrap

            rung = Bwrap()
        elif name == "namespaces":
            from pytest_gptoss.sandbox.namespaces import Namespaces

            rung = Namespaces()
        elif name == "landlock":
            from pytest_gptoss.sandbox.landlock import Landlock

            rung = Landlock()
        else:
            from pytest_gptoss.sandbox.macos import Macos

            rung = Macos()
        weakness = selftest.weakness(rung)
        if weakness is not None and weakness.startswith(cgroups.REFUSED):
            cgroups.forgo()
            weakness = selftest.weakness(rung)
        return weakness or rung
    except OSError as error:
        return str(error)


def _remedy() -> str:
    """Name the one command that lets the strongest rung work on this machine."""
    from pytest_gptoss.sandbox import privileges

    if sys.platform == "darwin":
        return "use a Python that every user may read, such as Homebrew's or python.org's"
    if sys.platform != "linux":
        return "run it on Linux or macOS, or under `wsl`"
    if privileges.is_root() and not privileges.may_mount() and privileges.only_root_reads():
        return "use a Python that every user may read, such as one below /usr or /opt"
    if any(mark.exists() for mark in _CONTAINER):
        return (
            "start the container with `docker run --security-opt seccomp=unconfined "
            "--security-opt apparmor=unconfined`"
        )
    for name, closed, opened in (
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "0"),
        ("kernel.unprivileged_userns_clone", "0", "1"),
        ("user.max_user_namespaces", "0", "16384"),
    ):
        place = _SETTINGS.joinpath(*name.split("."))
        if place.is_file() and place.read_text().strip() == closed:
            return f"run `sudo sysctl {name}={opened}`"
    return "run `sudo apt install bubblewrap`"
