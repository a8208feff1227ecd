"""The demo: word problems and choices that code generates, for the tiny models of this project."""

from pytest_gptoss import Benchmark, Item, Response, scorers

from ._demo_items import choice_text, choices, word_problems

demo_words = Benchmark(
    name="demo_words",
    rows=word_problems,
    id="id",
    strata="kind",
    item=lambda row: Item(prompt=row["question"], target=row["answer"]),
    scorer=scorers.number(),
    title="Demo: word problems",
    task="addition, subtraction and comparison of numbers under 100, in words",
    licence="Apache-2.0",
    citation="this project",
    prompt_source="this project",
)

demo_choices = Benchmark(
    name="demo_choices",
    rows=choices,
    id="id",
    strata="kind",
    item=lambda row: Item(
        prompt=choice_text(row["question"], row["options"]),
        target=row["answer"],
        choices=tuple(row["options"]),
    ),
    scorer=scorers.choice("ABCD"),
    title="Demo: multiple choice",
    task="the same, with four options",
    chance=0.25,
    licence="Apache-2.0",
    citation="this project",
    prompt_source="this project",
)


@demo_words.test
def test_words(response: Response) -> None:
    """One word problem."""
    response.check()


@demo_choices.test
def test_choices(response: Response) -> None:
    """One question with four options."""
    response.check()
