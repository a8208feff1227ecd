"""Landlock before it knew signals: the filter must stop them."""

from __future__ import annotations

import os
import sys

import pytest
from confined import confined, ended, heard, told
from rungs import rung_or_skip

from pytest_gptoss.sandbox import _border
from pytest_gptoss.sandbox.landlock import Landlock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> Landlock:
    rung_or_skip("landlock")
    monkeypatch.setattr(_border, "landlock_version", lambda: 5)
    return Landlock()


def test_it_says_its_version(early: Landlock) -> None:
    assert early.describe().startswith("landlock 5 [")


def test_it_sends_no_signal_at_all(early: Landlock) -> None:
    source = f"""
        import signal
        tell([attempt(os.kill, pid, 0) for pid in ({os.getpid()}, os.getppid(), os.getpid(), -1)])
    """
    assert told(early, source) == ["PermissionError"] * 4


def test_its_tree_is_ended_nevertheless(early: Landlock) -> None:
    source = """
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
        tell(1)
    """
    with confined(early, source) as started:
        replies = os.dup(started.replies)
        assert heard(started) == 1
        started.kill()
        assert ended(replies)
        os.close(replies)


def test_a_kernel_without_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_border, "landlock_version", lambda: 0)
    with pytest.raises(OSError, match="no Landlock"):
        Landlock()
