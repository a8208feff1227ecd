"""How each outcome is shown, counted and recorded."""

import xml.etree.ElementTree as ET

import pytest
from stories import Story, said

HARMONY_CUT_OFF = "<|channel|>analysis<|message|>Let me add: the answer is 3"


def test_a_wrong_answer_is_a_category_and_no_failure(story: Story) -> None:
    story.answers(wrong=[0, 3])
    result = story.replay()
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes() == {"passed": 8, "incorrect": 2}
    assert "i..i......" in said(result)


def test_verbose_output_names_the_outcome(story: Story) -> None:
    story.answers(wrong=[0])
    output = said(story.replay("-v"))
    assert "test_sums[recorded-0] INCORRECT" in output
    assert "test_sums[recorded-1] PASSED" in output


def test_the_category_is_yellow(story: Story) -> None:
    story.answers(wrong=[0])
    assert "\x1b[33m1 incorrect" in said(story.replay("--color=yes")).replace("\x1b[1m", "")


def test_every_class_is_told_apart(story: Story) -> None:
    story.answers(
        wrong=[0],
        changed={
            1: {"completion": "Answer: 3", "finish_reason": "length"},
            2: {"completion": "I would rather talk about birds."},
            3: {"completion": HARMONY_CUT_OFF, "finish_reason": None},
            4: {"completion": ""},
        },
    )
    result = story.replay()
    outcomes = {item["item_id"]: item["outcome"] for item in story.items()}
    assert outcomes["0"] == "incorrect"
    assert outcomes["1"] == "truncated"
    assert outcomes["2"] == "no_answer"
    assert outcomes["3"] == "truncated"
    assert outcomes["4"] == "no_answer"
    assert result.parseoutcomes() == {"passed": 5, "incorrect": 1, "truncated": 2, "no_answer": 2}
    group = story.summary()["groups"][0]
    assert group["n"] == sum(group["outcomes"].values()) == 10
    assert group["correct"] == 5
    assert group["accuracy"] == 0.5
    assert group["accuracy_completed"] == 5 / 8
    assert group["truncation_rate"] == 0.2
    assert group["no_answer_rate"] == 0.2


def test_a_cut_off_reasoning_is_never_scored(story: Story) -> None:
    story.answers(changed={1: {"completion": HARMONY_CUT_OFF, "finish_reason": None}})
    story.replay()
    item = next(item for item in story.items() if item["item_id"] == "1")
    assert item["outcome"] == "truncated"
    assert item["extracted"] is None
    assert item["score"] == 0.0


def test_an_error_is_never_a_wrong_answer(story: Story) -> None:
    story.answers(wrong=[0], leave_out=[5])
    result = story.replay()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=8, errors=1)
    group = story.summary()["groups"][0]
    assert group["outcomes"]["error"] == 1
    assert group["error_rate"] == 0.1
    assert group["accuracy"] == 8 / 9
    item = next(item for item in story.items() if item["item_id"] == "5")
    assert item["outcome"] == "error"
    assert item["score"] is None
    assert item["correct"] is None
    assert item["final"] is None
    assert "5" in item["error"]


def test_errors_of_one_cause_are_printed_three_times_and_counted_all(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(text.replace('row["a"] + row["b"])', 'row["c"])'))
    story.answers()
    result = story.replay()
    output = said(result)
    assert output.count("ERROR at setup of test_sums") == 3
    assert "7 more errors of the same cause" in output
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert story.summary()["groups"][0]["outcomes"]["error"] == 10
    assert "a row has no column 'c' (it has a, b, kind)" in output


def test_junit_has_every_item_once(story: Story) -> None:
    story.answers(wrong=[0], leave_out=[1])
    story.replay("--junitxml", "junit.xml")
    suite = ET.parse(story.path / "junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert suite.attrib["tests"] == "10"
    assert suite.attrib["errors"] == "1"
    assert suite.attrib["failures"] == "0"
    names = [case.attrib["name"] for case in suite.iter("testcase")]
    assert sorted(names) == sorted(f"test_sums[recorded-{n}]" for n in range(10))


def test_a_failing_assertion_of_the_test_is_an_ordinary_failure(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(text + "    assert response.score == 1\n")
    story.answers(wrong=[0])
    result = story.replay()
    result.assert_outcomes(passed=9, failed=1)
    assert story.summary()["groups"][0]["outcomes"]["incorrect"] == 1


def test_a_scorer_that_raises_makes_an_error_and_keeps_the_completion(story: Story) -> None:
    text = (story.path / "test_sums.py").read_text()
    (story.path / "test_sums.py").write_text(
        text.replace(
            "sums = ",
            "class Broken:\n"
            "    name, version = 'broken', '1'\n"
            "    def __call__(self, item, completion):\n"
            "        raise ZeroDivisionError('by design')\n\n"
            "sums = ",
        ).replace("scorers.number()", "Broken()")
    )
    story.answers()
    output = said(story.replay())
    assert "the scorer broken raised ZeroDivisionError (by design)" in output
    assert "Answer: 1" in (story.path / "run" / "journal.jsonl").read_text()
