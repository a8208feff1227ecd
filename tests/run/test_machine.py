"""What a measurement ran on, and who else was at work there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_gptoss.run.machine import OthersAtWork, hardware

# Starts a process that nobody is the parent of, says its id, and ends it after half a minute.
ORPHAN = """
import os, signal
if (child := os.fork()):
    print(child, flush=True)
    os._exit(0)
os.close(1)
os.setsid()
signal.alarm(30)
while True:
    pass
"""


def spin(seconds: float) -> None:
    """Keep this process busy for so much processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_equal_machines_are_described_equally() -> None:
    gpus = {"gpus": [{"device": "gpu 0", "model": "NVIDIA H200"}]}
    described = hardware(gpus)
    assert described == hardware(gpus)
    assert described["gpus"] == ["NVIDIA H200"]
    assert 1 <= described["cpus"] <= (os.cpu_count() or 1)
    assert described["machine"]


def test_what_this_process_does_is_not_others_work() -> None:
    others, began = OthersAtWork(), time.perf_counter()
    spin(0.5)
    own = 0.5 / (time.perf_counter() - began)
    # Together they cannot be more than there is; the counters are in steps of 10 ms.
    assert others.cpus() + own <= hardware({"gpus": []})["cpus"] + 0.15


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes without a parent are made by fork")
def test_a_stranger_at_work_is_noticed() -> None:
    started = subprocess.run(
        [sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True, check=True, timeout=30
    )
    stranger = int(started.stdout)
    try:
        seen, end = [0.0], time.perf_counter() + 20
        # It has a CPU for itself, or else others have the rest. Looked at afresh each time: what
        # children of other tests did before, and are waited for only now, is counted as ours then.
        while seen[-1] < 0.3 and time.perf_counter() < end:
            others = OthersAtWork()
            time.sleep(0.5)
            seen.append(others.cpus())
        assert seen[-1] >= 0.3, seen
    finally:
        os.kill(stranger, signal.SIGKILL)
