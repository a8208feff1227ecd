"""HumanEval: Python functions from their docstrings (Chen et al., 2021, arXiv:2107.03374)."""

from pytest_gptoss import Benchmark, Item, Response, hub, scorers

PROMPT = """\
Complete the Python function below. Reply with one Python code block that holds the whole function
and every import that it needs.

```python
{prompt}
```"""

humaneval = Benchmark(
    name="humaneval",
    rows=hub(
        "openai/openai_humaneval",
        config="openai_humaneval",
        split="test",
        revision="7dce6050a7d6d172f3cc5c32aa97f52fa1a2e544",
    ),
    item=lambda row: Item(
        prompt=PROMPT.format(prompt=row["prompt"].strip("\n")),
        target=row["test"],
        metadata={
            "id": row["task_id"],
            "entry_point": row["entry_point"],
            "prompt": row["prompt"],
        },
    ),
    scorer=scorers.code(),
    id="task_id",
    title="HumanEval",
    task="Python functions from their docstrings, run against hidden tests",
    licence="MIT",
    citation="Chen et al. (2021), Evaluating Large Language Models Trained on Code, "
    "arXiv:2107.03374",
    prompt_source="this project",
)


@humaneval.test
def test_humaneval(response: Response) -> None:
    """One function."""
    response.check()
