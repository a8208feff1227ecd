"""Programs that harm files and processes which are not theirs.

Each defines ``attack(yard)``, which is true where it did what it should not be able to do; what
lies outside is looked at again when it is over.
"""

# A child says who it is by its name, which can be seen from outside of any sandbox.
MARK = """
import ctypes, os, signal, time
def mark(yard): ctypes.CDLL(None).prctl(15, yard["mark"].encode(), 0, 0, 0)
"""

PROGRAMS = {
    "write to a file": """
# Appends to a file of the user's.
def attack(yard):
    with open(yard["home_file"], "a") as out: out.write("spoilt")
    return True
""",
    "empty a file": """
# Cuts a file to nothing.
import os
def attack(yard):
    os.truncate(yard["home_file"], 0)
    return True
""",
    "delete a file": """
# Deletes a file, and then its folder.
import os, shutil
def attack(yard):
    try:
        os.unlink(yard["home_file"])
        return True
    except OSError:
        shutil.rmtree(os.path.dirname(yard["temporary_file"]))
        return not os.path.exists(yard["temporary_file"])
""",
    "rename a file": """
# Moves a file away.
import os
def attack(yard):
    os.rename(yard["home_file"], yard["home_file"] + ".gone")
    return True
""",
    "replace a file": """
# Puts another file in its place, by way of its own folder and of a link.
import os
def attack(yard):
    with open("/tmp/new", "w") as out: out.write("spoilt")
    os.symlink(yard["home_file"], "/tmp/link")
    try:
        os.replace("/tmp/new", yard["home_file"])
    except OSError:
        with open("/tmp/link", "r+") as out: out.write("spoilt")
    return True
""",
    "change a file's mode": """
# Makes a file readable and executable for all.
import os
def attack(yard):
    os.chmod(yard["home_file"], 0o777)
    return True
""",
    "change a file's owner": """
# Gives a file to somebody else.
import os
def attack(yard):
    os.chown(yard["home_file"], 12345, 12345)
    return True
""",
    "change a file's times": """
# Makes a file look old.
import os
def attack(yard):
    os.utime(yard["home_file"], (0, 0))
    return True
""",
    "change a file's attributes": """
# Sets an extended attribute of a file.
import os
def attack(yard):
    os.setxattr(yard["home_file"], "user.spoilt", b"1")
    return True
""",
    "leave a file": """
# Leaves a file in folders that others use.
import os
def attack(yard):
    for folder in yard["folders"]:
        try:
            with open(os.path.join(folder, yard["mark"]), "w") as out: out.write("here")
        except OSError:
            pass
    return False
""",
    "change the interpreter": """
# Opens the interpreter and its library for writing, to be run by the next program.
import os, sys
def attack(yard):
    for path in (os.__file__, sys.executable, os.path.dirname(os.__file__) + "/sitecustomize.py"):
        try:
            new = not os.path.exists(path)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
            if new: os.unlink(path)
            return True
        except OSError:
            pass
""",
    "change what runs it": """
# Opens the program that runs it, by the link that the kernel keeps, as runc was once attacked.
import os
def attack(yard):
    for path in ("/proc/self/exe", "/proc/1/exe"):
        try:
            os.close(os.open(path, os.O_WRONLY))
            return True
        except OSError:
            pass
""",
    "make a file that runs as its owner": """
# Makes a set-user-id program in a folder that others see.
import os
def attack(yard):
    for folder in yard["folders"]:
        try:
            path = os.path.join(folder, yard["mark"])
            with open(path, "w") as out: out.write("#!/bin/sh")
            os.chmod(path, 0o4755)
        except OSError:
            pass
    return False
""",
    "kill a process": """
# Ends another process of the user's.
import os, signal
def attack(yard):
    os.kill(yard["victim"], signal.SIGTERM)
    return True
""",
    "kill its parent": """
# Signals the process that started it, and the grader.
import os
def attack(yard):
    for number in (os.getppid(), yard["pid"]):
        try:
            if number > 1:
                os.kill(number, 0)
                return True
        except OSError:
            pass
""",
    "kill by a handle": """
# Ends a process by a descriptor of it.
import os, signal
def attack(yard):
    signal.pidfd_send_signal(os.pidfd_open(yard["victim"]), signal.SIGTERM)
    return True
""",
    "kill by a queue": """
# Ends a process by calls that filters forget: of threads, and with a value.
import ctypes, platform
def attack(yard):
    machine = platform.machine() == "x86_64"
    libc = ctypes.CDLL(None)
    thread = libc.syscall(234 if machine else 131, yard["victim"], yard["victim"], 15)
    single = libc.syscall(200 if machine else 130, yard["victim"], 15)
    return 0 in (thread, single, libc.sigqueue(yard["victim"], 15, None))
""",
    "trace a process": """
# Attaches itself to another process as a debugger.
import ctypes
def attack(yard):
    libc = ctypes.CDLL(None)
    done = libc.ptrace(0x4206, yard["victim"], None, None) == 0
    if done: libc.ptrace(17, yard["victim"], None, None)
    return done
""",
    "limit a process": """
# Sets another process's limits.
import resource
def attack(yard):
    for number in (yard["pid"], yard["victim"]):
        try:
            resource.prlimit(number, resource.RLIMIT_NOFILE)
            return True
        except OSError:
            pass
""",
    "slow a process": """
# Takes processor time from another process.
import os
def attack(yard):
    try:
        os.setpriority(os.PRIO_PROCESS, yard["victim"], 19)
        return True
    except OSError:
        os.sched_setaffinity(yard["victim"], {0})
        return True
""",
    "offer a process": """
# Has the kernel kill another process first when memory is short.
def attack(yard):
    with open(f"/proc/{yard['victim']}/oom_score_adj", "w") as out: out.write("1000")
    return True
""",
    "stay behind": MARK
    + """
# Leaves a process of a session of its own, forked twice, that outlives the call.
def attack(yard):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            mark(yard)
            while True: time.sleep(1)
        os._exit(0)
    time.sleep(0.2)
    os._exit(0)
""",
    "stay behind deaf": MARK
    + """
# The same, deaf to signals.
def attack(yard):
    if os.fork() == 0:
        for number in range(1, 64):
            try: signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError): pass
        os.setsid()
        mark(yard)
        while True: time.sleep(1)
    time.sleep(0.2)
    return 0
""",
    "stay behind stopped": MARK
    + """
# Leaves processes that are stopped.
def attack(yard):
    for _ in range(4):
        if os.fork() == 0:
            mark(yard)
            os.kill(os.getpid(), signal.SIGSTOP)
            while True: time.sleep(1)
    time.sleep(0.2)
    return 0
""",
    "stay behind busy": MARK
    + """
# Leaves processes that fork on and on, so that one is always new.
def attack(yard):
    if os.fork() == 0:
        os.setsid()
        mark(yard)
        while True:
            try:
                if os.fork(): os._exit(0)
            except OSError:
                pass
            time.sleep(0.001)
    time.sleep(0.3)
    return 0
""",
    "stay behind as another program": """
# Leaves a program of the system that runs on.
import os, subprocess, time
def attack(yard):
    for command in (["/bin/sleep", "600"], ["/usr/bin/tail", "-f", "/dev/null"]):
        try:
            subprocess.Popen(command, start_new_session=True, executable=command[0])
        except OSError:
            pass
    time.sleep(0.1)
    return 0
""",
}
# fmt: skip
