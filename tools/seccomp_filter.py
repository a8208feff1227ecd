"""Writes the sandbox's seccomp filters: ``python tools/seccomp_filter.py``.

Needs libseccomp and ``pip install pyseccomp``; users need neither, for the programs are shipped.
Denied are calls that no ordinary Python program makes and that reach beyond a sandbox, or far into
the kernel. A call that is newer than this list does not exist in the sandbox.
"""

from __future__ import annotations

import errno
import struct
import tempfile
from pathlib import Path

import pyseccomp
from pyseccomp import ERRNO, MASKED_EQ, NE, Arch, Arg, Attr, SyscallFilter

FOLDER = Path(__file__).resolve().parents[1] / "pytest_gptoss" / "sandbox" / "filters"
MACHINES = {"x86_64": Arch.X86_64, "aarch64": Arch.AARCH64}
# The newest call that was judged for this list (cachestat, Linux 6.5); from 424 on, the numbers are
# the same on every machine.
NEWEST = 451

DENIED = """
    socket connect bind listen accept accept4 sendmmsg
    ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp
    pidfd_open pidfd_getfd pidfd_send_signal
    bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register
    mount umount umount2 pivot_root chroot move_mount open_tree mount_setattr
    fsopen fsconfig fsmount fspick setns unshare name_to_handle_at open_by_handle_at
    add_key request_key keyctl memfd_create memfd_secret
    mknod mknodat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
    sync syncfs quotactl quotactl_fd swapon swapoff acct fanotify_init fanotify_mark
    shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl semget semop semctl semtimedop
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    init_module finit_module delete_module kexec_load kexec_file_load reboot syslog
    clock_settime clock_adjtime settimeofday adjtimex stime sethostname setdomainname
    vhangup iopl ioperm modify_ldt personality lookup_dcookie nfsservctl uselib ustat sysfs _sysctl
    mbind set_mempolicy set_mempolicy_home_node migrate_pages move_pages remap_file_pages vmsplice
"""
NAMESPACES = {
    "mount": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# Where the program keeps its user and sees the machine's files (Landlock): what neither that user's
# rights nor Landlock would stop.
DENIED_BESIDE_OTHERS = """
    chmod fchmod fchmodat chown fchown lchown fchownat utime utimes utimensat futimesat
    truncate truncate64 ioprio_set sched_setattr
"""
OTHERS_ONLY = """
    prlimit64 sched_setaffinity sched_setscheduler sched_setparam
"""
FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR, F_SETLEASE = 0x40086602, 0x401C5820, 1024

# Before Landlock knew signals (ABI 6), they are for nobody.
SIGNALS = """
    kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo
"""

LOW_HALF = 0xFFFFFFFF


def build(machine: str, *, beside_others: bool, signals: bool) -> bytes:
    """Return one filter as the kernel takes it."""
    rules = SyscallFilter(pyseccomp.ALLOW)
    # Calls in the manner of another machine (32 bits, x32) end the process.
    rules.set_attr(Attr.ACT_BADARCH, pyseccomp.KILL_PROCESS)
    rules.set_attr(Attr.CTL_OPTIMIZE, 2)
    if not rules.exist_arch(MACHINES[machine]):
        rules.add_arch(MACHINES[machine])
        rules.remove_arch(Arch.NATIVE)

    def deny(name: str, *arguments: Arg) -> None:
        rules.add_rule(ERRNO(errno.EPERM), name, *arguments)

    for name in DENIED.split():
        deny(name)
    # asyncio and multiprocessing wake themselves through pairs of connected streams. A pair of
    # datagram sockets could be redirected to any other.
    deny("socketpair", Arg(0, NE, 1))
    for kind in range(16):
        if kind != 1:
            deny("socketpair", Arg(1, MASKED_EQ, 0xF, kind))
    for flag in NAMESPACES.values():
        deny("clone", Arg(0, MASKED_EQ, flag, flag))
    # Its flags lie in memory, where a filter cannot look; the C library then uses clone.
    rules.add_rule(ERRNO(errno.ENOSYS), "clone3")
    for request in (TIOCSTI, TIOCLINUX):
        deny("ioctl", Arg(1, MASKED_EQ, LOW_HALF, request))
    if beside_others:
        for name in DENIED_BESIDE_OTHERS.split():
            deny(name)
        for name in OTHERS_ONLY.split():
            deny(name, Arg(0, NE, 0))
        deny("setpriority", Arg(0, NE, 0))
        deny("setpriority", Arg(1, NE, 0))
        for request in (FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR):
            deny("ioctl", Arg(1, MASKED_EQ, LOW_HALF, request))
        deny("fcntl", Arg(1, MASKED_EQ, LOW_HALF, F_SETLEASE))
    if not signals:
        for name in SIGNALS.split():
            deny(name)
    return _unknown_is_absent() + _exported(rules)


def _unknown_is_absent() -> bytes:
    """Return the instructions that answer "no such call" to what is newer than this list."""
    load_number, jump_greater, answer = 0x20, 0x25, 0x06
    refuse = 0x00050000 | errno.ENOSYS
    return (
        struct.pack("=HBBI", load_number, 0, 0, 0)
        + struct.pack("=HBBI", jump_greater, 0, 1, NEWEST)
        + struct.pack("=HBBI", answer, 0, 0, refuse)
    )


def _exported(rules: SyscallFilter) -> bytes:
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()


def main() -> None:
    """Write one program for each machine and manner of confinement."""
    FOLDER.mkdir(exist_ok=True)
    for machine in MACHINES:
        for name, beside_others, signals in (
            ("alone", False, True),
            ("beside", True, True),
            ("silent", True, False),
        ):
            program = build(machine, beside_others=beside_others, signals=signals)
            (FOLDER / f"{machine}-{name}.bpf").write_bytes(program)
            print(f"{machine}-{name}: {len(program)} bytes")


if __name__ == "__main__":
    main()
