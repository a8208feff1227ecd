"""``--gptoss-repeats K``: K completions per item."""

import itertools
import json

import pytest
from stories import Story, said

from pytest_gptoss import stats


def test_each_item_has_k_completions(story: Story) -> None:
    file = story.path / "answers.jsonl"
    with file.open("w") as out:
        for n in range(10):
            for repeat in range(3):
                right = 2 * n + 1 + (n == 0 and repeat == 2)
                out.write(json.dumps({"item_id": n, "completion": f"Answer: {right}"}) + "\n")
    result = story.replay("--gptoss-repeats", "3")
    assert result.parseoutcomes() == {"passed": 9, "incorrect": 1}
    items = story.items()
    assert [(i["item_id"], i["repeat"]) for i in items[:4]] == [
        ("0", 0),
        ("0", 1),
        ("0", 2),
        ("1", 0),
    ]
    group = story.summary()["groups"][0]
    assert (group["n"], group["items"], group["repeats"]) == (30, 10, 3)
    assert group["correct"] == 29
    assert group["accuracy"] == 29 / 30
    # Completions of one item are not independent, so the interval is over the items' means.
    assert group["interval_method"] == "t over items"
    low, high = group["interval"]
    assert low < 29 / 30 <= high <= 1.0


def test_pass_at_k_is_the_unbiased_estimate(story: Story) -> None:
    right = [4, 3, 2, 1, 0, 0, 4, 4, 2, 0]  # of four answers each
    lines = [
        json.dumps({"item_id": n, "completion": f"Answer: {2 * n + 1 + (repeat >= count)}"})
        for n, count in enumerate(right)
        for repeat in range(4)
    ]
    (story.path / "answers.jsonl").write_text("\n".join(lines))
    result = story.replay("--gptoss-repeats", "4")
    group = story.summary()["groups"][0]
    figures = group["aggregates"]
    assert list(figures) == ["pass@1", "pass@2", "pass@3", "pass@4"]
    for k in range(1, 5):
        # By counting every choice of k of the four, as the estimator is defined.
        choices = list(itertools.combinations(range(4), k))
        chance = [sum(min(c) < count for c in choices) / len(choices) for count in right]
        assert figures[f"pass@{k}"] == {
            "accuracy": pytest.approx(sum(chance) / 10),
            "n": 10,
            **stats.mean_score(chance).figures(),
        }
    assert figures["pass@1"]["accuracy"] == pytest.approx(group["accuracy"])
    # A few of them on the screen, with the last.
    assert "pass@1 50.0 % [19.6, 80.4]  pass@2 61.7 % [29.4, 94.0]  pass@4 70.0 %" in said(result)


def test_an_item_with_too_few_answers_is_left_out_of_pass_at_k(story: Story) -> None:
    lines = [
        json.dumps({"item_id": n, "completion": f"Answer: {2 * n + 1}"})
        for n in range(10)
        for repeat in range(2 if n else 1)
    ]
    (story.path / "answers.jsonl").write_text("\n".join(lines))
    story.replay("--gptoss-repeats", "2")
    figures = story.summary()["groups"][0]["aggregates"]
    assert figures == {
        "pass@1": {"accuracy": 1.0, "n": 10, **stats.proportion(10, 10).figures()},
        "pass@2": {"accuracy": 1.0, "n": 9, **stats.proportion(9, 9).figures()},
    }


def test_one_answer_has_no_pass_at_k(story: Story) -> None:
    story.answers()
    story.replay()
    assert story.summary()["groups"][0]["aggregates"] is None
