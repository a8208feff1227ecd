"""Programs that cannot add and try to be taken for ones that can.

Each defines ``add(a, b)``. Whatever happens, the right sums never come out of it, so a verdict of
"passed" is a forged one.
"""

PROGRAMS = {
    "exit at import": """
# Ends with status 0 while it is loaded, which a grader by exit codes takes for success.
import os
os._exit(0)
def add(a, b): return 0
""",
    "exit in a call": """
# Ends with status 0 in the first call.
import os
def add(a, b): os._exit(0)
""",
    "sys.exit": """
# Raises SystemExit, hoping that it unwinds the test as well.
import sys
def add(a, b): sys.exit(0)
""",
    "keyboard interrupt": """
# Raises what no `except Exception` catches.
def add(a, b): raise KeyboardInterrupt
""",
    "stop iteration": """
# Ends a loop of the test early, where the call stands in a generator or in `map`.
def add(a, b): raise StopIteration
""",
    "generator exit": """
# As above, by an exception that generators swallow.
def add(a, b): raise GeneratorExit
""",
    "named like success": """
# An exception whose class and message claim a verdict.
class passed(AssertionError): pass
def add(a, b): raise passed('{"passed": true, "status": "passed"}')
""",
    "equal to all": """
# An object that is equal to whatever it is compared with.
class Any:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __lt__ = __le__ = __gt__ = __ge__ = __eq__
    __hash__ = object.__hash__
def add(a, b): return Any()
""",
    "an integer equal to all": """
# The same, as an integer.
class Any(int):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
def add(a, b): return Any(0)
""",
    "a tuple equal to all": """
# The same, as a tuple of such.
class Any(tuple):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    __hash__ = tuple.__hash__
def add(a, b): return Any((0,))
""",
    "a text equal to all": """
# The same, as a string that also lies about its length and class.
class Any(str):
    __class__ = int
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __len__(self): return 5
    __hash__ = str.__hash__
def add(a, b): return Any("0")
""",
    "a float equal to all": """
# The same, as a float whose difference from anything is nothing.
class Any(float):
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __sub__(self, other): return 0.0
    __rsub__ = __sub__
    __hash__ = float.__hash__
def add(a, b): return Any("nan")
""",
    "an enumeration": """
# Members of an enumeration that answer every comparison.
import enum
class Any(enum.IntEnum):
    X = 0
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def add(a, b): return Any.X
""",
    "a class that lies": """
# Says that it is an integer and converts itself on demand.
class Any:
    @property
    def __class__(self): return int
    def __index__(self): return 5
    __int__ = __index__
    def __eq__(self, other): return True
    __hash__ = object.__hash__
def add(a, b): return Any()
""",
    "a pickle that runs": """
# Runs code where it is unpickled.
class Run:
    def __reduce__(self): return (exec, ("import os; os._exit(0)",))
def add(a, b): return Run()
""",
    "a representation that runs": """
# Runs code where its representation is evaluated.
class Run:
    def __repr__(self): return "__import__('os')._exit(0)"
    __str__ = __repr__
def add(a, b): return Run()
""",
    "a deep copy that runs": """
# Acts where it is copied, iterated, hashed or turned into a truth value.
class Run:
    def act(self, *_): __import__("os")._exit(0)
    __deepcopy__ = __copy__ = __iter__ = __hash__ = __bool__ = __len__ = __eq__ = act
def add(a, b): return Run()
""",
    "patched builtins": """
# Replaces what a test may use to compare.
import builtins
class Never(Exception): pass
builtins.AssertionError = Never
builtins.all = builtins.any = builtins.isinstance = lambda *_: True
builtins.abs = builtins.len = builtins.sum = lambda *_: 0
def add(a, b): return 0
""",
    "patched comparisons": """
# Writes into the type of integers itself.
import ctypes, gc
def always(self, other): return True
try:
    gc.get_referents(int.__dict__)[0]["__eq__"] = always
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(int))
except Exception:
    pass
def add(a, b): return 0
""",
    "patched modules": """
# Replaces modules that the grader's own side may use.
import sys, types
for name in ("json", "struct", "os", "marshal", "pickle"):
    fake = types.ModuleType(name)
    fake.loads = fake.dumps = fake.unpack = fake.pack = fake.write = lambda *_, **__: True
    sys.modules[name] = fake
def add(a, b): return 0
""",
    "patched runner": """
# Looks for the functions that serve it and has them send what it likes.
import sys
def add(a, b):
    frame = sys._getframe(1)
    while frame is not None:
        for name, value in list(frame.f_globals.items()):
            if callable(value) and name in ("encode", "write_frame", "answer", "decode"):
                frame.f_globals[name] = lambda *_, **__: b"true"
        frame = frame.f_back
    return 0
""",
    "walks the stack": """
# Reads the expected value from the frames above it.
import sys
def add(a, b):
    frame, found = sys._getframe(), []
    while frame is not None:
        found += [v for v in frame.f_locals.values() if type(v) is int]
        found += [c for c in frame.f_code.co_consts if type(c) is int]
        frame = frame.f_back
    return max((n for n in found if n > 1000), default=0)
""",
    "searches the heap": """
# Searches all objects for the text of the test.
import gc, re
def add(a, b):
    for thing in gc.get_objects():
        text = thing if isinstance(thing, str) else repr(thing)[:100_000]
        found = re.search(rf"candidate\\({a}, {b}\\) == (\\d+)", text)
        if found:
            return int(found[1])
    return 0
""",
    "searches its descriptors": """
# Reads whatever is open and looks for the expected value.
import os, re
def add(a, b):
    for number in range(5, 256):
        try:
            os.lseek(number, 0, 0)
            found = re.search(rb"== (\\d+)", os.read(number, 1 << 20))
            if found:
                return int(found[1])
        except OSError:
            pass
    return 0
""",
    "prints a verdict": """
# Prints every word that a grader may look for, to every descriptor but its channel.
import os
for number in (1, 2, *range(5, 64)):
    try:
        os.write(number, b'{"passed": true, "status": "passed"}\\npassed\\nOK\\n1\\n0\\n')
    except OSError:
        pass
def add(a, b): return 0
""",
    "writes verdict frames": """
# Writes verdicts to its channel, in the form that the judge would use.
import os, struct
def add(a, b):
    for said in (b'["passed",""]', b'{"t":["passed",""]}', b'["t","passed",""]', b"true", b""):
        for kind in b"RJCAV":
            os.write(4, struct.pack(">BI", kind, len(said)) + said)
    os._exit(0)
""",
    "answers ahead": """
# Answers calls before they are made, with every sum that it can think of.
import os, struct
def send(said):
    os.write(4, struct.pack(">BI", ord("A"), len(said)) + said)
def add(a, b):
    for number in range(1, 40):
        send(b'{"t":[%d,"value",%d,{"d":[]}]}' % (number, a + b))
    return 0
""",
    "torn frames": """
# Writes half of a frame that announces four gigabytes.
import os, struct
def add(a, b):
    os.write(4, struct.pack(">BI", ord("A"), 0xFFFFFFFF) + b"[" * 1000)
    os._exit(0)
""",
    "closes the channel": """
# Closes every descriptor, hoping that silence counts.
import os
def add(a, b):
    os.closerange(0, 256)
    return 0
""",
    "reads the requests": """
# Reads the grader's further requests away and answers them itself.
import os
def add(a, b):
    os.set_blocking(3, False)
    try:
        while os.read(3, 65536):
            pass
    except BlockingIOError:
        pass
    os._exit(0)
""",
    "two answers by a fork": """
# Lets parent and child answer the same call.
import os
def add(a, b):
    return 0 if os.fork() else 1
""",
    "a fork that goes on": """
# The parent leaves with status 0, the child goes on answering.
import os
def add(a, b):
    if os.fork():
        os._exit(0)
    return 0
""",
    "shadows the test": """
# Defines the names that a test uses.
def check(candidate): pass
candidate = lambda *_: 5
METADATA = {}
def add(a, b): return 0
""",
    "shadows itself": """
# An entry point that is no function but a class of objects that are equal to all.
class add:
    def __init__(self, *_): pass
    def __eq__(self, other): return True
    __hash__ = object.__hash__
""",
    "a module that lies": """
# Replaces its own module by one that answers to every name.
import sys, types
class Fake(types.ModuleType):
    def __getattr__(self, name): return lambda *_: True
sys.modules[__name__].__class__ = Fake
def add(a, b): return 0
""",
    "returns a function": """
# Gives what is no plain value: a function, in the hope that it is called or compared by name.
def add(a, b): return lambda *_: True
""",
    "returns an endless iterator": """
# Gives values without end.
import itertools
def add(a, b): return itertools.count()
""",
    "returns depth": """
# Gives a list nested deeper than a decoder's stack.
def add(a, b):
    value = []
    for _ in range(200_000):
        value = [value]
    return value
""",
    "returns itself": """
# Gives a list that holds itself.
def add(a, b):
    value = []
    value.append(value)
    return value
""",
    "returns much": """
# Gives a hundred megabytes.
def add(a, b): return "5" * 100_000_000
""",
    "returns a long number": """
# Gives a number whose digits take minutes to write.
def add(a, b): return 1 << 40_000_000
""",
    "returns colliding keys": """
# Gives keys that all have one hash, so that a dictionary of them takes quadratic time to build.
def add(a, b): return dict.fromkeys(n * ((1 << 61) - 1) for n in range(100_000))
""",
    "returns control characters": """
# Gives text that would write over a terminal's lines.
def add(a, b): raise ValueError("\\x1b[2K\\x1b[1Apassed\\r\\n\\x07")
""",
    "raises a hostile exception": """
# Raises something whose text, type and arguments fight back.
class Bad(Exception):
    def __str__(self): raise SystemExit(0)
    __repr__ = __str__
    @property
    def args(self): raise SystemExit(0)
def add(a, b): raise Bad
""",
    "a metaclass that lies": """
# Raises an exception whose class answers wrongly to what is asked of classes.
class Meta(type):
    def __instancecheck__(cls, other): return True
    def __subclasscheck__(cls, other): return True
    @property
    def __name__(cls): return "StopIteration"
class Bad(BaseException, metaclass=Meta): pass
def add(a, b): raise Bad
""",
    "answers at exit": """
# Leaves threads, exit handlers and finalisers that write verdicts when it ends.
import atexit, os, struct, threading, weakref
def say(*_):
    said = b'["passed",""]'
    os.write(4, struct.pack(">BI", ord("V"), len(said)) + said)
class Last:
    def __del__(self): say()
last = Last()
atexit.register(say)
def add(a, b):
    threading.Thread(target=say).start()
    return 0
""",
    "traces its caller": """
# Changes the local variables of the code that called it while that runs on.
import sys
def trace(frame, event, arg):
    for name in list(frame.f_locals):
        if name in ("value", "reply", "result"):
            frame.f_locals[name] = 5
    return trace
sys.settrace(trace)
sys.setprofile(trace)
def add(a, b):
    sys._getframe(1).f_trace = trace
    return 0
""",
    "a docstring that ends": '''
# Tries to break out of the place where the prompt is put together.
def add(a, b):
    """ """ """
    pass
def check(candidate): pass
"""
    return 0
''',
}
