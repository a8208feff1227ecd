"""The shipped filters, decided call by call as the kernel decides, for both kinds of processor."""

from __future__ import annotations

import errno
import platform
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss.sandbox import seccomp

FILTERS = Path(seccomp.__file__).with_name("filters")
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, KILLED = "allowed", "killed"

# From the tables of calls of Linux; None where a machine has no such call.
NUMBERS = {
    "read": (0, 63),
    "mmap": (9, 222),
    "ioctl": (16, 29),
    "kill": (62, 129),
    "fcntl": (72, 25),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "socketpair": (53, 199),
    "sendmsg": (46, 211),
    "clone": (56, 220),
    "fork": (57, None),
    "execve": (59, 221),
    "chmod": (90, None),
    "fchmodat": (268, 53),
    "ptrace": (101, 117),
    "setresuid": (117, 147),
    "setpriority": (141, 140),
    "mount": (165, 40),
    "unshare": (272, 97),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "prlimit64": (302, 261),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "cachestat": (451, 451),
    "fchmodat2": (452, 452),
    "unborn": (999, 999),
}
DENIED = "socket connect bind ptrace mount unshare setns process_vm_readv memfd_create bpf keyctl"
DENIED += " userfaultfd io_uring_setup pidfd_open"


def decide(program: bytes, architecture: int, number: int, arguments: tuple[int, ...]) -> str | int:
    """Run a filter as the kernel does: classic BPF over ``struct seccomp_data``."""
    padded = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *padded)
    lines = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    held, at = 0, 0
    while True:
        code, if_true, if_false, value = lines[at]
        at += 1
        if code == 0x20:
            (held,) = struct.unpack_from("=I", data, value)
        elif code == 0x54:
            held &= value
        elif code == 0x05:
            at += value
        elif code in (0x15, 0x25, 0x35, 0x45):
            met = {
                0x15: held == value,
                0x25: held > value,
                0x35: held >= value,
                0x45: bool(held & value),
            }[code]
            at += if_true if met else if_false
        else:
            assert code == 0x06, f"this program uses an instruction {code:#x} that is not known"
            action, detail = value & 0xFFFF0000, value & 0xFFFF
            if action == 0x00050000:
                return detail
            return {0x7FFF0000: ALLOWED, 0x80000000: KILLED, 0: KILLED}[action]


def answer(machine: str, name: str, call: str, *arguments: int) -> str | int | None:
    number = NUMBERS[call][machine == "aarch64"]
    if number is None:
        return None
    program = (FILTERS / f"{machine}-{name}.bpf").read_bytes()
    return decide(program, ARCHITECTURE[machine], number, arguments)


machines = pytest.mark.parametrize("machine", ARCHITECTURE)
names = pytest.mark.parametrize("name", ["alone", "beside", "silent"])


@machines
@names
@pytest.mark.parametrize("call", DENIED.split())
def test_denied(machine: str, name: str, call: str) -> None:
    assert answer(machine, name, call) == errno.EPERM


@machines
@names
@pytest.mark.parametrize("call", ["read", "mmap", "execve", "fork", "setresuid", "cachestat"])
def test_allowed(machine: str, name: str, call: str) -> None:
    assert answer(machine, name, call) in (ALLOWED, None)


@machines
@names
def test_what_was_not_judged_does_not_exist(machine: str, name: str) -> None:
    for call in ("clone3", "fchmodat2", "unborn"):
        assert answer(machine, name, call) == errno.ENOSYS


@machines
@names
def test_only_connected_streams_are_sockets(machine: str, name: str) -> None:
    close_on_exec = 0o2000000
    assert answer(machine, name, "socketpair", 1, 1) == ALLOWED
    assert answer(machine, name, "socketpair", 1, 1 | close_on_exec) == ALLOWED
    assert answer(machine, name, "sendmsg", 5) == ALLOWED
    for family, kind in ((1, 2), (1, 5), (1, 2 | close_on_exec), (2, 1), (16, 3), (40, 1)):
        assert answer(machine, name, "socketpair", family, kind) == errno.EPERM


@machines
@names
def test_a_process_may_be_cloned_and_no_namespace(machine: str, name: str) -> None:
    assert answer(machine, name, "clone", 0x3D0F00) == ALLOWED  # As a thread is.
    assert answer(machine, name, "clone", 17) == ALLOWED  # As a process is.
    for bit in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert answer(machine, name, "clone", 17 | bit) == errno.EPERM


@machines
def test_what_is_for_others_is_denied_beside_them(machine: str) -> None:
    for name, refused in (("alone", ALLOWED), ("beside", errno.EPERM), ("silent", errno.EPERM)):
        assert answer(machine, name, "chmod") in (refused, None)
        assert answer(machine, name, "fchmodat") == refused
        assert answer(machine, name, "prlimit64", 4711) == refused
        assert answer(machine, name, "prlimit64", 0) == ALLOWED
        assert answer(machine, name, "setpriority", 2, 0) == refused
        assert answer(machine, name, "fcntl", 3, 1024) == refused
        assert answer(machine, name, "ioctl", 3, 0x40086602) == refused
    assert answer(machine, "beside", "kill", 4711, 9) == ALLOWED
    assert answer(machine, "silent", "kill", 4711, 9) == errno.EPERM


@machines
@names
def test_a_terminal_is_not_typed_into(machine: str, name: str) -> None:
    # The kernel looks at the low half alone.
    for request in (0x5412, 0x541C, 0x1_0000_5412):
        assert answer(machine, name, "ioctl", 0, request) == errno.EPERM
    assert answer(machine, name, "ioctl", 0, 0x5401) == ALLOWED


@machines
@names
@given(number=st.integers(0, 451), arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 6))
def test_another_machine_s_calls_end_the_process(
    machine: str, name: str, number: int, arguments: tuple[int, ...]
) -> None:
    program = (FILTERS / f"{machine}-{name}.bpf").read_bytes()
    for foreign in (0x40000003, 0x40000028):  # i386, arm
        assert decide(program, foreign, number, arguments) == KILLED
    assert decide(program, ARCHITECTURE[machine], number, arguments) != KILLED
    # The 32-bit pointers of x86_64 go by a bit in the number.
    assert decide(program, ARCHITECTURE[machine], number | 1 << 30, arguments) == errno.ENOSYS


def test_an_unknown_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    seccomp.load.cache_clear()
    with pytest.raises(OSError, match="no system call filter is shipped for riscv64"):
        seccomp.load("alone")
    seccomp.load.cache_clear()
