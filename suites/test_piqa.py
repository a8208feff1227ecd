"""PIQA: physical common sense, one of two solutions (Bisk et al., 2020, arXiv:1911.11641)."""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

PROMPT = """\
Which of the two solutions reaches the goal? End with one line of the form "Answer: X", where X is
A or B.

Goal: {goal}

A) {sol1}
B) {sol2}"""

piqa = Benchmark(
    name="piqa",
    # The dataset's own branch holds a loading script, which `datasets` no longer runs; this is a
    # commit of the Hub's conversion of it to Parquet (refs/convert/parquet).
    rows=hub(
        "ybisk/piqa",
        config="plain_text",
        split="validation",
        revision="142c51238b3ca2bc61e9a075913871b8b600e8e1",
    ),
    item=lambda row: Item(
        prompt=PROMPT.format(goal=row["goal"], sol1=row["sol1"].strip(), sol2=row["sol2"].strip()),
        target="AB"[row["label"]],
        choices=(row["sol1"], row["sol2"]),
    ),
    scorer=scorers.choice("AB", numbered=True),
    title="PIQA",
    task="two choices, physical common sense",
    chance=0.5,
    licence="AFL-3.0",
    citation="Bisk et al. (2020), PIQA: Reasoning about Physical Commonsense in Natural Language, "
    "arXiv:1911.11641",
    prompt_source="this project",
)


@piqa.test
def test_piqa(response: Response) -> None:
    """One goal with its two solutions."""
    response.check()
