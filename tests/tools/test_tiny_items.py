"""The demo benchmark's items and the training items that share their templates."""

import hashlib
import json
import re
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="module")
def items():
    sys.path.insert(0, str(TOOLS))
    try:
        from tiny import items

        yield items
    finally:
        sys.path.remove(str(TOOLS))


def numbers(text):
    return [int(number) for number in re.findall(r"\d+", text)]


def test_the_benchmark_is_the_same_bytes_everywhere(items):
    rows = [items.demo.word_problems(), items.demo.choices()]
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    # The shipped checkpoints and baselines were measured on exactly these items.
    assert digest == "8878d8215cfae4b524e8288740e9c745b52626a864c2345edad0b63eebf5571c"


def test_fewer_items_are_a_prefix(items):
    assert items.demo.word_problems(40) == items.demo.word_problems(500)[:40]
    assert items.demo.choices(40) == items.demo.choices(300)[:40]


def test_ids_and_questions_are_unique(items):
    rows = [*items.demo.word_problems(), *items.demo.choices()]
    assert len(rows) == 800
    assert len({row["id"] for row in rows}) == 800
    prompts = {json.dumps([row["question"], row.get("options")]) for row in rows}
    assert len(prompts) == 800


def test_answers_of_word_problems(items):
    for row in items.demo.word_problems():
        drawn, question = numbers(row["question"]), row["question"]
        if row["kind"] == "addition":
            assert row["answer"] == sum(drawn)
        elif row["kind"] == "subtraction":
            assert row["answer"] == drawn[0] - drawn[1] > 0
        else:
            highest = any(word in question for word in ("more have", "fuller", "last?", "largest?"))
            assert row["answer"] == (max(drawn) if highest else min(drawn))


def test_answers_of_choices(items):
    for row in items.demo.choices():
        options = [int(option) for option in row["options"]]
        assert len(set(options)) == 4
        right = options["ABCD".index(row["answer"])]
        a_b = numbers(row["question"])
        if row["kind"] == "comparison":
            assert right == (max(options) if "largest" in row["question"] else min(options))
        else:
            assert right == (sum(a_b) if "+" in row["question"] else a_b[0] - a_b[1])


def test_choice_prompt_is_the_text_the_model_was_trained_on(items):
    row = items.demo.choices(1)[0]
    a, b, c, d = row["options"]
    expected = f"{row['question']}\nA) {a}\nB) {b}\nC) {c}\nD) {d}\nAnswer with the letter."
    assert items.demo.choice_prompt(row) == expected


def test_training_and_benchmark_operands_are_disjoint(items):
    draws = items.demo.Draws("test")
    trained = {tuple(sorted(items.draw_item(draws, i / 4000).operands)) for i in range(4000)}
    assert not any(items.demo.held_out(operands) for operands in trained)
    for row in items.demo.word_problems():
        assert items.demo.held_out(numbers(row["question"]))
    for row in items.demo.choices():
        shown = numbers(row["question"]) or [int(option) for option in row["options"]]
        assert items.demo.held_out(shown)


@pytest.mark.parametrize(
    ("a", "b", "sign", "expected"),
    [
        (45, 38, "+", "45+38:5+8=13;4+3+1=8;83"),
        (95, 8, "+", "95+8:5+8=13;9+0+1=10;103"),
        (45, 38, "-", "45-38:15-8=7;4-3-1=0;7"),
        (103, 8, "-", "103-8:13-8=5;10-0-1=9;1-0-1=0;95"),
    ],
)
def test_columns(items, a, b, sign, expected):
    assert items.columns(a, b, sign) == expected


def test_columns_end_in_the_result(items):
    for a in range(1, 100):
        for b in range(1, a + 1):
            assert items.columns(a, b, "+").endswith(f";{a + b}")
            assert items.columns(a, b, "-").endswith(f";{a - b}")
            assert items.columns(a + b, b, "-").endswith(f";{a}")


def test_effort_decides_how_much_is_worked_out(items):
    steps = {e: items.analysis("addition", (45, 38), [81, 83], e) for e in items.EFFORTS}
    assert steps["low"] == ""
    assert steps["medium"] == "45+38:5+8=13;4+3+1=8;83. A81,B83 yes"
    assert steps["high"] == ("45+38:5+8=13;4+3+1=8;83. Check 83-38:13-8=5;8-3-1=4;45. A81,B83 yes")
    shown = items.analysis("largest", (12, 45, 7), (12, 45, 7), "medium")
    assert shown == "A12,B45:B45,C7:B45"
    shown = items.analysis("smallest of two", (54, 57), (), "high")
    assert shown == "54,57 54?57 5=5 4<7:54"
