"""``--gptoss-baseline``: files, folders, runs; and files that are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gate_story import GateStory
from stories import said


def test_a_file_of_another_model(few: GateStory) -> None:
    few.save()
    few.story.answers(rows=20)
    result = few.story.replay(
        "-q", "--gptoss-baseline", "baselines/recorded/sums.json", model="another"
    )
    assert result.ret == pytest.ExitCode.OK
    fields = few.fields()
    assert fields["baseline_model"] == "recorded"
    assert {"setting": "model.name", "before": "recorded", "after": "another"} in fields["changed"]
    assert "changed: model.name recorded → another" in said(result)


@pytest.mark.parametrize("named", ["kept", "kept/recorded"])
def test_a_folder(few: GateStory, named: str) -> None:
    few.save()
    (few.path / "baselines").rename(few.path / "kept")
    few.gate("--gptoss-baseline", named)
    assert few.fields()["baseline"] == "kept/recorded/sums.json"


def test_a_run_directory_whose_answers_are_kept_with_the_flips(few: GateStory) -> None:
    few.save("--gptoss-gate", "off")
    few.gate("--gptoss-baseline", "saved", lost=1)
    (comparison,) = json.loads((few.path / "run" / "flips.json").read_text())["comparisons"]
    (flip,) = comparison["lost"]
    assert flip["node_id"] == "test_sums.py::test_sums[recorded-1]"
    assert flip["target"] == 3
    assert flip["baseline"][0]["final"] == "Answer: 3"
    assert flip["run"][0]["final"] == "Answer: 4"
    assert comparison["won"] == []


def test_what_does_not_exist(few: GateStory) -> None:
    result = few.gate("--gptoss-baseline", "nosuch.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gptoss-baseline names 'nosuch.json', which does not exist" in said(result)


def test_a_folder_without_the_pair_fails_its_gate(few: GateStory) -> None:
    (few.path / "empty").mkdir()
    result = few.gate("--gptoss-baseline", "empty")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "empty holds no baseline of recorded on sums" in said(result)


def test_a_file_of_another_benchmark_is_wrong_usage(few: GateStory) -> None:
    few.save()
    text = (few.path / "test_sums.py").read_text()
    (few.path / "test_sums.py").write_text(text.replace('name="sums"', 'name="totals"'))
    result = few.gate("--gptoss-baseline", "baselines/recorded/sums.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "names a baseline of sums, and this session evaluates totals" in said(result)


def _torn(file: Path) -> None:
    file.write_text(file.read_text()[:-40])


def _edited(file: Path) -> None:
    file.write_text(file.read_text().replace('"01111', '"11111'))


def _newer(file: Path) -> None:
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2'))


def _foreign(file: Path) -> None:
    file.write_text('{"name": "something else"}')


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_torn, "is no whole JSON"),
        (_edited, "was changed by hand or by a merge"),
        (_newer, "has schema 2 and this version reads schema 1; upgrade pytest-gptoss"),
        (_foreign, "is no baseline: it states no schema"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_named(
    few: GateStory, spoil: Callable[[Path], None], sentence: str
) -> None:
    few.save()
    spoil(few.file)
    result = few.gate()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = said(result)
    assert sentence in text
    assert str(few.file) in text
    assert "Traceback" not in text
    assert not (few.path / "run").exists()


def test_a_formatter_of_json_breaks_nothing(few: GateStory) -> None:
    few.save()
    few.file.write_text(json.dumps(json.loads(few.file.read_text()), sort_keys=True))
    assert few.gate().ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--gptoss-profile", "paper"], "profile card → paper"),
        (["--gptoss-effort", "low"], "effort unknown → low"),
    ],
)
def test_settings_that_change_what_is_measured_refuse_the_comparison(
    few: GateStory, arguments: list[str], named: str
) -> None:
    few.story.answers(rows=20)
    few.story.replay("--gptoss-save-baseline", "--gptoss-run", "saved", model="gpt-oss-20b")
    result = few.story.replay("-q", *arguments, model="gpt-oss-20b")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"what is measured differs: {named}" in said(result)
    # ... which is said before anything is generated, too.
    assert f"gptoss: sums: will not be compared, what is measured differs: {named}" in said(result)
    assert few.fields()["verdict"] is None


def _change_suite(few: GateStory, old: str, new: str) -> None:
    file = few.path / "test_sums.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_newer_scorer_is_refused(few: GateStory) -> None:
    few.save()
    _change_suite(few, '    name="sums",', '    name="sums", version="2",')
    result = few.gate()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "what is measured differs: version 1 → 2" in said(result)


def test_another_wording_is_refused(few: GateStory) -> None:
    few.save()
    _change_suite(few, "= ?", "=")
    result = few.gate()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "the prompt, the options or the target of all 20 items differ" in said(result)


def test_a_few_changed_items_are_left_out_and_counted(few: GateStory) -> None:
    few.save()
    _change_suite(few, '"b": n + 1,', '"b": n + 1 if n > 1 else 5,')
    few.gate()
    fields = few.fields()
    assert (fields["n"], fields["overlap"]["changed_items"]) == (18, 2)


def test_items_that_the_baseline_lacks_are_no_comparison(few: GateStory) -> None:
    few.save()
    _change_suite(few, "    scorer", "    id=lambda row: f\"x{row['a']}\",\n    scorer")
    few.gate()
    assert "no item of this run is in the baseline" in few.fields()["refused"]


def test_a_project_that_moved_has_changed_nothing(few: GateStory) -> None:
    few.save()
    assert str(few.path) not in few.file.read_text()
    moved = few.path / "moved"
    moved.mkdir()
    few.story.answers(rows=20, wrong=few.wrong, name="moved/answers.jsonl")
    few.story.run(
        *("--model", "recorded", "--gptoss-completions", "moved/answers.jsonl", "-q"),
        *("--gptoss-run", "run"),
    )
    assert few.fields()["changed"] == []
