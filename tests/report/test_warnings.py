"""Warnings about figures that cannot be the model's ability."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_gptoss import stats
from pytest_gptoss.report.warnings import warnings_of


def group(correct, incorrect, *, chance=None, graded=None, **outcomes):
    """A group's figures, as a run would write them."""
    counts = {"correct": correct, "incorrect": incorrect, **outcomes}
    n = sum(counts.values())
    scored = n - counts.get("error", 0)
    interval = None
    if scored:
        wilson = stats.proportion(correct, scored)
        interval = [wilson.low, wilson.high]
    return {
        "benchmark": "sums",
        "n": n,
        "outcomes": counts,
        "accuracy": (correct / scored if graded is None else graded) if scored else None,
        "interval": interval,
        "chance": chance,
    }


def kinds(figures, model=None):
    return [warning["kind"] for warning in warnings_of(figures, model)]


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        (group(80, 20, chance=0.25), []),
        (group(80, 20), []),
        # The C-Eval scores of a published comparison, 100 items each: both would be flagged.
        (group(20, 80, chance=0.25), ["chance"]),
        (group(28, 72, chance=0.25), ["chance"]),
        (group(10, 90, chance=0.25), ["chance"]),
        (group(0, 100), ["zero"]),
        (group(0, 100, chance=0.25), ["zero"]),
        (group(0, 5), ["zero"]),
        (group(80, 10, truncated=10), []),
        (group(80, 9, truncated=11), ["truncated"]),
        (group(80, 9, no_answer=11), ["no_answer"]),
        (group(80, 9, truncated=6, no_answer=5), ["truncated", "no_answer"]),
        (group(80, 6, truncated=12, no_answer=2), ["truncated"]),
        (group(80, 9, malformed=11), ["malformed"]),
        (group(80, 9, timeout=11), ["timeout"]),
        (group(80, 9, refused=11), []),
        (group(0, 0, truncated=100), ["truncated", "zero"]),
        (group(10, 10, chance=0.25, no_answer=80), ["no_answer", "chance"]),
        # Errors are of the infrastructure: they are not in the denominator.
        (group(80, 9, error=500, truncated=11), ["truncated"]),
        (group(0, 0, error=100), []),
    ],
)
def test_what_is_warned_about(figures, expected):
    assert kinds(figures) == expected


@pytest.mark.parametrize("chance", [0.25, 0.5])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_handful_of_items_raises_no_word_about_chance(n, chance):
    for correct in range(n + 1):
        assert kinds(group(correct, n - correct, chance=chance)) == []


@pytest.mark.parametrize("n", [5, 8, 10, 20, 50])
@pytest.mark.parametrize("chance", [0.25, 0.5])
def test_an_able_model_is_rarely_suspected_for_few_items(n, chance):
    from scipy.stats import binom

    alarm = sum(
        binom.pmf(correct, n, 0.8)
        for correct in range(n + 1)
        if kinds(group(correct, n - correct, chance=chance))
    )
    assert alarm < 0.02


@pytest.mark.parametrize("n", [20, 50, 100, 1000])
def test_guessing_is_nearly_always_noticed(n):
    from scipy.stats import binom

    noticed = sum(
        binom.pmf(correct, n, 0.25)
        for correct in range(n + 1)
        if kinds(group(correct, n - correct, chance=0.25))
    )
    assert noticed > 0.95


def test_the_cap_is_named_with_the_next_one():
    model = {"sampling": {"max_tokens": 2048}}
    (warning,) = warnings_of(group(50, 0, truncated=50), model)
    assert warning["text"] == (
        "50.0 % truncated: the token cap of 2,048 tokens, or the model's context, ends answers "
        "before they are given; run again with --gptoss-max-tokens 8192, or a lower "
        "--gptoss-effort where the model has it"
    )


@pytest.mark.parametrize("model", [None, {}, {"sampling": None}, {"sampling": {}}])
def test_an_unknown_cap_is_not_invented(model):
    (warning,) = warnings_of(group(50, 0, truncated=50), model)
    assert "the token cap, or the model's context" in warning["text"]
    assert "a larger --gptoss-max-tokens" in warning["text"]


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("no_answer", ["answer form was not recognised", "raw transcript", "chat template"]),
        ("malformed", ["break their own format", "chat template or stop token"]),
        ("timeout", ["cap per item is too small", "--gptoss-timeout"]),
    ],
)
def test_each_names_its_cause(outcome, words):
    (warning,) = warnings_of(group(50, 0, **{outcome: 50}))
    assert warning["text"].startswith("50.0 % ")
    for word in words:
        assert word in warning["text"]


def test_the_command_finds_the_answers(tmp_path):
    import subprocess

    (warning,) = warnings_of(group(50, 0, no_answer=50))
    command = warning["text"].partition("read some: ")[2].removesuffix(" (in the run directory)")
    lines = [
        '{"model":"m","benchmark":"sums","item_id":"1","outcome":"correct","score":1.0}',
        '{"model":"m","benchmark":"sums","item_id":"2","outcome":"no_answer","score":0.0}',
        '{"model":"m","benchmark":"other","item_id":"3","outcome":"no_answer","score":0.0}',
    ]
    (tmp_path / "items.jsonl").write_text("\n".join(lines) + "\n")
    found = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == lines[1] + "\n"


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (group(0, 10, refused=90), "refusals; read some: grep"),
        (group(0, 90, refused=10), "a wrong chat template or checkpoint"),
        (group(10, 90, chance=0.25), "guessing does better, as where one option is stated"),
        (group(25, 75, chance=0.25), "a wrong chat template or checkpoint"),
        (group(0, 50, truncated=50), "see the lost answers above"),
    ],
)
def test_a_low_score_names_what_it_looks_like(figures, words):
    assert words in warnings_of(figures)[-1]["text"]


def test_a_graded_score_of_zero_is_zero():
    assert kinds(group(10, 0, graded=0.0)) == ["zero"]


@given(
    *(st.integers(0, 60) for _ in range(7)),
    st.sampled_from([None, 0.25, 0.5]),
)
def test_any_counts_give_short_distinct_sentences(
    correct, incorrect, truncated, no_answer, malformed, timeout, error, chance
):
    figures = group(
        correct,
        incorrect,
        chance=chance,
        truncated=truncated,
        no_answer=no_answer,
        malformed=malformed,
        timeout=timeout,
        error=error,
    )
    found = warnings_of(figures)
    scored = figures["n"] - error
    assert len({warning["kind"] for warning in found}) == len(found)
    assert all(len(warning["text"]) < 400 for warning in found)
    lost = scored and (truncated + no_answer) / scored > 0.1
    assert bool(lost) <= bool({"truncated", "no_answer"} & {w["kind"] for w in found})
