"""``--model``: names, several of them, and what is wrong with a name."""

import json

import pytest
from stories import Story, said


def test_an_unknown_model_is_answered_with_the_nearest_names(story: Story) -> None:
    result = story.run("--model", "gpt-oss-21b")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "gpt-oss-20b" in said(result)
    assert "Traceback" not in said(result)


def test_several_models_are_asked_one_after_the_other(story: Story) -> None:
    (story.path / "test_more.py").write_text(
        (story.path / "test_sums.py").read_text().replace('"sums"', '"more"')
    )
    answers = story.path / "answers"
    for name in ("sums", "more"):
        file = story.answers(wrong=[0] if name == "more" else [])
        for model in ("first", "second"):
            target = answers / name / f"{model}.jsonl"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.read_text())
    result = story.run(
        *("--model", "first,second", "--gptoss-completions", "answers", "--gptoss-run", "run", "-v")
    )
    assert result.parseoutcomes() == {"passed": 38, "incorrect": 2}
    order = [line.split("[")[1].split("-")[0] for line in result.outlines if "::test_sums[" in line]
    assert order == ["first"] * 20 + ["second"] * 20
    groups = [(group["model"], group["benchmark"]) for group in story.summary()["groups"]]
    assert set(groups) == {(m, b) for m in ("first", "second") for b in ("sums", "more")}


def test_the_option_repeats(story: Story) -> None:
    result = story.run(
        *("--model", "first", "--model", "second", "--gptoss-completions", "answers.jsonl"),
        *("--collect-only", "-q"),
    )
    assert "there is no model" not in said(result)


def test_a_model_named_twice_is_refused(story: Story) -> None:
    story.answers()
    result = story.replay(model="one,one")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--model names 'one' twice" in said(result)


def test_the_effort_in_the_name_stands_in_node_ids_and_records(story: Story) -> None:
    story.answers()
    result = story.replay("-v", model="gpt-oss-20b:high")
    assert "test_sums[gpt-oss-20b:high-0]" in said(result)
    assert {item["model"] for item in story.items()} == {"gpt-oss-20b:high"}
    model = story.summary()["settings"]["models"]["gpt-oss-20b:high"]
    assert (model["name"], model["effort"]) == ("gpt-oss-20b", "high")


def test_two_efforts_of_one_model_are_two_models(story: Story) -> None:
    file = story.answers()
    for effort in ("low", "high"):
        target = story.path / "answers" / "sums" / f"gpt-oss-20b-{effort}.jsonl"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(file.read_text())
    result = story.run(
        *("--model", "gpt-oss-20b:low,gpt-oss-20b:high", "--collect-only", "-q"),
        *("--gptoss-completions", "answers"),
    )
    assert "20 tests collected" in said(result)


def test_items_are_json_lines_in_item_order_with_the_keys_of_the_contract(story: Story) -> None:
    story.answers(wrong=[2])
    story.replay()
    items = story.items()
    assert [item["item_id"] for item in items] == [str(n) for n in range(10)]
    keys = (
        "model benchmark item_id item_hash repeat outcome score correct extracted target final "
        "reasoning finish_reason prompt_tokens completion_tokens reasoning_tokens queue_s ttft_s "
        "latency_s error"
    )
    assert set(keys.split()) <= set(items[0])
    assert items[2]["outcome"] == "incorrect"
    assert items[2]["extracted"] == "6"
    assert items[2]["target"] == 5
    assert items[2]["correct"] is False
    assert items[2]["completion_tokens"] == 5
    assert items[2]["latency_s"] is None
    assert len({item["item_hash"] for item in items}) == 10


def test_the_summary_has_the_keys_of_the_contract(story: Story) -> None:
    story.answers()
    story.replay()
    summary = story.summary()
    assert summary["schema"] == 1
    keys = (
        "model benchmark n correct accuracy interval outcomes accuracy_completed truncation_rate "
        "no_answer_rate error_rate prompt_tokens completion_tokens wall_s tokens_per_s latency_s "
        "peak_memory_bytes energy_j energy_per_response_j gate"
    )
    group = summary["groups"][0]
    assert set(keys.split()) <= set(group)
    assert group["completion_tokens"] == 50
    assert group["prompt_tokens"] is None
    assert group["peak_memory_bytes"] is None
    assert set(group["latency_s"]) == {"p50", "p90", "p99"}
    assert 0.7 < group["interval"][0] < group["interval"][1] == 1.0
    assert json.dumps(summary)
