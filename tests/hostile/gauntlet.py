"""Grades programs of the corpus, several at once, and tells of each what came of it.

As a script it runs all of them on one rung, whoever runs it, and prints that as JSON::

    python tests/hostile/gauntlet.py RUNG FOLDER
"""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import corpus_escape
import corpus_forging
import corpus_harm
import corpus_network
import corpus_resources
import corpus_secrets
from yard import Yard

from pytest_gptoss.sandbox.base import Rung
from pytest_gptoss.sandbox.choose import choose, probe
from pytest_gptoss.sandbox.grader import Grader, Program
from pytest_gptoss.sandbox.limits import Limits

GROUPS = {
    "forging": corpus_forging.PROGRAMS,
    "secrets": corpus_secrets.PROGRAMS,
    "network": corpus_network.PROGRAMS,
    "harm": corpus_harm.PROGRAMS,
    "resources": corpus_resources.PROGRAMS,
    "escape": corpus_escape.PROGRAMS,
}
CASES = [(group, name) for group, programs in GROUPS.items() for name in programs]

ADD = 'def add(a: int, b: int) -> int:\n    """Return the sum of a and b."""\n'
ADD_TEST = """
def check(candidate):
    assert candidate(1234, 4321) == 5555
    assert candidate(a=70000, b=7) == 70007
    for got, right in zip(map(candidate, (1500, 2500), (1, 2)), (1501, 2502), strict=True):
        assert got == right
"""
ATTACK = 'def attack(yard: dict) -> object:\n    """Do it; return true or the secret."""\n'
ATTACK_TEST = """
def check(candidate):
    got = candidate({facts!r})
    assert got is True or (isinstance(got, str) and {secret!r} in got)
"""

# As many programs at once as a small machine has processors; most of them start, or wait.
AT_ONCE = 2


@dataclass
class Found:
    """What came of one program.

    Args:
        status: The verdict's.
        detail: The verdict's.
        harm: What was not as before afterwards.
        seconds: How long that took.
    """

    status: str
    detail: str | None
    harm: list[str]
    seconds: float


def program(group: str, source: str, yard: Yard) -> Program:
    if group == "forging":
        return Program("forged", "add", ADD, source, ADD_TEST)
    test = ATTACK_TEST.format(facts=yard.facts, secret=yard.secret)
    return Program("attack", "attack", ATTACK, source, test)


def limits_of(group: str, name: str, usual: Limits) -> Limits:
    if name in corpus_resources.TIME_ALONE:
        return Limits(timeout_s=0.5)
    return Limits(timeout_s=1.5) if group == "resources" else usual


def graded(
    rung: Rung, cases: Iterable[tuple[str, str]], folder: Path, usual: Limits | None = None
) -> dict[tuple[str, str], Found]:
    """Grade these programs, a yard for each that runs at the same time.

    Args:
        rung: What confines them.
        cases: Their groups and names.
        folder: Where the yards are.
        usual: The limits of those that are no question of time.
    """
    usual = usual or Limits()
    waiting: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    found: dict[tuple[str, str], Found] = {}
    failures: list[BaseException] = []

    def work(grader: Grader, yard: Yard) -> None:
        try:
            while not failures:
                group, name = waiting.get_nowait()
                before = time.monotonic()
                asked = program(group, GROUPS[group][name], yard)
                verdict = grader.grade(asked, limits_of(group, name, usual))
                took = time.monotonic() - before
                found[group, name] = Found(verdict.status, verdict.detail, yard.harm(), took)
        except queue.Empty:
            return
        except BaseException as error:
            failures.append(error)

    with contextlib.ExitStack() as cleanup:
        folders = [folder / str(n) for n in range(AT_ONCE)]
        for own in folders:
            own.mkdir()
        yards = [Yard(own, cleanup) for own in folders]
        grader = cleanup.enter_context(Grader(rung, workers=AT_ONCE))
        threads = [threading.Thread(target=work, args=(grader, yard)) for yard in yards]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return found


if __name__ == "__main__":
    rung_name, place = sys.argv[1:]
    if (reason := probe()[rung_name]) is not None:
        print(json.dumps({"reason": reason}))
    else:
        verdicts = graded(choose(rung_name), CASES, Path(place))
        print(json.dumps({"found": [[*case, asdict(one)] for case, one in verdicts.items()]}))
