"""Programs that use up what all share: time, memory, processes, disk, descriptors, patience.

Each defines ``attack(yard)``, which is true where it got more than its bounds allow.
"""

# What uses nothing but time shows within a short one that it would use any.
TIME_ALONE = frozenset(
    {
        *("loop", "loop at import", "loop deafly", "loop within one operation"),
        *("loop in an expression", "swallow every exception", "sleep", "wait for the channel"),
        *("deadlock", "stop itself"),
    }
)

PROGRAMS = {
    "loop": """
# Never ends.
def attack(yard):
    while True: pass
""",
    "loop at import": """
# Never ends being loaded.
while True: pass
def attack(yard): return True
""",
    "sleep": """
# Uses no processor time, only patience.
import time
def attack(yard): time.sleep(3600)
""",
    "loop deafly": """
# Never ends, and ignores every signal that it can.
import signal
def attack(yard):
    for number in range(1, 64):
        try: signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError): pass
    while True: pass
""",
    "loop within one operation": """
# Never comes back to the interpreter, so no handler of its own could end it.
def attack(yard): return pow(3, 10 ** 9) % 7
""",
    "loop in an expression": """
# Searches with an expression that backtracks without end.
import re
def attack(yard): return re.match(r"(a+)+$", "a" * 60 + "b")
""",
    "swallow every exception": """
# Catches whatever is raised in it to end it.
def attack(yard):
    while True:
        try:
            while True: pass
        except BaseException:
            pass
""",
    "wait for the channel": """
# Waits for ever on its channel.
import os
def attack(yard): return os.read(3, 1) == b"x"
""",
    "deadlock": """
# Waits for a lock that nobody opens.
import threading
def attack(yard):
    lock = threading.Lock()
    with lock: lock.acquire()
""",
    "stop itself": """
# Stops, which is neither running nor ended.
import os, signal
def attack(yard): os.kill(os.getpid(), signal.SIGSTOP)
""",
    "memory at once": """
# Asks for sixteen gigabytes.
def attack(yard): return bool(bytearray(16 << 30))
""",
    "memory bit by bit": """
# Takes memory in small pieces until there is none.
def attack(yard):
    kept = []
    while len(kept) < 4000: kept.append(bytearray(1 << 20))
    return True
""",
    "memory of many": """
# Takes little memory in each of many processes, and waits until all of them have it.
import os, time
def attack(yard):
    ours, theirs = os.pipe()
    for _ in range(12):
        if os.fork() == 0:
            kept = bytearray(os.urandom(1 << 20)) * 200
            os.write(theirs, b"x")
            time.sleep(30)
            os._exit(0)
    for _ in range(12): os.read(ours, 1)
    time.sleep(0.5)
    return True
""",
    "memory that is shared": """
# Takes memory by mappings that no process's own limit counts once it is forked.
import mmap, os
def attack(yard):
    kept = []
    for _ in range(40):
        piece = mmap.mmap(-1, 100 << 20)
        for at in range(0, len(piece), 4096): piece[at] = 1
        kept.append(piece)
    return True
""",
    "memory without a process": """
# Takes memory by files that have no name.
import os
def attack(yard):
    for _ in range(40):
        number = os.memfd_create("x")
        for _ in range(100): os.write(number, bytes(1 << 20))
    return True
""",
    "memory locked": """
# Locks memory so that it is never swapped.
import ctypes
def attack(yard):
    kept = ctypes.create_string_buffer(256 << 20)
    return ctypes.CDLL(None).mlock(kept, len(kept)) == 0
""",
    "forks": """
# Forks on and on.
import os
def attack(yard):
    while True:
        try: os.fork()
        except OSError: pass
""",
    "forks by the hundred": """
# Starts more processes than it may, and counts them.
import os, time
def attack(yard):
    count = 0
    for _ in range(300):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        count += 1
    return count == 300
""",
    "threads by the hundred": """
# Starts more threads than it may.
import threading, time
def attack(yard):
    threads = [threading.Thread(target=time.sleep, args=(20,), daemon=True) for _ in range(300)]
    for thread in threads: thread.start()
    return len(threads) == 300
""",
    "a large file": """
# Writes one file of a gigabyte.
import os
def attack(yard):
    for folder in ("/tmp", "/dev/shm", "."):
        try:
            with open(os.path.join(folder, "large"), "wb") as out:
                for _ in range(1024): out.write(bytes(1 << 20))
            return True
        except OSError:
            pass
""",
    "many files": """
# Writes many files of a size that is allowed.
import os
def attack(yard):
    for folder in ("/tmp", "/dev/shm", "."):
        try:
            for number in range(200):
                with open(os.path.join(folder, f"file{number}"), "wb") as out:
                    out.write(bytes(4 << 20))
            return True
        except OSError:
            pass
""",
    "open files": """
# Keeps more files open than it may.
import os
def attack(yard):
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(2000)]
    return len(kept) == 2000
""",
    "output": """
# Prints without end.
def attack(yard):
    while True: print("x" * 10_000)
""",
    "output to the other side": """
# Writes to standard error without end.
import os
def attack(yard):
    while True: os.write(2, b"x" * 65536)
""",
    "output on the channel": """
# Floods its channel.
import os
def attack(yard):
    while True: os.write(4, b"A" * 65536)
""",
    "a value without end": """
# Gives two hundred megabytes of small values.
def attack(yard): return [0] * 50_000_000
""",
    "recursion": """
# Recurses until the stack of the process is gone.
import sys
sys.setrecursionlimit(10 ** 9)
def attack(yard, depth=0): return attack(yard, depth + 1)
""",
    "crash": """
# Ends by a fault of memory.
import ctypes
def attack(yard): return ctypes.string_at(0)
""",
    "source that is too deep": "# Exhausts the compiler.\n"
    "x = " + "(" * 90 + "1" + ")" * 90 + "\ny = " + "-" * 50_000 + "1\nz = " + "1+" * 50_000 + "1\n"
    "def attack(yard): return True\n",
    "source that is computed": """
# Has the compiler work out a number of a hundred million digits, and a long text.
x = (3 ** 9_999_999) ** 20
y = "x" * (1 << 33)
def attack(yard): return True
""",
    "no limits": """
# Raises its own limits.
import resource
def attack(yard):
    for name in ("RLIMIT_AS", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_CPU"):
        limit = getattr(resource, name)
        try:
            resource.setrlimit(limit, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            return True
        except (OSError, ValueError):
            pass
""",
}
