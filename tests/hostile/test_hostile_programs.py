"""Hostile programs, each run on every rung that works here: none passes and none leaves an effect.

What each tries is said in the corpus, beside this file. A program of the first group passes only by
a forged verdict; every other gives true, or a secret, where it did what it should not be able to
do, and its test takes that for right: so a verdict of "passed" is a hole in either case. Whatever
the verdict, what lies outside of the sandbox is looked at afterwards.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import corpus_escape
import corpus_forging
import corpus_harm
import corpus_network
import corpus_resources
import corpus_secrets
import pytest
from yard import Yard

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox.choose import LADDER, probe
from pytest_gptoss.sandbox.choose import choose as chosen
from pytest_gptoss.sandbox.grader import Grader, Program
from pytest_gptoss.sandbox.limits import Limits
from pytest_gptoss.sandbox.unconfined import Unconfined

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
# No verdict may take longer, however busy the machine is.
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with contextlib.ExitStack() as cleanup:
        yield Yard(tmp_path_factory.mktemp("y"), cleanup)


@pytest.fixture(scope="module", params=LADDER)
def grader(request: pytest.FixtureRequest) -> Iterator[Grader]:
    """A grader on each rung that works here."""
    reason = probe()[request.param]
    if reason is not None:
        pytest.skip(f"{request.param} does not work here: {reason}")
    with Grader(chosen(request.param), workers=1) as grader:
        yield grader


def program(group: str, source: str, yard: Yard) -> Program:
    if group == "forging":
        return Program("forged", "add", ADD, source, ADD_TEST)
    test = ATTACK_TEST.format(facts=yard.facts, secret=yard.secret)
    return Program("attack", "attack", ATTACK, source, test)


@pytest.mark.parametrize(("group", "name"), CASES, ids=[f"{g}-{n}" for g, n in CASES])
def test_it_is_contained(group: str, name: str, grader: Grader, yard: Yard) -> None:
    limits = Limits(timeout_s=1.5) if group == "resources" else Limits()
    before = time.monotonic()
    verdict = grader.grade(program(group, GROUPS[group][name], yard), limits)
    assert not verdict.passed
    assert yard.harm() == []
    assert time.monotonic() - before < PATIENCE_S
    # What it says of itself is one line that a terminal only prints.
    assert verdict.detail
    assert verdict.detail.isprintable()


def test_an_honest_program_passes(grader: Grader, yard: Yard) -> None:
    honest = "def add(a, b): return a + b\n"
    assert grader.grade(program("forging", honest, yard)).passed
    assert grader.grade(program("harm", "def attack(yard): return True\n", yard)).passed
    assert yard.harm() == []


# The corpus can tell: without a sandbox these do what they say, and it is seen.
EFFECTIVE = {
    "secrets": ("a file in the home folder", "the names of files", "the project"),
    "network": ("a connection", "a datagram", "a socket file", "a connection by another process"),
    "harm": ("write to a file", "change a file's mode", "leave a file", "kill a process"),
}


@pytest.mark.parametrize(
    ("group", "name"), [(group, name) for group, names in EFFECTIVE.items() for name in names]
)
def test_it_is_effective_where_nothing_confines_it(group: str, name: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as cleanup:
        yard = Yard(tmp_path, cleanup)
        for folder in yard.facts["folders"]:
            cleanup.callback((Path(folder) / yard.mark).unlink, missing_ok=True)
        with Grader(Unconfined(), workers=1, idle=0) as grader:
            verdict = grader.grade(program(group, GROUPS[group][name], yard))
        if name == "kill a process":
            yard.victim.wait(60)
        assert verdict.passed or name == "leave a file"
        assert bool(yard.harm()) == (group != "secrets")


def test_a_process_that_is_left_would_be_seen(yard: Yard) -> None:
    source = corpus_harm.MARK + "def attack(yard):\n    mark(yard)\n    time.sleep(60)\n"
    with Grader(Unconfined(), workers=1, idle=0) as grader:

        def run() -> None:
            with contextlib.suppress(SandboxError):  # it is broken off
                grader.grade(program("harm", source, yard), Limits(timeout_s=50))

        thread = threading.Thread(target=run)
        thread.start()
        seen = []
        while not seen and thread.is_alive():
            seen = yard.marked()
            time.sleep(0.05)
        grader.close()
        thread.join()
    assert seen
    assert yard.marked() == []


def test_the_corpus_is_large_enough() -> None:
    assert len(CASES) >= 60
    assert all(programs for programs in GROUPS.values())
    assert all("#" in source for programs in GROUPS.values() for source in programs.values())
