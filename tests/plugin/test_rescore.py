"""``--gptoss-rescore DIR``: an earlier run is scored again, without any engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stories import QUIET, Story, said

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR


def rescore(story: Story, *arguments: str) -> pytest.RunResult:
    return story.run("--gptoss-rescore", "run", "--gptoss-run", "again", *arguments)


def untimed(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if not key.endswith("_s")}


def test_the_same_scorer_gives_the_same_run(story: Story) -> None:
    story.answers(wrong=[3], changed={5: {"finish_reason": "length"}})
    story.replay()
    (story.path / "answers.jsonl").unlink()
    result = rescore(story)
    assert result.parseoutcomes() == {"passed": 8, "incorrect": 1, "truncated": 1}
    assert story.items("again") == story.items("run")
    before, after = story.summary("run"), story.summary("again")
    for figure in ("n", "correct", "accuracy", "interval", "outcomes", "items_hash"):
        assert after["groups"][0][figure] == before["groups"][0][figure]
    assert after["complete"] is True
    assert "10 of 10 answers were taken from" in said(result)


def test_the_present_scorer_decides(story: Story) -> None:
    story.answers(changed={n: {"completion": f"It is {2 * n + 1}."} for n in range(10)})
    suite = story.path / "test_sums.py"
    good = suite.read_text()
    suite.write_text(
        good.replace(
            "sums = Benchmark(",
            "from pytest_gptoss import Outcome, Score\n\n"
            "class Strict:\n    name, version = 'strict', '1'\n\n"
            "    def __call__(self, item, completion):\n"
            "        return Score(value=0.0, outcome=Outcome.NO_ANSWER)\n\n"
            "sums = Benchmark(",
        ).replace("scorers.number()", "Strict()")
    )
    assert story.replay().parseoutcomes() == {"no_answer": 10}
    suite.write_text(good)
    rescore(story).assert_outcomes(passed=10)
    settings = story.summary("again")["settings"]
    assert settings["benchmarks"]["sums"]["scorer"] == "number"
    assert settings["started"] == story.summary("run")["settings"]["started"]
    assert settings["rescored"]["run"] == str(story.path / "run")
    assert story.summary("run")["groups"][0]["accuracy"] == 0  # the earlier run stays as it was


def test_settings_and_engine_are_those_of_the_answers(story: Story) -> None:
    story.answers()
    story.replay("--gptoss-repeats", "1", "--gptoss-seed", "4")
    rescore(story)
    before, after = (story.summary(run)["settings"] for run in ("run", "again"))
    for name in ("engine", "models", "seed", "repeats", "profile", "completions", "host"):
        assert after[name] == before[name]


def test_pace_is_unknown(story: Story) -> None:
    story.answers()
    story.replay()
    rescore(story)
    group = story.summary("again")["groups"][0]
    assert (group["wall_s"], group["tokens_per_s"], group["energy_j"]) == (None, None, None)
    assert group["completion_tokens"] == 50


def test_a_rescored_run_can_be_rescored(story: Story) -> None:
    story.answers()
    story.replay()
    rescore(story)
    result = story.run("--gptoss-rescore", "again", "--gptoss-run", "third")
    result.assert_outcomes(passed=10)
    assert story.items("third") == story.items("run")


def test_a_sample_is_rescored_as_the_sample_that_it_is(story: Story) -> None:
    story.suite(rows=100)
    story.answers(rows=100)
    story.replay("--gptoss-limit", "12")
    result = rescore(story)
    result.assert_outcomes(passed=12, deselected=88)
    assert story.items("again") == story.items("run")


def test_a_run_that_died_is_rescored_as_far_as_it_came(story: Story) -> None:
    story.answers(wrong=[0])
    story.replay()
    journal = story.path / "run" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    records = [line for line in lines if b'"item_id"' in line]
    others = [line for line in lines if b'"item_id"' not in line]
    journal.write_bytes(b"".join([*others, *records[:6], records[6][:-9]]))
    result = rescore(story)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.parseoutcomes()["skipped"] == 4
    assert "cut off while it was written; dropped" in said(result)
    assert f"{story.path / 'run'} holds no completion of it" in said(result)
    group = story.summary("again")["groups"][0]
    assert (group["n"], group["cancelled"]) == (6, 4)


def test_errors_stay_errors(story: Story) -> None:
    story.answers(leave_out=[4])
    assert story.replay().parseoutcomes()["errors"] == 1
    assert rescore(story).parseoutcomes()["errors"] == 1
    assert story.items("again")[4]["error"] == story.items("run")[4]["error"]


def test_other_questions_are_refused_by_name(story: Story) -> None:
    story.answers()
    story.replay()
    suite = story.path / "test_sums.py"
    declared = 'target=row["a"] + row["b"]'
    good = suite.read_text()
    assert declared in good
    suite.write_text(good.replace(declared, 'target=2 * row["a"] + 1'))
    rescore(story).assert_outcomes(passed=10)  # declared in other words, it asks the same
    suite.write_text(good.replace(declared, 'target=row["a"]'))
    result = story.run("--gptoss-rescore", "run", "--gptoss-run", "other")
    assert result.ret == USAGE_ERROR
    assert "of sums changed since" in said(result)
    assert not (story.path / "other").exists()


def test_the_model_may_be_named_and_must_be_in_it(story: Story) -> None:
    story.answers()
    story.replay()
    rescore(story, "--model", "recorded").assert_outcomes(passed=10)
    result = rescore(story, "--model", "gpt-oss-20b")
    assert result.ret == USAGE_ERROR
    assert "holds completions of recorded, and none of gpt-oss-20b" in said(result)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--gptoss-completions", "answers.jsonl"), "leave out --gptoss-completions"),
        (("--gptoss-engine", "vllm"), "leave out --gptoss-engine"),
        (("--gptoss-repeats", "2"), "leave out --gptoss-repeats"),
        (("--gptoss-temperature", "1"), "leave out --gptoss-temperature"),
        (("--gptoss-resume",), "leave out --gptoss-resume"),
        (("--gptoss-run", "run"), "already holds a run, which is never overwritten"),
    ],
)
def test_what_contradicts_it_is_wrong_usage(
    story: Story, arguments: tuple[str, ...], sentence: str
) -> None:
    story.answers()
    story.replay()
    result = rescore(story, *arguments)
    assert result.ret == USAGE_ERROR
    assert sentence in said(result)
    assert "Traceback" not in said(result)


def test_a_folder_without_a_run_is_wrong_usage(story: Story) -> None:
    (story.path / "run").mkdir()
    result = rescore(story)
    assert result.ret == USAGE_ERROR
    assert "is no run directory: its journal.jsonl cannot be read" in said(result)
    result = story.run("--gptoss-rescore", "nowhere")
    assert result.ret == USAGE_ERROR
    assert "--gptoss-rescore names 'nowhere', which does not exist" in said(result)


def test_suites_that_the_run_knows_nothing_of(story: Story) -> None:
    story.answers()
    story.replay()
    (story.path / "test_sums.py").rename(story.path / "sums_aside.txt")
    story.suite(name="test_others.py")
    suite = story.path / "test_others.py"
    suite.write_text(suite.read_text().replace('name="sums"', 'name="others"'))
    result = rescore(story)
    assert result.ret == USAGE_ERROR
    assert "holds completions of sums, and no item of that is collected" in said(result)


def test_tests_that_talk_to_a_model_are_skipped(story: Story) -> None:
    story.answers()
    story.replay()
    (story.path / "test_own.py").write_text(
        "def test_own(model):\n    model.chat('1 + 1')\n\n\n"
        "def test_by_name(gpt_oss_20b):\n    gpt_oss_20b.chat('1 + 1')\n"
    )
    result = rescore(story, "-rs")
    result.assert_outcomes(passed=10, skipped=2)
    assert "--gptoss-rescore has no engine to talk to" in said(result)


def test_nothing_of_an_engine_is_imported(story: Story) -> None:
    story.answers()
    story.replay()
    (story.path / "conftest.py").write_text(
        "import json\nimport sys\nfrom pathlib import Path\n\n"
        "def pytest_unconfigure():\n"
        "    Path('modules.json').write_text(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider", "-q"),
            *("--gptoss-rescore", "run", "--gptoss-run", "again"),
        ],
        cwd=story.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    modules = set(json.loads(Path(story.path / "modules.json").read_text()))
    engines = {"vllm", "embedded", "endpoint", "replay"}
    assert not modules & {"torch", "vllm", "transformers", "aiohttp"}
    assert not modules & {f"pytest_gptoss.engines.{name}" for name in engines}
