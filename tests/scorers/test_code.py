"""`code()`: programs against hidden tests, in a sandbox that works here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_gptoss import Completion, Item, Outcome, scorers
from pytest_gptoss.errors import SandboxError
from pytest_gptoss.run.grading import grade
from pytest_gptoss.sandbox.choose import probe
from pytest_gptoss.scorers.code import CodeScorer, Sandbox, use_sandbox

PROMPT = 'def half(n: int) -> float:\n    """Return the half of n."""\n'
TEST = """
def check(candidate):
    assert candidate(4) == 2
    assert candidate(3) == 1.5
"""
ITEM = Item(PROMPT, TEST, metadata={"id": "T/1", "entry_point": "half", "prompt": PROMPT})


@pytest.fixture(scope="module")
def scorer() -> Iterator[CodeScorer]:
    if all(reason is not None for reason in probe().values()):
        pytest.skip(f"no sandbox works here: {probe()}")
    sandbox = Sandbox()
    yield CodeScorer(sandbox=sandbox)
    sandbox.close()


@pytest.mark.parametrize(
    ("answer", "outcome", "status"),
    [
        ("    return n / 2\n", Outcome.CORRECT, "passed"),
        ("So:\n```python\ndef half(n):\n    return n * 0.5\n```\n", Outcome.CORRECT, "passed"),
        ("    return n // 2\n", Outcome.INCORRECT, "failed"),
        ("def whole(n): return n\n", Outcome.INCORRECT, "failed"),
        ("    return (n /\n", Outcome.INCORRECT, "failed"),
        ("    while True: pass\n", Outcome.INCORRECT, "timeout"),
        ("    return [0] * 10**10\n", Outcome.INCORRECT, "memory"),
        ("    return lambda: n\n", Outcome.INCORRECT, "refused"),
    ],
)
def test_a_program_is_right_where_it_passes(
    scorer: CodeScorer, answer: str, outcome: Outcome, status: str
) -> None:
    score = scorer(ITEM, Completion(final=answer))
    assert (score.outcome, score.detail["status"]) == (outcome, status)
    assert score.value == (outcome is Outcome.CORRECT)
    assert score.extracted
    assert (score.detail["reason"] is None) is (outcome is Outcome.CORRECT)
    assert "unsandboxed" not in score.detail


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("Divide it by two.", Outcome.NO_ANSWER),
        ("I'm sorry, but I can't help with that.", Outcome.REFUSED),
    ],
)
def test_words_are_no_program(answer: str, outcome: Outcome) -> None:
    """Nothing is started for them."""
    sandbox = Sandbox("no such sandbox")
    score = CodeScorer(sandbox=sandbox)(ITEM, Completion(final=answer))
    assert (score.outcome, score.extracted) == (outcome, None)


def test_without_a_sandbox_there_is_no_verdict() -> None:
    """The strongest rung is asked for under the name of another system, so none is left."""
    other = "macos" if probe()["macos"] is not None else "bwrap"
    scorer = CodeScorer(sandbox=Sandbox(other))
    completion = Completion(final="    return n / 2\n")
    with pytest.raises(SandboxError, match="for another system"):
        scorer(ITEM, completion)
    score = grade(ITEM, completion, scorer)
    assert score.outcome is Outcome.ERROR
    assert completion.error is not None
    assert "raised" not in completion.error
    assert scorer.sandbox.record()["error"] == completion.error


def test_unconfined_programs_are_told_by_their_scores() -> None:
    sandbox = Sandbox("none", allow_unsandboxed=True)
    try:
        score = CodeScorer(sandbox=sandbox)(ITEM, Completion(final="    return n / 2\n"))
    finally:
        sandbox.close()
    assert score.correct
    assert score.detail["unsandboxed"] is True
    assert sandbox.record()["unsandboxed"] is True


def test_unconfined_programs_need_more_than_a_name() -> None:
    with pytest.raises(SandboxError, match="may not run without"):
        CodeScorer(sandbox=Sandbox("none"))(ITEM, Completion(final="    return n / 2\n"))


def test_declarations_take_the_sandbox_of_the_session() -> None:
    sandbox = Sandbox()
    use_sandbox(sandbox)
    try:
        assert scorers.code().sandbox is sandbox
    finally:
        use_sandbox(None)
    assert scorers.code().sandbox is not sandbox
    assert scorers.code() == scorers.code()
