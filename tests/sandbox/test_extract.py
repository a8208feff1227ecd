"""Answers of every shape, and the program that is read from them."""

from __future__ import annotations

import textwrap
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss.sandbox.extract import extract_program

PROMPT = '''\
from typing import List


def doubled(n: int) -> int:
    """Twice n."""
    return 2 * n


def tally(numbers: List[int], least: int = 0) -> int:
    """ Add twice each number that is over least.
    >>> tally([1, 2], 1)
    4
    """
'''
# A body that uses a helper of the prompt, two levels of indentation and several statements.
BODY = """\
    total = 0
    for number in numbers:
        if number > least:
            total += doubled(number)
    return total
"""
FUNCTION = f"def tally(numbers: List[int], least: int = 0) -> int:\n{BODY}"
FLOORED = FUNCTION.replace("= 0\n", "= math.floor(0)\n")
OLD = "def tally(numbers, least=0):\n    return -1\n"
DEDENTED = textwrap.dedent(BODY)
TABS = BODY.replace("    ", "\t")
TWO = BODY.replace("    ", "  ")


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}```\n"


def indented(text: str, space: str = "   ") -> str:
    return textwrap.indent(text, space)


ANSWERS = {
    # The rest of the function, as base models continue.
    "the rest": BODY,
    "the rest without its last newline": BODY.rstrip(),
    "the rest and then another function": BODY + "\n\ndef main():\n    print(tally([1]))\n",
    "the rest and then a test": BODY + "\nassert tally([1]) == 99\n",
    "the rest and then half a line": BODY + "\n\ndef other(x):\n    return (x +",
    "the rest and then a script": BODY + '\nif __name__ == "__main__":\n    tally(input())\n',
    "the rest and then a print": BODY + "\nprint(tally(unknown))\n",
    "the rest and then itself again": BODY + "\n\n" + OLD,
    "the rest and then a decorated function": BODY + "\n@pytest.mark.slow\ndef test_it(): pass\n",
    "the rest and then a comment": BODY + "\n# Test it:\n# tally([1])\n",
    "the rest and then prose": BODY + "\nThis function isn't hard (it adds.\n",
    "the rest and then a docstring": BODY + '\n"""\nThat was it\n',
    "the rest and then a fence": BODY + "```\n\nIt loops over the numbers.\n",
    "the rest and then a fence and an example": BODY + "```\n\nUse:\n```python\ntally([])\n```\n",
    "the rest with a comment at the margin": BODY.replace("    for", "# now add\n    for"),
    "the rest with a nested function": (
        "    def one(number):\n        return doubled(number)\n\n"
        "    return sum(one(n) for n in numbers if n > least)\n"
    ),
    "the rest with a helper below": (
        "    return _sum(numbers, least)\n\ndef unused(:\n\n"
        "def _sum(numbers, least):\n    return sum(_one(n) for n in numbers if n > least)\n\n"
        "def _one(n):\n    return FACTOR * n\n\nFACTOR = 2\n"
    ),
    "the rest with a table filled below": (
        "    return sum(TABLE[n] for n in numbers if n > least)\n\n"
        "TABLE = {}\nfor i in range(100):\n    TABLE[i] = doubled(i)\n"
    ),
    "the rest with a decorated helper below": (
        "    return sum(twice(n) for n in numbers if n > least)\n\n"
        "from functools import lru_cache\n\n@lru_cache(None)\ndef twice(n):\n    return 2 * n\n"
    ),
    "the rest with a string at the margin": (
        '    text = """\none\ndef tally(\n"""\n    return tally_of(numbers, least)\n\n'
        "def tally_of(numbers, least):\n    return sum(2 * n for n in numbers if n > least)\n"
    ),
    "the rest after blank lines": "\n   \n" + BODY,
    "the rest by tabs": TABS,
    "the rest by two spaces": TWO,
    "the rest by eight spaces": indented(BODY, "    "),
    "the rest by three and more": indented(TWO, " "),
    "the rest without indentation": DEDENTED,
    "the rest, its first line stripped": BODY.strip(),
    "the rest, stripped, a loop first": (
        "for number in list(numbers):\n        if number <= least:\n"
        "            numbers = [n for n in numbers if n != number]\n"
        "    return sum(map(doubled, numbers))\n"
    ),
    "the rest, dedented, a loop first": (
        "for number in list(numbers):\n    if number <= least:\n"
        "        numbers = [n for n in numbers if n != number]\n"
        "return sum(map(doubled, numbers))\n"
    ),
    "the rest, dedented, no return at the margin": (
        "if not numbers:\n    return 0\nelse:\n"
        "    return sum(doubled(n) for n in numbers if n > least)\n"
    ),
    "the rest, ended by a point": "    return sum(2 * n for n in numbers if n > least) * 1.",
    "the rest with a leading space": " " + BODY.strip(),
    "one line": "    return sum(2 * n for n in numbers if n > least)",
    "one line without indentation": "return sum(2 * n for n in numbers if n > least)",
    "an import, then the rest": "    import math\n" + BODY.replace("0", "math.floor(0)"),
    "a line ended by carriage returns": BODY.replace("\n", "\r\n"),
    "ended by a special token": BODY + "<|endoftext|>\ndef tally(): pass",
    "prose, then the rest": "Here's the rest of it:\n\n" + BODY + "\nThat's all.\n",
    "prose, then the rest dedented": "Here's the rest of it:\n\n" + DEDENTED + "\nThat's all.\n",
    # The prompt once more, or the function alone.
    "the prompt and the rest": PROMPT + BODY,
    "the function": FUNCTION,
    "the function after blank lines": "\n\n" + FUNCTION,
    "the function, indented": indented(FUNCTION),
    "the function by tabs": FUNCTION.replace("    ", "\t"),
    "the function with its own import": "import math\n\n" + FLOORED,
    "the function and an example": FUNCTION + "\nprint(tally([1, 2], 1) / 0)\n",
    "the function and its caller": FUNCTION + "\ndef main():\n    tally(1)\n\nmain()\n",
    "the function and a unit test": (
        "import unittest\n\n" + FUNCTION + "\nclass Test(unittest.TestCase):\n    pass\n\n"
        "unittest.main()\n"
    ),
    "the function between prose": "Sure! Here it is:\n\n" + FUNCTION + "\nIt's linear (in n.\n",
    "the function after a word of a language": "python\n" + FUNCTION,
    "the function before a closing fence": FUNCTION + "```\nIt adds.\n",
    "the function twice, the second better": OLD + "\n\n" + FUNCTION,
    "the function, then cut off again": FUNCTION + "\n\ndef tally(numbers, least=0):\n    return (",
    "the function, then as a stub": FUNCTION + "\n\ndef tally(numbers, least=0):\n    pass\n",
    "the function, then as a documented stub": FUNCTION + '\n\ndef tally(a, b=0):\n    """No."""\n',
    "a stub, then the function": "def tally(a, b=0):\n    ...\n\n" + FUNCTION,
    "a lambda": "tally = lambda ns, least=0: sum(2 * n for n in ns if n > least)\n",
    "the function and what wraps it": (
        "import functools\n\n" + FUNCTION + "\ntally = functools.wraps(tally)(tally)\n"
    ),
    "the function and its attribute": (
        "def tally(numbers, least=0):\n"
        "    return sum(tally.by * n for n in numbers if n > least)\n\ntally.by = 2\n"
    ),
    "the function and its name used again": FUNCTION + "\ntally = tally([1, 2])\nprint(tally)\n",
    "fences, its name used again": fenced(FUNCTION) + fenced("tally = tally([1])\nprint(tally)\n"),
    "an import from the future": "from __future__ import annotations\n\n" + FUNCTION,
    "a definition that depends": f"if True:\n{indented(FUNCTION, '    ')}",
    "a star of names": "from math import *\n\n" + FLOORED.replace("math.", ""),
    "a star of names behind": FLOORED.replace("math.", "") + "\nfrom math import *\n",
    "a table filled before": (
        "TABLE = {}\nfor i in range(100):\n    TABLE[i] = 2 * i\n\n"
        "def tally(numbers, least=0):\n    return sum(TABLE[n] for n in numbers if n > least)\n"
    ),
    "a recursion limit": "import sys\n\n" + FUNCTION + "\nsys.setrecursionlimit(5000)\n",
    # In fences.
    "a fence": fenced(FUNCTION),
    "a fence without a language": fenced(FUNCTION, ""),
    "a fence of another spelling": fenced(FUNCTION, "Python3"),
    "a fence with attributes": fenced(FUNCTION, "{.python .numberLines}"),
    "a fence of tildes": f"~~~python\n{FUNCTION}~~~\n",
    "a fence of four": f"````python\n{FUNCTION}````\n",
    "a fence in a list": f"1. So:\n\n{indented(fenced(FUNCTION))}\n2. Done.\n",
    "a fence behind words": f"Here: ```python\n{FUNCTION}```\n",
    "a fence closed behind code": f"```python\n{FUNCTION.rstrip()}```\nDone.",
    "a fence that is never closed": f"Here:\n```python\n{FUNCTION}",
    "a fence never closed, then another": f"```python\nimport os\n```python\n{FUNCTION}```\n",
    "a fence and carriage returns": fenced(FUNCTION).replace("\n", "\r\n"),
    "a fence with the prompt in it": fenced(PROMPT + BODY),
    "a fence with the body in it": f"The body:\n{fenced(BODY)}",
    "a fence with the body dedented": fenced(DEDENTED),
    "a fence with the body by tabs": fenced(TABS),
    "a fence with the body stripped": fenced(BODY.strip() + "\n"),
    "fences, the last one right": fenced(OLD) + "That was wrong:\n" + fenced(FUNCTION),
    "fences, then an example": fenced(FUNCTION) + "Use it:\n" + fenced("print(tally([1]))\n"),
    "fences, then what it prints": fenced(FUNCTION) + "It prints\n" + fenced("[0, 2]\n"),
    "fences, then a session": fenced(FUNCTION) + fenced(">>> tally([1, 2], 1)\n4\n"),
    "fences, then tests": fenced(FUNCTION) + fenced("def test():\n    assert tally([1]) == 2\n"),
    "fences, then output": fenced(FUNCTION) + fenced("4\n", "output") + "The answer is $4$.\n",
    "fences, a shell first": fenced("pip install x\n", "bash") + fenced(FUNCTION),
    "fences, another language last": fenced(FUNCTION) + fenced("function tally() {}\n", "js"),
    "fences, then a signature": fenced(FUNCTION) + fenced("def tally(a, b=0):\n    ...\n"),
    "fences, then one cut off": fenced(FUNCTION) + "```python\ndef tally(a, b=0):\n    return a[",
    "fences, imports apart": fenced("import math\n")
    + fenced(FLOORED),
    "fences, a helper apart": (
        fenced("import math\n\ndef positive(x, y):\n    return math.floor(x) > y\n\nz = 1 / 0\n")
        + fenced(FUNCTION.replace("number > least", "positive(number, least)"))
    ),
    "fences, a helper behind": (
        fenced(FUNCTION.replace("number > least", "positive(number, least)"))
        + fenced("def positive(x, y):\n    return x > y\n\nprint(positive(1, 2))\n")
    ),
    "fences, a helper apart that uses an import of the prompt": (
        fenced("def first(x: List[int]) -> int:\n    return x[0]\n")
        + fenced(FUNCTION.replace("number > least", "first([number]) > least"))
    ),
    "fences, a body and a helper apart": (
        fenced("def positive(x: int, y: int) -> List[bool]:\n    return x > y\n")
        + fenced(BODY.replace("number > least", "positive(number, least)"))
    ),
    "a fence in the docstring": fenced(
        FUNCTION.replace(
            f":\n{BODY}", f':\n    """Adds.\n\n    ```\n    tally([1])\n    ```\n    """\n{BODY}'
        )
    ),
    "a session that defines it": fenced(
        "".join(
            f"{'... ' if line[:1].isspace() else '>>> '}{line}\n" for line in FUNCTION.splitlines()
        )
        + "... \n>>> tally([1, 2], 1)\n4\n"
    ),
    "the function, then fences of examples": FUNCTION + "\nFor instance:\n" + fenced("tally([])\n"),
    "program, output and sentence": (
        "```python\n" + FUNCTION + "\nprint(tally([1, 2], 1))\n```\n```output\n4\n```\n"
        "The result is $\\boxed{4}$."
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", ANSWERS)
def test_the_answer_is_found(shape: str) -> None:
    program = extract_program(PROMPT, ANSWERS[shape], "tally")
    module: dict[str, object] = {"__name__": "candidate"}
    exec(compile(program, shape, "exec"), module)
    tally = module["tally"]
    assert tally([1, 2, 3], 1) == 10, program
    assert tally([]) == 0


def test_what_continues_the_prompt_is_left_as_it_is() -> None:
    assert extract_program(PROMPT, BODY, "tally") == PROMPT + BODY


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "\n \n",
        "I can't help with that.",
        "The function adds the numbers. It's easy:\n\n- loop\n- add (twice\n\nDone!",
        "For each number, if it is over least: add it. Then return the sum to the caller.",
        "Import the list, from which the function is defined.",
        "```\n```",
        "```bash\npip install numpy\n```",
        "import the module first, then define it",
        "from the list, take what is larger",
    ],
)
def test_prose_is_no_program(answer: str) -> None:
    assert extract_program(PROMPT, answer, "tally") == ""


@pytest.mark.parametrize(
    "answer",
    [
        "def other(numbers):\n    return 4\n",
        fenced("print(4)\n"),
        "class Solution:\n    def tally(self, numbers, least=0):\n        return 4\n",
        "    return (",
        "    total = 0\n    for number in",
        fenced("def tally(numbers, least=0):\n"),
        "def tally(numbers, least=0):\n    return 'a\n",
        "    return 1\n  return 2\n",
    ],
)
def test_code_that_is_no_answer_is_kept_as_code(answer: str) -> None:
    """It is the model's answer, and a wrong one: never mended, and not taken for silence."""
    program = extract_program(PROMPT, answer, "tally")
    assert program.strip()
    try:
        module: dict[str, object] = {"__name__": "candidate"}
        exec(compile(program, "answer", "exec"), module)
        right = module["tally"]([1, 2, 3], 1) == 10
    except Exception:
        right = False
    assert not right


PIECES = [
    *(PROMPT, BODY, FUNCTION, OLD, DEDENTED, TABS, "```", "```python", "~~~", "\n", " ", "\t"),
    *('"""', "'''", '"', "'", "(", "]", "{", "\\", "#", ":", ",", "=", ">>> ", "... ", "@", "\x00"),
    *("def ", "def tally(", "class A:", "import ", "from __future__ import annotations", "return "),
    *("if x:", "else:", "for i in", "print(", "lambda", "It's", "Here is", "<|endoftext|>", "\r"),
    *("tally", "tally = ", "x = 1", "x[i + 1] = (", "\u2028", "\ud800", "é", "\x0c", "    "),
]


@settings(deadline=None, max_examples=400)
@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=40).map("".join)),
    st.sampled_from([PROMPT, "", "Add the numbers.", "def tally(a):", "def tally(a):\n\tx\n"]),
    st.sampled_from(["tally", "", "f(", "\\"]),
)
def test_no_answer_raises(answer: str, prompt: str, entry_point: str) -> None:
    program = extract_program(prompt, answer, entry_point)
    said = f"{prompt}\n{answer}".replace("\r\n", "\n").replace("\r", "\n")
    assert all(line.strip() in said for line in program.split("\n"))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_prose_with_fences_behind_an_answer_changes_nothing(prose: str) -> None:
    """A last block that does not define the function never displaces one that does."""
    after = prose.replace("tally", "other").replace("<|endoftext|>", "")
    if "```" in after or "~~~" in after or ">>>" in after:
        return
    found = extract_program(PROMPT, f"{fenced(FUNCTION)}\n{after}", "tally")
    assert FUNCTION.strip() in found


UNITS = [
    *("(", ")", "[", '"', "'", '"""', "'''", "\\", "\\\n", "#", "\n", " ", "\t", "    \n", "x\n"),
    *("```\n", "```python\n", "x```\n", "~~~\n", ">>> x\n", "... \n", "def tally(a):\n", "@a\n"),
    *("def tally(a): return 1\n", "    x = 1\n", "x = 1\n", "x: ", "x[", "x = (", "a.", "if x:\n"),
    *("for i in ", "from a import b\n", "import a,", "return 1\n", "    return 1\n", "It's\n"),
    *("<", "</s", "else:\n", "global a\n", "é", "\x00", "print(1)\n", "x = x\n", "a b "),
    *("def f%d(a):\n    return f%d(a)\n", "x%d = x%d\n"),
]


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_the_length(unit: str) -> None:
    """Fifty kilobytes of anything take half a second, which nothing quadratic would."""
    numbered = "%d" in unit
    count = 50_000 // len(unit)
    text = (
        "".join(unit.replace("%d", f"{n}") for n in range(count // 2)) if numbered else unit * count
    )
    start = time.process_time()
    extract_program(PROMPT, text, "tally")
    extract_program(PROMPT, f"```python\n{text}", "tally")
    extract_program(PROMPT, f"    return f0(x0)\n{text}", "tally")
    assert time.process_time() - start < 4
