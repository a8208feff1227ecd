"""Scores that are degrees, and means over repeats: compared by sign-flip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_story import GateStory
from stories import Story, said

from pytest_gptoss import stats

SUITE = """
from pytest_gptoss import Benchmark, Item, scorers

words = Benchmark(
    name="words",
    rows=[{"n": n} for n in range(60)],
    item=lambda row: Item(prompt=f"Say {row['n']}", target=["one two three four"]),
    scorer=scorers.rouge("rougeL"),
)

@words.test
def test_words(response):
    response.check()
"""


def answer(story: Story, worse: int) -> None:
    texts = ["one two three four", "one two three", "one two x y"]
    lines = (
        {"item_id": n, "completion": texts[2] if n < worse else texts[n % 2]} for n in range(60)
    )
    (story.path / "answers.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))


@pytest.fixture
def words(story: Story) -> Story:
    (story.path / "test_sums.py").unlink()
    (story.path / "test_words.py").write_text(SUITE)
    answer(story, 0)
    story.replay("--gptoss-save-baseline", "--gptoss-run", "saved")
    return story


def test_the_same_scores_are_within_a_margin_that_so_few_items_can_show(words: Story) -> None:
    result = words.replay("-q", "--gptoss-margin", "0.05")
    fields = words.summary()["groups"][0]["gate"]
    assert (fields["verdict"], fields["p_value"], fields["b"]) == ("within-margin", 1.0, None)
    z = 1.6448536269514722
    assert fields["interval"][1] == pytest.approx(z * z / (60 + z * z))
    assert "the mean score is the same" in said(result)


def test_the_same_scores_of_few_items_are_no_proof(words: Story) -> None:
    words.replay("-q", "--gptoss-limit", "5")
    assert words.summary()["groups"][0]["gate"]["verdict"] == "inconclusive"


def test_lower_scores_regress_by_the_sign_flip_test(words: Story) -> None:
    answer(words, 20)
    result = words.replay("-q")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    fields = words.summary()["groups"][0]["gate"]
    before = {item["item_id"]: item["score"] for item in words.items("saved")}
    differences = [round(before[i["item_id"]], 5) - round(i["score"], 5) for i in words.items()]
    assert fields["verdict"] == "regressed"
    assert fields["difference"] == pytest.approx(sum(differences) / 60)
    test = stats.sign_flip(differences, alternative="regression")
    assert fields["p_value"] == test.p_value
    interval = stats.bootstrap_difference(differences, confidence=0.9)
    assert fields["interval"] == pytest.approx([interval.low, interval.high])
    assert "sign-flip, one-sided; BCa bootstrap" in said(result)
    assert (
        json.loads((words.path / "run" / "flips.json").read_text())["comparisons"][0]["lost"] == []
    )


def test_higher_scores_improve(words: Story) -> None:
    (words.path / "answers.jsonl").write_text(
        "".join(
            json.dumps({"item_id": n, "completion": "one two three four"}) + "\n" for n in range(60)
        )
    )
    words.replay("-q")
    assert words.summary()["groups"][0]["gate"]["verdict"] == "improved"


def test_repeats_are_averaged_in_the_item_first(story: Story) -> None:
    told = GateStory(story, rows=40)
    story.answers(rows=40)
    _repeated(story.path, lambda n: (True, n % 2 == 0))
    story.replay("--gptoss-save-baseline", "--gptoss-run", "saved", "--gptoss-repeats", "2")
    file = json.loads(told.file.read_text())
    assert (file["coding"], file["repeats"]) == ("numbers", 2)
    assert file["items"][""]["scores"][0].split()[:4] == ["1", "0.5", "1", "0.5"]
    _repeated(story.path, lambda n: (n >= 12, n % 2 == 0))
    story.replay("-q", "--gptoss-repeats", "2")
    fields = story.summary()["groups"][0]["gate"]
    assert fields["n"] == 40
    assert fields["difference"] == pytest.approx(12 * 0.5 / 40)
    assert fields["method"].startswith("sign-flip")
    expected = stats.sign_flip([0.5] * 12 + [0.0] * 28, alternative="regression")
    assert fields["p_value"] == expected.p_value
    # Right where most answers are: an item at one of two was not right and cannot be lost.
    assert fields["flips"]["lost"]["n"] == 6


def _repeated(folder: Path, right: object) -> None:
    lines = []
    for n in range(40):
        for repeat, good in enumerate(right(n)):  # type: ignore[operator]
            lines.append(
                {"item_id": n, "repeat": repeat, "completion": f"Answer: {2 * n + 1 + (not good)}"}
            )
    (folder / "answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
