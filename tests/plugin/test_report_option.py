"""``--gptoss-report PATH``, and the report that every run directory has."""

import os
import subprocess
import sys

import pytest
from apart import bound_by_modes, is_bound_by_modes
from gate_story import GateStory
from pages import Page, read_page
from stories import QUIET, Story, said


def report(story: Story, file: str = "run/report.html") -> Page:
    return read_page((story.path / file).read_text(encoding="utf-8"))


def test_every_run_has_one(story: Story) -> None:
    story.answers(wrong=(3,))
    result = story.replay()
    page = report(story)
    assert "Evaluation of recorded" in page.text
    assert "10 of 10 (complete)" in page.text
    assert "90.0 %" in page.text
    assert "9 correct, 1 incorrect" in page.text
    assert "report:" not in said(result)
    assert not (story.path / "run" / "report.html.part").exists()


def test_a_wrong_answer_is_shown_with_what_was_asked(story: Story) -> None:
    story.answers(wrong=(3,))
    story.replay()
    text = report(story).text
    assert "incorrect: 1 of 1 shown" in text
    assert "test_sums.py::test_sums[recorded-3]" in text
    assert "3 + 4 = ?" in text
    assert "Answer: 8" in text


def test_it_is_written_there_too(story: Story) -> None:
    story.answers()
    result = story.replay("--gptoss-report", "public/nightly/index.html")
    assert result.ret == 0
    copy = story.path / "public" / "nightly" / "index.html"
    assert f"report: {copy}" in said(result)
    links = {a["href"] for tag, a in report(story, "public/nightly/index.html").tags if tag == "a"}
    assert "../../run/items.jsonl" in links
    assert "./items.jsonl" in {a["href"] for tag, a in report(story).tags if tag == "a"}


def test_the_ini_key(story: Story) -> None:
    story.pytester.makeini("[pytest]\ngptoss_report = out.html\n")
    story.answers()
    story.replay()
    assert "Evaluation of recorded" in report(story, "out.html").text


def test_a_report_of_before_is_replaced(story: Story) -> None:
    story.answers(wrong=range(10))
    story.replay("--gptoss-report", "out.html")
    story.answers()
    assert story.replay("--gptoss-report", "out.html", "--gptoss-run", "again").ret == 0
    assert "100.0 %" in report(story, "out.html").text


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("folder", "is a folder"),
        ("test_sums.py", "exists and is no report, so it is not overwritten"),
        ("test_sums.py/report.html", "test_sums.py is a file"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(story: Story, place: str, why: str) -> None:
    (story.path / "folder").mkdir()
    before = (story.path / "test_sums.py").read_bytes()
    story.answers()
    result = story.replay("--gptoss-report", place)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert why in said(result)
    assert "Traceback" not in said(result)
    assert not (story.path / "run").exists()
    assert (story.path / "test_sums.py").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="looks at the modes of POSIX")
def test_a_folder_without_the_right_to_write(story: Story) -> None:
    if not is_bound_by_modes(story.path):
        pytest.skip("this user may write everywhere and cannot let go of that")
    (story.path / "closed").mkdir(mode=0o500)
    story.answers()
    refused = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", *QUIET, "-p", "no:cacheprovider"),
            *("--model", "recorded", "--gptoss-completions", "answers.jsonl"),
            *("--gptoss-report", "closed/report.html"),
        ],
        cwd=story.path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        preexec_fn=bound_by_modes,
    )
    assert refused.returncode == pytest.ExitCode.USAGE_ERROR
    assert "closed is not writable" in refused.stderr + refused.stdout


def test_a_report_that_cannot_be_written_loses_nothing_else(story: Story) -> None:
    story.answers()
    # The place turns into a folder while the session runs.
    (story.path / "conftest.py").write_text(
        "from pathlib import Path\n\n\n"
        "def pytest_runtest_logfinish():\n"
        "    (Path(__file__).parent / 'run' / 'report.html.part').mkdir(exist_ok=True)\n"
    )
    result = story.replay("--gptoss-save-baseline", "--gptoss-report", "out.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: the report cannot be written to" in said(result)
    assert "python -m pytest_gptoss report" in said(result)
    assert "Traceback" not in said(result)
    assert "run directory: run" in said(result)
    assert len(story.items()) == 10
    assert story.summary()["complete"]
    assert (story.path / "baselines" / "recorded" / "sums.json").is_file()
    assert "Evaluation of recorded" in report(story, "out.html").text


def test_a_fault_of_the_report_loses_nothing_else(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("pytest_gptoss.report.html.write_report", broken)
    story.answers()
    result = story.replay()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "could not be made (RuntimeError: a fault)" in said(result)
    assert story.summary()["complete"]
    assert "run directory: run" in said(result)


def test_a_run_that_was_stopped_says_what_is_missing(story: Story) -> None:
    story.answers()
    (story.path / "conftest.py").write_text(
        "import pytest\n\n\n"
        "def pytest_runtest_logfinish(nodeid):\n"
        "    if nodeid.endswith('-4]'):\n"
        "        raise KeyboardInterrupt\n"
    )
    result = story.pytester.runpytest_subprocess(
        *(*QUIET, "-p", "no:cacheprovider", "--model", "recorded"),
        *("--gptoss-completions", "answers.jsonl", "--gptoss-run", "run"),
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "the session was interrupted" in report(story).text


def test_a_resumed_run_and_one_scored_again_have_one(story: Story) -> None:
    story.answers()
    story.replay()
    (story.path / "run" / "report.html").unlink()
    assert story.replay("--gptoss-resume").ret == 0
    assert "10 of 10 answers were kept from earlier sessions" in report(story).text
    story.run("--gptoss-rescore", "run", "--gptoss-run", "rescored")
    assert "scored again" in report(story, "rescored/report.html").text


def test_a_regression_is_told_with_the_items_that_were_lost(story: Story) -> None:
    gates = GateStory(story, rows=200)
    gates.have()
    assert gates.gate(lost=60, won=1).ret == pytest.ExitCode.TESTS_FAILED
    page = report(story)
    assert "✗ regressed" in page.text
    assert gates.fields()["sentence"] in page.text
    assert "right → wrong: 20 of 60 shown; all are in flips.json" in page.text
    assert "wrong → right: 1 of 1 shown" in page.text
    assert "a baseline file keeps scores and no texts" in page.text
    assert "test_sums.py::test_sums[recorded-1]" in page.text


def test_the_answers_of_two_runs_stand_side_by_side(story: Story) -> None:
    story.answers()
    story.replay("--gptoss-run", "before")
    story.answers(wrong=(3,))
    story.replay("--gptoss-baseline", "before", "--gptoss-margin", "0.5")
    text = report(story).text
    assert "Answer: 7" in text
    assert "Answer: 8" in text


HOSTILE = (
    "</script></style><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "'\"><svg onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "a\0b\x1b[2J",
    "\u202egpj.exe",
    "<" * 1_000_000,
)


def test_hostile_answers_are_shown_and_do_nothing(story: Story) -> None:
    story.answers(
        changed={
            n: {"completion": f"{text}\nAnswer: 0", "item_id": n} for n, text in enumerate(HOSTILE)
        }
    )
    story.replay()
    html = (story.path / "run" / "report.html").read_bytes()
    page = read_page(html.decode("utf-8"))
    assert len(html) < 200_000
    for text in HOSTILE[:4]:
        assert text in page.text
    assert "a␀b␛[2J" in page.text
    assert "⟨U+202E⟩gpj.exe" in page.text
    assert "more characters; the whole text is in items.jsonl" in page.text


def test_without_a_model_nothing_is_written(story: Story) -> None:
    before = story.files()
    story.run("--gptoss-report", "out.html")
    assert story.files() == before
