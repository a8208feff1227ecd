"""Every suite on its real rows, in one session, through real vLLM on CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_gptoss.records import Outcome

pytestmark = [pytest.mark.vllm, pytest.mark.realdata, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 50
# A token holds a byte or more, and the longest prompt of the sampled rows has some 11,000.
CONTEXT = 16_384
SKIPPED = {"test_legalqa.py"}  # its rows are nobody's to give away


def test_every_item_of_every_suite_ends_in_an_outcome_class(
    data_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("vllm")
    sys.path.insert(0, str(ROOT / "tests" / "engines"))
    try:
        from tiny_checkpoint import make_tiny_gpt_oss
    finally:
        sys.path.pop(0)
    checkpoint = make_tiny_gpt_oss(tmp_path / "tiny", context_length=CONTEXT)
    run = tmp_path / "run"
    session = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", str(ROOT / "suites"), "-q", "-p", "no:cacheprovider"),
            *("--model", str(checkpoint), "--gptoss-engine", "vllm", "--gptoss-run", str(run)),
            *("--gptoss-limit", str(LIMIT), "--gptoss-max-tokens", "32"),
        ],
        capture_output=True,
        text=True,
        timeout=580,
        cwd=tmp_path,
        env={**os.environ, "GPTOSS_DATA": str(data_folder), "VLLM_CPU_KVCACHE_SPACE": "1"},
    )
    assert session.returncode == 0, (session.stdout + session.stderr)[-4000:]

    summary = json.loads((run / "summary.json").read_text())
    assert summary["complete"] is True
    benchmarks = {group["benchmark"]: group for group in summary["groups"]}
    suites = {
        file.name
        for file in (ROOT / "suites").glob("test_*.py")
        if " = Benchmark(" in file.read_text(encoding="utf-8")
    }
    assert {f"test_{name.partition('_')[0]}.py" for name in benchmarks} == suites - SKIPPED
    for group in benchmarks.values():
        assert group["n"] == LIMIT
        assert sum(group["outcomes"].values()) == LIMIT
        assert group["outcomes"]["error"] == 0
        assert group["completion_tokens"] > 0
        assert group["prompt_tokens"] > 0
        # Noise answers nothing: the figures must say that they say nothing.
        assert group["warnings"], group["benchmark"]
    assert set(benchmarks["mmlu"]["aggregates"]) == {
        "STEM",
        "humanities",
        "social sciences",
        "other",
        "macro average",
    }
    items = [json.loads(line) for line in (run / "items.jsonl").read_text().splitlines()]
    assert len(items) == LIMIT * len(benchmarks)
    assert {item["outcome"] for item in items} <= {str(outcome) for outcome in Outcome}
    assert all(item["error"] is None for item in items)
    assert all(item["completion_tokens"] <= 32 for item in items)
