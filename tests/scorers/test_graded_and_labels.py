"""The scorers of single benchmarks: labels, FinQA's results, ROUGE, LegalBench's rules."""

import random

import pytest

from pytest_gptoss import scorers
from pytest_gptoss.benchmark import Item
from pytest_gptoss.errors import DataError
from pytest_gptoss.records import Completion, Outcome
from pytest_gptoss.scorers.rouge import overlap


def score(scorer, text, target, choices=(), **metadata):
    item = Item("", target, choices=tuple(choices), metadata=metadata)
    return scorer(item, Completion(final=text))


MARKS = ("generic", "descriptive", "suggestive", "arbitrary", "fanciful")
LETTERS = tuple("ABCDEFGHIJ")


@pytest.mark.parametrize(
    ("text", "labels", "found"),
    [
        ("Yes", ("Yes", "No"), "Yes"),
        ("**no.**", ("Yes", "No"), "No"),
        ("Answer: No", ("Yes", "No"), "No"),
        ("Answer: Yes, because the clause says so.", ("Yes", "No"), "Yes"),
        ("Label: No\nAnswer: Yes", ("Yes", "No"), "Yes"),
        ("No clause says so, it seems.\n\nYes", ("Yes", "No"), "Yes"),
        ("Supportive? No", ("Yes", "No"), "No"),
        ("The answer is descriptive.", MARKS, "descriptive"),
        (r"\boxed{\text{Fanciful}}", MARKS, "fanciful"),
        ("Governed by: Common Law", ("UCC", "Common Law"), "Common Law"),
        ("Answer: (B)", LETTERS, "B"),
        ("B", LETTERS, "B"),
        ("Answer: B. The board may.", LETTERS, "B"),
        ("Answer: Yes or No", ("Yes", "No"), None),
        ("Answer: A cat", LETTERS, None),
        ("It could be generic here.", MARKS, None),
        ("Nobody knows.", ("Yes", "No"), None),
        ("", ("Yes", "No"), None),
    ],
)
def test_labels(text, labels, found):
    result = score(scorers.label(), text, labels[0], labels)
    assert result.extracted == found
    assert result.correct is (found == labels[0])


def test_labels_of_the_scorer_and_of_the_item():
    assert score(scorers.label("Yes", "No"), "Yes", "Yes").correct
    with pytest.raises(DataError, match="none of the labels"):
        score(scorers.label("Yes", "No"), "Yes", "Maybe")


@pytest.mark.parametrize(
    ("text", "target", "right"),
    [
        ("Answer: 94", "94.0", True),
        ("Answer: $94 million", "94.0", True),
        ("Answer: 94,000,000", "94.0", False),
        ("Answer: 0.14464", "0.14464", True),
        ("Answer: 14.464%", "0.14464", True),
        ("Answer: 14.5%", "0.14464", False),
        ("Answer: 14.464", "0.14464", False),
        ("Answer: 5.8%", "5.8", True),
        ("Answer: -0.04365", "-0.04365", True),
        ("Answer: 0.04365", "-0.04365", False),
        ("Answer: 3,297.66667", "3297.66667", True),
        ("Answer: 3,297.66666", "3297.66667", True),
        ("Answer: 3,297.7", "3297.66667", False),
        ("Answer: yes", "yes", True),
        ("Answer: No, it fell.", "yes", False),
    ],
)
def test_finqa(text, target, right):
    assert score(scorers.finqa(), text, target).correct is right


def test_rouge_averages_over_the_references():
    result = score(scorers.rouge(), "the cat sat", ["the cat sat", "a dog ran"])
    assert result.outcome is Outcome.CORRECT
    assert result.detail == {"rouge1": 0.5, "rouge2": 0.5, "rougeL": 0.5}
    assert result.value == 0.5
    assert scorers.rouge().graded


def test_rouge_by_hand():
    # Two of three words, one of two pairs, and "the ... sat" in order.
    scores = overlap("the cat sat", "the dog sat")
    assert scores == {"rouge1": pytest.approx(2 / 3), "rouge2": 0, "rougeL": pytest.approx(2 / 3)}
    assert overlap("a b c", "c b a")["rougeL"] == pytest.approx(1 / 3)


def test_rouge_without_a_summary():
    assert score(scorers.rouge(), " … ", "x").outcome is Outcome.NO_ANSWER
    assert (
        score(scorers.rouge(), "I'm sorry, but I can't help with that.", "x").outcome
        is Outcome.REFUSED
    )
    with pytest.raises(DataError, match="no measure"):
        scorers.rouge("rouge9")
    with pytest.raises(DataError, match="without a reference"):
        score(scorers.rouge(), "x", [])


@pytest.mark.filterwarnings("ignore")  # of the packages that rouge-score brings along
def test_rouge_is_that_of_the_rouge_score_package():
    package = pytest.importorskip("rouge_score.rouge_scorer", reason="rouge-score is absent")
    theirs = package.RougeScorer(["rouge1", "rouge2", "rougeL"])
    draw = random.Random(1)
    words = ["the", "cat", "sat", "on", "a", "mat", "#Person1#:", "Person2,", "won't", "3.5", "é"]
    for _ in range(300):
        reference, summary = (
            " ".join(draw.choices(words, k=draw.randrange(0, 20))) for _ in range(2)
        )
        expected = theirs.score(reference, summary)
        assert overlap(reference, summary) == {
            kind: pytest.approx(value.fmeasure) for kind, value in expected.items()
        }


def test_the_longest_common_subsequence_is_that_of_the_table():
    """The bit-parallel form against the textbook's quadratic table."""
    draw = random.Random(1)
    for _ in range(200):
        first = [draw.choice("abcd") for _ in range(draw.randrange(1, 90))]
        second = [draw.choice("abcd") for _ in range(draw.randrange(1, 90))]
        row = [0] * (len(second) + 1)
        for word in first:
            above = 0
            for index, other in enumerate(second, 1):
                above, row[index] = (
                    row[index],
                    above + 1 if word == other else max(row[index], row[index - 1]),
                )
        length = 2 * row[-1] / (len(first) + len(second))
        assert overlap(" ".join(first), " ".join(second))["rougeL"] == pytest.approx(length)


@pytest.mark.parametrize(
    ("task", "text", "target", "value"),
    [
        ("sara_numeric", "$2,334", "$2334", 1),
        ("sara_numeric", "$2,400 are owed.", "$2334", 1),
        ("sara_numeric", "$2,700", "$2334", 0),
        ("sara_numeric", "$0", "$0", 1),
        ("sara_numeric", "$1", "$0", 0),
        ("successor_liability", "mere continuation", "mere continuation", 1),
        (
            "successor_liability",
            "Exception: de facto merger",
            "de facto merger,mere continuation",
            2 / 3,
        ),
        ("successor_liability", "express agreement", "mere continuation", 0),
        (
            "ssla_plaintiff",
            "Ruth C May, Donna E Ledgerwood",
            "['Ruth C May', 'Donna E Ledgerwood']",
            1,
        ),
        ("ssla_plaintiff", "Ruth C May", "['Ruth C May', 'Donna E Ledgerwood']", 2 / 3),
        (
            "citation_prediction_open",
            "Citation: Ortiz v. Jordan, 562 U.S. 180",
            "Ortiz v. Jordan",
            1,
        ),
        ("citation_prediction_open", "Bell v. Twombly", "Ortiz v. Jordan", 0),
        ("hearsay", "Yes", "Yes", 1),
        ("hearsay", "No", "Yes", 0),
    ],
)
def test_legalbench(task, text, target, value):
    result = score(scorers.legalbench(), text, target, ("Yes", "No"), task=task)
    assert result.value == pytest.approx(value)
    assert result.correct is (value == 1)
