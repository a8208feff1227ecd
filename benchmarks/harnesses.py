"""Three harnesses given the same work: the command of each, and the accuracy it leaves behind."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gsm8k_server import MODEL, WRONG_EVERY
from processes import ROOT, session

if TYPE_CHECKING:
    from pathlib import Path

MAX_TOKENS = 512
ROWS = "openai/gsm8k/main/test.jsonl"
OURS, LM_EVAL, INSPECT = "pytest-gptoss", "lm-eval", "inspect-ai"


@dataclass(frozen=True, slots=True)
class Work:
    """What everybody is given to do."""

    folder: Path
    """A mirror that holds the rows, and whatever a harness needs beside them."""
    items: int
    concurrency: int
    mean_s: float
    pythons: dict[str, Path]

    @property
    def rows(self) -> Path:
        """The one file of rows."""
        return self.folder / "data" / ROWS

    @property
    def accuracy(self) -> float:
        """What the server's answers are worth."""
        return 1 - (self.items // WRONG_EVERY) / self.items


# --- pytest-gptoss -------------------------------------------------------------------------------


def ours(work: Work, out: Path, url: str) -> list[str]:
    command = session(out, str(ROOT / "suites" / "test_gsm8k.py"), "--model", MODEL)
    command += ["--gptoss-data", str(work.folder / "data"), "--gptoss-endpoint", f"{url}/v1"]
    command += ["--gptoss-engine-arg", f"concurrency={work.concurrency}"]
    return [*command, "--gptoss-max-tokens", str(MAX_TOKENS), "--gptoss-temperature", "0"]


def ours_reported(out: Path, _: Path) -> float:
    return float(json.loads((out / "run" / "summary.json").read_text())["groups"][0]["accuracy"])


# --- lm-evaluation-harness -----------------------------------------------------------------------

LM_EVAL_TASK = """\
task: gsm8k_local
dataset_path: json
dataset_kwargs: {{data_files: {{test: "{rows}"}}}}
test_split: test
output_type: generate_until
doc_to_text: {prompt}
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], do_sample: false}}
num_fewshot: 0
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
    ignore_case: true
    regexes_to_ignore: [",", "\\\\$", "(?s).*#### ", "\\\\.$"]
filter_list:
  - name: flexible-extract
    filter:
      - {{function: regex, group_select: -1, regex_pattern: "(-?[$0-9.,]{{2,}})|(-?[0-9]+)"}}
      - {{function: take_first}}
"""
"""The shipped ``gsm8k`` with our wording, rows of its own and no examples."""


def lm_eval(work: Work, out: Path, url: str) -> list[str]:
    task = LM_EVAL_TASK.format(
        rows=work.rows, prompt=json.dumps(prompt().replace("{question}", "{{question}}"))
    )
    (out / "gsm8k_local.yaml").write_text(task)
    model = f"model={MODEL},base_url={url}/v1/chat/completions,num_concurrent={work.concurrency}"
    command = [str(work.pythons[LM_EVAL]), "-m", "lm_eval", "run", "--include_path", str(out)]
    command += ["--model", "local-chat-completions", "--model_args", f"{model},max_retries=1"]
    command += ["--tasks", "gsm8k_local", "--apply_chat_template", "--log_samples"]
    command += ["--gen_kwargs", f"temperature=0,max_gen_toks={MAX_TOKENS}"]
    return [*command, "--output_path", str(out / "results")]


def lm_eval_reported(out: Path, _: Path) -> float:
    (file,) = (out / "results").rglob("results_*.json")
    results = json.loads(file.read_text())["results"]["gsm8k_local"]
    return float(results["exact_match,flexible-extract"])


# --- inspect_ai ----------------------------------------------------------------------------------

INSPECT_TASK = """\
from inspect_ai import Task, task
from inspect_ai.dataset import Sample, json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate

PROMPT = {prompt!r}


def sample(row):
    return Sample(
        input=PROMPT.format(question=row["question"]),
        target=row["answer"].rpartition("#### ")[2].replace(",", "").strip(),
    )


@task
def gsm8k_local():
    return Task(
        dataset=json_dataset({rows!r}, sample), solver=generate(), scorer=match(numeric=True)
    )
"""


def inspect(work: Work, out: Path, url: str) -> list[str]:
    (out / "gsm8k_local.py").write_text(INSPECT_TASK.format(prompt=prompt(), rows=str(work.rows)))
    command = [str(work.pythons[INSPECT]), "-m", "inspect_ai", "eval", "gsm8k_local.py"]
    command += ["--model", f"openai-api/local/{MODEL}", "--model-base-url", f"{url}/v1"]
    command += ["--max-connections", str(work.concurrency), "--max-samples", str(work.concurrency)]
    command += ["--max-tokens", str(MAX_TOKENS), "--temperature", "0", "--display", "plain"]
    return [*command, "--log-dir", str(out / "logs")]


def inspect_reported(out: Path, python: Path) -> float:
    read = (
        "import sys; from inspect_ai.log import read_eval_log as read;"
        "log = read(sys.argv[1], header_only=True); assert log.status == 'success';"
        "print(log.results.scores[0].metrics['accuracy'].value)"
    )
    (file,) = (out / "logs").glob("*.eval")
    return float(subprocess.check_output([python, "-c", read, str(file)], text=True))


# -------------------------------------------------------------------------------------------------

HARNESSES = {
    OURS: (ours, ours_reported),
    LM_EVAL: (lm_eval, lm_eval_reported),
    INSPECT: (inspect, inspect_reported),
}


def prompt() -> str:
    """The wording of our suite, which everybody asks with."""
    sys.path.insert(0, str(ROOT))
    from suites.test_gsm8k import PROMPT

    return PROMPT
