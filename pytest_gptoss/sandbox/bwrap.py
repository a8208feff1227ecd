"""The first rung on Linux: bubblewrap."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox import base, cgroups, privileges, seccomp
from pytest_gptoss.sandbox.view import view

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from pytest_gptoss.sandbox.limits import Limits

__all__ = ["Bwrap"]


class Bwrap:
    """Namespaces made by bubblewrap 0.7 or newer.

    Raises:
        OSError: If it is not installed, too old, or there is no filter for this processor.
    """

    name = "bwrap"

    def __init__(self) -> None:
        program = shutil.which("bwrap")
        if program is None:
            raise OSError("bubblewrap is not installed")
        self._program = program
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said.stdout)
        self._version = tuple(map(int, found.groups())) if found else (0,)
        if self._version < (0, 7):
            raise OSError(f"{said.stdout.strip() or program} cannot bound a scratch; 0.7 can")
        self._filter = seccomp.load("alone")
        self._root = privileges.may_mount()

    def describe(self) -> str:
        """Name the version and the layers in force."""
        version = ".".join(map(str, self._version))
        user = "uid" if self._root else "user"
        return f"bwrap {version} [{user} pid net mount ipc uts seccomp rlimits; {cgroups.bound()}]"

    def start(self, source: str, limits: Limits) -> base.Confined:
        """Start ``source`` in namespaces of its own."""
        with base.nameless_file() as program:
            program.write(self._filter)
            program.flush()
            program.seek(0)
            return base.start(
                source,
                limits,
                {"first": self._root},
                end=_end,
                identity=privileges.identity(namespaces=True),
                before=lambda info: [self._program, *self._arguments(info, program.fileno())],
                passing=[program.fileno()],
            )

    def _arguments(self, info: int, program: int) -> Sequence[str]:
        seen = view()
        if self._root:
            # In a user namespace we would stay root on the machine, whose files under /proc/sys go
            # by that; the two capabilities are for becoming a stranger, who has none.
            user = ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
        else:
            user = ["--unshare-user"]
            if self._version >= (0, 8) and _settings_are_writable():
                user.append("--disable-userns")
        # Each namespace by its name: --unshare-all goes on without those that it cannot get.
        arguments = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
        arguments += ["--unshare-cgroup-try", "--cap-drop", "ALL", *user]
        # As process 1 the program takes its whole tree along, and bwrap leaves no zombie behind.
        arguments += ["--as-pid-1", "--die-with-parent", "--new-session", "--hostname", "sandbox"]
        arguments += ["--clearenv"]
        for name, value in base.ENVIRONMENT.items():
            arguments += ["--setenv", name, value]
        # No /proc: nothing needs it, and as root it is a way out. What may be written comes before
        # what is shown, which may lie within.
        arguments += ["--dev", "/dev"]
        for path, megabytes in (("/dev/shm", base.SHARED_MB), ("/tmp", base.SCRATCH_MB)):
            arguments += ["--size", str(megabytes << 20), "--perms", "1777", "--tmpfs", path]
        for path in seen.shown:
            # The folders above it, which bwrap would make for root alone.
            for above in _above(path):
                arguments += ["--perms", "0755", "--dir", above]
            arguments += ["--ro-bind", path, path]
        for target, name in seen.links:
            arguments += ["--symlink", target, name]
        for path in seen.hidden:
            arguments += ["--size", "4096", "--perms", "0555", "--tmpfs", path]
            arguments += ["--remount-ro", path]
        arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]
        return [*arguments, "--seccomp", str(program), "--info-fd", str(info), "--"]


def _settings_are_writable() -> bool:
    # In containers they are not, or not there. The filter refuses further namespaces in any case.
    try:
        return not os.statvfs("/proc/sys/user/max_user_namespaces").f_flag & os.ST_RDONLY
    except OSError:
        return False


def _above(path: str) -> list[str]:
    parts = path.split("/")[1:-1]
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def _end(process: subprocess.Popen[bytes], control: socket.socket) -> None:
    # bwrap tells which process is the first of its tree. With that one all of them go, and bwrap
    # sees it off and ends; were bwrap itself killed, nobody might.
    told = b""
    while b"}" not in told:
        part = control.recv(4096)
        if not part:
            process.kill()
            return
        told += part
    if process.poll() is None:
        os.kill(json.loads(told)["child-pid"], signal.SIGKILL)
