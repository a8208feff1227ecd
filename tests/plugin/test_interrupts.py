"""Ctrl-C and SIGTERM: what arrived is kept, the exit status is 2, a second one ends it at once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest
from adding import PATIENCE_S, Session, adds, six_sums
from scripted_server import ScriptedServer, after, says
from stories import QUIET, Story, rounds, said

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")

INTERRUPTED = pytest.ExitCode.INTERRUPTED


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with six_sums() as server:
        yield server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_keeps_what_arrived(
    story: Story, server: ScriptedServer, number: signal.Signals
) -> None:
    story.suite(rows=40)
    with Session(story, server) as session:
        session.until(lambda: session.journalled() == 6)
        session.signal(number)
        screen = session.end()
    assert session.process.returncode == INTERRUPTED, screen
    assert f"KeyboardInterrupt: {number.name}" in screen
    assert "stopping; once more stops at once" in screen
    assert "Traceback" not in screen
    assert len(story.items()) == 6
    summary = story.summary()
    assert (summary["interrupted"], summary["complete"]) == (True, False)
    assert summary["groups"][0]["n"] == 6


OWN = """
import time
from pathlib import Path

import pytest

def wait_here():
    Path("started").touch()
    try:
        time.sleep({patience})
    finally:
        Path("cleaned").touch()

{test}
"""

OWN_TESTS = {
    "a test": "def test_own():\n    wait_here()\n",
    "a context of pytest's": (
        "def test_own():\n    with pytest.raises(KeyError):\n        wait_here()\n"
    ),
    "a fixture": (
        "@pytest.fixture\ndef slow():\n    wait_here()\n\n\ndef test_own(slow):\n    pass\n"
    ),
    "a fixture's end": (
        "@pytest.fixture\ndef slow():\n    yield\n    wait_here()\n\n\ndef test_own(slow): ...\n"
    ),
    "a unittest": (
        "import unittest\n\nclass TestOwn(unittest.TestCase):\n    def test_own(self):\n"
        "        wait_here()\n"
    ),
    "a chat": (
        "def test_own(model):\n    Path('started').touch()\n    try:\n        model.chat('1 + 1')\n"
        "    finally:\n        Path('cleaned').touch()\n"
    ),
}


@pytest.mark.parametrize("test", OWN_TESTS.values(), ids=OWN_TESTS)
def test_a_tests_own_code_is_interrupted_in_the_middle(
    story: Story, server: ScriptedServer, test: str
) -> None:
    (story.path / "test_a_own.py").write_text(OWN.format(patience=PATIENCE_S, test=test))
    started = story.path / "started"
    with Session(story, server) as session:
        session.until(lambda: started.exists() and session.journalled() >= 5)
        sent = time.monotonic()
        session.signal(signal.SIGINT)
        screen = session.end()
        assert time.monotonic() - sent < PATIENCE_S / 2
    assert session.process.returncode == INTERRUPTED, screen
    assert (story.path / "cleaned").exists()
    assert story.summary()["interrupted"] is True


def test_the_second_one_ends_it_at_once_with_the_journal_intact(
    story: Story, server: ScriptedServer
) -> None:
    story.suite(rows=40)
    # A fixture that never ends keeps the session from ending by itself.
    (story.path / "conftest.py").write_text(
        "import time\nfrom pathlib import Path\n\n"
        "def pytest_keyboard_interrupt():\n"
        f"    Path('ending').touch()\n    time.sleep({PATIENCE_S})\n"
    )
    with Session(story, server) as session:
        session.until(lambda: session.journalled() == 6)
        session.signal(signal.SIGINT)
        session.until((story.path / "ending").exists)
        session.signal(signal.SIGINT)
        screen = session.end()
    assert session.process.returncode == INTERRUPTED
    assert f"stopped at once; what arrived is in {session.journal}" in screen
    assert "Traceback" not in screen
    lines = session.journal.read_text().splitlines(keepends=True)
    assert [bool(json.loads(line)) and line.endswith("\n") for line in lines] == [True] * len(lines)
    assert session.journalled() == 6
    assert not (story.path / "run" / "items.jsonl").exists()


def test_one_that_comes_while_the_engine_starts(story: Story) -> None:
    with ScriptedServer(adds, models=["served"]) as server:
        server.before = [after(PATIENCE_S, says("late"))]  # the list of models is waited for
        with Session(story, server) as session:
            session.until(lambda: bool(server.asked))
            session.signal(signal.SIGINT)
            screen = session.end()
    assert session.process.returncode == INTERRUPTED, screen
    assert "Traceback" not in screen
    assert story.summary()["groups"][0]["n"] == 0


def test_handlers_of_others_and_being_ignored_stay(story: Story) -> None:
    story.answers()
    (story.path / "conftest.py").write_text(
        "import signal\n\n"
        "def handler(*_): ...\n\n"
        "def pytest_configure():\n"
        "    signal.signal(signal.SIGTERM, handler)\n"
        "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    )
    (story.path / "test_own.py").write_text(
        "import signal\nimport conftest\n\n"
        "def test_own():\n"
        "    assert signal.getsignal(signal.SIGTERM) is conftest.handler\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN\n"
    )
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        story.replay().assert_outcomes(passed=11)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_the_signals_are_given_back(story: Story) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    story.answers()
    story.replay().assert_outcomes(passed=10)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


# Where a signal falls is chance. Here the session sends it to itself after so many of its steps,
# so that it falls into every kind of place: hooks, wrappers, captures, waits, reports, the end.
AFTER_STEPS = """
import os
import signal
import sys
from pathlib import Path

import pytest

STEPS = {steps}
done = 0
# A shell ignores interrupts for what it runs in the background, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

def count(frame, event, argument):
    global done
    if frame.f_globals.get("__name__") == "pytest_gptoss.plugin.interrupts" and (
        frame.f_code.co_name == "stop"  # from here on signals are Python's own affair again
    ):
        sys.settrace(None)
        done = STEPS
    done += 1
    if done == STEPS:
        os.kill(os.getpid(), signal.SIGINT)
    return count

@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    frame = sys._getframe()
    while frame is not None:
        frame.f_trace = count
        frame = frame.f_back
    sys.settrace(count)

@pytest.hookimpl(tryfirst=True, specname="pytest_sessionfinish")
def pytest_before_finish():
    Path("steps").write_text(str(done))
"""


def test_wherever_it_falls_the_exit_status_is_2_and_the_files_are_written(story: Story) -> None:
    story.answers()
    (story.path / "test_own.py").write_text("def test_own(tmp_path, capsys):\n    print('own')\n")

    def run(steps: int) -> tuple[int, str]:
        (story.path / "conftest.py").write_text(AFTER_STEPS.format(steps=steps))
        result = story.pytester.runpytest_subprocess(
            *(*QUIET, "-p", "no:cacheprovider", "--model", "recorded"),
            *("--gptoss-completions", "answers.jsonl", "--gptoss-run", f"run-{steps}"),
        )
        return int(result.ret), said(result)

    assert run(0)[0] == pytest.ExitCode.OK
    total = int((story.path / "steps").read_text())
    chance = random.Random(6)
    for _ in range(rounds(short=4, long=60)):
        # Some fall into the end of the session, where all there is to keep is being written.
        steps = chance.randrange(1, total + total // 5)
        status, screen = run(steps)
        summary = story.summary(f"run-{steps}")
        assert len(story.items(f"run-{steps}")) == summary["groups"][0]["n"]
        assert "INTERNALERROR" not in screen, f"after {steps} steps: {screen}"
        if int((story.path / "steps").read_text()) >= steps:
            assert status == INTERRUPTED, f"after {steps} steps: {screen}"
            assert summary["interrupted"] is True
            assert "Traceback" not in screen, f"after {steps} steps: {screen}"
