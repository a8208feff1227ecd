"""The shipped throughput suite on the shipped model: a real engine under real loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.embedded, pytest.mark.slow]

SMALL = ["in64-out16-c1", "in64-out16-c8", "in64-out16-c32", "in64-out16-poisson8"]


def test_the_suite_runs_in_seconds_on_a_cpu(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    saved = tmp_path / "saved.json"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "suites/test_throughput.py", "-rs"),
            *("--model", "tiny-gpt-oss", "--gptoss-engine", "embedded", "--gptoss-gate", "off"),
            *("--benchmark-min-rounds", "2", "--benchmark-max-time", "0.05"),
            *(f"--benchmark-json={saved}", "-p", "no:cacheprovider"),
            *("--gptoss-run", str(tmp_path / "run")),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "10 passed, 18 skipped" in result.stdout
    assert "a standard load, for GPUs and servers" in result.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    (model,) = summary["throughput"]
    assert [load["name"] for load in model["loads"]] == SMALL
    for load in model["loads"]:
        assert load["notes"] == [], "a prompt or an answer has another length"
        assert load["completion_tokens"] == [16.0, 16.0]
        assert all(size > 10**8 for size in load["rounds"]["memory"])
        assert load["figures"]["ttft_s"]["p50"] > 0
    in_flight = {load["name"]: load["figures"]["in_flight"]["max"] for load in model["loads"]}
    assert [in_flight[name] for name in SMALL[:3]] == [1, 8, 32]
    benches = json.loads(saved.read_text())["benchmarks"]
    assert {bench["group"] for bench in benches} == {
        "loads",
        "start of the engine",
        "prompt rendering",
        "scoring",
    }
    start = next(bench for bench in benches if bench["group"] == "start of the engine")
    assert start["stats"]["rounds"] == 2
    assert start["extra_info"]["engine"]["engine"] == "embedded"
