"""SciQ: science exam questions (Welbl et al., 2017, arXiv:1707.06209)."""

import hashlib

from pytest_gptoss import Benchmark, Item, Response, hub, scorers
from pytest_gptoss.benchmark import Row

PROMPT = """\
Answer this science question. End with one line of the form "Answer: X", where X is A, B, C or D.

{question}

A) {choices[0]}
B) {choices[1]}
C) {choices[2]}
D) {choices[3]}"""


def question(row: Row) -> Item:
    """The four options in an order that depends on their texts and the question alone.

    Each option's place is its rank among the digests, so the order is the same on every platform
    and whichever distractor a copy of the dataset calls the first.
    """
    options = [row["correct_answer"], *(row[f"distractor{n}"] for n in (1, 2, 3))]
    seed = row["question"]
    choices = sorted(
        options, key=lambda option: hashlib.sha256(f"{seed}\n{option}".encode()).digest()
    )
    return Item(
        prompt=PROMPT.format(question=row["question"].strip(), choices=choices),
        target="ABCD"[choices.index(row["correct_answer"])],
        choices=tuple(choices),
    )


sciq = Benchmark(
    name="sciq",
    rows=hub(
        "allenai/sciq",
        split="test",
        revision="2c94ad3e1aafab77146f384e23536f97a4849815",
    ),
    item=question,
    scorer=scorers.choice("ABCD"),
    title="SciQ",
    task="multiple choice, science exams, without the supporting passage",
    chance=0.25,
    licence="CC-BY-NC-3.0",
    citation="Welbl et al. (2017), Crowdsourcing Multiple Choice Science Questions, "
    "arXiv:1707.06209",
    prompt_source="this project",
)


@sciq.test
def test_sciq(response: Response) -> None:
    """One question."""
    response.check()
