"""GSM8K: grade-school math word problems (Cobbe et al., 2021, arXiv:2110.14168)."""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

PROMPT = """\
Solve this problem. Reason step by step if you need to, then end with one line of the form
"Answer: N", where N is a number without units.

{question}"""

gsm8k = Benchmark(
    name="gsm8k",
    rows=hub(
        "openai/gsm8k",
        config="main",
        split="test",
        revision="cc7b047b6e5bb11b4f1af84efc572db110a51b3c",
    ),
    item=lambda row: Item(
        prompt=PROMPT.format(question=row["question"]),
        target=row["answer"].rpartition("#### ")[2].replace(",", "").strip(),
    ),
    scorer=scorers.number(),
    title="GSM8K",
    task="grade-school math word problems",
    licence="MIT",
    citation="Cobbe et al. (2021), Training Verifiers to Solve Math Word Problems, "
    "arXiv:2110.14168",
    prompt_source="this project",
)


@gsm8k.test
def test_gsm8k(response: Response) -> None:
    """One problem."""
    response.check()
