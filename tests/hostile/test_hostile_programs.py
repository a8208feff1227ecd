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

import corpus_harm
import pytest
from corpus_resources import TIME_ALONE
from gauntlet import CASES, GROUPS, Found, graded, program
from rungs import HERE, rung_or_skip
from yard import Yard

from pytest_gptoss.errors import SandboxError
from pytest_gptoss.sandbox.grader import Grader
from pytest_gptoss.sandbox.limits import Limits
from pytest_gptoss.sandbox.unconfined import Unconfined

# No verdict may take longer, however busy the machine is.
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with contextlib.ExitStack() as cleanup:
        yield Yard(tmp_path_factory.mktemp("y"), cleanup)


@pytest.fixture(scope="module", params=HERE)
def grader(request: pytest.FixtureRequest) -> Iterator[Grader]:
    """A grader on each rung that works here."""
    with Grader(
        rung_or_skip(request.param), workers=1, limits=Limits(timeout_s=PATIENCE_S)
    ) as grader:
        yield grader


@pytest.fixture(scope="module", params=HERE)
def found(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Found]:
    """What came of the selected programs on each rung that works here."""
    rung = rung_or_skip(request.param)
    name = rung.name
    cases = {
        (params["group"], params["name"])
        for item in request.session.items
        if (params := getattr(getattr(item, "callspec", None), "params", {})).get("found") == name
    }
    wanted = [case for case in CASES if case in cases]
    return graded(rung, wanted, tmp_path_factory.mktemp("g"))


@pytest.mark.parametrize(("group", "name"), CASES, ids=[f"{g}-{n}" for g, n in CASES])
def test_it_is_contained(group: str, name: str, found: dict[tuple[str, str], Found]) -> None:
    one = found[group, name]
    assert one.status != "passed"
    assert one.harm == []
    assert one.seconds < PATIENCE_S
    # What it says of itself is one line that a terminal only prints.
    assert one.detail
    assert one.detail.isprintable()


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
        with Grader(Unconfined(), limits=Limits(timeout_s=PATIENCE_S), workers=1, idle=0) as grader:
            verdict = grader.grade(program(group, GROUPS[group][name], yard))
        if name == "kill a process":
            yard.victim.wait(60)
        assert verdict.passed or name == "leave a file"
        assert bool(yard.harm()) == (group != "secrets")


def test_what_is_graded_at_once_is_seen_for_itself(tmp_path: Path) -> None:
    effective = [("harm", "write to a file"), ("secrets", "the project"), ("network", "a datagram")]
    vain = [("forging", "exit at import"), ("resources", "stop itself"), ("resources", "deadlock")]
    patient = Limits(timeout_s=PATIENCE_S)
    found = graded(Unconfined(), [*vain[:2], *effective, vain[2]], tmp_path, patient)
    assert found.keys() == {*effective, *vain}
    assert {case for case, one in found.items() if one.status == "passed"} == set(effective)
    assert found["harm", "write to a file"].harm == ["a file or a process was changed"]
    assert "datagrams was reached" in found["network", "a datagram"].harm


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
    assert GROUPS["resources"].keys() > TIME_ALONE
