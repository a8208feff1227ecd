"""Programs that try to leave the sandbox, or to use what only the system may use.

Each defines ``attack(yard)``, which is true where a call was let through that leads out, or a
secret where it found one.
"""

CALLS = """
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(on_x86, on_arm, *arguments):
    return libc.syscall(on_x86 if platform.machine() == "x86_64" else on_arm, *arguments)
"""

PROGRAMS = {
    "a user namespace": CALLS
    + """
# Makes a namespace in which it is root.
def attack(yard): return libc.unshare(0x10000000) == 0
""",
    "other namespaces": CALLS
    + """
# Makes mount, network and process namespaces of its own.
def attack(yard):
    return any(libc.unshare(kind) == 0 for kind in (0x20000, 0x40000000, 0x20000000, 0x2000000))
""",
    "a namespace by clone": CALLS
    + """
# The same by starting a process in it, by the old call and by the new one.
def attack(yard):
    child = call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)
    if child == 0: os._exit(0)
    class Arguments(ctypes.Structure):
        _fields_ = [(n, ctypes.c_uint64) for n in "flags a b c signal d e f g h i".split()]
    told = Arguments(flags=0x10000000, signal=17)
    newer = call(435, 435, ctypes.byref(told), ctypes.sizeof(told))
    if newer == 0: os._exit(0)
    return child > 0 or newer > 0
""",
    "the namespaces of others": CALLS
    + """
# Enters the namespaces of other processes.
def attack(yard):
    for number in (1, yard["pid"], yard["victim"]):
        for kind in ("user", "mnt", "pid", "net"):
            try:
                if libc.setns(os.open(f"/proc/{number}/ns/{kind}", os.O_RDONLY), 0) == 0:
                    return True
            except OSError:
                pass
""",
    "a mount": CALLS
    + """
# Mounts a file system.
def attack(yard): return libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0
""",
    "a mount by the new calls": CALLS
    + """
# Copies a tree of mounts by the calls that came later.
def attack(yard):
    return call(428, 428, -100, b"/", 1) >= 0 or call(430, 430, b"tmpfs", 0) >= 0
""",
    "a mount made writable": CALLS
    + """
# Makes what it may only read writable.
def attack(yard): return libc.mount(None, b"/", None, 32 | 4096, None) == 0
""",
    "an unmount": CALLS
    + """
# Takes away what covers the files below.
def attack(yard):
    return any(libc.umount2(x, 2) == 0 for x in (b"/tmp", b"/proc", b"/dev", b"/"))
""",
    "another root": CALLS
    + """
# Leaves by a root within its root, as a chroot is left.
def attack(yard):
    os.makedirs("/tmp/inner", exist_ok=True)
    number = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/inner")
    os.fchdir(number)
    for _ in range(64): os.chdir("..")
    os.chroot(".")
    return open(yard["home_file"]).read()
""",
    "a swap of roots": CALLS
    + """
# Exchanges its root for the old one.
def attack(yard): return call(155, 41, b"/", b"/tmp") == 0
""",
    "a file by its handle": CALLS
    + """
# Opens files by handles, past every path.
def attack(yard):
    class Handle(ctypes.Structure):
        _fields_ = [("size", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_char * 128)]
    handle = Handle(size=8, kind=1, data=b"\\x02")
    number = os.open("/", os.O_RDONLY)
    return libc.open_by_handle_at(number, ctypes.byref(handle), 0) >= 0
""",
    "a folder above": """
# Leaves by paths that go up, from its own folder and from every descriptor.
import os
def attack(yard):
    target = yard["home_file"].lstrip("/")
    for base in [None, *range(256)]:
        try:
            number = os.open("../" * 40 + target, os.O_RDONLY, dir_fd=base)
            return os.read(number, 1000).decode()
        except (OSError, TypeError):
            pass
""",
    "what the kernel runs": """
# Opens the setting that names a program for the kernel to run as root; writes nothing to it.
import os
def attack(yard):
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                 "/sys/kernel/uevent_helper", "/proc/sys/kernel/hostname"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            return True
        except OSError:
            pass
""",
    "what restarts the machine": """
# Opens the kernel's console of emergency commands; writes nothing to it.
import os
def attack(yard):
    os.close(os.open("/proc/sysrq-trigger", os.O_WRONLY))
    return True
""",
    "control groups": """
# Opens the settings of control groups for writing, one of which runs a program as root.
import glob, os
def attack(yard):
    for pattern in ("/sys/fs/cgroup/*", "/sys/fs/cgroup/*/release_agent"):
        for path in glob.glob(pattern):
            try:
                if os.path.isfile(path):
                    os.close(os.open(path, os.O_WRONLY))
                    return True
            except OSError:
                pass
""",
    "devices": """
# Opens disks, memory and the hypervisor.
import glob, os
def attack(yard):
    names = ["mem", "kmem", "port", "kvm", "fuse", "vsock", "loop-control", "nvidiactl", "uinput"]
    for path in [f"/dev/{n}" for n in names] + glob.glob("/dev/[svx]d[a-z]*"):
        try:
            os.close(os.open(path, os.O_RDONLY))
            return True
        except OSError:
            pass
""",
    "a new device": """
# Makes a device file of the first disk, and opens it.
import os, stat
def attack(yard):
    for major, minor in ((8, 0), (254, 0), (259, 0), (1, 1)):
        try:
            os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(major, minor))
            return True
        except OSError:
            pass
""",
    "to be root": """
# Becomes root by every call that there is.
import os
def attack(yard):
    for act in (lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.seteuid(0)):
        try:
            act()
            open("/proc/sys/kernel/hostname", "r+")
            return True
        except OSError:
            pass
""",
    "programs that run as root": """
# Looks for programs that run as their owner, and runs one.
import os, subprocess
def attack(yard):
    for name in ("sudo", "su", "mount", "pkexec", "newuidmap", "fusermount3", "bwrap"):
        for folder in ("/bin", "/usr/bin", "/sbin", "/usr/sbin"):
            try:
                subprocess.run([f"{folder}/{name}", "--help"], capture_output=True, timeout=1)
                return True
            except (OSError, subprocess.SubprocessError):
                pass
""",
    "new rights": CALLS
    + """
# Takes back that it may gain no rights by running programs.
def attack(yard):
    now = libc.prctl(39, 0, 0, 0, 0)
    libc.prctl(38, 0, 0, 0, 0)
    return now == 0 or libc.prctl(39, 0, 0, 0, 0) == 0
""",
    "capabilities": CALLS
    + """
# Keeps or raises capabilities.
def attack(yard):
    class Header(ctypes.Structure):
        _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]
    class Data(ctypes.Structure):
        _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32),
                    ("inheritable", ctypes.c_uint32)]
    header, data = Header(0x20080522, 0), (Data * 2)()
    assert call(125, 90, ctypes.byref(header), data) == 0
    # To pass over the modes of files (2) is no way out where files are held by other means.
    return any((x.effective | x.permitted) & ~4 for x in data)
""",
    "a trace": CALLS
    + """
# Traces a child of its own, which would let it change calls behind a filter.
def attack(yard):
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.ptrace(0, 0, None, None) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0
""",
    "programs in the kernel": CALLS
    + """
# Loads a program into the kernel.
def attack(yard): return call(321, 280, 0, ctypes.create_string_buffer(128), 72) >= 0
""",
    "events of the kernel": CALLS
    + """
# Watches the kernel's events and handles its page faults.
def attack(yard):
    told = ctypes.create_string_buffer(128)
    told[4] = 112
    return call(298, 241, told, 0, -1, -1, 0) >= 0 or call(323, 282, 1) >= 0
""",
    "modules of the kernel": CALLS
    + """
# Loads a module into the kernel, or another kernel: with arguments that could never work.
def attack(yard):
    call(175, 105, None, 0, b"")
    loaded = ctypes.get_errno()
    call(246, 104, 0, 0, None, 0)
    return 1 not in (loaded, ctypes.get_errno())
""",
    "the clock": CALLS
    + """
# Sets the time, with one that could never be set.
def attack(yard):
    class Time(ctypes.Structure):
        _fields_ = [("s", ctypes.c_long), ("ns", ctypes.c_long)]
    call(227, 112, 0, ctypes.byref(Time(0, -1)))
    return ctypes.get_errno() not in (1, 38)
""",
    "the name of the machine": CALLS
    + """
# Renames the machine.
def attack(yard): return libc.sethostname(b"spoilt", 6) == 0
""",
    "keys of the user": CALLS
    + """
# Adds a key to those that the kernel holds.
def attack(yard): return call(248, 217, b"user", b"spoilt", b"x", 1, -4) >= 0
""",
    "a terminal": """
# Types into the terminal that the session was started from.
import fcntl, os, termios
def attack(yard):
    for path in ("/dev/tty", "/proc/1/fd/0", "/dev/console", "/dev/pts/0"):
        try:
            number = os.open(path, os.O_RDWR)
            fcntl.ioctl(number, termios.TIOCSTI, b" ")
            return True
        except OSError:
            pass
""",
    "the end of its supervisor": """
# Looks for the process that watches it, or any other, to end it: asks only whether it could.
import os
def attack(yard):
    for number in range(1, 70_000):
        try:
            if number != os.getpid():
                os.kill(number, 0)
                return True
        except OSError:
            pass
""",
    "its descriptors": """
# Uses whatever else its supervisor left open: control sockets, status pipes.
import os
def attack(yard):
    for number in range(5, 1024):
        try:
            os.fstat(number)
            return True
        except OSError:
            pass
""",
}
