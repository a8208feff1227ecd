"""`python -m pytest_gptoss.sandbox`: one JSON object in, one JSON line out, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from rungs import NAMES, rung_or_skip

from pytest_gptoss.sandbox.watch import descendants

JOB: dict[str, Any] = {
    "id": "HumanEval/x",
    "entry_point": "add",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "completion": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
    "limits": {"timeout_s": 5.0, "memory_mb": 256, "processes": 8, "file_mb": 1},
}


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "pytest_gptoss.sandbox", *options]


def ran(job: Any, *options: str) -> subprocess.CompletedProcess[str]:
    text = job if isinstance(job, str) else json.dumps(job)
    return subprocess.run(
        command(*options), input=text, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(params=NAMES)
def chosen(request: pytest.FixtureRequest) -> list[str]:
    """Options that choose a rung which works here."""
    rung_or_skip(request.param)
    return ["--sandbox", request.param, *(["--allow-unsandboxed"] * (request.param == "none"))]


def test_what_it_prints(chosen: list[str]) -> None:
    right = ran(JOB, *chosen)
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout == '{"passed":true,"status":"passed"}\n'
    wrong = ran(JOB | {"completion": "    return a - b\n"}, *chosen)
    assert (wrong.returncode, wrong.stderr) == (0, "")
    assert wrong.stdout == '{"passed":false,"status":"failed"}\n'


@pytest.mark.parametrize(
    ("completion", "limits", "status"),
    [
        ("    while True: pass\n", {"timeout_s": 0.3}, "timeout"),
        ("    return len(bytearray(100 << 20)) and a + b\n", {"memory_mb": 80}, "memory"),
        ("    print('x' * 10**6)\n", {}, "output"),
        ("    return object()\n", {}, "refused"),
    ],
)
def test_limits_and_statuses(completion: str, limits: dict[str, Any], status: str) -> None:
    job = JOB | {"completion": completion, "limits": limits}
    result = ran(job, "--sandbox", "none", "--allow-unsandboxed")
    assert json.loads(result.stdout) == {"passed": False, "status": status}


def test_a_chat_answer_and_a_row_as_it_is_published() -> None:
    row = {key: JOB[key] for key in ("entry_point", "prompt", "test")}
    row |= {"task_id": "HumanEval/x", "canonical_solution": "    return a + b\n"}
    row["completion"] = "Sure!\n```python\ndef add(a, b):\n    return a + b\n```\nIt adds."
    result = ran(row, "--sandbox", "none", "--allow-unsandboxed")
    assert json.loads(result.stdout) == {"passed": True, "status": "passed"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "truncated"),
        ('{"id": "HumanEval/x", "entry', "Input data was truncated"),
        ("not JSON", "malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `entry_point`"),
        (JOB | {"test": 3}, "Expected `str`, got `int` - at `$.test`"),
        (JOB | {"limits": {"timeout_s": -1}}, "timeout_s must lie in (0, 3600]"),
        (JOB | {"limits": {"timeout": 3}}, "unknown field `timeout`"),
        (JOB | {"limits": {"memory_mb": 1}}, "memory_mb must lie between"),
        (json.dumps(JOB) * 2, "trailing characters"),
        ('{"id": "\udcff"}', "utf-8"),
    ],
)
def test_other_input_is_one_sentence(given: Any, said: str) -> None:
    text = given if isinstance(given, str) else json.dumps(given)
    result = subprocess.run(
        command(),
        input=text.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
        timeout=120,
    )
    sentence = result.stderr.decode()
    assert (result.returncode, result.stdout) == (4, b"")
    assert sentence.startswith("standard input is not the JSON object of one program: ")
    assert said in sentence
    assert sentence.count("\n") == 1


def test_no_sandbox_is_no_verdict() -> None:
    result = ran(JOB, "--sandbox", "none")
    assert result.returncode == 3
    assert json.loads(result.stdout) == {"passed": False, "status": "error"}
    assert "none" in result.stderr
    assert result.stderr.count("\n") == 1
    unknown = ran(JOB, "--sandbox", "jail")
    assert unknown.returncode == 3
    assert "there is no sandbox 'jail'" in unknown.stderr


def test_a_test_that_cannot_be_run_is_no_verdict() -> None:
    job = JOB | {"test": "import numpy"}
    result = ran(job, "--sandbox", "none", "--allow-unsandboxed")
    assert result.returncode == 3
    assert json.loads(result.stdout) == {"passed": False, "status": "error"}
    assert "No module named 'numpy'" in result.stderr


# While the rung is tried or the first sandbox starts, and later.
@pytest.mark.parametrize(("number", "processes"), [(signal.SIGTERM, 1), (signal.SIGINT, 2)])
def test_told_to_end_it_leaves_nothing(
    chosen: list[str], number: signal.Signals, processes: int
) -> None:
    job = JOB | {"completion": "    import time\n    time.sleep(600)\n"}
    process = subprocess.Popen(
        command(*chosen), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        json.dump(job | {"limits": {"timeout_s": 600}}, process.stdin)
        process.stdin.close()
        below = started_below(process, processes)
        process.send_signal(number)
        assert process.wait(120) == -number
        assert process.stdout is not None
        assert process.stdout.read() == ""
    assert not [pid for pid in below if alive(pid)]


def started_below(process: subprocess.Popen[str], most: int) -> list[int]:
    """The processes under a command, once there are so many."""
    while process.poll() is None:
        below = descendants(process.pid)
        if len(below) >= most:
            return below
    raise AssertionError("it ended")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
