"""Gates over recorded answers of real models, against statsmodels on the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SUITE = Path(__file__).parents[2] / "suites" / "test_gsm8k.py"
SMALL, LARGE = "gpt3-6b_verification", "gpt3-175b_verification"

pytestmark = pytest.mark.realdata


class Project:
    """A user's project with recorded answers in it."""

    def __init__(self, path: Path, data: Path, outputs: Path) -> None:
        self.path = path
        self._data = data
        self.outputs = outputs / "gsm8k"
        (path / "pytest.ini").write_text("[pytest]\n")

    def run(self, answers: Path, run: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c"),
                *("pytest.ini", str(SUITE), "--model", "recorded", "--gptoss-run", run),
                *("--gptoss-completions", str(answers), *arguments),
            ],
            capture_output=True,
            text=True,
            cwd=self.path,
            env={**os.environ, "GPTOSS_DATA": str(self._data)},
            check=False,
        )

    def gate(self, run: str) -> dict[str, Any]:
        summary = json.loads((self.path / run / "summary.json").read_text())
        gate: dict[str, Any] = summary["groups"][0]["gate"]
        return gate

    def correct(self, run: str) -> dict[str, bool]:
        lines = (self.path / run / "items.jsonl").read_text().splitlines()
        return {item["item_id"]: item["correct"] for item in map(json.loads, lines)}

    def spoil(self, number: int) -> Path:
        """A copy of the large model's answers with so many right ones spoilt."""
        right = [item_id for item_id, correct in self.correct("saved").items() if correct]
        spoilt = set(np.random.default_rng(0).permutation(right)[:number].tolist())
        records = map(json.loads, (self.outputs / f"{LARGE}.jsonl").read_text().splitlines())
        file = self.path / "spoilt.jsonl"
        with file.open("w") as out:
            for record in records:
                if str(record["item_id"]) in spoilt:
                    record["completion"] = "The answer is -987654321"
                out.write(json.dumps(record) + "\n")
        return file


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, data_folder: Path, outputs_folder: Path
) -> Project:
    made = Project(tmp_path_factory.mktemp("project"), data_folder, outputs_folder)
    saved = made.run(made.outputs / f"{LARGE}.jsonl", "saved", "--gptoss-save-baseline")
    assert saved.returncode == 0, saved.stdout[-2000:]
    return made


def test_a_small_model_against_a_large_one(project: Project) -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    result = project.run(project.outputs / f"{SMALL}.jsonl", "small")
    assert result.returncode == 1
    before, after = project.correct("saved"), project.correct("small")
    table = np.zeros((2, 2), dtype=int)
    for item_id, right in before.items():
        table[int(not right), int(not after[item_id])] += 1
    b, c = int(table[0, 1]), int(table[1, 0])
    gate = project.gate("small")
    assert (gate["b"], gate["c"], gate["n"]) == (b, c, 1319) == (306, 79, 1319)
    assert gate["verdict"] == "regressed"
    assert gate["difference"] == pytest.approx((b - c) / 1319)
    # statsmodels has the exact two-sided test; the mid-p one halves the observed split.
    exact = mcnemar(table, exact=True).pvalue
    from scipy.stats import binom

    assert gate["p_value"] == pytest.approx(exact / 2 - binom.pmf(b, b + c, 0.5) / 2, rel=1e-9)
    assert gate["odds_ratio"] == pytest.approx(b / c)
    # The interval agrees with the uncorrected chi-square test: neither holds 0.
    assert mcnemar(table, exact=False, correction=False).pvalue < 0.1
    assert gate["interval"][0] > 0
    assert "306 lost and 79 won of 1,319 items" in result.stdout


def test_a_model_against_itself(project: Project) -> None:
    result = project.run(project.outputs / f"{LARGE}.jsonl", "same")
    assert result.returncode == 0
    gate = project.gate("same")
    assert (gate["verdict"], gate["p_value"], gate["b"], gate["c"]) == ("within-margin", 1.0, 0, 0)
    flips = json.loads((project.path / "same" / "flips.json").read_text())
    assert flips["comparisons"][0]["lost"] == flips["comparisons"][0]["won"] == []


def test_thirty_spoilt_answers_are_a_regression(project: Project) -> None:
    result = project.run(project.spoil(30), "thirty")
    assert result.returncode == 1
    gate = project.gate("thirty")
    assert (gate["verdict"], gate["b"], gate["c"]) == ("regressed", 30, 0)
    assert gate["p_value"] == pytest.approx(0.5**31)


def test_five_spoilt_answers_are_within_the_margin(project: Project) -> None:
    # Theory: 5 losses and no win have mid-p 1/64, so the drop is real; but its 95 % upper limit is
    # below a point, so a drop of 2 points is ruled out.
    result = project.run(project.spoil(5), "five")
    assert result.returncode == 0
    gate = project.gate("five")
    assert (gate["verdict"], gate["b"], gate["c"]) == ("within-margin", 5, 0)
    assert gate["p_value"] == pytest.approx(1 / 64)
    assert 0 < gate["interval"][0] < 5 / 1319 < gate["interval"][1] < 0.01
    assert "a small but real drop within the margin" in result.stdout


def test_five_spoilt_answers_without_a_margin_are_a_regression(project: Project) -> None:
    result = project.run(project.spoil(5), "strict", "--gptoss-margin", "0")
    assert result.returncode == 1
    assert project.gate("strict")["verdict"] == "regressed"
