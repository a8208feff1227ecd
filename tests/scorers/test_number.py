"""What counts as a stated number, and what does not."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss import scorers
from pytest_gptoss.benchmark import Item
from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome
from pytest_gptoss.scorers.number import stated_number

READ = [
    # plain, dressed, in a sentence
    ("18", 18),
    ("**18**", 18),
    ("*18*", 18),
    ("18.", 18),
    ("$18", 18),
    ("$18.00", 18),
    ("18 dollars", 18),
    ("18%", 18),
    ("USD18", 18),
    ("Rs.500", 500),
    ("１８", 18),
    ("共18元", 18),
    ("Therefore, Janet makes **$18** per day.</s>", 18),
    # forms of numbers
    ("1,234", 1234),
    ("12,34,567", 1234567),
    ("1{,}234", 1234),
    (r"1\,234", 1234),
    ("1\u202f234", 1234),
    ("-5", -5),
    ("−5", -5),
    ("-$5", -5),
    ("$-5$", -5),
    ("x = - 5", -5),
    (".5", Fraction(1, 2)),
    ("1/2", Fraction(1, 2)),
    ("3 1/2", Fraction(7, 2)),
    ("2½", Fraction(5, 2)),
    (r"\frac{3}{4}", Fraction(3, 4)),
    (r"\frac12", Fraction(1, 2)),
    (r"-\dfrac{3}{4}", Fraction(-3, 4)),
    ("1.5e3", 1500),
    ("1.5 × 10^3", 1500),
    (r"$1.5 \times 10^{3}$", 1500),
    # statements win over running text, the last over the first
    ("#### 18\nThat is 3 a day.", 18),
    ("9 * 2 = <<9*2=18>>18\nA: 18", 18),
    ("The answer is 18. (16 - 3 - 4 = 9.)", 18),
    ("The answer is 17. No: the answer is 18. Check: 9 + 9.", 18),
    ("Answer: 18, because 9 * 2 = 18 and 3 + 4 = 7", 18),
    ("Answer: 9 * 2 = 18 dollars", 18),
    ("Answer: x = -5", -5),
    ("Answer: they picked 30 apples. (Steps: 1, 2, 3, 4)", 30),
    ("**Answer:** 18", 18),
    ("### Answer\n\n18", 18),
    ("**Final Answer**\n\n\\[ \\boxed{18} \\]", 18),
    (r"\boxed{18}", 18),
    (r"\boxed{\$18}", 18),
    (r"\boxed{18 \text{ dollars}}", 18),
    (r"\boxed{\text{about } \frac{1}{2}}", Fraction(1, 2)),
    (r"So \boxed{18} in all, over 7 days.", 18),
    ('{"answer": 18}', 18),
    ("<answer>18</answer>", 18),
    ("答案是18。", 18),
    ("答案：18", 18),
    # without a statement, the last number
    ("16 - 3 - 4 = 9, and 9 * 2 = 18", 18),
    ("1. Eggs: 9\n2. Money: 18 dollars", 18),
    ("16-3", 3),
]


@pytest.mark.parametrize(("text", "value"), READ)
def test_a_number_is_read(text, value):
    found = stated_number(text)
    assert found is not None
    assert found.value == value


NOT_READ = [
    "",
    "eighteen",
    "Water is H2O, see solution1.",
    "at 3:30",
    "in the ratio 7:13",
    "on 5/2/2020",
    "10^2",
    "1/0",
    "1,300,00",
    "9" * 5000,
    "1e99999",
    "Answer: 18 or 20",
    "Answer: 3 hours and 20 minutes",
    "Answer: 9 * 2",
    "1. There are 9 eggs.\n2. Then the",
]


@pytest.mark.parametrize("text", NOT_READ)
def test_no_number_is_guessed(text):
    assert score(text).outcome is Outcome.NO_ANSWER


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t assist with that request. Call 911.",
        "Sorry, I cannot provide this.",
        "I'm unable to help with that.",
        "很抱歉，我无法提供帮助。",
        "对不起，我不能回答这个问题。",
    ],
)
def test_refusals(text):
    assert score(text, "911").outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    "text",
    [
        "I cannot determine the answer from what is given.",
        "I'm sorry, I made a mistake above.",
        "Unfortunately, I can't tell.",
        "抱歉，题目条件不足。",
    ],
)
def test_an_answer_that_is_missing_is_no_refusal(text):
    assert score(text).outcome is Outcome.NO_ANSWER


def test_an_apology_that_goes_on_to_answer_is_scored():
    text = "I'm sorry, but I can't help with the drawing. The answer is 18."
    assert score(text).outcome is Outcome.CORRECT


def score(text, target="18", **options):
    return scorers.number(**options)(Item("", target), Completion(final=text))


def test_only_the_final_text_is_read():
    completion = Completion(final="", reasoning="The answer is 18.", raw="The answer is 18.")
    assert scorers.number()(Item("", "18"), completion).outcome is Outcome.NO_ANSWER


def test_a_scale_word_is_part_of_the_number_or_its_unit():
    assert score("2 million", "2000000").correct
    assert score("2 million", "2").correct
    assert not score("2 million", "2000").correct


def test_tolerance_is_absolute():
    assert score("17.9999999").correct
    assert not score("17.9999").correct
    assert score("17.99", tolerance=0.01).correct
    assert not score("17.98", tolerance=0.01).correct


def test_the_score_says_what_was_read():
    result = score("So she makes **$1,018** a day.")
    assert (result.value, result.outcome, result.extracted) == (0, Outcome.INCORRECT, "1,018")


def test_a_target_that_is_no_number_is_the_datasets_fault():
    with pytest.raises(DataError, match="not one number"):
        score("18", "eighteen")


WHOLE = st.integers(-(10**9), 10**9)
DRESS = [
    "{}",
    "**{}**",
    "`{}`",
    "${}$",
    r"\boxed{{{}}}",
    r"\[\boxed{{\text{{{}}}}}\]",
    "#### {}",
    "A: {}",
    "Answer: {}",
    "**Answer: {}**",
    "Final answer: {} dollars.",
    "The answer is **{}**.",
    "The answer is {} apples, since 3 + 4 = 7.",
    "3 + 4 = 7\n\nSo the total is {}.",
    "答案是{}。",
    "{}</s>",
    "  {}\n\n",
]
WRITE = [
    str,
    "{:,}".format,
    "{}.0".format,
    "{:,}.00".format,
    lambda n: f"{n}".replace("-", "−"),
]


@settings(deadline=None)
@given(WHOLE, st.sampled_from(WRITE), st.sampled_from(DRESS))
def test_the_dress_of_a_right_answer_never_changes_the_score(number, write, dress):
    assert score(dress.format(write(number)), number).correct


@settings(deadline=None)
@given(WHOLE, WHOLE, st.sampled_from(WRITE), st.sampled_from(DRESS))
def test_a_wrong_number_never_scores(number, other, write, dress):
    if number != other:
        result = score(dress.format(write(other)), number)
        assert (result.value, result.outcome) == (0.0, Outcome.INCORRECT)


@settings(deadline=None)
@given(WHOLE, st.integers(1, 999), st.sampled_from(["{}/{}", r"\frac{{{}}}{{{}}}"]))
def test_fractions(top, bottom, form):
    text = form.format(abs(top), bottom)
    assert score(text, text).correct
    assert score(f"Answer: {text}", f"{abs(top)}/{bottom}").correct
