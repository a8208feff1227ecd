"""``python -m pytest_gptoss figures``: figures for publications."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from report_story import gate, group, run_of, summary_of

from pytest_gptoss.__main__ import main
from pytest_gptoss.report.publish import Row, drops, rows_of

HEADS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


def texts(file: Path) -> str:
    """What an SVG says; its text is text, not outlines."""
    tree = ElementTree.parse(file)
    return "\n".join("".join(node.itertext()) for node in tree.iter() if node.tag.endswith("text"))


def folder(path: Path, text: str = "fine") -> str:
    path.mkdir()
    return str(run_of(path, text))


def test_each_cell_says_accuracy_interval_and_n(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["figures", folder(tmp_path / "a"), "--out", str(out)]) == 0
    assert {file.name for file in out.iterdir()} == {"accuracy.svg", "gates.svg"}
    text = texts(out / "accuracy.svg")
    for said in (
        "fine",
        "fine2",
        "sums",
        "more",
        "70.0 %",
        "its 95 % interval",
        "[48.0, 85.0]",
        "n = 20",
    ):
        assert said in text, said
    text = texts(out / "gates.svg")
    assert "fine, sums" in text
    assert "regressed, n = 20" in text
    assert "90 % interval" in text


@pytest.mark.parametrize("form", list(HEADS))
def test_each_format_is_what_it_says(tmp_path: Path, form: str) -> None:
    run = folder(tmp_path / "a")
    for out in ("x", "y"):
        arguments = ["figures", run, "--out", str(tmp_path / out), "--format", form]
        assert main(arguments) == 0
    for name in ("accuracy", "gates"):
        first, again = ((tmp_path / out / f"{name}.{form}").read_bytes() for out in ("x", "y"))
        assert first.startswith(HEADS[form])
        assert first == again


def test_runs_of_one_model_are_told_apart(tmp_path: Path) -> None:
    runs = [folder(tmp_path / name) for name in ("monday", "tuesday")]
    assert main(["figures", *runs, "--out", str(tmp_path / "out")]) == 0
    text = texts(tmp_path / "out" / "accuracy.svg")
    assert "fine (monday)" in text
    assert "fine (tuesday)" in text


@pytest.mark.parametrize("text", ["a $x^2$ b", "<b>&", "back\\slash", "\u202erev"])
def test_names_are_names(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    assert main(["figures", folder(tmp_path / "a", text), "--out", str(out)]) == 0
    expected = text.replace("\u202e", "⟨U+202E⟩")
    assert expected in texts(out / "accuracy.svg")
    assert not re.search("[\u202a-\u202e]", (out / "gates.svg").read_text(encoding="utf-8"))


def test_without_gates_there_is_no_forest(tmp_path: Path) -> None:
    assert drops([Row("a", [group("a", "sums", "x", gate=None)])]) is None
    assert drops([Row("a", [group("a", "sums", "x", gate=gate("x", None))])]) is None


def test_a_model_in_one_run_keeps_its_name() -> None:
    assert [row.name for row in rows_of([("run", summary_of("m"))])] == ["m", "m2"]


def test_without_matplotlib_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["figures", folder(tmp_path / "a"), "--out", str(tmp_path / "out")]) == 2
    assert "install pytest-gptoss[report]" in capsys.readouterr().err


def test_a_folder_that_cannot_be_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert main(["figures", folder(tmp_path / "a"), "--out", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert "accuracy.svg cannot be written" in error
    assert error.count("\n") == 1
