"""What the grader says of programs: honest ones pass, all others do not, and it says why."""

from __future__ import annotations

import textwrap
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from rungs import rung_or_skip

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox.grader import Grader, Program, Verdict
from pytest_gptoss.sandbox.limits import Limits

if TYPE_CHECKING:
    from pytest_gptoss.sandbox.base import Confined

PROMPT = 'def f(x):\n    """Sort a list."""\n'
SORTS = """
    def check(candidate):
        assert candidate([3, 1, 2]) == [1, 2, 3]
        assert candidate([]) == []
"""


def program(body: str, test: str = SORTS, prompt: str = PROMPT) -> Program:
    completion = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"
    return Program("task", "f", prompt, completion, textwrap.dedent(test))


HONEST = {
    "plain": "return sorted(x)",
    "recursive": "return x if len(x) < 2 else f([y for y in x[1:] if y < x[0]]) + x[:1] + "
    "f([y for y in x[1:] if y >= x[0]])",
    "deep": """
        import sys
        sys.setrecursionlimit(20_000)
        def down(n):
            return 0 if n == 0 else 1 + down(n - 1)
        assert down(10_000) == 10_000
        return sorted(x)
    """,
    "big integers": "return sorted(y * 10**5000 // 10**5000 for y in x)",
    "prints": "print('one of many lines\\n' * 1000)\nreturn sorted(x)",
    "reads input": """
        try:
            input()
        except EOFError:
            return sorted(x)
    """,
    "threads": """
        import threading
        found = []
        thread = threading.Thread(target=lambda: found.append(sorted(x)))
        thread.start()
        thread.join()
        return found[0]
    """,
    "classes": """
        import dataclasses, functools
        @dataclasses.dataclass(order=True)
        class Item:
            value: int
        return [item.value for item in sorted(map(Item, x))]
    """,
    "its own errors": """
        try:
            raise StopIteration
        except StopIteration:
            return sorted(x)
    """,
    "forks": """
        import os
        if os.fork() == 0:
            return ["the child's"]
        os.wait()
        return sorted(x)
    """,
    "collects by subclasses": """
        import collections
        class Mine(list): pass
        return Mine(collections.Counter(sorted(x)).elements())
    """,
}


@pytest.mark.parametrize("body", HONEST.values(), ids=HONEST)
def test_honest_programs_pass(grader: Grader, body: str) -> None:
    assert grader.grade(program(body)) == Verdict("passed")


NEEDS_FILES_OR_PROCESSES = {
    "temporary file": """
        import tempfile
        with tempfile.TemporaryFile() as file:
            file.write(bytes(x))
            file.seek(0)
            return sorted(file.read())
    """,
    "multiprocessing": """
        import multiprocessing
        with multiprocessing.Pool(2) as pool:
            return sorted(pool.map(abs, x))
    """,
}


@pytest.mark.parametrize("body", NEEDS_FILES_OR_PROCESSES.values(), ids=NEEDS_FILES_OR_PROCESSES)
def test_files_and_processes_where_the_rung_allows_them(grader: Grader, body: str) -> None:
    if grader.rung.name in ("landlock", "macos"):
        verdict = grader.grade(program(body))
        assert verdict.status == "failed"
        assert verdict.detail is not None
        assert verdict.detail.startswith(("it raised FileNotFound", "it raised Permission"))
    else:
        assert grader.grade(program(body)) == Verdict("passed")


WRONG = {
    "wrong": ("return x", "failed", "assertion failed in line 3: assert candidate([3, 1, 2])"),
    "raises": ("raise ValueError('no \\x1b[31mgood\\n')", "failed", "ValueError: no �[31mgood"),
    "own error": ("class Bad(Exception): pass\nraise Bad('why')", "failed", "it raised Bad: why"),
    "exits": ("raise SystemExit(0)", "failed", "it raised SystemExit: 0"),
    "really exits": ("import os\nos._exit(0)", "failed", "it ended its process"),
    "does not parse": ("return (", "failed", "it raised SyntaxError"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "failed", "it ended its process"),
    "endless recursion": ("return f(x)", "failed", "RecursionError"),
    "nothing there": ("import numpy\nreturn numpy.sort(x)", "failed", "No module named 'numpy'"),
    "yields": ("yield from sorted(x)", "failed", "assertion failed"),
    "much memory": ("return bytearray(1 << 30)", "memory", "MemoryError"),
    "more and more memory": ("while True: x.append('x' * 10**6)", "memory", "it "),
    "prints without end": ("while True: print(x)", "output", "it went over its bound on output"),
    "gives too much": ("return 'x' * 5_000_000", "output", "more than 4 MB"),
    "gives without end": ("while True: yield 'x' * 1000", "output", "more than 4 MB"),
    "gives an object": (
        "class Equal:\n    def __eq__(self, other): return True\nreturn Equal()",
        "refused",
        "a value of type Equal",
    ),
    "gives a cycle": ("x.append(x)\nreturn x", "refused", "nested deeper than 100"),
}


@pytest.mark.parametrize(("body", "status", "why"), WRONG.values(), ids=WRONG)
def test_others_do_not(grader: Grader, body: str, status: str, why: str) -> None:
    verdict = grader.grade(program(body))
    assert not verdict.passed
    assert verdict.status == status
    assert verdict.detail is not None
    assert why in verdict.detail
    assert verdict.detail.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import time\ntime.sleep(60)",
        "import os\nos.write(4, b'A')\nos.read(3, 1)",
        "import signal\nsignal.pause()",
    ],
    ids=["loops", "sleeps", "half a frame", "waits"],
)
def test_time_is_bounded(grader: Grader, body: str) -> None:
    verdict = grader.grade(program(body), Limits(timeout_s=0.3))
    assert verdict == Verdict("timeout", "no end within 0.3 s")


# What a test may find out about a value, with a program that gives it.
CROSSING = {
    "tuple, not list": ("return (1, 2)", "assert f(0) == (1, 2) and f(0) != [1, 2]"),
    "exact types": ("return [True, 1, 1.0]", "assert [*map(type, f(0))] == [bool, int, float]"),
    "identity": ("return None if x else True", "assert f(1) is None and f(0) is True"),
    "tolerance": ("return 0.1 + 0.2", "assert f(0) != 0.3 and abs(f(0) - 0.3) < 1e-9"),
    "not a number": ("return float('nan')", "assert f(0) != f(0)"),
    "generator": ("yield from x", "assert tuple(f([1, 2])) == (1, 2)"),
    "map": ("return map(str, x)", "assert list(f([1, 2])) == ['1', '2']"),
    "keywords": ("return x", "assert f(x=3) == 3"),
    "exception": (
        "raise KeyError('a')",
        "try: f(0)\nexcept LookupError as e: assert e.args == ('a',)\nelse: assert False",
    ),
    "exception of its own": (
        "class Mine(ValueError): pass\nraise Mine('a')",
        "try: f(0)\nexcept ValueError as e: assert str(e) == 'a'\nelse: assert False",
    ),
    "assertion of its own": (
        "assert x",
        "try: f(0)\nexcept AssertionError: pass\nelse: raise ValueError",
    ),
    "in place": ("x.sort()", "x = [2, 1]\nf(x)\nassert x == [1, 2]"),
    "in place, within": (
        "x['a'][0].append(1)",
        "inner = []\nx = {'a': [inner]}\nf(x)\nassert inner == [1] and x['a'][0] is inner",
    ),
    "in place, of a subclass": (
        "x['b'] = 2",
        "import collections\nx = collections.OrderedDict(a=1)\nf(x)\nassert [*x] == ['a', 'b']",
    ),
    "helpers of the prompt": ("return x[1:]", "assert f(shift('a')) == 'a'"),
    "state between calls": ("f.n = getattr(f, 'n', 0) + 1\nreturn f.n", "assert f(0) < f(0)"),
}


@pytest.mark.parametrize(("body", "test"), CROSSING.values(), ids=CROSSING)
def test_what_crosses(plain_grader: Grader, body: str, test: str) -> None:
    prompt = f'def shift(s):\n    return "-" + s\n\n\n{PROMPT}'
    whole = program(body, test, prompt)
    assert plain_grader.grade(whole) == Verdict("passed")


# A call that is never answered rightly, in tests that a broken stand-in would let pass.
FORGING = {
    "ends a loop": ("raise StopIteration", "for y in map(f, [1, 2]): assert y == 1"),
    "ends a generator": ("raise GeneratorExit", "assert list(map(f, [1])) == [1]"),
    "changes what is compared": ("x.clear()\nreturn []", "x = [2]\nassert f(x) == sorted(x)"),
    "hides in a bare except": (
        "return object()",
        "try: f(0)\nexcept: pass",
    ),
    "fakes a reply": (
        'import os\nos.write(4, b\'V\\0\\0\\0\\x12\' + b\'{"t":["passed",""]}\')\nreturn 0',
        "assert f(0) == 1",
    ),
    "replies in advance": (
        """
        import os
        reply = b'{"t":[2,"value",1,{"d":[]}]}'
        os.write(4, b'A' + len(reply).to_bytes(4, 'big') + reply)
        return 1
        """,
        "assert f(0) == 1",
    ),
    "exits well": ("import os\nos.write(1, b'passed')\nos._exit(0)", "assert f(0) == 1"),
}


@pytest.mark.parametrize(("body", "test"), FORGING.values(), ids=FORGING)
def test_what_does_not_fool_it(plain_grader: Grader, body: str, test: str) -> None:
    assert not plain_grader.grade(program(body, test)).passed


# The test's own fault, or ours: no verdict on the program, and no second try.
NO_TEST = {
    "imports what is not here": ("import numpy", "No module named 'numpy' in line 1: import numpy"),
    "does not parse": ("def check(:", "SyntaxError"),
    "asks nothing": ("def check(candidate): pass", "the test never calls the program"),
    "passes a function": ("assert f(len) == 1", "a value of type builtin_function_or_method"),
    "is huge": ("#" + "x" * (5 << 20), "a value of more than 4 MB"),
}


@pytest.mark.parametrize(("test", "why"), NO_TEST.values(), ids=NO_TEST)
def test_no_verdict_where_the_test_cannot_be_run(plain_grader: Grader, test: str, why: str) -> None:
    with pytest.raises(SandboxError) as raised:
        plain_grader.grade(program("return 1", test))
    assert str(raised.value).startswith("the test of task cannot be run")
    assert why in str(raised.value)


def test_an_answer_that_is_no_program_fails(plain_grader: Grader) -> None:
    answer = Program("task", "f", PROMPT, "I do not know.", textwrap.dedent(SORTS))
    assert plain_grader.grade(answer).status == "failed"
    huge = program(f"return '{'x' * (5 << 20)}'", "assert f(0)")
    assert plain_grader.grade(huge).status == "refused"


AS_METHOD = "class Solution:\n    def f(self, x):\n        return sorted(x)\n"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (AS_METHOD, "it raised NameError: no function f; a class Solution has one"),
        (f"```python\n{AS_METHOD}\nprint(Solution().f([2, 1]))\n```", "a class Solution has one"),
        ("class Solution:\n    def g(self, x):\n        return x\n", "no function f"),
        ("def g(x):\n    return sorted(x)\n", "no function f"),
    ],
)
def test_a_program_without_the_function_fails_and_says_so(
    plain_grader: Grader, answer: str, why: str
) -> None:
    verdict = plain_grader.grade(Program("task", "f", PROMPT, answer, textwrap.dedent(SORTS)))
    assert verdict.status == "failed"
    assert verdict.detail is not None
    assert verdict.detail.endswith(why)


@pytest.mark.parametrize(
    "rest",
    [
        "f = Solution().f\n",
        "def f(x):\n    return Solution().f(x)\n",
    ],
)
def test_a_method_that_the_answer_makes_the_function_passes(
    plain_grader: Grader, rest: str
) -> None:
    answer = f"Here:\n```python\n{AS_METHOD}\n{rest}```\n"
    asked = Program("task", "f", PROMPT, answer, textwrap.dedent(SORTS))
    assert plain_grader.grade(asked) == Verdict("passed")


def test_values_that_a_test_cannot_bear_fail() -> None:
    # So many keys with one hash: to put them into a set takes minutes.
    body = "return [n * (2**61 - 1) for n in range(1, 120_000)]"
    patient, judge = Limits(timeout_s=60), Limits(timeout_s=0.5)
    with Grader(rung_or_skip("none"), limits=patient, judge=judge, workers=1, idle=0) as grader:
        verdict = grader.grade(program(body, "assert set(f(0)) == {1}"))
    assert verdict == Verdict("timeout", "the test does not end with what the program gave")


def test_a_judge_that_does_not_survive_twice_fails_the_program(plain_grader: Grader) -> None:
    dies = "import os\nf(0)\nos._exit(0)"
    verdict = plain_grader.grade(program("return 1", dies))
    assert verdict.status == "failed"


def test_nothing_passes_from_one_program_to_the_next(grader: Grader) -> None:
    leaves = "import builtins, sys\nbuiltins.left = sys.left = 1\nreturn sorted(x)"
    finds = "import builtins, sys\nassert not hasattr(builtins, 'left') + hasattr(sys, 'left')\n"
    for body in (leaves, finds + "return sorted(x)"):
        assert grader.grade(program(body)).passed


def test_a_drawn_test_draws_the_same_each_time(plain_grader: Grader) -> None:
    draws = "import random\nassert f(random.random()) == 0"
    verdicts = {plain_grader.grade(program("raise ValueError(x)", draws)) for _ in range(3)}
    assert len(verdicts) == 1


def test_many_threads_share_a_grader(plain_grader: Grader) -> None:
    bodies = ["return sorted(x)", "return x"] * 8
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(plain_grader.grade, map(program, bodies)))
    assert [verdict.passed for verdict in verdicts] == [True, False] * 8


class Telling:
    """Plain processes, and a word whenever one is started."""

    name = "telling"

    def __init__(self, source: str | None = None) -> None:
        self.started = 0
        self.first = threading.Event()
        self._source = source

    def describe(self) -> str:
        return "telling"

    def start(self, source: str, limits: Limits) -> Confined:
        self.started += 1
        self.first.set()
        return rung_or_skip("none").start(self._source or source, limits)


def test_closing_breaks_off_what_runs() -> None:
    rung = Telling()
    grader = Grader(rung, workers=1, idle=0)
    with ThreadPoolExecutor(1) as thread:
        sleeps = program("import time\ntime.sleep(600)")
        running = thread.submit(grader.grade, sleeps, Limits(timeout_s=600))
        rung.first.wait()
        grader.close()
        with pytest.raises(SandboxError, match="task was not graded: the grader was closed"):
            running.result()
    with pytest.raises(SandboxError, match="the grader was closed"):
        grader.grade(program("return sorted(x)"))
    grader.close()


def test_a_rung_that_starts_nothing_is_no_verdict() -> None:
    rung = Telling("raise SystemExit('no room')")
    with Grader(rung, workers=1, idle=0) as grader, pytest.raises(SandboxError) as raised:
        grader.grade(program("return sorted(x)"))
    assert str(raised.value) == (
        "task could not be run in the sandbox telling, tried twice: "
        "it ended before it was ready: no room"
    )
    assert rung.started == 4
