"""What lies outside of a sandbox: secrets, servers and processes, and whether they were touched."""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import select
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

_IPC_CREATE, _IPC_REMOVE = 0o1000, 0


class Yard:
    """Canaries that a confined program must not see, reach or change.

    Attributes:
        secret: What every canary holds.
        mark: The name that left files and processes have.
        facts: What a program is told: where all of it lies.
    """

    def __init__(self, folder: Path, cleanup: contextlib.ExitStack) -> None:
        token = secrets.token_hex(4)
        self.secret = f"canary-{secrets.token_hex(12)}"
        self.mark = f"hostile-{token}"[:15]
        places = [Path.home(), Path(tempfile.gettempdir()), Path("/dev/shm")]
        self.folders = [p for p in places if p.is_dir() and os.access(p, os.W_OK)]
        if Path.home() not in self.folders:
            pytest.skip("the home folder cannot be written to, so no canary can be put there")
        self.files = [p / f".canary-{token}" for p in self.folders]
        for file in self.files:
            file.write_text(self.secret)
            cleanup.callback(file.unlink, missing_ok=True)
        # A copy of the environment and a descriptor that a careless start would pass on.
        variable = f"CANARY_{token.upper()}"
        os.environ[variable] = self.secret
        cleanup.callback(os.environ.pop, variable)
        self._descriptor = os.open(self.files[0], os.O_RDONLY)
        os.set_inheritable(self._descriptor, True)
        cleanup.callback(os.close, self._descriptor)
        self.victim = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(3600)", self.secret],
            stdin=subprocess.DEVNULL,
        )
        cleanup.callback(self.victim.wait)
        cleanup.callback(self.victim.kill)
        # At home, as a folder for temporary files may be too deep for a socket's address.
        socket_file = Path.home() / f".s-{token}"
        self.servers: dict[str, socket.socket] = {}
        for name, family, kind, address in (
            ("port", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("datagrams", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("socket_file", socket.AF_UNIX, socket.SOCK_STREAM, str(socket_file)),
            ("abstract", socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.mark}"),
        ):
            if name == "abstract" and sys.platform != "linux":
                continue
            server = self.servers[name] = cleanup.enter_context(socket.socket(family, kind))
            server.bind(address)
            if kind is socket.SOCK_STREAM:
                server.listen()
        cleanup.callback(socket_file.unlink, missing_ok=True)
        self.facts: dict[str, Any] = {
            "home_file": str(self.files[0]),
            "temporary_file": str(self.files[min(1, len(self.files) - 1)]),
            "shared_file": str(self.files[-1]),
            "project_file": __file__,
            "folders": [*map(str, self.folders), str(Path.cwd()), str(folder)],
            "variable": variable,
            "argument": self.secret,
            "pid": os.getpid(),
            "victim": self.victim.pid,
            "mark": self.mark,
            "port": self.servers["port"].getsockname()[1],
            "datagrams": self.servers["datagrams"].getsockname()[1],
            "socket_file": str(socket_file),
            "abstract": self.mark,
            "key": self._segment(cleanup),
        }
        self._before = self._state()

    def _segment(self, cleanup: contextlib.ExitStack) -> int:
        """A segment of System V shared memory with the secret in it; its key."""
        key = secrets.randbits(30) | 1
        libc = ctypes.CDLL(None)
        segment = libc.shmget(key, 64, _IPC_CREATE | 0o600)
        if segment >= 0:
            cleanup.callback(libc.shmctl, segment, _IPC_REMOVE, None)
            libc.shmat.restype = ctypes.c_void_p
            place = libc.shmat(segment, None, 0)
            ctypes.memmove(place, self.secret.encode(), len(self.secret))
            libc.shmdt(ctypes.c_void_p(place))
        return key

    def _state(self) -> list[object]:
        """What must be the same before and after."""
        files: list[object] = []
        for file in self.files:
            found = file.stat()
            files.append((file.read_text(), found.st_mode, found.st_uid, found.st_mtime_ns))
            files.append(os.listxattr(file) if hasattr(os, "listxattr") else None)
        pid = self.victim.pid
        processor = os.sched_getaffinity(pid) if hasattr(os, "sched_getaffinity") else None
        return [*files, os.getpriority(os.PRIO_PROCESS, pid), processor]

    def marked(self) -> list[int]:
        """The processes that a program of the corpus has left its mark on, wherever they run."""
        found = []
        for place in Path("/proc").glob("[0-9]*/comm"):
            with contextlib.suppress(OSError):
                if place.read_text().strip() == self.mark:
                    found.append(int(place.parent.name))
        return found

    def visitors(self) -> list[str]:
        """The servers that somebody came to."""
        ready, _, _ = select.select(list(self.servers.values()), [], [], 0)
        return [name for name, server in self.servers.items() if server in ready]

    def harm(self) -> list[str]:
        """Everything outside that is not as it was."""
        found = [f"{name} was reached" for name in self.visitors()]
        if self.victim.poll() is not None:
            found.append("another process was ended")
        elif self._state() != self._before:
            found.append("a file or a process was changed")
        found += [f"process {number} was left" for number in self.marked()]
        left = [Path(folder) / self.mark for folder in self.facts["folders"]]
        found += [f"{path} was left" for path in left if path.exists()]
        return found
