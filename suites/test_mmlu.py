"""MMLU: multiple choice in 57 subjects (Hendrycks et al., 2021, arXiv:2009.03300)."""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

PROMPT = """\
Answer this multiple-choice question about {subject}. End with one line of the form "Answer: X",
where X is A, B, C or D.

{question}

A) {choices[0]}
B) {choices[1]}
C) {choices[2]}
D) {choices[3]}"""

mmlu = Benchmark(
    name="mmlu",
    rows=hub(
        "cais/mmlu",
        config="all",
        split="test",
        revision="c30699e8356da336a370243923dbaf21066bb9fe",
    ),
    item=lambda row: Item(
        prompt=PROMPT.format(
            subject=row["subject"].replace("_", " "),
            question=row["question"].strip(),
            choices=row["choices"],
        ),
        target="ABCD"[row["answer"]],
        choices=tuple(row["choices"]),
        metadata={"subject": row["subject"]},
    ),
    scorer=scorers.choice("ABCD"),
    strata="subject",
    title="MMLU",
    task="multiple choice, 57 subjects",
    chance=0.25,
    licence="MIT",
    citation="Hendrycks et al. (2021), Measuring Massive Multitask Language Understanding, "
    "arXiv:2009.03300",
    prompt_source="this project",
)


@mmlu.test
def test_mmlu(response: Response) -> None:
    """One question."""
    response.check()
