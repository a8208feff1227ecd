"""A hard bound on what a whole tree holds, by control groups, where we may make any (Linux).

Rlimits bound one process each, and a watchdog sees a sum only when it looks. A group bounds the
memory and the tasks of all that is in it at every moment, and lists them.

Our groups lie within the group that we are in, so that what bounds us bounds them. In version 2 a
group that holds processes can have none within: there they lie beside it, if it sets no bound that
they would escape. We switch no controller on in a group that is not ours, and move nobody but what
is confined.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REFUSED", "Group", "bound", "forgo", "new"]

# How the error of a process begins that may not join its group; `_border` words it.
REFUSED = "joining its control group"

_CONTROLLERS = ("memory", "pids")
_PREFIX = "pytest-gptoss-"
# Whoever is killed leaves its group within milliseconds; under heavy load it takes seconds.
_GONE_S = 30.0
# What may be asked for at once, and be refused because less than this is left: a huge page.
_AT_ONCE = 2 << 20


class Group:
    """The group of one sandbox.

    Args:
        memory: The folder to make where memory is controlled.
        tasks: The folder to make where tasks are; the same one in version 2.

    Raises:
        OSError: If it cannot be made.
    """

    def __init__(self, memory: Path, tasks: Path) -> None:
        self._memory, self._tasks = memory, tasks
        self._exceeded = False
        for folder in self._folders():
            folder.mkdir()

    def _folders(self) -> list[Path]:
        return [*dict.fromkeys((self._memory, self._tasks))]

    def limit(self, limits: Limits) -> None:
        """Set its bounds.

        Raises:
            OSError: If the kernel does not take them, or would not tell whom it ends for them.
        """
        most = str(limits.tree_bytes)
        if _is_second(self._memory):
            (self._memory / "memory.max").write_text(most)
            (self._memory / "memory.oom.group").write_text("1")
            swap, left = self._memory / "memory.swap.max", "0"
        else:
            (self._memory / "memory.limit_in_bytes").write_text(most)
            # Of memory and swap together.
            swap, left = self._memory / "memory.memsw.limit_in_bytes", most
        if swap.exists():  # Swap is accounted for where the kernel was told to.
            swap.write_text(left)
        (self._tasks / "pids.max").write_text(str(limits.processes))
        self._hit()

    @contextlib.contextmanager
    def entrances(self) -> Iterator[list[int]]:
        """Hold open what a process writes "0" to, each of them, to join; only we may open it."""
        with contextlib.ExitStack() as stack:
            opened = []
            for folder in self._folders():
                opened.append(os.open(folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC))
                stack.callback(os.close, opened[-1])
            yield opened

    def exceeded(self) -> bool:
        """Return whether the kernel has ended a process in it for this bound on memory."""
        with contextlib.suppress(OSError):  # It was removed.
            self._exceeded = self._exceeded or self._hit()
        return self._exceeded

    def _hit(self) -> bool:
        # Where the whole machine is full, processes are ended whose group has room.
        if _is_second(self._memory):
            events = self._memory / "memory.events"
            return _count(events, "oom_kill") > 0 and _count(events, "oom") > 0
        if _count(self._memory / "memory.oom_control", "oom_kill") == 0:
            return False
        # The count of refusals would tell, but Linux 6.18 does not keep it.
        most = max(int(file.read_text()) for file in self._memory.glob("*.max_usage_in_bytes"))
        bound = int((self._memory / "memory.limit_in_bytes").read_text())
        return most > bound - _AT_ONCE

    def remove(self) -> None:
        """Kill who is left in it and take it away; whether it was exceeded stays known.

        A group that cannot be removed now goes with its session, or when the next one begins.
        """
        self.exceeded()
        for folder in self._folders():
            with contextlib.suppress(OSError):
                _remove(folder)


class _Session:
    """The groups of this process, each in a folder that a lock marks as ours while we live.

    Raises:
        OSError: If no groups can be made here.
    """

    def __init__(self) -> None:
        self._count = 0
        self._folders: dict[Path, Path] = {}
        self._locks: list[int] = []
        places = [_place(controller) for controller in _CONTROLLERS]
        try:
            for place in dict.fromkeys(places):
                self._settle(place)
                _clear(place)
            self._memory, self._tasks = (self._folders[place] for place in places)
            # Whether it works is known when it has.
            tried = self.new(Limits())
            tried.remove()
        except OSError:
            self.close()
            raise

    def _settle(self, place: Path) -> None:
        # Before it is locked, another session may take it for a dead one's.
        while place not in self._folders or not self._folders[place].exists():
            self._folders[place] = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
            with contextlib.suppress(FileNotFoundError):
                self._locks.append(_locked(self._folders[place], wait=True))
        if _is_second(place):
            switch = " ".join(f"+{controller}" for controller in _CONTROLLERS)
            (self._folders[place] / "cgroup.subtree_control").write_text(switch)

    def new(self, limits: Limits) -> Group:
        self._count += 1
        group = Group(self._memory / str(self._count), self._tasks / str(self._count))
        try:
            group.limit(limits)
        except OSError:
            group.remove()
            raise
        return group

    def close(self) -> None:
        """Take away what is empty, and let go of the rest; and what others left meanwhile."""
        for folder in self._folders.values():
            with contextlib.suppress(OSError):
                for group in (*filter(Path.is_dir, folder.iterdir()), folder):
                    group.rmdir()
        self.release()
        for place in self._folders:
            _clear(place)

    def release(self) -> None:
        """Let go of the locks, without which the groups are a dead session's."""
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()


def new(limits: Limits) -> Group | None:
    """Make a group with these bounds for one sandbox; None where no groups can be made.

    Raises:
        OSError: If none can be made now, although it could before.
    """
    session = _ours()
    return None if session is None else session.new(limits)


def bound() -> str:
    """Name what bounds the memory of a whole tree here."""
    return "memory: watchdog" if _ours() is None else f"cgroup {' '.join(_CONTROLLERS)}"


def forgo() -> None:
    """Make no groups in this process from now on."""
    with _state.lock:
        _state.leave()
        _state.known = True


class _State:
    """What this process knows of its groups, found out once."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known = False
        self.session: _Session | None = None

    def leave(self) -> None:
        session, self.session = self.session, None
        if session is not None:
            session.close()


def _ours() -> _Session | None:
    with _state.lock:
        if not _state.known:
            _state.known = True
            with contextlib.suppress(OSError):
                _state.session = _Session()
        return _state.session


def _place(controller: str) -> Path:
    """Return the folder in which groups of ours may lie.

    Raises:
        OSError: If there is none, or what lies in it would not be controlled.
    """
    paths = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        paths.update(dict.fromkeys(controllers.split(","), path))
    first = controller in paths
    own = _folder(controller if first else None, paths[controller] if first else paths.get("", "/"))
    if first or _passes_on(own, controller):
        return own
    bounds = [own / f"{name}.max" for name in (*_CONTROLLERS, "memory.swap")]
    bounded = [file.name for file in bounds if file.exists() and file.read_text() != "max\n"]
    if not bounded and _passes_on(own.parent, controller):
        return own.parent
    raise OSError(f"{own} lets nothing in it or beside it be controlled")


def _folder(controller: str | None, path: str) -> Path:
    """Find a group's folder by its path, of version 1 if a ``controller`` is given."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mounted, _, what = line.partition(" - ")
        root, point = mounted.split()[3:5]
        kind, _, options = what.split(maxsplit=2)
        if kind == ("cgroup2" if controller is None else "cgroup"):
            if controller is not None and controller not in options.split(","):
                continue
            within = os.path.relpath(path, root)
            # A group outside of what is mounted here is told by a path that leads upwards.
            if ".." not in (*Path(path).parts, *Path(within).parts):
                return Path(point, within)
    raise OSError(f"the control group {path} is not mounted")


def _passes_on(folder: Path, controller: str) -> bool:
    try:
        return controller in (folder / "cgroup.subtree_control").read_text().split()
    except FileNotFoundError:  # Above what is mounted.
        return False


def _is_second(folder: Path) -> bool:
    return (folder / "cgroup.controllers").exists()


def _count(file: Path, name: str) -> int:
    found = re.search(rf"^{name} (\d+)$", file.read_text(), re.MULTILINE)
    if found is None:
        raise OSError(f"{file} does not tell of {name}")
    return int(found[1])


def _locked(folder: Path, *, wait: bool) -> int:
    """Return a descriptor that holds the lock of a session's folder.

    Raises:
        OSError: If it is another's and we do not ``wait``, or the folder is gone.
    """
    import fcntl  # Not on Windows.

    lock = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(lock)
        raise
    return lock


def _clear(place: Path) -> None:
    """Take away what sessions left that were killed."""
    for folder in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(os.close, _locked(folder, wait=False))
            for group in (*filter(Path.is_dir, folder.iterdir()), folder):
                _remove(group)


def _remove(folder: Path) -> None:
    """Kill who is in a group, and take it away."""
    until = time.monotonic() + _GONE_S
    while True:
        try:
            return folder.rmdir()
        except FileNotFoundError:
            return None
        except OSError:
            if time.monotonic() > until:
                raise
        _kill(folder)
        time.sleep(0.001)


def _kill(folder: Path) -> None:
    for process in _members(folder):
        # Where there are no such descriptors, as before Linux 5.3, the sandbox's own end is all.
        with contextlib.suppress(AttributeError, OSError):
            held = os.pidfd_open(process)
            try:
                # It may have ended, and its number be another's.
                if process in _members(folder):
                    signal.pidfd_send_signal(held, signal.SIGKILL)
            finally:
                os.close(held)


def _members(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "cgroup.procs").read_text().split()]


def _new_state() -> None:
    global _state
    _state = _State()


def _after_fork() -> None:
    # Groups stay the parent's, and so must the locks, which would outlive it in a copy.
    if _state.session is not None:
        _state.session.release()
    _new_state()


_state: _State
_new_state()
atexit.register(lambda: _state.leave())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
