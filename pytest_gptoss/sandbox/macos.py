"""The rung on macOS: its own sandbox, by ``sandbox-exec``.

Apple calls the command deprecated, and it is what Chrome and the coding agents of several makers
confine their programs with. A profile denies all that it does not allow; of rules that match the
last one holds.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import base, privileges
from pytest_gptoss.sandbox.view import interpreter, view

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Macos", "profile"]

_PROGRAM = Path("/usr/bin/sandbox-exec")
# Where Homebrew's interpreter finds its libraries.
_BREW = ("/opt/homebrew/Cellar", "/usr/local/Cellar")


class Macos:
    """A process that may read the interpreter's files and do next to nothing else.

    It can write no file and start no process. The system honours no limit on address space: memory
    is held by the watchdog alone.

    Raises:
        OSError: If this macOS has no ``sandbox-exec``.
    """

    name = "macos"

    def __init__(self) -> None:
        if not _PROGRAM.exists():
            raise OSError(f"{_PROGRAM} does not exist")
        self._profile = profile()

    def describe(self) -> str:
        """Name the layers in force."""
        return "macos [sandbox-exec rlimits; memory: watchdog]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` under the profile."""
        command = [str(_PROGRAM), "-p", self._profile]
        return base.start(
            source,
            limits,
            {},
            end=base.kill_group,
            identity=privileges.identity(namespaces=True),
            before=lambda _: command,
        )


def profile() -> str:
    """Return the rules, in the language of ``sandbox-exec``."""
    program, prefix = interpreter()
    readable = [str(program), str(prefix), *(path for path in _BREW if prefix.is_relative_to(path))]
    return "\n".join(
        [
            "(version 1)",
            "(deny default)",
            # What every program needs to be loaded, on this version of the system.
            '(import "system.sb")',
            # A framework's interpreter becomes the one in its bundle; there is no fork.
            *(f"(allow process-exec (subpath {_quoted(path)}))" for path in readable),
            *(f"(allow file-map-executable (subpath {_quoted(path)}))" for path in readable),
            "(allow sysctl-read)",
            # The interpreter looks along its paths: names, sizes and times may be seen.
            "(allow file-read-metadata)",
            *(f"(allow file-read* (subpath {_quoted(path)}))" for path in readable),
            *(f"(deny file-read* (subpath {_quoted(path)}))" for path in view().hidden),
            # Last, so that they hold against what was imported.
            "(deny network*)",
            "(deny process-fork)",
            '(deny file-write* (require-not (literal "/dev/null")))',
            "(deny signal (require-not (target self)))",
        ]
    )


def _quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
