"""``--gptoss-save-baseline``: what is written, and every reason for writing nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gate_story import GateStory
from stories import Story, said


def test_the_file_holds_scores_settings_and_figures(few: GateStory) -> None:
    result = few.save(wrong={0, 3})
    assert result.ret == pytest.ExitCode.OK
    assert "baseline saved: baselines/recorded/sums.json: 20 items" in said(result)
    file: dict[str, Any] = json.loads(few.file.read_text())
    assert file["schema"] == 1
    assert (file["model"], file["benchmark"], file["date"][:2]) == ("recorded", "sums", "20")
    assert file["measured"]["scorer"] == "number"
    assert file["measured"]["profile"] == "card"
    assert file["tested"]["engine.name"] == "replay"
    assert file["figures"]["accuracy"] == 0.9
    assert file["items"][""]["ids"] == "0-19"
    assert file["items"][""]["scores"] == ["01101111111111111111"]
    assert file["noise"] is None


def test_strata_stand_in_blocks_of_their_own(story: Story) -> None:
    told = GateStory(story, rows=20)
    story.suite(rows=20, extra='strata="kind",')
    told.save(wrong={0, 1, 3})
    blocks = json.loads(told.file.read_text())["items"]
    assert {name: (b["n"], b["score"]) for name, b in blocks.items()} == {
        "even": (10, 0.9),
        "odd": (10, 0.8),
    }
    assert blocks["even"]["ids"] == "0,2,4,6,8,10,12,14,16,18"
    told.wrong = {0, 1, 3}
    told.gate()
    assert told.fields()["p_value"] == 1.0


def test_what_kind_of_wrong_is_kept(few: GateStory) -> None:
    few.story.answers(
        rows=20,
        changed={
            1: {"finish_reason": "length"},
            2: {"completion": ""},
            3: {"completion": "I cannot help with that."},
        },
    )
    few.story.replay("--gptoss-save-baseline")
    (scores,) = json.loads(few.file.read_text())["items"][""]["scores"]
    assert scores[:3] == "1tn"
    assert scores[3] in "rn"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "recorded-1"],
        ["--deselect", "test_sums.py::test_sums[recorded-0]"],
        ["test_sums.py::test_sums[recorded-7]"],
    ],
    ids=["-k", "--deselect", "node id"],
)
def test_a_filtered_run_is_refused_before_anything_is_generated(
    few: GateStory, arguments: list[str]
) -> None:
    result = few.save(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "of the 20 items of sums are selected; leave out -k, -m, --deselect" in said(result)
    assert not few.file.exists()
    assert not (few.path / "saved").exists()


def test_errors_are_refused(few: GateStory) -> None:
    few.story.answers(rows=20, leave_out=[4])
    result = few.story.replay("--gptoss-save-baseline")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "no baseline of recorded on sums was saved: 1 of its items ended as errors" in said(
        result
    )
    assert not few.file.exists()


def test_a_run_that_stopped_early_is_refused(few: GateStory) -> None:
    few.story.answers(rows=20, leave_out=[4])
    result = few.story.replay("--gptoss-save-baseline", "-x")
    assert "was saved: the session ended early (stopping after 1 failures)" in said(result)
    assert not few.file.exists()


def test_an_interrupted_run_is_refused(few: GateStory) -> None:
    (few.path / "test_then.py").write_text("def test_then():\n    raise KeyboardInterrupt\n")
    few.story.answers(rows=20)
    result = few.story.pytester.runpytest_subprocess(
        *("--model", "recorded", "--gptoss-completions", "answers.jsonl", "--gptoss-run", "run"),
        "--gptoss-save-baseline",
    )
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "was saved: the session was interrupted" in said(result)
    assert not few.file.exists()


def test_a_smaller_run_does_not_replace_a_larger_one(few: GateStory) -> None:
    few.save()
    before = few.file.read_bytes()
    result = few.save("--gptoss-limit", "5", "--gptoss-run", "again")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "it has 5 items and the baseline in place has 20" in said(result)
    assert few.file.read_bytes() == before


def test_a_limited_run_is_saved_as_such(few: GateStory) -> None:
    result = few.save("--gptoss-limit", "5")
    assert result.ret == pytest.ExitCode.OK
    file = json.loads(few.file.read_text())
    assert file["tested"]["limit"] == 5
    assert file["items"][""]["n"] == 5
    few.gate()
    assert few.fields()["n"] == 5
    assert few.fields()["overlap"]["items"] == 20


def test_saving_again_under_the_same_settings_records_the_noise_floor(
    few: GateStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    few.save(wrong={0})
    file = json.loads(few.file.read_text())
    _later(few)
    result = few.save("--gptoss-run", "again", wrong={1, 2})
    noise = json.loads(few.file.read_text())["noise"]
    assert noise == {"discordance": 0.15, "differ": 3, "n": 20, "against": "2020-01-01"}
    assert "3 of 20 items differ from the run saved before" in said(result)
    assert file["noise"] is None
    few.wrong = {1, 2}
    again = few.gate()
    assert "15 % of items differ between two runs of the baseline" in said(again)
    assert few.fields()["noise"]["differ"] == 3


def test_another_setting_records_no_noise(few: GateStory) -> None:
    few.save()
    _later(few)
    few.save("--gptoss-run", "again", "--gptoss-seed", "7")
    assert json.loads(few.file.read_text())["noise"] is None


def test_a_broken_baseline_is_mended_by_saving_again(few: GateStory) -> None:
    few.save()
    few.file.write_text(few.file.read_text()[:200])
    assert few.save("--gptoss-run", "again").ret == pytest.ExitCode.OK
    assert json.loads(few.file.read_text())["items"][""]["n"] == 20


def test_a_folder_that_cannot_be_written_is_said(few: GateStory) -> None:
    (few.path / "baselines").write_text("a file stands where the folder belongs")
    result = few.save()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "cannot be written" in said(result)


def test_strict_and_save_do_not_contradict_each_other(few: GateStory) -> None:
    result = few.save("--gptoss-gate", "strict")
    assert result.ret == pytest.ExitCode.OK
    assert few.file.exists()


def test_nothing_is_left_beside_the_file(few: GateStory) -> None:
    few.save()
    assert [path.name for path in few.file.parent.iterdir()] == ["sums.json"]


def test_the_ini_file_decides_where_the_baselines_are(few: GateStory) -> None:
    few.save()
    inner = few.path / "inner"
    inner.mkdir()
    result = few.story.run(
        *("--rootdir", str(few.path), "-c", str(few.path / "tox.ini"), "--model", "recorded"),
        *("--gptoss-completions", str(few.path / "answers.jsonl"), "--gptoss-run", "third"),
        *("-q", str(few.path / "test_sums.py")),
    )
    assert result.ret == pytest.ExitCode.OK
    assert few.story.summary("third")["groups"][0]["gate"]["n"] == 20


def _later(few: GateStory) -> None:
    """Let the saved baseline have been measured long ago: two sessions may share a second."""
    from pytest_gptoss.gates import baseline

    held = baseline.read(few.file)
    from dataclasses import replace

    before = replace(held, conditions=replace(held.conditions, date="2020-01-01"))
    baseline.save(few.file, before)
