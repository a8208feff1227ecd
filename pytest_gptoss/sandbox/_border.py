"""What an interpreter does to itself before it runs a program that is not trusted.

This text runs in a new process that has nothing but the standard library, and every start pays for
each import: hence no typing, signal, pathlib or contextlib, which take 4 to 15 ms. All of our own
calls into the kernel are here. They go through ctypes because Python has no others (there is no
``mount``, and ``os.unshare`` is new in 3.12), and because a package for them would have to lie in
the base interpreter that is confined, not in the user's environment. What a package for Landlock
would do is three calls, below.
"""

from __future__ import annotations

import os
import resource
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SIGKILL = 9
# From linux/prctl.h, sched.h, mount.h, capability.h, landlock.h and the table of calls.
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS = 1, 8
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE, MNT_DETACH = 0x1000, 0x4000, 0x40000, 2
AT_FDCWD, AT_RECURSIVE = -100, 0x8000
CAPABILITY_VERSION, CAP_DAC_READ_SEARCH = 0x20080522, 2
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
MOUNT_SETATTR, CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 442, 444, 445, 446
LANDLOCK_VERSION, PATH_BENEATH = 1, 1
WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
DEVICES = ("null", "zero", "full", "random", "urandom")


def settle(config: dict[str, Any]) -> None:
    """Confine this process as told; on return it may run the program.

    The keys from ``supervised`` on may be missing:

    * ``pipes``, ``control``, ``highest``: the descriptors that we were given, and the last of them.
    * ``limits``: names of rlimits and their values.
    * ``groups``: the entrances, as descriptors, to the control groups to join.
    * ``supervised``: run in a child, and stay behind to kill all that comes of it.
    * ``first``: run in a child, and stay behind as process 1 of our namespace.
    * ``user``: the user and group to become; ``read_all``: go on reading what only root may.
    * ``namespaces``: ``shown`` paths, ``links``, ``hidden`` folders, ``tmp_mb``, ``shm_mb``, and
      whether the user namespace is ``own``.
    * ``landlock``: the paths that may be read, and the folders that may be ``listed``.
    * ``filter``: a seccomp program, if it is for us to load it.
    """
    namespaces, landlock = config.get("namespaces"), config.get("landlock")
    if config.get("supervised"):
        _stay_behind(config["control"], config["highest"], namespaces)
    if config.get("first"):
        _stay_first(config["highest"])
    _join(config["groups"])
    ruleset = None
    if namespaces is not None:
        _new_root(namespaces)
    if landlock is not None:
        ruleset = _ruleset(landlock["read"], landlock["listed"])
    _become(config)
    if ruleset is not None:
        _call("landlock_restrict_self", _libc().syscall(RESTRICT_SELF, ruleset, 0))
    requests, replies = config["pipes"]
    _wire(requests, replies, config["highest"])
    for name, value in config["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    if "filter" in config:
        _load(config["filter"])


def _join(groups: list[int]) -> None:
    """Enter the groups that bound this process and all that comes of it.

    Those who stay behind are not in them, so that they can neither be ended nor counted there; and
    the groups are entered while we can see them, before a namespace of our own has them as its top.
    """
    for group in groups:
        try:
            os.write(group, b"0")
        except OSError as error:
            raise OSError(error.errno, f"joining its control group: {error.strerror}") from None


def _wire(requests: int, replies: int, highest: int) -> None:
    """Leave nothing open but null, the output, and the pipes as descriptors 3 and 4."""
    # First out of each other's way, then into place.
    while requests < 5 or replies < 5:
        requests, replies = os.dup(requests), os.dup(replies)
    os.dup2(requests, 3)
    os.dup2(replies, 4)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # What was opened since lies in the gaps below, or a few places above.
    os.closerange(5, highest + 16)


_library: Any = None


def _libc() -> Any:
    # Imported late: behind bubblewrap as an ordinary user there is nothing to call.
    global _library
    if _library is None:
        import ctypes

        _library = ctypes.CDLL(None, use_errno=True)
        _library.syscall.restype = ctypes.c_long
    return _library


def _call(what: str, result: int) -> int:
    """Return ``result``, or raise what the kernel said to ``what``."""
    if result < 0:
        import ctypes

        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")
    return result


def _prctl(name: str, *values: int) -> None:
    import ctypes

    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)][:4]
    _call(f"prctl({name})", _libc().prctl(globals()[name], *padded))


def _become(config: dict[str, Any]) -> None:
    """Leave root for a user that owns nothing, and leave every privilege behind."""
    user, kept = config["user"], 0
    if user is not None:
        if config.get("read_all"):
            _prctl("PR_SET_KEEPCAPS", 1)
            kept = 1 << CAP_DAC_READ_SEARCH
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    # Without a supervisor, what came before us has done the rest.
    if config.get("supervised"):
        _keep_capabilities(kept)
        _prctl("PR_SET_NO_NEW_PRIVS", 1)
        # Last: a change of user takes it back.
        _prctl("PR_SET_PDEATHSIG", SIGKILL)


def _keep_capabilities(kept: int) -> None:
    import struct

    head = struct.pack("Ii", CAPABILITY_VERSION, 0)
    _call("capset", _libc().capset(head, struct.pack("6I", kept, kept, 0, 0, 0, 0)))


def _load(program: bytes) -> None:
    """Put this process under a seccomp filter for good."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    filled = Program(len(program) // 8, program)
    result = _libc().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filled), 0, 0)
    _call("prctl(PR_SET_SECCOMP)", result)


def _stay_behind(control: int, highest: int, namespaces: dict[str, Any] | None) -> None:
    """Return in a child; the parent awaits a word, or the end of ours, and kills its tree."""
    import struct

    parent = os.getppid()
    # What is orphaned below us, in whatever session, comes to us and not to the machine's init.
    _prctl("PR_SET_CHILD_SUBREAPER", 1)
    if namespaces is not None:
        _new_user_and_pids(own=namespaces["own"])
    child = os.fork()
    if child == 0:
        return
    try:
        # Ours are copies; the far ends must see the program's end.
        os.closerange(0, control)
        os.closerange(control + 1, highest + 16)
        readable = struct.pack("ihh", control, 1, 0)
        # The other end may live on in a fork of our parent's, so that we look after that as well.
        while os.getppid() == parent and _libc().poll(readable, 1, 100) != 1:
            # Orphans that ended count as processes until somebody asks for them.
            _reap()
        while _reap():
            for process in _below(os.getpid()):
                _kill(process)
            time.sleep(0.001)
    finally:
        os._exit(0)


def _reap() -> bool:
    """Take leave of every child that has ended; False where none is left at all."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _below(parent: int) -> list[int]:
    found = [parent]
    for process in found:
        try:
            for thread in os.listdir(f"/proc/{process}/task"):
                with open(f"/proc/{process}/task/{thread}/children") as listed:
                    found += map(int, listed.read().split())
        except OSError:
            pass  # It has just ended.
    return found[1:]


def _kill(process: int) -> None:
    try:
        os.kill(process, SIGKILL)
    except ProcessLookupError:
        pass


def _stay_first(highest: int) -> None:
    """Return in a child; the parent stays process 1, with which the kernel ends all the others.

    For root behind bubblewrap: that process dies with bubblewrap, whose dying wish is not granted
    by a process of another user.
    """
    child = os.fork()
    if child == 0:
        return
    try:
        os.closerange(0, highest + 16)
        _keep_capabilities(0)
        while os.wait()[0] != child:
            pass
    finally:
        os._exit(0)


def _new_user_and_pids(*, own: bool) -> None:
    """Enter a user namespace if we are to have our ``own``; the next child begins a tree."""
    user, group = os.getuid(), os.getgid()
    flags = CLONE_NEWPID | (CLONE_NEWUSER if own else 0)
    _call("unshare(user, pid)" if own else "unshare(pid)", _libc().unshare(flags))
    if own:
        # We stay who we are, and nobody else exists.
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            try:
                with open(f"/proc/self/{name}", "w") as file:
                    file.write(text)
            except OSError as error:
                raise OSError(error.errno, f"writing {name}: {error.strerror}") from None


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    result = _libc().mount(*encoded, flags, options.encode() or None)
    _call(f"mount({target})", result)


def _fasten(target: str, flags: int, *, deep: bool) -> None:
    """Add ``flags`` to the mount at ``target``, and to all that is mounted below it if ``deep``."""
    import struct

    # mount(2) cannot do it for a whole tree; graphics drivers in containers are such trees.
    where = AT_RECURSIVE if deep else 0
    wanted = struct.pack("4Q", flags, 0, 0, 0)
    result = _libc().syscall(MOUNT_SETATTR, AT_FDCWD, target.encode(), where, wanted, len(wanted))
    _call(f"mount_setattr({target})", result)


def _new_root(view: dict[str, Any]) -> None:
    """Leave the machine's files for a root that shows the interpreter, read-only, and a scratch."""
    rest = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP
    _call("unshare(mount, net, ipc, uts, cgroup)", _libc().unshare(rest))
    os.umask(0o022)
    _mount("none", "/", None, MS_REC | MS_PRIVATE)
    # As bubblewrap does it: an empty root with the old one in it, so that nothing that is to be
    # shown is covered by where we build; then the new root alone.
    _mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=4096,mode=0755")
    os.mkdir("/tmp/new")
    os.mkdir("/tmp/old")
    _mount("/tmp/new", "/tmp/new", None, MS_BIND)
    _pivot("/tmp", "/tmp/old")
    os.chdir("/")
    flags = MS_NOSUID | MS_NODEV
    # Before what is shown, which may lie within.
    for path, megabytes in (("/tmp", view["tmp_mb"]), ("/dev/shm", view["shm_mb"])):
        os.makedirs(f"/new{path}", exist_ok=True)
        options = f"size={megabytes}m,nr_inodes=4096,mode=1777"
        _mount("tmpfs", f"/new{path}", "tmpfs", flags, options)
    for path in view["shown"]:
        _show(path)
        _fasten(f"/new{path}", MS_RDONLY | MS_NOSUID | MS_NODEV, deep=True)
    for device in DEVICES:
        _show(f"/dev/{device}")
    for path in view["hidden"]:
        _mount("tmpfs", f"/new{path}", "tmpfs", flags | MS_RDONLY, "size=4k,nr_inodes=1,mode=0555")
    for target, name in view["links"]:
        os.makedirs(os.path.dirname(f"/new{name}"), exist_ok=True)
        os.symlink(target, f"/new{name}")
    _call("umount(old root)", _libc().umount2(b"/old", MNT_DETACH))
    os.chdir("/new")
    _pivot(".", ".")
    _call("umount(old root)", _libc().umount2(b".", MNT_DETACH))
    os.chdir("/tmp")
    _fasten("/", MS_RDONLY | MS_NOSUID | MS_NODEV, deep=False)
    name = b"sandbox"
    _call("sethostname", _libc().sethostname(name, len(name)))


def _pivot(new: str, old: str) -> None:
    number = PIVOT_ROOT[os.uname().machine]
    _call("pivot_root", _libc().syscall(number, new.encode(), old.encode()))


def _show(path: str) -> None:
    source, target = f"/old{path}", f"/new{path}"
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    _mount(source, target, None, MS_BIND | MS_REC)


def landlock_version() -> int:
    """Return what Landlock can do here: 0 where there is none, 6 since Linux 6.12."""
    return max(0, int(_libc().syscall(CREATE_RULESET, None, 0, LANDLOCK_VERSION)))


def _ruleset(read: list[str], listed: list[str]) -> int:
    """Return rules under which these paths may be read, those listed, and nothing be written."""
    import struct

    syscall = _libc().syscall
    version = landlock_version()
    # All rights that this kernel can take away. A path of more rights than the kernel knows of
    # would be refused: 13 at first, then moving files between folders, truncating, device calls.
    files = (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1
    tcp, outside = 0b11, 0b11  # to bind, to connect; abstract sockets, signals
    attributes = struct.pack("3Q", files, tcp, outside)
    known = 8 + 8 * (version >= 4) + 8 * (version >= 6)
    ruleset = syscall(CREATE_RULESET, attributes[:known], known, 0)
    _call("landlock_create_ruleset", ruleset)
    rights = [(path, READ_FILE | READ_DIR) for path in read]
    rights += [(path, READ_DIR) for path in listed]
    rights += [(f"/dev/{name}", READ_FILE | WRITE_FILE * (name == "null")) for name in DEVICES]
    for path, allowed in rights:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= ~READ_DIR
        rule = struct.pack("=Qi", allowed, place)
        _call(f"landlock_add_rule({path})", syscall(ADD_RULE, ruleset, PATH_BENEATH, rule, 0))
        os.close(place)
    return int(ruleset)
