"""LegalQA: free-text legal questions (Li et al., 2024, arXiv:2409.07713), where you have it.

No public copy of the dataset was found. Put yours into the local mirror as
``legalqa/legalqa/default/test.jsonl``: JSON Lines with the columns ``question`` and ``answer``.

An answer's score is the grade of a judge, another model that ``--gptoss-judge URL`` and
``--gptoss-judge-model NAME`` name, shown the reference answer; without a judge it is ROUGE-L
against the reference, which measures shared wording and not whether the law is right.

`test_legalbench.py` is the legal benchmark that anybody can run.
"""

import pytest

from pytest_gptoss import Benchmark, Item, Response, hub, scorers
from pytest_gptoss.data import mirror

PROMPT = """\
Answer this legal question for a person without legal training, in one paragraph.

{question}"""

legalqa = Benchmark(
    name="legalqa",
    rows=hub("legalqa/legalqa", split="test"),
    item=lambda row: Item(
        prompt=PROMPT.format(question=row["question"]),
        target=row["answer"],
        metadata={"question": row["question"]},
    ),
    scorer=scorers.judge(otherwise=scorers.rouge("rougeL")),
    title="LegalQA",
    task="free-text legal questions",
    licence="as your copy says",
    citation="Li et al. (2024), Experimenting with Legal AI Solutions: The Case of "
    "Question-Answering for Access to Justice, arXiv:2409.07713",
    prompt_source="this project",
)

folder = mirror()
if folder is None or not (folder / "legalqa/legalqa/default/test.jsonl").is_file():
    pytest.skip(
        "LegalQA has no public copy: put yours into the folder that --gptoss-data names, as "
        "legalqa/legalqa/default/test.jsonl with the columns question and answer",
        allow_module_level=True,
    )


@legalqa.test
def test_legalqa(response: Response) -> None:
    """One question."""
    response.check()
