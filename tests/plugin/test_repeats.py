"""``--gptoss-repeats K``: K completions per item."""

import json

from stories import Story


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
