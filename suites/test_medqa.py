"""MedQA: questions of the US medical licensing exam (Jin et al., 2021, arXiv:2009.13081)."""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

PROMPT = """\
Answer this question of a medical licensing exam. End with one line of the form "Answer: X", where X
is A, B, C or D.

{question}

A) {options[A]}
B) {options[B]}
C) {options[C]}
D) {options[D]}"""

medqa = Benchmark(
    name="medqa",
    rows=hub(
        "GBaker/MedQA-USMLE-4-options",
        split="test",
        revision="0fb93dd23a7339b6dcd27e241cb9b5eca62d4d18",
    ),
    item=lambda row: Item(
        prompt=PROMPT.format(question=row["question"].strip(), options=row["options"]),
        target=row["answer_idx"],
        choices=tuple(row["options"][letter] for letter in "ABCD"),
    ),
    scorer=scorers.choice("ABCD"),
    strata="meta_info",
    title="MedQA (USMLE, four options)",
    task="multiple choice, medical licensing exam",
    chance=0.25,
    licence="MIT (original dataset), CC-BY-4.0 (Hub)",
    citation="Jin et al. (2021), What Disease does this Patient Have? A Large-scale Open Domain "
    "Question Answering Dataset from Medical Exams, arXiv:2009.13081",
    prompt_source="this project",
)


@medqa.test
def test_medqa(response: Response) -> None:
    """One question."""
    response.check()
