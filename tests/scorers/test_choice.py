"""What counts as a stated option, and what does not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_gptoss import scorers
from pytest_gptoss.benchmark import Item
from pytest_gptoss.errors import DataError, UsageError
from pytest_gptoss.records import Completion, Outcome

CHOICES = ("Mitosis", "A cat", "B cells", "None of the above")

READ = [
    # alone
    ("C", "C"),
    ("c", "C"),
    ("(C)", "C"),
    ("**C**", "C"),
    ("C.", "C"),
    ("b)", "B"),
    ("C</s>", "C"),
    (r"$\mathbf{C}$", "C"),
    ("C\n\nExplanation: A is the first letter.", "C"),
    # announced
    ("Answer: C", "C"),
    ("**Answer:** C", "C"),
    ("answer: c", "C"),
    ("The answer is (C).", "C"),
    ("The correct answer is **option B**.", "B"),
    ("Correct answer: B – A cat", "B"),
    ("Answer (C)", "C"),
    ("Answer: [C]", "C"),
    ("Answer: $C$", "C"),
    ("<answer>C</answer>", "C"),
    ('{"answer": "C"}', "C"),
    ("The answer is A, since it is so.", "A"),
    ("So the answer is: A) because", "A"),
    ("**Final Answer**\n\nD", "D"),
    ("The answer is:\n\n* C", "C"),
    ("I would go with D.", "D"),
    ("I'd choose option (B)", "B"),
    ("Option C is correct.", "C"),
    ("(D) is the most appropriate.", "D"),
    ("The best option is:\n\n(D) It divides.\n\nThis helps.", "D"),
    ("The most likely cause is (B) A cat, not a dog.", "B"),
    (r"\boxed{C}", "C"),
    (r"\[\boxed{\text{(C)}}\]", "C"),
    # the last statement wins
    ("The answer is A. Wait, no. The answer is B.", "B"),
    ("A is wrong. B is right. C is wrong.", "B"),
    ("A and B are both wrong, so the answer must be C", "C"),
    ("The answer is not A but B", "B"),
    # the option's text
    ("Mitosis", "A"),
    ("The correct answer is mitosis.", "A"),
    ("The answer is A cat", "B"),
    ("Answer: B cells", "C"),
    ("D. None of the above", "D"),
    # Chinese
    ("答案是B", "B"),
    ("选 B", "B"),
    ("答案：Ｂ", "B"),
    ("（B）", "B"),
    ("正确答案是（B）。", "B"),
    ("故选：B", "B"),
    ("本题应选择 D。", "D"),
    ("正确选项为C", "C"),
    ("答案：选项C", "C"),
    ("B选项正确", "B"),
    ("选项A错误，选项B正确", "B"),
    ("答案不是A，而是B", "B"),
    ("所以答案是 D，因为A错误", "D"),
]


def score(text, target="A", *, letters="ABCD", choices=CHOICES, **options):
    scorer = scorers.choice(letters, **options)
    return scorer(Item("", target, choices=choices), Completion(final=text))


@pytest.mark.parametrize(("text", "letter"), READ)
def test_a_letter_is_read(text, letter):
    result = score(text, letter)
    assert result.extracted == letter
    assert result.correct


NOT_READ = [
    "",
    "I",
    "A cat sat on the mat.",
    "I think a cat.",
    "I choose a dog",
    "The answer is a mix",
    "The answer is E",
    "The answer is vitamin C",
    "Answer: B lymphocytes make antibodies",
    "The answer is not A.",
    "Option C is incorrect.",
    "A or B",
    "Either A or B",
    "The answer is A or B.",
    "Answer: A and C",
    "A. no\nB. yes\nC. no\nD. no",
    "Let's see the options:\n(A) this is wrong\n(B) this is wrong",
    "选项D错误",
    "None",
]


@pytest.mark.parametrize("text", NOT_READ)
def test_no_letter_is_guessed(text):
    result = score(text)
    assert (result.outcome, result.extracted) == (Outcome.NO_ANSWER, None)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("the correct answer is solution2", "B"),
        ("Solution 1", "A"),
        ("The answer is 2", "B"),
        ("option 2.", "B"),
        ("2/solution2", "B"),
        ("the answer is solution2.\nanswer format: solution1/solution2", "B"),
        ("solution1/solution2", None),
        ("solution 3", None),
        ("2 eggs", None),
    ],
)
def test_numbered_options(text, letter):
    assert score(text, letters="AB", numbered=True, choices=("x", "y")).extracted == letter


def test_numbers_name_no_option_unless_asked():
    assert score("The answer is 2").outcome is Outcome.NO_ANSWER


def test_a_text_that_two_options_share_names_neither():
    assert score("same", choices=("same", "Same", "x", "y")).outcome is Outcome.NO_ANSWER


def test_refusal():
    assert score("I'm sorry, but I can't help with that.").outcome is Outcome.REFUSED


def test_wrong_declarations():
    with pytest.raises(UsageError, match="A to Z"):
        scorers.choice("ab")
    with pytest.raises(UsageError, match="A to Z"):
        scorers.choice("AA")
    with pytest.raises(DataError, match="none of the letters"):
        score("A", "E")


LETTERS = st.sampled_from("ABCD")
DRESS = [
    "{}",
    "({})",
    "**{}**",
    "{}.",
    "{})",
    r"\boxed{{{}}}",
    r"\boxed{{\text{{{}}}}}",
    "Answer: {}",
    "**Answer: {}**",
    "Answer: **({})**",
    "The answer is {}.",
    "A is wrong, B is wrong.\n\nThe correct answer is ({}).",
    "答案是{}",
    "选{}",
    "答案：（{}）",
    "{}</s>",
    "\n {}\n",
]
FULLWIDTH = {ord(letter): ord(letter) + 0xFEE0 for letter in "ABCD"}


@settings(deadline=None)
@given(LETTERS, st.sampled_from(DRESS), st.booleans())
def test_the_dress_of_a_right_answer_never_changes_the_score(letter, dress, wide):
    text = dress.format(letter.translate(FULLWIDTH) if wide else letter)
    assert score(text, letter).correct


@settings(deadline=None)
@given(LETTERS, LETTERS, st.sampled_from(DRESS))
def test_a_wrong_letter_never_scores(letter, other, dress):
    if letter != other:
        result = score(dress.format(other), letter)
        assert (result.value, result.outcome) == (0.0, Outcome.INCORRECT)
