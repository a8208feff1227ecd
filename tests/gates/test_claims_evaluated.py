"""Claims: what printed tables can show, and what stored results say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_gptoss.gates import baseline
from pytest_gptoss.gates.claims import CLAIMS, PUBLISHED_CLAIMS, Finding
from pytest_gptoss.gates.locate import packaged
from pytest_gptoss.gates.measured import Measured, Scored
from pytest_gptoss.gates.published import read_published
from pytest_gptoss.gates.settings import Conditions
from pytest_gptoss.gates.stored import MissingResultError, Stored

SUITE = Path(__file__).parents[2] / "suites" / "test_claims.py"

Keep = Callable[..., None]


def printed(name: str) -> Finding:
    claim = next(claim for claim in PUBLISHED_CLAIMS if claim.id == name)
    return claim.evaluate(read_published(claim.paper, packaged()))


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Store a result of so many items, of which the first are right."""

    def store(
        model: str,
        benchmark: str,
        right: int,
        *,
        effort: str = "medium",
        n: int = 500,
        **figures: float,
    ) -> None:
        items = {
            str(i): Scored(
                f"{i:06x}", float(i < right), "correct" if i < right else "incorrect", None
            )
            for i in range(n)
        }
        measured = Measured(
            model=f"{model}:{effort}",
            benchmark=benchmark,
            origin="",
            graded=False,
            repeats=1,
            conditions=Conditions({"effort": effort}, {"model.name": model}, "2026-01-01"),
            items=items,
            figures=figures,
        )
        folder = tmp_path / "baselines" / f"{model}-{effort}"
        baseline.save(folder / f"{benchmark}.json", measured)

    return store


def stored(name: str, path: Path) -> Finding:
    return next(claim for claim in CLAIMS if claim.id == name).evaluate(Stored(path))


def test_the_table_contradicts_the_abstract_on_humaneval() -> None:
    finding = printed("humaneval")
    assert finding.verdict == "contradicted"
    assert "gpt-oss-20b 73 %, gpt-oss-120b 87 %" in finding.sentence


def test_three_points_of_a_hundred_items_show_nothing() -> None:
    finding = printed("mmlu")
    assert finding.verdict == "not shown"
    assert "p = 0.25" in finding.sentence


def test_code_over_chinese_is_shown_by_the_table() -> None:
    assert printed("code-gpt-oss-20b").verdict == "holds"
    assert printed("code-gpt-oss-120b").verdict == "holds"


def test_the_card_prints_exceptions_to_its_own_trend() -> None:
    effort, size = printed("effort"), printed("size")
    assert (effort.verdict, size.verdict) == ("not shown", "not shown")
    assert "gpt-oss-20b tau_bench_airline medium 42.6 → high 38" in effort.sentence
    assert "swe_bench_verified medium: gpt-oss-120b 52.6, gpt-oss-20b 53.2" in size.sentence


@pytest.mark.parametrize(
    ("small", "large", "verdict"),
    [(450, 350, "holds"), (350, 450, "contradicted"), (400, 398, "not shown")],
)
def test_which_model_is_better(
    keep: Keep, tmp_path: Path, small: int, large: int, verdict: str
) -> None:
    keep("gpt-oss-20b", "humaneval", small)
    keep("gpt-oss-120b", "humaneval", large)
    finding = stored("humaneval", tmp_path)
    assert finding.verdict == verdict
    assert "n = 500" in finding.sentence


def test_more_effort(keep: Keep, tmp_path: Path) -> None:
    for effort, right in (("low", 300), ("medium", 320), ("high", 318)):
        keep("gpt-oss-20b", "gsm8k", right, effort=effort)
    assert stored("effort", tmp_path).verdict == "holds"
    keep("gpt-oss-20b", "gsm8k", 250, effort="high")
    assert stored("effort", tmp_path).verdict == "contradicted"


def test_a_larger_model(keep: Keep, tmp_path: Path) -> None:
    keep("gpt-oss-20b", "gsm8k", 300)
    keep("gpt-oss-120b", "gsm8k", 290)
    # 10 lost and none won is a drop that is shown.
    assert stored("size", tmp_path).verdict == "contradicted"
    keep("gpt-oss-120b", "gsm8k", 300, n=60)
    assert stored("size", tmp_path).verdict == "not shown"


def test_memory_and_energy(keep: Keep, tmp_path: Path) -> None:
    keep("gpt-oss-20b", "gsm8k", 1, peak_memory_bytes=16 * 2**30, energy_per_response_j=90.0)
    keep("gpt-oss-120b", "gsm8k", 1, peak_memory_bytes=70 * 2**30, energy_per_response_j=80.0)
    memory, energy = stored("memory", tmp_path), stored("energy", tmp_path)
    assert (memory.verdict, energy.verdict) == ("holds", "contradicted")
    assert "16 against 70 GiB" in memory.sentence
    assert "no interval" in energy.sentence


def test_code_over_chinese_on_stored_results(keep: Keep, tmp_path: Path) -> None:
    keep("gpt-oss-20b", "humaneval", 140, n=164)
    keep("gpt-oss-20b", "ceval", 400, n=1346)
    assert stored("code-gpt-oss-20b", tmp_path).verdict == "holds"


@pytest.mark.parametrize("claim", [claim.id for claim in CLAIMS])
def test_missing_results_are_named(claim: str, tmp_path: Path) -> None:
    with pytest.raises(MissingResultError, match="gpt-oss"):
        stored(claim, tmp_path)


def test_the_suite_skips_and_says_why_and_lists_every_claim(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-rxs",
                "-p",
                "no:cacheprovider",
                "-p",
                "no:benchmark",
            ),
            *("--rootdir", str(tmp_path), str(SUITE)),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    asked = len(CLAIMS) + len(PUBLISHED_CLAIMS)
    assert f"2 passed, {asked - 3} skipped, 1 xfailed" in done.stdout
    assert "contradicted: gpt-oss-20b outperforms gpt-oss-120b on HumanEval" in done.stdout
    assert "is stored in baselines/ or runs/" in done.stdout or "one machine" in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == set()
