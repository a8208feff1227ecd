"""``python -m pytest_gptoss report`` and ``summary``: a run's reports, made again."""

from pathlib import Path

import pytest
from pages import read_page
from report_story import run_of
from stories import Story

from pytest_gptoss.__main__ import main


def test_a_report_is_made_again(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    story.answers(wrong=(3,))
    story.replay()
    file = story.path / "run" / "report.html"
    file.unlink()
    capsys.readouterr()
    assert main(["report", "run"]) == 0
    assert capsys.readouterr().out == "run/report.html\n"
    text = read_page(file.read_text(encoding="utf-8")).text
    assert "9 correct, 1 incorrect" in text
    assert "test_sums.py::test_sums[recorded-3]" in text
    assert main(["report", "run", "--out", "public/x.html"]) == 0
    assert (story.path / "public" / "x.html").is_file()


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("text", "14 correct  4 incorrect"),
        ("markdown", "| sums | 20 of 21 | 70.0 % | &#91;48.0, 85.0&#93; |"),
        ("html", "14 correct, 4 incorrect"),
    ],
)
def test_a_run_is_told_in_several_forms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, said: str
) -> None:
    assert main(["summary", str(run_of(tmp_path)), "--format", form]) == 0
    out = capsys.readouterr().out
    assert said in out
    assert out.startswith("<!DOCTYPE html>") == (form == "html")
    assert out.endswith("\n")


@pytest.mark.parametrize(
    ("break_it", "out", "why"),
    [
        (lambda run: (run / "summary.json").unlink(), "x.html", "is no run directory"),
        (lambda run: (run / "items.jsonl").unlink(), "x.html", "cannot be read"),
        (lambda run: (run / "items.jsonl").write_text("torn"), "x.html", "items.jsonl, line 1"),
        (lambda run: (run / "flips.json").write_text("torn"), "x.html", "flips.json cannot be"),
        (
            lambda run: (run / "summary.json").write_text('{"schema": 1, "groups": []}'),
            "x.html",
            "does not say what was run",
        ),
        (lambda run: None, ".", "is a folder"),
        (lambda run: None, "summary.json", "exists and is no report"),
        (lambda run: None, "summary.json/x.html", "cannot be written to"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], break_it, out: str, why: str
) -> None:
    run_of(tmp_path)
    break_it(tmp_path)
    assert main(["report", str(tmp_path), "--out", str(tmp_path / out)]) == 2
    error = capsys.readouterr().err
    assert why in error
    assert error.count("\n") == 1
    assert not (tmp_path / "x.html").exists()
