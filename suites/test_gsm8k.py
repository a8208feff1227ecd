"""GSM8K: grade-school math word problems (Cobbe et al., 2021, arXiv:2110.14168)."""

import re

from pytest_gptoss import Benchmark, Item, Response, Shots, hub, scorers
from pytest_gptoss.benchmark import Row

PROMPT = """\
Solve this problem. Reason step by step if you need to, then end with one line of the form
"Answer: N", where N is a number without units.

{question}"""

REVISION = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"


def worked(row: Row, item: Item) -> str:
    """An example's solution, without the annotations of GSM8K's calculator."""
    steps = row["answer"].rpartition("#### ")[0].strip()
    return f"{re.sub(r'<<[^<>]*>>', '', steps)}\nAnswer: {item.target}"


gsm8k = Benchmark(
    name="gsm8k",
    rows=hub("openai/gsm8k", config="main", split="test", revision=REVISION),
    item=lambda row: Item(
        prompt=PROMPT.format(question=row["question"]),
        target=row["answer"].rpartition("#### ")[2].replace(",", "").strip(),
    ),
    scorer=scorers.number(),
    shots=Shots(
        rows=hub("openai/gsm8k", config="main", split="train", revision=REVISION),
        answer=worked,
    ),
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
