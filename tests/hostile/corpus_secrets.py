"""Programs that look for what is not theirs: files, variables, memory, other processes.

Each defines ``attack(yard)``, which gives the secret that lies there, or true where it got at what
it should not. ``yard`` says where things lie; knowing that must not help.
"""

PROGRAMS = {
    "a file in the home folder": """
# Reads a file of the user's.
def attack(yard): return open(yard["home_file"]).read()
""",
    "a file in the temporary folder": """
# Reads a file that another program left in /tmp.
def attack(yard): return open(yard["temporary_file"]).read()
""",
    "a file in shared memory": """
# Reads a file in /dev/shm.
def attack(yard): return open(yard["shared_file"]).read()
""",
    "a file by another way": """
# The same file by a path through /proc and by a link made in its own folder.
import os
def attack(yard):
    path = yard["home_file"]
    ways = [f"/proc/self/root{path}", f"/proc/1/root{path}", f"/proc/{yard['pid']}/root{path}"]
    try:
        os.symlink(path, "/tmp/way")
        ways.append("/tmp/way")
    except OSError:
        pass
    try:
        os.link(path, "/tmp/hard")
        ways.append("/tmp/hard")
    except OSError:
        pass
    for way in ways:
        try:
            return open(way).read()
        except OSError:
            pass
""",
    "a file by another program": """
# Lets programs of the system read it.
import subprocess
def attack(yard):
    for command in (["/bin/cat"], ["/usr/bin/head", "-c", "1000"], ["/bin/sh", "-c", 'cat "$0"']):
        try:
            said = subprocess.run([*command, yard["home_file"]], capture_output=True, text=True)
        except OSError:
            continue
        if said.stdout:
            return said.stdout
""",
    "a file by a mapping": """
# Maps it into memory by calls of the C library.
import ctypes, os
def attack(yard):
    libc = ctypes.CDLL(None)
    number = libc.open(yard["home_file"].encode(), 0)
    return os.read(number, 1000).decode()
""",
    "the names of files": """
# Lists the home folder.
import os
def attack(yard):
    return os.path.basename(yard["home_file"]) in os.listdir(os.path.dirname(yard["home_file"]))
""",
    "the project": """
# Reads the project's own files, where tests and expected values may lie.
def attack(yard): return bool(open(yard["project_file"]).read())
""",
    "passwords": """
# Reads the list of users.
def attack(yard): return "root:" in open("/etc/passwd").read()
""",
    "shadowed passwords": """
# Reads the users' password hashes.
def attack(yard): return bool(open("/etc/shadow").read())
""",
    "variables": """
# Reads the environment that it was started with.
import os
def attack(yard): return os.environ.get(yard["variable"])
""",
    "variables of other processes": """
# Reads other processes' environments from /proc.
import glob
def attack(yard):
    for name in ["/proc/self/environ", *glob.glob("/proc/[0-9]*/environ")]:
        try:
            text = open(name, errors="replace").read()
        except OSError:
            continue
        if yard["variable"] in text:
            return text.partition(yard["variable"] + "=")[2].partition("\\0")[0]
""",
    "variables in its own memory": """
# Searches its own memory for what was there before the environment was cleared.
import re
def attack(yard):
    name = yard["variable"].encode()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            low, high = (int(x, 16) for x in line.split()[0].split("-"))
            if " rw" not in line or high - low > 1 << 26:
                continue
            memory.seek(low)
            found = re.search(name + rb"=([!-~]+)", memory.read(high - low))
            if found:
                return found[1].decode()
""",
    "commands of other processes": """
# Reads other processes' command lines.
import glob
def attack(yard):
    for name in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            text = open(name, errors="replace").read()
        except OSError:
            continue
        if yard["argument"] in text:
            return True
""",
    "memory of another process": """
# Reads another process's memory, from /proc and by a system call.
import ctypes
def attack(yard):
    try:
        with open(f"/proc/{yard['victim']}/mem", "rb") as memory:
            return bool(memory)
    except OSError:
        pass
    class Piece(ctypes.Structure):
        _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t)]
    buffer = ctypes.create_string_buffer(8)
    ours, theirs = Piece(ctypes.addressof(buffer), 8), Piece(0x400000, 8)
    libc = ctypes.CDLL(None, use_errno=True)
    read = libc.process_vm_readv(
        yard["victim"], ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0
    )
    return read == 8 or ctypes.get_errno() == 14  # EFAULT: it was let in, and nothing is there
""",
    "descriptors that were left open": """
# Reads every descriptor that it may have inherited.
import os
def attack(yard):
    for number in range(5, 1024):
        try:
            os.lseek(number, 0, 0)
        except OSError:
            pass
        try:
            os.set_blocking(number, False)
            text = os.read(number, 10_000).decode(errors="replace")
        except OSError:
            continue
        if "canary" in text:
            return text
""",
    "descriptors of another process": """
# Takes another process's open file, from /proc and by a system call.
import ctypes, os
def attack(yard):
    for number in range(20):
        try:
            text = open(f"/proc/{yard['pid']}/fd/{number}").read(10_000)
        except (OSError, UnicodeDecodeError):
            continue
        if "canary" in text:
            return text
    for number in range(20):
        try:
            handle = os.pidfd_open(yard["pid"])
            taken = ctypes.CDLL(None).syscall(438, handle, number, 0)
            if taken >= 0:
                return True
        except OSError:
            pass
""",
    "shared memory by its key": """
# Attaches a segment of System V shared memory.
import ctypes
def attack(yard):
    libc = ctypes.CDLL(None)
    libc.shmat.restype = ctypes.c_void_p
    segment = libc.shmget(yard["key"], 64, 0)
    if segment < 0:
        return None
    place = libc.shmat(segment, None, 0)
    if place in (None, ctypes.c_void_p(-1).value):
        return None
    return ctypes.string_at(place).decode()
""",
    "keys in the kernel": """
# Lists and reads the keys that the kernel holds for the user.
import ctypes, platform
def attack(yard):
    call = {"x86_64": 250, "aarch64": 219}[platform.machine()]
    buffer = ctypes.create_string_buffer(4096)
    return ctypes.CDLL(None).syscall(call, 11, -4, buffer, 4096, 0) >= 0
""",
    "the kernel's log": """
# Reads the kernel's messages.
import ctypes
def attack(yard):
    try:
        return bool(open("/dev/kmsg", "rb", 0).read(1000))
    except OSError:
        return ctypes.CDLL(None).klogctl(3, ctypes.create_string_buffer(1000), 1000) > 0
""",
    "other mounts": """
# Finds a mount that holds more than its own folder.
import os
def attack(yard):
    for line in open("/proc/self/mountinfo"):
        place = line.split()[4]
        if os.path.exists(place + yard["home_file"]):
            return open(place + yard["home_file"]).read()
""",
}
